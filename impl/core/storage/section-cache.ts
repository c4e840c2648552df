/** What was read of sections lately, verified: the chunks and where they are. The oldest goes when it is too much. */
import type { Lsn } from './ids.ts';
import type { SectionTable } from './section.ts';

const CACHE_BYTES_MAX = 8 * 2 ** 20;
/** What a chunk or a section costs beyond its bytes, roughly. */
const EXTRA_BYTES = 256;

export interface CachedSection {
  readonly table: SectionTable;
  readonly chunks: Map<number, Uint8Array>;
}

export class SectionCache {
  private readonly sections = new Map<Lsn, CachedSection>();
  private bytes = 0;

  get(lsn: Lsn): CachedSection | undefined {
    return this.sections.get(lsn);
  }

  /** The section begins to be known, or is known already. */
  add(lsn: Lsn, table: SectionTable): CachedSection {
    const known = this.sections.get(lsn);
    if (known !== undefined) return known;
    const section = { table: table.copy(), chunks: new Map<number, Uint8Array>() };
    this.sections.set(lsn, section);
    this.bytes += tableBytes(section);
    return section;
  }

  addChunk(section: CachedSection, chunk: number, bytes: Uint8Array): void {
    if (section.chunks.has(chunk)) return;
    section.chunks.set(chunk, bytes);
    this.bytes += bytes.length + EXTRA_BYTES;
  }

  /** Forgets the oldest, as long as it is too much. */
  evict(): void {
    for (const [lsn, section] of this.sections) {
      if (this.bytes <= CACHE_BYTES_MAX) return;
      this.forget(lsn, section);
    }
  }

  private forget(lsn: Lsn, section: CachedSection): void {
    this.sections.delete(lsn);
    this.bytes -= tableBytes(section);
    for (const bytes of section.chunks.values()) this.bytes -= bytes.length + EXTRA_BYTES;
  }
}

function tableBytes({ table }: CachedSection): number {
  return EXTRA_BYTES + table.bytes;
}

/** What was read of sections lately, verified: the chunks and where they are. */
import type { Lsn } from './ids.ts';
import type { SectionTable } from './section.ts';

/** A half is given up to be the older one when it has more. */
const HALF_BYTES = 4 * 2 ** 20;
/** What some chunks in a row or a section cost beyond their bytes, roughly. */
const EXTRA_BYTES = 256;

/** Chunks in a row that were read at once. */
export interface ChunkRun {
  readonly bytes: Uint8Array;
  /** Where they begin, from the begin of the section. */
  readonly from: number;
  /** The first chunk behind them. */
  readonly end: number;
}

export class CachedSection {
  readonly table: SectionTable;
  /** Of each chunk that is here, those that it was read with. */
  private readonly runs: (ChunkRun | undefined)[] = [];
  private runBytes = 0;

  constructor(table: SectionTable) {
    this.table = table.copy();
    for (let chunk = 0; chunk < table.chunks; chunk++) this.runs.push(undefined);
  }

  /** Of memory, roughly. */
  get bytes(): number {
    return EXTRA_BYTES + this.table.bytes + this.runBytes;
  }

  runWith(chunk: number): ChunkRun | undefined {
    return this.runs[chunk];
  }

  /** Keeps the chunks from `chunk` on to the end of the run. */
  add(chunk: number, run: ChunkRun): void {
    this.runs.fill(run, chunk, run.end);
    this.runBytes += EXTRA_BYTES + run.bytes.length;
  }
}

/**
 * In two halves: what is read goes into the newer one, and when that is full the older one goes, with what nobody has asked for since. (A
 * map from which one after the other is deleted would be copied again and again, and its copies keep alive what is in them.)
 */
export class SectionCache {
  private newer = new Map<Lsn, CachedSection>();
  private older = new Map<Lsn, CachedSection>();
  private newerBytes = 0;

  get(lsn: Lsn): CachedSection | undefined {
    const section = this.newer.get(lsn);
    if (section !== undefined) return section;
    const old = this.older.get(lsn);
    if (old !== undefined) this.renew(lsn, old);
    return old;
  }

  /** The section begins to be known, or is known already. */
  add(lsn: Lsn, table: SectionTable): CachedSection {
    const known = this.get(lsn);
    if (known !== undefined) return known;
    const section = new CachedSection(table);
    this.renew(lsn, section);
    return section;
  }

  private renew(lsn: Lsn, section: CachedSection): void {
    this.newer.set(lsn, section);
    this.newerBytes += section.bytes;
  }

  /** Keeps more of a section that is known. */
  addRun(section: CachedSection, chunk: number, run: ChunkRun): void {
    const before = section.bytes;
    section.add(chunk, run);
    this.newerBytes += section.bytes - before;
  }

  /** Forgets the older half, if there is too much. */
  evict(): void {
    if (this.newerBytes <= HALF_BYTES) return;
    this.older = this.newer;
    this.newer = new Map();
    this.newerBytes = 0;
  }
}

/**
 * What one frame holds of one stream. `Section` is one in a frame that is being filled; its records may lie in several places of the
 * frame until that is closed. `SectionTable` tells where they are in one that is finished (its layout is in `format.ts`).
 */
import type { Checksum } from '../../ports/disk.ts';
import { crc32c } from './crc32c.ts';
import { BLOCK_BYTES, setU64 } from './format.ts';
import type { Lsn } from './ids.ts';
import type { StreamIndex } from './stream-index.ts';

/** What one checksum covers, if it is not one record that is longer: as much as a lone record costs to read. */
export const CHUNK_BYTES: number = BLOCK_BYTES;
const ENTRY_BYTES = 12;
const TAIL_BYTES = 8;
/** What a section with one chunk has beyond its records. */
export const SECTION_EXTRA_BYTES: number = ENTRY_BYTES + TAIL_BYTES;

export class Section {
  readonly stream: StreamIndex;
  readonly epoch: number;
  /** Index of its first record. */
  readonly first: number;
  /** Its records take the place of those that the stream has. */
  readonly repairs: boolean;
  records = 0;
  /** How many of them belong to transactions that have ended. */
  committed = 0;
  /** Of the records with their lengths. */
  recordBytes = 0;
  /** Where in the frame's memory they are: of each run, its begin, and the bytes of the records before it. */
  private readonly runs: number[] = [];
  /** Of each chunk that is full: where it ends, from the begin of the section, and the records up to there. */
  readonly chunks: number[] = [];
  /** How many bytes of records the last chunk may end at. */
  private chunkLimit: number = CHUNK_BYTES;

  constructor(stream: StreamIndex, epoch: number, first: number, repairs: boolean) {
    this.repairs = repairs;
    this.stream = stream;
    this.epoch = epoch;
    this.first = first;
  }

  /** Length with the entries of its chunks. */
  get bytes(): number {
    const entries = this.chunks.length / 2 + 1;
    return this.recordBytes + entries * ENTRY_BYTES + TAIL_BYTES;
  }

  /** The next records lie one behind the other from `at` on of the frame's memory. */
  beginRun(at: number): void {
    const { runs, recordBytes } = this;
    const before = runs.length - 2;
    const goesOn = before >= 0 && runs[before]! + recordBytes - runs[before + 1]! === at;
    if (!goesOn) runs.push(at, recordBytes);
  }

  /** Takes a record of so many bytes with its length; returns by how much that lengthens the entries. */
  add(bytes: number): number {
    const extraBytes = this.recordBytes + bytes > this.chunkLimit ? this.closeChunk() : 0;
    this.recordBytes += bytes;
    this.records++;
    return extraBytes;
  }

  private closeChunk(): number {
    const { recordBytes } = this;
    // A chunk has one record at least.
    if (recordBytes === this.chunkLimit - CHUNK_BYTES) return 0;
    this.chunks.push(recordBytes, this.records);
    this.chunkLimit = recordBytes + CHUNK_BYTES;
    return ENTRY_BYTES;
  }

  /** Copies the chunk with the record `index`, and all that follows it, out of the open frame. */
  copyFrom(index: number, frame: Uint8Array): Piece {
    const { chunks, runs, recordBytes } = this;
    let chunk = 0;
    while (chunk < chunks.length && chunks[chunk + 1]! <= index - this.first) chunk += 2;
    const skip = chunk === 0 ? 0 : chunks[chunk - 2]!;
    const before = chunk === 0 ? 0 : chunks[chunk - 1]!;
    const bytes = new Uint8Array(recordBytes - skip);
    for (let i = 0; i < runs.length; i += 2) {
      const start = Math.max(skip, runs[i + 1]!);
      const end = runs[i + 3] ?? recordBytes;
      if (start >= end) continue;
      const from = runs[i]! + start - runs[i + 1]!;
      bytes.set(frame.subarray(from, from + end - start), start - skip);
    }
    return { bytes, first: this.first + before, records: this.records - before };
  }

  /** Moves its records together, from `source`, which holds what the frame's memory held from `base` on. */
  gather(source: Uint8Array, base: number, into: Uint8Array, to: number): void {
    const { runs } = this;
    for (let i = 0; i < runs.length; i += 2) {
      const from = runs[i]! - base;
      const start = runs[i + 1]!;
      const end = runs[i + 3] ?? this.recordBytes;
      into.set(source.subarray(from, from + end - start), to + start);
    }
  }

  /** Writes what follows the records, which begin at `at` and lie together. */
  seal(
    bytes: Uint8Array,
    view: DataView,
    at: number,
    identity: number,
    lsn: Lsn,
    checksum: Checksum,
  ): void {
    const { chunks, recordBytes } = this;
    const table = at + recordBytes;
    let entry = table;
    for (let i = 0; i < chunks.length; i += 2, entry += ENTRY_BYTES) {
      view.setUint32(entry, chunks[i]!, true);
      view.setUint32(entry + 4, chunks[i + 1]!, true);
    }
    view.setUint32(entry, recordBytes, true);
    view.setUint32(entry + 4, this.records, true);
    entry += ENTRY_BYTES;
    if (checksum.fillTable === undefined) fillTable(bytes, view, at, table, entry, checksum);
    else checksum.fillTable(bytes, at, table, entry);
    view.setUint32(entry, this.first % 2 ** 32, true);
    const seed = placeChecksum(identity, lsn, this.stream.id);
    view.setUint32(entry + 4, checksum(bytes, table, entry + 4, seed), true);
  }
}

/** What a disk's own does at one call: that of each chunk into its entry. */
function fillTable(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  table: number,
  tableEnd: number,
  checksum: Checksum,
): void {
  let from = at;
  for (let entry = table; entry < tableEnd; entry += ENTRY_BYTES) {
    const end = at + view.getUint32(entry, true);
    view.setUint32(entry + 8, checksum(bytes, from, end, 0), true);
    from = end;
  }
}

/** Records in a row: each a varint with its length, then its bytes. */
export interface Piece {
  readonly bytes: Uint8Array;
  /** Index of the first of them. */
  readonly first: number;
  readonly records: number;
}

/** How long the end of a section has to be for the entries of its chunks to be in it. */
export function tableBytesMax(sectionBytes: number): number {
  // Two chunks in a row are longer than one may be.
  const chunks = 2 * Math.ceil(sectionBytes / CHUNK_BYTES) + 1;
  return Math.min(sectionBytes, chunks * ENTRY_BYTES + TAIL_BYTES);
}

/** Where the chunks of a finished section are. */
export class SectionTable {
  readonly chunks: number;
  private readonly view: DataView;
  private readonly firstLow: number;

  /** `view` begins where the first chunk's entry does. */
  private constructor(view: DataView) {
    this.view = view;
    this.chunks = (view.byteLength - TAIL_BYTES) / ENTRY_BYTES;
    this.firstLow = view.getUint32(view.byteLength - TAIL_BYTES, true);
  }

  /**
   * Of the section of `sectionBytes` that ends where `bytes` does; undefined if there is none. Nothing is verified without an `expected`
   * checksum of its place.
   */
  static at(
    bytes: Uint8Array,
    sectionBytes: number,
    verify: { readonly checksum: Checksum; readonly seed: number } | undefined,
  ): SectionTable | undefined {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const last = bytes.length - TAIL_BYTES - ENTRY_BYTES;
    if (last < 0) return undefined;
    const tableBytes = sectionBytes - view.getUint32(last, true);
    const from = bytes.length - tableBytes;
    if (from < 0 || from > last || (tableBytes - TAIL_BYTES) % ENTRY_BYTES !== 0) return undefined;
    if (verify !== undefined) {
      const sum = verify.checksum(bytes, from, bytes.length - 4, verify.seed);
      if (sum !== view.getUint32(bytes.length - 4, true)) return undefined;
    }
    return new SectionTable(new DataView(bytes.buffer, bytes.byteOffset + from, tableBytes));
  }

  /** A copy that keeps no more in memory than it needs. */
  copy(): SectionTable {
    const { buffer, byteOffset, byteLength } = this.view;
    return new SectionTable(new DataView(buffer.slice(byteOffset, byteOffset + byteLength)));
  }

  get records(): number {
    return this.recordsBefore(this.chunks);
  }

  get bytes(): number {
    return this.view.byteLength;
  }

  /** Where the chunk begins, from the begin of the section. */
  startOf(chunk: number): number {
    return chunk === 0 ? 0 : this.view.getUint32((chunk - 1) * ENTRY_BYTES, true);
  }

  /** Records of the section before the chunk. */
  recordsBefore(chunk: number): number {
    return chunk === 0 ? 0 : this.view.getUint32((chunk - 1) * ENTRY_BYTES + 4, true);
  }

  checksumOf(chunk: number): number {
    return this.view.getUint32(chunk * ENTRY_BYTES + 8, true);
  }

  /** Index of the section's first record, which is not far before `index`. */
  firstBefore(index: number): number {
    const distance = (index % 2 ** 32) - this.firstLow;
    return index - (distance < 0 ? distance + 2 ** 32 : distance);
  }

  /** The chunk with the record, which is one of the section's. */
  find(record: number): number {
    let low = 0;
    let high = this.chunks - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.recordsBefore(middle) <= record) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** Whether the section at `bytes[at, at + sectionBytes)` is whole. */
export function verifySection(
  bytes: Uint8Array,
  at: number,
  sectionBytes: number,
  records: number,
  seed: number,
  checksum: Checksum,
): boolean {
  const section = bytes.subarray(at, at + sectionBytes);
  const table = SectionTable.at(section, sectionBytes, { checksum, seed });
  if (table === undefined || table.records !== records) return false;
  for (let i = 0; i < table.chunks; i++) {
    const sum = checksum(section, table.startOf(i), table.startOf(i + 1), 0);
    if (sum !== table.checksumOf(i)) return false;
  }
  return true;
}

const PLACE = new Uint8Array(24);
const PLACE_VIEW = new DataView(PLACE.buffer);

/** Checksum of where a section belongs: what its own goes on from. */
export function placeChecksum(identity: number, lsn: Lsn, stream: number): number {
  setU64(PLACE_VIEW, 0, identity);
  setU64(PLACE_VIEW, 8, lsn);
  setU64(PLACE_VIEW, 16, stream);
  // So few bytes are not worth the way to a faster one.
  return crc32c(PLACE, 0, PLACE.length, 0);
}

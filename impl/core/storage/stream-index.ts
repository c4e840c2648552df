/**
 * Where the records of one stream are: one extent per section that holds some, in three typed arrays (20 bytes an
 * extent). An extent's records end where the next extent's begin, the last one's at the end of the stream.
 */
import type { Lsn } from './ids.ts';

export class StreamIndex {
  readonly id: number;
  readonly name: string;
  /** The log knows the stream: its definition is staged or written. */
  defined = false;
  start = 0;
  end = 0;
  /** Where whoever read last will go on, and how much was read in a row up to there. */
  readEnd = -1;
  readRunBytes = 0;
  private firsts: Float64Array = NONE;
  private lsns: Float64Array = NONE;
  private lengths: Uint32Array = new Uint32Array(0);
  private from = 0;
  private to = 0;

  constructor(id: number, name: string) {
    this.id = id;
    this.name = name;
  }

  get extents(): number {
    return this.to - this.from;
  }

  firstOf(extent: number): number {
    return this.firsts[this.from + extent]!;
  }

  lsnOf(extent: number): Lsn {
    return this.lsns[this.from + extent]!;
  }

  /** Length of the section; 0 for one that is not finished, and for a frame of version 1, whose lsn stands for it. */
  bytesOf(extent: number): number {
    return this.lengths[this.from + extent]!;
  }

  /** Where the extent's records end. */
  endOf(extent: number): number {
    return extent + 1 < this.extents ? this.firstOf(extent + 1) : this.end;
  }

  /** Of the last extent, -1 if there is none. */
  get lastLsn(): Lsn {
    return this.to > this.from ? this.lsns[this.to - 1]! : -1;
  }

  /** The extent that holds the record `index`, which the stream holds. */
  find(index: number): number {
    let low = this.from;
    let high = this.to - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.firsts[middle]! <= index) low = middle;
      else high = middle - 1;
    }
    return low - this.from;
  }

  /** Records from `first` on are in the section of so many bytes at `lsn`; while that is being filled, in the frame at `lsn`. */
  push(first: number, lsn: Lsn, bytes: number): void {
    if (this.to === this.firsts.length) this.makeRoom();
    this.firsts[this.to] = first;
    this.lsns[this.to] = lsn;
    this.lengths[this.to] = bytes;
    this.to++;
  }

  /** The section in the frame at `frame` that begins with `first` is finished: it is at `lsn`. The last one comes first. */
  settle(first: number, frame: Lsn, lsn: Lsn, bytes: number): void {
    for (let i = this.to - 1; i >= this.from && this.lsns[i]! >= frame; i--) {
      if (this.firsts[i] !== first || this.lsns[i] !== frame) continue;
      this.lsns[i] = lsn;
      this.lengths[i] = bytes;
      return;
    }
  }

  /** Forgets records at and after `end`; tells the frame of each extent that is gone. */
  truncate(end: number, gone: (lsn: Lsn) => void): void {
    while (this.to > this.from && this.firsts[this.to - 1]! >= end) gone(this.lsns[--this.to]!);
    this.end = end;
  }

  /** Forgets records before `start`; tells the frame of each extent that is gone. */
  trim(start: number, gone: (lsn: Lsn) => void): void {
    while (this.to > this.from && this.endOf(0) <= start) gone(this.lsns[this.from++]!);
    this.start = start;
  }

  /** Forgets all records; the next one gets `start`. */
  reset(start: number, gone: (lsn: Lsn) => void): void {
    while (this.to > this.from) gone(this.lsns[--this.to]!);
    this.start = start;
    this.end = start;
  }

  private makeRoom(): void {
    const count = this.to - this.from;
    // Trimmed extents leave their room at the front; it is taken back before more is asked for.
    const enough = count > 0 && count * 2 <= this.firsts.length;
    const capacity = enough ? this.firsts.length : Math.max(4, count * 2);
    const firsts = enough ? this.firsts : new Float64Array(capacity);
    const lsns = enough ? this.lsns : new Float64Array(capacity);
    const lengths = enough ? this.lengths : new Uint32Array(capacity);
    firsts.set(this.firsts.subarray(this.from, this.to));
    lsns.set(this.lsns.subarray(this.from, this.to));
    lengths.set(this.lengths.subarray(this.from, this.to));
    this.firsts = firsts;
    this.lsns = lsns;
    this.lengths = lengths;
    this.from = 0;
    this.to = count;
  }
}

const NONE: Float64Array = new Float64Array(0);

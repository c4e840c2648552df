/**
 * Where the records of one stream are: one extent per section that holds some, in one typed array (24 bytes an
 * extent). An extent's records end where the next extent's begin, the last one's at the end of the stream.
 */
import type { Lsn } from './ids.ts';
import { ReadRun } from './read-run.ts';

export class StreamIndex {
  readonly id: number;
  readonly name: string;
  /** The log knows the stream: its definition is staged or written. */
  defined = false;
  start = 0;
  end = 0;
  readonly run: ReadRun = new ReadRun();
  /** Of each extent: its first record, lsn and bytes of its section. */
  private places: Float64Array = NONE;
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
    return this.places[3 * (this.from + extent)]!;
  }

  lsnOf(extent: number): Lsn {
    return this.places[3 * (this.from + extent) + 1]!;
  }

  /** Length of the section; 0 for one that is not finished, and for a frame of version 1, whose lsn stands for it. */
  bytesOf(extent: number): number {
    return this.places[3 * (this.from + extent) + 2]!;
  }

  /** Of all sections that are finished. */
  get bytes(): number {
    let sum = 0;
    for (let extent = 0; extent < this.extents; extent++) sum += this.bytesOf(extent);
    return sum;
  }

  /** Where the extent's records end. */
  endOf(extent: number): number {
    return extent + 1 < this.extents ? this.firstOf(extent + 1) : this.end;
  }

  /** Of the last extent, -1 if there is none. */
  get lastLsn(): Lsn {
    return this.to > this.from ? this.lsnOf(this.extents - 1) : -1;
  }

  /** The extent that holds the record `index`, which the stream holds. */
  find(index: number): number {
    let low = 0;
    let high = this.extents - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.firstOf(middle) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Records from `first` on are in the section of so many bytes at `lsn`; while that is being filled, in the frame at `lsn`. */
  push(first: number, lsn: Lsn, bytes: number): void {
    if (3 * this.to === this.places.length) this.makeRoom(1);
    this.set(this.to++, first, lsn, bytes);
  }

  /** Makes room for so many extents at once. */
  makeRoom(extents: number): void {
    const kept = this.places.subarray(3 * this.from, 3 * this.to);
    const needed = kept.length + 3 * extents;
    // Trimmed extents leave their room at the front; it is taken back before more is asked for.
    const isEnough = needed <= this.places.length && kept.length * 2 <= this.places.length;
    const places = isEnough ? this.places : new Float64Array(Math.max(needed, kept.length * 2));
    places.set(kept);
    this.places = places;
    this.to -= this.from;
    this.from = 0;
  }

  private set(at: number, first: number, lsn: Lsn, bytes: number): void {
    this.places[3 * at] = first;
    this.places[3 * at + 1] = lsn;
    this.places[3 * at + 2] = bytes;
  }

  /**
   * The records `[from, end)` are in the section at `lsn` from now on, and begin it or follow the last ones that were put there. Tells of
   * each extent that is gone, and of each that there is more.
   */
  replace(
    from: number,
    end: number,
    place: { readonly lsn: Lsn; readonly bytes: number; readonly begins: boolean },
    gone: (lsn: Lsn) => void,
    added: (lsn: Lsn) => void,
  ): void {
    const low = this.find(from);
    const high = this.find(end - 1);
    const parts: { first: number; lsn: Lsn; bytes: number }[] = [];
    const first = this.firstOf(low);
    // What is left of an extent before the start is nothing.
    if (first < from && from > this.start)
      parts.push({ first, lsn: this.lsnOf(low), bytes: this.bytesOf(low) });
    if (place.begins) parts.push({ first: from, lsn: place.lsn, bytes: place.bytes });
    if (this.endOf(high) > end)
      parts.push({ first: end, lsn: this.lsnOf(high), bytes: this.bytesOf(high) });
    for (const { lsn } of parts) added(lsn);
    for (let extent = low; extent <= high; extent++) gone(this.lsnOf(extent));
    if (3 * (this.to + 2) > this.places.length) this.makeRoom(2);
    const at = this.from + low;
    const behind = this.from + high + 1;
    this.places.copyWithin(3 * (at + parts.length), 3 * behind, 3 * this.to);
    this.to += parts.length - (high - low + 1);
    for (const [i, part] of parts.entries()) this.set(at + i, part.first, part.lsn, part.bytes);
  }

  /** As `replace`, of records of which the log says that they are in that section. */
  restore(from: number, end: number, lsn: Lsn, bytes: number): void {
    const begins = from === this.start || this.lsnOf(this.find(from - 1)) !== lsn;
    this.replace(from, end, { lsn, bytes, begins }, ignore, ignore);
  }

  /** The section in the frame at `frame` that begins with `first` is finished: it is at `lsn`. The last one comes first. */
  settle(first: number, frame: Lsn, lsn: Lsn, bytes: number): void {
    if (this.extents === 0) return;
    const extent = this.find(first);
    if (this.firstOf(extent) !== first || this.lsnOf(extent) !== frame) return;
    this.set(this.from + extent, first, lsn, bytes);
  }

  /** Forgets records at and after `end`; tells the frame of each extent that is gone. */
  truncate(end: number, gone: (lsn: Lsn) => void): void {
    while (this.extents > 0 && this.firstOf(this.extents - 1) >= end) gone(this.pop());
    this.end = end;
  }

  /** Forgets records before `start`; tells the frame of each extent that is gone. */
  trim(start: number, gone: (lsn: Lsn) => void): void {
    while (this.extents > 0 && this.endOf(0) <= start) {
      const lsn = this.lsnOf(0);
      this.from++;
      gone(lsn);
    }
    this.start = start;
  }

  /** Forgets all records; the next one gets `start`. */
  reset(start: number, gone: (lsn: Lsn) => void): void {
    while (this.extents > 0) gone(this.pop());
    this.start = start;
    this.end = start;
  }

  private pop(): Lsn {
    const lsn = this.lastLsn;
    this.to--;
    return lsn;
  }
}

const NONE: Float64Array = new Float64Array(0);

function ignore(): void {}

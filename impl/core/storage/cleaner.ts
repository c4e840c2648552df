/**
 * Empties files of which little is needed any more, by writing what is needed of them again at the end of the log (Rosenblum and Ousterhout, *The
 * design and implementation of a log-structured file system*, 1992): the oldest and emptiest first. A slow stream among fast
 * ones would else keep every file that it has a record in.
 *
 * What it writes is what a repair writes: sections that take the place of others, under the same indexes, in transactions of their own. A file
 * goes as any other does that nobody needs: behind a checkpoint, which says only what is durable.
 *
 * A bit at a time, as the caller asks for it. It measures first, which looks at each extent, chooses files, then goes over the streams. Between
 * two bits anything may happen to them, so what was read is looked for again before it is written.
 */
import { assert } from '../assert.ts';
import type { WalrusError } from '../errors.ts';
import { DamagedRecords } from './damaged-records.ts';
import type { Lsn } from './ids.ts';
import type { LogFile } from './log-file.ts';
import type { LogFiles } from './log-files.ts';
import { ReadRun } from './read-run.ts';
import type { Reader } from './reader.ts';
import type { StreamIndex } from './stream-index.ts';

export interface Cleaned {
  /** What was written again, and what looking for it cost: the caller's measure of how long to wait for the next bit. */
  readonly bytes: number;
  /** There is nothing to be done until the log changes. */
  readonly isEnd: boolean;
}

export type CleanDone = (error: WalrusError | undefined, cleaned: Cleaned) => void;

export interface CleanerPorts {
  readonly files: LogFiles;
  readonly reader: Reader;
  /** By id. */
  readonly streams: readonly (StreamIndex | undefined)[];
  /** Changes with all that is written or forgotten. */
  version(): number;
  endLsn(): Lsn;
  /** Of the frame that is being filled, which has no file yet. */
  openLsn(): Lsn | undefined;
  /** Whether so much can be staged now, as a transaction of its own. `busy`: `goOn` will be called. */
  room(bytes: number): 'yes' | 'busy' | 'full';
  /** Writes records again that the stream has, as one transaction. */
  rewrite(parts: readonly Part[]): void;
}

/** Records of a stream in a row. */
export interface Part {
  readonly stream: StreamIndex;
  readonly from: number;
  readonly records: readonly Uint8Array[];
}

/** Read and written at once, or one record. */
const STEP_BYTES = 256 * 1024;
/** Looked at in one turn. */
const EXTENTS_MAX = 65_536;
const EXTENT_BYTES = 24;
/** What a record takes beyond its own bytes, mostly. */
const RECORD_EXTRA_BYTES = 4;
/** Beyond two files, the log is to take no more than twice what is live: it begins before that, and ends when it has some time again. */
const DUE_FACTOR = 1.6;
const AIM_FACTOR = 1.5;
/** A file that is fuller is not worth it. */
const FULL_SHARE = 0.9;
/** What cleaning could not mend (the unused ends of files, say) it tries again only when there is so much more of it. */
const GROWTH = 1.25;

/** A pass that gains less of what it empties was of no use. */
const GAIN_SHARE_MIN = 0.1;

/** How things were when it began, and what it did. */
interface Pass {
  readonly waste: number;
  readonly endLsn: Lsn;
  victimBytes: number;
  /** How much longer it made the log. */
  logBytes: number;
}

interface Call {
  readonly isThorough: boolean;
  readonly done: CleanDone;
  left: number;
  spent: number;
}

export class Cleaner {
  movedRecords = 0;
  movedBytes = 0;
  /** Of the records and what goes with them, when they were last measured; undefined before. */
  liveBytes: number | undefined = undefined;
  private readonly ports: CleanerPorts;
  private phase: 'resting' | 'measuring' | 'moving' = 'resting';
  private call: Call | undefined = undefined;
  private isAdvancing = false;
  /** Where it goes on: a stream, and a record of it. */
  private id = 0;
  private index = 0;
  private victims = new Set<LogFile>();
  /** Of the present measuring. */
  private live = new Map<LogFile, number>();
  private version = -1;
  private isReading = false;
  /** What was read, and not yet written. */
  private found: Part | undefined = undefined;
  /** What the last pass left that is not live; 0 if it did all that it was to do. */
  private wasteKept = 0;
  private isThorough = false;
  /** The one under way, or the last, until it was judged. */
  private pass: Pass | undefined = undefined;
  /** Files with records that cannot be read, and the extents that each had then. */
  private readonly spoiled = new WeakMap<LogFile, number>();

  constructor(ports: CleanerPorts) {
    this.ports = ports;
  }

  /**
   * Goes on until so many bytes were written again, or a record more. `isThorough`: every file that is not full is emptied. One call at a time.
   */
  clean(bytes: number, isThorough: boolean, done: CleanDone): void {
    assert(this.call === undefined, 'one bit is cleaned at a time');
    this.call = { isThorough, done, left: bytes, spent: 0 };
    this.goOn();
  }

  /** There may be room, or an end of the transaction, that it waits for. */
  goOn(): void {
    if (this.isAdvancing || this.call === undefined) return;
    this.isAdvancing = true;
    while (this.step());
    this.isAdvancing = false;
  }

  get isBusy(): boolean {
    return this.call !== undefined;
  }

  /** The log takes more than it is to. */
  get isLogTooLong(): boolean {
    const { files } = this.ports;
    const { liveBytes } = this;
    if (liveBytes === undefined) return false;
    return files.heldBytes() - 2 * files.fileBytes > AIM_FACTOR * liveBytes;
  }

  /** Nothing is written any more. */
  stop(error: WalrusError): void {
    this.end(error, true);
  }

  /** Whether there may be more to be done in this turn. */
  private step(): boolean {
    const { call } = this;
    if (call === undefined || this.isReading) return false;
    if (this.found !== undefined) return this.write(call, this.found);
    if (call.left <= 0) return this.end(undefined, false);
    switch (this.phase) {
      case 'resting':
        return this.begin(call);
      case 'measuring':
        return this.measure(call);
      case 'moving':
        return this.move(call);
    }
  }

  private begin(call: Call): boolean {
    const version = this.ports.version();
    if (version === this.version && !call.isThorough) return this.end(undefined, true);
    this.version = version;
    this.isThorough = call.isThorough;
    this.live = new Map();
    this.enter('measuring');
    return true;
  }

  private enter(phase: 'resting' | 'measuring' | 'moving'): void {
    this.phase = phase;
    this.id = 0;
    this.index = 0;
  }

  /** Adds up what is live of each file. */
  private measure(call: Call): boolean {
    const { files } = this.ports;
    const ended = this.eachExtent(call, (stream, extent) => {
      const lsn = stream.lsnOf(extent);
      // What has no file yet is measured when it has.
      if (lsn === this.ports.openLsn()) return false;
      const file = files.at(lsn);
      const first = stream.firstOf(extent);
      const end = stream.endOf(extent);
      // Of a frame of version 1 it is not known how much is whose.
      const bytes = stream.bytesOf(extent) || (this.isOver(file) ? file.sizeBytes : 0);
      const share = (end - Math.max(first, stream.start)) / (end - first);
      this.live.set(file, (this.live.get(file) ?? 0) + bytes * share);
      return false;
    });
    if (!ended) return this.end(undefined, false);
    this.choose();
    if (this.victims.size > 0) {
      this.enter('moving');
      return true;
    }
    return this.rest(call, true);
  }

  private liveOf(file: LogFile): number {
    return Math.min(file.sizeBytes, this.live.get(file) ?? 0);
  }

  private choose(): void {
    const { files } = this.ports;
    let live = 0;
    for (const file of files.files) live += this.liveOf(file);
    this.liveBytes = live;
    files.limit(2 * live);
    // What nobody needs goes by itself.
    const held = files.files.filter((file) => file.extents > 0 || !this.isOver(file));
    let excess = files.heldBytes(held) - 2 * files.fileBytes;
    // A file that was filled just now may soon be empty by itself.
    if (!files.needsSpare) excess -= files.spareBytes;
    const waste = excess - live;
    const isOver = excess > DUE_FACTOR * live;
    this.learn(waste, isOver);
    this.victims = new Set();
    if (!this.isThorough && !(isOver && waste > this.wasteKept * GROWTH)) return;
    this.pass = { waste, endLsn: this.ports.endLsn(), victimBytes: 0, logBytes: 0 };
    const candidates = held.filter((file) => this.isWorthIt(file));
    candidates.sort((a, b) => this.benefit(b) - this.benefit(a));
    let moved = 0;
    for (const file of candidates) {
      if (!this.isThorough && (excess <= AIM_FACTOR * live || moved >= files.fileBytes)) break;
      this.victims.add(file);
      this.pass.victimBytes += file.sizeBytes;
      moved += this.liveOf(file);
      // Where it goes there is room: that is in the file under way.
      excess -= file.sizeBytes;
    }
  }

  /** Whether the last pass was of any use: where files are small, their ends and heads may be most of what is not live. */
  private learn(waste: number, isOver: boolean): void {
    const { pass } = this;
    this.pass = undefined;
    if (!isOver) this.wasteKept = 0;
    if (pass === undefined || !isOver) return;
    const appended = this.ports.endLsn() - pass.endLsn - pass.logBytes;
    const gained = pass.waste + appended - waste;
    this.wasteKept = gained < GAIN_SHARE_MIN * pass.victimBytes ? waste : 0;
  }

  private isWorthIt(file: LogFile): boolean {
    if (!this.isOver(file) || this.spoiled.get(file) === file.extents) return false;
    return this.liveOf(file) <= FULL_SHARE * file.sizeBytes;
  }

  /** Room gained by what it costs, and by how long it will last. */
  private benefit(file: LogFile): number {
    const share = this.liveOf(file) / file.sizeBytes;
    return ((1 - share) * (this.ports.endLsn() - file.begin)) / (1 + share);
  }

  /** Frames go to a later one. */
  private isOver(file: LogFile): boolean {
    return file !== this.ports.files.files.at(-1);
  }

  private isVictim(lsn: Lsn): boolean {
    return lsn !== this.ports.openLsn() && this.victims.has(this.ports.files.at(lsn));
  }

  /** Shows extents, in order, until `take` says that one was taken; true at the end of all. At most so many in one turn. */
  private eachExtent(call: Call, take: (stream: StreamIndex, extent: number) => boolean): boolean {
    const { streams } = this.ports;
    let left = EXTENTS_MAX;
    for (; this.id < streams.length; this.id++, this.index = 0) {
      const stream = streams[this.id];
      if (stream === undefined) continue;
      this.index = Math.max(this.index, stream.start);
      if (this.index >= stream.end) continue;
      for (let extent = stream.find(this.index); extent < stream.extents; extent++) {
        if (left-- === 0) return false;
        call.left -= EXTENT_BYTES;
        call.spent += EXTENT_BYTES;
        if (take(stream, extent)) return false;
        this.index = stream.endOf(extent);
      }
    }
    return true;
  }

  /** Reads what comes next of what has to be moved. */
  private move(call: Call): boolean {
    let taken: StreamIndex | undefined;
    let to = 0;
    const ended = this.eachExtent(call, (stream, extent) => {
      if (!this.isVictim(stream.lsnOf(extent))) return false;
      taken = stream;
      let last = extent;
      const most = Math.min(stream.extents, extent + EXTENTS_MAX);
      while (last + 1 < most && this.isVictim(stream.lsnOf(last + 1))) last++;
      to = stream.endOf(last);
      return true;
    });
    if (taken !== undefined) {
      this.read(call, taken, to);
      return true;
    }
    if (!ended) return this.end(undefined, false);
    this.victims = new Set();
    return this.rest(call, this.isThorough);
  }

  /** A thorough call is over when a thorough pass is. */
  private rest(call: Call, isEnd: boolean): boolean {
    this.enter('resting');
    if (isEnd && this.isThorough === call.isThorough) return this.end(undefined, true);
    return call.isThorough || this.end(undefined, false);
  }

  private read(call: Call, stream: StreamIndex, to: number): void {
    const from = Math.max(this.index, stream.start);
    const bytes = Math.min(STEP_BYTES, call.left);
    this.isReading = true;
    const done = (error: WalrusError | undefined, records: readonly Uint8Array[]): void => {
      this.isReading = false;
      if (error === undefined) this.found = { stream, from, records };
      else if (error.code === 'Exhausted') this.end(error, false);
      else this.passOver(stream, from, error);
      this.goOn();
    };
    this.ports.reader.read(stream, from, { records: to - from, bytes }, done, new ReadRun());
  }

  /** What cannot be read stays where it is: whoever needs it, or scrubs, is told. */
  private passOver(stream: StreamIndex, from: number, error: WalrusError): void {
    const isThere = this.ports.streams[stream.id] === stream && from >= stream.start;
    if (!isThere || from >= stream.end) return;
    const extent = stream.find(from);
    const file = this.ports.files.at(stream.lsnOf(extent));
    this.spoiled.set(file, file.extents);
    const end = error instanceof DamagedRecords ? error.to : stream.endOf(extent);
    this.index = Math.max(from + 1, Math.min(end, stream.endOf(extent)));
  }

  /** Writes again what is still where it was read. */
  private write(call: Call, { stream, from, records }: Part): boolean {
    const bytes = records.reduce((sum, { length }) => sum + length + RECORD_EXTRA_BYTES, 0);
    const room = this.ports.room(bytes);
    if (room === 'busy') return false;
    this.found = undefined;
    // The disk has no room to make room with; what was read is read again when it has.
    if (room === 'full') return this.end(undefined, true);
    const isThere = this.ports.streams[stream.id] === stream;
    const parts = isThere ? this.partsLeft(stream, from, records) : [];
    const before = this.ports.endLsn();
    if (parts.length > 0) this.ports.rewrite(parts);
    this.pass!.logBytes += this.ports.endLsn() - before;
    this.index = Math.max(this.index, from + records.length);
    call.left -= bytes + EXTENT_BYTES;
    call.spent += bytes + EXTENT_BYTES;
    for (const part of parts) this.count(part.records);
    return true;
  }

  private count(records: readonly Uint8Array[]): void {
    this.movedRecords += records.length;
    for (const { length } of records) this.movedBytes += length;
  }

  /** The records of the stream that are in files to be emptied: those have been there ever since. */
  private partsLeft(stream: StreamIndex, from: number, records: readonly Uint8Array[]): Part[] {
    const parts: Part[] = [];
    const end = Math.min(from + records.length, stream.end);
    let next = Math.max(from, stream.start);
    while (next < end) {
      const begin = next;
      while (next < end && this.isVictim(stream.lsnOf(stream.find(next)))) {
        next = Math.min(end, stream.endOf(stream.find(next)));
      }
      if (next > begin)
        parts.push({ stream, from: begin, records: records.slice(begin - from, next - from) });
      else next = stream.endOf(stream.find(next));
    }
    return parts;
  }

  /** Whether the caller has asked for more at once. */
  private end(error: WalrusError | undefined, isEnd: boolean): boolean {
    const { call } = this;
    this.call = undefined;
    call?.done(error, { bytes: call.spent, isEnd });
    return this.call !== undefined;
  }
}

/**
 * What a directory holds, as far as it is whole: also of one that opening refuses. Nothing is changed, and nothing is asked of the disk port:
 * a survey is for a directory that nobody has open. The rules are those of recovery (`format.ts`), but where recovery ends with `Corrupt`
 * a survey notes the place and goes on with the next frame that verifies.
 *
 * It does not mend, and it guesses nothing: what it gives out has verified against the place where it lies. Of a transaction that was
 * durable and of which a frame is damaged it gives what is left.
 */
import type { Checksum, DiskFile } from '../../ports/disk.ts';
import { assert } from '../assert.ts';
import { MalformedError } from '../codec.ts';
import { WalrusError } from '../errors.ts';
import { utf8Decode } from '../utf8.ts';
import { type BodyVisitor, pieceOf } from './body-v1.ts';
import { type Checkpoint, type CheckpointFile, decodeCheckpoint } from './checkpoint.ts';
import { type ContentsVisitor, verifySections } from './contents.ts';
import {
  claimedFrameBytes,
  decodeFileHeader,
  decodeFrame,
  FILE_HEAD_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_UNIT_BYTES,
  type FrameHeader,
  HEADER_BYTES,
  parseFileName,
} from './format.ts';
import type { Lsn } from './ids.ts';
import { LogFile } from './log-file.ts';
import { nextMagic } from './recovery.ts';
import { type Piece, placeChecksum, SectionTable } from './section.ts';
import { StreamIndex } from './stream-index.ts';
import { Transactions } from './transactions.ts';
import { Cursor } from './varint.ts';

/** The newest so many are left alone. */
const CHECKPOINTS_KEPT = 2;

/** Files that can be read where one stands. */
export interface ReadableFiles {
  readonly files: readonly DiskFile[];
  /** Bytes of the file; fewer at its end. What cannot be read is zeros. */
  read(name: string, offsetBytes: number, length: number): Uint8Array;
}

/** Bytes that do not verify. */
export interface Damage {
  readonly file: string;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  readonly what: string;
}

/** Records `[from, to)` of a stream that do not verify, and where they should be. */
export interface LostRecords {
  readonly stream: string;
  readonly from: number;
  readonly to: number;
  readonly file: string;
  readonly offsetBytes: number;
}

/** Records in a row. */
export interface WholeRecords {
  /** Index of the first. */
  readonly from: number;
  readonly records: readonly Uint8Array[];
}

/** Where the log ends, and bytes of valid frames behind it, which nothing vouches for: opening cuts them. */
export interface CutTail {
  readonly file: string;
  readonly offsetBytes: number;
  readonly frameBytes: number;
}

/** A frame that verifies, or nothing up to where the next one begins. */
type Step =
  | { readonly frame: FrameHeader; readonly at: number }
  | { readonly frame: undefined; readonly to: Lsn };

export class Survey implements BodyVisitor, ContentsVisitor {
  readonly damage: Damage[] = [];
  /** Drawn when the directory was founded; undefined if nothing tells. */
  identity: number | undefined = undefined;
  /** Files that hold frames that count, in order; those that are missing are 0 bytes long. */
  files: readonly LogFile[] = [];
  /** Names of files behind the end that have no header, or no room for frames: being made when their process ended, or what is left of ones that held some. */
  readonly headless: string[] = [];
  /** Names of the checkpoints that verify, the newest first. */
  readonly checkpoints: string[] = [];
  /** Where the log ends. */
  end: Lsn = 0;
  cut: CutTail | undefined = undefined;
  readonly pairs: Map<string, Uint8Array> = new Map();
  private readonly byId = new Map<number, StreamIndex>();
  private readonly source: ReadableFiles;
  private readonly checksum: Checksum;
  private readonly takesCut: boolean;
  private readonly transactions: Transactions;
  private base: Checkpoint | undefined = undefined;
  /** Everything before it was known to be durable once. */
  private claimed: Lsn = 0;
  /** Where the last hole begins: records that later frames go on from were there. */
  private hole: Lsn = 0;

  /**
   * Reads the directory. `takesCut`: whole frames count also where opening would cut them. Throws `UnsupportedVersion` if a newer version
   * wrote a file.
   */
  constructor(source: ReadableFiles, checksum: Checksum, takesCut: boolean) {
    this.source = source;
    this.checksum = checksum;
    this.takesCut = takesCut;
    this.transactions = new Transactions(this);
    this.readCheckpoints();
    this.findFiles();
    this.readFrames();
    this.missFiles();
  }

  /** All streams, by name. */
  get streams(): readonly StreamIndex[] {
    return [...this.byId.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Reads what the stream holds, in order: what is whole, and what is not. */
  *recordsOf(stream: StreamIndex): Generator<WholeRecords | LostRecords, void> {
    for (let extent = 0; extent < stream.extents; extent++) {
      const from = Math.max(stream.start, stream.firstOf(extent));
      const to = stream.endOf(extent);
      let next = from;
      for (const piece of this.piecesOf(stream, extent)) {
        const records = recordsIn(piece, next, to);
        if (records.length === 0) continue;
        const first = Math.max(next, piece.first);
        if (first > next) yield this.lost(stream, extent, next, first);
        yield { from: first, records };
        next = first + records.length;
      }
      if (next < to) yield this.lost(stream, extent, next, to);
    }
  }

  private lost(stream: StreamIndex, extent: number, from: number, to: number): LostRecords {
    const lsn = stream.lsnOf(extent);
    const file = this.fileOf(lsn);
    assert(file !== undefined, 'an extent lies behind the begin of the log');
    return { stream: stream.name, from, to, file: file.name, offsetBytes: file.offsetOf(lsn) };
  }

  /** What verifies of the section, or of the frame of version 1. */
  private *piecesOf(stream: StreamIndex, extent: number): Generator<Piece, void> {
    const lsn = stream.lsnOf(extent);
    const sectionBytes = stream.bytesOf(extent);
    const file = this.fileOf(lsn)!;
    const identity = this.identity ?? 0;
    if (sectionBytes === 0) {
      const bytes = this.readFrame(file, file.offsetOf(lsn));
      const frame = bytes && decodeFrame(bytes, viewOf(bytes), 0, this.checksum);
      if (frame === undefined || typeof frame === 'string' || frame.version !== 1) return;
      if (!this.isOurs(frame, file) || frame.lsn !== lsn) return;
      const counts = this.transactions.unfinished.get(lsn);
      yield pieceOf(
        stream.id,
        bytes!,
        FRAME_HEADER_BYTES,
        counts ?? FRAME_HEADER_BYTES + frame.sectionBytes,
      );
      return;
    }
    const bytes = this.source.read(file.name, file.offsetOf(lsn), sectionBytes);
    if (bytes.length < sectionBytes) return;
    const { checksum } = this;
    const seed = placeChecksum(identity, lsn, stream.id);
    const table = SectionTable.at(bytes, sectionBytes, { checksum, seed });
    if (table === undefined) return;
    const first = table.firstBefore(stream.firstOf(extent));
    for (let chunk = 0; chunk < table.chunks; chunk++) {
      const from = table.startOf(chunk);
      const to = table.startOf(chunk + 1);
      if (checksum(bytes, from, to, 0) !== table.checksumOf(chunk)) continue;
      const before = table.recordsBefore(chunk);
      const records = table.recordsBefore(chunk + 1) - before;
      yield { bytes: bytes.subarray(from, to), first: first + before, records };
    }
  }

  private readFrame(file: LogFile, offsetBytes: number): Uint8Array | undefined {
    const header = this.source.read(file.name, offsetBytes, FRAME_HEADER_BYTES);
    if (header.length < FRAME_HEADER_BYTES) return undefined;
    const frameBytes = claimedFrameBytes(viewOf(header), 0);
    if (frameBytes < FRAME_HEADER_BYTES || offsetBytes + frameBytes > file.sizeBytes)
      return undefined;
    return this.source.read(file.name, offsetBytes, frameBytes);
  }

  private fileOf(lsn: Lsn): LogFile | undefined {
    const { files } = this;
    let low = 0;
    let high = files.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (files[middle]!.begin <= lsn) low = middle;
      else high = middle - 1;
    }
    return files[low];
  }

  private readCheckpoints(): void {
    const found = this.source.files
      .map(({ name, sizeBytes }) => ({ name, sizeBytes, parsed: parseFileName(name) }))
      .filter(({ parsed }) => parsed?.kind === 'checkpoint')
      .sort((a, b) => b.parsed!.number - a.parsed!.number);
    for (const [i, { name, sizeBytes, parsed }] of found.entries()) {
      const bytes = this.source.read(name, 0, sizeBytes);
      const checkpoint = decodeCheckpoint(bytes, parsed!.number, this.checksum);
      if (checkpoint === 'newer') throw newer(name);
      if (checkpoint === 'invalid') {
        // Of older ones the next is made, and the power may fail before that is durable under its own name.
        if (i < CHECKPOINTS_KEPT) this.note(name, 0, sizeBytes, 'the checkpoint does not verify');
        continue;
      }
      this.checkpoints.push(name);
      if (this.base === undefined) this.useCheckpoint(checkpoint);
    }
  }

  private useCheckpoint(checkpoint: Checkpoint): void {
    this.base = checkpoint;
    this.identity = checkpoint.identity;
    this.claimed = checkpoint.lsn;
    for (const stream of checkpoint.streams) this.byId.set(stream.id, stream);
    for (const [key, value] of checkpoint.pairs) this.pairs.set(key, value);
    for (const [lsn, bytes] of checkpoint.unfinished) this.transactions.unfinished.set(lsn, bytes);
  }

  /** Those that the checkpoint names, and later ones with frames of their own. */
  private findFiles(): void {
    const sizes = new Map<number, number>();
    for (const { name, sizeBytes } of this.source.files) {
      const parsed = parseFileName(name);
      if (parsed?.kind === 'log') sizes.set(parsed.number, sizeBytes);
    }
    const known: readonly CheckpointFile[] = this.base?.files ?? [];
    const found = known.map(({ number, begin }) => {
      const file = new LogFile(number, sizes.get(number) ?? 0);
      file.begin = begin;
      return file;
    });
    const last = known.at(-1)?.number ?? -1;
    const numbers = [...sizes.keys()].filter((number) => number > last).sort((a, b) => a - b);
    found.push(...numbers.map((number) => new LogFile(number, sizes.get(number)!)));
    for (const file of found) {
      const isHeaded = file.sizeBytes > 0 && this.hasHeader(file);
      if (file.begin === Infinity) this.findBegin(file);
      const holdsFrames = file.begin !== Infinity && file.sizeBytes > 0;
      if (!isHeaded && holdsFrames)
        this.note(file.name, 0, HEADER_BYTES, 'the header does not verify');
      if (file.begin === Infinity && (!isHeaded || file.sizeBytes <= FILE_HEAD_BYTES))
        this.headless.push(file.name);
    }
    let bound: Lsn = Infinity;
    const counted = found.reverse().filter(({ begin }) => {
      // What begins behind the begin of a later file was cut.
      const counts = begin < bound;
      bound = Math.min(bound, begin);
      return counts;
    });
    this.files = counted.reverse();
    const first = this.files[0];
    if (this.base !== undefined || first === undefined || first.begin === 0) return;
    this.note(first.name, FILE_HEAD_BYTES, 0, 'the log begins here, and no checkpoint is readable');
  }

  private hasHeader(file: LogFile): boolean {
    const bytes = this.source.read(file.name, 0, HEADER_BYTES);
    const header = decodeFileHeader(bytes, 'log', this.checksum);
    if (header === 'newer') throw newer(file.name);
    if (header === 'invalid') return false;
    this.identity ??= header.identity;
    if (header.identity !== this.identity)
      this.note(file.name, 16, 8, 'it belongs to another directory');
    else if (header.number !== file.number)
      this.note(file.name, 24, 8, `it is file ${header.number} under another name`);
    return true;
  }

  /** Any frame tells where its file begins. */
  private findBegin(file: LogFile): void {
    const bytes = this.source.read(file.name, 0, file.sizeBytes);
    const view = viewOf(bytes);
    for (let at = FILE_HEAD_BYTES; at + FRAME_HEADER_BYTES <= bytes.length; ) {
      const frame = decodeFrame(bytes, view, at, this.checksum);
      if (typeof frame !== 'string' && this.isOurs(frame, file)) {
        this.identity ??= frame.identity;
        const begin = frame.lsn - (at - FILE_HEAD_BYTES);
        if (begin >= 0) {
          file.begin = begin;
          return;
        }
      }
      at = nextMagic(bytes, view, at + FRAME_UNIT_BYTES);
    }
  }

  private isOurs(frame: FrameHeader, file: LogFile): boolean {
    const isOfDirectory = this.identity === undefined || frame.identity === this.identity;
    return isOfDirectory && frame.file === file.number;
  }

  private readFrames(): void {
    this.claim();
    const { files, base } = this;
    let at = base?.lsn ?? 0;
    for (const [i, file] of files.entries()) {
      if (i === 0) at = file.begin;
      const before = files[i - 1];
      if (before !== undefined && at < file.begin && this.goesOn(i - 1))
        this.meetHole(before, at, file.begin);
      at = this.readFile(file, this.boundOf(i), this.goesOn(i));
    }
    const last = files.at(-1);
    if (last !== undefined && base !== undefined && at < base.lsn) {
      this.meetHole(last, at, base.lsn);
      at = base.lsn;
    }
    this.transactions.drop();
    this.end = this.cut === undefined || this.takesCut ? at : this.end;
  }

  /** Where the frames of the file end that count. */
  private boundOf(i: number): Lsn {
    const { files, base } = this;
    const isClosed = base?.isClosed === true && base.files.at(-1)?.number === files[i]!.number;
    return files[i + 1]?.begin ?? (isClosed ? base.lsn : Infinity);
  }

  /**
   * What the next file begins with followed this one's frames. If a file between the two is gone, it may be this one's tail that was cut,
   * and nobody knows where.
   */
  private goesOn(i: number): boolean {
    const { files, base } = this;
    const isOld = i + 1 < (base?.files.length ?? 0);
    return !isOld || files[i + 1]!.number === files[i]!.number + 1;
  }

  /** What was durable when a frame was written it says; later ones say no less. */
  private claim(): void {
    for (let i = this.files.length - 1; i >= 0; i--) {
      const file = this.files[i]!;
      let isMet = false;
      const bytes = this.source.read(file.name, 0, file.sizeBytes);
      for (const { frame } of this.walk(file, bytes, this.boundOf(i))) {
        if (frame === undefined) continue;
        isMet = true;
        this.claimed = Math.max(this.claimed, frame.durable);
      }
      if (isMet) return;
    }
  }

  /** Takes the frames of the file; returns where they end. */
  private readFile(file: LogFile, bound: Lsn, goesOn: boolean): Lsn {
    const bytes = this.source.read(file.name, 0, file.sizeBytes);
    let end = file.begin;
    for (const step of this.walk(file, bytes, bound)) {
      if (step.frame === undefined) {
        if (!goesOn) break;
        this.meetHole(file, end, step.to);
        end = step.to;
        continue;
      }
      const { frame, at } = step;
      end = frame.lsn + frame.frameBytes;
      if (this.isWhole(bytes, at, frame)) {
        this.take(file, bytes, at, frame);
      } else if (!goesOn) {
        // It may be where the tail was cut, torn; of records that are needed their readers will find out.
        break;
      } else if (frame.lsn < this.claimed) {
        this.note(file.name, at, frame.frameBytes, 'records in this frame do not verify');
        this.take(file, bytes, at, frame);
      } else {
        this.meetHole(file, frame.lsn, end);
      }
    }
    return end;
  }

  private isWhole(bytes: Uint8Array, at: number, frame: FrameHeader): boolean {
    if (frame.version === 1) return true;
    try {
      return verifySections(bytes, at, frame, this.checksum);
    } catch (error) {
      // It was written so: whoever takes it will say what is wrong.
      if (error instanceof MalformedError) return true;
      throw error;
    }
  }

  private *walk(file: LogFile, bytes: Uint8Array, bound: Lsn): Generator<Step, void> {
    const view = viewOf(bytes);
    const limit = Math.min(bytes.length, bound - file.begin + FILE_HEAD_BYTES);
    let end = FILE_HEAD_BYTES;
    for (let at = end; at + FRAME_HEADER_BYTES <= limit; ) {
      const frame = decodeFrame(bytes, view, at, this.checksum);
      const isFrame = typeof frame !== 'string' && this.isOurs(frame, file);
      if (!isFrame || file.offsetOf(frame.lsn) !== at) {
        at = nextMagic(bytes, view, at + FRAME_UNIT_BYTES);
        continue;
      }
      if (at > end) yield { frame: undefined, to: frame.lsn };
      yield { frame, at };
      end = at + frame.frameBytes;
      at = end;
    }
  }

  private take(file: LogFile, bytes: Uint8Array, at: number, frame: FrameHeader): void {
    if (this.cut !== undefined) {
      this.cut = { ...this.cut, frameBytes: this.cut.frameBytes + frame.frameBytes };
      if (!this.takesCut) return;
    }
    if (this.base !== undefined && frame.lsn < this.base.lsn) return;
    try {
      this.transactions.take(frame, bytes, at);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.note(file.name, at, frame.frameBytes, error.message);
    }
  }

  /** Nothing is where a frame was, or was to be. */
  private meetHole(file: LogFile, from: Lsn, to: Lsn): void {
    this.hole = from;
    if (from < this.claimed) {
      const what = `no frame with lsn ${from}, which was durable`;
      if (file.sizeBytes > 0) this.note(file.name, file.offsetOf(from), to - from, what);
      // Its end was in what is damaged.
      if (this.base === undefined || from >= this.base.lsn) this.transactions.apply();
      return;
    }
    this.transactions.drop();
    if (this.cut !== undefined) return;
    this.end = from;
    this.cut = { file: file.name, offsetBytes: file.offsetOf(from), frameBytes: 0 };
  }

  /** A file that nothing points into any more is not missed. */
  private missFiles(): void {
    const missing = this.files.filter(({ sizeBytes }) => sizeBytes === 0);
    if (missing.length === 0) return;
    const needed = new Set([this.base?.files.at(-1)?.number]);
    for (const stream of this.byId.values()) {
      for (let i = 0; i < stream.extents; i++) needed.add(this.fileOf(stream.lsnOf(i))?.number);
    }
    for (const { name, number } of missing) {
      if (needed.has(number)) this.note(name, 0, 0, 'the file is missing');
    }
  }

  private note(file: string, offsetBytes: number, lengthBytes: number, what: string): void {
    this.damage.push({ file, offsetBytes, lengthBytes, what });
  }

  // What frames say. Where it does not join on to what is known, what lies between was in a hole.

  define(id: number, name: Uint8Array): void {
    const stream = new StreamIndex(id, utf8Decode(name));
    stream.defined = true;
    this.byId.set(id, stream);
  }

  append(id: number, index: number): void {
    this.place(id, index, 1, this.transactions.frameLsn, 0);
  }

  section(id: number, from: number, records: number, lsn: Lsn, bytes: number): void {
    this.place(id, from, records, lsn, bytes);
  }

  private place(id: number, from: number, records: number, lsn: Lsn, bytes: number): void {
    const stream = this.known(id, from);
    if (from < stream.start) stream.reset(from, ignore);
    else if (from < stream.end) stream.truncate(from, ignore);
    this.extend(stream, from);
    if (stream.lastLsn !== lsn) stream.push(from, lsn, bytes);
    stream.end += records;
  }

  repair(id: number, from: number, records: number, lsn: Lsn, bytes: number): void {
    const stream = this.known(id, from);
    const first = Math.max(from, stream.start);
    const end = Math.min(from + records, stream.end);
    if (first < end) stream.restore(first, end, lsn, bytes);
  }

  truncate(id: number, end: number): void {
    const stream = this.known(id, end);
    this.extend(stream, end);
    if (end < stream.start) stream.reset(end, ignore);
    else stream.truncate(end, ignore);
  }

  trim(id: number, start: number): void {
    const stream = this.known(id, start);
    this.extend(stream, start);
    if (start > stream.start) stream.trim(start, ignore);
  }

  reset(id: number, start: number): void {
    this.known(id, start).reset(start, ignore);
  }

  drop(id: number): void {
    this.byId.delete(id);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.pairs.set(utf8Decode(key), value.slice());
  }

  remove(key: Uint8Array): void {
    this.pairs.delete(utf8Decode(key));
  }

  /** Records up to there were in the hole. */
  private extend(stream: StreamIndex, end: number): void {
    if (end <= stream.end) return;
    stream.push(stream.end, this.hole, 0);
    stream.end = end;
  }

  /** The stream; if its definition was lost, without its name, and without what came before. */
  private known(id: number, from: number): StreamIndex {
    const known = this.byId.get(id);
    if (known !== undefined) return known;
    const stream = new StreamIndex(id, `stream ${id}, whose name is lost`);
    stream.defined = true;
    stream.reset(from, ignore);
    this.byId.set(id, stream);
    return stream;
  }
}

/** Records of the piece from `next` on, before `to`. */
function recordsIn(piece: Piece, next: number, to: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const cursor = new Cursor(piece.bytes, 0, piece.bytes.length);
  const end = Math.min(to, piece.first + piece.records);
  for (let index = piece.first; index < end; index++) {
    const record = cursor.view();
    if (index >= next) found.push(record);
  }
  return found;
}

function newer(file: string): WalrusError {
  return new WalrusError('UnsupportedVersion', `${file} is of a newer version`);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function ignore(): void {}

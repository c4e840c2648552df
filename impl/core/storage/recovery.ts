/**
 * Opening a directory: takes the lock, finds the newest readable checkpoint, reads the frames behind it, decides
 * where the log ends (the rule is in `format.ts`), makes what it found durable, and removes what does not count. Every
 * step may be cut short by a crash: the next opening comes to the same end.
 */
import type {
  Checksum,
  DiskCompletion,
  DiskError,
  DiskFile,
  FileHandle,
} from '../../ports/disk.ts';
import type { Random } from '../../ports/random.ts';
import { MalformedError } from '../codec.ts';
import { type ErrorCode, WalrusError } from '../errors.ts';
import { utf8Decode } from '../utf8.ts';
import type { BodyVisitor } from './body-v1.ts';
import { type Checkpoint, decodeCheckpoint } from './checkpoint.ts';
import type { KeptCheckpoints } from './checkpointer.ts';
import { type ContentsVisitor, verifySections } from './contents.ts';
import {
  BLOCK_BYTES,
  CHECKPOINT_RESERVE,
  claimedFrameBytes,
  decodeFileHeader,
  decodeFrame,
  FILE_HEAD_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  FRAME_MAGIC_V1,
  FRAME_UNIT_BYTES,
  type FrameHeader,
  fileName,
  isLeftover,
  parseFileName,
  parseReserveName,
  roundUp,
} from './format.ts';
import type { Lsn } from './ids.ts';
import { LogFile } from './log-file.ts';
import { describe, type Requests } from './requests.ts';
import { StreamIndex } from './stream-index.ts';
import { Transactions } from './transactions.ts';

/** What the directory holds. */
export interface Recovered {
  readonly identity: number;
  readonly lsn: Lsn;
  readonly files: LogFile[];
  readonly nextFileNumber: number;
  readonly nextStream: number;
  readonly streams: Map<number, StreamIndex>;
  readonly pairs: Map<string, Uint8Array>;
  readonly unfinished: Map<Lsn, number>;
  /** Newest checkpoint; number 0 if there is none. */
  readonly checkpoint: KeptCheckpoints;
  /** Pieces of the reserve. */
  readonly reserve: readonly DiskFile[];
  /** Bytes of log read, and cut as a torn tail. */
  readonly scannedBytes: number;
  readonly cutBytes: number;
  readonly cutAt: string | undefined;
  readonly rejectedCheckpoints: number;
}

type Done = (error: WalrusError | undefined, recovered: Recovered | undefined) => void;

/** Enough for the header of a file and, mostly, its first frame. */
const PROBE_BYTES = 64 * 1024;
/** The log is read by so much at a time; a larger frame in one piece. */
const WINDOW_BYTES = 2 * 1024 * 1024;
/** What an opening that the disk refuses is refused with; else it is `StorageFailed`. */
const CODES: { readonly [Error in DiskError]?: ErrorCode } = {
  Locked: 'Locked',
  Unusable: 'InvalidArgument',
  NoSpace: 'NoSpace',
  Exhausted: 'Exhausted',
};
const END_OF_FILE: Next = { offset: Infinity, windowBytes: WINDOW_BYTES, isNothing: false };

/** Where reading goes on, with how large a window, and whether no frame was met on the way there. */
interface Next {
  readonly offset: number;
  readonly windowBytes: number;
  readonly isNothing: boolean;
}

interface Candidate {
  readonly file: LogFile;
  readonly sizeBytes: number;
  hasHeader: boolean;
  handle: FileHandle | undefined;
  /** Holds frames that count, behind the checkpoint. */
  counts: boolean;
  /** First byte that needs to be read. */
  from: number;
}

interface Hole {
  readonly lsn: Lsn;
  readonly file: string;
  readonly offsetBytes: number;
  /** A frame begins there that does not verify. */
  readonly isTorn: boolean;
  /** What it says is whole, and only records in it do not verify: where it is, so that it can be taken after all. */
  readonly inFrame: Place | undefined;
}

interface Place {
  readonly candidate: Candidate;
  readonly offset: number;
}

export class Recovery implements BodyVisitor, ContentsVisitor {
  private readonly requests: Requests;
  private readonly checksum: Checksum;
  private readonly random: Random;
  private readonly done: Done;
  private isDone = false;
  private listed: readonly DiskFile[] = [];
  private identity: number | undefined = undefined;
  private base: Checkpoint | undefined = undefined;
  private candidates: Candidate[] = [];
  private readonly leftovers: string[] = [];
  private files: LogFile[] = [];
  private checkpointNumbers: number[] = [];
  private rejectedCheckpoints = 0;
  private scannedBytes = 0;
  private cutBytes = 0;

  // What has been read so far.
  private at: Lsn = 0;
  /** Everything before it was known to be durable once. */
  private claimed: Lsn = 0;
  /** Frames before it were durable, as a later one says: what does not verify in them was damaged. */
  private vouched: Lsn = 0;
  private hole: Hole | undefined = undefined;
  private nextStream = 1;
  private readonly streams = new Map<number, StreamIndex>();
  private pairs = new Map<string, Uint8Array>();
  private readonly transactions = new Transactions(this);
  private window: Uint8Array;

  /** `memory` is for reading into; if it is aligned as the disk wishes, so are the reads. */
  constructor(
    requests: Requests,
    checksum: Checksum,
    random: Random,
    memory: Uint8Array,
    done: Done,
  ) {
    this.requests = requests;
    this.window = memory;
    this.checksum = checksum;
    this.random = random;
    this.done = done;
  }

  start(): void {
    this.must('locking the directory', { op: 'lock' }, () => {
      this.must('listing the directory', { op: 'list' }, (listed) => {
        this.listed = listed.files!;
        const numbers: number[] = [];
        for (const { name } of this.listed) {
          const parsed = parseFileName(name);
          if (parsed?.kind === 'checkpoint') numbers.push(parsed.number);
          else if (isLeftover(name)) this.leftovers.push(name);
        }
        this.checkpointNumbers = numbers.sort((a, b) => a - b);
        this.loadCheckpoint(numbers.length - 1);
      });
    });
  }

  /** The newest that can be read, else the one before, else none. */
  private loadCheckpoint(at: number): void {
    const number = this.checkpointNumbers[at];
    if (number === undefined) {
      this.probeFiles();
      return;
    }
    const name = fileName('checkpoint', number);
    const { sizeBytes } = this.listed.find((file) => file.name === name)!;
    this.must(`opening ${name}`, { op: 'open', name, create: false }, (opened) => {
      const file = opened.file!;
      const into = new Uint8Array(sizeBytes);
      this.must(`reading ${name}`, { op: 'read', file, offsetBytes: 0, into }, () => {
        this.must(`closing ${name}`, { op: 'close', file }, () => {
          const checkpoint = decodeCheckpoint(into, number, this.checksum);
          if (checkpoint === 'newer') {
            this.fail(new WalrusError('UnsupportedVersion', `${name} is of a newer version`));
          } else if (checkpoint === 'invalid') {
            this.rejectedCheckpoints++;
            this.checkpointNumbers.splice(at, 1);
            this.leftovers.push(name);
            this.loadCheckpoint(at - 1);
          } else {
            this.useCheckpoint(checkpoint);
            this.probeFiles();
          }
        });
      });
    });
  }

  private useCheckpoint(checkpoint: Checkpoint): void {
    this.base = checkpoint;
    this.identity = checkpoint.identity;
    this.at = checkpoint.lsn;
    this.claimed = checkpoint.lsn;
    this.nextStream = checkpoint.nextStream;
    for (const stream of checkpoint.streams) this.streams.set(stream.id, stream);
    this.pairs = new Map(checkpoint.pairs);
    for (const [lsn, bytes] of checkpoint.unfinished) this.transactions.unfinished.set(lsn, bytes);
  }

  /** Tells the files that hold what the checkpoint says from the ones that have to be read. */
  private probeFiles(): void {
    const sizes = new Map<number, number>();
    for (const { name, sizeBytes } of this.listed) {
      const parsed = parseFileName(name);
      if (parsed?.kind === 'log') sizes.set(parsed.number, sizeBytes);
    }
    const known = this.base?.files ?? [];
    const last = known.at(-1);
    for (const { number, begin } of known) {
      const sizeBytes = sizes.get(number);
      if (sizeBytes === undefined) continue;
      const file = new LogFile(number, sizeBytes);
      file.begin = begin;
      this.files.push(file);
      if (number !== last!.number) sizes.delete(number);
    }
    for (const [number, sizeBytes] of [...sizes].sort(([a], [b]) => a - b)) {
      if (number === last?.number) {
        const file = this.files.at(-1)!;
        const from = file.offsetOf(this.at);
        this.candidates.push({
          file,
          sizeBytes,
          hasHeader: true,
          handle: undefined,
          counts: true,
          from,
        });
      } else if (last !== undefined && number < last.number) {
        // Removed once already, and back because the power failed before that was durable.
        this.leftovers.push(fileName('log', number));
      } else {
        const file = new LogFile(number, sizeBytes);
        const from = FILE_HEAD_BYTES;
        this.candidates.push({
          file,
          sizeBytes,
          hasHeader: false,
          handle: undefined,
          counts: false,
          from,
        });
      }
    }
    this.probe(0);
  }

  /** Reads header and first frame of each file that may hold something new. */
  private probe(i: number): void {
    const candidate = this.candidates[i];
    if (candidate === undefined) {
      this.scan(0);
      return;
    }
    const { file, sizeBytes } = candidate;
    this.must(`opening ${file.name}`, { op: 'open', name: file.name, create: false }, (opened) => {
      candidate.handle = opened.file!;
      this.readAt(candidate, 0, Math.min(sizeBytes, PROBE_BYTES), (bytes) => {
        const header = decodeFileHeader(bytes, 'log', this.checksum);
        if (header === 'newer') {
          this.fail(new WalrusError('UnsupportedVersion', `${file.name} is of a newer version`));
          return;
        }
        if (header !== 'invalid') {
          if (header.number !== file.number) {
            this.corrupt(file.name, 24, `it is file ${header.number} under another name`);
            return;
          }
          this.identity ??= header.identity;
          if (header.identity !== this.identity) {
            this.corrupt(file.name, 16, 'it belongs to another directory');
            return;
          }
          candidate.hasHeader = true;
        } else if (candidate.counts) {
          this.corrupt(file.name, 0, 'its header does not verify');
          return;
        }
        if (candidate.counts) this.probe(i + 1);
        else this.probeFrame(candidate, bytes, () => this.probe(i + 1));
      });
    });
  }

  /** The first frame tells where the file begins; if it is torn, nobody does. */
  private probeFrame(candidate: Candidate, bytes: Uint8Array, next: () => void): void {
    const view = viewOf(bytes);
    const frame = decodeFrame(bytes, view, FILE_HEAD_BYTES, this.checksum);
    if (frame === 'more' && bytes.length < candidate.sizeBytes) {
      const claimed = FILE_HEAD_BYTES + claimedFrameBytes(view, FILE_HEAD_BYTES);
      if (claimed <= candidate.sizeBytes) {
        this.readAt(candidate, 0, claimed, (longer) => this.probeFrame(candidate, longer, next));
        return;
      }
    }
    if (typeof frame !== 'string' && this.isOurs(frame, candidate.file)) {
      candidate.file.begin = frame.lsn;
    }
    next();
  }

  /** Reads the frames of one file after the other, of the first from `from` on, if that is given. */
  private scan(i: number, from: number | undefined = this.candidates[i]?.from): void {
    const candidate = this.candidates[i];
    if (i === 0 && this.isGapAfterCheckpoint()) return;
    if (candidate === undefined || from === undefined) {
      this.conclude();
      return;
    }
    const { file, sizeBytes } = candidate;
    let bound = Infinity;
    for (const later of this.candidates.slice(i + 1)) bound = Math.min(bound, later.file.begin);
    const isClosed = this.base?.isClosed === true && candidate.counts;
    // Frames behind the begin of a later file were cut. A file of which nobody knows where it begins is read.
    const isCut = file.begin !== Infinity && file.begin >= bound;
    if (isClosed || isCut || from >= sizeBytes) {
      if (candidate.counts && from > sizeBytes)
        this.corrupt(file.name, sizeBytes, 'it ends before the checkpoint does');
      else this.scan(i + 1);
      return;
    }
    this.scanFile(candidate, from, PROBE_BYTES, bound, () => this.scan(i + 1));
  }

  /** The file that holds the checkpoint's lsn goes only when another begins there. */
  private isGapAfterCheckpoint(): boolean {
    const last = this.base?.files.at(-1);
    if (last === undefined || this.candidates[0]?.file.number === last.number) return false;
    if (this.candidates.some(({ file }) => file.begin === this.at)) return false;
    const name = fileName('log', last.number);
    this.fail(
      new WalrusError('Corrupt', `${name} is missing: it held what precedes lsn ${this.at}`),
    );
    return true;
  }

  /** Reads the frames of one file from `offset` on, a window at a time. */
  private scanFile(
    candidate: Candidate,
    offset: number,
    windowBytes: number,
    bound: Lsn,
    next: () => void,
  ): void {
    const length = Math.min(windowBytes, candidate.sizeBytes - offset);
    if (length < FRAME_HEADER_BYTES) {
      next();
      return;
    }
    this.readAt(candidate, offset, length, (bytes) => {
      const end = this.scanWindow(candidate, offset, bytes, bound);
      if (end === undefined) return;
      this.scannedBytes += Math.min(end.offset - offset, length);
      if (end.isNothing) this.skipZeros(candidate, end.offset, bound, next);
      else if (end.offset === offset && end.windowBytes <= windowBytes) next();
      else this.scanFile(candidate, end.offset, end.windowBytes, bound, next);
    });
  }

  /** Behind the end of the log a file mostly was never written: what the disk knows to be zeros holds no frame. */
  private skipZeros(candidate: Candidate, offset: number, bound: Lsn, next: () => void): void {
    const { file, handle } = candidate;
    const request = { op: 'seekData', file: handle!, offsetBytes: offset } as const;
    this.must(`seeking in ${file.name}`, request, (found) => {
      const begin = Math.floor(found.offsetBytes! / BLOCK_BYTES) * BLOCK_BYTES;
      this.scanFile(candidate, Math.max(offset, begin), WINDOW_BYTES, bound, next);
    });
  }

  /** Where to go on, and with how large a window; undefined if it failed. */
  private scanWindow(
    candidate: Candidate,
    from: number,
    bytes: Uint8Array,
    bound: Lsn,
  ): Next | undefined {
    const { file, sizeBytes } = candidate;
    const view = viewOf(bytes);
    const base = file.begin === Infinity ? undefined : file.begin - FILE_HEAD_BYTES + from;
    let at = 0;
    while (at + FRAME_HEADER_BYTES <= bytes.length) {
      if (base !== undefined && base + at >= bound) return END_OF_FILE;
      const frame = decodeFrame(bytes, view, at, this.checksum);
      if (frame === 'more') {
        const windowBytes = claimedFrameBytes(view, at);
        if (from + at + windowBytes <= sizeBytes) {
          return {
            offset: from + at,
            windowBytes: Math.max(windowBytes, WINDOW_BYTES),
            isNothing: false,
          };
        }
      }
      if (typeof frame !== 'string' && !this.isOurs(frame, file)) {
        // What the file held before it was made into this one: nothing has been written over it since.
        this.meetHole(file.name, from + at, false, undefined);
        const usedBytes = FRAME_HEADER_BYTES + frame.sectionBytes + frame.contentBytes;
        at += roundUp(usedBytes, FRAME_UNIT_BYTES);
      } else if (typeof frame === 'string' || (base !== undefined && frame.lsn !== base + at)) {
        this.meetHole(file.name, from + at, isMagic(view.getUint32(at, true)), undefined);
        at = nextMagic(bytes, view, at + FRAME_UNIT_BYTES);
        if (at + FRAME_HEADER_BYTES > bytes.length && from + bytes.length < sizeBytes) {
          // The next window begins at a block, though some of that was looked at.
          const begin = Math.floor((from + at) / BLOCK_BYTES) * BLOCK_BYTES;
          return { offset: Math.max(begin, from), windowBytes: WINDOW_BYTES, isNothing: true };
        }
      } else if (this.meetFrame(candidate, frame, bytes, at, from + at)) {
        at += frame.frameBytes;
      } else {
        return undefined;
      }
    }
    return { offset: from + at, windowBytes: WINDOW_BYTES, isNothing: false };
  }

  /** False if reading does not go on behind it: the frame proves damage. */
  private meetFrame(
    candidate: Candidate,
    frame: FrameHeader,
    bytes: Uint8Array,
    at: number,
    offset: number,
  ): boolean {
    const { name } = candidate.file;
    if (!candidate.hasHeader) {
      this.corrupt(name, 0, 'its header does not verify, but frames behind it do');
      return false;
    }
    const counts = frame.lsn < this.vouched || this.isWhole(bytes, at, frame);
    if (frame.lsn !== this.at) this.meetHole(name, offset, false, undefined);
    else if (!counts) this.meetHole(name, offset, true, { candidate, offset });
    const { hole } = this;
    if (hole === undefined) return this.take(candidate, frame, bytes, at, offset);
    if (frame.durable > hole.lsn) {
      if (hole.inFrame !== undefined) this.goBack(hole.inFrame, frame.durable);
      else
        this.corrupt(
          hole.file,
          hole.offsetBytes,
          `no frame with lsn ${hole.lsn}, which was durable`,
        );
      return false;
    }
    if (counts) this.cutBytes += frame.frameBytes;
    return true;
  }

  private isOurs(frame: FrameHeader, file: LogFile): boolean {
    const isOfDirectory = this.identity === undefined || frame.identity === this.identity;
    return isOfDirectory && frame.file === file.number;
  }

  private meetHole(
    file: string,
    offsetBytes: number,
    isTorn: boolean,
    inFrame: Place | undefined,
  ): void {
    this.hole ??= { lsn: this.at, file, offsetBytes, isTorn, inFrame };
  }

  /**
   * A frame that looked torn was durable. Which records of which streams it holds it says, and that is whole; so it is taken, and whoever
   * reads one that does not verify is told.
   */
  private goBack({ candidate, offset }: Place, vouched: Lsn): void {
    this.vouched = vouched;
    this.hole = undefined;
    this.cutBytes = 0;
    this.scan(this.candidates.indexOf(candidate), offset);
  }

  private take(
    candidate: Candidate,
    frame: FrameHeader,
    bytes: Uint8Array,
    at: number,
    offset: number,
  ): boolean {
    candidate.counts = true;
    this.claimed = Math.max(this.claimed, frame.durable);
    if (!this.files.includes(candidate.file)) this.files.push(candidate.file);
    try {
      this.transactions.take(frame, bytes, at);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.corrupt(candidate.file.name, offset, error.message);
      return false;
    }
    this.at = frame.lsn + frame.frameBytes;
    return true;
  }

  /** Whether the records of the frame verify, too. */
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

  private conclude(): void {
    this.transactions.drop();
    if (this.base === undefined) {
      // A file before the first that is readable held the beginning, if that was torn or lost; if there is none, it was removed.
      const first = this.candidates[0]?.file;
      if (first !== undefined && first.begin !== Infinity && first.begin > 0) {
        const reason = 'the log begins here, and no checkpoint is readable';
        this.corrupt(first.name, FILE_HEAD_BYTES, reason);
        return;
      }
    }
    for (const stream of this.streams.values()) {
      for (let i = 0; i < stream.extents; i++) {
        const file = this.fileOf(stream.lsnOf(i));
        if (file === undefined) {
          const reason = `the file that held lsn ${stream.lsnOf(i)} of stream ${JSON.stringify(stream.name)} is missing`;
          this.fail(new WalrusError('Corrupt', reason));
          return;
        }
        file.extents++;
      }
    }
    const counted = this.candidates.filter(({ counts }) => counts);
    this.writeAgain(counted, 0, 0, () => this.syncFiles(counted));
  }

  /**
   * Writes what nobody has claimed to be durable once more, in its place. The process that wrote it may have died of a
   * sync that failed: the kernel then takes its pages for clean, and a sync alone would do nothing and succeed.
   */
  private writeAgain(
    candidates: readonly Candidate[],
    i: number,
    done: number,
    then: () => void,
  ): void {
    const candidate = candidates[i];
    if (candidate === undefined) return then();
    const { file, handle } = candidate;
    const next = candidates[i + 1]?.file.begin ?? this.at;
    const from = Math.max(file.begin, this.claimed) + done;
    const length = Math.min(WINDOW_BYTES, next - from);
    if (length <= 0) return this.writeAgain(candidates, i + 1, 0, then);
    const offsetBytes = file.offsetOf(from);
    this.readAt(candidate, offsetBytes, length, (bytes) => {
      const what = `writing ${file.name} again`;
      this.must(what, { op: 'write', file: handle!, offsetBytes, bytes }, () =>
        this.writeAgain(candidates, i, done + length, then),
      );
    });
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
    const file = files[low];
    if (file === undefined || file.begin > lsn) return undefined;
    return lsn < file.begin + file.sizeBytes - FILE_HEAD_BYTES ? file : undefined;
  }

  /** The process that wrote them may have died before it synced them. */
  private syncFiles(candidates: readonly Candidate[]): void {
    const [candidate, ...rest] = candidates;
    if (candidate === undefined) {
      this.closeFiles(this.candidates);
      return;
    }
    const { file, handle } = candidate;
    this.must(`syncing ${file.name}`, { op: 'sync', file: handle! }, () => this.syncFiles(rest));
  }

  private closeFiles(candidates: readonly Candidate[]): void {
    const [candidate, ...rest] = candidates;
    if (candidate === undefined) {
      this.removeLeftovers(this.leftovers);
      return;
    }
    const { file, handle, counts } = candidate;
    if (!counts) this.leftovers.push(file.name);
    this.must(`closing ${file.name}`, { op: 'close', file: handle! }, () => this.closeFiles(rest));
  }

  private removeLeftovers(names: readonly string[]): void {
    const [name, ...rest] = names;
    if (name === undefined) {
      this.must('syncing the directory', { op: 'syncDirectory' }, () => this.finish());
      return;
    }
    this.must(`removing ${name}`, { op: 'unlink', name }, () => this.removeLeftovers(rest));
  }

  private finish(): void {
    let lastNumber = this.base?.files.at(-1)?.number ?? 0;
    for (const { name } of this.listed) {
      const parsed = parseFileName(name);
      if (parsed?.kind === 'log') lastNumber = Math.max(lastNumber, parsed.number);
    }
    this.isDone = true;
    this.done(undefined, {
      identity: this.identity ?? drawIdentity(this.random),
      lsn: this.at,
      files: this.files,
      nextFileNumber: lastNumber + 1,
      nextStream: this.nextStream,
      streams: this.streams,
      pairs: this.pairs,
      unfinished: this.transactions.unfinished,
      checkpoint: {
        number: this.base?.number ?? 0,
        lsn: this.base?.lsn ?? 0,
        previousLsn: this.base?.previousLsn ?? 0,
        numbers: this.checkpointNumbers,
        hasReserve: this.listed.some(({ name }) => name === CHECKPOINT_RESERVE),
      },
      reserve: this.listed.filter(({ name }) => parseReserveName(name) !== undefined),
      scannedBytes: this.scannedBytes,
      cutBytes: this.cutBytes,
      cutAt: this.cutAt,
      rejectedCheckpoints: this.rejectedCheckpoints,
    });
  }

  /** Where something was cut, or may have been, if anything was. */
  private get cutAt(): string | undefined {
    const { hole, cutBytes } = this;
    if (hole?.isTorn || cutBytes > 0) return `${hole!.file} at byte ${hole!.offsetBytes}`;
    // A file is allocated in full before it gets its header, and has that before frames go there.
    const headless = this.candidates.find(
      ({ counts, hasHeader, sizeBytes }) => !counts && (!hasHeader || sizeBytes <= FILE_HEAD_BYTES),
    );
    return headless && `${headless.file.name} at byte 0`;
  }

  define(id: number, name: Uint8Array): void {
    const stream = new StreamIndex(id, utf8Decode(name));
    stream.defined = true;
    this.streams.set(id, stream);
    this.nextStream = Math.max(this.nextStream, id + 1);
  }

  append(id: number, index: number): void {
    const stream = this.known(id);
    if (index !== stream.end)
      throw new MalformedError(`record ${index} where ${stream.end} is due`);
    const { frameLsn } = this.transactions;
    if (stream.lastLsn !== frameLsn) stream.push(index, frameLsn, 0);
    stream.end++;
  }

  section(id: number, from: number, records: number, lsn: Lsn, bytes: number): void {
    const stream = this.known(id);
    if (from !== stream.end) throw new MalformedError(`record ${from} where ${stream.end} is due`);
    if (stream.lastLsn !== lsn) stream.push(from, lsn, bytes);
    stream.end += records;
  }

  repair(id: number, from: number, records: number, lsn: Lsn, bytes: number): void {
    const stream = this.known(id);
    if (from < stream.start || from + records > stream.end) {
      throw new MalformedError('repair of records that are not there');
    }
    stream.restore(from, from + records, lsn, bytes);
  }

  truncate(id: number, end: number): void {
    this.known(id).truncate(end, ignore);
  }

  trim(id: number, start: number): void {
    this.known(id).trim(start, ignore);
  }

  reset(id: number, start: number): void {
    this.known(id).reset(start, ignore);
  }

  drop(id: number): void {
    this.streams.delete(id);
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.pairs.set(utf8Decode(key), value.slice());
  }

  remove(key: Uint8Array): void {
    this.pairs.delete(utf8Decode(key));
  }

  private known(id: number): StreamIndex {
    const stream = this.streams.get(id);
    if (stream === undefined) throw new MalformedError(`stream ${id} was not defined`);
    return stream;
  }

  private readAt(
    { file, handle }: Candidate,
    offsetBytes: number,
    length: number,
    then: (bytes: Uint8Array) => void,
  ): void {
    // One read at a time, and nothing keeps a view.
    if (length > this.window.length) this.window = new Uint8Array(length);
    const into = this.window.subarray(0, length);
    this.must(`reading ${file.name}`, { op: 'read', file: handle!, offsetBytes, into }, (read) => {
      if (read.lengthBytes === length) then(into);
      else this.fail(new WalrusError('StorageFailed', `${file.name} is shorter than its size`));
    });
  }

  private must(
    what: string,
    request: Parameters<Requests['send']>[0],
    then: (completion: DiskCompletion) => void,
  ): void {
    this.requests.send(request, (completion) => {
      if (this.isDone) return;
      if (completion.error === undefined) {
        then(completion);
      } else {
        const { error } = completion;
        this.fail(new WalrusError(CODES[error] ?? 'StorageFailed', describe(what, completion)));
      }
    });
  }

  private corrupt(file: string, offsetBytes: number, reason: string): void {
    this.fail(new WalrusError('Corrupt', `${file} at byte ${offsetBytes}: ${reason}`));
  }

  private fail(error: WalrusError): void {
    this.isDone = true;
    this.done(error, undefined);
  }
}

/** Next place at which a frame may begin; where there is none, one that is too close to the end for one. */
export function nextMagic(bytes: Uint8Array, view: DataView, from: number): number {
  const last = bytes.length - FRAME_HEADER_BYTES;
  for (let at = from; at <= last; at += FRAME_UNIT_BYTES) {
    // What is searched is mostly zeros, and this is the fast way through them.
    const found = bytes.indexOf(FRAME_MAGIC & 0xff, at);
    if (found < 0 || found > last) break;
    at = roundUp(found, FRAME_UNIT_BYTES);
    if (at === found && isMagic(view.getUint32(at, true))) return at;
    if (at !== found) at -= FRAME_UNIT_BYTES;
  }
  return Math.max(from, Math.floor(last / FRAME_UNIT_BYTES) * FRAME_UNIT_BYTES + FRAME_UNIT_BYTES);
}

function isMagic(word: number): boolean {
  return word === FRAME_MAGIC || word === FRAME_MAGIC_V1;
}

function drawIdentity(random: Random): number {
  return random.below(2 ** 21) * 2 ** 32 + random.below(2 ** 16) * 2 ** 16 + random.below(2 ** 16);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function ignore(): void {}

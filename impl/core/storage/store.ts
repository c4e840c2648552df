/**
 * A directory of streams of records and a map of small keys, made durable by one log. The format and the rule of
 * recovery are in `format.ts`; how commits become writes and syncs is in `frame-writer.ts`.
 *
 * Synchronous: what the disk does comes back through `complete`. What is staged is seen at once by `start`, `end`, `get`
 * and `read`, and is never rolled back while the store is open; it counts after a crash once `durableLsn` has reached
 * what `commit` returned.
 *
 * **Room.** Ask `room` before appending what could also be refused. `busy` means that the arena is in use: wait for
 * `onProgress`. `full` means that the disk has no place for it: refuse it with `NoSpace`, read on, and ask again; each
 * asking (and each commit of something) makes the disk try again. What was staged without asking is kept in memory until the
 * disk takes it: only its durability waits. So a record is refused before it is staged, or it will be written, unless the store
 * is closed before. What the system is short of for now (`Exhausted`: descriptors, memory) is treated as a lack of room; `refusal` tells which.
 *
 * **Failure.** A write or sync that fails otherwise is the end: `onFailed`, once; every staging call throws `StorageFailed`
 * from then on, reads go on as far as the disk still reads. Nothing is tried again, nothing more becomes durable.
 */
import type { Checksum, Disk, DiskCompletion } from '../../ports/disk.ts';
import type { Random } from '../../ports/random.ts';
import { assert } from '../assert.ts';
import { WalrusError } from '../errors.ts';
import { isWellFormed, utf8Encode } from '../utf8.ts';
import { Arena } from './arena.ts';
import { encodeCheckpoint } from './checkpoint.ts';
import { Checkpointer } from './checkpointer.ts';
import { type CleanDone, Cleaner, type Part } from './cleaner.ts';
import { type Change, contentBytesMax, SECTION_CONTENT_BYTES_MAX } from './contents.ts';
import { DEFINE, DROP, PUT, RECORD_BYTES_MAX, REMOVE, RESET, TRIM, TRUNCATE } from './format.ts';
import type { Frame } from './frame.ts';
import { FrameWriter } from './frame-writer.ts';
import type { Lsn, StreamId } from './ids.ts';
import type { LogFile } from './log-file.ts';
import { LogFiles } from './log-files.ts';
import { type ReadDone, Reader, type ReadLimit, trimmed } from './reader.ts';
import { type Recovered, Recovery } from './recovery.ts';
import { describe, Requests } from './requests.ts';
import type { Purpose } from './reserve.ts';
import { Scrubber, type ScrubDone } from './scrubber.ts';
import { SECTION_EXTRA_BYTES } from './section.ts';
import { StreamIndex } from './stream-index.ts';
import { VARINT_BYTES_MAX } from './varint.ts';

export interface StoreOptions {
  readonly checksum: Checksum;
  readonly random: Random;
  /** Size of one log file; a frame that is larger gets a larger file. */
  readonly fileBytes: number;
  /** A frame of this size is written without waiting for more, if the disk takes another write; else it may grow to twice that. */
  readonly batchBytes: number;
  /** A checkpoint is written after so many bytes of log, or eight times its own size if that is more. */
  readonly checkpointBytes: number;
  /** Every group of commits is followed by a sync. */
  readonly syncOnCommit: boolean;
  /**
   * Memory to frame records in, aligned as the disk wishes; the store takes eight batches' worth if absent. Writes point
   * into it. Records stay readable from it until their room is needed.
   */
  readonly arena?: Uint8Array;
  /** `writtenLsn`, `durableLsn` or the answer of `room` may have changed. Called from `complete`. */
  onProgress(): void;
  /** The store has failed for good: it accepts and promises nothing more. Called once, with `StorageFailed`. */
  onFailed(error: WalrusError): void;
}

/** Take it, wait for `onProgress`, or refuse it with `NoSpace`. */
export type Room = 'yes' | 'busy' | 'full';

export type OpenDone = (error: WalrusError | undefined) => void;

/** What a store has done since it was opened, and what its opening found. */
export interface StoreStats {
  readonly appendedRecords: number;
  readonly appendedBytes: number;
  /** Writes of frames, their bytes with header and padding, and syncs of log files. */
  readonly writes: number;
  readonly writtenBytes: number;
  readonly syncs: number;
  /** Reads of log files for `read`, and their bytes. */
  readonly chunksRead: number;
  readonly readBytes: number;
  /** Files that hold frames; since the opening: files that nobody needs any more, and those of them that others were made of. */
  readonly files: number;
  readonly removedFiles: number;
  readonly renewedFiles: number;
  /** What the log's files take on the disk, with those that are there for speed alone. */
  readonly logBytes: number;
  /** How much of that is live, as cleaning found it last; absent before. */
  readonly liveBytes?: number;
  /** Records that cleaning has written again, and their bytes. */
  readonly movedRecords: number;
  readonly movedBytes: number;
  readonly checkpoints: number;
  /** Everything before this place has been taken by the disk. */
  readonly writtenLsn: Lsn;
  readonly checkpointLsn: Lsn;
  /** Bytes of frames that did not fit into the arena. */
  readonly spilledBytes: number;
  /** The disk has refused room for the next file. */
  readonly isFull: boolean;
  /** Of the opening: bytes of log read, bytes of valid frames cut with the tail, unreadable checkpoints passed over. */
  readonly scannedBytes: number;
  readonly cutBytes: number;
  /**
   * Where the opening cut the log, as file and byte: a frame there does not verify, or is not there though others follow, and nothing vouches for
   * it; or a file behind the end has no header or no room for frames, and nobody knows whether it held any. Of a crash that is what was not durable yet, or a file
   * that was being made. If the machine had not failed, and what was last written had been synced or flushed, it is
   * damage. Absent if nothing was cut.
   */
  readonly cutAt?: string;
  readonly rejectedCheckpoints: number;
}

/** Room for the length of any record and a section that begins with it. */
const HEAD_BYTES_MAX: number = VARINT_BYTES_MAX + SECTION_EXTRA_BYTES + SECTION_CONTENT_BYTES_MAX;

/** Behind two a file can go that nobody needs; a third may have been under way. */
const RECLAIM_CHECKPOINTS = 3;

export class Store {
  private readonly requests: Requests;
  private readonly options: StoreOptions;
  private state: 'new' | 'refused' | 'open' | 'closing' | 'failed' | 'closed' = 'new';
  /** Hears when the store is open, or why not. */
  private opening: OpenDone | undefined = undefined;
  private failed: WalrusError | undefined = undefined;

  private readonly byName = new Map<string, StreamIndex>();
  private readonly byId: (StreamIndex | undefined)[] = [];
  private pairs = new Map<string, Uint8Array>();
  private appendedRecords = 0;
  private appendedBytes = 0;

  // Made by `open`, once it is known what the directory holds.
  private recovered: Recovered | undefined = undefined;
  private files!: LogFiles;
  private arena!: Arena;
  private writer!: FrameWriter;
  private reader!: Reader;
  private scrubber!: Scrubber;
  private cleaner!: Cleaner;
  private checkpointer!: Checkpointer;

  private sinceCheckpointBytes = 0;
  private lastCheckpointBytes = 0;
  private removedFiles = 0;
  /** Changes that made streams forget something. */
  private forgotten = 0;
  private canReclaim = false;
  /** A cleaning has emptied files, and takes checkpoints until there are so many, or they are gone. */
  private reclaimUntil = 0;
  /** The disk had no room for the last one. */
  private isCheckpointRefused = false;
  private waitingCheckpoint:
    | { number: number; lsn: Lsn; bytes: Uint8Array; dead: LogFile[]; then: () => void }
    | undefined = undefined;
  private closing: OpenDone | undefined = undefined;
  private isAbandoned = false;

  constructor(disk: Disk, options: StoreOptions) {
    this.requests = new Requests(disk);
    this.options = options;
  }

  /**
   * Takes the directory and finds out what it holds. Fails with `Locked`, `Corrupt` (naming file and byte),
   * `UnsupportedVersion`, `StorageFailed` if the disk does, or `NoSpace` if there is nothing yet and no room to begin; then nothing
   * was changed that matters. After `NoSpace` it may be called again.
   */
  open(done: OpenDone): void {
    if (this.state === 'refused') {
      this.opening = done;
      this.files.retry();
      return;
    }
    assert(this.state === 'new', 'a store is opened once');
    this.opening = done;
    const { checksum, random } = this.options;
    const memory = this.options.arena ?? new Uint8Array(0);
    const recovery = new Recovery(this.requests, checksum, random, memory, (error, recovered) => {
      if (recovered === undefined) {
        this.state = 'closed';
        done(error);
        return;
      }
      this.begin(recovered);
    });
    recovery.start();
  }

  /** Takes what the disk completed. */
  complete(completions: readonly DiskCompletion[]): void {
    this.requests.complete(completions);
  }

  /** Everything before this place has been taken by the disk. */
  get writtenLsn(): Lsn {
    return this.recovered === undefined ? 0 : this.writer.written;
  }

  /** Everything before this place survives power loss. */
  get durableLsn(): Lsn {
    return this.recovered === undefined ? 0 : this.writer.durable;
  }

  /** Where the log ended when the directory was opened: at or behind every `durableLsn` that there ever was. */
  get openedLsn(): Lsn {
    assert(this.recovered !== undefined, 'the store was opened');
    return this.recovered.lsn;
  }

  /** Something was staged since the last commit. */
  get hasUncommitted(): boolean {
    return this.writer.staged > 0;
  }

  /** Drawn when the directory was founded; below 2^53. */
  get identity(): number {
    assert(this.recovered !== undefined, 'the store was opened');
    return this.recovered.identity;
  }

  /** Why the store accepts nothing more. */
  get failure(): WalrusError | undefined {
    return this.failed;
  }

  get stats(): StoreStats {
    assert(this.recovered !== undefined, 'the store was opened');
    const { writer, files, checkpointer, cleaner, recovered } = this;
    return {
      appendedRecords: this.appendedRecords,
      appendedBytes: this.appendedBytes,
      writes: writer.writes,
      writtenBytes: writer.writtenBytes,
      syncs: writer.syncs,
      chunksRead: this.reader.chunksRead,
      readBytes: this.reader.readBytes,
      files: files.files.length,
      removedFiles: this.removedFiles,
      renewedFiles: files.renewed,
      logBytes: files.heldBytes() + files.keptBytes,
      ...(cleaner.liveBytes === undefined ? {} : { liveBytes: cleaner.liveBytes }),
      movedRecords: cleaner.movedRecords,
      movedBytes: cleaner.movedBytes,
      checkpoints: checkpointer.written,
      writtenLsn: writer.written,
      checkpointLsn: checkpointer.lsn,
      spilledBytes: this.arena.spilledBytes,
      isFull: files.isFull,
      scannedBytes: recovered.scannedBytes,
      cutBytes: recovered.cutBytes,
      ...(recovered.cutAt === undefined ? {} : { cutAt: recovered.cutAt }),
      rejectedCheckpoints: recovered.rejectedCheckpoints,
    };
  }

  /** The same name gives the same id. Costs nothing until something is staged for it. */
  stream(name: string): StreamId {
    const known = this.byName.get(name);
    if (known !== undefined) return known.id;
    const stream = new StreamIndex(this.byId.length, name);
    this.byName.set(name, stream);
    this.byId.push(stream);
    return stream.id;
  }

  /**
   * Whether a record of so many bytes can be appended now, within the arena and with a place on the disk. Commit before
   * waiting for a `busy` to pass: what is staged leaves the arena only then. Some of the disk is reserved for what is not records:
   * who asks for it says the purpose.
   */
  room(bytes: number, purpose: Purpose = 'record'): Room {
    this.assertOpen();
    const room = this.writer.hasRoom(bytes + HEAD_BYTES_MAX, purpose);
    // Dead files may be all that keeps the disk full.
    if (room === 'full' && this.canReclaim) this.considerCheckpoint();
    return room;
  }

  /** The disk has refused to write what was staged. It is kept, and written when `retry` finds that the disk takes it. */
  get isStalled(): boolean {
    return this.recovered !== undefined && this.writer.isRefused;
  }

  /** Asks the disk again for what it has refused. */
  retry(): void {
    this.writer.askAgain();
  }

  /** With what error to refuse what `room` says `full` to. */
  refusal(): WalrusError {
    const { refusal } = this.files;
    if (refusal?.error !== 'Exhausted') return new WalrusError('NoSpace', 'the disk is full');
    return new WalrusError('Exhausted', describe('the log cannot grow for now', refusal));
  }

  /** Whether a record of so many bytes goes where the last one went: into the same frame, and so into the same write. */
  hasFrameFor(bytes: number): boolean {
    return this.writer.hasFrameFor(bytes + HEAD_BYTES_MAX);
  }

  /**
   * Stages one record and returns its index. The bytes are copied. At most `RECORD_BYTES_MAX`. `length` is for who knows it of the engine: an
   * array of a stranger's may say another one.
   */
  append(id: StreamId, epoch: number, record: Uint8Array, length: number = record.length): number {
    const stream = this.defined(id);
    assert(length <= RECORD_BYTES_MAX, 'a record fits into a frame');
    this.writer.reserve(length + HEAD_BYTES_MAX).append(stream, epoch, record, length);
    this.writer.staged++;
    this.appendedRecords++;
    this.appendedBytes += length;
    return stream.end++;
  }

  /**
   * Stages records that take the place of those from index `from` on, which the stream has: of another copy, say, where these are
   * damaged. They keep their indexes, and count with the commit that follows. Those that were not even written yet stay as they are.
   */
  repair(id: StreamId, from: number, records: readonly Uint8Array[]): void {
    const stream = this.defined(id);
    const end = from + records.length;
    assert(from >= stream.start && end <= stream.end, 'repair what the stream has');
    const open = this.writer.frame?.lsn;
    for (let next = from; next < end; ) {
      const extent = stream.find(next);
      const to = Math.min(end, stream.endOf(extent));
      if (stream.lsnOf(extent) !== open)
        this.rewrite(stream, next, records.slice(next - from, to - from));
      next = to;
    }
  }

  /** Stages records under the indexes that they have. */
  private rewrite(stream: StreamIndex, from: number, records: readonly Uint8Array[]): void {
    let frame: Frame | undefined;
    let first = from;
    let begins = false;
    /** What was put into the frame is there from now on. */
    const settle = (end: number): void => {
      if (frame === undefined || first === end) return;
      const place = { lsn: frame.lsn, bytes: 0, begins };
      stream.replace(first, end, place, this.release, this.retain);
    };
    for (const [i, record] of records.entries()) {
      const index = from + i;
      const bytes = record.length + HEAD_BYTES_MAX;
      if (frame?.hasRoomFor(bytes) !== true) {
        settle(index);
        frame = this.writer.reserve(bytes);
        first = index;
        begins = frame.replace(stream, index, record);
      } else {
        frame.replace(stream, index, record);
      }
      this.writer.staged++;
    }
    settle(from + records.length);
  }

  /** Forgets the records at and after `end`, which lies in `[start, end]` of the stream. */
  truncate(id: StreamId, end: number): void {
    const stream = this.defined(id);
    assert(end >= stream.start && end <= stream.end, 'truncate to a place in the stream');
    this.stage({ kind: TRUNCATE, stream: id, place: end }, stream);
    this.forgotten++;
    stream.truncate(end, this.release);
  }

  /** Forgets the records before `start`, which lies in `[start, end]` of the stream. */
  trim(id: StreamId, start: number): void {
    const stream = this.defined(id);
    assert(start >= stream.start && start <= stream.end, 'trim to a place in the stream');
    this.stage({ kind: TRIM, stream: id, place: start }, stream);
    this.forgotten++;
    stream.trim(start, this.release);
  }

  /** Empties the stream; the next record gets `start`. */
  reset(id: StreamId, start: number): void {
    const stream = this.defined(id);
    this.stage({ kind: RESET, stream: id, place: start }, stream);
    this.forgotten++;
    stream.reset(start, this.release);
  }

  /** Forgets the stream with its name. The id stands for nothing any more. */
  drop(id: StreamId): void {
    this.assertOpen();
    const stream = this.known(id);
    if (stream.defined) this.stage({ kind: DROP, stream: id }, stream);
    this.forgotten++;
    stream.reset(0, this.release);
    this.byName.delete(stream.name);
    this.byId[id] = undefined;
  }

  /** Sets a small durable value; the last one wins, `undefined` removes. The bytes are copied. */
  put(key: string, value: Uint8Array | undefined): void {
    this.assertOpen();
    const name = encodeName(key);
    if (value === undefined) {
      this.stage({ kind: REMOVE, key: name });
      this.pairs.delete(key);
    } else {
      const copy = value.slice();
      this.stage({ kind: PUT, key: name, value: copy });
      this.pairs.set(key, copy);
    }
  }

  /**
   * Ends what was staged since the last commit: after a crash all of it is there or nothing.
   * Returns the place that `durableLsn` has to reach for it to be durable; with nothing staged, the last such place.
   */
  commit(): Lsn {
    this.assertOpen();
    const lsn = this.writer.commit();
    if (this.isCheckpointDue) this.writer.flush();
    this.cleaner.goOn();
    return lsn;
  }

  /** Makes everything committed so far durable; `durableLsn` tells when. Needless with `syncOnCommit`. */
  sync(): void {
    this.assertOpen();
    this.writer.sync();
  }

  /** Gives room back that is held for speed alone: for a log that nobody writes to for a while. */
  rest(): void {
    this.assertOpen();
    this.files.rest();
  }

  /** Index of the first record kept. */
  start(id: StreamId): number {
    return this.known(id).start;
  }

  /** Index that the next record gets. */
  end(id: StreamId): number {
    return this.known(id).end;
  }

  /** About so many bytes of the log are the stream's: those of sections that are finished, with their heads. */
  bytes(id: StreamId): number {
    return this.known(id).bytes;
  }

  /** The value, which the caller must not change. */
  get(key: string): Uint8Array | undefined {
    return this.pairs.get(key);
  }

  /** Keys that begin with `prefix`, in code-unit order. */
  keys(prefix: string): string[] {
    const found: string[] = [];
    for (const key of this.pairs.keys()) if (key.startsWith(prefix)) found.push(key);
    return found.sort();
  }

  /** Names of all streams for which anything was ever staged, in code-unit order. */
  streams(): readonly string[] {
    const names: string[] = [];
    for (const { name, defined } of this.byName.values()) if (defined) names.push(name);
    return names.sort();
  }

  /**
   * Gives records from index `from` on: at least one if there is one, as many as are at hand within the limits; the
   * first alone may be larger than `bytes`. Records are the caller's to keep and not to change. Calls back at once if they
   * are in memory. `InvalidArgument` if `from` lies before the start, `Corrupt` if the bytes do not verify,
   * `StorageFailed` if the disk does not read them; none of these ends the store.
   */
  read(id: StreamId, from: number, limit: ReadLimit, done: ReadDone): void {
    const stream = this.known(id);
    if (from < stream.start) done(trimmed(stream, from), []);
    else if (this.state === 'closed') done(new WalrusError('Closed', 'the store is closed'), []);
    else this.reader.read(stream, from, limit, done);
  }

  /**
   * Reads back the next part of all that streams have on the disk, until so many bytes (or a section more) were read, and tells what
   * does not verify. `repair` mends it. One call at a time, for a store that is open; a read of the disk that fails counts as damage.
   * `Exhausted`, with what was found until then, if the system lacks something.
   */
  scrub(bytes: number, done: ScrubDone): void {
    this.assertOpen();
    this.scrubber.scrub(bytes, done);
  }

  /** `clean` has not come back yet. */
  get isCleaning(): boolean {
    return this.cleaner.isBusy;
  }

  /**
   * Does a bit of cleaning, if some is due: so many bytes of records (or a record more) are read and written again, so that the files they
   * were in can go. It is due when the log takes more than two files and twice what is live; `isThorough` empties every file that is not
   * full. One call at a time, for a store that is open. It waits for the end of the transaction that is being staged, and for room; `isEnd` without
   * having done anything where the disk is full. `Exhausted` if the system lacks something; the error of the store if that fails, `Closed` if it is
   * closed meanwhile. What does not verify stays where it is.
   */
  clean(bytes: number, isThorough: boolean, done: CleanDone): void {
    this.assertOpen();
    // A thorough pass is over: only what it has emptied has to go.
    if (isThorough && this.checkpointer.written < this.reclaimUntil) {
      if (this.reclaim(true)) return done(undefined, { bytes: 0, isEnd: false });
      this.reclaimUntil = 0;
      return done(undefined, { bytes: 0, isEnd: true });
    }
    this.reclaimUntil = 0;
    this.cleaner.clean(bytes, isThorough, (error, cleaned) => {
      const waits = this.state === 'open' && this.reclaim(isThorough);
      if (isThorough && cleaned.isEnd && waits)
        this.reclaimUntil = this.checkpointer.written + RECLAIM_CHECKPOINTS;
      done(error, waits ? { ...cleaned, isEnd: false } : cleaned);
    });
  }

  /**
   * Makes everything committed durable, writes a checkpoint so that the next opening reads nothing else, and closes all
   * files. What was staged and not committed is void, and so is what the disk refuses to write. After a failure it only closes.
   */
  close(done: OpenDone): void {
    assert(this.state === 'open' || this.state === 'failed', 'an open store is closed once');
    if (this.state === 'failed') {
      this.finishClose(done);
      return;
    }
    this.state = 'closing';
    this.closing = done;
    this.cleaner.stop(new WalrusError('Closed', 'the store is closed'));
    this.writer.close();
    this.progress();
  }

  private begin(recovered: Recovered): void {
    this.recovered = recovered;
    const { checksum, fileBytes, batchBytes, syncOnCommit } = this.options;
    const { identity, nextFileNumber, unfinished, reserve, checkpoint } = recovered;
    const onFailed = (reason: string) => this.fail(reason);
    // One by one: an array that is made long at once is a slow one.
    while (this.byId.length < recovered.nextStream) this.byId.push(undefined);
    for (const stream of recovered.streams.values()) {
      this.byName.set(stream.name, stream);
      this.byId[stream.id] = stream;
    }
    this.pairs = recovered.pairs;
    this.arena = new Arena(this.options.arena ?? new Uint8Array(8 * batchBytes));
    this.files = new LogFiles(
      this.requests,
      checksum,
      fileBytes,
      identity,
      nextFileNumber,
      reserve,
      {
        onReady: () => {
          if (this.state === 'failed') return;
          const { opening: opened } = this;
          if (opened === undefined) {
            if (this.state === 'refused') return;
            this.writer.resume();
            this.progress();
            return;
          }
          this.opening = undefined;
          if (recovered.lsn === 0 && this.files.hasNoPlace) {
            this.state = 'refused';
            opened(this.refusal());
            return;
          }
          this.state = 'open';
          opened(undefined);
        },
        onFailed: (reason) => {
          if (this.opening === undefined) {
            this.fail(reason);
            return;
          }
          this.state = 'closed';
          this.opening(new WalrusError('StorageFailed', reason));
        },
      },
    );
    this.files.files = recovered.files;
    this.writer = new FrameWriter(
      this.requests,
      this.files,
      this.arena,
      recovered.lsn,
      { checksum, identity, batchBytes, syncOnCommit },
      {
        onClosed: (bytes) => {
          this.sinceCheckpointBytes += bytes;
          this.considerCheckpoint();
        },
        onProgress: () => this.progress(),
        onFailed,
      },
    );
    this.reader = new Reader(this.requests, this.files, this.arena, checksum, unfinished);
    this.scrubber = new Scrubber(
      this.files,
      this.arena,
      this.reader,
      checksum,
      unfinished,
      this.byId,
    );
    this.cleaner = new Cleaner({
      files: this.files,
      reader: this.reader,
      streams: this.byId,
      version: () => this.forgotten + this.writer.endLsn,
      endLsn: () => this.writer.endLsn,
      openLsn: () => this.writer.frame?.lsn,
      room: (bytes) => {
        if (this.writer.staged > 0) return 'busy';
        return this.writer.hasRoom(bytes + HEAD_BYTES_MAX, 'record');
      },
      rewrite: (parts) => this.move(parts),
    });
    this.checkpointer = new Checkpointer(this.requests, checkpoint, { onFailed });
    this.sinceCheckpointBytes = recovered.lsn - checkpoint.lsn;
    this.canReclaim = this.deadFiles().length > 0;
    this.checkpointer.begin(() => this.files.begin());
  }

  private progress(): void {
    if (this.state === 'failed' || this.state === 'closed') return;
    this.startCheckpoint();
    if (this.closing !== undefined) {
      this.goOnClosing(this.closing);
      return;
    }
    if (this.state === 'open') this.cleaner.goOn();
    this.options.onProgress();
  }

  /** Writes records again that are to leave their files. */
  private move(parts: readonly Part[]): void {
    for (const { stream, from, records } of parts) this.rewrite(stream, from, records);
    this.writer.commit();
    if (this.isCheckpointDue) this.writer.flush();
  }

  /** Takes the checkpoints without which files that nobody needs cannot go, if they are worth it. Whether some are still there. */
  private reclaim(isThorough: boolean): boolean {
    const { files, cleaner, checkpointer, writer } = this;
    const dead = files.files.slice(0, -1).filter((file) => file.extents === 0);
    if (dead.length === 0) return isThorough && files.removing > 0;
    const deadBytes = dead.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    const isWorthIt = deadBytes >= 8 * this.lastCheckpointBytes && cleaner.isLogTooLong;
    if (!isThorough && !isWorthIt) return false;
    if (checkpointer.isRunning) return true;
    writer.flush();
    if (writer.frame !== undefined || writer.staged > 0) return true;
    this.takeCheckpoint(false, () => {});
    return !this.isCheckpointRefused;
  }

  private get isCheckpointDue(): boolean {
    if (this.checkpointer.isRunning || this.closing !== undefined) return false;
    const dueBytes = Math.max(this.options.checkpointBytes, 8 * this.lastCheckpointBytes);
    return this.canReclaim || this.sinceCheckpointBytes >= dueBytes;
  }

  /** Takes a checkpoint of what the log says up to its last closed frame, if it is time and nothing is staged. */
  private considerCheckpoint(): void {
    if (!this.isCheckpointDue || this.writer.frame !== undefined || this.writer.staged > 0) return;
    this.takeCheckpoint(false, () => {});
  }

  private takeCheckpoint(isClosed: boolean, then: () => void): void {
    const { checkpointer, files, recovered, writer } = this;
    const lsn = writer.endLsn;
    const number = checkpointer.nextNumber();
    const dead = this.deadFiles();
    const streams = this.byId.filter((stream) => stream?.defined === true) as StreamIndex[];
    for (const at of recovered!.unfinished.keys()) {
      if (at < (files.files[0]?.begin ?? 0)) recovered!.unfinished.delete(at);
    }
    const bytes = encodeCheckpoint(
      {
        identity: recovered!.identity,
        number,
        lsn,
        previousLsn: checkpointer.lsn,
        isClosed,
        nextStream: this.byId.length,
        files: files.files.filter((file) => !dead.includes(file)),
        unfinished: recovered!.unfinished,
        streams,
        pairs: this.pairs,
      },
      Math.max(8, this.requests.alignmentBytes),
      this.options.checksum,
    );
    checkpointer.isRunning = true;
    this.canReclaim = false;
    this.sinceCheckpointBytes = 0;
    this.lastCheckpointBytes = bytes.length;
    this.waitingCheckpoint = { number, lsn, bytes, dead, then };
    if (!this.options.syncOnCommit) writer.sync();
    this.startCheckpoint();
  }

  /** A checkpoint may only say what is durable. */
  private startCheckpoint(): void {
    const waiting = this.waitingCheckpoint;
    if (waiting === undefined || this.writer.durable < waiting.lsn) return;
    this.waitingCheckpoint = undefined;
    const { number, lsn, bytes, dead, then } = waiting;
    this.checkpointer.write(number, lsn, bytes, (isDurable) => {
      if (this.state === 'failed') return;
      this.checkpointer.isRunning = false;
      this.isCheckpointRefused = !isDurable;
      if (isDurable) {
        for (const file of dead) {
          this.files.remove(file);
          this.removedFiles++;
        }
        this.files.retry();
      }
      this.canReclaim = this.deadFiles().length > 0;
      then();
      this.progress();
    });
  }

  private deadFiles(): LogFile[] {
    return this.files.files.filter((file) => this.isDead(file));
  }

  /**
   * No stream needs it. Recovery may have to begin at the checkpoint that will be the second newest, so it has to end
   * before that.
   */
  private isDead(file: LogFile): boolean {
    return file.extents === 0 && this.files.endOf(file) <= this.checkpointer.lsn;
  }

  private goOnClosing(done: OpenDone): void {
    const { writer, checkpointer } = this;
    if (writer.isBlocked) {
      this.isAbandoned = true;
      writer.abandon();
      // One that waits would wait for what was abandoned.
      if (this.waitingCheckpoint !== undefined) checkpointer.isRunning = false;
      this.waitingCheckpoint = undefined;
    }
    if (checkpointer.isRunning || !writer.isIdle || writer.durable < writer.committed) return;
    if (this.files.spare?.state === 'preparing') return;
    this.closing = undefined;
    this.files.removeUnused();
    // A checkpoint would say what was abandoned, too.
    if (writer.staged === 0 && !this.isAbandoned)
      this.takeCheckpoint(true, () => this.finishClose(done));
    else this.finishClose(done);
  }

  private finishClose(done: OpenDone): void {
    this.state = this.state === 'failed' ? 'failed' : 'closed';
    this.requests.idle(() => {
      const handles = this.files.handles();
      for (const file of handles) this.requests.send({ op: 'close', file }, () => {});
      this.requests.idle(() => done(undefined));
    });
  }

  private fail(reason: string): void {
    if (this.state === 'failed' || this.state === 'closed') return;
    const { closing } = this;
    this.state = 'failed';
    this.failed = new WalrusError('StorageFailed', reason);
    this.writer.stop();
    this.cleaner.stop(this.failed);
    if (closing !== undefined) closing(this.failed);
    else this.options.onFailed(this.failed);
  }

  private assertOpen(): void {
    if (this.state === 'open') return;
    throw this.failed ?? new WalrusError('Closed', 'the store is not open');
  }

  private known(id: StreamId): StreamIndex {
    const stream = this.byId[id];
    assert(stream !== undefined, 'the stream exists');
    return stream;
  }

  /** The stream, its definition staged. */
  private defined(id: StreamId): StreamIndex {
    if (this.state !== 'open') this.assertOpen();
    const stream = this.byId[id];
    assert(stream !== undefined, 'the stream exists');
    if (!stream.defined) this.define(stream);
    return stream;
  }

  private define(stream: StreamIndex): void {
    this.stage({ kind: DEFINE, stream: stream.id, name: encodeName(stream.name) });
    stream.defined = true;
  }

  private stage(change: Change, stream?: StreamIndex): void {
    this.writer.reserve(contentBytesMax(change)).change(change, stream);
    this.writer.staged++;
  }

  /** One extent more points to the frame at `lsn`. */
  private readonly retain = (lsn: Lsn): void => {
    const open = this.writer.frame;
    if (open !== undefined && open.lsn === lsn) open.extents++;
    else this.files.at(lsn).extents++;
  };

  /** One extent less points to the frame at `lsn`. */
  private readonly release = (lsn: Lsn): void => {
    const open = this.writer.frame;
    if (open !== undefined && open.lsn === lsn) {
      open.extents--;
      return;
    }
    const file = this.files.at(lsn);
    file.extents--;
    if (file.extents === 0) this.canReclaim ||= this.isDead(file);
  };
}

/** Names and keys are text; one that is not well formed would not come back as it was. */
function encodeName(name: string): Uint8Array {
  assert(isWellFormed(name), 'names and keys are well-formed text');
  return utf8Encode(name);
}

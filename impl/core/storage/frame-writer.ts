/**
 * Takes records into frames and sees them onto the disk, in order of the log: group commit. While a write (or, if every
 * commit is to be synced, a sync) is under way, commits gather in one open frame; when it is done, or half a batch is there
 * and the disk takes another write, the frame goes out as one write. One sync is under way at a time and covers all writes submitted before it: a
 * commit that finds nothing under way has its write and its sync submitted in one turn.
 */
import type { Checksum } from '../../ports/disk.ts';
import { Queue } from '../queue.ts';
import type { Arena } from './arena.ts';
import { FRAME_HEADER_BYTES, FRAME_UNIT_BYTES, roundUp } from './format.ts';
import type { Frame } from './frame.ts';
import type { Lsn } from './ids.ts';
import type { LogFile } from './log-file.ts';
import type { LogFiles } from './log-files.ts';
import { describe, isRefused, type Requests } from './requests.ts';
import type { Purpose } from './reserve.ts';

/** Full frames being written at once: enough to keep a device busy while the next ones are framed. */
const WRITES_MAX = 4;
/** A frame of fewer bytes is written to the page cache sooner than to the disk. */
const UNCACHED_BYTES_MIN = 64 * 1024;
/** To how many batches a frame grows while the disk has all the writes that it takes. */
const FRAME_BATCHES_MAX = 2;

export interface FrameWriterOptions {
  readonly checksum: Checksum;
  readonly identity: number;
  readonly batchBytes: number;
  readonly syncOnCommit: boolean;
}

export interface FrameWriterEvents {
  /** A frame of so many bytes was closed; if with the end of a transaction, nothing is staged. */
  onClosed(bytes: number): void;
  onProgress(): void;
  onFailed(reason: string): void;
}

export class FrameWriter {
  /** The frame being filled. */
  frame: Frame | undefined = undefined;
  /** It lies, as long as it may become, in a file that is there. */
  private isPlaced = false;
  /** Records staged since the last commit. */
  staged = 0;
  written: Lsn;
  durable: Lsn;
  committed: Lsn;
  writes = 0;
  syncs = 0;
  writtenBytes = 0;
  /** The disk has refused a write, and has taken none since. */
  isRefused = false;
  private readonly requests: Requests;
  private readonly files: LogFiles;
  private readonly arena: Arena;
  private readonly options: FrameWriterOptions;
  private readonly events: FrameWriterEvents;
  private readonly alignmentBytes: number;
  private nextLsn: Lsn;
  private readonly queue = new Queue<Frame>();
  /** Frames handed to the disk, in order; the front ones that are done move `written`. */
  private readonly writing: Frame[] = [];
  private writesInFlight = 0;
  private syncsInFlight = 0;
  /** Everything before it is durable once it is written: syncs behind its writes have succeeded. */
  private synced: Lsn;
  /** What `synced` becomes when the syncs in flight have succeeded. */
  private syncing: Lsn;
  /** Files to which a write was submitted since their last sync was. */
  private dirty: LogFile[] = [];
  private wanted: Lsn;
  /** What is queued waits until the disk is asked again. */
  private isStalled = false;
  private scratchBytes = new Uint8Array(0);
  private hasFailed = false;

  constructor(
    requests: Requests,
    files: LogFiles,
    arena: Arena,
    lsn: Lsn,
    options: FrameWriterOptions,
    events: FrameWriterEvents,
  ) {
    this.requests = requests;
    this.files = files;
    this.arena = arena;
    this.options = options;
    this.events = events;
    this.alignmentBytes = Math.max(FRAME_UNIT_BYTES, requests.alignmentBytes);
    this.nextLsn = lsn;
    this.written = lsn;
    this.durable = lsn;
    this.committed = lsn;
    this.wanted = lsn;
    this.synced = lsn;
    this.syncing = lsn;
  }

  /** Where the log ends, with all that is staged. */
  get endLsn(): Lsn {
    return this.frame === undefined ? this.nextLsn : this.frame.endLsn;
  }

  /** What is queued was refused, or its file was, and nothing is under way that could change it. */
  get isBlocked(): boolean {
    const { first } = this.queue;
    if (first === undefined || this.writesInFlight > 0) return false;
    return this.isRefused || first.file?.state === 'noSpace';
  }

  get isIdle(): boolean {
    return this.writesInFlight === 0 && this.queue.length === 0 && this.syncsInFlight === 0;
  }

  /** The open frame, with room for so many bytes more; a full one is closed, inside a transaction if need be. */
  reserve(bytes: number): Frame {
    const { frame } = this;
    return frame?.hasRoomFor(bytes) ? frame : this.openFrame(bytes);
  }

  private openFrame(bytes: number): Frame {
    if (this.frame !== undefined) this.closeFrame(this.frame);
    const roomBytes = this.files.roomAt(this.nextLsn, this.alignmentBytes);
    const fits = FRAME_HEADER_BYTES + bytes <= roomBytes;
    this.isPlaced = fits && this.files.current?.state === 'ready';
    // What has a place there must not wait for another file.
    const size = fits ? Math.min(this.frameSize(bytes), roomBytes) : this.frameSize(bytes);
    const opened = this.arena.open(this.nextLsn, size, this.alignmentBytes, this.staged > 0);
    this.frame = opened;
    return opened;
  }

  /** Whether so many bytes more had better go into the open frame. */
  hasFrameFor(bytes: number): boolean {
    const { frame } = this;
    if (!frame?.hasRoomFor(bytes)) return false;
    return frame.usedBytes + bytes <= this.options.batchBytes || !this.canWrite;
  }

  hasRoom(bytes: number, purpose: Purpose): 'yes' | 'busy' | 'full' {
    const { frame } = this;
    const fits = frame?.hasRoomFor(bytes) === true;
    if (fits && this.isPlaced && !this.isRefused && this.files.isAtEase) return 'yes';
    const unplacedBytes = frame === undefined ? 0 : frame.usedBytes;
    const needed = bytes + FRAME_HEADER_BYTES + this.alignmentBytes;
    const place = this.files.hasPlace(this.nextLsn, needed, unplacedBytes, purpose);
    this.askAgain();
    // It would wait behind what was refused.
    if (this.isRefused) return 'full';
    if (place !== 'yes') return place;
    if (fits) return 'yes';
    const size = this.frameSize(bytes);
    // A record larger than the whole ring gets memory of its own, but only once nothing else waits.
    if (this.arena.hasRoom(size + this.alignmentBytes)) return 'yes';
    return this.isIdle && frame === undefined ? 'yes' : 'busy';
  }

  commit(): Lsn {
    const { frame } = this;
    if (frame !== undefined && this.staged > 0) {
      frame.commit();
      this.committed = frame.endLsn;
      this.staged = 0;
      // Not at each call: whoever commits after every completion would ask in a circle.
      this.askAgain();
    }
    if (frame !== undefined) {
      const isWorthIt = this.canWrite && frame.usedBytes >= this.options.batchBytes / 2;
      const { isBusy } = this;
      if (isWorthIt || !isBusy || this.wanted > frame.lsn) this.flush();
      if (!isBusy) this.startSync();
    }
    return this.committed;
  }

  /** Makes all that was committed durable, in time. */
  sync(): void {
    this.askAgain();
    if (this.durable >= this.committed) return;
    this.wanted = this.committed;
    // In the middle of a transaction the frame goes out when that ends.
    this.flush();
    this.startSync();
  }

  /** Writes and syncs what was committed. What was not goes along if it has to: unfinished, it is void. */
  close(): void {
    this.wanted = this.committed;
    if (this.frame !== undefined) this.closeFrame(this.frame);
    this.askAgain();
    this.startSync();
  }

  /** Gives up what the disk has refused so far, to close: it is void, as after a crash. */
  abandon(): void {
    this.queue.takeAll();
    this.writing.length = 0;
    this.isRefused = false;
    this.isStalled = false;
    this.committed = this.written;
    this.wanted = this.written;
    this.startSync();
  }

  /** Goes on with what waited: a file became ready, or room may have come back. */
  resume(): void {
    this.isStalled = false;
    this.pump();
  }

  /** If the disk had no room, it may have some now. */
  askAgain(): void {
    if (this.files.isFull) this.files.retry();
    if (this.isStalled) this.resume();
  }

  /** Accepts no more completions as progress. */
  stop(): void {
    this.hasFailed = true;
  }

  private get isBusy(): boolean {
    if (this.writesInFlight > 0 || this.queue.length > 0) return true;
    return this.options.syncOnCommit && this.syncsInFlight > 0;
  }

  private get canWrite(): boolean {
    return this.writesInFlight + this.queue.length < WRITES_MAX;
  }

  private frameSize(bytes: number): number {
    const size = Math.max(FRAME_BATCHES_MAX * this.options.batchBytes, FRAME_HEADER_BYTES + bytes);
    return roundUp(size, this.alignmentBytes);
  }

  /** Closes the open frame if it ends with a transaction. */
  flush(): void {
    const { frame } = this;
    if (frame !== undefined && this.staged === 0 && !frame.isEmpty) this.closeFrame(frame);
  }

  private closeFrame(frame: Frame): void {
    this.frame = undefined;
    if (frame.isEmpty) {
      this.arena.discard(frame);
      return;
    }
    const { identity, checksum } = this.options;
    frame.layOut(identity, checksum, (bytes) => this.scratch(bytes));
    const { usedBytes } = frame;
    const alignmentBytes = this.isDense(usedBytes) ? FRAME_UNIT_BYTES : this.alignmentBytes;
    const file = this.files.place(frame.lsn, usedBytes, alignmentBytes);
    frame.pad(file, alignmentBytes);
    this.arena.close(frame, alignmentBytes);
    file.pins++;
    file.extents += frame.extents;
    frame.seal(identity, file, this.durable, checksum);
    this.nextLsn = frame.lsn + frame.length;
    this.queue.push(frame);
    this.events.onClosed(frame.length);
    this.pump();
  }

  /** Memory for a moment; what a frame of the usual size needs is kept. */
  private scratch(bytes: number): Uint8Array {
    if (bytes <= this.scratchBytes.length) return this.scratchBytes;
    const memory = new Uint8Array(bytes);
    if (bytes <= FRAME_BATCHES_MAX * this.options.batchBytes) this.scratchBytes = memory;
    return memory;
  }

  private pump(): void {
    while (this.writesInFlight < WRITES_MAX && !this.isStalled && !this.hasFailed) {
      const frame = this.queue.first;
      if (frame?.file === undefined || frame.file.state !== 'ready') return;
      this.queue.shift();
      this.write(frame, frame.file);
    }
  }

  private write(frame: Frame, file: LogFile): void {
    frame.state = 'writing';
    this.writesInFlight++;
    this.writes++;
    this.writtenBytes += frame.length;
    if (this.writing.length === 0 || this.writing.at(-1)!.lsn < frame.lsn) this.writing.push(frame);
    if (!file.isDirty) {
      file.isDirty = true;
      this.dirty.push(file);
    }
    const bytes = frame.bytes.subarray(frame.from, this.writtenEnd(frame));
    const offsetBytes = file.offsetOf(frame.lsn);
    this.requests.send({ op: 'write', file: file.handle!, offsetBytes, bytes }, (completion) => {
      this.writesInFlight--;
      if (this.hasFailed) return;
      if (isRefused(completion)) {
        this.files.refusal = completion;
        this.putBack(frame);
        return;
      }
      if (completion.error !== undefined) {
        this.events.onFailed(describe(`writing ${file.name}`, completion));
        return;
      }
      this.isRefused = false;
      frame.state = 'written';
      this.files.unpin(file);
      this.advanceWritten();
      this.goOn();
      this.events.onProgress();
    });
  }

  /**
   * What does not end at the alignment goes through the page cache. Where nobody waits for a sync that is the faster way
   * for a small frame, so its padding is left out: what is there instead means nothing.
   */
  private writtenEnd(frame: Frame): number {
    const isCached = !this.options.syncOnCommit && frame.length < UNCACHED_BYTES_MIN;
    return isCached ? frame.at : frame.from + frame.length;
  }

  /** A frame that would be padding for the most part lies close to the next one instead, and goes through the page cache. */
  private isDense(bytes: number): boolean {
    return !this.options.syncOnCommit && bytes < this.alignmentBytes;
  }

  /** The disk refused room that it had promised: the same bytes go to the same place when it has some. */
  private putBack(frame: Frame): void {
    frame.state = 'queued';
    // No sync so far covers the write that is to come.
    this.synced = Math.min(this.synced, frame.lsn);
    this.syncing = Math.min(this.syncing, frame.lsn);
    this.isRefused = true;
    this.isStalled = true;
    const queued = [...this.queue.takeAll(), frame].sort((a, b) => a.lsn - b.lsn);
    for (const each of queued) this.queue.push(each);
    this.events.onProgress();
  }

  private advanceWritten(): void {
    while (this.writing[0]?.state === 'written') {
      const frame = this.writing.shift()!;
      this.written = frame.lsn + frame.length;
    }
    this.advanceDurable();
    this.arena.release();
  }

  private advanceDurable(): void {
    this.durable = Math.min(this.synced, this.written);
  }

  /** Everything before it is written or being written. */
  private get submitted(): Lsn {
    let lsn = this.written;
    for (const frame of this.writing) {
      if (frame.state === 'queued') break;
      lsn = frame.lsn + frame.length;
    }
    return lsn;
  }

  private goOn(): void {
    this.pump();
    if (!this.isBusy) this.flush();
    this.startSync();
  }

  /** Syncs what was submitted, if that is wanted and no other sync is under way. */
  private startSync(): void {
    if (this.syncsInFlight > 0 || this.hasFailed) return;
    const { submitted } = this;
    if (submitted <= this.synced) return;
    const isDue = this.wanted > this.synced && submitted >= this.wanted;
    if (!this.options.syncOnCommit && !isDue) return;
    this.syncing = submitted;
    const files = this.dirty;
    this.dirty = [];
    this.syncsInFlight = files.length;
    for (const file of files) {
      file.isDirty = false;
      file.pins++;
      this.syncs++;
      this.requests.send({ op: 'sync', file: file.handle! }, (completion) => {
        this.syncsInFlight--;
        this.files.unpin(file);
        if (this.hasFailed) return;
        if (completion.error !== undefined) {
          this.events.onFailed(describe(`syncing ${file.name}`, completion));
          return;
        }
        if (this.syncsInFlight > 0) return;
        this.synced = this.syncing;
        this.advanceDurable();
        this.goOn();
        this.events.onProgress();
      });
    }
  }
}

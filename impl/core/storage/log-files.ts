/**
 * The files of the log: the ones that hold frames, in order; the last of them takes what is appended. The next one,
 * the spare, is made ahead of its use: created, allocated in full, its header and its name durable, so that going
 * on to it costs nothing. It is made of an old file if one is kept. If the disk has no room for a spare, this is where it
 * shows first; a piece of the reserve takes its place then, for what is not records.
 *
 * The first file of a life is small, each one after it four times as large, up to the usual size: a small log takes little room, and one at
 * work soon goes on to another file as seldom as ever. The spare of a small file is made when half of that is used.
 */
import type { Checksum, DiskCompletion, DiskFile, FileHandle } from '../../ports/disk.ts';
import { assert } from '../assert.ts';
import { BLOCK_BYTES, encodeFileHeader, FILE_HEAD_BYTES, fileName, roundUp } from './format.ts';
import type { Lsn } from './ids.ts';
import { LogFile } from './log-file.ts';
import { OldFiles } from './old-files.ts';
import { describe, isRefused, type Requests } from './requests.ts';
import { type Purpose, Reserve } from './reserve.ts';

/** Of the first file in the life of a process. */
const FIRST_FILE_BYTES = 64 * 1024;
const GROWTH = 4;
/** Of a piece of the reserve, which is as long as a first file if files are large. */
const PIECE_BYTES_MIN = 2 * BLOCK_BYTES;
/** Open files kept for reading beyond the ones being written. */
const IDLE_HANDLES_MAX = 16;

export interface LogFilesEvents {
  /** A file became ready, or was refused room. */
  onReady(): void;
  onFailed(reason: string): void;
}

export class LogFiles {
  /** Files that hold frames, by `begin`. */
  files: LogFile[] = [];
  /** The last of them, once something was appended: the file that takes what is appended. */
  current: LogFile | undefined = undefined;
  spare: LogFile | undefined = undefined;
  /** What the disk said when it refused something last. */
  refusal: DiskCompletion | undefined = undefined;
  /** Files that were made of older ones. */
  renewed = 0;
  /** Files that are being removed. */
  removing = 0;
  readonly identity: number;
  private readonly requests: Requests;
  private readonly checksum: Checksum;
  readonly fileBytes: number;
  private readonly events: LogFilesEvents;
  private nextNumber: number;
  /** Files that the disk has had no room for so far; frames may wait for them. */
  private readonly refused = new Set<LogFile>();
  /** The last refusal has not been told to anybody who asked for a place. */
  private isRefusalNew = false;
  /** Open files that take no more frames, the longest unused first. */
  private readonly idle = new Set<LogFile>();
  private readonly opening = new Map<
    LogFile,
    ((handle: FileHandle | undefined, why?: DiskCompletion) => void)[]
  >();
  private readonly old: OldFiles;
  private readonly reserve: Reserve;
  /** How much all files may take before those that are there for speed alone are too many. */
  private allowedBytes = Infinity;
  private nextBytes: number;
  private hasBegun = false;

  constructor(
    requests: Requests,
    checksum: Checksum,
    fileBytes: number,
    identity: number,
    nextNumber: number,
    reserve: readonly DiskFile[],
    events: LogFilesEvents,
  ) {
    this.requests = requests;
    this.checksum = checksum;
    this.fileBytes = fileBytes;
    this.identity = identity;
    this.nextNumber = nextNumber;
    this.events = events;
    this.nextBytes = Math.min(fileBytes, FIRST_FILE_BYTES);
    this.old = new OldFiles(requests, fileBytes, (reason) => events.onFailed(reason));
    const pieceBytes = Math.min(FIRST_FILE_BYTES, Math.max(PIECE_BYTES_MIN, fileBytes / 8));
    this.reserve = new Reserve(requests, pieceBytes, reserve, {
      onRefused: (refusal) => this.note(refusal),
      onFailed: (reason) => events.onFailed(reason),
    });
  }

  /** Makes the first file of this life and what is missing of the reserve, as far as there is room. Then there is `onReady`. */
  begin(): void {
    this.prepareSpare();
  }

  /** Makes the next file, in the background. */
  private prepareSpare(): LogFile {
    const file = new LogFile(this.nextNumber++, this.nextBytes);
    this.nextBytes = Math.min(this.fileBytes, this.nextBytes * GROWTH);
    this.spare = file;
    this.prepare(file);
    return file;
  }

  /** How long a frame at `lsn` may become in the file that takes frames now, with its padding to the alignment. */
  roomAt(lsn: Lsn, alignmentBytes: number): number {
    const { current } = this;
    if (current === undefined) return 0;
    return current.sizeBytes - (current.sizeBytes % alignmentBytes) - current.offsetOf(lsn);
  }

  /** Where a frame of so many bytes at `lsn` goes, padded to the alignment. */
  place(lsn: Lsn, bytes: number, alignmentBytes: number): LogFile {
    const fits = bytes <= this.roomAt(lsn, alignmentBytes);
    const file = fits ? this.current! : this.goOn(lsn, roundUp(bytes, alignmentBytes));
    file.placedBytes = roundUp(file.offsetOf(lsn) + bytes, alignmentBytes);
    if (alignmentBytes % BLOCK_BYTES !== 0) file.raggedFrames++;
    if (this.spare === undefined && this.isSpareDue(file)) this.prepareSpare();
    return file;
  }

  /** When half of the file is used; where the log takes too much already, and others are about to go, when little is left. */
  private isSpareDue({ placedBytes, sizeBytes }: LogFile): boolean {
    return placedBytes * 8 >= sizeBytes * 7 || (placedBytes * 2 >= sizeBytes && this.allows(0));
  }

  /**
   * Whether what takes `bytes` has a place on the disk, behind the open frame at `lsn` that holds `unplacedBytes`; if not
   * yet, sees to it.
   */
  hasPlace(
    lsn: Lsn,
    bytes: number,
    unplacedBytes: number,
    purpose: Purpose,
  ): 'yes' | 'busy' | 'full' {
    const { current, spare, reserve } = this;
    const needed = unplacedBytes + bytes;
    const spareIsRefused = spare !== undefined && this.refused.has(spare);
    if (this.refused.size > (spareIsRefused ? 1 : 0)) {
      // Frames wait for their file already.
      return this.askAgain();
    }
    if (purpose === 'record' && !reserve.isWhole) {
      if (reserve.isRefused) return this.askAgain();
      this.fillReserve();
      return 'busy';
    }
    if (current?.state === 'ready' && lsn + needed <= current.capacityLsn) return 'yes';
    if (spare === undefined) {
      this.prepareSpare();
      return 'busy';
    }
    if (spare.state === 'noSpace') {
      if (this.makeOfReserve(spare, purpose, FILE_HEAD_BYTES + needed)) return 'busy';
    }
    // What is not records waits for the disk's answer: if that is no, there is the reserve.
    if (spare.state === 'preparing' && purpose !== 'record') return 'busy';
    if (spareIsRefused) return this.askAgain();
    if (spare.state === 'preparing') return 'busy';
    if (FILE_HEAD_BYTES + needed <= spare.sizeBytes) return 'yes';
    // The frame goes first; the record may then need a file of its own size.
    if (unplacedBytes > 0) return 'busy';
    const wasRefused = FILE_HEAD_BYTES + bytes >= spare.refusedBytes;
    this.grow(spare, bytes);
    return wasRefused ? 'full' : 'busy';
  }

  /**
   * Tries again. Room rarely comes back at once, but what is exhausted often does: who asks then waits for the outcome, and hears of
   * each refusal once.
   */
  private askAgain(): 'busy' | 'full' {
    const isTold = this.refusal?.error !== 'Exhausted' || this.isRefusalNew;
    this.isRefusalNew = false;
    this.retry();
    return isTold ? 'full' : 'busy';
  }

  /** Tries again to make what was refused room. */
  retry(): void {
    for (const file of this.refused) if (file.state === 'noSpace') this.prepare(file);
    if (this.reserve.isRefused) this.fillReserve();
  }

  /** Nothing lacks its room. */
  get isAtEase(): boolean {
    return !this.isFull && this.reserve.isWhole;
  }

  /** Some file, or the reserve, lacks its room. */
  get isFull(): boolean {
    return this.refused.size > 0 || this.reserve.isRefused;
  }

  /** Not even a small change can be written. */
  get hasNoPlace(): boolean {
    return this.refused.size > 0 && this.reserve.isEmpty;
  }

  /** The file that holds the frame at `lsn`. */
  at(lsn: Lsn): LogFile {
    let low = 0;
    let high = this.files.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.files[middle]!.begin <= lsn) low = middle;
      else high = middle - 1;
    }
    const file = this.files[low];
    assert(file !== undefined && file.begin <= lsn, 'every lsn in use lies in a file');
    return file;
  }

  /** Removes the files that hold nothing. Nothing will be appended any more. */
  removeUnused(): void {
    this.old.stop();
    this.removeSpare();
  }

  /** Gives back the room of files that are there for speed alone: those made ahead and those kept. */
  rest(): void {
    this.old.removeAll();
    if (this.spare?.state === 'ready') this.removeSpare();
  }

  /** Beyond two files so many bytes may be held; what is there for speed alone goes if there are more. */
  limit(bytes: number): void {
    this.allowedBytes = 2 * this.fileBytes + bytes;
    if (!this.allows(this.old.count)) this.old.removeBeyond(this.spare === undefined ? 1 : 0);
  }

  /** Whether so many old files may be kept. One of them is the next spare, if there is none yet. */
  private allows(kept: number): boolean {
    const others = this.spare === undefined ? Math.max(0, kept - 1) : kept;
    return this.heldBytes() + others * this.fileBytes <= this.allowedBytes;
  }

  /** What the files take on the disk with the spare, which will be there soon if it is not. */
  heldBytes(files: readonly LogFile[] = this.files): number {
    let held = this.spareBytes;
    for (const { sizeBytes } of files) held += sizeBytes;
    return held;
  }

  get spareBytes(): number {
    return this.spare?.sizeBytes ?? this.nextBytes;
  }

  /** Whether one more file may be kept. */
  private get hasRoomForOld(): boolean {
    const { count } = this.old;
    const isNext = this.spare === undefined && count === 0;
    return isNext || this.allows(count + 1);
  }

  /** What the files take that are kept to make others of. */
  get keptBytes(): number {
    return this.old.count * this.fileBytes;
  }

  /** The spare can wait until the file under way is used for a part. */
  get needsSpare(): boolean {
    const { current, spare } = this;
    return (
      spare !== undefined || (current !== undefined && current.placedBytes * 8 >= current.sizeBytes)
    );
  }

  private removeSpare(): void {
    const { spare } = this;
    if (spare === undefined) return;
    this.spare = undefined;
    this.refused.delete(spare);
    if (spare.handle === undefined) return;
    this.close(spare);
    // If it cannot be removed, the next opening will.
    this.requests.send({ op: 'unlink', name: spare.name }, () => {});
  }

  /** Where the next file begins; Infinity if frames still go to this one, or went last. */
  endOf(file: LogFile): Lsn {
    const next = this.files[this.files.indexOf(file) + 1];
    return next === undefined ? Infinity : next.begin;
  }

  /** Opens a file for reading, or finds it open. Calls back with `undefined` if it cannot be opened. */
  open(file: LogFile, then: (handle: FileHandle | undefined, why?: DiskCompletion) => void): void {
    if (this.idle.delete(file)) this.idle.add(file);
    if (file.handle !== undefined) {
      then(file.handle);
      return;
    }
    const waiting = this.opening.get(file);
    if (waiting !== undefined) {
      waiting.push(then);
      return;
    }
    this.opening.set(file, [then]);
    this.openToRead(file);
  }

  private openToRead(file: LogFile): void {
    this.requests.send({ op: 'open', name: file.name, create: false }, (opened) => {
      if (opened.error === 'Exhausted' && this.closeIdle()) {
        this.openToRead(file);
        return;
      }
      file.handle = opened.file;
      const all = this.opening.get(file)!;
      this.opening.delete(file);
      if (file.handle !== undefined) this.keepIdle(file);
      for (const one of all) one(file.handle, opened);
    });
  }

  /** Removes a file without extents, or keeps it to make another of. Nothing of it will be read any more. */
  remove(file: LogFile): void {
    assert(file.extents === 0 && file !== this.current, 'only what is dead and done goes');
    this.files = this.files.filter((other) => other !== file);
    file.isRemoved = true;
    if (file.pins === 0) this.close(file);
    if (this.old.keep(file, () => this.hasRoomForOld)) return;
    this.removing++;
    this.requests.send({ op: 'unlink', name: file.name }, (unlinked) => {
      this.removing--;
      // What is refused the next opening does.
      if (unlinked.error !== undefined && unlinked.error !== 'NotFound' && !isRefused(unlinked)) {
        this.events.onFailed(describe(`removing ${file.name}`, unlinked));
      }
    });
  }

  /** One request less is under way on the file. */
  unpin(file: LogFile): void {
    file.pins--;
    if (file.pins === 0 && file.isRemoved) this.close(file);
  }

  /** Handles of all files that are open. */
  handles(): FileHandle[] {
    const all = this.spare === undefined ? this.files : [...this.files, this.spare];
    return all.flatMap((file) => (file.handle === undefined ? [] : [file.handle]));
  }

  /** The spare takes what is appended from now on. */
  private goOn(lsn: Lsn, frameBytes: number): LogFile {
    const { current } = this;
    const spare = this.spare ?? this.prepareSpare();
    if (current !== undefined) {
      current.isFilled = true;
      this.old.judge(current);
      this.keepIdle(current);
    }
    spare.begin = lsn;
    this.files.push(spare);
    this.current = spare;
    this.spare = undefined;
    this.grow(spare, frameBytes);
    // What has to be written has to be written somewhere.
    if (spare.state === 'noSpace') {
      this.makeOfReserve(spare, 'reclaim', FILE_HEAD_BYTES + frameBytes);
    }
    const hasRoom = this.old.count > 0 || this.allows(0);
    if (spare.sizeBytes >= this.fileBytes && hasRoom) this.prepareSpare();
    return spare;
  }

  /** A file that takes no more frames may be closed when many are open. */
  private keepIdle(file: LogFile): void {
    this.idle.add(file);
    for (const oldest of this.idle) {
      if (this.idle.size <= IDLE_HANDLES_MAX) return;
      if (oldest.pins === 0 && !oldest.isDirty && oldest !== file) this.close(oldest);
    }
  }

  /** Where the system is short of descriptors, ours that nobody needs are the first to go. False if there was none. */
  private closeIdle(): boolean {
    const unused = [...this.idle].filter(
      ({ handle, pins, isDirty }) => handle !== undefined && pins === 0 && !isDirty,
    );
    for (const file of unused) this.close(file);
    return unused.length > 0;
  }

  private close(file: LogFile): void {
    this.idle.delete(file);
    if (file.handle === undefined) return;
    this.requests.send({ op: 'close', file: file.handle }, () => {});
    file.handle = undefined;
  }

  private grow(file: LogFile, frameBytes: number): void {
    const needed = FILE_HEAD_BYTES + frameBytes;
    if (needed <= file.sizeBytes) return;
    file.sizeBytes = needed;
    // A file still being prepared finds the larger size when it comes to allocate, or begins again.
    if (file.state === 'ready') this.prepare(file);
  }

  private prepare(file: LogFile): void {
    file.state = 'preparing';
    if (file.handle !== undefined) {
      this.allocate(file, file.handle);
      return;
    }
    const old = file.sizeBytes === this.fileBytes ? this.old.take() : undefined;
    if (old === undefined) {
      this.create(file);
    } else {
      this.renewed++;
      this.renew(file, old, () => {
        this.renewed--;
        this.old.giveBack(old);
      });
    }
  }

  /** Makes a file that was refused room of a piece of the reserve. False if that is too small, or kept for other purposes. */
  private makeOfReserve(file: LogFile, purpose: Purpose, neededBytes: number): boolean {
    const { pieceBytes } = this.reserve;
    // What the system is short of, a piece would lack as well.
    if (neededBytes > pieceBytes || this.refusal?.error !== 'NoSpace') return false;
    const piece = this.reserve.take(purpose);
    if (piece === undefined) return false;
    this.refused.delete(file);
    file.sizeBytes = pieceBytes;
    file.state = 'preparing';
    this.renew(file, piece, () => this.reserve.giveBack(piece));
    return true;
  }

  private fillReserve(): void {
    this.reserve.fill(() => this.events.onReady());
  }

  private create(file: LogFile): void {
    this.requests.send({ op: 'open', name: file.name, create: true }, (opened) => {
      if (this.isRefused(file, opened, 'creating')) return;
      file.handle = opened.file!;
      this.allocate(file, file.handle);
    });
  }

  /**
   * Makes an older file, or a piece of the reserve, into this one. Under the name that the older one had while it counted it must not be found again once its
   * header is another: that name has to be gone for good first.
   */
  private renew(file: LogFile, old: string, giveBack: () => void): void {
    this.requests.send({ op: 'syncDirectory' }, (directory) => {
      if (this.hasFailed(file, directory, 'syncing the directory for')) return;
      this.requests.send({ op: 'open', name: old, create: false }, (opened) => {
        if (isRefused(opened)) giveBack();
        if (this.isRefused(file, opened, 'opening')) return;
        this.replace(file, old);
        file.handle = opened.file!;
        this.allocate(file, file.handle);
      });
    });
  }

  /** What there was of the file gives way to another, which has no header yet. */
  private replace(file: LogFile, name: string): void {
    this.close(file);
    // Whatever has the name that it is to have, the rename replaces.
    if (file.name !== fileName('log', file.number)) this.old.remove(file.name);
    file.name = name;
    file.hasHeader = false;
    file.allocatedBytes = 0;
  }

  private allocate(file: LogFile, handle: FileHandle): void {
    const { sizeBytes } = file;
    this.requests.send({ op: 'allocate', file: handle, sizeBytes }, (allocated) => {
      if (this.isRefused(file, allocated, 'allocating')) return;
      file.allocatedBytes = sizeBytes;
      if (file.hasHeader) this.becomeReady(file, handle);
      else this.writeHeader(file, handle);
    });
  }

  private writeHeader(file: LogFile, handle: FileHandle): void {
    const bytes = new Uint8Array(FILE_HEAD_BYTES);
    const { identity } = this;
    const header = {
      kind: 'log',
      identity,
      number: file.number,
      bodyBytes: 0,
      bodyChecksum: 0,
    } as const;
    encodeFileHeader(bytes, header, this.checksum);
    this.requests.send({ op: 'write', file: handle, offsetBytes: 0, bytes }, (written) => {
      if (this.isRefused(file, written, 'writing')) return;
      this.requests.send({ op: 'sync', file: handle }, (synced) => {
        if (this.hasFailed(file, synced, 'syncing')) return;
        this.publish(file, handle);
      });
    });
  }

  /** Its header is durable; so that it can be found, its name has to be. */
  private publish(file: LogFile, handle: FileHandle): void {
    const name = fileName('log', file.number);
    if (file.name !== name) {
      this.requests.send({ op: 'rename', from: file.name, to: name }, (renamed) => {
        if (this.isRefused(file, renamed, 'renaming')) return;
        file.name = name;
        this.publish(file, handle);
      });
      return;
    }
    this.requests.send({ op: 'syncDirectory' }, (directory) => {
      if (this.hasFailed(file, directory, 'syncing the directory for')) return;
      file.hasHeader = true;
      this.becomeReady(file, handle);
    });
  }

  private becomeReady(file: LogFile, handle: FileHandle): void {
    if (file.allocatedBytes < file.sizeBytes) {
      this.allocate(file, handle);
      return;
    }
    file.state = 'ready';
    file.refusedBytes = Infinity;
    this.refused.delete(file);
    // Where there was room for one there may be for the other.
    this.retry();
    this.tellReady();
  }

  /** The first time, only when the reserve is there as well. */
  private tellReady(): void {
    if (this.hasBegun) {
      this.events.onReady();
      return;
    }
    this.reserve.fill(() => {
      this.hasBegun = true;
      this.events.onReady();
    });
  }

  private isRefused(file: LogFile, completion: DiskCompletion, doing: string): boolean {
    if (!isRefused(completion)) return this.hasFailed(file, completion, doing);
    this.note(completion);
    if (completion.error === 'NoSpace') this.old.removeAll();
    if (file === this.spare && file.hasHeader) {
      // There was no room to make it larger; as it is, it is good.
      file.refusedBytes = file.sizeBytes;
      file.sizeBytes = file.allocatedBytes;
      file.state = 'ready';
    } else {
      file.state = 'noSpace';
      this.refused.add(file);
      if (file !== this.spare) this.makeOfReserve(file, 'reclaim', file.placedBytes);
    }
    this.tellReady();
    return true;
  }

  private note(refusal: DiskCompletion): void {
    this.refusal = refusal;
    this.isRefusalNew = true;
    if (refusal.error === 'Exhausted') this.closeIdle();
  }

  private hasFailed(file: LogFile, completion: DiskCompletion, doing: string): boolean {
    if (completion.error === undefined) return false;
    this.events.onFailed(describe(`${doing} ${file.name}`, completion));
    return true;
  }
}

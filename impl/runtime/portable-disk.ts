/**
 * The disk port over `node:fs`: works wherever Node.js and Unix sockets do, needs nothing compiled.
 *
 * Requests run on libuv's thread pool (four threads unless `UV_THREADPOOL_SIZE` says otherwise); what has
 * completed by the end of a turn of the event loop is delivered in one call. The bytes go through the page
 * cache, and each request costs a hop to the pool and back.
 */
import {
  close,
  fdatasync,
  constants as flagsOf,
  fstat,
  ftruncate,
  open,
  read,
  write,
} from 'node:fs';
import { readdir, rename, stat, unlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { assert, unreachable } from '../core/assert.ts';
import { Queue } from '../core/queue.ts';
import type {
  Disk,
  DiskCompletion,
  DiskCompletions,
  DiskError,
  DiskFile,
  DiskRequest,
  FileHandle,
} from '../ports/disk.ts';
import { createDirectory } from './directory.ts';
import { DirectoryLock } from './directory-lock.ts';
import { diskErrorOf, lockErrorOf } from './disk-error.ts';
import { setImmediate, turn } from './timers.ts';

type Request<Op extends DiskRequest['op']> = Extract<DiskRequest, { op: Op }>;
type FileRequest = Extract<DiskRequest, { file: FileHandle }>;
type SystemError = NodeJS.ErrnoException;
/** What a successful completion carries beside its id. */
type DiskResult = Pick<DiskCompletion, 'file' | 'lengthBytes' | 'offsetBytes' | 'files'>;

/** One system call takes at most this much; Linux stops at 2 GiB less a page, Node.js at 2 GiB less a byte. */
const CALL_BYTES_MAX = 2 ** 30;
const ZEROS_BYTES = 2 ** 20;

interface OpenFile {
  readonly fd: number;
  /** Requests that came while the file is being allocated: zeros must not land on top of a later write. */
  waiting: FileRequest[] | undefined;
  /** Writes under way, by the order of their submission, oldest first. */
  readonly writes: Set<number>;
  /** Writes submitted so far. */
  lastWrite: number;
  /** Syncs that wait for writes before them, oldest first. */
  readonly syncs: Queue<WaitingSync>;
  /** A failed sync may have dropped dirty pages and forgotten it, so a later one proves nothing. */
  syncFailed: boolean;
}

interface WaitingSync {
  readonly request: Request<'sync'>;
  /** The last write that it covers. */
  readonly lastWrite: number;
}

export class PortableDisk implements Disk {
  readonly alignmentBytes = 1;
  readonly #directory: string;
  readonly #deliver: DiskCompletions;
  readonly #files = new Map<FileHandle, OpenFile>();
  #nextHandle: FileHandle = 1;
  #lock: DirectoryLock | undefined;
  #completed: DiskCompletion[] = [];
  #inFlight = 0;

  /** Touches nothing before `lock` is submitted. */
  constructor(directory: string, deliver: DiskCompletions) {
    this.#directory = resolve(directory);
    this.#deliver = deliver;
  }

  submit(request: DiskRequest): void {
    assert(request.op === 'lock' || this.#lock !== undefined, `${request.op} before lock`);
    switch (request.op) {
      case 'lock':
        this.#takeDirectory().then(
          () => this.#complete(request.id, null),
          (error: SystemError) => this.#complete(request.id, error, {}, lockErrorOf),
        );
        break;
      case 'list':
        this.#settle(
          request.id,
          this.#inDirectory(() => this.#list()),
          (files) => ({ files }),
        );
        break;
      case 'open': {
        const path = this.#path(request.name);
        this.#settle(
          request.id,
          this.#inDirectory(() => this.#open(path, request.create)),
          (it) => it,
        );
        break;
      }
      case 'rename': {
        const [from, to] = [this.#path(request.from), this.#path(request.to)];
        this.#settle(
          request.id,
          this.#inDirectory(() => rename(from, to)),
        );
        break;
      }
      case 'unlink': {
        const path = this.#path(request.name);
        this.#settle(
          request.id,
          this.#inDirectory(() => unlink(path)),
        );
        break;
      }
      case 'syncDirectory':
        this.#settle(request.id, this.#lock!.sync().catch(refuseForGood));
        break;
      default:
        this.#submitToFile(request);
        break;
    }
    this.#inFlight++;
  }

  /** Waits for what is in flight, then closes what is open and gives the directory back. Nothing may follow. */
  async close(): Promise<void> {
    // A descriptor closed under a call that uses it may come to stand for another file.
    while (this.#inFlight > 0) await turn();
    for (const { fd } of this.#files.values()) {
      await new Promise<void>((done) => close(fd, () => done()));
    }
    this.#files.clear();
    await this.#lock?.release();
    this.#lock = undefined;
  }

  async #takeDirectory(): Promise<void> {
    await createDirectory(this.#directory);
    const lock = await DirectoryLock.acquire(this.#directory);
    assert(this.#lock === undefined, 'locked twice');
    this.#lock = lock;
  }

  async #list(): Promise<DiskFile[]> {
    const files: DiskFile[] = [];
    for (const entry of await readdir(this.#directory, { withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const { size } = await stat(join(this.#directory, entry.name));
      files.push({ name: entry.name, sizeBytes: size });
    }
    return files.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Whatever goes by a name goes by the path of the directory. If somebody removed that directory and made it anew, another log may
   * be in it.
   */
  async #inDirectory<Value>(work: () => Promise<Value>): Promise<Value> {
    if (await this.#lock!.isIntact()) return work();
    throw new Error(`${this.#directory} was removed or emptied while it was open`);
  }

  #open(path: string, create: boolean): Promise<DiskResult> {
    const flags = flagsOf.O_RDWR | (create ? flagsOf.O_CREAT | flagsOf.O_EXCL : 0);
    return new Promise((resolve, reject) => {
      open(path, flags, 0o644, (error, fd) => {
        if (error) return reject(error);
        fstat(fd, (statError, stats) => {
          if (statError) return close(fd, () => reject(statError));
          const file = this.#nextHandle++;
          this.#files.set(file, {
            fd,
            waiting: undefined,
            writes: new Set(),
            lastWrite: 0,
            syncs: new Queue(),
            syncFailed: false,
          });
          resolve({ file, lengthBytes: stats.size });
        });
      });
    });
  }

  #submitToFile(request: FileRequest): void {
    const file = this.#files.get(request.file);
    assert(file !== undefined, `${request.op} on a file that is not open`);
    if (file.waiting !== undefined) {
      file.waiting.push(request);
      return;
    }
    switch (request.op) {
      case 'allocate':
        this.#allocate(request, file);
        break;
      case 'write':
        this.#write(request, file);
        break;
      case 'read':
        this.#read(request, file, 0);
        break;
      case 'seekData':
        // Node.js has no call for it.
        this.#settle(request.id, Promise.resolve(), () => ({ offsetBytes: request.offsetBytes }));
        break;
      case 'sync':
        file.syncs.push({ request, lastWrite: file.lastWrite });
        this.#startSyncs(file);
        break;
      case 'close':
        this.#files.delete(request.file);
        close(file.fd, (error) => this.#complete(request.id, error));
        break;
      default:
        unreachable(request);
    }
  }

  #read(request: Request<'read'>, file: OpenFile, filled: number): void {
    const { into, offsetBytes, id } = request;
    const length = Math.min(into.length - filled, CALL_BYTES_MAX);
    read(file.fd, into, filled, length, offsetBytes + filled, (error, count = 0) => {
      if (error && error.code !== 'EINTR') {
        this.#complete(id, error);
        return;
      }
      const total = filled + count;
      if (total < into.length && (error || count > 0)) this.#read(request, file, total);
      else this.#complete(id, null, { lengthBytes: total });
    });
  }

  #write(request: Request<'write'>, file: OpenFile): void {
    const write = ++file.lastWrite;
    file.writes.add(write);
    writeAll(file.fd, request.bytes, request.offsetBytes, (error) => {
      file.writes.delete(write);
      this.#complete(request.id, error);
      this.#startSyncs(file);
    });
  }

  /** Starts the syncs whose writes are all done, well or badly. */
  #startSyncs(file: OpenFile): void {
    const [oldest = Infinity] = file.writes;
    while (file.syncs.length > 0 && file.syncs.first!.lastWrite < oldest) {
      this.#sync(file.syncs.shift()!.request, file);
    }
  }

  #sync(request: Request<'sync'>, file: OpenFile): void {
    if (file.syncFailed) {
      this.#complete(request.id, new Error('an earlier sync of this file failed'));
      return;
    }
    fdatasync(file.fd, (error) => {
      if (error) file.syncFailed = true;
      this.#complete(request.id, error && forGood(error));
    });
  }

  /** Writes zeros, since Node.js has no call that reserves blocks; later writes to them sync faster, too. */
  #allocate(request: Request<'allocate'>, file: OpenFile): void {
    const waiting: FileRequest[] = [];
    file.waiting = waiting;
    const finish = (error: SystemError | null): void => {
      file.waiting = undefined;
      this.#complete(request.id, error);
      for (const next of waiting) this.#submitToFile(next);
    };
    fstat(file.fd, (statError, stats) => {
      if (statError) {
        finish(statError);
        return;
      }
      const zeros = new Uint8Array(ZEROS_BYTES);
      const extend = (from: number): void => {
        const bytes = zeros.subarray(0, Math.max(0, request.sizeBytes - from));
        if (bytes.length === 0) finish(null);
        else {
          writeAll(file.fd, bytes, from, (error) => {
            // What was refused takes no room from others.
            if (error) ftruncate(file.fd, stats.size, () => finish(error));
            else extend(from + bytes.length);
          });
        }
      };
      extend(stats.size);
    });
  }

  #settle<Value>(
    id: number,
    work: Promise<Value>,
    result: (value: Value) => DiskResult = () => ({}),
  ): void {
    work.then(
      (value) => this.#complete(id, null, result(value)),
      (error: SystemError) => this.#complete(id, error),
    );
  }

  #complete(
    id: number,
    error: SystemError | null,
    result: DiskResult = {},
    meaningOf: (error: SystemError) => DiskError = diskErrorOf,
  ): void {
    this.#completed.push(
      error ? { id, error: meaningOf(error), detail: error.message } : { id, ...result },
    );
    if (this.#completed.length === 1) {
      // Immediates run after all of this turn's system calls have reported.
      setImmediate(() => {
        const completions = this.#completed;
        this.#completed = [];
        this.#inFlight -= completions.length;
        this.#deliver(completions);
      });
    }
  }

  #path(name: string): string {
    assert(/^[\w.-]+$/.test(name) && !/^\.+$/.test(name), `not a plain file name: ${name}`);
    return join(this.#directory, name);
  }
}

function writeAll(
  fd: number,
  bytes: Uint8Array,
  offsetBytes: number,
  done: (error: SystemError | null) => void,
  written = 0,
): void {
  const length = Math.min(bytes.length - written, CALL_BYTES_MAX);
  write(fd, bytes, written, length, offsetBytes + written, (error, count) => {
    if (error) return done(error);
    const total = written + count;
    if (total === bytes.length) return done(null);
    if (count === 0) return done(new Error('the system wrote nothing'));
    writeAll(fd, bytes, offsetBytes, done, total);
  });
}

/** A sync that failed is never tried again, whatever for: to the store it is Io. */
function forGood(error: SystemError): Error {
  return new Error(error.message, { cause: error });
}

function refuseForGood(error: SystemError): never {
  throw forGood(error);
}

/**
 * Group commit: what is staged in one turn of the event loop becomes one batch of the store, all or nothing
 * over a crash, and all who wait for it are answered at once. In order, so that a reader of a topic sees a prefix.
 */
import { WalrusError } from '../core/errors.ts';
import type { Lsn } from '../core/storage/ids.ts';
import type { Store } from '../core/storage/store.ts';
import type { FsyncSchedule } from './options.ts';

/** What shows its readers the records of a group once that is acknowledged: a topic. */
export interface Publisher {
  /** The group that will publish what was staged last. */
  group: CommitGroup | undefined;
  readonly stagedEnd: number;
  publish(end: number): void;
}

type Resolve = (value: unknown) => void;

// One executor for all promises: what it captures is taken right after the constructor has returned.
let captured: Resolve;
const capture = (resolve: Resolve): void => {
  captured = resolve;
};

export class CommitGroup {
  readonly #resolves: Resolve[] = [];
  readonly #values: unknown[] = [];
  readonly #callbacks: ((error: WalrusError | undefined) => void)[] = [];
  readonly #publishers: Publisher[] = [];
  #ends: number[] = [];
  #shared: Promise<void> | undefined;
  lsn: Lsn = 0;

  /** Resolves to `value` when the group is acknowledged. */
  promise<Value>(value: Value): Promise<Value> {
    const promise = new Promise<unknown>(capture);
    this.#resolves.push(captured);
    this.#values.push(value);
    return promise as Promise<Value>;
  }

  /** The same promise for all who want to know no more than that the group is acknowledged. */
  shared(): Promise<void> {
    this.#shared ??= this.promise(undefined);
    return this.#shared;
  }

  onSettled(callback: (error: WalrusError | undefined) => void): void {
    this.#callbacks.push(callback);
  }

  /** What the publisher has staged so far is given to readers with this group. */
  publishes(publisher: Publisher): void {
    if (publisher.group === this) return;
    publisher.group = this;
    this.#publishers.push(publisher);
  }

  closed(lsn: Lsn): void {
    this.lsn = lsn;
    this.#ends = this.#publishers.map(({ stagedEnd }) => stagedEnd);
  }

  acknowledge(): void {
    for (const [i, publisher] of this.#publishers.entries()) publisher.publish(this.#ends[i]!);
    for (let i = 0; i < this.#resolves.length; i++) this.#resolves[i]!(this.#values[i]);
    for (const callback of this.#callbacks) callback(undefined);
  }

  fail(error: WalrusError): void {
    // To resolve a promise with a rejected one rejects it, so that no reject function need be kept for each.
    const failed = Promise.reject(error);
    failed.catch(() => {});
    for (const resolve of this.#resolves) resolve(failed);
    for (const callback of this.#callbacks) callback(error);
  }
}

interface Waiting {
  readonly bytes: number;
  readonly keptShare: number;
  readonly run: () => void;
  readonly refuse: (error: WalrusError) => void;
}

interface Flush {
  readonly lsn: Lsn;
  readonly resolve: () => void;
  readonly reject: (error: WalrusError) => void;
}

export class CommitGroups {
  readonly #store: Store;
  readonly #fsync: FsyncSchedule;
  readonly #commit = (): void => this.commit();
  #open: CommitGroup | undefined;
  /** Committed, not yet acknowledged; oldest first. */
  #pending: CommitGroup[] = [];
  #flushes: Flush[] = [];
  /** Operations that wait for memory, in order of arrival. */
  #waiting: Waiting[] = [];
  #admitting = false;
  #timer: NodeJS.Timeout | undefined;
  #failure: WalrusError | undefined;
  /** Groups acknowledged so far. */
  acknowledged = 0;

  constructor(store: Store, fsync: FsyncSchedule) {
    this.#store = store;
    this.#fsync = fsync;
  }

  /**
   * The group of what is staged next, of so many bytes. It is committed at the end of this turn, or before what would begin another
   * frame: it need not wait for that one's write.
   */
  current(bytes: number): CommitGroup {
    if (this.#open !== undefined && !this.#store.hasFrameFor(bytes)) this.commit();
    if (this.#open === undefined) {
      this.#open = new CommitGroup();
      queueMicrotask(this.#commit);
    }
    return this.#open;
  }

  /**
   * Whether `bytes` can be staged at once. If not, `whenRoom` tells when, or why not. On a full disk, what gives room back may
   * use the store's reserve: `keptShare` is what it leaves of it.
   */
  hasRoom(bytes: number, keptShare = 1): boolean {
    return (
      this.#failure === undefined &&
      this.#waiting.length === 0 &&
      this.#store.room(bytes, keptShare) === 'yes'
    );
  }

  /** Runs `run` as soon as `bytes` can be staged, in order of arrival. `NoSpace` if the disk is full. */
  whenRoom(
    bytes: number,
    run: () => void,
    refuse: (error: WalrusError) => void,
    keptShare = 1,
  ): void {
    this.#waiting.push({ bytes, keptShare, run, refuse });
    // What is staged is part of what fills the memory.
    if (this.#waiting.length === 1) this.commit();
    this.#admit();
  }

  commit(): void {
    const group = this.#open;
    if (group === undefined) return;
    this.#open = undefined;
    group.closed(this.#store.commit());
    this.#pending.push(group);
    if (this.#fsync.mode === 'Milliseconds') this.#armTimer(this.#fsync.intervalMs);
    this.progress();
  }

  /** Resolves when everything staged so far survives power loss. */
  flush(): Promise<void> {
    this.commit();
    if (this.#failure) return Promise.reject(this.#failure);
    const lsn = this.#store.commit();
    this.#store.sync();
    return new Promise((resolve, reject) => {
      this.#flushes.push({ lsn, resolve, reject });
      this.progress();
    });
  }

  /** Resolves when all that was asked for before is acknowledged, refused or failed. Nothing may be asked for meanwhile. */
  async drain(): Promise<void> {
    await new Promise<void>((resolve) => this.whenRoom(0, resolve, () => resolve()));
    if (this.#failure === undefined) {
      const last = this.current(0);
      await new Promise<void>((resolve) => last.onSettled(() => resolve()));
    }
    clearTimeout(this.#timer);
  }

  /** Answers all whose place the store has reached. */
  progress(): void {
    const { durableLsn, writtenLsn } = this.#store;
    const reached = this.#fsync.mode === 'SyncEach' ? durableLsn : writtenLsn;
    let count = 0;
    while (count < this.#pending.length && this.#pending[count]!.lsn <= reached) count++;
    for (const group of this.#pending.splice(0, count)) {
      this.acknowledged++;
      group.acknowledge();
    }
    while (this.#flushes.length > 0 && this.#flushes[0]!.lsn <= durableLsn) {
      this.#flushes.shift()!.resolve();
    }
    this.#admit();
  }

  /** Nothing will be acknowledged any more. */
  fail(error: WalrusError): void {
    this.#failure = error;
    clearTimeout(this.#timer);
    const groups = this.#open ? [...this.#pending, this.#open] : this.#pending;
    this.#open = undefined;
    this.#pending = [];
    for (const group of groups) group.fail(error);
    for (const flush of this.#flushes.splice(0)) flush.reject(error);
    this.#admit();
  }

  #admit(): void {
    // What is admitted may commit, which may admit: the next must not overtake it.
    if (this.#admitting) return;
    this.#admitting = true;
    while (this.#waiting.length > 0) {
      const first = this.#waiting[0]!;
      if (this.#failure) {
        this.#waiting.shift();
        first.refuse(this.#failure);
        continue;
      }
      const room = this.#store.room(first.bytes, first.keptShare);
      if (room === 'busy') break;
      if (room === 'yes') {
        this.#waiting.shift();
        first.run();
        continue;
      }
      // What is as large would not fit either, and to find that out takes the disk a while.
      const isRefused = (one: Waiting): boolean =>
        one.bytes >= first.bytes && one.keptShare >= first.keptShare;
      const refused = this.#waiting.filter(isRefused);
      this.#waiting = this.#waiting.filter((one) => !isRefused(one));
      for (const one of refused) one.refuse(new WalrusError('NoSpace', 'the disk is full'));
    }
    this.#admitting = false;
  }

  #armTimer(intervalMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#store.sync();
    }, intervalMs).unref();
  }
}

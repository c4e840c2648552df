/**
 * Group commit: what is staged in one turn of the event loop becomes one batch of the store, all or nothing
 * over a crash, and all who wait for it are answered at once. In order, so that a reader of a topic sees a prefix.
 */
import { WalrusError } from '../core/errors.ts';
import { Queue } from '../core/queue.ts';
import type { Lsn } from '../core/storage/ids.ts';
import type { Purpose } from '../core/storage/reserve.ts';
import type { Room, Store } from '../core/storage/store.ts';
import { afterThis, clearTimeout, setTimeout } from '../runtime/timers.ts';
import { toWalrusError } from './errors.ts';
import type { FsyncSchedule } from './options.ts';

/** What shows its readers the records of a group once that is acknowledged: a topic. */
export interface Publisher {
  /** The group that will publish what was staged last. */
  group: CommitGroup | undefined;
  readonly stagedEnd: number;
  publish(end: number): void;
}

export type Resolve = (value: unknown) => void;

// One executor for all promises: what it captures is taken right after the constructor has returned.
let captured: Resolve;
const capture = (resolve: Resolve): void => {
  captured = resolve;
};

/** A promise that `keep` is given the one function to resolve of. */
export function promised<Value>(keep: (resolve: Resolve) => void): Promise<Value> {
  const promise = new Promise<unknown>(capture);
  keep(captured);
  return promise as Promise<Value>;
}

/** Rejects: to resolve a promise with a rejected one does, so that no reject function need be kept for each. */
export function failAll(resolves: readonly Resolve[], error: WalrusError): void {
  const failed = Promise.reject(error);
  failed.catch(() => {});
  for (const resolve of resolves) resolve(failed);
}

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
    this.resolves(captured, value);
    return promise as Promise<Value>;
  }

  /** Calls `resolve` with `value` when the group is acknowledged. */
  resolves(resolve: Resolve, value: unknown): void {
    this.#resolves.push(resolve);
    this.#values.push(value);
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
    failAll(this.#resolves.splice(0), error);
    for (const callback of this.#callbacks.splice(0)) callback(error);
  }
}

/** How often a disk is asked again that has no room for what was staged, and how many times until those who wait are told. */
const RETRY_MS = 5;
const RETRIES_UNTOLD = 200;
const RETRY_LATER_MS = 100;

/** A change that needs room: what it stages belongs together. */
export interface Change {
  readonly bytes: number;
  /** For what is staged: what is not records may use the store's reserve on a full disk. */
  readonly purpose?: Purpose;
  /** Looks at everything that may be wrong before it stages anything. */
  run(): void;
  /** Nothing was staged. */
  refuse(error: WalrusError): void;
}

interface Flush {
  readonly lsn: Lsn;
  readonly resolve: () => void;
  readonly reject: (error: WalrusError) => void;
}

export class CommitGroups {
  readonly #store: Store;
  readonly #fsync: FsyncSchedule;
  /** The log cannot go on. */
  readonly #onBug: (thrown: unknown) => void;
  readonly #commit = (): void => this.commit();
  #open: CommitGroup | undefined;
  /** Committed, not yet acknowledged; oldest first. */
  readonly #pending = new Queue<CommitGroup>();
  readonly #flushes = new Queue<Flush>();
  /** Changes that wait for memory, in order of arrival. */
  readonly #waiting = new Queue<Change>();
  /** What the disk had no room for: what is as large would not fit either, and to find that out takes the disk a while. */
  #refused: Change | undefined;
  #admitting = false;
  #timer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #retries = 0;
  #draining = false;
  /** Why nothing can be staged. */
  #failure: WalrusError | undefined;
  /** Groups acknowledged so far. */
  acknowledged = 0;

  constructor(store: Store, fsync: FsyncSchedule, onBug: (thrown: unknown) => void) {
    this.#store = store;
    this.#fsync = fsync;
    this.#onBug = onBug;
  }

  /**
   * The group of what is staged next, of so many bytes. It is committed at the end of this turn, or before what would begin another
   * frame: it need not wait for that one's write.
   */
  current(bytes: number): CommitGroup {
    if (this.#open !== undefined && !this.#store.hasFrameFor(bytes)) this.commit();
    if (this.#open === undefined) {
      this.#open = new CommitGroup();
      afterThis(this.#commit);
    }
    return this.#open;
  }

  /** Whether `bytes` can be staged at once, and no change waits that came before. Else `admit` it. */
  hasRoom(bytes: number, purpose: Purpose = 'record'): boolean {
    return (
      this.#failure === undefined &&
      this.#waiting.length === 0 &&
      this.#store.room(bytes, purpose) === 'yes'
    );
  }

  /** Runs the change as soon as it can be staged, in order of arrival, or refuses it. `NoSpace` or `Exhausted` if the disk refuses it. */
  admit(change: Change): void {
    if (this.#failure !== undefined) {
      change.refuse(this.#failure);
      return;
    }
    this.#waiting.push(change);
    this.#admit();
    // What is staged is part of what fills the memory.
    if (!this.#admitting && this.#waiting.first === change) this.commit();
  }

  commit(): void {
    const group = this.#open;
    if (group === undefined) return;
    this.#open = undefined;
    this.#pending.push(group);
    try {
      group.closed(this.#store.commit());
    } catch (bug) {
      this.#onBug(bug);
      return;
    }
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
    this.#draining = true;
    await new Promise<void>((resolve) => {
      this.admit({ bytes: 0, run: resolve, refuse: () => resolve() });
    });
    if (this.#failure === undefined) {
      const last = this.current(0);
      await new Promise<void>((resolve) => last.onSettled(() => resolve()));
    }
    // It stays, so that none is armed any more.
    clearTimeout(this.#timer);
    clearTimeout(this.#retryTimer);
  }

  /** Answers all whose place the store has reached. */
  progress(): void {
    const { durableLsn, writtenLsn } = this.#store;
    const reached = this.#fsync.mode === 'SyncEach' ? durableLsn : writtenLsn;
    while (this.#pending.length > 0 && this.#pending.first!.lsn <= reached) {
      this.acknowledged++;
      this.#retries = 0;
      this.#pending.shift()!.acknowledge();
    }
    while (this.#flushes.length > 0 && this.#flushes.first!.lsn <= durableLsn) {
      this.#flushes.shift()!.resolve();
    }
    if (this.#store.isStalled) this.#stall();
    this.#admit();
  }

  /**
   * The disk has refused what was staged, though it had promised the room. It is asked again until it takes it; but those who wait are
   * told after a while that the outcome is unknown, for it may yet come to be, or end with the log.
   */
  #stall(): void {
    if (this.#draining || this.#retries >= RETRIES_UNTOLD) {
      const { message } = this.#store.refusal();
      const error = new WalrusError('OutcomeUnknown', `${message}; what was staged waits for it`);
      for (const group of this.#pending.takeAll()) {
        group.fail(error);
        // It is shown to readers when it is written.
        this.#pending.push(group);
      }
      for (const flush of this.#flushes.takeAll()) flush.reject(error);
    }
    if (this.#draining) return;
    const delayMs = this.#retries < RETRIES_UNTOLD ? RETRY_MS : RETRY_LATER_MS;
    // It keeps the process alive: somebody may be waiting.
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = undefined;
      this.#retries++;
      try {
        this.#store.retry();
      } catch (bug) {
        this.#onBug(bug);
      }
    }, delayMs);
  }

  /** Nothing will be acknowledged any more. */
  fail(error: WalrusError): void {
    this.#failure = error;
    clearTimeout(this.#timer);
    clearTimeout(this.#retryTimer);
    if (this.#open) this.#pending.push(this.#open);
    this.#open = undefined;
    for (const group of this.#pending.takeAll()) group.fail(error);
    for (const flush of this.#flushes.takeAll()) flush.reject(error);
    for (const change of this.#waiting.takeAll()) change.refuse(error);
  }

  #admit(): void {
    // What is admitted may commit, which may admit: the next must not overtake it.
    if (this.#admitting) return;
    this.#admitting = true;
    for (let change = this.#waiting.first; change !== undefined; change = this.#waiting.first) {
      const room = this.#roomFor(change);
      if (room === 'busy') break;
      this.#waiting.shift();
      if (room === 'yes') this.#run(change);
      else change.refuse(this.#store.refusal());
    }
    if (this.#waiting.length === 0) this.#refused = undefined;
    this.#admitting = false;
  }

  #roomFor(change: Change): Room {
    const { bytes, purpose = 'record' } = change;
    const refused = this.#refused;
    if (refused && bytes >= refused.bytes && purpose === (refused.purpose ?? 'record'))
      return 'full';
    const room = this.#store.room(bytes, purpose);
    if (room === 'full') this.#refused = change;
    if (room === 'yes') this.#refused = undefined;
    return room;
  }

  #run(change: Change): void {
    try {
      change.run();
    } catch (thrown) {
      change.refuse(toWalrusError(thrown));
      // What it may have staged must not become part of the log.
      if (!(thrown instanceof WalrusError)) this.#onBug(thrown);
    }
  }

  #armTimer(intervalMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      try {
        this.#store.sync();
      } catch (bug) {
        this.#onBug(bug);
      }
    }, intervalMs).unref();
  }
}

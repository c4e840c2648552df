import type { StreamId } from '../core/storage/ids.ts';
import type { Store } from '../core/storage/store.ts';
import { topicOfStream, topicStream } from '../runtime/library-names.ts';
import type { CommitGroup, Publisher } from './commit-groups.ts';
import type { UnderWay } from './under-way.ts';

/** Records consumed before their topic is trimmed, unless they are large or the last ones. */
const TRIM_RECORDS = 1024;
const TRIM_BYTES = 4 * 1024 * 1024;

/** Something that still wants the records from `position` on. */
export interface Holder {
  readonly position: number;
}

/** A group's place in the topic. */
export interface Consumer {
  /** Whether the log knows of it. Until then it keeps no record from being reclaimed. */
  readonly isDurable: boolean;
  /** The offset that the log knows, or will with the next commit. */
  readonly persisted: number;
}

const UNMEASURED = { from: 0, to: 0, bytes: 0 };

/** One topic of an open log: its stream in the store, how far readers see, who reads. */
export class Topic implements Publisher {
  readonly name: string;
  readonly store: Store;
  readonly stream: StreamId;
  /** Reads of the whole log that are not yet answered. */
  readonly reads: UnderWay;
  // A log may have very many topics, most of which nobody reads: what only readers need is made for the first of them.
  #consumers: Set<Consumer> | undefined;
  #holders: Set<Holder> | undefined;
  #waiters: Set<() => void> | undefined;
  group: CommitGroup | undefined;
  #acknowledgedEnd: number;
  deleted = false;
  /** Iterators that have not ended, and cursors: they would miss what comes if the topic were made anew. */
  users = 0;
  /** Payload bytes of the records in `[from, to)`, as far as anyone asked. */
  measured: { readonly from: number; readonly to: number; readonly bytes: number } = UNMEASURED;
  /** Bytes given out since the topic was trimmed last. */
  consumedBytes = 0;

  constructor(store: Store, reads: UnderWay, name: string) {
    this.name = name;
    this.store = store;
    this.reads = reads;
    this.stream = store.stream(topicStream(name));
    this.#acknowledgedEnd = store.end(this.stream);
  }

  get start(): number {
    return this.deleted ? 0 : this.store.start(this.stream);
  }

  /** Offset after the last record that is acknowledged, or trimmed before it was: readers see what is before it. */
  get visibleEnd(): number {
    return Math.max(this.#acknowledgedEnd, this.start);
  }

  get stagedEnd(): number {
    return this.deleted ? 0 : this.store.end(this.stream);
  }

  publish(end: number): void {
    if (this.deleted) return;
    this.#acknowledgedEnd = end;
    this.wake();
  }

  /** The group consumes this topic: where records are reclaimed, its place counts. */
  addConsumer(consumer: Consumer): void {
    this.#consumers ??= new Set();
    this.#consumers.add(consumer);
  }

  removeConsumer(consumer: Consumer): void {
    this.#consumers?.delete(consumer);
  }

  /** Keeps what the holder wants from being reclaimed, until it lets go. */
  hold(holder: Holder): void {
    this.#holders ??= new Set();
    this.#holders.add(holder);
  }

  letGo(holder: Holder): void {
    this.#holders?.delete(holder);
  }

  /** Calls `waiter` once, when there is more to see, or the topic or the log ends; unless taken back before. */
  onChange(waiter: () => void): { takeBack(): void } {
    this.#waiters ??= new Set();
    this.#waiters.add(waiter);
    return { takeBack: () => this.#waiters?.delete(waiter) };
  }

  wake(): void {
    const waiters = this.#waiters;
    if (waiters === undefined) return;
    this.#waiters = undefined;
    for (const waiter of waiters) waiter();
  }

  /**
   * Stages a trim of the records that nobody wants any more: those that all durable cursors have passed. To be
   * committed with the cursor that passed them, or later. Does little at a time unless `now`.
   */
  reclaimConsumed(now: boolean): void {
    let wanted = Number.POSITIVE_INFINITY;
    for (const { isDurable, persisted } of this.#consumers ?? []) {
      if (isDurable) wanted = Math.min(wanted, persisted);
    }
    if (wanted === Number.POSITIVE_INFINITY) return;
    for (const holder of this.#holders ?? []) wanted = Math.min(wanted, holder.position);
    const { start } = this;
    if (wanted <= start) return;
    const worthIt =
      wanted - start >= TRIM_RECORDS ||
      this.consumedBytes >= TRIM_BYTES ||
      wanted === this.stagedEnd;
    if (!now && !worthIt) return;
    this.store.trim(this.stream, wanted);
    this.consumedBytes = 0;
  }
}

/** Names of all topics that the store knows, sorted. */
export function storedTopics(store: Store): string[] {
  return store
    .streams()
    .map(topicOfStream)
    .filter((topic) => topic !== undefined);
}

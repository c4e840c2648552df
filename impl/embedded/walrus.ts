/**
 * Walrus, embedded: a durable log of many topics inside one process.
 *
 * This file is what a user sees; it checks arguments and puts the pieces together. It does not know how bytes
 * lie on the disk (`impl/core/storage`), nor how they get there (`impl/runtime`, `native`).
 */
import type { NativeStats } from '../../native/index.ts';
import { ByteReader, ByteWriter } from '../core/codec.ts';
import { WalrusError } from '../core/errors.ts';
import type { Purpose } from '../core/storage/reserve.ts';
import type { Store, StoreStats } from '../core/storage/store.ts';
import type { DiskCompletions } from '../ports/disk.ts';
import { markKey } from '../runtime/library-names.ts';
import { type DiskChoice, type OpenedDisk, openDisk, openReadOnly } from '../runtime/open-disk.ts';
import { clearTimeout, delay, monotonicMs, setTimeout, turn } from '../runtime/timers.ts';
import { assertNotAborted } from './abort-signal.ts';
import {
  type Batch,
  batchOf,
  checkGroupName,
  checkpointOf,
  checkTopicName,
  FRAME_BYTES,
  fromOf,
  invalid,
  isUnchanged,
  type Limits,
  limitsOf,
  option,
  type Position,
  type RangeOptions,
  type ReadBatchOptions,
  type ReadOptions,
  recordBytes,
  signalOf,
  wholeNumber,
} from './arguments.ts';
import { Cleaning } from './cleaning.ts';
import { type CommitGroup, CommitGroups, promised } from './commit-groups.ts';
import { Cursor, type CursorHost } from './cursor.ts';
import { EntryIterator } from './entry-iterator.ts';
import { toWalrusError } from './errors.ts';
import { DEFAULT_GROUP, type GroupCursor, GroupCursors, storedCursors } from './group-cursor.ts';
import { type Settings, settle, type WalrusOptions } from './options.ts';
import { StoreLink } from './store-link.ts';
import { storedTopics, Topic } from './topic.ts';
import { type Entry, readRecords, reclaimed, TopicReader } from './topic-reader.ts';
import { UnderWay } from './under-way.ts';
import { WaitingAppend } from './waiting-append.ts';

export type { NativeStats } from '../../native/index.ts';
export { ERRORS, type ErrorCode, WalrusError } from '../core/errors.ts';
export type { Lsn } from '../core/storage/ids.ts';
export type { StoreStats } from '../core/storage/store.ts';
export type { DiskChoice } from '../runtime/open-disk.ts';
export {
  BATCH_BYTES_MAX,
  BATCH_ENTRIES_MAX,
  type BatchLimits,
  type Position,
  type RangeOptions,
  RECORD_BYTES_MAX,
  type ReadBatchOptions,
  type ReadOptions,
  type TailOptions,
} from './arguments.ts';
export { Cursor } from './cursor.ts';
export { FsyncSchedule, ReadConsistency, type WalrusOptions } from './options.ts';
export type { Entry } from './topic-reader.ts';

/** What is read at once to measure a topic. */
const MEASURE: Limits = { entries: Number.POSITIVE_INFINITY, bytes: 2 ** 20 };
/** What `read` and `tail` read at once. */
const PAGE: Limits = { entries: 2048, bytes: 2 ** 20 };
/** How often an opening that waits looks whether the directory is free. */
const LOCK_POLL_MS = 20;
/** A log that nothing was written to for so long rests. */
const REST_AFTER_MS = 1000;

/** What `stats` tells: where the log is, how it reaches its disk, and what it has done since it was opened. */
export interface WalrusStats {
  readonly directory: string;
  readonly disk: {
    readonly asked: DiskChoice;
    readonly way: Exclude<DiskChoice, 'auto'>;
    /** Why that way. */
    readonly reason: string;
  };
  readonly topics: number;
  /** Groups of calls that were acknowledged together. */
  readonly commitGroups: number;
  readonly store: StoreStats;
  /** Of the native disk, if it is one. */
  readonly native: NativeStats | undefined;
}

let warned = false;

/**
 * A durable log of many topics in one directory. Each topic is a sequence of records with offsets from 0; several calls may
 * be under way at once, and take effect in the order in which they were made. Every failure is a `WalrusError`.
 */
export class Walrus {
  readonly #settings: Settings;
  readonly #disk: OpenedDisk;
  readonly #store: Store;
  readonly #commits: CommitGroups;
  readonly #topics = new Map<string, Topic>();
  readonly #cursors: GroupCursors;
  readonly #cleaning: Cleaning;
  readonly #reads = new UnderWay();
  readonly #cursorHost: CursorHost;
  #failure: WalrusError | undefined;
  /** Size of what `stage` refused, until someone waits for it. */
  #refusedBytes = 0;
  #restTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #failClosing: (error: WalrusError) => void = () => {};

  private constructor(settings: Settings, disk: OpenedDisk, link: StoreLink) {
    this.#settings = settings;
    this.#disk = disk;
    this.#store = link.store;
    this.#commits = new CommitGroups(link.store, settings.fsync, (bug) => this.#failed(bug));
    this.#cursors = new GroupCursors(this.#commits, settings);
    this.#cleaning = new Cleaning(link.store, settings.readOnly ? 0 : settings.cleanBytesPerSecond);
    this.#cursorHost = {
      assertOpen: () => this.#assertOpen(),
      assertWritable: () => this.#assertWritable(),
      isClosed: () => this.#isClosed(),
    };
    for (const name of storedTopics(link.store)) this.#topic(name);
    for (const { topic, group } of storedCursors(link.store)) {
      this.#cursors.get(this.#topic(topic), group);
    }
    link.onProgress = () => {
      this.#commits.progress();
      if (this.#closing !== undefined || settings.readOnly) return;
      this.#restLater();
      this.#cleaning.wake();
    };
    link.onFailed = (error) => this.#fail(error);
  }

  /**
   * Opens the log of a directory, made if need be, for this process alone. `Locked` if another still has it after `waitMs`, `Corrupt` if
   * bytes that were durable do not verify, `UnsupportedVersion` if a newer version wrote them, `InvalidArgument`
   * if an option makes no sense, the path can be no directory of ours, or the wanted way to the disk cannot be had, `Exhausted` if the system
   * is short of descriptors for now.
   */
  static async open(options: WalrusOptions = {}): Promise<Walrus> {
    const settings = settle(options, process.env);
    const deadlineMs = monotonicMs() + settings.waitMs;
    for (;;) {
      try {
        return await Walrus.#openOnce(settings);
      } catch (error) {
        const isLocked = error instanceof WalrusError && error.code === 'Locked';
        const leftMs = deadlineMs - monotonicMs();
        if (!isLocked || leftMs <= 0) throw error;
        await delay(Math.min(LOCK_POLL_MS, leftMs));
      }
    }
  }

  static async #openOnce(settings: Settings): Promise<Walrus> {
    let link: StoreLink | undefined;
    const deliver: DiskCompletions = (completions) => link?.complete(completions);
    const { directory, fsync, readOnly } = settings;
    const disk = readOnly
      ? openReadOnly(directory, deliver)
      : openDisk(directory, settings.disk, deliver, {
          inline: true,
          syncsEach: fsync.mode === 'SyncEach',
        });
    try {
      link = new StoreLink(disk, settings);
      await link.open();
      const walrus = new Walrus(settings, disk, link);
      if (
        disk.way === 'portable' &&
        settings.disk === 'auto' &&
        !readOnly &&
        !settings.quiet &&
        !warned
      ) {
        warned = true;
        process.emitWarning(`the portable disk is used: ${disk.reason}`, 'WalrusWarning');
      }
      return walrus;
    } catch (error) {
      await disk.close();
      throw error;
    }
  }

  /**
   * Appends one record and resolves to its offset when it is acknowledged: taken by the operating system, and with
   * `SyncEach` on stable storage. Calls made together share one write and one sync. A topic begins with its first
   * record. The bytes are copied within the call, or as soon as there is room for them: leave `data` alone until it is
   * acknowledged. `InvalidArgument` if its buffer was transferred or resized meanwhile, `NoSpace` or `Exhausted` if there is no room for it,
   * `OutcomeUnknown` if the disk refuses to write it though it had promised the room.
   */
  append(topic: string, data: Uint8Array): Promise<number> {
    try {
      this.#assertWritable();
      const length = recordBytes(data);
      if (!this.#topics.has(topic)) checkTopicName(topic);
      const bytes = length + FRAME_BYTES;
      if (this.#commits.hasRoom(bytes)) return this.#appendNow(topic, data, length);
      return promised((resolve) =>
        this.#commits.admit(new WaitingAppend(topic, data, length, resolve, this.#takeAppend)),
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Appends up to 2,000 records of up to 10 GiB together: all or none of them are there after a crash, and none if it
   * fails. Resolves to the offset of the first; the others follow it without a gap. No records, no effect: it resolves to the offset
   * that the first would have got, in the order of the calls, whether or not there is room for records. The bytes are copied as those of `append`.
   */
  appendBatch(topic: string, records: readonly Uint8Array[]): Promise<number> {
    try {
      this.#assertWritable();
      const batch = batchOf(records);
      checkTopicName(topic);
      if (batch.records.length === 0) return this.#endInTurn(topic);
      if (this.#commits.hasRoom(batch.bytes)) return this.#appendBatchNow(topic, batch);
      return this.#whenRoom(batch.bytes, () => {
        if (!isUnchanged(batch)) throw changed();
        return this.#appendBatchNow(topic, batch);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Appends without a promise of its own and returns the offset; `acknowledged()` is the promise of all. For those who
   * append by the million. `Overloaded` if memory is full: wait for `acknowledged()`, then again.
   */
  stage(topic: string, data: Uint8Array): number {
    this.#assertWritable();
    const length = recordBytes(data);
    const bytes = length + FRAME_BYTES;
    const it = this.#topics.get(topic);
    if (it === undefined) checkTopicName(topic);
    if (!this.#commits.hasRoom(bytes)) {
      if (this.#store.room(bytes) === 'full') {
        throw this.#store.refusal();
      }
      this.#refusedBytes = bytes;
      throw new WalrusError('Overloaded', 'more is staged than memory holds');
    }
    return this.#stageRecord(it ?? this.#topic(topic), data, length, this.#commits.current(length));
  }

  /**
   * Resolves when everything staged or appended so far is acknowledged, and there is room for what `stage` refused last. One
   * promise for all who ask in one turn.
   */
  acknowledged(): Promise<void> {
    try {
      this.#assertOpen();
      const acknowledged = this.#commits.current(0).shared();
      const bytes = this.#refusedBytes;
      if (bytes === 0) return acknowledged;
      this.#refusedBytes = 0;
      const room = new Promise<void>((resolve, reject) => {
        this.#commits.admit({ bytes, run: resolve, refuse: reject });
      });
      return Promise.all([acknowledged, room]).then(() => {});
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Resolves when the next `append` need not wait for room, which is at once while memory is not full. A program that does not await each append
   * awaits this before each: then the library holds no more than its fixed memory, 8 MiB of records, however fast they come. Resolves, too,
   * where the disk is full: the append tells.
   */
  ready(): Promise<void> {
    try {
      this.#assertWritable();
      if (this.#commits.hasRoom(FRAME_BYTES)) return Promise.resolve();
      return new Promise((resolve, reject) => {
        const refuse = (error: WalrusError): void => (error.retriable ? resolve() : reject(error));
        this.#commits.admit({ bytes: FRAME_BYTES, run: resolve, refuse });
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The next entry at the topic's shared cursor, `undefined` at the end or if there is no such topic. What the cursor
   * promises over crashes is the `consistency` option. Calls that come at once get different entries, in order.
   */
  readNext(topic: string, options: ReadOptions = {}): Promise<Entry | undefined> {
    try {
      const cursor = this.#sharedCursor(topic);
      const checkpoint = checkpointOf(options);
      if (checkpoint) this.#assertWritable();
      return cursor ? cursor.reader.next(checkpoint) : nothing(undefined);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The next entries at the topic's shared cursor, in order: as many as the limits allow, and with `AtLeastOnce(n)` not more
   * than `n - 1`, none at the end. With `from`, the entries from that offset on, whatever the cursor.
   */
  readBatch(topic: string, options: ReadBatchOptions = {}): Promise<readonly Entry[]> {
    try {
      const cursor = this.#sharedCursor(topic);
      const checkpoint = checkpointOf(options);
      const limits = limitsOf(options);
      const from = option(options, 'from', undefined);
      if (from !== undefined) wholeNumber('from', from);
      else if (checkpoint) this.#assertWritable();
      if (cursor === undefined) return nothing([]);
      if (from === undefined) return cursor.reader.batch(limits, checkpoint);
      return readFrom(cursor.topic, from, limits);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The entries that are there now, from `from` on, whatever the cursors. None if there is no such topic. The loop throws `Closed` if the log is closed before its end. */
  read(topic: string, options: RangeOptions = {}): AsyncIterableIterator<Entry> {
    this.#assertOpen();
    checkTopicName(topic);
    const it = this.#topics.get(topic);
    return it ? this.#iterator(it, options, 'earliest', it.visibleEnd) : noEntries(options);
  }

  /**
   * Entries as they come, for ever; of a topic that does not exist yet, too. The loop ends when the log is closed, and throws
   * `Aborted` when the signal says stop, `UnknownTopic` when the topic is deleted.
   */
  tail(topic: string, options: RangeOptions = {}): AsyncIterableIterator<Entry> {
    this.#assertOpen();
    checkTopicName(topic);
    return this.#iterator(this.#topic(topic), options, 'latest', Number.POSITIVE_INFINITY);
  }

  /**
   * A reader of the topic for a group of its own, that commits after its work is done. A group's cursor begins at the earliest
   * entry kept, and lasts until `deleteCursor`.
   */
  cursor(topic: string, group: string = DEFAULT_GROUP): Cursor {
    this.#assertOpen();
    checkTopicName(topic);
    checkGroupName(group);
    const shared = this.#cursors.get(this.#topic(topic), group);
    if (!shared.isDurable && !this.#settings.readOnly)
      void shared.move(shared.position, false).catch(() => {});
    return new Cursor(shared.topic, group, this.#cursors, this.#cursorHost);
  }

  /** Forgets a group's place in a topic: it keeps no entry from being reclaimed any more. */
  async deleteCursor(topic: string, group: string = DEFAULT_GROUP): Promise<void> {
    this.#assertWritable();
    checkTopicName(topic);
    checkGroupName(group);
    const it = this.#topics.get(topic);
    const cursor = it && this.#cursors.find(it, group);
    if (cursor === undefined) return;
    await cursor.inTurn(() =>
      this.#stage(FRAME_BYTES, 'reclaim', () => {
        if (it!.deleted) return;
        cursor.remove();
        if (this.#settings.reclaimsConsumed) it!.reclaimConsumed(true);
      }),
    );
    if (it!.deleted) return;
    this.#cursors.forget(it!, group);
    this.#forgetUnused(it!);
  }

  /** Entries that a group has not consumed, 0 if there is no such topic. */
  entryCount(topic: string, group: string = DEFAULT_GROUP): number {
    this.#assertOpen();
    checkTopicName(topic);
    checkGroupName(group);
    const it = this.#topics.get(topic);
    if (it === undefined) return 0;
    const position = this.#cursors.find(it, group)?.position ?? it.start;
    return Math.max(0, it.visibleEnd - position);
  }

  /** `entryCount` of every topic. */
  entryCounts(group: string = DEFAULT_GROUP): Map<string, number> {
    checkGroupName(group);
    return new Map(this.topics().map((topic) => [topic, this.entryCount(topic, group)]));
  }

  /** Offsets of the earliest entry kept and of the next to be appended; equal if the topic is empty. */
  offsets(topic: string): { readonly earliest: number; readonly next: number } {
    this.#assertOpen();
    checkTopicName(topic);
    const it = this.#topics.get(topic);
    return { earliest: it?.start ?? 0, next: it?.visibleEnd ?? 0 };
  }

  /**
   * Payload bytes of the entries kept, 0 if there is no such topic. The log does not carry this number: the first call
   * reads what is kept, later ones what came since, or all again if some was reclaimed.
   */
  async topicSize(topic: string): Promise<number> {
    this.#assertOpen();
    checkTopicName(topic);
    const it = this.#topics.get(topic);
    if (it === undefined) return 0;
    let { from, bytes } = it.measured;
    const reader = new TopicReader(it, it.measured.to, { to: it.visibleEnd });
    for (let isMeasured = false; !isMeasured; ) {
      if (from !== it.start) [from, bytes, reader.position] = [it.start, 0, it.start];
      const entries = await reader.batch(MEASURE, true);
      for (const { data } of entries) bytes += data.length;
      isMeasured = entries.length === 0 && from === it.start;
    }
    it.measured = { from, to: reader.position, bytes };
    return bytes;
  }

  /** Names of all topics that ever got a record and were not deleted, sorted by code units. */
  topics(): string[] {
    this.#assertOpen();
    return [...this.#topics.values()]
      .filter((topic) => topic.stagedEnd > 0)
      .map((topic) => topic.name)
      .sort();
  }

  /**
   * Forgets the entries before `offset`, for all readers: those whose cursor was before it go on there. Entries appended before the
   * call may be trimmed before they are acknowledged. `InvalidArgument` beyond the end that those calls leave.
   */
  async trim(topic: string, offset: number): Promise<void> {
    this.#assertWritable();
    checkTopicName(topic);
    const before = wholeNumber('offset', offset);
    await this.#change(topic, (it) => {
      if (before > (it?.stagedEnd ?? 0)) invalid('offset must not lie beyond the end', before);
      if (it !== undefined && before > it.start) this.#store.trim(it.stream, before);
    });
  }

  /** Forgets the topic, its entries, its cursors and its mark. A topic of that name begins anew, at offset 0. */
  async deleteTopic(topic: string): Promise<void> {
    this.#assertWritable();
    checkTopicName(topic);
    await this.#change(topic, (it) => {
      if (this.#store.get(markKey(topic)) !== undefined) this.#store.put(markKey(topic), undefined);
      if (it === undefined) return;
      this.#cursors.remove(it);
      this.#store.drop(it.stream);
      it.deleted = true;
      this.#topics.delete(topic);
      it.wake();
    });
  }

  /** Marks the topic clean, until something is appended to it or it is marked dirty. The mark lasts. */
  async markClean(topic: string): Promise<void> {
    await this.#mark(topic, () => (this.#topics.get(topic)?.stagedEnd ?? 0) + 1);
  }

  /** Marks the topic dirty, until it is marked clean. The mark lasts. */
  async markDirty(topic: string): Promise<void> {
    await this.#mark(topic, () => 0);
  }

  /**
   * Whether nothing was appended since the topic was marked clean. An empty topic is clean unless it was marked dirty. Append and
   * mark are one batch of the log, so no crash leaves a topic clean that has been written since.
   */
  isClean(topic: string): boolean {
    this.#assertOpen();
    checkTopicName(topic);
    const end = this.#topics.get(topic)?.stagedEnd ?? 0;
    const mark = this.#store.get(markKey(topic));
    return mark === undefined ? end === 0 : new ByteReader(mark).whole() === end + 1;
  }

  /**
   * Resolves when everything that was acknowledged survives power loss, whatever the fsync schedule. What vouches for it, so that later damage of
   * it is `Corrupt`, is the next record that is written, or `close`: until then a damaged end looks like one that a crash has torn, and is
   * cut by the next opening, whose `stats().store.cutAt` tells where.
   */
  async flush(): Promise<void> {
    this.#assertOpen();
    try {
      await this.#commits.flush();
    } catch (thrown) {
      throw this.#failed(thrown);
    }
  }

  /**
   * Empties every file of the log that is not full, now and as fast as it goes, and gives back the room of those that are there for
   * speed alone. Readers and writers go on meanwhile. Resolves when that is done: what it wrote is durable then, and the files are gone. `NoSpace` or
   * `Exhausted` if there is no room to make room with, `Closed` if the log is closed first. Without it the same is done by and by, if the log
   * takes too much (`cleanBytesPerSecond`).
   */
  async compact(): Promise<void> {
    this.#assertWritable();
    await this.#cleaning.compact();
  }

  /** What the log did and how. */
  stats(): WalrusStats {
    const { way, reason } = this.#disk;
    return {
      directory: this.#settings.directory,
      disk: { asked: this.#settings.disk, way, reason },
      topics: this.#topics.size,
      commitGroups: this.#commits.acknowledged,
      store: this.#store.stats,
      native: this.#disk.nativeStats?.(),
    };
  }

  /**
   * Answers what was asked before, makes everything durable and lets go of the directory. Everything asked later is
   * `Closed`. May be called again.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    try {
      clearTimeout(this.#restTimer);
      this.#cleaning.stop(new WalrusError('Closed', 'the log is closed'));
      await this.#reads.idle();
      await this.#commits.drain();
      for (const topic of this.#topics.values()) topic.wake();
      if (this.#failure === undefined && !this.#settings.readOnly) await this.#closeStore();
    } finally {
      await this.#disk.close();
    }
  }

  /** Gives back the room that is there for speed alone when nothing was written for a while. Does not keep the process alive. */
  #restLater(): void {
    if (this.#restTimer !== undefined) return;
    const writtenLsn = this.#store.writtenLsn;
    this.#restTimer = setTimeout(() => {
      this.#restTimer = undefined;
      if (this.#failure !== undefined) return;
      if (this.#store.writtenLsn === writtenLsn) this.#store.rest();
      else this.#restLater();
    }, REST_AFTER_MS).unref();
  }

  async #closeStore(): Promise<void> {
    // Whoever waited for entries has them now: they need not come again.
    await turn();
    for (const topic of this.#topics.values()) {
      // On a full disk less is saved for the next opening, but nothing that was promised.
      if (this.#store.room(FRAME_BYTES, 'control') === 'full') break;
      for (const cursor of this.#cursors.of(topic)) cursor.persistNow();
      if (this.#settings.reclaimsConsumed) topic.reclaimConsumed(true);
    }
    // What the disk refuses to write ends with the log; whoever asked for it knows.
    if (!this.#store.isStalled) await this.#commits.flush();
    await new Promise<void>((resolve, reject) => {
      this.#failClosing = reject;
      this.#store.close((error) => (error ? reject(error) : resolve()));
    });
  }

  #assertWritable(): void {
    this.#assertOpen();
    if (this.#settings.readOnly) {
      throw new WalrusError('InvalidArgument', 'the log was opened to be read only');
    }
  }

  #assertOpen(): void {
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw new WalrusError('Closed', 'the log is closed');
  }

  #isClosed(): boolean {
    if (this.#failure) throw this.#failure;
    return this.#closing !== undefined;
  }

  #fail(error: WalrusError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#commits.fail(error);
    this.#failClosing(error);
    this.#cleaning.stop(error);
    this.#reads.giveUp();
    for (const topic of this.#topics.values()) topic.wake();
  }

  /** What a caller is told of what was thrown. A bug ends the log: nobody knows what it has staged. */
  #failed(thrown: unknown): WalrusError {
    const error = toWalrusError(thrown);
    if (error !== thrown) this.#fail(error);
    return error;
  }

  #appendNow(topic: string, data: Uint8Array, length: number): Promise<number> {
    const group = this.#commits.current(length);
    return group.promise(this.#stageRecord(this.#topic(topic), data, length, group));
  }

  readonly #takeAppend = ({ topic, data, length, resolve }: WaitingAppend): void => {
    if (recordBytes(data) !== length) throw changed();
    const group = this.#commits.current(length);
    group.resolves(resolve, this.#stageRecord(this.#topic(topic), data, length, group));
  };

  #appendBatchNow(topic: string, { records, lengths, bytes }: Batch): Promise<number> {
    const it = this.#topic(topic);
    const group = this.#commits.current(bytes);
    const first = it.stagedEnd;
    for (let i = 0; i < records.length; i++) {
      this.#stageRecord(it, records[i]!, lengths[i]!, group);
    }
    return group.promise(first);
  }

  #stageRecord(topic: Topic, data: Uint8Array, length: number, group: CommitGroup): number {
    try {
      const offset = topic.store.append(topic.stream, 0, data, length);
      group.publishes(topic);
      return offset;
    } catch (thrown) {
      throw this.#failed(thrown);
    }
  }

  /** Stages a small change as soon as there is room; resolves when it is acknowledged. */
  #stage(bytes: number, purpose: Purpose, change: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const run = (): void => {
        const group = this.#commits.current(bytes);
        change();
        group.onSettled((error) => (error ? reject(error) : resolve()));
      };
      this.#commits.admit({ bytes, purpose, run, refuse: reject });
    });
  }

  /** Changes the topic as the calls made before leave it, of which some may still wait for room. */
  #change(topic: string, change: (it: Topic | undefined) => void): Promise<void> {
    return this.#stage(FRAME_BYTES, 'reclaim', () => change(this.#topics.get(topic)));
  }

  #whenRoom(bytes: number, append: () => Promise<number>): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#commits.admit({ bytes, run: () => resolve(append()), refuse: reject });
    });
  }

  /** Where the topic ends as the calls made before leave it, of which some may still wait for room. */
  #endInTurn(topic: string): Promise<number> {
    const end = (): number => this.#topics.get(topic)?.stagedEnd ?? 0;
    return new Promise((resolve, reject) => {
      const refuse = (error: WalrusError): void =>
        error.retriable ? resolve(end()) : reject(error);
      this.#commits.admit({ bytes: 0, run: () => resolve(end()), refuse });
    });
  }

  async #mark(topic: string, mark: () => number): Promise<void> {
    this.#assertWritable();
    checkTopicName(topic);
    const key = markKey(topic);
    await this.#stage(FRAME_BYTES + key.length * 3, 'control', () => {
      this.#store.put(key, new ByteWriter().whole(mark()).finish());
    });
  }

  #topic(name: string): Topic {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = new Topic(this.#store, this.#reads, name);
      this.#topics.set(name, topic);
    }
    return topic;
  }

  /** Of a topic that nobody uses, and that never got a record, nothing is kept. */
  #forgetUnused(topic: Topic): void {
    if (topic.users > 0 || topic.stagedEnd > 0 || this.#topics.get(topic.name) !== topic) return;
    if (this.#failure !== undefined || this.#closing !== undefined) return;
    for (const _ of this.#cursors.of(topic)) return;
    this.#store.drop(topic.stream);
    topic.deleted = true;
    this.#topics.delete(topic.name);
  }

  /** The cursor of reads that name no group; `undefined` if there is no such topic. */
  #sharedCursor(topic: string): GroupCursor | undefined {
    this.#assertOpen();
    checkTopicName(topic);
    const it = this.#topics.get(topic);
    return it && this.#cursors.get(it, DEFAULT_GROUP);
  }

  #iterator(
    topic: Topic,
    options: RangeOptions,
    byDefault: Position,
    to: number,
  ): AsyncIterableIterator<Entry> {
    const signal = signalOf(options);
    const position = fromOf(options, byDefault);
    let from = topic.start;
    if (position === 'latest') from = topic.visibleEnd;
    else if (position !== 'earliest') from = position;
    const error = from < topic.start ? reclaimed(topic, from) : undefined;
    topic.users++;
    return new EntryIterator(new TopicReader(topic, from, { ahead: PAGE, to }), {
      follows: to === Number.POSITIVE_INFINITY,
      signal,
      isClosed: () => this.#isClosed(),
      onEnd: () => {
        topic.users--;
        this.#forgetUnused(topic);
      },
      error,
    });
  }
}

function changed(): WalrusError {
  return new WalrusError('InvalidArgument', 'a record was changed in length while it waited');
}

/** Of a topic that does not exist. */
function noEntries(options: RangeOptions): AsyncIterableIterator<Entry> {
  fromOf(options, 'earliest');
  const signal = signalOf(options);
  return (async function* (): AsyncGenerator<Entry, undefined> {
    if (signal) assertNotAborted(signal);
    yield* [];
  })();
}

/** Of a place that was reclaimed `InvalidArgument`. */
async function readFrom(topic: Topic, from: number, limits: Limits): Promise<readonly Entry[]> {
  topic.reads.begin();
  try {
    const records = await new Promise<readonly Uint8Array[]>((resolve, reject) => {
      readRecords(topic, from, topic.visibleEnd, limits, (error, found) => {
        if (error) reject(error);
        else resolve(found);
      });
    });
    if (records.length === 0) return await nothing([]);
    return records.map((data, i) => ({ offset: from + i, data }));
  } finally {
    topic.reads.end();
  }
}

/** After a turn of the event loop: a reader that polls must not keep the disk from being heard. */
async function nothing<Value>(value: Value): Promise<Value> {
  await turn();
  return value;
}

/**
 * Walrus, embedded: a durable log of many topics inside one process.
 *
 * This file is what a user sees; it checks arguments and puts the pieces together. It does not know how bytes
 * lie on the disk (`impl/core/storage`), nor how they get there (`impl/runtime`, `native`).
 */
import { setImmediate as turn } from 'node:timers/promises';
import { isUint8Array } from 'node:util/types';
import { ByteReader, ByteWriter } from '../core/codec.ts';
import { WalrusError } from '../core/errors.ts';
import { Store, type StoreStats } from '../core/storage/store.ts';
import type { DiskCompletion } from '../ports/disk.ts';
import { type DiskChoice, type OpenedDisk, openDisk } from '../runtime/open-disk.ts';
import { systemRandom } from '../runtime/system-random.ts';
import { CommitGroups } from './commit-groups.ts';
import { type BatchLimits, Cursor, type CursorHost, type Position } from './cursor.ts';
import { EntryIterator } from './entry-iterator.ts';
import { DEFAULT_GROUP, GroupCursor, storedCursors } from './group-cursor.ts';
import { invalid, type Settings, settle, type WalrusOptions, wholeNumber } from './options.ts';
import { checkGroupName, checkTopicName, storedTopics, Topic } from './topic.ts';
import { type Entry, type Limits, readRecords } from './topic-reader.ts';

export { type ErrorCode, WalrusError } from '../core/errors.ts';
export type { DiskChoice } from '../runtime/open-disk.ts';
export { type BatchLimits, Cursor, type Position } from './cursor.ts';
export { FsyncSchedule, ReadConsistency, type WalrusOptions } from './options.ts';
export type { Entry } from './topic-reader.ts';

export const BATCH_ENTRIES_MAX = 2000;
export const BATCH_BYTES_MAX: number = 10 * 2 ** 30;
export const RECORD_BYTES_MAX: number = 2 ** 30;

const BATCH_BYTES = 256 * 1024;
const ARENA_BYTES = 8 * 2 ** 20;
/** What opening reads after a crash, at most: some 10 ms. */
const CHECKPOINT_BYTES = 16 * 2 ** 20;
const READ_BYTES_DEFAULT = 2 ** 20;
/** What a record or a change takes in the log beside its bytes, at most. */
const FRAME_BYTES = 64;

export interface ReadOptions {
  /** `true`, the default: the group's cursor moves behind what is returned. `false`: it stays. */
  readonly checkpoint?: boolean;
}

export interface ReadBatchOptions extends ReadOptions, BatchLimits {
  /** Reads from this offset instead, and no cursor moves. */
  readonly from?: number;
}

export interface RangeOptions {
  /** The first entry wanted. `read` begins at `'earliest'`, `tail` at `'latest'` unless told otherwise. */
  readonly from?: Position;
  readonly signal?: AbortSignal;
}

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
  readonly native: ReturnType<NonNullable<OpenedDisk['nativeStats']>> | undefined;
}

let warned = false;

export class Walrus {
  readonly #settings: Settings;
  readonly #disk: OpenedDisk;
  readonly #store: Store;
  readonly #commits: CommitGroups;
  readonly #topics = new Map<string, Topic>();
  readonly #cursorHost: CursorHost;
  #failure: WalrusError | undefined;
  /** Size of what `stage` refused, until someone waits for it. */
  #refusedBytes = 0;
  #closing: Promise<void> | undefined;
  #failClosing: (error: WalrusError) => void = () => {};

  private constructor(settings: Settings, disk: OpenedDisk, link: StoreLink) {
    this.#settings = settings;
    this.#disk = disk;
    this.#store = link.store;
    this.#commits = new CommitGroups(link.store, settings.fsync);
    this.#cursorHost = {
      assertOpen: () => this.#assertOpen(),
      isClosed: () => this.#isClosed(),
      limits: (limits) => limitsOf(limits),
      place: (position) => wholeNumber('the offset', position),
    };
    for (const name of storedTopics(link.store)) this.#topic(name);
    for (const { topic, group } of storedCursors(link.store)) this.#groupCursor(topic, group);
    link.onProgress = () => this.#commits.progress();
    link.onFailed = (error) => this.#fail(error);
  }

  /**
   * Opens the log of a directory, made if need be, for this process alone. `Locked` while another has it, `Corrupt` if
   * bytes that were durable do not verify, `UnsupportedVersion` if a newer version wrote them, `InvalidArgument`
   * if an option makes no sense or the wanted way to the disk cannot be had.
   */
  static async open(options: WalrusOptions = {}): Promise<Walrus> {
    const settings = settle(options, process.env);
    let link: StoreLink | undefined;
    const disk = openDisk(
      settings.directory,
      settings.disk,
      (completions) => link?.complete(completions),
      { inPlace: true, syncsEach: settings.fsync.mode === 'SyncEach' },
    );
    try {
      link = new StoreLink(disk, settings);
      await link.open();
      const walrus = new Walrus(settings, disk, link);
      if (disk.way === 'portable' && settings.disk === 'auto' && !settings.quiet && !warned) {
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
   * record. Leave `data` alone until then.
   */
  append(topic: string, data: Uint8Array): Promise<number> {
    try {
      this.#assertOpen();
      checkRecord(data);
      if (!this.#topics.has(topic)) checkTopicName(topic);
      const bytes = data.length + FRAME_BYTES;
      if (this.#commits.hasRoom(bytes)) return this.#appendNow(topic, data);
      return this.#whenRoom(bytes, () => this.#appendNow(topic, data));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Appends up to 2,000 records of up to 10 GiB together: all or none of them are there after a crash. Resolves to the
   * offset of the first; the others follow it without a gap. No records, no effect.
   */
  appendBatch(topic: string, records: readonly Uint8Array[]): Promise<number> {
    try {
      this.#assertOpen();
      const bytes = checkBatch(records);
      checkTopicName(topic);
      if (records.length === 0) return Promise.resolve(this.#topics.get(topic)?.stagedEnd ?? 0);
      if (this.#commits.hasRoom(bytes)) return this.#appendBatchNow(topic, records, bytes);
      return this.#whenRoom(bytes, () => this.#appendBatchNow(topic, records, bytes));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Appends without a promise of its own and returns the offset; `acknowledged()` is the promise of all. For those who
   * append by the million. `Overloaded` if memory is full: wait for `acknowledged()`, then again.
   */
  stage(topic: string, data: Uint8Array): number {
    this.#assertOpen();
    checkRecord(data);
    const it = this.#topics.get(topic) ?? this.#newTopic(topic);
    if (!this.#commits.hasRoom(data.length + FRAME_BYTES)) {
      if (this.#store.room(data.length + FRAME_BYTES) === 'full') {
        throw new WalrusError('NoSpace', 'the disk is full');
      }
      this.#refusedBytes = data.length + FRAME_BYTES;
      throw new WalrusError('Overloaded', 'more is staged than memory holds');
    }
    const group = this.#commits.current(data.length);
    const offset = it.store.append(it.stream, 0, data);
    group.publishes(it);
    return offset;
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
        this.#commits.whenRoom(bytes, resolve, reject);
      });
      return Promise.all([acknowledged, room]).then(() => {});
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The next entry at the topic's shared cursor, `undefined` at the end or if there is no such topic. What the cursor
   * promises over crashes is the `consistency` option. Calls that come at once get different entries, in order.
   */
  async readNext(topic: string, options: ReadOptions = {}): Promise<Entry | undefined> {
    const cursor = this.#sharedCursor(topic);
    const checkpoint = checkpointOf(options);
    return cursor ? cursor.reader.next(checkpoint) : nothing(undefined);
  }

  /**
   * The next entries at the topic's shared cursor, in order: as many as the limits allow, none at the end. With `from`, the
   * entries from that offset on, whatever the cursor.
   */
  async readBatch(topic: string, options: ReadBatchOptions = {}): Promise<readonly Entry[]> {
    const cursor = this.#sharedCursor(topic);
    const checkpoint = checkpointOf(options);
    const limits = limitsOf(options);
    const from = options.from === undefined ? undefined : wholeNumber('from', options.from);
    if (cursor === undefined) return nothing([]);
    if (from === undefined) return cursor.reader.batch(limits, checkpoint);
    const entries = await readFrom(cursor.topic, from, limits);
    return entries.length > 0 ? entries : nothing(entries);
  }

  /** The entries that are there now, from `from` on, whatever the cursors. None if there is no such topic. */
  read(topic: string, options: RangeOptions = {}): AsyncIterableIterator<Entry> {
    this.#assertOpen();
    checkTopicName(topic);
    const it = this.#topics.get(topic) ?? new Topic(this.#store, topic);
    return this.#iterator(it, options, 'earliest', it.visibleEnd);
  }

  /**
   * Entries as they come, for ever; of a topic that does not exist yet, too. The loop ends when the log is closed, and throws
   * `Aborted` when the signal says stop, `UnknownTopic` when the topic is deleted.
   */
  tail(topic: string, options: RangeOptions = {}): AsyncIterableIterator<Entry> {
    this.#assertOpen();
    const it = this.#topics.get(topic) ?? this.#newTopic(topic);
    return this.#iterator(it, options, 'latest', Number.POSITIVE_INFINITY);
  }

  /**
   * A reader of the topic for a group of its own, that commits after its work is done. A group's cursor begins at the earliest
   * entry kept, and lasts until `deleteCursor`.
   */
  cursor(topic: string, group: string = DEFAULT_GROUP): Cursor {
    this.#assertOpen();
    checkTopicName(topic);
    checkGroupName(group);
    const shared = this.#groupCursor(topic, group);
    if (!shared.isDurable) void shared.move(shared.position, false).catch(() => {});
    return new Cursor(group, shared, this.#cursorHost);
  }

  /** Forgets a group's place in a topic: it keeps no entry from being reclaimed any more. */
  async deleteCursor(topic: string, group: string = DEFAULT_GROUP): Promise<void> {
    this.#assertOpen();
    checkTopicName(topic);
    checkGroupName(group);
    const cursor = this.#topics.get(topic)?.cursors.get(group);
    if (cursor === undefined) return;
    await this.#stage(FRAME_BYTES, 0, () => {
      cursor.remove();
      cursor.topic.cursors.delete(group);
      if (this.#settings.reclaimsConsumed) cursor.topic.reclaimConsumed(true);
    });
  }

  /** Entries that a group has not consumed, 0 if there is no such topic. */
  entryCount(topic: string, group: string = DEFAULT_GROUP): number {
    this.#assertOpen();
    const it = this.#topics.get(topic);
    if (it === undefined) return 0;
    const position = it.cursors.get(group)?.position ?? it.start;
    return Math.max(0, it.visibleEnd - position);
  }

  /** `entryCount` of every topic. */
  entryCounts(group: string = DEFAULT_GROUP): Map<string, number> {
    return new Map(this.topics().map((topic) => [topic, this.entryCount(topic, group)]));
  }

  /** Offsets of the earliest entry kept and of the next to be appended; equal if the topic is empty. */
  offsets(topic: string): { readonly earliest: number; readonly next: number } {
    this.#assertOpen();
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
    const { start, visibleEnd: end } = it;
    let { from, to, bytes } = it.measured;
    if (from !== start) [from, to, bytes] = [start, start, 0];
    while (to < end) {
      const entries = await readFrom(it, to, { entries: end - to, bytes: READ_BYTES_DEFAULT });
      for (const { data } of entries) bytes += data.length;
      to += entries.length;
    }
    it.measured = { from, to, bytes };
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

  /** Forgets the entries before `offset`, for all readers: those whose cursor was before it go on there. */
  async trim(topic: string, offset: number): Promise<void> {
    this.#assertOpen();
    checkTopicName(topic);
    const before = wholeNumber('offset', offset);
    const it = this.#topics.get(topic);
    if (before > (it?.visibleEnd ?? 0)) invalid('offset must not lie beyond the end', before);
    if (it === undefined || before <= it.start) return;
    await this.#stage(FRAME_BYTES, 0, () => this.#store.trim(it.stream, before));
  }

  /** Forgets the topic, its entries, its cursors and its mark. A topic of that name begins anew, at offset 0. */
  async deleteTopic(topic: string): Promise<void> {
    this.#assertOpen();
    checkTopicName(topic);
    const it = this.#topics.get(topic);
    if (it === undefined) return;
    await this.#stage(FRAME_BYTES, 0, () => {
      for (const cursor of it.cursors.values()) cursor.remove();
      this.#store.put(markKey(topic), undefined);
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

  /** Resolves when everything that was acknowledged survives power loss, whatever the fsync schedule. */
  async flush(): Promise<void> {
    this.#assertOpen();
    await this.#commits.flush();
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

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    try {
      await this.#commits.drain();
      for (const topic of this.#topics.values()) topic.wake();
      if (this.#failure === undefined) await this.#closeStore();
    } finally {
      await this.#disk.close();
    }
  }

  async #closeStore(): Promise<void> {
    for (const topic of this.#topics.values()) {
      // On a full disk less is saved for the next opening, but nothing that was promised.
      if (this.#store.room(FRAME_BYTES, 0) === 'full') break;
      for (const cursor of topic.cursors.values()) cursor.persistNow();
      if (this.#settings.reclaimsConsumed) topic.reclaimConsumed(true);
    }
    await this.#commits.flush();
    await new Promise<void>((resolve, reject) => {
      this.#failClosing = reject;
      this.#store.close((error) => (error ? reject(error) : resolve()));
    });
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
    this.#failure = error;
    this.#commits.fail(error);
    this.#failClosing(error);
    for (const topic of this.#topics.values()) topic.wake();
  }

  #appendNow(topic: string, data: Uint8Array): Promise<number> {
    const it = this.#topic(topic);
    const group = this.#commits.current(data.length);
    const offset = it.store.append(it.stream, 0, data);
    group.publishes(it);
    return group.promise(offset);
  }

  #appendBatchNow(topic: string, records: readonly Uint8Array[], bytes: number): Promise<number> {
    const it = this.#topic(topic);
    const group = this.#commits.current(bytes);
    const first = it.stagedEnd;
    for (const record of records) it.store.append(it.stream, 0, record);
    group.publishes(it);
    return group.promise(first);
  }

  /** Stages a small change as soon as there is room; resolves when it is acknowledged. */
  #stage(bytes: number, keptShare: number, change: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const run = (): void => {
        const group = this.#commits.current(bytes);
        change();
        group.onSettled((error) => (error ? reject(error) : resolve()));
      };
      if (this.#commits.hasRoom(bytes, keptShare)) run();
      else this.#commits.whenRoom(bytes, run, reject, keptShare);
    });
  }

  #whenRoom(bytes: number, append: () => Promise<number>): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#commits.whenRoom(bytes, () => resolve(append()), reject);
    });
  }

  async #mark(topic: string, mark: () => number): Promise<void> {
    this.#assertOpen();
    checkTopicName(topic);
    const key = markKey(topic);
    await this.#stage(FRAME_BYTES + key.length * 3, 1, () => {
      this.#store.put(key, new ByteWriter().whole(mark()).finish());
    });
  }

  #newTopic(name: string): Topic {
    checkTopicName(name);
    return this.#topic(name);
  }

  #topic(name: string): Topic {
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      topic = new Topic(this.#store, name);
      this.#topics.set(name, topic);
    }
    return topic;
  }

  /** The cursor of reads that name no group; `undefined` if there is no such topic. */
  #sharedCursor(topic: string): GroupCursor | undefined {
    this.#assertOpen();
    checkTopicName(topic);
    return this.#topics.has(topic) ? this.#groupCursor(topic, DEFAULT_GROUP) : undefined;
  }

  #groupCursor(topicName: string, group: string): GroupCursor {
    const topic = this.#topic(topicName);
    let cursor = topic.cursors.get(group);
    if (cursor === undefined) {
      cursor = new GroupCursor(topic, group, this.#commits, this.#settings);
      topic.cursors.set(group, cursor);
    }
    return cursor;
  }

  #iterator(
    topic: Topic,
    options: RangeOptions,
    byDefault: Position,
    to: number,
  ): AsyncIterableIterator<Entry> {
    const { from = byDefault, signal } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      invalid('signal must be an AbortSignal', signal);
    }
    const offset =
      from === 'earliest'
        ? topic.start
        : from === 'latest'
          ? topic.visibleEnd
          : wholeNumber('from', from);
    return new EntryIterator(topic, { from: offset, to, signal }, () => this.#isClosed());
  }
}

/** The store and the disk below it, joined; what the store tells goes to the log once that is there. */
class StoreLink {
  readonly store: Store;
  onProgress: () => void = () => {};
  onFailed: (error: WalrusError) => void = () => {};

  constructor(disk: OpenedDisk, settings: Settings) {
    this.store = new Store(disk.disk, {
      checksum: disk.checksum,
      random: systemRandom,
      fileBytes: settings.fileBytes,
      batchBytes: BATCH_BYTES,
      // A file can go when a checkpoint no longer needs it.
      checkpointBytes: Math.min(settings.fileBytes, CHECKPOINT_BYTES),
      syncOnCommit: settings.fsync.mode === 'SyncEach',
      arena: disk.arena(ARENA_BYTES),
      onProgress: () => this.onProgress(),
      onFailed: (error) => this.onFailed(error),
    });
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.onFailed = reject;
      this.store.open((error) => (error ? reject(error) : resolve()));
    });
  }

  /** A bug of the store must not end the process of its user, but the log. */
  complete(completions: readonly DiskCompletion[]): void {
    try {
      this.store.complete(completions);
    } catch (bug) {
      const error = new WalrusError('StorageFailed', `internal error: ${(bug as Error).message}`);
      error.cause = bug;
      this.onFailed(error);
    }
  }
}

function checkRecord(data: unknown): asserts data is Uint8Array {
  if (!(data instanceof Uint8Array) && !isUint8Array(data)) {
    invalid('a record must be a Uint8Array', data);
  }
  if (data.length > RECORD_BYTES_MAX) {
    throw new WalrusError('RecordTooLarge', `a record has at most ${RECORD_BYTES_MAX} bytes`);
  }
}

/** The bytes that the batch takes in the log. */
function checkBatch(records: unknown): number {
  if (!Array.isArray(records)) invalid('records must be an array', records);
  if (records.length > BATCH_ENTRIES_MAX) {
    throw new WalrusError('BatchTooLarge', `a batch has at most ${BATCH_ENTRIES_MAX} records`);
  }
  let bytes = 0;
  for (const record of records) {
    checkRecord(record);
    bytes += record.length;
  }
  if (bytes > BATCH_BYTES_MAX) {
    throw new WalrusError('BatchTooLarge', `a batch has at most ${BATCH_BYTES_MAX} bytes`);
  }
  return bytes + records.length * FRAME_BYTES;
}

function checkpointOf(options: ReadOptions): boolean {
  const { checkpoint = true } = options;
  if (typeof checkpoint !== 'boolean') invalid('checkpoint must be true or false', checkpoint);
  return checkpoint;
}

function limitsOf(limits: BatchLimits | undefined): Limits {
  return {
    entries: wholeNumber('maxEntries', limits?.maxEntries ?? BATCH_ENTRIES_MAX),
    bytes: wholeNumber('maxBytes', limits?.maxBytes ?? READ_BYTES_DEFAULT),
  };
}

function readFrom(topic: Topic, from: number, limits: Limits): Promise<Entry[]> {
  return new Promise((resolve, reject) => {
    readRecords(topic, from, topic.visibleEnd, limits, (error, records) => {
      if (error) reject(error);
      else resolve(records.map((data, i) => ({ offset: from + i, data })));
    });
  });
}

/** After a turn of the event loop: a reader that polls must not keep the disk from being heard. */
async function nothing<Value>(value: Value): Promise<Value> {
  await turn();
  return value;
}

function markKey(topic: string): string {
  return `mark ${topic}`;
}

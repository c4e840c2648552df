import { WalrusError } from '../core/errors.ts';
import { aborted, topicChange } from './entry-iterator.ts';
import type { GroupCursor } from './group-cursor.ts';
import { type Entry, type Limits, TopicReader } from './topic-reader.ts';

/** A place in a topic: an offset, the earliest entry kept, or behind the last one. */
export type Position = number | 'earliest' | 'latest';

export interface BatchLimits {
  /** Payload bytes, 1 MiB by default. One entry is given even if it is larger alone. */
  readonly maxBytes?: number;
  /** 2,000 by default. */
  readonly maxEntries?: number;
}

/** What a cursor asks of the log that made it. */
export interface CursorHost {
  assertOpen(): void;
  /** Throws if the log failed. */
  isClosed(): boolean;
  limits(limits: BatchLimits | undefined): Limits;
  place(position: unknown): number;
}

/**
 * Reads a topic for a group, and commits when the work is done: what was read and not committed is read again after a
 * restart, so that every entry is worked on at least once. The group's place lasts; entries that it has not
 * passed are not reclaimed. Several cursors of one group each read everything from the group's place on.
 */
export class Cursor implements AsyncIterable<Entry> {
  readonly topic: string;
  readonly group: string;
  readonly #shared: GroupCursor;
  readonly #host: CursorHost;
  readonly #reader: TopicReader;

  constructor(group: string, shared: GroupCursor, host: CursorHost) {
    this.topic = shared.topic.name;
    this.group = group;
    this.#shared = shared;
    this.#host = host;
    this.#reader = new TopicReader(shared.topic, shared.position, (to, settle, release) => {
      this.#reader.position = to;
      settle(undefined);
      release();
    });
  }

  /** Offset of the entry that this cursor reads next. */
  get position(): number {
    return Math.max(this.#reader.position, this.#shared.topic.start);
  }

  /** Offset of the first entry that the group has not committed. */
  get committed(): number {
    return this.#shared.position;
  }

  /** Entries that the group has not committed. */
  get lag(): number {
    return Math.max(0, this.#shared.topic.visibleEnd - this.committed);
  }

  /** The next entry, `undefined` at the end. */
  async next(): Promise<Entry | undefined> {
    this.#assertUsable();
    return this.#reader.next(true);
  }

  /** The next entries, none at the end. */
  async readBatch(limits?: BatchLimits): Promise<readonly Entry[]> {
    this.#assertUsable();
    return this.#reader.batch(this.#host.limits(limits), true);
  }

  /**
   * Declares everything before `offset` done: by default, everything read so far. Resolves when that is as durable as the
   * fsync schedule makes an append. An offset that the group has passed already changes nothing.
   */
  async commit(offset: number = this.position): Promise<void> {
    this.#assertUsable();
    const done = this.#host.place(offset);
    await this.#shared.move(this.#inTopic(Math.max(done, this.#shared.topic.start)), true);
  }

  /** Puts this cursor and the group at a place, forward or back. Durable as `commit` is. */
  async seek(position: Position): Promise<void> {
    this.#assertUsable();
    const to = this.#inTopic(position);
    await new Promise<void>((resolve, reject) => {
      this.#reader.inTurn((release) => {
        this.#shared
          .move(to, false)
          .then(() => {
            this.#reader.position = to;
          })
          .finally(release)
          .then(resolve, reject);
      });
    });
  }

  /** Entries from here to the end. */
  [Symbol.asyncIterator](): AsyncIterator<Entry> {
    return this.#entries(false, undefined);
  }

  /**
   * Entries from here on, for ever: waits at the end for more. The loop ends when the log is closed, and throws
   * `Aborted` when the signal says stop.
   */
  tail(options: { readonly signal?: AbortSignal } = {}): AsyncIterable<Entry> {
    return this.#entries(true, options.signal);
  }

  async *#entries(follow: boolean, signal: AbortSignal | undefined): AsyncGenerator<Entry> {
    while (true) {
      if (signal?.aborted) throw aborted(signal);
      if (this.#host.isClosed()) return;
      const entry = await this.next();
      if (entry !== undefined) yield entry;
      else if (!follow) return;
      else await topicChange(this.#shared.topic, signal);
    }
  }

  #assertUsable(): void {
    this.#host.assertOpen();
    if (this.#shared.topic.deleted) {
      throw new WalrusError('UnknownTopic', `topic ${JSON.stringify(this.topic)} was deleted`);
    }
  }

  #inTopic(position: unknown): number {
    const { start, visibleEnd } = this.#shared.topic;
    if (position === 'earliest') return start;
    if (position === 'latest') return visibleEnd;
    const offset = this.#host.place(position);
    if (offset < start || offset > visibleEnd) {
      const range = `[${start}, ${visibleEnd}]`;
      throw new WalrusError('InvalidArgument', `offset ${offset} lies outside of ${range}`);
    }
    return offset;
  }
}

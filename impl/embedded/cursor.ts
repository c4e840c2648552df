import { WalrusError } from '../core/errors.ts';
import {
  type BatchLimits,
  limitsOf,
  type Position,
  signalOf,
  type TailOptions,
  wholeNumber,
} from './arguments.ts';
import { EntryIterator } from './entry-iterator.ts';
import type { GroupCursor, GroupCursors } from './group-cursor.ts';
import type { Topic } from './topic.ts';
import { type Entry, TopicReader } from './topic-reader.ts';

/** What a cursor asks of the log that made it. */
export interface CursorHost {
  assertOpen(): void;
  /** Also refuses what would change a log that is only read. */
  assertWritable(): void;
  /** Throws if the log failed. */
  isClosed(): boolean;
}

/**
 * Reads a topic for a group, and commits when the work is done: what was read and not committed is read again after a
 * restart, so that every entry is worked on at least once. The group's place lasts; where consumed entries are reclaimed,
 * those that it has not passed are kept. Several cursors of one group each read everything from the group's place on.
 */
export class Cursor implements AsyncIterable<Entry> {
  readonly topic: string;
  readonly group: string;
  readonly #topic: Topic;
  readonly #cursors: GroupCursors;
  readonly #host: CursorHost;
  readonly #reader: TopicReader;

  /** @internal */
  constructor(topic: Topic, group: string, cursors: GroupCursors, host: CursorHost) {
    this.topic = topic.name;
    this.group = group;
    this.#topic = topic;
    this.#cursors = cursors;
    this.#host = host;
    this.#reader = new TopicReader(topic, this.#shared.position);
    topic.users++;
  }

  /** Offset of the entry that this cursor reads next: what is before it was given out, or trimmed. */
  get position(): number {
    return this.#reader.position;
  }

  /** Offset of the first entry that the group has not committed; 0 if the topic was deleted. */
  get committed(): number {
    return this.#topic.deleted ? 0 : this.#shared.position;
  }

  /** Entries that the group has not committed; 0 if the topic was deleted. */
  get lag(): number {
    return this.#topic.deleted ? 0 : Math.max(0, this.#topic.visibleEnd - this.committed);
  }

  /** The next entry, `undefined` at the end. */
  next(): Promise<Entry | undefined> {
    try {
      this.#assertUsable();
      return this.#reader.next(true);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** The next entries, none at the end. */
  readBatch(limits: BatchLimits = {}): Promise<readonly Entry[]> {
    try {
      this.#assertUsable();
      return this.#reader.batch(limitsOf(limits), true);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Declares everything before `offset` done: by default, everything given out so far. Resolves when that is as durable as the
   * fsync schedule makes an append. An offset that the group has passed already changes nothing.
   */
  async commit(offset: number = this.position): Promise<void> {
    this.#assertUsable();
    this.#host.assertWritable();
    const done = wholeNumber('the offset', offset);
    await this.#shared.move(this.#inTopic(Math.max(done, this.#topic.start)), true);
  }

  /** Puts this cursor and the group at a place, forward or back. Durable as `commit` is. */
  async seek(position: Position): Promise<void> {
    this.#assertUsable();
    this.#host.assertWritable();
    const to = this.#inTopic(position);
    await new Promise<void>((resolve, reject) => {
      this.#reader.inTurn({
        run: (release) => {
          this.#shared
            .move(to, false)
            .then(() => {
              this.#reader.position = to;
              // Whoever waits at the end is elsewhere now.
              this.#topic.wake();
            })
            .finally(release)
            .then(resolve, reject);
        },
        refuse: reject,
      });
    });
  }

  /** Entries from here to the end. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Entry> {
    return this.#entries(false, undefined);
  }

  /**
   * Entries from here on, for ever: waits at the end for more. The loop ends when the log is closed, and throws
   * `Aborted` when the signal says stop.
   */
  tail(options: TailOptions = {}): AsyncIterableIterator<Entry> {
    return this.#entries(true, signalOf(options));
  }

  #entries(follows: boolean, signal: AbortSignal | undefined): AsyncIterableIterator<Entry> {
    const isClosed = (): boolean => this.#host.isClosed();
    return new EntryIterator(this.#reader, { follows, signal, isClosed });
  }

  /** After `deleteCursor` it is another one. */
  get #shared(): GroupCursor {
    return this.#cursors.get(this.#topic, this.group);
  }

  #assertUsable(): void {
    this.#host.assertOpen();
    if (this.#topic.deleted) {
      throw new WalrusError('UnknownTopic', `topic ${JSON.stringify(this.topic)} was deleted`);
    }
  }

  #inTopic(position: unknown): number {
    const { start, visibleEnd } = this.#topic;
    if (position === 'earliest') return start;
    if (position === 'latest') return visibleEnd;
    const offset = wholeNumber('the offset', position);
    if (offset < start || offset > visibleEnd) {
      const range = `[${start}, ${visibleEnd}]`;
      throw new WalrusError('InvalidArgument', `offset ${offset} lies outside of ${range}`);
    }
    return offset;
  }
}

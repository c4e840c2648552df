/** Reads of one place in one topic, one after the other, whoever asks. */
import { WalrusError } from '../core/errors.ts';
import type { Topic } from './topic.ts';

export interface Entry {
  /** Place in the topic; the first record ever appended has 0, and none is left out. */
  readonly offset: number;
  readonly data: Uint8Array;
}

export interface Limits {
  readonly entries: number;
  /** Of payload. One entry is given even if it is larger alone. */
  readonly bytes: number;
}

/** Read ahead for those who take one at a time. */
const AHEAD: Limits = { entries: 512, bytes: 256 * 1024 };

type RecordsDone = (error: WalrusError | undefined, records: Uint8Array[]) => void;

/**
 * Records from `from` on until a limit or `to` is met: all that the limits allow, where the store may give
 * less. May call `done` at once. What comes before a record that cannot be read is given without an error.
 */
export function readRecords(
  topic: Topic,
  from: number,
  to: number,
  limits: Limits,
  done: RecordsDone,
): void {
  const { start } = topic;
  if (from < start) {
    const what = `record ${from} of topic ${JSON.stringify(topic.name)} was reclaimed`;
    done(new WalrusError('InvalidArgument', `${what}; the earliest kept is ${start}`), []);
    return;
  }
  const end = Math.min(to, from + limits.entries);
  const found: Uint8Array[] = [];
  let bytes = 0;
  const readMore = (): void => {
    const limit = { records: end - from - found.length, bytes: Math.max(0, limits.bytes - bytes) };
    topic.store.read(topic.stream, from + found.length, limit, (error, records) => {
      if (error && found.length === 0) {
        done(error, []);
        return;
      }
      for (const record of records) {
        if (found.length > 0 && bytes + record.length > limits.bytes) {
          done(undefined, found);
          return;
        }
        found.push(record);
        bytes += record.length;
      }
      const over = error !== undefined || records.length === 0;
      if (over || from + found.length >= end || bytes >= limits.bytes) done(undefined, found);
      else readMore();
    });
  };
  if (from < end) readMore();
  else done(undefined, found);
}

/**
 * Moves a reader to `to`, or not. Calls `settle` when the entries may be given out, or with the error that
 * keeps the position where it was, and `release` when the next read may begin; each once, in any order.
 */
export type Advance = (
  to: number,
  settle: (error: WalrusError | undefined) => void,
  release: () => void,
) => void;

type EntriesDone = (error: WalrusError | undefined, entries: readonly Entry[]) => void;
type Task = (release: () => void) => void;

/** A position in a topic and the reads from it; those that come at once are served in turn, never twice the same. */
export class TopicReader {
  readonly topic: Topic;
  /** Offset of the next entry. */
  position: number;
  readonly #advance: Advance;
  readonly #tasks: Task[] = [];
  #busy = false;
  #serving = false;
  #ahead: readonly Uint8Array[] = [];
  #aheadFrom = 0;

  constructor(topic: Topic, position: number, advance: Advance) {
    this.topic = topic;
    this.position = position;
    this.#advance = advance;
  }

  /** The next entry, `undefined` at the end. Moves on if `checkpoint`. */
  next(checkpoint: boolean): Promise<Entry | undefined> {
    return new Promise((resolve, reject) => {
      this.inTurn((release) =>
        this.#read(undefined, checkpoint, release, (error, entries) =>
          error ? reject(error) : resolve(entries[0]),
        ),
      );
    });
  }

  /** The next entries, none at the end. Moves on if `checkpoint`. */
  batch(limits: Limits, checkpoint: boolean): Promise<readonly Entry[]> {
    return new Promise((resolve, reject) => {
      this.inTurn((release) =>
        this.#read(limits, checkpoint, release, (error, entries) =>
          error ? reject(error) : resolve(entries),
        ),
      );
    });
  }

  /** Runs the task when all that were asked for before are over; it calls `release` when the next may begin. */
  inTurn(task: Task): void {
    this.#tasks.push(task);
    this.#serve();
  }

  #serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    while (!this.#busy && this.#tasks.length > 0) {
      this.#busy = true;
      this.#tasks.shift()!(this.#release);
    }
    this.#serving = false;
  }

  readonly #release = (): void => {
    this.#busy = false;
    this.#serve();
  };

  /** Without limits: one entry, from what was read ahead if it is there. */
  #read(
    limits: Limits | undefined,
    checkpoint: boolean,
    release: () => void,
    done: EntriesDone,
  ): void {
    const { topic } = this;
    if (topic.deleted) {
      this.#giveNothing(release, done);
      return;
    }
    const from = Math.max(this.position, topic.start);
    const ahead = this.#ahead[from - this.#aheadFrom];
    if (limits === undefined && ahead !== undefined) {
      this.#give(from, [ahead], checkpoint, release, done);
      return;
    }
    readRecords(topic, from, topic.visibleEnd, limits ?? AHEAD, (error, records) => {
      if (error) {
        done(error, []);
        release();
        return;
      }
      if (limits === undefined) {
        this.#ahead = records;
        this.#aheadFrom = from;
      }
      const given = limits === undefined ? records.slice(0, 1) : records;
      this.#give(from, given, checkpoint, release, done);
    });
  }

  #give(
    from: number,
    records: readonly Uint8Array[],
    checkpoint: boolean,
    release: () => void,
    done: EntriesDone,
  ): void {
    if (records.length === 0) {
      this.#giveNothing(release, done);
      return;
    }
    const entries = records.map((data, i) => ({ offset: from + i, data }));
    if (!checkpoint) {
      done(undefined, entries);
      release();
      return;
    }
    const settle = (error: WalrusError | undefined): void => done(error, error ? [] : entries);
    for (const { data } of entries) this.topic.consumedBytes += data.length;
    this.#advance(from + entries.length, settle, release);
  }

  /** After a turn of the event loop: a reader that polls must not keep the disk from being heard. */
  #giveNothing(release: () => void, done: EntriesDone): void {
    setImmediate(() => {
      done(undefined, []);
      release();
    });
  }
}

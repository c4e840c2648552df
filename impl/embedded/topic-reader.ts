/** Reads of one place in one topic, one after the other, whoever asks. */
import { WalrusError } from '../core/errors.ts';
import { Queue } from '../core/queue.ts';
import { setImmediate } from '../runtime/timers.ts';
import type { Limits } from './arguments.ts';
import { toWalrusError } from './errors.ts';
import type { Topic } from './topic.ts';

/** A record, as it is read. */
export interface Entry {
  /** Place in the topic; the first record ever appended has 0, and none is left out. */
  readonly offset: number;
  readonly data: Uint8Array;
}

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
  if (from < topic.start) {
    done(reclaimed(topic, from), []);
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
      const over = error !== undefined || records.length === 0 || topic.deleted;
      if (over || from + found.length >= end || bytes >= limits.bytes) done(undefined, found);
      else readMore();
    });
  };
  if (from < end) readMore();
  else done(undefined, found);
}

export function reclaimed(topic: Topic, offset: number): WalrusError {
  const what = `record ${offset} of topic ${JSON.stringify(topic.name)} was reclaimed`;
  return new WalrusError('InvalidArgument', `${what}; the earliest kept is ${topic.start}`);
}

/**
 * Moves a reader from `from` to `to`, or not. Calls `settle` when the entries may be given out, or with the error that
 * keeps the position where it was, and `release` when the next read may begin; each once, in any order.
 */
export type Advance = (
  from: number,
  to: number,
  settle: (error: WalrusError | undefined) => void,
  release: () => void,
) => void;

export interface ReaderOptions {
  /** Else the reader moves at once. */
  readonly advance?: Advance;
  /** What is read ahead for those who take one at a time. */
  readonly ahead?: Limits;
  /** What is behind this offset is not read. */
  readonly to?: number;
  /** A reader that moves on gives at most so many entries at once. */
  readonly entriesMax?: number;
}

const AHEAD: Limits = { entries: 512, bytes: 256 * 1024 };

/** What is done in turn. */
export interface Task {
  /** Calls `release` when the next task may begin. */
  run(release: () => void): void;
  /** It cannot be done. */
  refuse(error: WalrusError): void;
}

/** Somebody who wants entries. */
export interface Taker {
  /** If there are none: one entry, from what was read ahead if it is there. */
  readonly limits?: Limits;
  /** Whether the reader moves behind what it gives. */
  readonly checkpoint: boolean;
  /** Whether entries are still wanted. The reader does not move for those who have left. */
  readonly isWaiting: boolean;
  /** Called once. No entries: there are none now. */
  take(error: WalrusError | undefined, entries: readonly Entry[]): void;
}

/** A position in a topic and the reads from it; those that come at once are served in turn, never twice the same. */
export class TopicReader {
  readonly topic: Topic;
  #position: number;
  readonly #options: ReaderOptions;
  readonly #tasks = new Queue<Task>();
  #busy = false;
  #serving = false;
  #ahead: readonly Uint8Array[] = [];
  #aheadFrom = 0;

  constructor(topic: Topic, position: number, options: ReaderOptions = {}) {
    this.topic = topic;
    this.#position = position;
    this.#options = options;
  }

  /** Offset of the next entry. Where it was is trimmed, the reader goes on at the new start. */
  get position(): number {
    return Math.max(this.#position, this.topic.start);
  }

  set position(offset: number) {
    this.#position = offset;
  }

  /** Nobody waits for a turn. */
  get isIdle(): boolean {
    return !this.#busy && this.#tasks.length === 0;
  }

  /** Whether there is an entry to give. */
  get hasMore(): boolean {
    return this.position < Math.min(this.topic.visibleEnd, this.#options.to ?? Infinity);
  }

  /** The next entry, `undefined` at the end. Moves on if `checkpoint`. */
  next(checkpoint: boolean): Promise<Entry | undefined> {
    return new Promise((resolve, reject) => {
      this.ask({
        checkpoint,
        isWaiting: true,
        take: (error, entries) => (error ? reject(error) : resolve(entries[0])),
      });
    });
  }

  /** The next entries, none at the end. Moves on if `checkpoint`. */
  batch(limits: Limits, checkpoint: boolean): Promise<readonly Entry[]> {
    return new Promise((resolve, reject) => {
      this.ask({
        limits,
        checkpoint,
        isWaiting: true,
        take: (error, entries) => (error ? reject(error) : resolve(entries)),
      });
    });
  }

  ask(taker: Taker): void {
    this.inTurn({
      run: (release) => this.#read(taker, release),
      refuse: (error) => taker.take(error, []),
    });
  }

  /** The next entry if it is at hand and nobody waits for it. Moves on. Of readers that move at once. */
  takeAhead(): Entry | undefined {
    if (this.#busy || this.topic.deleted) return undefined;
    const offset = this.position;
    const data = this.#ahead[offset - this.#aheadFrom];
    if (data === undefined) return undefined;
    this.#position = offset + 1;
    return { offset, data };
  }

  /** Runs the task when all that were asked for before are over. */
  inTurn(task: Task): void {
    this.topic.reads.begin();
    this.#tasks.push(task);
    this.#serve();
  }

  #serve(): void {
    if (this.#serving) return;
    this.#serving = true;
    while (!this.#busy && this.#tasks.length > 0) {
      const task = this.#tasks.shift()!;
      this.#busy = true;
      try {
        task.run(this.#release);
      } catch (thrown) {
        task.refuse(toWalrusError(thrown));
        this.#release();
      }
    }
    this.#serving = false;
  }

  readonly #release = (): void => {
    this.#busy = false;
    this.topic.reads.end();
    this.#serve();
  };

  #read(taker: Taker, release: () => void): void {
    const { topic, position: from } = this;
    const { ahead: aheadLimits = AHEAD, to = Infinity, entriesMax = Infinity } = this.#options;
    if (topic.deleted || !taker.isWaiting) {
      giveNothing(taker, release);
      return;
    }
    const ahead = this.#ahead[from - this.#aheadFrom];
    if (taker.limits === undefined && ahead !== undefined) {
      this.#give(taker, from, [ahead], release);
      return;
    }
    let limits = taker.limits ?? aheadLimits;
    if (taker.limits !== undefined && taker.checkpoint) {
      limits = { ...limits, entries: Math.min(limits.entries, entriesMax) };
    }
    const end = Math.min(topic.visibleEnd, to);
    readRecords(topic, from, end, limits, (error, records) => {
      if (from < topic.start) {
        // Trimmed meanwhile.
        this.#read(taker, release);
      } else if (error !== undefined) {
        taker.take(error, []);
        release();
      } else if (taker.limits === undefined) {
        this.#ahead = records;
        this.#aheadFrom = from;
        this.#give(taker, from, records.slice(0, 1), release);
      } else {
        this.#give(taker, from, records, release);
      }
    });
  }

  #give(taker: Taker, from: number, records: readonly Uint8Array[], release: () => void): void {
    if (records.length === 0 || !taker.isWaiting) {
      giveNothing(taker, release);
      return;
    }
    const entries = records.map((data, i) => ({ offset: from + i, data }));
    if (!taker.checkpoint) {
      taker.take(undefined, entries);
      release();
      return;
    }
    const to = from + entries.length;
    const { advance } = this.#options;
    for (const { data } of entries) this.topic.consumedBytes += data.length;
    if (advance === undefined) {
      this.#position = to;
      taker.take(undefined, entries);
      release();
      return;
    }
    advance(from, to, (error) => taker.take(error, error ? [] : entries), release);
  }
}

/** After a turn of the event loop: a reader that polls must not keep the disk from being heard. */
function giveNothing(taker: Taker, release: () => void): void {
  setImmediate(() => {
    taker.take(undefined, []);
    release();
  });
}

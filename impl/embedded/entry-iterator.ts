/** Entries of a topic one after the other: of `read`, `tail` and cursors. */
import { WalrusError } from '../core/errors.ts';
import { Queue } from '../core/queue.ts';
import { assertNotAborted, onAbort } from './abort-signal.ts';
import type { Holder } from './topic.ts';
import type { Entry, TopicReader } from './topic-reader.ts';

type Result = IteratorResult<Entry, undefined>;

const END: Result = { done: true, value: undefined };

/** A call of `next` that is not answered yet. */
interface Call {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface IteratorOptions {
  /** Whether it waits for more at the end. */
  readonly follows: boolean;
  readonly signal: AbortSignal | undefined;
  /** Whether the log was closed; throws if it failed. */
  readonly isClosed: () => boolean;
  /** Called once, when the iteration is over. */
  readonly onEnd?: () => void;
  /** What the first call is told instead of an entry. */
  readonly error?: WalrusError | undefined;
}

/** Calls of `next` may be made at once: they get entries in their order. */
export class EntryIterator implements AsyncIterableIterator<Entry>, Holder {
  readonly #reader: TopicReader;
  readonly #options: IteratorOptions;
  readonly #calls = new Queue<Call>();
  #serving = false;
  #over = false;
  /** Ends the wait for more. */
  #wake: () => void = () => {};

  constructor(reader: TopicReader, options: IteratorOptions) {
    this.#reader = reader;
    this.#options = options;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Offset of the next entry. What is before it is not held back from being reclaimed. */
  get position(): number {
    return this.#reader.position;
  }

  next(): Promise<Result> {
    if (this.#over) return Promise.resolve(END);
    if (this.#calls.length === 0) {
      const { signal } = this.#options;
      try {
        if (signal) assertNotAborted(signal);
      } catch (error) {
        return this.throw(error);
      }
      const value = this.#reader.takeAhead();
      if (value !== undefined) return Promise.resolve({ done: false, value });
    }
    return new Promise((resolve, reject) => {
      this.#calls.push({ resolve, reject });
      if (!this.#serving) void this.#serve();
    });
  }

  /** Ends the iteration, and the calls of `next` that wait. */
  return(): Promise<Result> {
    this.#end();
    return Promise.resolve(END);
  }

  /** As `return`, and fails with the error. */
  throw(error?: unknown): Promise<Result> {
    this.#end();
    return Promise.reject(error);
  }

  /** Answers the calls that wait, one after the other. */
  async #serve(): Promise<void> {
    this.#serving = true;
    this.#reader.topic.hold(this);
    try {
      while (this.#calls.length > 0) {
        if (this.#isAtEnd()) this.#end();
        else if ((await this.#giveNext()) || this.#reader.hasMore) continue;
        else if (!this.#options.follows) this.#end();
        // Meanwhile it may have come to its end, of which nobody will tell again.
        else if (this.#calls.length > 0 && !this.#isAtEnd()) await this.#change();
      }
    } catch (error) {
      this.#calls.shift()?.reject(error);
      this.#end();
    }
    this.#serving = false;
  }

  #isAtEnd(): boolean {
    const { signal, isClosed, error, follows } = this.#options;
    if (error !== undefined) throw error;
    if (signal) assertNotAborted(signal);
    const { topic } = this.#reader;
    if (topic.deleted) {
      throw new WalrusError('UnknownTopic', `topic ${JSON.stringify(topic.name)} was deleted`);
    }
    if (!isClosed()) return false;
    // Whoever reads to an end would take this for it.
    if (!follows && this.#reader.hasMore) throw new WalrusError('Closed', 'the log is closed');
    return true;
  }

  /** Answers the oldest call with an entry. False if there is none now, or nobody waits any more. */
  #giveNext(): Promise<boolean> {
    const calls = this.#calls;
    return new Promise((resolve, reject) => {
      this.#reader.ask({
        checkpoint: true,
        get isWaiting() {
          return calls.length > 0;
        },
        take: (error, [value]) => {
          if (error !== undefined) reject(error);
          else if (value !== undefined) calls.shift()?.resolve({ done: false, value });
          resolve(value !== undefined);
        },
      });
    });
  }

  /** Resolves when there is more to see, the topic, the log or the iteration ends, or the signal says stop. */
  #change(): Promise<void> {
    const { signal } = this.#options;
    return new Promise((resolve) => {
      const waits: { takeBack(): void }[] = [];
      this.#wake = () => {
        for (const wait of waits) wait.takeBack();
        resolve();
      };
      waits.push(this.#reader.topic.onChange(this.#wake));
      if (signal) waits.push(onAbort(signal, this.#wake));
    });
  }

  #end(): void {
    if (!this.#over) this.#options.onEnd?.();
    this.#over = true;
    this.#reader.topic.letGo(this);
    this.#wake();
    for (const call of this.#calls.takeAll()) call.resolve(END);
  }
}

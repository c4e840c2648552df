/** Entries of a topic one after the other, without a cursor. */
import { WalrusError } from '../core/errors.ts';
import type { Holder, Topic } from './topic.ts';
import { type Entry, type Limits, readRecords } from './topic-reader.ts';

const PAGE: Limits = { entries: 2048, bytes: 1024 * 1024 };

export interface Range {
  readonly from: number;
  /** Not included; infinite for those who wait for more. */
  readonly to: number;
  readonly signal: AbortSignal | undefined;
}

export class EntryIterator implements AsyncIterableIterator<Entry>, Holder {
  /** Offset of the next entry. What is before it is not held back from being reclaimed. */
  position: number;
  readonly #topic: Topic;
  readonly #range: Range;
  /** Whether the log was closed; throws if it failed. */
  readonly #isClosed: () => boolean;
  #page: readonly Uint8Array[] = [];
  #pageFrom = 0;
  #loading: Promise<void> | undefined;
  #over = false;

  constructor(topic: Topic, range: Range, isClosed: () => boolean) {
    this.#topic = topic;
    this.#range = range;
    this.#isClosed = isClosed;
    this.position = range.from;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Entry, undefined>> {
    const data = this.#page[this.position - this.#pageFrom];
    if (data !== undefined && !this.#range.signal?.aborted) {
      return Promise.resolve({ done: false, value: { offset: this.position++, data } });
    }
    if (this.#over) return Promise.resolve({ done: true, value: undefined });
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading.then(() => this.next());
  }

  return(): Promise<IteratorResult<Entry, undefined>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** Fills the page, or ends. */
  async #load(): Promise<void> {
    const { signal, to } = this.#range;
    this.#topic.holders.add(this);
    try {
      while (!this.#over) {
        if (signal?.aborted) throw aborted(signal);
        if (this.#topic.deleted) {
          const name = JSON.stringify(this.#topic.name);
          throw new WalrusError('UnknownTopic', `topic ${name} was deleted`);
        }
        if (this.position >= to || this.#isClosed()) {
          this.#end();
          return;
        }
        if (await this.#readPage()) return;
        if (to !== Number.POSITIVE_INFINITY) {
          this.#end();
          return;
        }
        await topicChange(this.#topic, signal);
      }
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  #readPage(): Promise<boolean> {
    const end = Math.min(this.#range.to, this.#topic.visibleEnd);
    return new Promise((resolve, reject) => {
      readRecords(this.#topic, this.position, end, PAGE, (error, records) => {
        if (error) {
          reject(error);
          return;
        }
        this.#page = records;
        this.#pageFrom = this.position;
        resolve(records.length > 0);
      });
    });
  }

  #end(): void {
    this.#over = true;
    this.#page = [];
    this.#topic.holders.delete(this);
  }
}

/** Resolves when there is more to see, the topic or the log ends, or the signal says stop. */
export function topicChange(topic: Topic, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const stop = (): void => {
      change.takeBack();
      resolve();
    };
    const change = topic.onChange(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    });
    signal?.addEventListener('abort', stop, { once: true });
  });
}

export function aborted(signal: AbortSignal): WalrusError {
  const error = new WalrusError('Aborted', 'the signal said stop');
  error.cause = signal.reason;
  return error;
}

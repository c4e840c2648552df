/**
 * Empties files of the log of which little is needed: in the background, a bit at a time with a pause as long as that bit is worth, and all
 * at once for who asks for it.
 */
import type { WalrusError } from '../core/errors.ts';
import type { Cleaned } from '../core/storage/cleaner.ts';
import type { Store } from '../core/storage/store.ts';
import { clearTimeout, monotonicMs, setTimeout } from '../runtime/timers.ts';

/** Written again at a time. */
const STEP_BYTES = 256 * 1024;
/** So long after something was written it is looked at whether there is something to be done. */
const IDLE_MS = 100;
/** How far cleaning may be behind its rate and still catch up. */
const BEHIND_MS = 100;
const SOON_MS = 1;

interface Compaction {
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: WalrusError) => void;
}

export class Cleaning {
  readonly #store: Store;
  readonly #bytesPerSecond: number;
  /** The next bit is, at the rate allowed. */
  #dueAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #compaction: Compaction | undefined;
  #hasStopped = false;

  /** 0 bytes a second: only for who asks. */
  constructor(store: Store, bytesPerSecond: number) {
    this.#store = store;
    this.#bytesPerSecond = bytesPerSecond;
  }

  /** Something was written. */
  wake(): void {
    if (this.#timer !== undefined || this.#bytesPerSecond === 0) return;
    if (!this.#store.isCleaning && this.#compaction === undefined) this.#later(IDLE_MS);
  }

  /** Empties every file that is not full. Those who ask meanwhile are answered together. */
  compact(): Promise<void> {
    if (this.#compaction !== undefined) return this.#compaction.done;
    let resolve!: () => void;
    let reject!: (error: WalrusError) => void;
    const done = new Promise<void>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    this.#compaction = { done, resolve, reject };
    this.#go();
    return done;
  }

  /** The log is closed, or has failed. */
  stop(error: WalrusError): void {
    this.#hasStopped = true;
    clearTimeout(this.#timer);
    this.#compaction?.reject(error);
    this.#compaction = undefined;
  }

  #later(delayMs: number): void {
    const isAsked = this.#compaction !== undefined;
    const timer = setTimeout(() => this.#go(), delayMs);
    // Nobody waits for what is done in the background.
    this.#timer = isAsked ? timer : timer.unref();
  }

  #go(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // What is under way goes on here when it is done.
    if (this.#hasStopped || this.#store.isCleaning) return;
    const isThorough = this.#compaction !== undefined;
    this.#store.clean(STEP_BYTES, isThorough, (error, cleaned) => {
      if (this.#hasStopped) return;
      const isAsked = this.#compaction !== undefined;
      if (isThorough && (error !== undefined || cleaned.isEnd)) this.#end(error);
      else if (isAsked) this.#later(cleaned.bytes > 0 ? 0 : SOON_MS);
      else this.#pause(cleaned);
    });
  }

  #end(error: WalrusError | undefined): void {
    const compaction = this.#compaction!;
    this.#compaction = undefined;
    if (error !== undefined) compaction.reject(error);
    else if (this.#store.stats.isFull) compaction.reject(this.#store.refusal());
    else {
      this.#store.rest();
      compaction.resolve();
    }
  }

  #pause({ bytes, isEnd }: Cleaned): void {
    if (this.#bytesPerSecond === 0) return;
    const nowMs = monotonicMs();
    // What took longer than it is worth may be made up for, for a moment.
    const fromMs = Math.max(this.#dueAtMs, nowMs - BEHIND_MS);
    this.#dueAtMs = fromMs + (bytes * 1000) / this.#bytesPerSecond;
    if (!isEnd) this.#later(Math.max(0, this.#dueAtMs - nowMs));
  }
}

/** What it takes to play a behaviour step by step: time that moves only while something is waited for. */
import { VirtualTime } from './clock.ts';

/** A step that does not come about in so long, with all that it needs, does not come about. */
const PATIENCE_MS = 3_000;
/** A cluster that is well comes to what is asked of it in so long. */
const SET_UP_MS = 60_000;
const AFTERWARDS_MS = 10_000;

/** The code does not take a step. */
export class Refusal extends Error {}

export abstract class Stage<Step> {
  protected readonly time: VirtualTime = new VirtualTime();

  /** Comes to where the steps begin. */
  abstract setUp(): void;

  /** Brings one step about. Throws `Refusal` if the code does not take it. */
  abstract play(step: Step): void;

  /** Holds nothing back any more. */
  protected abstract release(): void;

  /** What was held back happens, and time passes. */
  letGo(): void {
    this.release();
    const endMs = this.time.nowMs + AFTERWARDS_MS;
    while (this.time.nextMs <= endMs) this.time.step();
  }

  /** @throws Refusal if it never comes */
  protected comes(what: string, done: () => boolean): void {
    const lastMs = this.time.nowMs + PATIENCE_MS;
    while (!done()) {
      if (this.time.nextMs > lastMs) throw new Refusal(what);
      this.time.step();
    }
  }

  protected mustCome(what: string, done: () => boolean): void {
    for (const lastMs = this.time.nowMs + SET_UP_MS; !done(); this.time.step()) {
      if (this.time.nextMs > lastMs) throw new Error(`there is never ${what}`);
    }
  }
}

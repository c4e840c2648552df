/** Counts what has begun and not ended, for who must wait until nothing is left. */
export class UnderWay {
  #count = 0;
  #whenIdle: (() => void) | undefined;
  #isGivenUp = false;

  begin(): void {
    this.#count++;
  }

  end(): void {
    this.#count--;
    if (this.#count === 0) this.#whenIdle?.();
  }

  /** Resolves when nothing is under way, or when it is of no use to wait. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#count === 0 || this.#isGivenUp) resolve();
      else this.#whenIdle = resolve;
    });
  }

  /** What has begun may never end. */
  giveUp(): void {
    this.#isGivenUp = true;
    this.#whenIdle?.();
  }
}

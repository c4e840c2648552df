import type { Clock } from '../ports/clock.ts';

/** This process's clock. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};

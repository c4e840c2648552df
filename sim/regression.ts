import type { Run } from './simulator.ts';

/** A run that once failed, made small, and what it showed. Kept as JSON in `traces/regressions/`. */
export interface Regression extends Run {
  /** The property that did not hold. */
  readonly property: string;
  /** What was wrong, and how it was put right. */
  readonly note: string;
}

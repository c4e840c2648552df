/**
 * Timers of Node.js as they were when this was imported. A test of a user's that stops the clock stops its own, and
 * not the log: whoever replaces the global ones, or those of the module, replaces nothing here.
 */
import { performance } from 'node:perf_hooks';
import * as timers from 'node:timers';
import * as promises from 'node:timers/promises';

export const setImmediate: (task: () => void) => void = timers.setImmediate;
export const setTimeout: (task: () => void, delayMs: number) => NodeJS.Timeout = timers.setTimeout;
export const clearTimeout: (timeout: NodeJS.Timeout | undefined) => void = timers.clearTimeout;
/** Resolves in the next turn of the event loop. */
export const turn: () => Promise<void> = promises.setImmediate;
/** Resolves after so many milliseconds. */
export const delay: (delayMs: number) => Promise<void> = promises.setTimeout;
/** A clock that never goes back. */
export const monotonicMs: () => number = performance.now.bind(performance);

const settled = Promise.resolve();

/** Runs the task at the end of this turn's work, as `queueMicrotask` does, of which no module has a copy. */
export function afterThis(task: () => void): void {
  void settled.then(task);
}

/** One seed from beginning to end, and how long that took. */
import { Randomness } from './random.ts';
import { type Outcome, planRun, type Run, Simulation } from './simulator.ts';
import { type Draw, drawOptions } from './swarm.ts';
import type { Noted } from './trace.ts';

export interface Played {
  readonly seed: string;
  readonly outcome: Outcome | undefined;
  /** Where the simulator, or a node, threw what it never should. */
  readonly crash: string | undefined;
  readonly wallMs: number;
}

export function runOfSeed(seed: string, durationMs: number, draw: Draw = {}): Run {
  return planRun(seed, drawOptions(new Randomness(seed), durationMs, draw));
}

export function play(run: Run, write?: (event: Noted) => void): Played {
  const startMs = performance.now();
  const { seed } = run;
  try {
    const outcome = new Simulation(run, write).play();
    return { seed, outcome, crash: undefined, wallMs: performance.now() - startMs };
  } catch (error) {
    const crash = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { seed, outcome: undefined, crash, wallMs: performance.now() - startMs };
  }
}

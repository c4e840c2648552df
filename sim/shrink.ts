/**
 * Makes a failing run smaller while the same property fails: a calmer world, fewer faults, fewer calls, less time. What
 * is left is what matters, and is kept as a regression.
 */
import type { Outcome, Plan, Run } from './simulator.ts';

/** Plays a run; undefined if the simulator itself failed. */
export type Play = (run: Run) => Outcome | undefined;

/** The smallest run found within `attempts` runs that fails by `property`. */
export function shrink(run: Run, property: string, play: Play, attempts: number): Run {
  let left = attempts;
  const fails = (candidate: Run): Outcome | undefined => {
    if (left-- <= 0) return undefined;
    const outcome = play(candidate);
    return outcome?.failure?.property === property ? outcome : undefined;
  };
  let best = run;
  const take = (candidate: Run): void => {
    if (fails(candidate) !== undefined) best = candidate;
  };
  take(endingWithFailure(best, fails(best)));
  for (const calmer of calmerWorlds) take({ ...best, options: calmer(best.options) });
  const part = <Key extends keyof Plan>(key: Key): void => {
    const items = minimise<Plan[Key][number]>(
      best.plan[key],
      (kept) => fails({ ...best, plan: { ...best.plan, [key]: kept } }) !== undefined,
    );
    best = { ...best, plan: { ...best.plan, [key]: items } };
  };
  part('faults');
  part('calls');
  part('faults');
  take(endingWithFailure(best, fails(best)));
  return best;
}

/** Nothing planned after the failure can have caused it. */
function endingWithFailure(run: Run, outcome: Outcome | undefined): Run {
  const endMs = Math.min(run.options.durationMs, Math.ceil(outcome?.failure?.atMs ?? Infinity));
  return {
    ...run,
    options: { ...run.options, durationMs: endMs },
    plan: {
      faults: run.plan.faults.filter(({ atMs }) => atMs <= endMs),
      calls: run.plan.calls.filter(({ atMs }) => atMs <= endMs),
    },
  };
}

type Calmer = (options: Run['options']) => Run['options'];

function network(values: Partial<Run['options']['cluster']['network']>): Calmer {
  return (options) => ({
    ...options,
    cluster: { ...options.cluster, network: { ...options.cluster.network, ...values } },
  });
}

const calmerWorlds: readonly Calmer[] = [
  (options) => ({ ...options, encode: false }),
  (options) => ({ ...options, cluster: { ...options.cluster, clockDrift: 0 } }),
  network({ lossProbability: 0 }),
  network({ duplicateProbability: 0 }),
  network({ spikeProbability: 0 }),
  network({ inOrder: true }),
];

/**
 * A part of `items` that still satisfies `fails` and from which nothing more can be left out piece by piece
 * (delta debugging, Zeller and Hildebrandt 2002). `fails(items)` is taken for granted.
 */
export function minimise<Item>(
  items: readonly Item[],
  fails: (items: readonly Item[]) => boolean,
): readonly Item[] {
  if (items.length > 0 && fails([])) return [];
  let best = items;
  let pieces = 2;
  while (best.length >= 2) {
    const size = Math.ceil(best.length / pieces);
    let removed = false;
    for (let from = 0; from < best.length && !removed; from += size) {
      const without = [...best.slice(0, from), ...best.slice(from + size)];
      if (fails(without)) {
        best = without;
        pieces = Math.max(pieces - 1, 2);
        removed = true;
      }
    }
    if (removed) continue;
    if (pieces >= best.length) break;
    pieces = Math.min(pieces * 2, best.length);
  }
  return best;
}

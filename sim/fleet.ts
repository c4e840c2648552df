/** Plays many seeds on as many threads as there are cores. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Played } from './seed.ts';
import type { Task } from './seed-worker.ts';

export interface FleetOptions {
  readonly seeds: readonly string[];
  readonly durationMs: number;
  readonly jobs: number;
  /** Returns whether more seeds are to be begun. */
  onPlayed(played: Played): boolean;
}

export async function playAll(options: FleetOptions): Promise<void> {
  const { seeds, durationMs, jobs } = options;
  let next = 0;
  let stopped = false;
  const worker = new URL(`./seed-worker${extname(import.meta.url)}`, import.meta.url);
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      // What a run makes is soon forgotten: a large nursery lets most of it die there.
      const resourceLimits = { maxYoungGenerationSizeMb: 64 };
      const thread = new Worker(worker, { resourceLimits });
      const feed = (): void => {
        const seed = stopped ? undefined : seeds[next++];
        if (seed === undefined) void thread.terminate().then(() => resolve());
        else thread.postMessage({ seed, durationMs } satisfies Task);
      };
      thread.on('message', (played: Played) => {
        if (!options.onPlayed(played)) stopped = true;
        feed();
      });
      thread.on('error', reject);
      feed();
    });
  await Promise.all(Array.from({ length: Math.min(jobs, seeds.length) }, one));
}

export function hasFailed({ crash, outcome }: Played): boolean {
  return crash !== undefined || outcome?.failure !== undefined;
}

/** A thread that plays the seeds that it is sent, one after another. */
import { parentPort } from 'node:worker_threads';
import { type Played, play, runOfSeed } from './seed.ts';
import type { Draw } from './swarm.ts';

export interface Task extends Draw {
  readonly seed: string;
  readonly durationMs: number;
}

parentPort!.on('message', ({ seed, durationMs, ...draw }: Task) => {
  parentPort!.postMessage(play(runOfSeed(seed, durationMs, draw)) satisfies Played);
});

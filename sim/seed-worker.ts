/** A thread that plays the seeds that it is sent, one after another. */
import { parentPort } from 'node:worker_threads';
import { type Played, play, runOfSeed } from './seed.ts';

export interface Task {
  readonly seed: string;
  readonly durationMs: number;
  readonly beyond?: boolean | undefined;
}

parentPort!.on('message', ({ seed, durationMs, beyond }: Task) => {
  parentPort!.postMessage(play(runOfSeed(seed, durationMs, beyond)) satisfies Played);
});

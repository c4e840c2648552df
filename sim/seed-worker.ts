/** A thread that plays the seeds that it is sent, one after another. */
import { parentPort } from 'node:worker_threads';
import { type Played, play, runOfSeed } from './seed.ts';

export interface Task {
  readonly seed: string;
  readonly durationMs: number;
  readonly isTraced: boolean;
}

export interface TaskDone {
  readonly played: Played;
  /** One event a line; empty if it was not asked for. */
  readonly trace: string;
}

parentPort!.on('message', ({ seed, durationMs, isTraced }: Task) => {
  const lines: string[] = [];
  const write = isTraced ? (line: string) => lines.push(line) : undefined;
  const played = play(runOfSeed(seed, durationMs), write);
  parentPort!.postMessage({ played, trace: lines.join('\n') } satisfies TaskDone);
});

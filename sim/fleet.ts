/** Threads that do one task each at a time; here they play seeds. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { assert } from '../impl/core/assert.ts';
import type { Played } from './seed.ts';
import type { Task } from './seed-worker.ts';
import type { Draw } from './swarm.ts';

/** The file of a thread, which lies beside the one that asks, compiled or not as that is. */
export function beside(module: string, name: string): URL {
  return new URL(`./${name}${extname(module)}`, module);
}

export class Fleet<Task, Done> {
  private readonly threads: Worker[];
  private readonly idle: Worker[];

  /** Each thread runs `file`, which answers every message with one. */
  constructor(file: URL, size: number) {
    // What a run makes is soon forgotten: a large nursery lets most of it die there.
    const resourceLimits = { maxYoungGenerationSizeMb: 64 };
    this.threads = Array.from({ length: size }, () => new Worker(file, { resourceLimits }));
    this.idle = [...this.threads];
  }

  /** There are never more tasks than threads. Rejects if the thread dies. */
  async run(task: Task): Promise<Done> {
    const thread = this.idle.pop();
    assert(thread !== undefined, 'a thread is free');
    const done = new Promise<Done>((resolve, reject) => {
      thread.once('message', (answer: Done) => {
        thread.off('error', reject);
        resolve(answer);
      });
      thread.once('error', reject);
    });
    thread.postMessage(task);
    const answer = await done;
    this.idle.push(thread);
    return answer;
  }

  async end(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.terminate()));
  }
}

export interface FleetOptions extends Draw {
  readonly seeds: readonly string[];
  readonly durationMs: number;
  readonly jobs: number;
  /** Returns whether more seeds are to be begun. */
  onPlayed(played: Played): boolean;
}

export async function playAll({
  seeds,
  durationMs,
  jobs,
  onPlayed,
  ...draw
}: FleetOptions): Promise<void> {
  const size = Math.min(jobs, seeds.length);
  const fleet = new Fleet<Task, Played>(beside(import.meta.url, 'seed-worker'), size);
  const waiting = [...seeds];
  const playSome = async (): Promise<void> => {
    for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
      const played = await fleet.run({ seed, durationMs, ...draw });
      if (!onPlayed(played)) waiting.length = 0;
    }
  };
  try {
    await Promise.all(Array.from({ length: size }, playSome));
  } finally {
    await fleet.end();
  }
}

export function hasFailed({ crash, outcome }: Played): boolean {
  return crash !== undefined || outcome?.failure !== undefined;
}

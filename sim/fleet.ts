/** Plays seeds on several threads, one each at a time. */
import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Played } from './seed.ts';
import type { Task, TaskDone } from './seed-worker.ts';

export class Fleet {
  private readonly threads: Worker[];
  private readonly idle: Worker[];
  private readonly waiting: ((thread: Worker) => void)[] = [];

  constructor(size: number) {
    const file = new URL(`./seed-worker${extname(import.meta.url)}`, import.meta.url);
    // What a run makes is soon forgotten: a large nursery lets most of it die there.
    const resourceLimits = { maxYoungGenerationSizeMb: 64 };
    this.threads = Array.from({ length: size }, () => new Worker(file, { resourceLimits }));
    this.idle = [...this.threads];
  }

  /** When a thread is free. Rejects if that thread dies. */
  async play(task: Task): Promise<TaskDone> {
    const thread =
      this.idle.pop() ?? (await new Promise<Worker>((take) => this.waiting.push(take)));
    const done = new Promise<TaskDone>((resolve, reject) => {
      thread.once('message', (answer: TaskDone) => {
        thread.off('error', reject);
        resolve(answer);
      });
      thread.once('error', reject);
    });
    thread.postMessage(task);
    const answer = await done;
    const next = this.waiting.shift();
    if (next === undefined) this.idle.push(thread);
    else next(thread);
    return answer;
  }

  async end(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.terminate()));
  }
}

export interface FleetOptions {
  readonly seeds: readonly string[];
  readonly durationMs: number;
  readonly jobs: number;
  /** Returns whether more seeds are to be begun. */
  onPlayed(played: Played): boolean;
}

export async function playAll({ seeds, durationMs, jobs, onPlayed }: FleetOptions): Promise<void> {
  const fleet = new Fleet(Math.min(jobs, seeds.length));
  const waiting = [...seeds];
  const playSome = async (): Promise<void> => {
    for (let seed = waiting.shift(); seed !== undefined; seed = waiting.shift()) {
      const { played } = await fleet.play({ seed, durationMs, isTraced: false });
      if (!onPlayed(played)) waiting.length = 0;
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, playSome));
  } finally {
    await fleet.end();
  }
}

export function hasFailed({ crash, outcome }: Played): boolean {
  return crash !== undefined || outcome?.failure !== undefined;
}

/** One mutant's trial: plays seeds until one fails or the CPU time is up. It is bundled together with the mutant and runs in a process of its own. */
import { hasFailed } from '../fleet.ts';
import { play, runOfSeed } from '../seed.ts';

/** What the process writes. */
export interface Trial {
  readonly seeds: number;
  readonly cpuMs: number;
  /** Absent if none did. */
  readonly failedSeed?: string;
}

const [first, durationMs, budgetMs] = process.argv.slice(2).map(Number) as [number, number, number];
process.stdout.write(JSON.stringify(trial()));

function trial(): Trial {
  for (let seeds = 1; ; seeds++) {
    const seed = String(first + seeds - 1);
    const played = play(runOfSeed(seed, durationMs));
    const { user, system } = process.cpuUsage();
    const cpuMs = Math.round((user + system) / 1000);
    if (hasFailed(played)) return { seeds, cpuMs, failedSeed: seed };
    if (cpuMs >= budgetMs) return { seeds, cpuMs };
  }
}

/** One process, one job: what it measures shares no compiler, no heap and no page of memory with what was measured before. */
import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { drive, occupiedBytes, WARM_UP } from './drive.ts';
import type { Job, Sample } from './job.ts';
import { measureRawLimit } from './raw-limits.ts';
import { find } from './subjects.ts';
import type { Workload } from './workloads.ts';

const job = JSON.parse(process.argv[2]!) as Job;
const found = find(job.subject);
if (found.how === 'raw') {
  answer(measureRawLimit(found.limit, job));
} else if (found.how === 'log') {
  const sample = await drive(found.subject, job.subject.startsWith('store '), job);
  answer(sample, job.workload.kind === 'open' && job.workload.after === 'kill');
} else {
  const { status, signal, stdout } = spawnSync(found.path, programArguments(job, found.threads), {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
  });
  process.exitCode = signal === 'SIGKILL' ? 0 : (status ?? 1);
  if (process.exitCode === 0) answer(withSpace(JSON.parse(stdout) as Sample));
}

function answer(sample: Sample, thenDie = false): void {
  process.stdout.write(`${JSON.stringify(sample)}\n`, () => {
    if (thenDie) process.kill(process.pid, 'SIGKILL');
  });
}

/** A program does not look at what its files occupy. */
function withSpace(sample: Sample): Sample {
  if (job.workload.kind !== 'append') return { ...sample, latency: sample.latency ?? undefined };
  return { ...sample, spaceRatio: occupiedBytes(job.directory) / sample.payloadBytes };
}

function programArguments(job: Job, threads: number): string[] {
  const { workload, directory, maxBytes, poolFile } = job;
  // What was compiled before has nothing to wait for: all the time that others have, warm-up included, counts.
  const isTimed = workload.kind === 'append' && workload.bytes === undefined;
  const seconds = job.seconds * (isTimed ? 1 + WARM_UP.times : 1);
  const shared = { directory, seconds, 'max-bytes': Math.floor(maxBytes), pool: poolFile };
  const values = { ...shared, ...ofWorkload(workload, job.phase, threads) };
  return Object.entries(values).flatMap(([name, value]) => [`--${name}`, String(value)]);
}

function ofWorkload(workload: Workload, phase: Job['phase'], threads: number): object {
  switch (workload.kind) {
    case 'append': {
      const { schedule, appenders, batch } = workload;
      return { kind: 'append', schedule, threads: Math.min(threads, appenders), batch };
    }
    case 'read':
      return { kind: workload.how, schedule: workload.schedule };
    case 'open':
      return {
        kind: phase === 'fill' ? 'fill' : 'open',
        schedule: 'none',
        after: workload.after,
      };
  }
}

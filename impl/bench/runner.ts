/** Runs a workload: every subject in turn, round after round, each in a process and a directory of its own. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Job, Sample } from './job.ts';
import type { Others, SubjectResult, WorkloadResult } from './results.ts';
import { absence } from './subjects.ts';
import type { Measured, Workload } from './workloads.ts';

export interface Scale {
  readonly rounds: number;
  readonly seconds: number;
  readonly maxBytes: number;
  /** Of what is opened. */
  readonly openBytes: number;
  /** Of the bytes that a workload names itself. */
  readonly sustainedShare: number;
  readonly seed: string;
}

const JOB_TIMEOUT_MS = 180_000;
/** In which what else runs on the machine is seen. */
const LOOK_MS = 300;

export async function runWorkload(
  measured: Measured,
  scale: Scale,
  scratch: string,
  poolFile: string,
  onProgress: (subject: string) => void,
): Promise<WorkloadResult> {
  const { name, title, workload } = measured;
  const before = await othersNow();
  const samples = new Map<string, Sample[]>(measured.subjects.map((subject) => [subject, []]));
  const failures = new Map<string, string>();
  for (const subject of measured.subjects) {
    const reason = absence(subject);
    if (reason !== undefined) failures.set(subject, reason);
  }
  const runOne = async (subject: string, directory: string, phase: Job['phase']): Promise<void> => {
    const { seconds, maxBytes } = lengthOf(workload, scale);
    const { seed } = scale;
    const job: Job = { subject, workload, directory, phase, seconds, maxBytes, seed, poolFile };
    onProgress(subject);
    try {
      const sample = await runInProcess(job);
      if (phase === 'run') samples.get(subject)!.push(sample!);
    } catch (error) {
      failures.set(subject, (error as Error).message);
    }
  };
  const inDirectory = async (use: (directory: string) => Promise<void>): Promise<void> => {
    const directory = join(scratch, 'run');
    mkdirSync(directory);
    try {
      await use(directory);
    } finally {
      rmSync(directory, { recursive: true });
    }
  };
  const remaining = () => measured.subjects.filter((subject) => !failures.has(subject));
  if (workload.kind === 'open') {
    for (const subject of remaining()) {
      await inDirectory(async (directory) => {
        await runOne(subject, directory, 'fill');
        for (let round = 0; round < scale.rounds && !failures.has(subject); round++) {
          await runOne(subject, directory, 'run');
        }
      });
    }
  } else {
    for (let round = 0; round < scale.rounds; round++) {
      for (const subject of remaining()) {
        await inDirectory((directory) => runOne(subject, directory, 'run'));
      }
    }
  }
  const subjects: SubjectResult[] = measured.subjects.map((subject) => ({
    subject,
    // One round that failed spoils all: a figure counts only if everything written was there.
    samples: failures.has(subject) ? [] : samples.get(subject)!,
    failure: failures.get(subject),
  }));
  return {
    name,
    title,
    kind: workload.kind,
    date: new Date().toISOString(),
    others: [before, await othersNow()],
    subjects,
  };
}

function lengthOf(workload: Workload, scale: Scale): { seconds: number; maxBytes: number } {
  const { seconds, maxBytes, openBytes, sustainedShare } = scale;
  if (workload.kind === 'open') return { seconds, maxBytes: openBytes };
  if (workload.kind === 'read' || workload.bytes === undefined) return { seconds, maxBytes };
  return { seconds: Number.MAX_VALUE, maxBytes: workload.bytes * sustainedShare };
}

/** What keeps the machine busy while nothing is measured. */
async function othersNow(): Promise<Others> {
  const before = busySeconds();
  const begun = performance.now();
  await delay(LOOK_MS);
  const cores = ((busySeconds() - before) / (performance.now() - begun)) * 1e3;
  return { cores, load: loadavg()[0]! };
}

function busySeconds(): number {
  let milliseconds = 0;
  for (const { times } of cpus()) milliseconds += times.user + times.nice + times.sys + times.irq;
  return milliseconds / 1e3;
}

/** The sample, or none if the job was to fill and die. */
function runInProcess(job: Job): Promise<Sample | undefined> {
  const self = fileURLToPath(import.meta.url);
  const program = ['.ts', '.js']
    .map((extension) => self.replace(/runner\.[tj]s$/, `run-job${extension}`))
    .find((path) => existsSync(path))!;
  const child = spawn(process.execPath, [...process.execArgv, program, JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: JOB_TIMEOUT_MS,
    killSignal: 'SIGTERM',
  });
  let out = '';
  let complaint = '';
  child.stdout.on('data', (text) => {
    out += text;
  });
  child.stderr.on('data', (text) => {
    complaint += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => {
      const isToDie = job.workload.kind === 'open' && job.workload.after === 'kill';
      if (isToDie && signal === 'SIGKILL' && job.phase === 'fill') resolve(undefined);
      else if (signal === 'SIGTERM') reject(new Error(`not done in ${JOB_TIMEOUT_MS / 1e3} s`));
      else if (status === 0 || (isToDie && signal === 'SIGKILL')) resolve(lastLine(out));
      else
        reject(new Error(reasonOf(complaint) || `it ended with ${signal ?? `status ${status}`}`));
    });
  });
}

function lastLine(out: string): Sample | undefined {
  const line = out.trim().split('\n').at(-1);
  return line ? (JSON.parse(line) as Sample) : undefined;
}

/** Of a stack trace, the line that says something. */
function reasonOf(complaint: string): string {
  const lines = complaint.trim().split('\n');
  return (lines.find((line) => /error|panicked/i.test(line)) ?? lines[0] ?? '').trim();
}

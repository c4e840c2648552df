/** `make bench`: measures the library beside raw limits and peers, and writes down what it found. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError } from 'commander';
import { buildPeers } from './build-peers.ts';
import { describeMachine } from './machine.ts';
import { Payloads } from './payloads.ts';
import { BENCH_DIRECTORY } from './peer-packages.ts';
import { draw } from './picture.ts';
import { markdown, terminalTable } from './report.ts';
import type { Results, WorkloadResult } from './results.ts';
import { runWorkload, type Scale } from './runner.ts';
import { find } from './subjects.ts';
import { type Measured, WORKLOADS } from './workloads.ts';

const PICTURE = 'results.svg';

interface Options {
  readonly only?: string;
  readonly quick?: true;
  readonly peers: boolean;
  readonly rounds?: number;
  readonly seconds?: number;
  readonly dir: string;
  readonly out?: string;
  readonly seed: string;
  readonly list?: true;
}

const options = new Command('make bench')
  .description('Measures the embedded library beside raw limits and peers.')
  .option(
    '--only <names>',
    'workloads of these names, or that contain these parts of names; comma between',
  )
  .option('--quick', 'a smoke test: one round of tiny sizes; its figures mean nothing')
  .option('--no-peers', 'neither build nor run what is not Walrus')
  .option('--rounds <n>', 'rounds of each workload; the median counts (default 5)', positive)
  .option('--seconds <s>', 'of each run (default 0.3)', positive)
  .option('--dir <path>', 'where logs are written; the disk under it is what is measured', tmpdir())
  .option('--out <path>', 'where results go (default: impl/bench; with --quick: nowhere)')
  .option('--seed <text>', 'of the payloads', 'walrus')
  .option('--list', 'print the workloads and stop')
  .parse()
  .opts<Options>();

if (options.list) {
  for (const { name, title } of WORKLOADS) console.log(`${name.padEnd(22)} ${title}`);
} else {
  process.exitCode = await bench();
}

async function bench(): Promise<number> {
  const chosen = choose();
  if (chosen.length === 0) {
    console.error(`no workload is called ${options.only}; --list tells their names`);
    return 1;
  }
  const missing =
    options.peers && !options.quick ? await buildPeers((line) => console.error(line)) : [];
  for (const line of missing) console.error(`cannot be built here: ${line}`);
  const scratch = mkdtempSync(join(options.dir, 'walrus-bench-'));
  const stop = () => {
    rmSync(scratch, { recursive: true, force: true });
    process.exit(130);
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    return await measure(chosen, scaleOf(), scratch, missing);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function measure(
  chosen: readonly Measured[],
  scale: Scale,
  scratch: string,
  missing: readonly string[],
): Promise<number> {
  const poolFile = join(scratch, 'payloads');
  new Payloads(scale.seed).save(poolFile);
  const machine = await describeMachine(scratch);
  const conditions = [
    `medians of ${scale.rounds} alternating rounds of ${scale.seconds} s (or ${scale.maxBytes / 1e6} MB), each in a new process`,
    ...missing.map((line) => `not built here: ${line}`),
  ];
  const out = options.out ?? (options.quick ? undefined : BENCH_DIRECTORY);
  let results: Results = { machine, conditions, workloads: earlier(out) };
  const bar = new SingleBar({
    format: '{bar} {value}/{total} {workload}: {subject}',
    clearOnComplete: true,
    hideCursor: true,
  });
  let failures = 0;
  for (const measured of chosen) {
    const runs = measured.subjects.length * scale.rounds;
    bar.start(runs, 0, { workload: measured.name, subject: '' });
    const result = await runWorkload(measured, scale, scratch, poolFile, (subject) =>
      bar.increment({ subject }),
    );
    bar.stop();
    console.log(terminalTable(result));
    failures += result.subjects.filter(
      ({ subject, samples }) => isOurs(subject) && samples.length === 0,
    ).length;
    results = { ...results, workloads: replaced(results.workloads, result) };
    if (out !== undefined) await save(out, results);
  }
  return failures === 0 ? 0 : 1;
}

async function save(out: string, results: Results): Promise<void> {
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, 'results.json'), `${JSON.stringify(results, undefined, 1)}\n`);
  writeFileSync(join(out, 'RESULTS.md'), markdown(results, PICTURE));
  try {
    writeFileSync(join(out, PICTURE), `${await draw(results)}\n`);
  } catch (error) {
    console.error(`no picture: ${(error as Error).message}`);
  }
}

/** Of workloads that are not measured again, the results stay. */
function earlier(out: string | undefined): readonly WorkloadResult[] {
  const path = out && join(out, 'results.json');
  if (!path || !existsSync(path)) return [];
  return (JSON.parse(readFileSync(path, 'utf8')) as Results).workloads;
}

function replaced(
  workloads: readonly WorkloadResult[],
  result: WorkloadResult,
): readonly WorkloadResult[] {
  const others = workloads.filter(({ name }) => name !== result.name);
  const order = WORKLOADS.map(({ name }) => name);
  return [...others, result].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
}

function choose(): readonly Measured[] {
  const parts = options.only?.split(',');
  const isMeant = (name: string, part: string) =>
    WORKLOADS.some((one) => one.name === part) ? name === part : name.includes(part);
  return WORKLOADS.filter(({ name, isSmoke }) =>
    parts ? parts.some((part) => isMeant(name, part)) : !options.quick || isSmoke,
  ).map((measured) => ({
    ...measured,
    subjects: measured.subjects.filter((subject) => options.peers || isOurs(subject)),
  }));
}

function isOurs(subject: string): boolean {
  return (
    find(subject).how === 'raw' ||
    /^(walrus (io_uring|pwrite|portable)|store .*|js log)$/.test(subject)
  );
}

function scaleOf(): Scale {
  const { quick, seed } = options;
  return {
    rounds: options.rounds ?? (quick ? 1 : 5),
    seconds: options.seconds ?? (quick ? 0.02 : 0.3),
    maxBytes: quick ? 2e6 : 1e9,
    openBytes: quick ? 2e6 : 1.6e9,
    sustainedShare: quick ? 0.001 : 1,
    seed,
  };
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0 is needed');
  return value;
}

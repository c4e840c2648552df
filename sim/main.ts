/**
 * `make sim`: plays seeds, says what was seen, and ends a failure with the command that repeats it.
 * Exit code 0: no property failed; 1: one did; 2: the simulator itself did, or was called wrongly.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError } from 'commander';
import { Diagram } from './diagram.ts';
import { hasFailed, playAll } from './fleet.ts';
import type { Regression } from './regression.ts';
import { type Played, play, runOfSeed } from './seed.ts';
import { shrink } from './shrink.ts';
import type { Run } from './simulator.ts';
import { Story } from './story.ts';
import { Summary } from './summary.ts';
import { traceLines } from './trace-lines.ts';

interface Flags {
  readonly seed?: string;
  readonly seeds: number;
  readonly first: number;
  readonly duration: number;
  readonly jobs: number;
  readonly trace?: string;
  readonly replay?: string;
  readonly shrink?: boolean;
  readonly story?: boolean;
  readonly verbose?: boolean;
  readonly diagram?: string;
  readonly keepGoing?: boolean;
  readonly beyond?: boolean;
  readonly harm?: boolean;
}

const REGRESSIONS = 'traces/regressions';
/** Runs that failed and that nobody has looked into. */
const FAILED = 'traces/failed';
const SHRINK_ATTEMPTS = 2000;
/** Of a story, when it ends badly; and of the trace, so that there are as many among them that a story tells. */
const LAST_LINES = 30;
const KEPT_LINES = 5000;

const command = new Command('sim')
  .description('Plays simulated clusters of real nodes, from seeds, and checks every step.')
  .option('--seed <seed>', 'play only this seed')
  .option('--seeds <count>', 'how many seeds to play', positive, 100)
  .option('--first <seed>', "number of the first of them; 'commit': seeds of this commit", first, 1)
  .option('--duration <seconds>', 'virtual length of the phase with faults', positive, 300)
  .option('--jobs <count>', 'threads', positive, availableParallelism())
  .option('--trace <file>', 'write every event of the run as NDJSON')
  .option('--replay <file>', 'play a run that was kept as a regression')
  .option('--shrink', 'make a failing run small and keep it as a regression')
  .option('--story', 'tell the story of the run, of --seed or --replay')
  .option('--verbose', 'print the actions of the run one by one, of --seed or --replay')
  .option('--diagram <file>', 'draw the end of the run, of --seed or --replay, as SVG')
  .option('--keep-going', 'play all seeds, even after a failure')
  .option('--beyond', 'also what the code is known not to stand yet')
  .option('--harm', 'what no cluster survives: is the harm told?')
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .parse();
const flags = command.opts<Flags>();

process.exitCode = await main();

async function main(): Promise<number> {
  const wrong = misuse();
  if (wrong !== undefined) {
    console.error(wrong);
    return 2;
  }
  if (flags.replay !== undefined) return single(readRegression(flags.replay)!);
  if (flags.seed !== undefined) return single(runOfSeed(flags.seed, flags.duration * 1000, flags));
  return many();
}

/** What is wrong with the command line, in the words of `make`; undefined if nothing is. */
function misuse(): string | undefined {
  const { seed, replay } = flags;
  const isOne = seed !== undefined || replay !== undefined;
  const task = flags.shrink ? 'shrink' : 'replay';
  if (!isOne && (flags.shrink || flags.story || flags.verbose || flags.diagram !== undefined)) {
    return `make ${task}: which run? SEED=7, or FILE=traces/regressions/x.json`;
  }
  if (seed !== undefined && replay !== undefined) return `make ${task}: SEED= or FILE=, not both`;
  if (isOne && (command.getOptionValueSource('seeds') === 'cli' || flags.first !== 1)) {
    return 'make sim: SEED= plays one seed, N= so many from FIRST= on; say one of the two';
  }
  if (replay !== undefined && readRegression(replay) === undefined) {
    return `make ${task}: no run is kept in ${replay}; they are in traces/regressions and traces/failed`;
  }
  return undefined;
}

/** A run that was kept. Undefined if the file holds none. */
function readRegression(file: string): Regression | undefined {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as Regression;
    return kept.plan === undefined ? undefined : kept;
  } catch {
    return undefined;
  }
}

function single(run: Run): number {
  console.log(`seed ${run.seed}`);
  const story = flags.story
    ? new Story((line) => console.log(line), process.stdout.isTTY)
    : undefined;
  const diagram = flags.diagram === undefined ? undefined : new Diagram();
  const lines: string[] = [];
  const played = play(run, (event) => {
    story?.event(event);
    diagram?.event(event);
    const line = JSON.stringify(event);
    lines.push(line);
    if (flags.verbose) for (const told of traceLines([line])) console.log(told);
    if (flags.trace === undefined && lines.length === 2 * KEPT_LINES) lines.splice(0, KEPT_LINES);
  });
  if (flags.trace !== undefined)
    writeFileSync(flags.trace, lines.map((line) => `${line}\n`).join(''));
  if (story !== undefined && played.outcome !== undefined) story.end(played.outcome);
  if (diagram !== undefined) {
    writeFileSync(flags.diagram!, diagram.svg(`seed ${run.seed}`, played.outcome?.failure));
    console.log(`drawn in ${flags.diagram}`);
  }
  const summary = new Summary();
  summary.add(played);
  if (story === undefined)
    for (const line of summary.lines(played.wallMs, cpuMs())) console.log(line);
  console.log(`hash ${played.outcome?.hash}`);
  if (!hasFailed(played)) {
    console.log(summary.sentence());
    if (flags.shrink)
      console.log(
        'There is nothing to shrink: make sim FIRST=commit N=500 looks for a run that fails',
      );
    return 0;
  }
  if (!flags.verbose) for (const told of traceLines(lines).slice(-LAST_LINES)) console.log(told);
  return report(played, run);
}

async function many(): Promise<number> {
  const seeds = Array.from({ length: flags.seeds }, (_, i) => String(flags.first + i));
  console.log(
    `seeds ${seeds[0]} to ${seeds.at(-1)}, ${flags.duration} s each, ${flags.jobs} threads`,
  );
  const bar = process.stdout.isTTY
    ? new SingleBar({ format: '{bar} {value}/{total} seeds, {ratio} to 1, {failures} failed' })
    : undefined;
  bar?.start(seeds.length, 0, { ratio: '-', failures: 0 });
  const startMs = performance.now();
  const summary = new Summary();
  const failures: Played[] = [];
  await playAll({
    seeds,
    durationMs: flags.duration * 1000,
    jobs: flags.jobs,
    beyond: flags.beyond,
    harm: flags.harm,
    onPlayed: (played) => {
      summary.add(played);
      if (hasFailed(played)) {
        failures.push(played);
        if (bar === undefined) say(played);
      }
      bar?.update(summary.seeds, {
        ratio: Math.round(summary.ratio(cpuMs())),
        failures: failures.length,
      });
      if (bar === undefined && summary.seeds % Math.ceil(seeds.length / 10) === 0) {
        console.log(`${summary.seeds} of ${seeds.length} seeds, ${failures.length} failed`);
      }
      return flags.keepGoing === true || failures.length === 0;
    },
  });
  bar?.stop();
  for (const line of summary.lines(performance.now() - startMs, cpuMs())) console.log(line);
  if (bar !== undefined) for (const failed of failures.slice(1)) say(failed);
  const [first] = failures;
  if (first !== undefined) {
    return report(first, runOfSeed(first.seed, flags.duration * 1000, flags));
  }
  console.log(summary.sentence());
  return 0;
}

/** Tells of a failure; the last line repeats it. */
function report(played: Played, run: Run): number {
  say(played);
  const property = played.outcome?.failure?.property;
  if (flags.shrink && property !== undefined) keepSmall(run, property);
  if (flags.replay !== undefined) console.log(`make replay FILE=${flags.replay}`);
  else {
    keep(FAILED, run, property ?? 'Crash');
    const draw = `${flags.beyond ? ' BEYOND=1' : ''}${flags.harm ? ' HARM=1' : ''}`;
    console.log(`make sim SEED=${played.seed} DURATION=${flags.duration}${draw}`);
  }
  return played.crash === undefined ? 1 : 2;
}

function say({ seed, crash, outcome }: Played): void {
  const failure = outcome?.failure;
  if (crash !== undefined) console.log(`seed ${seed}: the simulator failed: ${crash}`);
  else console.log(`seed ${seed} at ${(failure!.atMs / 1000).toFixed(6)} s: ${failure!.message}`);
}

function keepSmall(run: Run, property: string): void {
  keep(
    REGRESSIONS,
    shrink(run, property, (each) => play(each).outcome, SHRINK_ATTEMPTS),
    property,
  );
}

/** Seeds mean something else once the swarm draws otherwise; a file does not. */
function keep(folder: string, run: Run, property: string): void {
  const { faults, calls } = run.plan;
  const regression: Regression = { ...run, property, note: '' };
  const file = `${folder}/${property}-${run.seed}.json`;
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, `${JSON.stringify(regression, undefined, 2)}\n`);
  console.log(`kept as ${file}: ${faults.length} faults, ${calls.length} calls`);
}

/** What this process has used of all cores. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Other seeds for each commit, a million apart: the same ones wherever it is checked out. */
function first(text: string): number {
  if (text !== 'commit') return whole(text);
  const hash = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' });
  return 1_000_000 * Number.parseInt(hash.slice(0, 7), 16);
}

function positive(text: string): number {
  const value = whole(text);
  if (value === 0) throw new InvalidArgumentError('expected 1 or more');
  return value;
}

function whole(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError('expected a whole number');
  return value;
}

/**
 * `make trace-check`: lets TLC decide whether the specification allows traces. Each trace is checked twice, its data
 * plane against DistributedLog and its Raft events against MetadataRaft; each run checks tampered copies too, all of
 * which must be refused. Exit code 0: all accepted. 1: one refused, or a tampered one accepted. 2: could not be run.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { NodeId } from '../impl/core/ids.ts';
import type { RaftEvent } from '../impl/core/raft/trace.ts';
import type { DataEvent, TraceEvent } from '../impl/core/trace.ts';
import { MissingTool, WORK } from './jar.ts';
import { projectLog } from './log-trace.ts';
import { projectRaft } from './raft-trace.ts';
import { tamper } from './tampering.ts';
import { explain } from './trace-explanation.ts';
import { mergeTraces, parseNodeTrace, UnmergeableError } from './trace-merge.ts';
import { checkTraces, type Projected, type SpecName } from './trace-tlc.ts';

interface Source {
  /** What the trace is called in what is printed. */
  readonly name: string;
  readonly events: readonly TraceEvent[];
  /** The line of the file that each event was in. */
  readonly lineOf: ReadonlyMap<TraceEvent, number>;
}

/** One trace in the words of one spec; `tampered` says what was done to it. */
interface Case extends Projected {
  readonly source: Source;
  readonly tampered: string | undefined;
  /** The events, and of each line of the projection which of them it tells of. */
  readonly events: readonly TraceEvent[];
  readonly origins: readonly number[];
}

/** The simulator, compiled or not as this file is. */
const SIMULATOR = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../sim/main.ts' : '../sim/main.js', import.meta.url),
);

const GOLDEN = join(process.cwd(), 'traces', 'golden');

/** Traces of the first `count` seeds. Whether a run fails does not matter here. */
function simulate(count: number, durationS: number): Source[] {
  mkdirSync(WORK, { recursive: true });
  const directory = mkdtempSync(join(WORK, 'seeds-'));
  try {
    return Array.from({ length: count }, (_, i) => {
      const file = join(directory, `${i + 1}.ndjson`);
      const flags = ['--seed', `${i + 1}`, '--duration', `${durationS}`, '--trace', file];
      spawnSync(process.execPath, [...process.execArgv, SIMULATOR, ...flags], { stdio: 'ignore' });
      return { ...read(file), name: `seed ${i + 1}` };
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The traces of the nodes of one cluster, as one. */
function readCluster(files: readonly string[]): Source {
  const traces = files.map((file) => parseNodeTrace(readFileSync(file, 'utf8')));
  return { name: files.join(' + '), events: mergeTraces(traces), lineOf: new Map() };
}

function read(file: string): Source {
  const lineOf = new Map<TraceEvent, number>();
  for (const [i, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    if (line === '') continue;
    for (const event of known(JSON.parse(line) as { name: string; node: number })) {
      lineOf.set(event, i + 1);
    }
  }
  return { name: file, events: [...lineOf.keys()], lineOf };
}

/** What the simulator says besides: that it injects a fault is no action, that a process ends is a crash. */
function known(event: { name: string; node: number }): TraceEvent[] {
  if (event.name === 'Fault' || event.name === 'Phase') return [];
  if (event.name === 'Ended') return [{ name: 'Crash', node: event.node as NodeId }];
  return [event as TraceEvent];
}

function isRaft(event: TraceEvent): event is RaftEvent {
  return 'state' in event;
}

/**
 * Raft's events up to the first disk that was replaced: from there on a number stands for two members, which only the
 * incarnations tell apart.
 */
function raftEvents(events: readonly TraceEvent[]): RaftEvent[] {
  const end = events.findIndex(({ name }) => name === 'ReplaceDisk');
  return (end < 0 ? events : events.slice(0, end)).filter(isRaft);
}

function logEvents(events: readonly TraceEvent[]): DataEvent[] {
  return events.filter((event): event is DataEvent => !isRaft(event));
}

function casesOf(spec: SpecName, source: Source, controls: number): Case[] {
  const chosen = spec === 'MetadataRaft' ? raftEvents(source.events) : logEvents(source.events);
  if (chosen.length === 0) return [];
  const cases = [project(spec, source, chosen, undefined)];
  for (let i = 0; i < controls; i++) {
    const changed = tamper(chosen, i, hash(source.name) + i);
    if (changed !== undefined) cases.push(project(spec, source, changed.events, changed.what));
  }
  return cases;
}

function project(
  spec: SpecName,
  source: Source,
  events: readonly TraceEvent[],
  tampered: string | undefined,
): Case {
  const projected =
    spec === 'MetadataRaft'
      ? projectRaft(events as readonly RaftEvent[])
      : projectLog(events as readonly DataEvent[]);
  return { ...projected, source, tampered, events };
}

function hash(text: string): number {
  let value = 7;
  for (let i = 0; i < text.length; i++) value = (Math.imul(value, 31) + text.charCodeAt(i)) | 0;
  return Math.abs(value);
}

/** Where in its file the event of the projection stands. */
function placeIn({ source, events, origins }: Case, event: number): string {
  const told = events[origins[event - 1] ?? -1];
  const line = told === undefined ? undefined : source.lineOf.get(told);
  return line === undefined ? '' : `, line ${line}`;
}

/** Checks one spec over all sources; prints what was found, and gives whether it is as it should be. */
async function check(
  spec: SpecName,
  sources: readonly Source[],
  { invariants, controls: wanted }: { invariants: boolean; controls: number },
): Promise<boolean> {
  // The shortest traces are tampered with: what has to be refused costs as much as what is accepted.
  const inOrder = [...sources].sort((a, b) => a.events.length - b.events.length);
  const each = Math.ceil(wanted / sources.length);
  const cases = inOrder.flatMap((source, i) =>
    casesOf(spec, source, Math.max(0, Math.min(each, wanted - i * each))),
  );
  if (cases.length === 0) {
    console.log(`${spec.padEnd(16)} no events`);
    return true;
  }
  const started = performance.now();
  const verdicts = await checkTraces(spec, cases, invariants);
  const seconds = (performance.now() - started) / 1000;
  const real = cases.filter(({ tampered }) => tampered === undefined);
  const events = real.reduce((sum, { lines }) => sum + lines.length, 0);
  const controls = cases.length - real.length;
  const wrong = cases.filter((of, i) => verdicts[i]!.accepted === (of.tampered !== undefined));
  const checked = cases.reduce(
    (sum, { lines }, i) => sum + (verdicts[i]!.accepted ? lines.length : 0),
    0,
  );
  console.log(
    `${spec.padEnd(16)} ${real.length} traces, ${events} events; ${controls} tampered copies; ` +
      `${seconds.toFixed(1)} s, ${Math.round(checked / seconds)} events/s` +
      `${invariants ? ' with all invariants' : ''}; ${wrong.length === 0 ? 'as it should be' : `${wrong.length} NOT as they should be`}`,
  );
  for (const one of wrong.slice(0, 3)) {
    const { violated } = verdicts[cases.indexOf(one)]!;
    if (one.tampered !== undefined) {
      console.log(`  accepted although ${one.tampered}: ${one.source.name}`);
    } else if (violated !== undefined) {
      const { invariant, event } = violated;
      console.log(
        `${one.source.name}: ${invariant} is violated before event ${event}${placeIn(one, event)}`,
      );
    } else {
      console.log(await explain(spec, one, one.source.name, (event) => placeIn(one, event)));
    }
  }
  return wrong.length === 0;
}

interface Options {
  readonly cluster: boolean;
  readonly seeds?: number;
  readonly duration: number;
  readonly invariants: boolean;
  readonly controls: number;
  readonly spec?: SpecName;
}

const SPECS: readonly SpecName[] = ['DistributedLog', 'MetadataRaft'];

const count = (value: string): number => {
  if (!/^[1-9]\d*$/.test(value)) throw new InvalidArgumentError('expected a whole number.');
  return Number(value);
};

const command = new Command('trace-check')
  .description(
    'Lets TLC decide whether the specification allows traces, and refuses tampered copies.',
  )
  .argument('[files...]', 'traces, one event a line (default: those in traces/golden)')
  .option('--cluster', 'the files are of the nodes of one cluster, one each', false)
  .option('--seeds <count>', 'traces of so many simulated runs as well', count)
  .option('--duration <seconds>', 'virtual length of each of those', count, 20)
  .option('--invariants', 'check all invariants after each event, at half the speed', false)
  .option('--controls <count>', 'tampered copies that have to be refused', count, 12)
  .addOption(new Option('--spec <name>', 'check against one of the two only').choices(SPECS));

async function main(): Promise<number> {
  command.parse();
  const options = command.opts<Options>();
  const files = command.args;
  const sources = options.cluster ? [readCluster(files)] : files.map(read);
  if (files.length === 0) sources.push(...golden());
  if (options.seeds !== undefined) sources.push(...simulate(options.seeds, options.duration));
  const empty = sources.find(({ events }) => events.length === 0);
  if (empty !== undefined) throw new MissingTool(`${empty.name}: no event in it`);
  let good = true;
  for (const spec of SPECS) {
    if (options.spec !== undefined && options.spec !== spec) continue;
    good = (await check(spec, sources, options)) && good;
  }
  return good ? 0 : 1;
}

/** The traces that are kept. */
function golden(): Source[] {
  return readdirSync(GOLDEN)
    .filter((name) => name.endsWith('.ndjson'))
    .map((name) => ({ ...read(join(GOLDEN, name)), name }));
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    const isTold = error instanceof MissingTool || error instanceof UnmergeableError;
    console.error(isTold ? error.message : error);
    process.exitCode = error instanceof UnmergeableError ? 1 : 2;
  },
);

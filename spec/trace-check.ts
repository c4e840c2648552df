/**
 * `make trace-check`: lets TLC decide whether the specification allows traces. Each trace is checked twice, its data
 * plane against DistributedLog and its Raft events against MetadataRaft; each run checks tampered copies too, all of
 * which must be refused. Exit code 0: all accepted. 1: one refused, or a tampered one accepted. 2: could not be run.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { NodeId } from '../impl/core/ids.ts';
import type { RaftEvent } from '../impl/core/raft/trace.ts';
import type { DataEvent, TraceEvent } from '../impl/core/trace.ts';
import { MissingTool, WORK } from './jar.ts';
import { projectLog } from './log-trace.ts';
import { projectRaft } from './raft-trace.ts';
import { tamper } from './tampering.ts';
import { checkTraces, explain, type Projected, type SpecName } from './trace-tlc.ts';

interface Source {
  /** What the trace is called in what is printed. */
  readonly name: string;
  readonly events: readonly TraceEvent[];
}

/** One trace in the words of one spec; `tampered` says what was done to it. */
interface Case extends Projected {
  readonly source: Source;
  readonly tampered: string | undefined;
}

/** The simulator, compiled or not as this file is. */
const SIMULATOR = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../sim/main.ts' : '../sim/main.js', import.meta.url),
);

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

function read(file: string): Source {
  const events = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => known(JSON.parse(line) as { name: string; node: number }));
  return { name: file, events };
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
  return { ...projected, source, tampered };
}

function hash(text: string): number {
  let value = 7;
  for (let i = 0; i < text.length; i++) value = (Math.imul(value, 31) + text.charCodeAt(i)) | 0;
  return Math.abs(value);
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
  const checked = cases.reduce((sum, _, i) => sum + verdicts[i]!.steps, 0);
  console.log(
    `${spec.padEnd(16)} ${real.length} traces, ${events} events; ${controls} tampered copies; ` +
      `${seconds.toFixed(1)} s, ${Math.round(checked / seconds)} events/s` +
      `${invariants ? ' with all invariants' : ''}; ${wrong.length === 0 ? 'as it should be' : 'WRONG'}`,
  );
  for (const one of wrong.slice(0, 3)) {
    if (one.tampered !== undefined)
      console.log(`  accepted although ${one.tampered}: ${one.source.name}`);
    else console.log(await explain(spec, one, one.source.name));
  }
  return wrong.length === 0;
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string' },
      duration: { type: 'string', default: '20' },
      invariants: { type: 'boolean', default: false },
      controls: { type: 'string', default: '12' },
      spec: { type: 'string' },
    },
  });
  const sources = positionals.map(read);
  if (values.seeds !== undefined) {
    sources.push(...simulate(Number(values.seeds), Number(values.duration)));
  }
  if (sources.length === 0) {
    console.error(
      'usage: trace-check [FILE...] [--seeds COUNT] [--duration SECONDS] [--invariants] ' +
        '[--controls COUNT] [--spec DistributedLog|MetadataRaft]',
    );
    return 2;
  }
  const how = { invariants: values.invariants, controls: Number(values.controls) };
  let good = true;
  for (const spec of ['DistributedLog', 'MetadataRaft'] as const) {
    if (values.spec !== undefined && values.spec !== spec) continue;
    good = (await check(spec, sources, how)) && good;
  }
  return good ? 0 : 1;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error instanceof MissingTool ? error.message : error);
    process.exitCode = 2;
  },
);

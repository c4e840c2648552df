/** Where traces come from: files, the nodes of one cluster, seeds that are played when their turn comes. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NodeId } from '../impl/core/ids.ts';
import type { TraceEvent } from '../impl/core/trace.ts';
import { MissingTool, WORK } from './jar.ts';
import { mergeTraces, parseNodeTrace } from './trace-merge.ts';

/** A trace that can be had, any number of times, and need not be kept meanwhile. */
export interface Source {
  /** What the trace is called in what is printed. */
  readonly name: string;
  /** Whether it is another process that does the work. */
  readonly isPlayed: boolean;
  /** Throws `MissingTool` if there is none, or no event in it. */
  read(): Promise<Trace>;
}

export interface Trace {
  readonly events: readonly TraceEvent[];
  /** The line of the file that each event was in. */
  readonly lineOf: ReadonlyMap<TraceEvent, number>;
}

/** The simulator, compiled or not as this file is. */
const SIMULATOR = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../sim/main.ts' : '../sim/main.js', import.meta.url),
);

const GOLDEN = join(process.cwd(), 'traces', 'golden');

/** The traces that are kept. */
export function golden(): Source[] {
  return readdirSync(GOLDEN)
    .filter((name) => name.endsWith('.ndjson'))
    .map((name) => ({ ...fromFile(join(GOLDEN, name)), name }));
}

export function fromFile(file: string): Source {
  return { name: file, isPlayed: false, read: async () => notEmpty(file, parse(file)) };
}

/** The traces of the nodes of one cluster, as one. */
export function fromCluster(files: readonly string[]): Source {
  const name = files.join(' + ');
  const read = async (): Promise<Trace> => {
    const traces = files.map((file) => parseNodeTrace(readFileSync(file, 'utf8')));
    return notEmpty(name, { events: mergeTraces(traces), lineOf: new Map() });
  };
  return { name, isPlayed: false, read };
}

/** A run of the simulator. Whether a property fails in it does not matter here. */
export function fromSeed(seed: number, durationS: number): Source {
  const name = `seed ${seed}`;
  const read = async (): Promise<Trace> => {
    mkdirSync(WORK, { recursive: true });
    const directory = mkdtempSync(join(WORK, 'seed-'));
    try {
      const file = join(directory, 'trace.ndjson');
      await simulate(['--seed', `${seed}`, '--duration', `${durationS}`, '--trace', file]);
      return notEmpty(name, parse(file));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
  return { name, isPlayed: true, read };
}

function simulate(flags: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const args = [...process.execArgv, SIMULATOR, ...flags];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    child.on('error', reject);
    child.on('close', () => resolve());
  });
}

function notEmpty(name: string, trace: Trace): Trace {
  if (trace.events.length === 0) throw new MissingTool(`${name}: no event in it`);
  return trace;
}

function parse(file: string): Trace {
  if (!existsSync(file)) throw new MissingTool(`${file}: there is no such trace`);
  const lineOf = new Map<TraceEvent, number>();
  for (const [i, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    if (line === '') continue;
    for (const event of known(JSON.parse(line) as { name: string; node: number })) {
      lineOf.set(event, i + 1);
    }
  }
  return { events: [...lineOf.keys()], lineOf };
}

/** What the simulator says besides: that it injects a fault is no action, that a process ends is a crash. */
function known(event: { name: string; node: number }): TraceEvent[] {
  if (event.name === 'Fault' || event.name === 'Phase') return [];
  if (event.name === 'Ended') return [{ name: 'Crash', node: event.node as NodeId }];
  return [event as TraceEvent];
}

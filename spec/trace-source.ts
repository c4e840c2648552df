/** Where traces come from: files, the nodes of one cluster, seeds that are played when their turn comes. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TraceEvent } from '../impl/core/trace.ts';
import type { Fleet } from '../sim/fleet.ts';
import { eventOf } from '../sim/trace.ts';
import { MissingTool } from './jar.ts';
import { mergeTraces, parseNodeTrace } from './trace-merge.ts';

/** A trace that can be had, any number of times, and need not be kept meanwhile. */
export interface Source {
  /** What the trace is called in what is printed. */
  readonly name: string;
  /** Throws `MissingTool` if there is none, or no event in it. */
  read(): Promise<Trace>;
}

export interface Trace {
  readonly events: readonly TraceEvent[];
  /** The line of the file that each event was in. */
  readonly lineOf: ReadonlyMap<TraceEvent, number>;
}

const GOLDEN = join(process.cwd(), 'traces', 'golden');

/** The traces that are kept. */
export function golden(): Source[] {
  return readdirSync(GOLDEN)
    .filter((name) => name.endsWith('.ndjson'))
    .map((name) => ({ ...fromFile(join(GOLDEN, name)), name }));
}

export function fromFile(file: string): Source {
  const read = async (): Promise<Trace> => {
    if (!existsSync(file)) throw new MissingTool(`${file}: there is no such trace`);
    return notEmpty(file, parse(readFileSync(file, 'utf8')));
  };
  return { name: file, read };
}

/** The traces of the nodes of one cluster, as one. */
export function fromCluster(files: readonly string[]): Source {
  const name = files.join(' + ');
  const read = async (): Promise<Trace> => {
    const traces = files.map((file) => parseNodeTrace(readFileSync(file, 'utf8')));
    return notEmpty(name, { events: mergeTraces(traces), lineOf: new Map() });
  };
  return { name, read };
}

/** A run of the simulator. Whether a property fails in it does not matter here. */
export function fromSeed(fleet: Fleet, seed: number, durationS: number): Source {
  const name = `seed ${seed}`;
  const read = async (): Promise<Trace> => {
    const task = { seed: `${seed}`, durationMs: durationS * 1000, isTraced: true };
    const { trace } = await fleet.play(task);
    return notEmpty(name, parse(trace));
  };
  return { name, read };
}

function notEmpty(name: string, trace: Trace): Trace {
  if (trace.events.length === 0) throw new MissingTool(`${name}: no event in it`);
  return trace;
}

function parse(text: string): Trace {
  const lineOf = new Map<TraceEvent, number>();
  for (const [i, line] of text.split('\n').entries()) {
    const event = eventOf(line);
    if (event !== undefined) lineOf.set(event, i + 1);
  }
  return { events: [...lineOf.keys()], lineOf };
}

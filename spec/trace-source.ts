/** Where traces come from: files, the nodes of one cluster, seeds that are played when their turn comes. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TraceEvent } from '../impl/core/trace.ts';
import { play, runOfSeed } from '../sim/seed.ts';
import { actionOf, eventOf } from '../sim/trace.ts';
import { MissingTool } from './jar.ts';
import { mergeTraces, parseNodeTrace } from './trace-merge.ts';

/** A trace that can be had, any number of times, in any thread, and need not be kept meanwhile. */
export type Source = {
  /** What the trace is called in what is printed. */
  readonly name: string;
} & (
  | { readonly kind: 'file'; readonly file: string }
  | { readonly kind: 'cluster'; readonly files: readonly string[] }
  | { readonly kind: 'seed'; readonly seed: string; readonly durationMs: number }
);

export interface Trace {
  readonly events: readonly TraceEvent[];
  /** The lines of the file that they were in, or would be; none if there is no one file. */
  readonly lines: readonly number[];
}

const GOLDEN = join(process.cwd(), 'traces', 'golden');

/** The traces that are kept. */
export function golden(): Source[] {
  return readdirSync(GOLDEN)
    .filter((name) => name.endsWith('.ndjson'))
    .map((name) => ({ ...fromFile(join(GOLDEN, name)), name }));
}

export function fromFile(file: string): Source {
  return { kind: 'file', name: file, file };
}

/** The traces of the nodes of one cluster, as one. */
export function fromCluster(files: readonly string[]): Source {
  return { kind: 'cluster', name: files.join(' + '), files };
}

/** A run of the simulator. Whether a property fails in it does not matter here. */
export function fromSeed(seed: number, durationS: number): Source {
  return { kind: 'seed', name: `seed ${seed}`, seed: `${seed}`, durationMs: durationS * 1000 };
}

/** Throws `MissingTool` if there is no such trace, or no event in it. */
export function read(source: Source): Trace {
  const trace = traceOf(source);
  if (trace.events.length === 0) throw new MissingTool(`${source.name}: no event in it`);
  return trace;
}

function traceOf(source: Source): Trace {
  switch (source.kind) {
    case 'file': {
      const { file } = source;
      if (!existsSync(file)) throw new MissingTool(`${file}: there is no such trace`);
      return numbered(readFileSync(file, 'utf8').split('\n').map(eventOf));
    }
    case 'cluster': {
      const traces = source.files.map((file) => parseNodeTrace(readFileSync(file, 'utf8')));
      return { events: mergeTraces(traces), lines: [] };
    }
    case 'seed': {
      const all: (TraceEvent | undefined)[] = [];
      play(runOfSeed(source.seed, source.durationMs), (event) => all.push(actionOf(event)));
      return numbered(all);
    }
  }
}

/** The actions of lines, some of which tell of none. */
function numbered(all: readonly (TraceEvent | undefined)[]): Trace {
  const trace = { events: [] as TraceEvent[], lines: [] as number[] };
  for (const [i, event] of all.entries()) {
    if (event === undefined) continue;
    trace.events.push(event);
    trace.lines.push(i + 1);
  }
  return trace;
}

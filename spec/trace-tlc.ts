/** Runs TLC on projected traces: many in one run, and one again, slowly, to say why it was refused. */
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { MissingTool, requireJava, SPEC, tlcJar, WORK } from './jar.ts';
import type { Line, Sizes } from './trace-line.ts';

export type SpecName = 'DistributedLog' | 'MetadataRaft';

export interface Projected {
  readonly sizes: Sizes;
  readonly lines: readonly Line[];
}

export interface Checked {
  readonly accepted: boolean;
  /** Events that were followed; 0 for a refused trace. */
  readonly steps: number;
}

const INVARIANTS: Record<SpecName, readonly string[]> = {
  DistributedLog: [
    'TypeInv',
    'AckedIsDurableInv',
    'SealedExactInv',
    'SingleWriterInv',
    'NoWritesPastOpenInv',
    'SequentialOrderInv',
    'CursorBoundsInv',
    'DeliveredOnceInv',
    'DomainConsistencyInv',
    'ViewIsPastInv',
  ],
  MetadataRaft: [
    'ElectionSafetyInv',
    'LogMatchingInv',
    'LeaderCompletenessInv',
    'StateMachineSafetyInv',
    'DurablePromiseInv',
    'ReadIndexInv',
  ],
};

/** What compares a state with what an event says of it, and what to put in its place to leave that out. */
const COMPARISONS: Record<SpecName, readonly string[]> = {
  DistributedLog: [],
  MetadataRaft: ['StateIs <- AnyState', 'DurableIs <- AnyDurable', 'MatchIs <- AnyMatch'],
};

/** Verdicts in the order of `traces`. Throws if TLC finds an invariant violated, or cannot do its work. */
export async function checkTraces(
  spec: SpecName,
  traces: readonly Projected[],
  invariants: boolean,
): Promise<Checked[]> {
  const verdicts: Checked[] = traces.map(() => ({ accepted: false, steps: 0 }));
  for (const group of groupsOf(traces)) {
    const output = await run(
      spec,
      group.map((i) => traces[i]!),
      {
        lines: invariants ? INVARIANTS[spec].map((name) => `INVARIANT ${name}`) : [],
        arguments: [],
      },
    );
    if (!output.includes('Model checking completed. No error has been found.')) {
      throw new Error(`TLC could not follow the traces:\n${beginning(output)}`);
    }
    for (const [, place] of output.matchAll(/<<"accepted", (\d+)>>/g)) {
      const i = group[Number(place) - 1]!;
      verdicts[i] = { accepted: true, steps: traces[i]!.lines.length };
    }
  }
  return verdicts;
}

/**
 * Traces of like size go together: the values of all states have a place for every node, topic and segment that any
 * trace of the run has.
 */
function groupsOf(traces: readonly Projected[]): number[][] {
  const groups = new Map<string, number[]>();
  traces.forEach(({ sizes }, i) => {
    const key = Object.entries(sizes)
      .map(([name, size]) =>
        name === 'records' ? '' : 2 ** Math.ceil(Math.log2(Math.max(size, 4))),
      )
      .join(' ');
    const exact = `${key} ${sizes.founders ?? ''}`;
    groups.set(exact, [...(groups.get(exact) ?? []), i]);
  });
  return [...groups.values()];
}

interface How {
  /** More lines of the configuration. */
  readonly lines: readonly string[];
  readonly arguments: readonly string[];
}

async function run(spec: SpecName, traces: readonly Projected[], how: How): Promise<string> {
  requireJava();
  const jar = tlcJar();
  const classes = compiledReader(jar);
  const directory = mkdtempSync(join(WORK, 'trace-'));
  try {
    const file = join(directory, 'traces');
    const sizes: Record<string, number> = {};
    for (const trace of traces) {
      for (const [name, size] of Object.entries(trace.sizes)) {
        sizes[name] = Math.max(sizes[name] ?? 0, size);
      }
    }
    const lines = [sizes, ...traces.map((trace) => trace.lines)].map((line) =>
      JSON.stringify(line),
    );
    writeFileSync(file, `${lines.join('\n')}\n`);
    const config = join(directory, 'trace.cfg');
    const base = readFileSync(join(SPEC, `Trace${spec}.cfg`), 'utf8');
    writeFileSync(config, `${base}${how.lines.join('\n')}\n`);
    return await java([
      '-XX:+UseSerialGC',
      '-Xmx2g',
      '-Xss16m',
      // As in tlc.ts: TLC unpacks the standard modules under fixed names and deletes them at its end.
      `-Djava.io.tmpdir=${directory}`,
      `-Dtraces=${file}`,
      '-cp',
      `${jar}:${classes}`,
      'tlc2.TLC',
      '-workers',
      '1',
      '-metadir',
      join(directory, 'states'),
      ...how.arguments,
      '-config',
      config,
      `Trace${spec}.tla`,
    ]);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function java(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('java', args, { cwd: SPEC });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (output += text));
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}

/** Where the compiled TraceReader is. Throws `MissingTool` if there is no compiler. */
function compiledReader(jar: string): string {
  const classes = join(WORK, 'classes');
  const source = join(SPEC, 'TraceReader.java');
  const made = join(classes, 'TraceReader.class');
  if (existsSync(made) && statSync(made).mtimeMs > statSync(source).mtimeMs) return classes;
  mkdirSync(classes, { recursive: true });
  const compiled = spawnSync('javac', ['-cp', jar, '-d', classes, source], { encoding: 'utf8' });
  if (compiled.status !== 0) {
    throw new MissingTool(
      'Traces are read by TraceReader.java, which `javac` could not compile. Nothing was checked.\n' +
        `${compiled.stderr ?? ''}\nInstall it, for example: apt-get install openjdk-17-jdk-headless`,
    );
  }
  return classes;
}

function beginning(output: string): string {
  const at = output.indexOf('Error:');
  return output.slice(Math.max(0, at), at + 3000);
}

/**
 * Follows one refused trace again and says which event no action explains, the acting node's state before it, what
 * the action would make of that, what the event says, and the last condition that was looked at.
 */
export async function explain(spec: SpecName, trace: Projected, name: string): Promise<string> {
  const first = await run(spec, [trace], { lines: ['INVARIANT TellNext'], arguments: [] });
  const at = Math.max(
    ...[...first.matchAll(/<<"next", (\d+)>>/g)].map((match) => Number(match[1])),
  );
  const line = trace.lines[at - 1];
  if (line === undefined)
    return `${name}: TLC followed it to its end, and refused it\n${beginning(first)}`;
  const until = { sizes: { ...trace.sizes, stop: at }, lines: trace.lines.slice(0, at) };
  const before = { ...until, lines: trace.lines.slice(0, at - 1) };
  const coverage = ['-coverage', '1'];
  const told = await run(spec, [until], {
    lines: ['CONSTANTS', ...COMPARISONS[spec], 'INVARIANT TellState'],
    arguments: [],
  });
  const [had, would] = [...told.matchAll(/<<\s*"state",\s*\d+,\s*([\s\S]*?)\s*>>\n(?=\S)/g)].map(
    (match) => match[1]!.replace(/\s+/g, ' '),
  );
  const looked = newlyLookedAt(
    await run(spec, [before], { lines: [], arguments: coverage }),
    await run(spec, [until], { lines: [], arguments: coverage }),
    String(line.e),
  );
  return [
    `${name}: no action of ${spec} explains event ${at}`,
    `  event     ${JSON.stringify(line)}`,
    `  before    ${had ?? '?'}`,
    `  would be  ${would ?? 'no such step: a condition of the action itself does not hold'}`,
    `  last condition that was looked at:`,
    ...looked.map((text) => `    ${text}`),
  ].join('\n');
}

interface Place {
  readonly module: string;
  readonly line: number;
  readonly count: number;
}

/** Conditions that were evaluated in `after` more often than in `before`, the last one of each definition. */
function newlyLookedAt(before: string, after: string, action: string): string[] {
  const old = new Map(
    places(before).map((place) => [`${place.module} ${place.line}`, place.count]),
  );
  const sources = new Map<string, string[]>();
  const last = new Map<string, string>();
  for (const { module, line, count } of places(after)) {
    if (count <= (old.get(`${module} ${line}`) ?? 0)) continue;
    let source = sources.get(module);
    if (source === undefined) {
      const file = join(SPEC, `${module}.tla`);
      if (!existsSync(file)) continue;
      source = readFileSync(file, 'utf8').split('\n');
      sources.set(module, source);
    }
    const definition = definitionAt(source, line);
    if (definition !== action && !definition.endsWith('Is')) continue;
    last.set(definition, `${module}.tla:${line}  ${source[line - 1]!.trim()}`);
  }
  return [...last.values()];
}

/** Of each line the highest count of an expression that begins there, in the order of lines. */
function places(output: string): Place[] {
  const end = output.lastIndexOf('The coverage statistics');
  const highest = new Map<string, Place>();
  const pattern = /line (\d+), col \d+ to line \d+, col \d+ of module (\w+): (\d+)/g;
  for (const [, line, module, count] of output.slice(Math.max(0, end)).matchAll(pattern)) {
    const place = { module: module!, line: Number(line), count: Number(count) };
    const key = `${module} ${line}`;
    if ((highest.get(key)?.count ?? -1) < place.count) highest.set(key, place);
  }
  return [...highest.values()].sort((a, b) => a.line - b.line);
}

function definitionAt(source: readonly string[], line: number): string {
  for (let at = line - 1; at >= 0; at--) {
    const found = /^(\w+)(\(.*\))? ==/.exec(source[at]!);
    if (found !== null) return found[1]!;
  }
  return '';
}

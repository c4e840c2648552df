/** Runs TLC on projected traces: many in one run, as many runs side by side as there are cores. */
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
import { availableParallelism } from 'node:os';
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
  /** An invariant that does not hold, and before which event, if invariants were looked at. */
  readonly violated: { readonly invariant: string; readonly event: number } | undefined;
}

/** Events that one TLC gets at most, if they are of several traces. */
const EVENTS_MAX = 400_000;
/** So few that the start of another TLC would cost more than it brings. */
const EVENTS_MIN = 20_000;

/** Verdicts in the order of `traces`. Throws if TLC cannot do its work. */
export async function checkTraces(
  spec: SpecName,
  traces: readonly Projected[],
  invariants: boolean,
): Promise<Checked[]> {
  const verdicts: Checked[] = traces.map(() => ({ accepted: false, violated: undefined }));
  const jobs = jobsOf(traces);
  const work = async (): Promise<void> => {
    for (let job = jobs.pop(); job !== undefined; job = jobs.pop()) {
      const chosen = job;
      const output = await run(
        `Trace${spec}`,
        chosen.map((i) => traces[i]!),
        { invariants },
      );
      for (const [, place] of output.matchAll(/<<"accepted", (\d+)>>/g)) {
        verdicts[chosen[Number(place) - 1]!] = { accepted: true, violated: undefined };
      }
      for (const [, place, event, invariant] of output.matchAll(
        /<<"violated", (\d+), (\d+), "(\w+)">>/g,
      )) {
        const violated = { invariant: invariant!, event: Number(event) };
        verdicts[chosen[Number(place) - 1]!] = { accepted: false, violated };
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  return verdicts;
}

/**
 * Which traces go into one run, the largest run last. Those of like size go together: the values of all states have a
 * place for every node, topic and segment that any trace of the run has. All cores get work, if there is enough.
 */
function jobsOf(traces: readonly Projected[]): number[][] {
  const eventsOf = (job: readonly number[]): number =>
    job.reduce((sum, i) => sum + traces[i]!.lines.length, 0);
  const each = eventsOf(traces.map((_, i) => i)) / availableParallelism();
  const most = Math.max(EVENTS_MIN, Math.min(EVENTS_MAX, each));
  const open = new Map<string, { members: number[]; events: number }>();
  const jobs: number[][] = [];
  traces.forEach(({ sizes, lines }, i) => {
    const key = Object.entries(sizes)
      .filter(([name]) => name !== 'records')
      .map(([name, size]) =>
        name === 'founders' ? size : 2 ** Math.ceil(Math.log2(Math.max(size, 4))),
      )
      .join(' ');
    const job = open.get(key);
    if (job !== undefined && job.events + lines.length <= most) {
      job.members.push(i);
      job.events += lines.length;
    } else {
      const members = [i];
      open.set(key, { members, events: lines.length });
      jobs.push(members);
    }
  });
  return jobs.sort((a, b) => eventsOf(a) - eventsOf(b));
}

export interface How {
  readonly invariants: boolean;
  /** More of what the first line of the file of traces says. */
  readonly header?: Line;
  /** A module that extends the one that is run, and what its configuration adds. */
  readonly module?: { readonly text: string; readonly configuration: string };
}

/** Runs TLC on `Trace<Spec>.tla` and gives what it said. Throws if it did not come to its end. */
export async function run(name: string, traces: readonly Projected[], how: How): Promise<string> {
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
    const header = { ...sizes, ...how.header, invariants: how.invariants };
    const lines = [header, ...traces.map((trace) => trace.lines)];
    writeFileSync(file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
    let configuration = readFileSync(join(SPEC, `${name}.cfg`), 'utf8');
    let module = `${name}.tla`;
    if (how.module !== undefined) {
      module = join(directory, 'Explanation.tla');
      writeFileSync(module, how.module.text);
      configuration = `${configuration.replace(/^SPECIFICATION.*\n/, '')}${how.module.configuration}`;
    }
    const config = join(directory, 'trace.cfg');
    writeFileSync(config, configuration);
    const longest = Math.max(...traces.map((trace) => trace.lines.length));
    const output = await java([
      '-XX:+UseSerialGC',
      // A run is over before the better compiler has paid for itself.
      '-XX:TieredStopAtLevel=1',
      '-Xmn600m',
      // A walk keeps all of its states.
      '-Xmx3g',
      '-Xss64m',
      // As in tlc.ts: TLC unpacks the standard modules under fixed names and deletes them at its end.
      `-Djava.io.tmpdir=${directory}`,
      `-DTLA-Library=${SPEC}`,
      `-Dtraces=${file}`,
      '-cp',
      `${jar}:${classes}`,
      'tlc2.TLC',
      '-simulate',
      `num=${traces.length}`,
      '-depth',
      `${longest + 3}`,
      '-workers',
      '1',
      '-metadir',
      join(directory, 'states'),
      '-config',
      config,
      module,
    ]);
    if (!/^Finished in/m.test(output) || /^(Error:|Exception in)/m.test(output)) {
      throw new Error(`TLC could not follow the traces:\n${beginning(output)}`);
    }
    return output;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function java(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('java', args, { cwd: SPEC });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => {
      output += text;
      // When a walk ends like this, the rest of TLC waits for it for ever.
      if (output.includes('Exception in thread')) child.kill();
    });
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
  const at = output.search(/\*\*\*|Error:|Exception in/);
  return output.slice(Math.max(0, at), at + 3000);
}

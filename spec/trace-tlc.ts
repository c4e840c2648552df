/** Runs TLC on projected traces, many in one run. */
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { MissingTool, requireJava, SPEC, tlcJar, WORK } from './jar.ts';
import { ownDirectory, stopAtExit } from './own-directory.ts';
import { type Line, type Projected, type Teller, type Written, write } from './trace-line.ts';

/** Of a run that is short; with invariants an event takes several times as long. */
const SHORT_EVENTS = { plain: 400_000, withInvariants: 60_000 };

/** Traces for one run of TLC, on the disk. */
export class TraceFiles {
  readonly directory: string = ownDirectory('traces');
  /** How many traces, how many events in all, and in the longest. */
  traces = 0;
  events = 0;
  longest = 0;
  private readonly sizes: { [name: string]: number; topics?: number; segments?: number } = {};

  add({ sizes, lines }: Pick<Projected, 'sizes' | 'lines'>): void {
    const teller: Teller = (tell) => {
      for (const [i, line] of lines.entries()) tell(line, i);
      return sizes;
    };
    this.take(write(teller, join(this.directory, 'new')));
  }

  /** Segments of all topics, for each of which a state has a place. */
  get places(): number {
    const { topics = 1, segments = 1 } = this.sizes;
    return topics * segments;
  }

  /** The trace's file becomes one of these. */
  take({ sizes, events, file }: Written): void {
    for (const [name, size] of Object.entries(sizes)) {
      this.sizes[name] = Math.max(this.sizes[name] ?? 0, size);
    }
    this.traces++;
    this.events += events;
    this.longest = Math.max(this.longest, events);
    renameSync(file, join(this.directory, `${this.traces}`));
  }

  /** Nothing can be added after this. */
  end(header: Line): void {
    const all = { ...this.sizes, ...header };
    writeFileSync(join(this.directory, 'header'), `${JSON.stringify(all)}\n`);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export interface How {
  readonly invariants: boolean;
  /** More of what the header of the file of traces says. */
  readonly header?: Line;
  /** A module that extends the one that is run, and what its configuration adds. */
  readonly module?: { readonly text: string; readonly configuration: string };
}

/**
 * Runs TLC on `Trace<Spec>.tla` and gives what it said; the file is gone then. Throws if TLC did not come to its end.
 */
export async function run(name: string, traces: TraceFiles, how: How): Promise<string> {
  const { directory } = traces;
  try {
    requireJava();
    const jar = tlcJar();
    const classes = compiledReader(jar);
    traces.end({ ...how.header, invariants: how.invariants });
    let configuration = readFileSync(join(SPEC, `${name}.cfg`), 'utf8');
    let module = `${name}.tla`;
    if (how.module !== undefined) {
      const [, called] = /MODULE (\w+)/.exec(how.module.text)!;
      module = join(directory, `${called}.tla`);
      writeFileSync(module, how.module.text);
      configuration = `${configuration.replace(/^SPECIFICATION.*\n/, '')}${how.module.configuration}`;
    }
    const config = join(directory, 'trace.cfg');
    writeFileSync(config, configuration);
    const output = await java([
      '-XX:+UseSerialGC',
      // A short run is over before the better compiler has paid for itself.
      ...(isShort(traces, how) ? ['-XX:TieredStopAtLevel=1'] : []),
      // A walk keeps the messages of its trace. All else dies young, in a room small enough for the caches.
      '-Xmx3g',
      '-Xmn64m',
      '-Xss64m',
      // As in tlc.ts: TLC unpacks the standard modules under fixed names and deletes them at its end.
      `-Djava.io.tmpdir=${directory}`,
      `-DTLA-Library=${SPEC}`,
      `-Dtraces=${directory}`,
      '-cp',
      `${jar}:${classes}`,
      'tlc2.TLC',
      '-simulate',
      `num=${traces.traces}`,
      '-depth',
      `${traces.longest + 3}`,
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
    traces.remove();
  }
}

function isShort({ events }: TraceFiles, { invariants }: How): boolean {
  return events < (invariants ? SHORT_EVENTS.withInvariants : SHORT_EVENTS.plain);
}

export interface Verdict {
  readonly accepted: boolean;
  /** An invariant that does not hold, and before which event, if invariants were looked at. */
  readonly violated: { readonly invariant: string; readonly event: number } | undefined;
}

/** Verdicts on the traces of the file, in their order, and what they took of the processors. Throws as `run`. */
export async function judge(
  name: string,
  traces: TraceFiles,
  how: How,
): Promise<{ verdicts: Verdict[]; cpuSeconds: number }> {
  const output = await run(name, traces, how);
  const verdicts: Verdict[] = Array.from({ length: traces.traces }, () => ({
    accepted: false,
    violated: undefined,
  }));
  for (const [, place] of output.matchAll(/<<"accepted", (\d+)>>/g)) {
    verdicts[Number(place) - 1] = { accepted: true, violated: undefined };
  }
  for (const [, place, event, invariant] of output.matchAll(
    /<<"violated", (\d+), (\d+), "(\w+)">>/g,
  )) {
    const violated = { invariant: invariant!, event: Number(event) };
    verdicts[Number(place) - 1] = { accepted: false, violated };
  }
  const cpuMs = Number(/<<"cpu", (\d+)>>/.exec(output)?.[1] ?? 0);
  return { verdicts, cpuSeconds: cpuMs / 1000 };
}

function java(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = stopAtExit(spawn('java', args, { cwd: SPEC }));
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

/**
 * `make trace-check`: lets TLC decide whether the specification allows traces. Each trace is checked twice, its data
 * plane against DistributedLog and its Raft events against MetadataRaft; each run checks tampered copies too, all of
 * which must be refused. Exit code 0: all accepted. 1: one refused, or a tampered one accepted. 2: could not be run, or
 * TLC gave up on some.
 */
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { SingleBar } from 'cli-progress';
import { Command, InvalidArgumentError, Option } from 'commander';
import { beside, Fleet } from '../sim/fleet.ts';
import { MissingTool, requireJava, tlcJar } from './jar.ts';
import { ownDirectory } from './own-directory.ts';
import { table } from './table.ts';
import { type Gathered, type Gathering, gather, prepare, type SpecName } from './trace-case.ts';
import { explain } from './trace-explanation.ts';
import { UnmergeableError } from './trace-merge.ts';
import { type Portion, Portions } from './trace-portions.ts';
import { fromCluster, fromFile, fromSeed, golden, read, type Source } from './trace-source.ts';
import { Tally, type Wrong } from './trace-tally.ts';
import { judge } from './trace-tlc.ts';

interface Options {
  readonly cluster: boolean;
  readonly seeds?: number;
  readonly first: number;
  readonly duration: number;
  readonly invariants: boolean;
  readonly controls: number;
  readonly spec?: SpecName;
}

const SPECS: readonly SpecName[] = ['DistributedLog', 'MetadataRaft'];
/** So many of those that are not as they should be are told at length. */
const TOLD = 3;
/** Of so many traces it is said how far it is, in about as many lines, and what none of them did. */
const LINES = 20;

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
  .option('--first <seed>', 'number of the first of them', count, 1)
  .option('--duration <seconds>', 'virtual length of each of those', count, 300)
  .option('--invariants', 'check all invariants after each event, at a third of the speed', false)
  .option('--controls <count>', 'tampered copies that have to be refused', count, 12)
  .addOption(new Option('--spec <name>', 'check against one of the two only').choices(SPECS));

const WORKERS = availableParallelism();
type TraceFleet = Fleet<Gathering, Gathered[]>;

/** Everything that is asked for, by as many workers as there are cores. */
class Check {
  private readonly options: Options;
  private readonly fleet: TraceFleet;
  private readonly sources: readonly Source[];
  private readonly waiting: Source[];
  private readonly portions = new Portions();
  private readonly full: Portion[] = [];
  private readonly tallies: ReadonlyMap<SpecName, Tally>;
  private readonly progress: Progress;
  private readonly failures: unknown[] = [];

  /** `fleet` has a thread for each worker, if there are seeds to be played. */
  constructor(sources: readonly Source[], options: Options, fleet: TraceFleet) {
    this.options = options;
    this.fleet = fleet;
    this.sources = sources;
    this.waiting = [...sources];
    const specs = SPECS.filter((spec) => options.spec === undefined || options.spec === spec);
    this.tallies = new Map(specs.map((spec) => [spec, new Tally(spec)]));
    this.progress = new Progress(sources.length);
  }

  /** The exit code. */
  async run(): Promise<number> {
    const startMs = performance.now();
    try {
      await Promise.all(Array.from({ length: WORKERS }, () => this.work()));
    } finally {
      this.progress.stop();
    }
    const seconds = (performance.now() - startMs) / 1000;
    const tallies = [...this.tallies.values()];
    console.log(table([Tally.HEADS, ...tallies.map((tally) => tally.row())]));
    for (const [spec, tally] of this.tallies) {
      const untaken = tally.untaken();
      // That a few traces lack some says nothing.
      if (this.sources.length < LINES || untaken.length === 0) continue;
      console.log(`not taken of ${spec}: ${untaken.join(', ')}`);
    }
    const wrong = tallies.flatMap((tally) => tally.wrong);
    const invariants = this.options.invariants ? ' with all invariants' : '';
    console.log(
      `${this.sources.length} traces${invariants} in ${seconds.toFixed(1)} s: ` +
        `${wrong.length === 0 ? 'as it should be' : `${wrong.length} NOT as they should be`}`,
    );
    for (const each of wrong.slice(0, TOLD)) console.log(await tell(each));
    for (const failure of this.failures) console.error(failure);
    if (wrong.length > 0) return 1;
    return this.failures.length === 0 ? 0 : 2;
  }

  /** What is gathered is judged before more is gathered, so that there is never more of it than the disk has room for. */
  private async work(): Promise<void> {
    for (;;) {
      const portion = this.full.shift();
      const source = portion === undefined ? this.waiting.shift() : undefined;
      const last = portion ?? (source === undefined ? this.portions.take() : undefined);
      if (last !== undefined) await this.judge(last);
      else if (source !== undefined) await this.gather(source);
      else return;
    }
  }

  private async gather(source: Source): Promise<void> {
    const controls = this.controlsOf(this.sources.indexOf(source));
    const directory = ownDirectory('gathered');
    try {
      const gathering: Gathering = { source, specs: [...this.tallies.keys()], controls, directory };
      // To play a seed takes seconds; files are few.
      const isLong = source.kind === 'seed';
      for (const each of isLong ? await this.fleet.run(gathering) : gather(gathering)) {
        const portion = this.portions.add(each);
        if (portion !== undefined) this.full.push(portion);
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
    this.progress.gathered();
  }

  /** Copies are tampered with in all ways in turn, and as many of each trace as of any other. */
  private controlsOf(at: number): number[] {
    const upTo = (i: number): number =>
      Math.floor((i * this.options.controls) / this.sources.length);
    return Array.from({ length: upTo(at + 1) - upTo(at) }, (_, i) => upTo(at) + i);
  }

  /** What TLC gives up on is told, and does not stop the others from being judged. */
  private async judge(portion: Portion): Promise<void> {
    const { spec, files } = portion;
    try {
      const { invariants } = this.options;
      const { verdicts, cpuSeconds } = await judge(`Trace${spec}`, files, { invariants });
      const tally = this.tallies.get(spec)!;
      tally.add(portion, verdicts, cpuSeconds);
      this.progress.judged(files.events, tally.wrong.length);
    } catch (error) {
      if (error instanceof MissingTool) throw error;
      this.failures.push(error);
    }
  }
}

/** A bar where somebody looks on, else a line now and then. */
class Progress {
  private readonly traces: number;
  private readonly bar: SingleBar | undefined;
  private read = 0;
  private events = 0;
  private wrong = 0;

  constructor(traces: number) {
    this.traces = traces;
    const format = '{bar} {value}/{total} traces read, {events} events judged, {wrong} wrong';
    this.bar = process.stdout.isTTY ? new SingleBar({ format }) : undefined;
    this.bar?.start(traces, 0, { events: 0, wrong: 0 });
  }

  gathered(): void {
    this.read++;
    this.show();
    // Who waits for few waits for a moment.
    if (this.bar !== undefined || this.traces < LINES) return;
    if (this.read % Math.ceil(this.traces / LINES) === 0) {
      console.log(
        `${this.read} of ${this.traces} traces read, ${this.events} events judged, ${this.wrong} wrong`,
      );
    }
  }

  judged(events: number, wrong: number): void {
    this.events += events;
    this.wrong = wrong;
    this.show();
  }

  stop(): void {
    this.bar?.stop();
  }

  private show(): void {
    this.bar?.update(this.read, { events: this.events, wrong: this.wrong });
  }
}

async function tell({ of, verdict }: Wrong): Promise<string> {
  const { spec, source } = of;
  const prepared = prepare(of, read(source))!;
  const { tampered } = prepared;
  if (tampered !== undefined) return `${source.name}: accepted although ${tampered}`;
  if (verdict.violated === undefined) return explain(spec, prepared, source.name);
  const { invariant, event } = verdict.violated;
  return `${source.name}: ${invariant} is violated before event ${event}${prepared.placeOf(event)}`;
}

async function main(): Promise<number> {
  command.parse();
  const options = command.opts<Options>();
  const files = command.args;
  const sources = options.cluster ? [fromCluster(files)] : files.map(fromFile);
  if (files.length === 0) sources.push(...golden());
  // What is missing is said at once, not after the first hundred runs.
  requireJava();
  tlcJar();
  const seeds = options.seeds ?? 0;
  for (let i = 0; i < seeds; i++) sources.push(fromSeed(options.first + i, options.duration));
  const threads = Math.min(seeds, WORKERS);
  const fleet: TraceFleet = new Fleet(beside(import.meta.url, 'trace-worker'), threads);
  try {
    return await new Check(sources, options, fleet).run();
  } finally {
    await fleet.end();
  }
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

/**
 * `make mutants`: changes the core by rule (`mutate.ts`), one place at a time, and sees whether the simulator notices, or
 * else the unit tests beside the file. What neither notices is a hole in the checks, or a change that means nothing: it is listed.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { Command, InvalidArgumentError } from 'commander';
import { hasFailed } from '../fleet.ts';
import { Randomness } from '../random.ts';
import { play, runOfSeed } from '../seed.ts';
import { Court, type Verdict } from './court.ts';
import { type Mutant, mutantsOf } from './mutate.ts';

const SOURCES = ['impl/core', 'impl/node'] as const;
const DURATION_MS = 60_000;
/** Mutants are drawn, and seeds begin, where nobody has been. */
const FRESH = 2 ** 40;

interface Flags {
  readonly file: string;
  readonly count?: number;
  readonly draw: string;
  readonly cpu: number;
  readonly jobs: number;
  readonly tests: boolean;
}

const { file, count, draw, cpu, jobs, tests } = new Command('mutants')
  .description('Changes the core by rule, one place at a time, and sees who notices.')
  .option('--file <prefix>', 'only files whose path begins so', '')
  .option('--count <mutants>', 'so many, drawn at random (default: all)', positive)
  .option(
    '--draw <seed>',
    'which are drawn, and which seeds are played',
    String(Math.floor(Math.random() * FRESH)),
  )
  .option('--cpu <seconds>', 'of the simulator for each mutant', positive, 30)
  .option('--jobs <count>', 'trials at a time', positive, availableParallelism())
  .option('--no-tests', 'do not ask the unit tests')
  .parse()
  .opts<Flags>();

process.exitCode = await main();

/** 0: mutants were tried, 2: there are none. */
async function main(): Promise<number> {
  const all = mutants();
  if (all.length === 0) {
    console.error(`make mutants: no file of ${SOURCES.join(' or ')} begins with ${file}`);
    return 2;
  }
  const randomness = new Randomness(draw);
  const chosen =
    count === undefined ? all : randomness.stream('mutants').shuffle(all).slice(0, count);
  const first = randomness.stream('seeds').below(FRESH);
  console.log(`${chosen.length} of ${all.length} mutants, DRAW=${draw}, seeds from ${first} on`);
  const court = new Court({ first, durationMs: DURATION_MS, cpuMs: cpu * 1000, tests, isSound });
  const verdicts = new Map<Mutant, Verdict>();
  const bar = process.stdout.isTTY
    ? new SingleBar({ format: '{bar} {value}/{total} mutants, {survived} survived' })
    : undefined;
  bar?.start(chosen.length, 0, { survived: 0 });
  const waiting = [...chosen];
  const tryAll = async (): Promise<void> => {
    for (let mutant = waiting.pop(); mutant !== undefined; mutant = waiting.pop()) {
      verdicts.set(mutant, await court.judge(mutant));
      const survived = [...verdicts.values()].filter(({ by }) => by === 'nobody').length;
      bar?.increment({ survived });
      if (bar === undefined && verdicts.size % Math.ceil(chosen.length / 10) === 0) {
        console.log(`${verdicts.size} of ${chosen.length} mutants, ${survived} survived`);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, tryAll));
  } finally {
    bar?.stop();
    court.close();
  }
  report(verdicts);
  return 0;
}

/** Every mutant of the files that were asked for, by file and place. */
function mutants(): Mutant[] {
  return SOURCES.flatMap((directory) =>
    readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) =>
      join(directory, name),
    ),
  )
    .filter((name) => name.startsWith(file) && /(?<!\.test)\.ts$/.test(name))
    .sort()
    .flatMap((name) => mutantsOf(name, readFileSync(name, 'utf8')));
}

/** Whether the seed holds without any mutant. */
function isSound(seed: string): boolean {
  return !hasFailed(play(runOfSeed(seed, DURATION_MS)));
}

function report(verdicts: ReadonlyMap<Mutant, Verdict>): void {
  const table = new Table({
    head: ['file', 'mutants', 'simulator', 'unit tests', 'nobody', 'noticed'],
    style: { head: [], border: [] },
  });
  const files = [...new Set([...verdicts.keys()].map((mutant) => mutant.file))].sort();
  for (const name of [...files, 'all']) {
    const of = [...verdicts].filter(([mutant]) => name === 'all' || mutant.file === name);
    const by = (who: Verdict['by']): number =>
      of.filter(([, verdict]) => verdict.by === who).length;
    const share = `${Math.round((100 * (of.length - by('nobody'))) / of.length)} %`;
    table.push([name, of.length, by('simulator'), by('tests'), by('nobody'), share]);
  }
  console.log(table.toString());
  const seconds = [...verdicts.values()]
    .filter(({ by }) => by === 'simulator')
    .map(({ cpuMs }) => cpuMs / 1000)
    .sort((a, b) => a - b);
  if (seconds.length > 0)
    console.log(
      `the simulator needed ${seconds[seconds.length >> 1]!.toFixed(1)} CPU seconds, by the median`,
    );
  const survivors = [...verdicts].filter(([, { by }]) => by === 'nobody').map(([mutant]) => mutant);
  if (survivors.length > 0) console.log('\nnobody noticed:');
  for (const mutant of survivors.sort((a, b) =>
    a.file < b.file ? -1 : a.file > b.file ? 1 : a.start - b.start,
  )) {
    const source = readFileSync(mutant.file, 'utf8').slice(mutant.start, mutant.end);
    console.log(
      `  ${mutant.file}:${mutant.line}  ${mutant.rule}: ${oneLine(source)}  ->  ${oneLine(mutant.replacement)}`,
    );
  }
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > 70 ? `${line.slice(0, 67)}...` : line;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0');
  return value;
}

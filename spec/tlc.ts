/**
 * Checks the models of the specification with TLC, as many side by side as there are cores and memory, and says of each
 * what was expected and what was found. Exit code 0: all as expected. 1: not so. 2: could not be run.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, getPriority, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { MissingTool, requireJava, SPEC, tlcJar } from './jar.ts';
import type { Model } from './model.ts';
import { MODELS } from './models.ts';
import { table } from './table.ts';
import { actionsOf, type TlcProgress, tellTrace } from './tlc-output.ts';
import { check, HEAP_GIB, type Run } from './tlc-run.ts';

interface Options {
  readonly model: readonly Model[];
  readonly full: boolean;
  readonly nightly: boolean;
}

const command = new Command('tlc')
  .description(
    'Lets TLC check the quick models of the specification, and those that must fail.\n' +
      'Exit code 0: all as expected. 1: not so. 2: could not be run.',
  )
  .option('--model <name>', 'only this one, with its counterexample; may be repeated', named, [])
  .option('--full', 'the large models too, about half an hour; writes RESULTS.md', false)
  .option('--nightly', 'the largest too: hours', false)
  .exitOverride();

function named(name: string, others: readonly Model[]): readonly Model[] {
  const model = MODELS.find((each) => each.name === name);
  if (model !== undefined) return [...others, model];
  const names = MODELS.map((each) => each.name).join(' ');
  throw new InvalidArgumentError(`There are: ${names}`);
}

function chosen({ model, full, nightly }: Options): readonly Model[] {
  if (model.length > 0) return model;
  return MODELS.filter(
    ({ kind }) =>
      kind === 'quick' || ((full || nightly) && kind === 'full') || (nightly && kind === 'nightly'),
  );
}

/** What a table says of one model. */
function row({ model, result, seconds, cpuSeconds, complaint }: Run): string[] {
  const taken = [...result.actions.values()].filter((times) => times > 0).length;
  const expected = 'fails' in model.expect ? `${model.expect.fails} fails` : 'holds';
  const found = result.violated !== undefined ? `${result.violated} fails` : 'holds';
  return [
    model.name,
    expected,
    complaint === undefined ? found : `${found} (!)`,
    result.distinct === 0 ? `${result.generated} walked` : `${result.distinct}`,
    `${result.depth}`,
    result.actions.size === 0 ? '' : `${taken}/${result.actions.size}`,
    model.reaches === undefined ? '' : `${result.reached.length}`,
    `${seconds.toFixed(1)} s`,
    `${cpuSeconds.toFixed(1)} s`,
  ];
}

const HEAD = ['model', 'expected', 'found', 'states', 'depth', 'actions', 'reached', 'time', 'cpu'];

/** Actions that no model that holds takes: these runs say nothing about them. */
function untaken(runs: readonly Run[]): string[] {
  return [...new Set(runs.map(({ model }) => model.module))].flatMap((module) => {
    const taken = runs
      .filter(({ model }) => model.module === module)
      .flatMap(({ result }) => [...result.actions].filter(([, times]) => times > 0));
    const names = new Set(taken.map(([name]) => name));
    return actionsOf(readFileSync(join(SPEC, `${module}.tla`), 'utf8'))
      .filter((name) => !names.has(name))
      .map((name) => `${module}!${name}`);
  });
}

async function main(): Promise<number> {
  command.parse();
  const options = command.opts<Options>();
  const models = chosen(options);
  const isAsked = options.model.length > 0;
  requireJava();
  const jar = tlcJar();
  const heapGiB = Math.max(...models.map((model) => HEAP_GIB[model.kind]));
  const fitting = Math.floor(totalmem() / 2 ** 30 / (heapGiB + 0.5));
  const lanes = Math.max(1, Math.min(availableParallelism(), fitting, models.length));
  const workers = models.length === 1 && models[0]!.kind !== 'quick' ? availableParallelism() : 1;
  // The longest first, so that no lane is left with them at the end.
  const waiting = [...models].sort((a, b) => weight(b) - weight(a));
  const runs: Run[] = [];
  const started = performance.now();
  const loadBefore = loadavg()[1]!;
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let model = waiting.shift(); model !== undefined; model = waiting.shift()) {
        const { name } = model;
        const run = await check(model, jar, workers, (seen, seconds) => {
          if (seconds > 30) console.log(progressLine(name, seen, seconds));
        });
        runs.push(run);
        console.log(report(run, isAsked));
        if (options.full && !isAsked) writeResults(runs, models, started, loadBefore);
      }
    }),
  );
  sortLike(models, runs);
  const minutes = (performance.now() - started) / 60_000;
  console.log(`\n${table([HEAD, ...runs.map(row)])}\n`);
  const idle = isAsked ? [] : untaken(runs);
  if (idle.length > 0) console.log(`FAIL no model that holds takes: ${idle.join(', ')}`);
  const wrong = runs.filter((run) => run.complaint !== undefined);
  const summary = `${runs.length - wrong.length} of ${runs.length} models as expected`;
  const names = wrong.map((run) => run.model.name).join(', ');
  console.log(`${summary}${names === '' ? '' : `; not: ${names}`}; ${minutes.toFixed(1)} minutes`);
  return wrong.length === 0 && idle.length === 0 ? 0 : 1;
}

function weight(model: Model): number {
  const kinds = { quick: 0, full: 1e9, nightly: 2e9 } as const;
  return kinds[model.kind] + ('states' in model.expect ? (model.expect.states ?? 0) : 0);
}

function progressLine(name: string, seen: TlcProgress, seconds: number): string {
  const left = seen.left === undefined ? '' : `, ${seen.left} to look at`;
  return `     ${name}: ${seen.states} states${left} after ${Math.round(seconds / 60)} min`;
}

/** Of a model that was named, its counterexample is what one wants to see. */
function report({ model, result, seconds, complaint }: Run, isAsked: boolean): string {
  const verdict = complaint === undefined ? 'ok  ' : 'FAIL';
  const head = `${verdict} ${model.name} (${seconds.toFixed(1)} s): ${model.about}`;
  const told = result.trace.length > 0 && (complaint !== undefined || isAsked);
  return [
    head,
    ...(complaint === undefined ? [] : [`     ${complaint}`]),
    ...(told ? [tellTrace(result.trace)] : []),
  ].join('\n');
}

function sortLike(models: readonly Model[], runs: Run[]): void {
  runs.sort((a, b) => models.indexOf(a.model) - models.indexOf(b.model));
}

/** What the times of this run are worth. */
function conditionsOf(runs: readonly Run[], started: number, loadBefore: number): string {
  const minutes = (performance.now() - started) / 60_000;
  const cpuMinutes = runs.reduce((sum, run) => sum + run.cpuSeconds, 0) / 60;
  return [
    `Machine: ${availableParallelism()} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB.`,
    `This run took ${minutes.toFixed(0)} minutes and ${cpuMinutes.toFixed(0)} of processor time, at niceness ${getPriority()}.`,
    `The load of the machine was ${loadBefore.toFixed(1)} when it began and ${loadavg()[1]!.toFixed(1)} when it ended:`,
    'what is above one for each model at a time was other work, and `time` is the longer for it.',
  ].join('\n');
}

/** After each model, so that a run that is broken off leaves what it found, and names what it did not come to. */
function writeResults(
  runs: readonly Run[],
  models: readonly Model[],
  started: number,
  loadBefore: number,
): void {
  const done = [...runs];
  sortLike(models, done);
  const missing = models.filter((model) => !runs.some((run) => run.model === model));
  const lines = [
    '# What TLC found',
    '',
    'Written by `make tlc-full`. States are distinct ones; depth of a failing model is the length of the counterexample.',
    conditionsOf(runs, started, loadBefore),
    ...(missing.length === 0
      ? []
      : ['', `**Broken off.** Not run to the end: ${missing.map(({ name }) => name).join(', ')}.`]),
    '',
    table([HEAD, ...done.map(row)]),
    '',
    ...done.map(({ model }) => `- **${model.name}** (${model.kind}): ${model.about}.`),
    '',
  ];
  writeFileSync(join(SPEC, 'RESULTS.md'), lines.join('\n'));
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    console.error(error instanceof MissingTool ? error.message : error);
    process.exitCode = 2;
  },
);

/**
 * Checks the models of the specification with TLC, as many side by side as there are cores and memory, and says of each
 * what was expected and what was found. Exit code 0: all as expected. 1: not so. 2: could not be run.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { MissingTool, requireJava, SPEC, tlcJar, WORK } from './jar.ts';
import { configuration, MODELS, type Model } from './models.ts';
import { readTlcOutput, type TlcResult, tellTrace } from './tlc-output.ts';

interface Run {
  readonly model: Model;
  readonly result: TlcResult;
  readonly seconds: number;
  /** Why this is not what was expected; undefined if it is. */
  readonly complaint: string | undefined;
}

const HEAP_GIB = { quick: 1, full: 4, nightly: 8 } as const;

/** Runs TLC on one model. One worker: the order of states, and so counts and traces, are the same each time. */
function check(model: Model, jar: string, workers: number): Promise<Run> {
  const directory = join(WORK, model.name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const config = join(directory, `${model.name}.cfg`);
  writeFileSync(config, configuration(model));
  const started = performance.now();
  const walks =
    model.simulate === undefined
      ? []
      : ['-simulate', `num=${model.simulate.walks}`, '-depth', `${model.simulate.depth}`];
  // Which actions are taken matters of models that hold. Once an hour, and so at the end.
  const coverage =
    'fails' in model.expect || model.simulate !== undefined ? [] : ['-coverage', '60'];
  const child = spawn(
    'java',
    [
      '-XX:+UseParallelGC',
      `-Xmx${HEAP_GIB[model.kind]}g`,
      // TLC unpacks the standard modules under fixed names and deletes them at its end, under the feet of its neighbours.
      `-Djava.io.tmpdir=${directory}`,
      '-cp',
      jar,
      'tlc2.TLC',
      '-tool',
      '-seed',
      '1',
      '-workers',
      `${workers}`,
      '-metadir',
      join(directory, 'states'),
      ...walks,
      ...coverage,
      '-config',
      config,
      `${model.module}.tla`,
    ],
    { cwd: SPEC },
  );
  let output = '';
  child.stdout.on('data', (text) => (output += text));
  child.stderr.on('data', (text) => (output += text));
  return new Promise((resolve) => {
    child.on('close', () => {
      writeFileSync(join(directory, 'output.txt'), output);
      rmSync(join(directory, 'states'), { recursive: true, force: true });
      const result = readTlcOutput(output, model.properties ?? []);
      const seconds = (performance.now() - started) / 1000;
      resolve({ model, result, seconds, complaint: complaintOf(model, result) });
    });
  });
}

function complaintOf(model: Model, result: TlcResult): string | undefined {
  const { expect } = model;
  if ('fails' in expect) {
    if (result.violated === expect.fails) return undefined;
    if (result.violated !== undefined)
      return `expected ${expect.fails} to fail, not ${result.violated}`;
    return result.error ?? `expected ${expect.fails} to fail, and it holds`;
  }
  if (result.violated !== undefined) return `${result.violated} is violated`;
  if (result.error !== undefined) return result.error;
  if (!result.complete && model.simulate === undefined) return 'TLC did not finish';
  if (expect.states !== undefined && expect.states !== result.distinct) {
    return `expected ${expect.states} distinct states, found ${result.distinct}: the model has changed`;
  }
  const missed = (model.reaches ?? []).filter((name) => !result.reached.includes(name));
  if (missed.length > 0) return `never reached: ${missed.join(', ')}`;
  return undefined;
}

/** What a table says of one model. */
function row({ model, result, seconds, complaint }: Run): string[] {
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
  ];
}

const HEAD = ['model', 'expected', 'found', 'states', 'depth', 'actions', 'reached', 'time'];

function table(rows: readonly (readonly string[])[]): string {
  const widths = HEAD.map((_, column) => Math.max(...rows.map((each) => each[column]!.length)));
  const line = (each: readonly string[]): string =>
    `| ${each.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(rows[0]!), rule, ...rows.slice(1).map(line)].join('\n');
}

function chosen(): { models: readonly Model[]; full: boolean } {
  const { values } = parseArgs({
    options: { model: { type: 'string' }, full: { type: 'boolean', default: false } },
  });
  if (values.model !== undefined) {
    const models = MODELS.filter((model) => model.name === values.model);
    if (models.length === 0) {
      throw new MissingTool(
        `There is no model ${values.model}. There are: ${MODELS.map((model) => model.name).join(' ')}`,
      );
    }
    return { models, full: false };
  }
  const models = MODELS.filter(
    (model) => model.kind === 'quick' || (values.full && model.kind === 'full'),
  );
  return { models, full: values.full };
}

/** Actions that no model that holds takes: those of this run say nothing about them. */
function untaken(runs: readonly Run[]): string[] {
  const modules = new Map<string, Map<string, number>>();
  for (const { model, result } of runs) {
    const taken = modules.get(model.module) ?? new Map<string, number>();
    modules.set(model.module, taken);
    for (const [name, times] of result.actions) taken.set(name, (taken.get(name) ?? 0) + times);
  }
  return [...modules].flatMap(([module, taken]) =>
    [...taken].filter(([, times]) => times === 0).map(([name]) => `${module}!${name}`),
  );
}

async function main(): Promise<number> {
  const { models, full } = chosen();
  requireJava();
  const jar = tlcJar();
  const heapGiB = Math.max(...models.map((model) => HEAP_GIB[model.kind]));
  const fitting = Math.floor(totalmem() / 2 ** 30 / (heapGiB + 0.5));
  const lanes = Math.max(1, Math.min(availableParallelism(), fitting, models.length));
  const workers = models.length === 1 && models[0]!.kind !== 'quick' ? availableParallelism() : 1;
  // The longest first, so that no lane is left with them at the end.
  const waiting = [...models].sort((a, b) => weight(b) - weight(a));
  const runs: Run[] = [];
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      for (let model = waiting.shift(); model !== undefined; model = waiting.shift()) {
        const run = await check(model, jar, workers);
        runs.push(run);
        console.log(report(run));
      }
    }),
  );
  runs.sort((a, b) => models.indexOf(a.model) - models.indexOf(b.model));
  const text = table([HEAD, ...runs.map(row)]);
  console.log(`\n${text}\n`);
  const idle = models.length > 1 ? untaken(runs) : [];
  if (idle.length > 0) console.log(`Not taken in the models that hold: ${idle.join(', ')}`);
  const wrong = runs.filter((run) => run.complaint !== undefined);
  if (full) writeFileSync(join(SPEC, 'RESULTS.md'), results(runs, text));
  const summary = `${runs.length - wrong.length} of ${runs.length} models as expected`;
  console.log(
    wrong.length === 0
      ? summary
      : `${summary}; not: ${wrong.map((run) => run.model.name).join(', ')}`,
  );
  return wrong.length === 0 ? 0 : 1;
}

function weight(model: Model): number {
  const kinds = { quick: 0, full: 1e9, nightly: 2e9 } as const;
  return kinds[model.kind] + ('states' in model.expect ? (model.expect.states ?? 0) : 0);
}

function report({ model, result, seconds, complaint }: Run): string {
  const verdict = complaint === undefined ? 'ok  ' : 'FAIL';
  const head = `${verdict} ${model.name} (${seconds.toFixed(1)} s): ${model.about}`;
  const told = result.trace.length > 0 && (complaint !== undefined || isAsked(model));
  return [
    head,
    ...(complaint === undefined ? [] : [`     ${complaint}`]),
    ...(told ? [tellTrace(result.trace)] : []),
  ].join('\n');
}

/** A single model was named: then its counterexample is what one wants to see. */
function isAsked(model: Model): boolean {
  return process.argv.includes(model.name);
}

function results(runs: readonly Run[], text: string): string {
  const minutes = runs.reduce((sum, run) => sum + run.seconds, 0) / 60;
  return [
    '# What TLC found',
    '',
    'Written by `make tlc-full`. States are distinct ones; depth of a failing model is the length of the counterexample.',
    `Machine: ${availableParallelism()} cores (${cpus()[0]?.model.trim()}), ${Math.round(totalmem() / 2 ** 30)} GiB. Sum of times: ${minutes.toFixed(0)} minutes.`,
    '',
    text,
    '',
    ...runs.map(({ model }) => `- **${model.name}** (${model.kind}): ${model.about}.`),
    '',
  ].join('\n');
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof MissingTool)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}

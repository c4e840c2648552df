/** One run of TLC on one model, and whether it found what is expected. */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SPEC, WORK } from './jar.ts';
import { configuration, type Model } from './model.ts';
import { readProgress, readTlcOutput, type TlcProgress, type TlcResult } from './tlc-output.ts';

export interface Run {
  readonly model: Model;
  readonly result: TlcResult;
  readonly seconds: number;
  /** Of all cores, as the shell counts them: on a busy machine they say more than `seconds`. */
  readonly cpuSeconds: number;
  /** Why this is not what was expected; undefined if it is. */
  readonly complaint: string | undefined;
}

export const HEAP_GIB = { quick: 1, full: 4, nightly: 8 } as const;

/** What is short is not worth the optimising compiler. */
const JVM = {
  quick: ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
  full: ['-XX:+UseSerialGC'],
  nightly: ['-XX:+UseParallelGC'],
} as const;

/** Java, and what it cost. */
const TIMED = 'java "$@"; code=$?; times; exit $code';

/**
 * Runs TLC on one model. With one worker the order of states, and so counts and traces, are the same each time.
 * `progress` hears about once a minute how far it is.
 */
export function check(
  model: Model,
  jar: string,
  workers: number,
  progress: (seen: TlcProgress, seconds: number) => void,
): Promise<Run> {
  const directory = join(WORK, model.name);
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const config = join(directory, `${model.name}.cfg`);
  writeFileSync(config, configuration(model));
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const walks =
    model.simulate === undefined
      ? []
      : ['-simulate', `num=${model.simulate.walks}`, '-depth', `${model.simulate.depth}`];
  // Which actions are taken matters of models that hold. Once in so many minutes, and so at the end.
  const coverage =
    'fails' in model.expect || model.simulate !== undefined ? [] : ['-coverage', '1000'];
  const child = spawn(
    'sh',
    [
      '-c',
      TIMED,
      'java',
      ...JVM[model.kind],
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
  child.stdout.on('data', (text) => {
    output += text;
    const seen = readProgress(`${text}`);
    if (seen !== undefined) progress(seen, seconds());
  });
  child.stderr.on('data', (text) => (output += text));
  return new Promise((resolve) => {
    child.on('close', () => {
      writeFileSync(join(directory, 'output.txt'), output);
      rmSync(join(directory, 'states'), { recursive: true, force: true });
      const result = readTlcOutput(output, model.properties ?? []);
      resolve({
        model,
        result,
        seconds: seconds(),
        cpuSeconds: cpuSecondsOf(output),
        complaint: complaintOf(model, result),
      });
    });
  });
}

/** The last line of `times` is of what the shell ran: user and system time. */
function cpuSecondsOf(output: string): number {
  const last = /(\d+)m([\d.]+)s (\d+)m([\d.]+)s\s*$/.exec(output);
  if (last === null) return 0;
  const [minutes, seconds, systemMinutes, systemSeconds] = last.slice(1).map(Number);
  return 60 * (minutes! + systemMinutes!) + seconds! + systemSeconds!;
}

function complaintOf(model: Model, result: TlcResult): string | undefined {
  const { expect } = model;
  if ('fails' in expect) {
    if (result.violated === expect.fails) return undefined;
    if (result.violated !== undefined) {
      return `expected ${expect.fails} to fail, not ${result.violated}`;
    }
    if (result.error !== undefined) return result.error;
    return result.complete
      ? `expected ${expect.fails} to fail, and it holds`
      : 'TLC did not finish';
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

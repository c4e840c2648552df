/** What people see of the simulator: its tables, its last line, its story, and what it says to a command line that is wrong. */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { play, runOfSeed } from './seed.ts';
import { Story } from './story.ts';
import { Summary } from './summary.ts';

interface Ended {
  readonly status: number | null;
  readonly lines: readonly string[];
  readonly err: string;
}

/** Runs a built program of the simulator. */
function run(program: string, ...args: readonly string[]): Ended {
  const path = new URL(`../dist/sim/${program}.js`, import.meta.url).pathname;
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], {
    encoding: 'utf8',
  });
  return { status, lines: stdout.trimEnd().split('\n'), err: stderr };
}

test('a run ends in a sentence, under tables that fit a terminal', () => {
  const { status, lines } = run('main', '--seeds', '3', '--duration', '10', '--jobs', '1');
  expect(status).toBe(0);
  expect(lines.at(-1)).toMatch(/^3 worlds, \d+ seconds, [\d,]+ faults: every promise held$/);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
  for (const title of ['calls', 'faults', 'checks', 'rare states']) {
    expect(lines.some((line) => line.startsWith(title))).toBe(true);
  }
});

test('the sentence counts what the tables count', () => {
  const summary = new Summary();
  const played = play(runOfSeed('7', 20_000));
  for (let seed = 0; seed < 1000; seed++) summary.add(played);
  const { virtualMs, faults } = played.outcome!;
  const hours = ((virtualMs * 1000) / 3_600_000).toFixed(1);
  const count = Object.values(faults).reduce((sum, each) => sum + each, 0) * 1000;
  expect(summary.sentence()).toBe(
    `1,000 worlds, ${hours} hours, ${count.toLocaleString('en-US')} faults: every promise held`,
  );
});

/** The stories of several seeds: what each of them has, and what some of them have. */
function stories(): string[][] {
  return ['1', '2', '3', '4', '5', '6', '7', '8'].map((seed) => {
    const told: string[] = [];
    const story = new Story((line) => told.push(line), false);
    const { outcome } = play(runOfSeed(seed, 20_000), (event) => story.event(event));
    story.end(outcome!);
    return told;
  });
}

test('a story has phases, faults, elections, owners and the clients, in the order of time, once each', () => {
  const all = stories();
  for (const told of all) {
    expect(told.some((line) => line.startsWith('── The cluster starts'))).toBe(true);
    expect(told.some((line) => line.startsWith('── What clients heard'))).toBe(true);
    expect(told.at(-1)).toMatch(/Every promise held/);
    for (const line of told) expect(line.length).toBeLessThanOrEqual(100);
    const times = told.flatMap((line) => /^ *([\d.]+) s {2}/.exec(line)?.[1] ?? []).map(Number);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const owners = told.filter((line) => /owns .* segment \d/.test(line));
    expect(new Set(owners).size).toBe(owners.length);
  }
  const lines = all.flat();
  for (const told of [
    /^── Faults/,
    /^── Healed, \d of them/,
    /fault {3}\w.*: .*, [\d.]+ s$/,
    /node \d {2}leads in term \d+/,
    /node \d {2}owns topic-\d+ segment \d+; segment \d+ sealed at \d+/,
    /node \d {2}starts, with copies of/,
    /clients: \d+ put/,
    /^ +put +\d+ ok/,
  ]) {
    expect(
      lines.some((line) => told.test(line)),
      String(told),
    ).toBe(true);
  }
});

test('a story is painted for a terminal only', () => {
  const paint = (coloured: boolean): string[] => {
    const told: string[] = [];
    const story = new Story((line) => told.push(line), coloured);
    play(runOfSeed('7', 20_000), (event) => story.event(event));
    return told;
  };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters.
  const bare = paint(true).map((line) => line.replaceAll(/\u001b\[\d+m/g, ''));
  expect(bare).toEqual(paint(false));
  expect(paint(true)).not.toEqual(bare);
});

test.each<[string, string[], RegExp]>([
  ['main', ['--story'], /^make replay: which run\? SEED=7, or FILE=/],
  ['main', ['--verbose'], /^make replay: which run\?/],
  ['main', ['--shrink'], /^make shrink: which run\?/],
  ['main', ['--seed', '5', '--seeds', '2'], /^make sim: SEED= plays one seed/],
  ['main', ['--story', '--replay', 'no-such-file'], /^make replay: no run is kept in no-such-file/],
  ['main', ['--shrink', '--replay', 'package.json'], /^make shrink: no run is kept in/],
  ['main', ['--seeds', '0'], /expected 1 or more/],
  ['main', ['--first', 'x'], /expected a whole number/],
  ['scenario-main', [], /^make scenario: which one\? FILE=/],
  ['scenario-main', ['no-such-file'], /^make scenario: no scenario in no-such-file/],
  ['museum/main', ['nonsense'], /^make museum: no bug is called nonsense; there are:\n {2}\w/],
])('%s %j says what is wanted', (program, args, said) => {
  const { status, lines, err } = run(program, ...args);
  expect(err).toMatch(said);
  expect(err).not.toMatch(/^ +at /m);
  expect(lines).toEqual(['']);
  expect(status).toBe(2);
});

test('what does not fail cannot be made small', () => {
  const { status, lines } = run('main', '--shrink', '--seed', '7', '--duration', '10');
  expect(status).toBe(0);
  expect(lines.at(-1)).toMatch(/^There is nothing to shrink/);
});

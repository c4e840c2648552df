/**
 * kill -9 of a writer, again and again on one directory: what it said was acknowledged is there, whole, once, and in
 * order, and there is nothing that it did not write. Once of a log that keeps everything, once of one that passes by, so that
 * files die and others are made of them. And of consumers: what was given out to one, and what the next begins with, fit. `KILL_ROUNDS` says how often, 4 unless set.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { type DiskChoice, type Entry, FsyncSchedule, Walrus } from '../../impl/embedded/walrus.ts';
import { pattern, range, sameBytes } from './log-world.ts';

const WRITER = fileURLToPath(new URL('./log-kill.fixture.ts', import.meta.url));
const CONSUMER = fileURLToPath(new URL('./log-kill-consumer.fixture.ts', import.meta.url));
const ROUNDS = Number(process.env.KILL_ROUNDS ?? 4);
/** How, and with which N of `AtLeastOnce(N)`. */
const WAYS_TO_READ: [string, number][] = [
  ['one after the other', 1],
  ['together', 7],
  ['batches', 100],
  ['group', 3],
];
const SCHEDULES = ['each', 'none', 'interval'];
const TIMEOUT_MS = 60_000 + ROUNDS * 10_000;

/** What the writer was told, over all its lives. */
class Witness {
  /** Ids by offset, by topic. */
  readonly acknowledged = new Map<string, Map<number, string>>();
  readonly got: number[] = [];
  /** The highest place that a trim was asked to. */
  trimmed = 0;
  /** Most files that one life made of older ones. */
  renewed = 0;
  /** How far a group was told that its place is in the log. */
  committed = 0;

  hear(line: string): void {
    const words = line.split(' ');
    if (words[0] === 'got') {
      this.got.push(Number(words[1]));
      return;
    }
    if (words[0] === 'trim') {
      this.trimmed = Math.max(this.trimmed, Number(words[1]));
      return;
    }
    if (words[0] === 'committed') {
      this.committed = Number(words[1]);
      return;
    }
    if (words[0] === 'renewed') {
      this.renewed = Math.max(this.renewed, Number(words[1]));
      return;
    }
    const [kind, topic, offset, life, n, count] = words as [string, string, ...string[]];
    const ids = this.acknowledged.get(topic) ?? new Map<number, string>();
    this.acknowledged.set(topic, ids);
    if (kind === 'append') ids.set(Number(offset), `${life} ${n}`);
    for (const i of range(kind === 'batch' ? Number(count) : 0)) {
      ids.set(Number(offset) + i, `${life} ${n} ${i} ${count}`);
    }
  }

  get count(): number {
    return [...this.acknowledged.values()].reduce((sum, ids) => sum + ids.size, 0);
  }
}

/** Told line by line what a life says: whether it has done enough to be killed. However busy the machine is, it gets there. */
type Enough = (line: string) => boolean;

const atOnce: Enough = () => true;
const withFilesRenewed: Enough = (line) => /^renewed [1-9]/.test(line);

/** So many lines of each kind. */
function afterLines(wanted: Readonly<Record<string, number>>): Enough {
  const left = new Map(Object.entries(wanted));
  return (line) => {
    const kind = line.split(' ')[0]!;
    left.set(kind, (left.get(kind) ?? 0) - 1);
    return [...left.values()].every((count) => count <= 0);
  };
}

/** One life of a fixture, ended some time after it has done enough. */
async function live(
  witness: Witness,
  fixture: string,
  args: string[],
  isEnough: Enough,
): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', fixture, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (text) => {
    errors += text;
  });
  const lines = createInterface(child.stdout);
  const ended = Promise.all([once(child, 'exit'), once(lines, 'close')]);
  const enough = new Promise<void>((resolve) => {
    lines.on('line', (line) => {
      witness.hear(line);
      if (isEnough(line)) resolve();
    });
  });
  await Promise.race([enough, ended]);
  await delay(Math.random() * 150);
  child.kill('SIGKILL');
  const [[, signal]] = await ended;
  expect(signal, errors).toBe('SIGKILL');
}

/** The id of a record, if it is as it was made. */
function idOf(entry: Entry): string {
  const id = Buffer.from(entry.data.subarray(0, 24)).toString('ascii').trimEnd();
  const seed = [...id].reduce((sum, character) => sum * 31 + character.charCodeAt(0), 7) >>> 0;
  const expected = pattern(24 + (seed % 3000), seed);
  if (!sameBytes(entry.data.subarray(24), expected.subarray(24))) {
    throw new Error(`entry ${entry.offset} is torn or invented: ${JSON.stringify(id)}`);
  }
  return id;
}

async function checkKept(log: Walrus, witness: Witness): Promise<void> {
  for (const [topic, acknowledged] of witness.acknowledged) {
    const ids: string[] = [];
    for await (const entry of log.read(topic, { from: 0 })) {
      expect(entry.offset).toBe(ids.length);
      ids.push(idOf(entry));
    }
    for (const [offset, id] of acknowledged) {
      if (ids[offset] !== id) throw new Error(`lost: ${topic} ${offset} ${id}, is ${ids[offset]}`);
    }
    expect(new Set(ids).size, 'each once').toBe(ids.length);
    // Of each life a beginning of what it wrote, in its order, batches whole.
    let expected = '';
    for (const id of ids) {
      const [life, n, i, count] = id.split(' ').map(Number) as [number, number, number?, number?];
      const isFirst = n === 0 && (i ?? 0) === 0;
      if (!isFirst) expect(id).toBe(expected);
      else if (expected !== '' && topic === 'batches') expect(expected).toMatch(/^\d+ \d+ 0 /);
      const isLast = count === undefined || i === count - 1;
      const next = isLast ? n + 1 : n;
      expected = `${life} ${next}`;
      if (count !== undefined) {
        expected += isLast ? ` 0 ${1 + ((next * 7) % 40)}` : ` ${i! + 1} ${count}`;
      }
    }
    if (topic === 'batches' && expected !== '') expect(expected).toMatch(/^\d+ \d+ 0 /);
  }
  // At most once: what came is not to come again.
  expect(witness.got).toEqual([...new Set(witness.got)].sort((a, b) => a - b));
  const next = log.offsets('queue').next - log.entryCount('queue');
  expect(next).toBeGreaterThan(witness.got.at(-1) ?? -1);
}

/** Of a topic that passes by, what was not trimmed. */
async function checkPassing(log: Walrus, witness: Witness): Promise<void> {
  const { earliest, next } = log.offsets('passing');
  expect(earliest).toBeLessThanOrEqual(witness.trimmed);
  const ids = new Map<number, string>();
  for await (const entry of log.read('passing')) ids.set(entry.offset, idOf(entry));
  expect([...ids.keys()]).toEqual(range(next - earliest).map((i) => earliest + i));
  expect(new Set(ids.values()).size, 'each once').toBe(ids.size);
  for (const [offset, id] of witness.acknowledged.get('passing') ?? []) {
    if (offset >= earliest) expect(ids.get(offset), `record ${offset}`).toBe(id);
  }
}

/**
 * Kills one life after the other, each on what the last one left, and has what is there checked after each. Every second one is killed
 * as soon as it has begun, the others when it is `enough`.
 */
async function killAgainAndAgain(
  disk: DiskChoice,
  fate: 'kept' | 'passes',
  enough: () => Enough,
  check: (log: Walrus, witness: Witness, round: number) => Promise<void>,
): Promise<Witness> {
  const dir = await mkdtemp(join(tmpdir(), 'walrus-kill-'));
  const witness = new Witness();
  for (const round of range(ROUNDS)) {
    const schedule = SCHEDULES[round % SCHEDULES.length]!;
    const args = [dir, disk, schedule, String(round), fate];
    await live(witness, WRITER, args, round % 2 === 0 ? enough() : atOnce);
    const log = await Walrus.open({ dir, disk, fsync: FsyncSchedule.NoFsync });
    await check(log, witness, round);
    await log.close();
  }
  await rm(dir, { recursive: true });
  return witness;
}

for (const disk of ['portable', 'auto', 'io_uring'] satisfies DiskChoice[]) {
  test(`${ROUNDS} times kill -9 on ${disk} disk`, { timeout: TIMEOUT_MS }, async () => {
    const witness = await killAgainAndAgain(
      disk,
      'kept',
      () => afterLines({ append: 21, got: 3 }),
      async (log, heard, round) => {
        // All of it is read, and it grows.
        if (round % 4 === 3 || round === ROUNDS - 1) await checkKept(log, heard);
      },
    );
    expect(witness.count).toBeGreaterThan(ROUNDS * 10);
    expect(witness.got.length).toBeGreaterThan(ROUNDS);
  });

  test(`${ROUNDS} times kill -9 on ${disk} disk while records pass by`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const witness = await killAgainAndAgain(disk, 'passes', () => withFilesRenewed, checkPassing);
    expect(witness.trimmed).toBeGreaterThan(0);
    expect(witness.renewed).toBeGreaterThan(0);
  });

  test(`${ROUNDS} times kill -9 on ${disk} disk of who reads at least once`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'walrus-kill-'));
    const places = { '': 0, g: 0 };
    for (const round of range(ROUNDS)) {
      const [way, persistEvery] = WAYS_TO_READ[round % WAYS_TO_READ.length]!;
      const group = way === 'group' ? 'g' : '';
      const witness = new Witness();
      const args = [dir, disk, String(persistEvery), way];
      await live(witness, CONSUMER, args, round === 0 ? afterLines({ got: 3 }) : atOnce);
      const { got, committed } = witness;
      expect(got).toEqual(range(got.length).map((i) => places[group] + i));
      const end = places[group] + got.length;
      const log = await Walrus.open({ dir, disk, fsync: FsyncSchedule.NoFsync });
      places[group] = log.offsets('t').next - log.entryCount('t', group);
      await log.close();
      expect(places[group], 'none is passed over').toBeLessThanOrEqual(end);
      if (way === 'group') expect(places.g).toBeGreaterThanOrEqual(committed);
      else expect(end - places['']).toBeLessThanOrEqual(Math.max(1, persistEvery - 1));
    }
    expect(places['']).toBeGreaterThan(0);
    await rm(dir, { recursive: true });
  });
}

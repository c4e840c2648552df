/** Files of which little is needed are emptied: how much disk a log takes, and what may happen meanwhile. */
import { expect, test } from 'vitest';
import { StoreWorld } from '../../../sim/store-world.ts';
import type { WalrusError } from '../errors.ts';
import { DamagedRecords } from './damaged-records.ts';

const OPTIONS = {
  seed: 'cleaner',
  fileBytes: 2 ** 20,
  batchBytes: 65_536,
  checkpointBytes: 2 ** 19,
  syncOnCommit: true,
  alignmentBytes: 1,
};

/** Every how many turns a topic gets a record, how long it is, and how many are kept. */
const TOPICS = [
  { name: 'fast', every: 1, bytes: 6000, kept: 10 },
  { name: 'busy', every: 2, bytes: 3000, kept: 60 },
  { name: 'slow', every: 20, bytes: 2000, kept: 250 },
  { name: 'rare', every: 90, bytes: 9000, kept: 10 },
];

function opened(options = OPTIONS): StoreWorld {
  const world = new StoreWorld(options);
  expect(world.open()).toBeUndefined();
  return world;
}

function logBytes(world: StoreWorld): number {
  let sum = 0;
  for (const [name, bytes] of world.machine.files()) {
    if (/\.wal(\.old)?$/.test(name)) sum += bytes.length;
  }
  return sum;
}

function liveBytes(world: StoreWorld): number {
  let sum = 0;
  for (const { records } of world.state.streams.values())
    for (const { length } of records) sum += length;
  return sum;
}

/** So many turns of topics of which each keeps its last records. */
function churn(world: StoreWorld, turns: number, afterEach: (turn: number) => void): void {
  for (let turn = 0; turn < turns; turn++) {
    for (const { name, every, bytes, kept } of TOPICS) {
      if (turn % every !== 0) continue;
      world.append(name, 1, new Uint8Array(bytes).fill(turn));
      const { start, records } = world.streamOf(name);
      if (records.length > kept) world.trim(name, start + records.length - kept);
    }
    const lsn = world.commit();
    while (world.store.durableLsn < lsn) world.step();
    afterEach(turn);
  }
}

/** The most that the log took beyond twice what was live, in files. */
function peak(cleans: boolean): number {
  const world = opened();
  let most = 0;
  churn(world, cleans ? 6000 : 1800, (turn) => {
    if (cleans) world.clean(32_768, false);
    if (turn < 600 || turn % 5 !== 0) return;
    most = Math.max(most, logBytes(world) - 2 * liveBytes(world));
  });
  world.settle();
  world.check();
  if (cleans) expect(world.store.stats.movedRecords).toBeGreaterThan(0);
  return most / OPTIONS.fileBytes;
}

test('a log takes twice what is live and two files, and without cleaning far more', () => {
  // The lengths and checksums of records, two percent here, are live, too.
  expect(peak(true)).toBeLessThanOrEqual(2.05);
  expect(peak(false)).toBeGreaterThan(8);
});

const SMALL = { ...OPTIONS, fileBytes: 8192, batchBytes: 1024, checkpointBytes: 4000 };

/** Files of records of which only the slow stream's few are kept. */
function mixed(world: StoreWorld): void {
  for (let i = 0; i < 80; i++) {
    world.append('fast', 1, new Uint8Array(600).fill(i));
    if (i % 4 === 0) world.append('slow', 1, new Uint8Array(50).fill(100 + i));
    world.commit();
  }
  world.trim('fast', 80);
  world.sync();
}

test('cleaning comes to an end, however small files are and however little they can hold', () => {
  for (const fileBytes of [4608, 6144, 8192, 65_536]) {
    const world = opened({ ...SMALL, fileBytes });
    mixed(world);
    world.cleanAll(2000, false);
    world.settle();
    const { movedRecords } = world.store.stats;
    for (let i = 0; i < 20; i++) world.cleanAll(2000, false);
    expect(world.store.stats.movedRecords).toBe(movedRecords);
    world.check();
  }
});

test('a thorough cleaning leaves no file that is not full, and records where they were', () => {
  const world = opened(SMALL);
  mixed(world);
  const before = logBytes(world);
  world.cleanAll(1000, true);
  world.settle();
  expect(world.store.stats.movedRecords).toBeGreaterThanOrEqual(15);
  expect(logBytes(world)).toBeLessThan(before / 3);
  world.check();
  world.machine.powerLoss();
  expect(world.open()).toBeUndefined();
  world.adopt();
  expect(world.streamOf('slow').records.length).toBe(20);
});

test('what is cut, and written anew, after it was read to be moved stays as it is written then', () => {
  // What is read waits for the end of the transaction that is open; the change comes a step later each time.
  for (let steps = 0; steps < 40; steps++) {
    const world = opened(SMALL);
    mixed(world);
    world.put('open', Uint8Array.of(1));
    world.clean(100_000, true);
    for (let i = 0; i < steps && world.time.pending > 0; i++) world.step();
    world.truncate('slow', 3);
    for (let i = 0; i < 17; i++) world.append('slow', 2, new Uint8Array(50).fill(200 + i));
    world.commit();
    world.check();
    world.cleanAll(1000, true);
    world.sync();
    world.check();
    world.machine.powerLoss();
    expect(world.open()).toBeUndefined();
    world.adopt();
    expect(world.streamOf('slow').records[3]?.[0]).toBe(200);
  }
});

test('the transaction of somebody else is not ended', () => {
  const world = opened(SMALL);
  mixed(world);
  world.append('fast', 1, new Uint8Array(2000));
  world.clean(100_000, true);
  world.settle();
  expect(world.store.stats.movedRecords).toBe(0);
  world.machine.powerLoss();
  expect(world.open()).toBeUndefined();
  world.adopt();
  expect(world.streamOf('fast').records).toEqual([]);
});

test('a log that has no file yet is not looked for in one', () => {
  const world = opened(SMALL);
  world.append('fast', 1, new Uint8Array(10));
  for (const isThorough of [false, true]) world.cleanAll(1000, isThorough);
  world.sync();
  world.check();
});

test('readers meet no file that is gone', () => {
  const world = opened(SMALL);
  mixed(world);
  const slow = world.store.stream('slow');
  const expected = world.streamOf('slow').records;
  let answers = 0;
  const wrong: (WalrusError | string)[] = [];
  const ask = (from: number): void => {
    world.store.read(slow, from, { records: 3, bytes: 5000 }, (error, records) => {
      answers++;
      if (error !== undefined) wrong.push(error);
      for (const [i, record] of records.entries()) {
        if (record[0] !== expected[from + i]![0]) wrong.push(`record ${from + i}`);
      }
    });
  };
  world.clean(100_000, true);
  for (let i = 0; i < 300; i++) {
    ask(i % 20);
    if (world.time.pending > 0) world.step();
    world.clean(300, true);
  }
  world.settle();
  expect(wrong).toEqual([]);
  expect(answers).toBe(300);
  expect(world.store.stats.removedFiles).toBeGreaterThan(5);
});

test('what does not verify stays where it is and is told to its reader; the rest is moved', () => {
  const world = opened(SMALL);
  mixed(world);
  expect(world.close()).toBeUndefined();
  world.machine.processCrash();
  // A bit of a slow record, which is found by its bytes.
  const [name, bytes] = [...world.machine.files()].find(([, file]) => holds(file, 120))!;
  world.machine.rotBit(name, bytes.findIndex((_, i) => isRun(bytes, i, 120)) + 10, 1);
  expect(world.open()).toBeUndefined();
  world.cleanAll(1000, true);
  for (let i = 0; i < 10; i++) world.cleanAll(1000, false);
  expect(world.machine.files().has(name)).toBe(true);
  let told: WalrusError | undefined;
  const slow = world.store.stream('slow');
  world.store.read(slow, 5, { records: 1, bytes: 1000 }, (error) => {
    told = error;
  });
  world.settle();
  expect(told).toBeInstanceOf(DamagedRecords);
  world.store.repair(slow, 5, [new Uint8Array(50).fill(120)]);
  world.sync();
  world.cleanAll(1000, true);
  expect(world.machine.files().has(name)).toBe(false);
  expect(world.readStream(slow).map(([byte]) => byte)).toEqual(
    Array.from({ length: 20 }, (_, i) => 100 + 4 * i),
  );
});

/** Fifty such bytes in a row. */
function isRun(bytes: Uint8Array, at: number, byte: number): boolean {
  for (let i = at; i < at + 50; i++) if (bytes[i] !== byte) return false;
  return bytes[at + 50] !== byte;
}

function holds(bytes: Uint8Array, byte: number): boolean {
  return bytes.some((_, i) => isRun(bytes, i, byte));
}

test('on a full disk nothing is moved, and nobody waits for it', () => {
  const world = opened(SMALL);
  mixed(world);
  world.machine.faults.capacityBytes = world.machine.usedBytes;
  for (let i = 0; i < 50; i++) {
    world.clean(1000, true);
    for (let left = 20; left > 0 && world.time.pending > 0; left--) world.step();
  }
  expect(world.failure).toBeUndefined();
  world.check();
  world.machine.faults.capacityBytes = Infinity;
  world.cleanAll(1000, true);
  world.settle();
  world.check();
  expect(world.store.stats.movedRecords).toBeGreaterThanOrEqual(15);
});

test('who closes the log or sees it fail hears that the cleaning under way has ended', () => {
  for (const ends of ['close', 'failure'] as const) {
    const world = opened(SMALL);
    mixed(world);
    let heard: string | undefined;
    world.store.clean(100_000, true, (error) => {
      heard = error?.code;
    });
    if (ends === 'close') expect(world.close()).toBeUndefined();
    else {
      world.machine.faults.writeError = 1;
      world.append('fast', 1, new Uint8Array(1));
      world.commit();
      world.settle();
    }
    expect(heard).toBe(ends === 'close' ? 'Closed' : 'StorageFailed');
  }
});

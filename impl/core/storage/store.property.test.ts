/**
 * Random work on a store against the simplest model, with crashes, power losses, full disks and failing ones in between.
 * `RUNS=10000 npx vitest run impl/core/storage/store.property.test.ts` for a long one.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stateOf, surveyOf } from '../../../sim/store-survey.ts';
import { StoreWorld, type StoreWorldOptions } from '../../../sim/store-world.ts';

const RUNS = Number(process.env.RUNS ?? 150);
const NAMES = ['a', 'b', 'segment/topic/1', 'ünïcode 🐋'];

const name = fc.constantFrom(...NAMES);
const place = fc.double({ min: 0, max: 0.999, noNaN: true });
const work = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('append' as const),
      name,
      epoch: fc.nat({ max: 3 }),
      count: fc.integer({ min: 1, max: 12 }),
      bytes: fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 900 }), fc.constantFrom(0, 6000, 20_000)),
    }),
  },
  { weight: 8, arbitrary: fc.record({ op: fc.constant('commit' as const), name, place }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('truncate' as const), name, place }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('trim' as const), name, place }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('repair' as const), name, place }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('reset' as const), name, place }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('drop' as const), name, place }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('put' as const), name, place }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('remove' as const), name, place }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('consume' as const), name, place }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('sync' as const), name, place }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('read' as const), name, place }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('wait' as const), name, place }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('checkAll' as const), name, place }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('close' as const), name, place }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('powerLoss' as const), name, place }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('processCrash' as const), name, place }) },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('crashWhileOpening' as const), name, place }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('full' as const), name, place }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('shortage' as const), name, place }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('crashWhenFull' as const), name, place }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('rest' as const), name, place }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('clean' as const), name, place }) },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('crashWhileCleaning' as const), name, place }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('ioError' as const), name, place }) },
);
type Work = typeof work extends fc.Arbitrary<infer Value> ? Value : never;

const options: fc.Arbitrary<StoreWorldOptions> = fc.record({
  seed: fc.integer().map(String),
  fileBytes: fc.constantFrom(6144, 8192, 16_384, 65_536, 1 << 18),
  batchBytes: fc.constantFrom(512, 4096),
  checkpointBytes: fc.constantFrom(1000, 8000, 100_000),
  syncOnCommit: fc.boolean(),
  alignmentBytes: fc.constantFrom(1, 512, 4096),
});

let reopened = 0;
/** Files that were made of older ones. */
let renewed = 0;
/** Records that cleaning wrote again before a crash came. */
let moved = 0;
let recordNumber = 0;

/** Bytes that occur nowhere else. */
function uniqueRecord(length: number): Uint8Array {
  const text = `#${recordNumber++};`;
  return Uint8Array.from({ length }, (_, i) => text.charCodeAt(i % text.length));
}

function reopen(world: StoreWorld): void {
  Object.assign(world.machine.faults, {
    capacityBytes: Infinity,
    shortage: 0,
    writeError: 0,
    syncError: 0,
    readError: 0,
  });
  // A survey of a directory shows what opening it will.
  const survey = surveyOf(world.machine.files());
  expect(world.open()).toBeUndefined();
  world.adopt();
  expect(stateOf(survey)).toEqual(world.readAll());
  expect(survey.end).toBe(world.store.openedLsn);
  reopened++;
}

function perform(world: StoreWorld, step: Work): void {
  const { streamOf } = world;
  const { start, records } = streamOf.call(world, step.name);
  const end = start + records.length;
  const index = 'place' in step ? start + Math.floor(step.place * (records.length + 1)) : 0;
  switch (step.op) {
    case 'append':
      for (let i = 0; i < step.count; i++) {
        world.append(step.name, step.epoch, uniqueRecord(step.bytes));
        if (step.bytes > 5000) break;
      }
      break;
    case 'commit':
      world.commit();
      break;
    case 'truncate':
      world.truncate(step.name, index);
      break;
    case 'trim':
      world.trim(step.name, index);
      break;
    case 'repair':
      // What is still in the open frame cannot be damaged.
      world.sync();
      if (index < end) world.repair(step.name, index, 1 + Math.floor(step.place * (end - index)));
      break;
    case 'reset':
      world.reset(step.name, Math.floor(step.place * 2 * (end + 1)));
      break;
    case 'drop':
      world.drop(step.name);
      break;
    case 'put':
      world.put(`key/${step.name}`, uniqueRecord(Math.floor(step.place * 300)));
      break;
    case 'remove':
      world.put(`key/${step.name}`, undefined);
      break;
    case 'consume':
      consume(world, step.name, 1 + Math.floor(step.place * 60));
      break;
    case 'sync':
      world.sync();
      break;
    case 'read':
      if (index < end) {
        const got = world.read(world.store.stream(step.name), index, { records: 3, bytes: 1000 });
        expect(got.length).toBeGreaterThan(0);
        expect(got).toEqual(records.slice(index - start, index - start + got.length));
      }
      break;
    case 'wait':
      for (let left = Math.floor(step.place * 12); left > 0 && world.time.pending > 0; left--) {
        world.step();
      }
      break;
    case 'checkAll':
      world.check();
      break;
    case 'close':
      world.commit();
      expect(world.close()).toBeUndefined();
      world.machine.processCrash();
      expect(world.open()).toBeUndefined();
      expect(world.store.stats.cutBytes).toBe(0);
      expect(world.store.stats.cutAt).toBeUndefined();
      world.check();
      world.adopt();
      break;
    case 'powerLoss':
      world.machine.powerLoss();
      reopen(world);
      break;
    case 'processCrash':
      world.machine.processCrash();
      reopen(world);
      break;
    case 'crashWhileOpening':
      world.machine.powerLoss();
      world.start();
      for (let left = Math.floor(step.place * 40); left > 0 && !world.isOpen; left--) world.step();
      if (step.place > 0.5) world.machine.powerLoss();
      else world.machine.processCrash();
      reopen(world);
      break;
    case 'full':
      fillUp(world, step.name);
      break;
    case 'shortage':
      runShort(world, step.name, step.place);
      break;
    case 'crashWhenFull':
      crashWhenFull(world, step.name, index);
      break;
    case 'rest':
      world.store.rest();
      break;
    case 'clean':
      // What comes next happens meanwhile.
      world.clean(Math.floor(step.place * 10_000), step.place > 0.3);
      break;
    case 'crashWhileCleaning':
      crashWhileCleaning(world, step.name, step.place);
      break;
    case 'ioError':
      if (step.place < 0.5) world.machine.faults.writeError = 1;
      else world.machine.faults.syncError = 1;
      world.append(step.name, 1, uniqueRecord(100));
      world.commit();
      world.store.sync();
      world.until(() => world.failure !== undefined);
      expect(world.failure!.code).toBe('StorageFailed');
      expect(() => world.store.append(1, 1, new Uint8Array(1))).toThrow(world.failure!);
      world.machine.powerLoss();
      reopen(world);
      break;
  }
}

/** Cuts a cleaning off after one of its requests: a copy written, synced, spoken of by a checkpoint, the file it was in given up. */
function crashWhileCleaning(world: StoreWorld, name: string, chance: number): void {
  const slow = NAMES[(NAMES.indexOf(name) + 1) % NAMES.length]!;
  for (let i = 0; i < 20; i++) {
    world.append(name, 1, uniqueRecord(400));
    if (i % 3 === 0) world.append(slow, 1, uniqueRecord(30));
    const { start, records } = world.streamOf(name);
    if (records.length > 2) world.trim(name, start + records.length - 2);
    world.commit();
  }
  world.sync();
  const { movedRecords } = world.store.stats;
  const last = world.machine.requests + Math.floor(chance * 40);
  world.cleanAll(700, true, () => world.machine.requests >= last);
  moved += world.store.stats.movedRecords - movedRecords;
  if (Math.floor(chance * 1000) % 2 === 0) world.machine.powerLoss();
  else world.machine.processCrash();
  reopen(world);
}

/** Appends while all that is older goes, so that files die and others are made of them. */
function consume(world: StoreWorld, name: string, records: number): void {
  const { renewedFiles } = world.store.stats;
  for (let i = 0; i < records; i++) {
    world.append(name, 1, uniqueRecord(400));
    for (const each of NAMES) {
      const { start, records: kept } = world.streamOf(each);
      if (kept.length > 2) world.trim(each, start + kept.length - 2);
    }
    world.commit();
    for (let left = i % 24; left > 0 && world.time.pending > 0; left--) world.step();
  }
  renewed += world.store.stats.renewedFiles - renewedFiles;
}

/** The system lacks something now and then, or altogether; when that has passed all is as if it had not been. */
function runShort(world: StoreWorld, name: string, chance: number): void {
  const { faults } = world.machine;
  faults.shortage = chance < 0.5 ? chance : 1;
  // Half of the time there is no room either.
  if (Math.floor(chance * 100) % 2 === 1) faults.capacityBytes = world.machine.usedBytes;
  for (let i = 0; i < 40; i++) {
    if (world.store.room(500) === 'yes') world.append(name, 1, uniqueRecord(500));
    if (i % 3 === 0) consume(world, name, 2);
    world.commit();
    for (let left = i % 7; left > 0 && world.time.pending > 0; left--) world.step();
  }
  expect(world.failure).toBeUndefined();
  if (chance > 0.8) {
    // To close comes to an end; what was refused is void.
    expect(world.close()).toBeUndefined();
    world.machine.processCrash();
    reopen(world);
    return;
  }
  Object.assign(faults, { shortage: 0, capacityBytes: Infinity });
  for (let tries = 0; world.store.room(500) !== 'yes'; tries++) {
    expect(tries).toBeLessThan(1000);
    world.step();
  }
  world.append(name, 1, uniqueRecord(500));
  world.sync();
  world.check();
}

/** Takes what there is room for, sees the rest refused, gives room back. */
function fillUp(world: StoreWorld, name: string): void {
  world.sync();
  world.machine.faults.capacityBytes = world.machine.usedBytes;
  let refused = false;
  for (let i = 0; i < 5000 && !refused; i++) {
    const room = world.store.room(500);
    if (room === 'yes') world.append(name, 1, uniqueRecord(500));
    if (room === 'full') refused = true;
    world.commit();
    if (room === 'busy') world.step();
  }
  expect(refused).toBe(true);
  world.store.sync();
  world.settle();
  world.check();
  // What there was room for is as durable as ever.
  const lsn = world.commit();
  expect(world.store.durableLsn).toBeGreaterThanOrEqual(lsn);
  world.machine.faults.capacityBytes = Infinity;
  let room = world.store.room(500);
  while (room !== 'yes') {
    world.step();
    room = world.store.room(500);
  }
  world.append(name, 1, uniqueRecord(500));
  world.sync();
  world.check();
}

/** On a disk that is full when the log is opened again, what is not records still becomes durable. */
function crashWhenFull(world: StoreWorld, name: string, start: number): void {
  world.sync();
  world.settle();
  // The reserve may still be missing from the time before.
  if (world.store.room(0) !== 'yes') return;
  const { faults } = world.machine;
  faults.capacityBytes = world.machine.usedBytes;
  world.machine.processCrash();
  expect(world.open()).toBeUndefined();
  faults.capacityBytes = Math.min(faults.capacityBytes, world.machine.usedBytes);
  world.adopt();
  if (start <= world.streamOf(name).start + world.streamOf(name).records.length) {
    if (start >= world.streamOf(name).start) world.trim(name, start);
  }
  world.put(`key/${name}`, uniqueRecord(50));
  world.sync();
  world.machine.powerLoss();
  reopen(world);
}

test('nothing durable is lost, nothing is torn, nothing is invented', () => {
  fc.assert(
    fc.property(
      options,
      fc.array(work, { minLength: 5, maxLength: 60, size: 'max' }),
      (drawn, steps) => {
        const world = new StoreWorld(drawn);
        expect(world.open()).toBeUndefined();
        for (const step of steps) perform(world, step);
        world.sync();
        world.check();
        world.machine.powerLoss();
        reopen(world);
        world.check();
      },
    ),
    {
      numRuns: RUNS,
      ...(process.env.SEED === undefined ? {} : { seed: Number(process.env.SEED) }),
    },
  );
  expect(reopened).toBeGreaterThanOrEqual(RUNS);
  expect(renewed).toBeGreaterThan(0);
  expect(moved).toBeGreaterThan(0);
  if (process.env.RUNS !== undefined) {
    console.log(
      `crashed and reopened ${reopened} times, made ${renewed} files of older ones, moved ${moved} records`,
    );
  }
}, 3_600_000);

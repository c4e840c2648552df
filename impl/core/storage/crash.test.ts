/** A fixed piece of work, cut short after each request that it makes to the disk, in several ways. */
import { expect, test } from 'vitest';
import { StoreWorld } from '../../../sim/store-world.ts';

const OPTIONS = {
  fileBytes: 8192,
  batchBytes: 1024,
  checkpointBytes: 3000,
  syncOnCommit: true,
  alignmentBytes: 1,
};
const WAYS = ['powerLoss', 'processCrash', 'both'] as const;

function record(i: number): Uint8Array {
  return new Uint8Array(100 + (i % 7) * 60).fill(i);
}

/** Goes through files, checkpoints and reclaim; stops as soon as `isOver`. */
function work(world: StoreWorld, isOver: () => boolean, steps = 60): void {
  for (let i = 0; i < steps && !isOver(); i++) {
    world.append('a', 1, record(i));
    if (i % 3 === 0) world.append('b', 2, record(i));
    world.put('cursor', Uint8Array.of(i));
    if (i % 5 === 4) {
      const { start, records } = world.streamOf('a');
      world.trim('a', start + Math.max(0, records.length - 6));
    }
    if (i % 20 === 19) world.reset('b', i);
    if (i % 13 === 12) {
      const { start, records } = world.streamOf('a');
      world.truncate('a', start + records.length - 1);
    }
    const lsn = world.commit();
    if (i % 4 === 0) while (world.store.durableLsn < lsn && !isOver()) world.step();
  }
  while (world.time.pending > 0 && !isOver()) world.step();
}

function crash(world: StoreWorld, way: (typeof WAYS)[number]): void {
  if (way !== 'powerLoss') world.machine.processCrash();
  if (way !== 'processCrash') world.machine.powerLoss();
}

test('a crash after any request loses nothing durable, and neither does a second while opening', () => {
  const full = new StoreWorld({ ...OPTIONS, seed: 'full' });
  expect(full.open()).toBeUndefined();
  work(full, () => false);
  expect(full.store.stats.checkpoints).toBeGreaterThan(3);
  expect(full.store.stats.removedFiles).toBeGreaterThan(1);
  expect(full.store.stats.renewedFiles).toBeGreaterThan(0);
  const { requests } = full.machine;
  expect(requests).toBeGreaterThan(150);

  for (let last = 0; last <= requests; last++) {
    for (const way of WAYS) {
      const world = new StoreWorld({ ...OPTIONS, seed: 'full' });
      world.start();
      while (!world.isOpen && world.machine.requests < last) world.step();
      if (world.isOpen) work(world, () => world.machine.requests >= last);
      crash(world, way);
      // The second crash comes at another place each time.
      world.start();
      const second = world.machine.requests + (last % 23);
      while (!world.isOpen && world.machine.requests < second) world.step();
      expect(world.error).toBeUndefined();
      crash(world, way);
      expect(world.open(), `crash after request ${last} by ${way}`).toBeUndefined();
      world.adopt();
      world.append('a', 3, record(1));
      world.sync();
      world.check();
    }
  }
});

test('with a power loss before each request of a checkpoint, all files that are needed are there', () => {
  // Small checkpoints, all the time: the interesting requests are among these.
  const options = { ...OPTIONS, checkpointBytes: 200, batchBytes: 512 };
  const full = new StoreWorld({ ...options, seed: 'often' });
  expect(full.open()).toBeUndefined();
  work(full, () => false);
  for (let last = 20; last <= full.machine.requests; last++) {
    const world = new StoreWorld({ ...options, seed: 'often' });
    expect(world.open()).toBeUndefined();
    work(world, () => world.machine.requests >= last);
    world.machine.powerLoss();
    expect(world.open()).toBeUndefined();
    world.adopt();
  }
});

test('after a power loss the checkpoint before the newest will do', () => {
  const options = { ...OPTIONS, checkpointBytes: 500, batchBytes: 512 };
  const full = new StoreWorld({ ...options, seed: 'older' });
  expect(full.open()).toBeUndefined();
  work(full, () => false, 150);
  expect(full.store.stats.renewedFiles).toBeGreaterThan(2);
  let rejected = 0;
  for (let last = 20; last <= full.machine.requests; last++) {
    const world = new StoreWorld({ ...options, seed: 'older' });
    expect(world.open()).toBeUndefined();
    work(world, () => world.machine.requests >= last, 150);
    world.machine.powerLoss();
    const checkpoints = [...world.machine.files().keys()].filter((name) =>
      name.endsWith('.checkpoint'),
    );
    if (checkpoints.length > 1) world.machine.rotBit(checkpoints.at(-1)!, 100, 1);
    expect(world.open(), `crash after request ${last}`).toBeUndefined();
    world.adopt();
    rejected += world.store.stats.rejectedCheckpoints;
  }
  expect(rejected).toBeGreaterThan(50);
});

/** A slow stream among a fast one, and cleaning, which goes on while others write; stops as soon as `isOver`. */
function workAndClean(world: StoreWorld, isOver: () => boolean): void {
  for (let i = 0; i < 60 && !isOver(); i++) {
    world.append('fast', 1, record(i));
    if (i % 4 === 0) world.append('slow', 2, record(i).subarray(0, 50));
    if (i % 3 === 2) {
      const { start, records } = world.streamOf('fast');
      world.trim('fast', start + Math.max(0, records.length - 3));
    }
    if (i % 25 === 24) {
      const { start, records } = world.streamOf('slow');
      world.truncate('slow', start + records.length - 1);
      world.trim('slow', start + 1);
    }
    world.commit();
    if (i % 3 === 0) world.clean(300, true);
    for (let left = i % 5; left > 0 && world.time.pending > 0 && !isOver(); left--) world.step();
    if (i % 20 === 19) world.cleanAll(300, true, isOver);
  }
  world.cleanAll(300, true, isOver);
  while (world.time.pending > 0 && !isOver()) world.step();
}

test('a crash after any request of a cleaning loses nothing durable, and doubles nothing', () => {
  for (const syncOnCommit of [true, false]) {
    const options = { ...OPTIONS, checkpointBytes: 4000, syncOnCommit };
    const full = new StoreWorld({ ...options, seed: 'clean' });
    expect(full.open()).toBeUndefined();
    workAndClean(full, () => false);
    full.check();
    expect(full.store.stats.movedRecords).toBeGreaterThan(20);
    expect(full.store.stats.removedFiles).toBeGreaterThan(2);
    for (let last = 20; last <= full.machine.requests; last++) {
      for (const way of WAYS) {
        const world = new StoreWorld({ ...options, seed: 'clean' });
        expect(world.open()).toBeUndefined();
        workAndClean(world, () => world.machine.requests >= last);
        crash(world, way);
        expect(world.open(), `crash after request ${last} by ${way}`).toBeUndefined();
        world.adopt();
        world.cleanAll(300, true);
        world.check();
        // The checkpoint before the newest must do as well.
        world.machine.powerLoss();
        const checkpoints = [...world.machine.files().keys()].filter((file) =>
          file.endsWith('.checkpoint'),
        );
        if (checkpoints.length > 1) world.machine.rotBit(checkpoints.at(-1)!, 100, 1);
        expect(world.open(), `second crash after request ${last} by ${way}`).toBeUndefined();
        world.adopt();
      }
    }
  }
});

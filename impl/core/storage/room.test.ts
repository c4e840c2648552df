/** How much of the disk a log takes, and what it does where there is no more. */
import { expect, test } from 'vitest';
import { StoreWorld, type StoreWorldOptions } from '../../../sim/store-world.ts';

const KIBIBYTE = 1024;
const FILE_BYTES = 64 * 2 ** 20;

function world(options: Partial<StoreWorldOptions> = {}): StoreWorld {
  return new StoreWorld({
    seed: 'room',
    fileBytes: FILE_BYTES,
    batchBytes: 256 * KIBIBYTE,
    checkpointBytes: 16 * 2 ** 20,
    syncOnCommit: true,
    alignmentBytes: 4096,
    ...options,
  });
}

function opened(options: Partial<StoreWorldOptions> = {}): StoreWorld {
  const it = world(options);
  expect(it.open()).toBeUndefined();
  return it;
}

function append(it: StoreWorld, records: number, bytes: number): void {
  const id = it.store.stream('a');
  for (let i = 0; i < records; i++) {
    it.store.append(id, 1, new Uint8Array(bytes).fill(i));
    it.store.commit();
    it.settle();
  }
}

test('a log of one record takes less than half a megabyte, open and closed', () => {
  const it = opened();
  append(it, 1, 100);
  expect(it.machine.usedBytes).toBeLessThan(400 * KIBIBYTE);
  expect(it.close()).toBeUndefined();
  expect(it.machine.usedBytes).toBeLessThan(400 * KIBIBYTE);
});

test('a log that is opened again and again grows by little each time', () => {
  const it = opened();
  for (let i = 0; i < 20; i++) {
    append(it, 1, 100);
    expect(it.close()).toBeUndefined();
    it.machine.processCrash();
    expect(it.open()).toBeUndefined();
  }
  expect(it.machine.usedBytes).toBeLessThan((20 * 64 + 400) * KIBIBYTE);
});

test('files grow with the log, up to the usual size', () => {
  const fileBytes = 8 * 2 ** 20;
  const it = opened({ fileBytes });
  let written = 0;
  for (const mebibytes of [1, 2, 4, 8, 16]) {
    append(it, mebibytes * 2, 512 * KIBIBYTE);
    written += mebibytes * 2 ** 20;
    expect(it.machine.usedBytes).toBeLessThan(8 * written + 2 ** 20);
  }
  const sizes = [...it.machine.files()]
    .filter(([name]) => name.endsWith('.wal'))
    .map(([, { length }]) => length);
  expect(sizes.length).toBeLessThan(11);
  expect(sizes.at(-1)).toBe(fileBytes);
});

test('a log that rests gives back what is there for speed alone, and goes on', () => {
  const it = opened({ fileBytes: 2 ** 20, checkpointBytes: 2 ** 20 });
  const id = it.store.stream('a');
  for (let i = 0; i < 40; i++) {
    append(it, 1, 256 * KIBIBYTE);
    it.store.trim(id, i);
    it.sync();
  }
  it.settle();
  expect(it.store.stats.renewedFiles).toBeGreaterThan(0);
  const { usedBytes } = it.machine;
  it.store.rest();
  it.settle();
  expect(it.machine.usedBytes).toBeLessThan(usedBytes - 2 ** 20);
  append(it, 20, 256 * KIBIBYTE);
  it.machine.powerLoss();
  expect(it.open()).toBeUndefined();
  expect(it.store.end(id)).toBe(60);
});

test('where there is no room for a log, none is founded, and it can be tried again', () => {
  for (const capacityBytes of [0, 10_000]) {
    const it = world();
    it.machine.faults.capacityBytes = capacityBytes;
    for (let times = 0; times < 3; times++) {
      const error = it.open();
      expect([error?.code, error?.retriable]).toEqual(['NoSpace', true]);
      it.machine.processCrash();
    }
    it.machine.faults.capacityBytes = Infinity;
    expect(it.open()).toBeUndefined();
    append(it, 1, 100);
    it.machine.powerLoss();
    expect(it.open()).toBeUndefined();
    expect(it.store.end(it.store.stream('a'))).toBe(1);
  }
});

/** A log that has taken records until there was room for no more, opened again on the disk as it is. */
function openedOnFullDisk(): StoreWorld {
  const it = opened({ fileBytes: 2 ** 20, checkpointBytes: 2 ** 20 });
  it.machine.faults.capacityBytes = 6 * 2 ** 20;
  for (let i = 0; it.store.room(50_000) !== 'full'; ) {
    if (it.store.room(50_000) === 'yes') {
      it.append(i % 2 === 0 ? 'a' : 'b', 1, new Uint8Array(50_000).fill(i++));
      it.commit();
    } else {
      it.step();
    }
  }
  it.sync();
  it.machine.processCrash();
  // Others have taken the rest.
  it.machine.faults.capacityBytes = it.machine.usedBytes;
  expect(it.open()).toBeUndefined();
  it.adopt();
  return it;
}

test('on a full disk a log that is opened again can be read, trimmed, and so made room in', () => {
  const it = openedOnFullDisk();
  const { store } = it;
  expect(store.room(1000)).toBe('full');
  for (const purpose of ['control', 'reclaim'] as const) {
    it.until(() => store.room(100, purpose) === 'yes');
    it.put(purpose, Uint8Array.of(1));
    it.sync();
  }
  expect(store.room(1000)).toBe('full');
  it.trim('a', it.streamOf('a').records.length - 1);
  it.drop('b');
  it.sync();
  it.settle();
  // Room that the log gave back is its own again.
  it.until(() => store.room(1000) === 'yes');
  it.append('a', 1, new Uint8Array(1000));
  it.sync();
  it.check();
});

test('room that is reserved is not for records, and its half is kept for what gives room back', () => {
  const it = openedOnFullDisk();
  const { store } = it;
  let controls = 0;
  for (;;) {
    const room = store.room(3000, 'control');
    if (room === 'full') break;
    if (room === 'yes') {
      it.put('key', new Uint8Array(3000).fill(controls++));
      it.sync();
    } else {
      it.step();
    }
  }
  expect(controls).toBeGreaterThan(20);
  it.until(() => store.room(100, 'reclaim') === 'yes');
  it.trim('a', 1);
  it.sync();
  expect(store.room(100)).toBe('full');
  // What is not asked for is written all the same.
  it.put('vote', Uint8Array.of(7));
  it.sync();
  it.machine.processCrash();
  expect(it.open()).toBeUndefined();
  it.adopt();
  expect(it.store.get('vote')).toEqual(Uint8Array.of(7));
});

test('what is not records hears of no full disk while records ask for room again', () => {
  for (const purpose of ['control', 'reclaim'] as const) {
    const it = openedOnFullDisk();
    const { store } = it;
    it.until(() => store.room(1000) === 'full');
    for (let room = store.room(100, purpose); room !== 'yes'; room = store.room(100, purpose)) {
      expect(room).toBe('busy');
      it.step();
    }
  }
});

test('the reserve is made again when there is room', () => {
  const it = openedOnFullDisk();
  const { store } = it;
  it.put('key', Uint8Array.of(1));
  it.sync();
  expect(store.room(100)).toBe('full');
  expect(store.stats.isFull).toBe(true);
  it.machine.faults.capacityBytes = Infinity;
  it.until(() => store.room(100) === 'yes');
  it.settle();
  expect(store.stats.isFull).toBe(false);
  const reserve = [...it.machine.files().keys()].filter((name) => name.endsWith('.reserve'));
  expect(reserve.length).toBe(4);
});

import { beforeEach, expect, test } from 'vitest';
import { VirtualTime } from '../../sim/clock.ts';
import { SimDisk } from '../../sim/disk.ts';
import { Randomness } from '../../sim/random.ts';
import { type BootId, type Incarnation, nodeId } from '../core/ids.ts';
import { crc32c } from '../core/storage/crc32c.ts';
import { Store } from '../core/storage/store.ts';
import { KnownDisks } from './known-disks.ts';
import type { Envelope } from './messages.ts';

const two = nodeId(2);
const time = new VirtualTime();
const random = new Randomness('known-disks');
const disk = new SimDisk({
  random: random.stream('disk'),
  schedule: (delayMs, task) => time.after(delayMs, task),
});

function open(): Store {
  disk.powerLoss();
  const store = new Store(
    disk.start((completions) => store.complete(completions)),
    {
      checksum: crc32c,
      random: random.stream('store'),
      fileBytes: 65_536,
      batchBytes: 16_384,
      checkpointBytes: 65_536,
      syncOnCommit: true,
      onProgress: () => {},
      onFailed: (error) => {
        throw error;
      },
    },
  );
  let isOpen = false;
  store.open((error) => {
    expect(error).toBeUndefined();
    isOpen = true;
  });
  while (!isOpen) time.step();
  return store;
}

function commit(store: Store): void {
  const lsn = store.commit();
  while (store.durableLsn < lsn) time.step();
}

function envelope(fromBoot: number, fromLsn: number, fromIncarnation = 7): Envelope {
  return {
    from: two,
    fromIncarnation: fromIncarnation as Incarnation,
    fromBoot: fromBoot as BootId,
    fromLsn,
    sentAtMs: 0,
    to: nodeId(1),
    toIncarnation: 0,
    body: { kind: 'Ping', address: 'two:6001', full: false, leaving: false },
  };
}

let store: Store;
let known: KnownDisks;
beforeEach(() => {
  disk.wipe();
  store = open();
  known = new KnownDisks(store);
});

test('a life is believed from its first word, and its disk known by the farthest of them', () => {
  expect(known.hear(envelope(21, 500))).toBeUndefined();
  expect(known.hear(envelope(21, 400))).toBeUndefined();
  expect(known.reachOf(two)).toMatchObject({ boot: 21, lsn: 500 });
});

test('the next life has to recall what the last one had', () => {
  known.hear(envelope(21, 500));
  expect(known.hear(envelope(22, 900))).toMatchObject({ boot: 21, lsn: 500 });
  known.recalled(envelope(22, 900), { boot: 21 as BootId, lsn: 500 });
  expect(known.hear(envelope(22, 950))).toBeUndefined();
  expect(known.hear(envelope(21, 510)), 'a late word of the earlier life').toBeDefined();
});

test('to recall something else, or less, is not enough', () => {
  known.hear(envelope(21, 500));
  known.recalled(envelope(22, 900), { boot: 20 as BootId, lsn: 500 });
  known.recalled(envelope(22, 900), { boot: 21 as BootId, lsn: 499 });
  known.recalled(envelope(22, 900, 8), { boot: 21 as BootId, lsn: 500 });
  expect(known.hear(envelope(22, 900))).toMatchObject({ boot: 21, lsn: 500 });
});

test('another disk has nothing to recall', () => {
  known.hear(envelope(21, 500));
  expect(known.hear(envelope(22, 10, 8))).toBeUndefined();
  expect(known.reachOf(two)).toMatchObject({ boot: 22, lsn: 10, incarnation: 8 });
});

test('it is remembered across a restart, once it went along with a commit', () => {
  known.hear(envelope(21, 500));
  known.stage(true, 0);
  commit(store);
  known.hear(envelope(21, 600));
  expect(new KnownDisks(open()).reachOf(two)).toMatchObject({ boot: 21, lsn: 500 });
});

test('alone it is committed once a second at most, and not if there is nothing new', () => {
  known.hear(envelope(21, 500));
  known.stage(false, 10_000);
  expect(store.hasUncommitted).toBe(true);
  commit(store);
  known.hear(envelope(21, 600));
  known.stage(false, 10_999);
  expect(store.hasUncommitted).toBe(false);
  known.stage(false, 11_000);
  expect(store.hasUncommitted).toBe(true);
  commit(store);
  known.stage(true, 20_000);
  expect(store.hasUncommitted).toBe(false);
});

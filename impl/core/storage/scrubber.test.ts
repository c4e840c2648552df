import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StoreWorld, type StoreWorldOptions } from '../../../sim/store-world.ts';
import { utf8Encode } from '../utf8.ts';
import { DamagedRecords } from './damaged-records.ts';
import { FILE_HEAD_BYTES } from './format.ts';

const OPTIONS: StoreWorldOptions = {
  seed: 'scrub',
  fileBytes: 65_536,
  batchBytes: 4096,
  checkpointBytes: 1e9,
  syncOnCommit: true,
  alignmentBytes: 1,
};
const STREAMS = ['a', 'b', 'c'];
const RECORDS = 120;

/** The files of a log that was closed: nothing of it is read when it is opened. */
function closedLog(): ReadonlyMap<string, Uint8Array> {
  const world = new StoreWorld(OPTIONS);
  expect(world.open()).toBeUndefined();
  for (let i = 0; i < RECORDS; i++) {
    for (const name of STREAMS)
      world.append(name, 1, utf8Encode(`${name} ${i} ${'.'.repeat(i * 3)}`));
    if (i % 30 === 29) world.sync();
  }
  expect(world.close()).toBeUndefined();
  return world.machine.files();
}

/** `stream/index` of each record that is damaged, by a pass with so many bytes a call. */
function scrub(world: StoreWorld, bytes: number): string[] {
  const found: string[] = [];
  for (let isEnd = false; !isEnd; ) {
    let isDone = false;
    world.store.scrub(bytes, (error, step) => {
      expect(error).toBeUndefined();
      for (const { stream, from, to } of step.damaged) {
        for (let index = from; index < to; index++) found.push(`${stream}/${index}`);
      }
      isEnd = step.isEnd;
      isDone = true;
    });
    world.until(() => isDone);
  }
  return found;
}

/** The same, by reading them one by one. */
function unreadable(world: StoreWorld): string[] {
  const found: string[] = [];
  for (const name of STREAMS) {
    const stream = world.store.stream(name);
    for (let index = 0; index < world.store.end(stream); index++) {
      let isDone = false;
      world.store.read(stream, index, { records: 1, bytes: 1 }, (error) => {
        if (error !== undefined) expect(error).toBeInstanceOf(DamagedRecords);
        if (error !== undefined) found.push(`${name}/${index}`);
        isDone = true;
      });
      world.until(() => isDone);
    }
  }
  return found;
}

const FILES = closedLog();

test('what is whole is found whole, however little is read at a time', () => {
  for (const bytes of [1, 5000, 1e6]) {
    const world = new StoreWorld({ ...OPTIONS, files: FILES });
    expect(world.open()).toBeUndefined();
    expect(scrub(world, bytes)).toEqual([]);
    const { readBytes } = world.store.stats;
    // Another pass reads it all again.
    expect(scrub(world, bytes)).toEqual([]);
    expect(world.store.stats.readBytes).toBe(2 * readBytes);
  }
});

test('a pass finds what a reader would, no more and no less', () => {
  const log = [...FILES.keys()].find((name) => name.endsWith('.wal'))!;
  const bytes = FILES.get(log)!;
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  const place = fc.integer({ min: FILE_HEAD_BYTES, max: end - 1 });
  let damaged = 0;
  fc.assert(
    fc.property(
      fc.array(place, { minLength: 1, maxLength: 4 }),
      fc.nat(20_000),
      (places, budget) => {
        const copy = bytes.slice();
        for (const at of new Set(places)) copy[at]! ^= 1 << (at % 8);
        const world = new StoreWorld({ ...OPTIONS, files: new Map(FILES).set(log, copy) });
        expect(world.open()).toBeUndefined();
        const found = scrub(world, budget + 1);
        expect(found).toEqual(unreadable(world));
        damaged += found.length;
      },
    ),
    { numRuns: 60 },
  );
  expect(damaged).toBeGreaterThan(0);
});

test('what was repaired is whole', () => {
  const log = [...FILES.keys()].find((name) => name.endsWith('.wal'))!;
  const copy = FILES.get(log)!.slice();
  copy[FILE_HEAD_BYTES + 1000]! ^= 1;
  const world = new StoreWorld({ ...OPTIONS, files: new Map(FILES).set(log, copy) });
  expect(world.open()).toBeUndefined();
  const found = scrub(world, 10_000);
  expect(found.length).toBeGreaterThan(0);
  for (const place of found) {
    const [name, index] = place.split('/');
    world.store.repair(world.store.stream(name!), Number(index), [utf8Encode('mended')]);
  }
  world.store.commit();
  world.store.sync();
  world.settle();
  expect(scrub(world, 10_000)).toEqual([]);
});

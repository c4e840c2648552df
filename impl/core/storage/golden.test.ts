/**
 * Files as each version wrote them, checked in: they are read for ever, and the same work still writes the bytes of the last. If that
 * test fails the format has changed: that takes a new version and a new golden file beside these.
 * `RECORD_GOLDEN=1` writes the file of the last version if there is none.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { stateOf, surveyOf } from '../../../sim/store-survey.ts';
import { StoreWorld } from '../../../sim/store-world.ts';
import { utf8Decode, utf8Encode } from '../utf8.ts';
import { VERSION } from './format.ts';

const VERSIONS = Array.from({ length: VERSION }, (_, i) => i + 1);

interface GoldenFile {
  readonly sizeBytes: number;
  /** What comes before the zeros at its end. */
  readonly base64: string;
}

const OPTIONS = {
  seed: 'golden',
  fileBytes: 8192,
  batchBytes: 512,
  checkpointBytes: 2500,
  syncOnCommit: true,
  alignmentBytes: 1,
};

/** Every kind of record, a transaction of several frames, one that was never finished, several files and checkpoints. */
function goldenWork(): StoreWorld {
  const world = new StoreWorld(OPTIONS);
  expect(world.open()).toBeUndefined();
  const settled = (): void => {
    world.sync();
    world.settle();
  };
  world.append('alpha', 1, utf8Encode('first'));
  world.append('alpha', 1, new Uint8Array(0));
  world.append('βeta', 300, utf8Encode('x'.repeat(200)));
  world.put('key', utf8Encode('value'));
  world.put('gone', utf8Encode('soon'));
  settled();
  for (let i = 0; i < 8; i++) world.append('alpha', 2, new Uint8Array(400).fill(i));
  world.put('gone', undefined);
  settled();
  world.trim('alpha', 1);
  world.truncate('alpha', 9);
  world.append('alpha', 3, utf8Encode('ninth'));
  world.reset('βeta', 70_000);
  world.append('βeta', Number.MAX_SAFE_INTEGER, utf8Encode('after the reset'));
  world.append('dropped', 0, utf8Encode('nobody reads this'));
  world.drop('dropped');
  settled();
  for (let i = 0; i < 4; i++) world.append('alpha', 4, new Uint8Array(600).fill(i));
  settled();
  world.append('alpha', 5, utf8Encode('the last record'));
  world.commit();
  for (let i = 0; i < 5; i++)
    world.store.append(world.store.stream('alpha'), 6, new Uint8Array(500));
  world.settle();
  world.machine.processCrash();
  return world;
}

function pack(files: ReadonlyMap<string, Uint8Array>): Record<string, GoldenFile> {
  return Object.fromEntries(
    [...files].map(([name, bytes]) => {
      const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
      const base64 = Buffer.from(bytes.subarray(0, end)).toString('base64');
      return [name, { sizeBytes: bytes.length, base64 }];
    }),
  );
}

function unpack(golden: Record<string, GoldenFile>): Map<string, Uint8Array> {
  return new Map(
    Object.entries(golden).map(([name, { sizeBytes, base64 }]) => {
      const bytes = new Uint8Array(sizeBytes);
      bytes.set(Buffer.from(base64, 'base64'));
      return [name, bytes];
    }),
  );
}

function golden(version: number): Record<string, GoldenFile> {
  const file = new URL(`./golden/version-${version}.json`, import.meta.url);
  if (version === VERSION && !existsSync(file) && process.env.RECORD_GOLDEN === '1') {
    writeFileSync(file, `${JSON.stringify(pack(goldenWork().machine.files()), undefined, 2)}\n`);
  }
  return JSON.parse(readFileSync(file, 'utf8')) as Record<string, GoldenFile>;
}

test.each(VERSIONS)('files of version %d are read', (version) => {
  const world = new StoreWorld({ ...OPTIONS, files: unpack(golden(version)) });
  expect(world.open()).toBeUndefined();
  const { store } = world;
  expect(store.streams()).toEqual(['alpha', 'βeta']);
  expect(store.keys('').map((key) => [key, utf8Decode(store.get(key)!)])).toEqual([
    ['key', 'value'],
  ]);
  const alpha = world.readStream(store.stream('alpha'));
  expect(store.start(store.stream('alpha'))).toBe(1);
  expect(alpha.map((record) => record.length)).toEqual([
    0, 400, 400, 400, 400, 400, 400, 400, 5, 600, 600, 600, 600, 15,
  ]);
  expect(utf8Decode(alpha[8]!)).toBe('ninth');
  expect(utf8Decode(alpha[13]!)).toBe('the last record');
  expect(store.start(store.stream('βeta'))).toBe(70_000);
  expect(world.readStream(store.stream('βeta')).map(utf8Decode)).toEqual(['after the reset']);
  expect(stateOf(surveyOf(unpack(golden(version))))).toEqual(world.readAll());
});

test.each(VERSIONS)('files of version %d are read without their checkpoints', (version) => {
  const files = unpack(golden(version));
  for (const name of [...files.keys()]) if (name.endsWith('.checkpoint')) files.delete(name);
  const world = new StoreWorld({ ...OPTIONS, files });
  expect(world.open()).toBeUndefined();
  expect(world.store.end(world.store.stream('alpha'))).toBe(15);
  expect(world.readStream(world.store.stream('alpha')).length).toBe(14);
  expect(stateOf(surveyOf(files))).toEqual(world.readAll());
});

test.each(VERSIONS)(
  'a log of version %d goes on, and all of it is there the next time',
  (version) => {
    const world = new StoreWorld({ ...OPTIONS, files: unpack(golden(version)) });
    expect(world.open()).toBeUndefined();
    const before = world.readAll();
    const id = world.store.stream('alpha');
    for (let i = 0; i < 20; i++) world.store.append(id, 7, new Uint8Array(300).fill(i));
    world.store.trim(id, 3);
    world.store.commit();
    expect(world.close()).toBeUndefined();
    world.machine.processCrash();
    expect(world.open()).toBeUndefined();
    const { start, records } = before.streams.get('alpha')!;
    const after = world.readAll();
    expect(after.streams.get('alpha')).toEqual({
      start: 3,
      records: [
        ...records.slice(3 - start),
        ...Array.from({ length: 20 }, (_, i) => new Uint8Array(300).fill(i)),
      ],
    });
    expect(after.streams.get('βeta')).toEqual(before.streams.get('βeta'));
  },
);

test('the same work writes the same bytes', () => {
  const written = JSON.stringify(pack(goldenWork().machine.files()));
  expect(written === JSON.stringify(golden(VERSION)), 'the format has changed').toBe(true);
});

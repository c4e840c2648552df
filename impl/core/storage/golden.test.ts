/**
 * Files as version 1 wrote them, checked in: they are read for ever, and the same work still writes the same bytes. If the
 * second test fails the format has changed: that takes a new version and a new golden file beside this one.
 * `RECORD_GOLDEN=1` writes the file where there is none.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { StoreWorld } from '../../../sim/store-world.ts';
import { utf8Decode, utf8Encode } from '../utf8.ts';

const FILE = new URL('./golden/version-1.json', import.meta.url);

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

function golden(): Record<string, GoldenFile> {
  if (!existsSync(FILE) && process.env.RECORD_GOLDEN === '1') {
    writeFileSync(FILE, `${JSON.stringify(pack(goldenWork().machine.files()), undefined, 2)}\n`);
  }
  return JSON.parse(readFileSync(FILE, 'utf8')) as Record<string, GoldenFile>;
}

test('files of version 1 are read', () => {
  const world = new StoreWorld({ ...OPTIONS, files: unpack(golden()) });
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
});

test('files of version 1 are read without their checkpoints', () => {
  const files = unpack(golden());
  for (const name of [...files.keys()]) if (name.endsWith('.checkpoint')) files.delete(name);
  const world = new StoreWorld({ ...OPTIONS, files });
  expect(world.open()).toBeUndefined();
  expect(world.store.end(world.store.stream('alpha'))).toBe(15);
  expect(world.readStream(world.store.stream('alpha')).length).toBe(14);
});

test('the same work writes the same bytes', () => {
  expect(pack(goldenWork().machine.files())).toEqual(golden());
});

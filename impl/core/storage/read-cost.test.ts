/** What reading costs the disk, in bytes: as much as is handed out, and little more, whatever shared a frame with it. */
import { expect, test } from 'vitest';
import { StoreWorld } from '../../../sim/store-world.ts';

const RECORD_BYTES = 2000;
/** Together more than what a reader keeps. */
const RECORDS = 6000;
/** A lone record may cost so much more than its own bytes: the piece that one checksum covers, and where it is. */
const LONE_BYTES = 8192;

function record(stream: number, index: number): Uint8Array {
  return new Uint8Array(RECORD_BYTES).fill((stream * 31 + index) % 251);
}

interface Shape {
  readonly streams: number;
  /** Records to a commit. */
  readonly commit: number;
  readonly alignmentBytes: number;
}

/** A log of so many records, record by record to one stream after the other, in a process that did not write it. */
function written({ streams, commit, alignmentBytes }: Shape, isClosed: boolean): StoreWorld {
  const world = new StoreWorld({
    seed: 'read cost',
    fileBytes: 2 ** 23,
    batchBytes: 2 ** 18,
    checkpointBytes: 2 ** 30,
    syncOnCommit: true,
    alignmentBytes,
  });
  expect(world.open()).toBeUndefined();
  const ids = Array.from({ length: streams }, (_, i) => world.store.stream(`stream ${i}`));
  for (let i = 0; i < RECORDS; i++) {
    const stream = i % streams;
    world.store.append(ids[stream]!, 1, record(stream, Math.floor(i / streams)));
    if ((i + 1) % commit !== 0) continue;
    world.store.commit();
    world.settle();
  }
  world.sync();
  if (isClosed) expect(world.close()).toBeUndefined();
  world.machine.powerLoss();
  expect(world.open()).toBeUndefined();
  world.settle();
  return world;
}

const SHAPES: readonly Shape[] = [
  { streams: 1, commit: RECORDS, alignmentBytes: 1 },
  { streams: 1, commit: 100, alignmentBytes: 4096 },
  { streams: 20, commit: RECORDS, alignmentBytes: 1 },
  { streams: 20, commit: 100, alignmentBytes: 4096 },
  { streams: 300, commit: 300, alignmentBytes: 1 },
];

for (const isClosed of [true, false]) {
  test.each(SHAPES)(`from the first to the last of %o, closed: ${isClosed}`, (shape) => {
    const world = written(shape, isClosed);
    for (const limit of [
      { records: 1, bytes: 1 },
      { records: 50, bytes: 2 ** 16 },
      { records: 1e9, bytes: 2 ** 20 },
    ]) {
      const before = world.machine.readBytes;
      let bytes = 0;
      for (let stream = 0; stream < shape.streams; stream++) {
        const id = world.store.stream(`stream ${stream}`);
        for (let next = 0; next < world.store.end(id); ) {
          for (const read of world.read(id, next, limit)) {
            expect(Buffer.compare(read, record(stream, next++))).toBe(0);
            bytes += read.length;
          }
        }
        world.settle();
      }
      expect(bytes).toBe(RECORDS * RECORD_BYTES);
      expect(world.machine.readBytes - before).toBeLessThan(1.2 * bytes);
    }
  });

  test.each(SHAPES)(`one record of %o, closed: ${isClosed}`, (shape) => {
    const world = written(shape, isClosed);
    const length = RECORDS / shape.streams;
    for (let i = 0; i < 100; i++) {
      const stream = (i * 7) % shape.streams;
      const id = world.store.stream(`stream ${stream}`);
      const index = (i * 977) % length;
      const before = world.machine.readBytes;
      const [read] = world.read(id, index, { records: 1, bytes: 1 });
      expect(read).toEqual(record(stream, index));
      world.settle();
      expect(world.machine.readBytes - before).toBeLessThanOrEqual(RECORD_BYTES + LONE_BYTES);
    }
  });
}

import { expect, test } from 'vitest';
import type { StoreWorldOptions } from '../../../sim/store-world.ts';
import { StoreWorld } from '../../../sim/store-world.ts';
import { utf8Decode, utf8Encode } from '../utf8.ts';
import { crc32c } from './crc32c.ts';
import { Store } from './store.ts';

function open(options: Partial<StoreWorldOptions> = {}): StoreWorld {
  const world = new StoreWorld({
    seed: 'store',
    fileBytes: 65_536,
    batchBytes: 4096,
    checkpointBytes: 65_536,
    syncOnCommit: true,
    alignmentBytes: 1,
    ...options,
  });
  expect(world.open()).toBeUndefined();
  return world;
}

function reopen(world: StoreWorld): void {
  world.machine.powerLoss();
  expect(world.open()).toBeUndefined();
  world.adopt();
}

test('what was durable is there after power loss, what was not is all or nothing', () => {
  const world = open();
  for (let i = 0; i < 100; i++) world.append('a', 1, utf8Encode(`r${i}`));
  world.put('k', utf8Encode('v'));
  world.sync();
  world.append('a', 1, utf8Encode('never committed'));
  reopen(world);
  const { store } = world;
  expect(store.streams()).toEqual(['a']);
  expect(utf8Decode(store.get('k')!)).toBe('v');
  const read = world.read(store.stream('a'), 10, { records: 3, bytes: 1e9 });
  expect(read.map(utf8Decode)).toEqual(['r10', 'r11', 'r12']);
});

test('a lone durable append costs one write and one sync', () => {
  const world = open();
  world.append('a', 1, new Uint8Array(100));
  world.sync();
  world.settle();
  const before = world.store.stats;
  const { requests } = world.machine;
  world.append('a', 1, new Uint8Array(100));
  world.sync();
  expect(world.store.stats.writes).toBe(before.writes + 1);
  expect(world.store.stats.syncs).toBe(before.syncs + 1);
  expect(world.machine.requests).toBe(requests + 2);
});

test('the write and the sync of a lone commit are submitted in one turn', () => {
  for (const syncOnCommit of [true, false]) {
    const world = open({ syncOnCommit });
    world.append('a', 1, new Uint8Array(100));
    world.sync();
    world.settle();
    const ops: string[] = [];
    const begin = world.machine.begin.bind(world.machine);
    world.machine.begin = (process, request) => {
      ops.push(request.op);
      begin(process, request);
    };
    world.append('a', 1, new Uint8Array(100));
    const lsn = world.commit();
    if (!syncOnCommit) world.store.sync();
    expect(ops).toEqual(['write', 'sync']);
    expect(world.store.durableLsn).toBeLessThan(lsn);
    world.until(() => world.store.durableLsn >= lsn);
    reopen(world);
    expect(world.streamOf('a').records.length).toBe(2);
  }
});

test('a write refused for want of room is not durable by the sync behind it', () => {
  // The refusal comes before the sync is done, or after.
  for (const delayMs of [0.001, 50]) {
    const world = open();
    world.append('a', 1, new Uint8Array(100));
    world.sync();
    world.settle();
    const { durableLsn } = world.store;
    const { syncs } = world.store.stats;
    const begin = world.machine.begin.bind(world.machine);
    world.machine.begin = (process, request) => {
      if (request.op !== 'write') {
        begin(process, request);
        return;
      }
      world.machine.begin = begin;
      const refusal = { id: request.id, error: 'NoSpace' } as const;
      world.time.after(delayMs, () => process.deliver([refusal]));
    };
    world.append('a', 1, new Uint8Array(100));
    const lsn = world.commit();
    world.settle();
    expect(world.failure).toBeUndefined();
    expect(world.store.durableLsn).toBe(durableLsn);
    // Asking makes the disk try again.
    expect(world.store.room(0)).toBe('full');
    world.until(() => world.store.writtenLsn >= lsn);
    expect(world.store.durableLsn).toBe(durableLsn);
    world.until(() => world.store.durableLsn >= lsn);
    expect(world.store.stats.syncs).toBe(syncs + 2);
    reopen(world);
    expect(world.streamOf('a').records.length).toBe(2);
  }
});

test('commits that come while a group is under way go out together', () => {
  const world = open();
  for (let i = 0; i < 20; i++) {
    world.append('a', 1, new Uint8Array(100));
    world.commit();
  }
  const lsn = world.commit();
  world.until(() => world.store.durableLsn >= lsn);
  expect(world.store.stats.writes).toBe(2);
  expect(world.store.stats.syncs).toBe(2);
});

test('with nothing staged, commit returns the last place', () => {
  const world = open();
  const first = world.commit();
  expect(world.commit()).toBe(first);
  world.append('a', 1, new Uint8Array(1));
  const second = world.commit();
  expect(second).toBeGreaterThan(first);
  expect(world.commit()).toBe(second);
  expect(world.store.durableLsn).toBeLessThan(second);
  world.sync();
  expect(world.store.durableLsn).toBeGreaterThanOrEqual(second);
});

test('without syncOnCommit nothing is synced until it is asked for', () => {
  const world = open({ syncOnCommit: false });
  world.append('a', 1, new Uint8Array(10));
  const lsn = world.commit();
  world.settle();
  expect(world.store.writtenLsn).toBeGreaterThanOrEqual(lsn);
  expect(world.store.durableLsn).toBeLessThan(lsn);
  world.sync();
  expect(world.store.durableLsn).toBeGreaterThanOrEqual(lsn);
});

test('an ordinary record costs at most 24 bytes beyond its own, its share of the frame included', () => {
  const world = open({ batchBytes: 65_536, fileBytes: 1 << 20 });
  const before = world.store.stats.writtenBytes;
  for (let i = 0; i < 200; i++) {
    world.append(`topic ${i % 10}`, 1000, new Uint8Array(750));
    if (i % 20 === 19) world.sync();
  }
  const extra = world.store.stats.writtenBytes - before - 200 * 750;
  expect(extra / 200).toBeLessThan(24);
});

test('empty records, long keys and names, values of every size', () => {
  const world = open();
  const long = 'ключ🐋'.repeat(2000);
  world.append(long, 0, new Uint8Array(0));
  world.append('', 0, new Uint8Array(0));
  world.append('', 0, new Uint8Array(0));
  world.append('', Number.MAX_SAFE_INTEGER, Uint8Array.of(1));
  world.put(long, new Uint8Array(50_000).fill(3));
  world.put('', new Uint8Array(0));
  world.put('gone', Uint8Array.of(1));
  world.put('gone', undefined);
  world.sync();
  world.check();
  reopen(world);
  world.check();
  expect(world.store.keys('')).toEqual(['', long]);
  expect(world.store.keys('кл')).toEqual([long]);
});

test('a record larger than a batch, than the arena, than a file', () => {
  for (const syncOnCommit of [true, false]) {
    const world = open({ syncOnCommit, fileBytes: 16_384 });
    for (const length of [5000, 20_000, 40_000, 300_000, 10]) {
      world.append('a', 1, new Uint8Array(length).fill(length % 251));
      world.commit();
    }
    world.sync();
    world.check();
    reopen(world);
    world.check();
  }
});

test('a transaction of many frames and files is all or nothing', () => {
  let lost = 0;
  let kept = 0;
  for (let seed = 0; seed < 40; seed++) {
    const world = open({ seed: `large ${seed}`, fileBytes: 16_384 });
    world.append('a', 1, new Uint8Array(100));
    world.sync();
    for (let i = 0; i < 60; i++)
      world.append(i % 2 === 0 ? 'a' : 'b', 1, new Uint8Array(1000).fill(i));
    world.truncate('a', 0);
    world.append('a', 1, new Uint8Array(50).fill(99));
    world.commit();
    for (let left = seed * 3; left > 0 && world.time.pending > 0; left--) world.step();
    reopen(world);
    const { records } = world.streamOf('a');
    if (records[0]!.length === 100) lost++;
    else kept++;
    world.append('a', 1, new Uint8Array(70));
    world.append('b', 1, new Uint8Array(70));
    world.sync();
    reopen(world);
    world.check();
  }
  expect(lost).toBeGreaterThan(3);
  expect(kept).toBeGreaterThan(3);
});

test('ten thousand streams', () => {
  const world = open({ batchBytes: 65_536, fileBytes: 1 << 20, checkpointBytes: 200_000 });
  const names = Array.from({ length: 10_000 }, (_, i) => `stream/${i}`);
  const ids = names.map((name) => world.store.stream(name));
  expect(world.store.streams()).toEqual([]);
  for (const round of [0, 1]) {
    for (const [i, id] of ids.entries()) {
      expect(world.store.append(id, 1, Uint8Array.of(i & 255, round))).toBe(round);
      if (i % 1000 === 999) world.store.commit();
    }
  }
  world.store.commit();
  world.settle();
  expect(world.store.stats.checkpoints).toBeGreaterThan(0);
  world.machine.powerLoss();
  expect(world.open()).toBeUndefined();
  expect(world.store.streams()).toEqual([...names].sort());
  for (const i of [0, 1, 4999, 9999]) {
    const id = world.store.stream(names[i]!);
    expect(world.readStream(id)).toEqual([Uint8Array.of(i & 255, 0), Uint8Array.of(i & 255, 1)]);
  }
});

test('files that nobody needs go, also those of an earlier life', () => {
  const world = open({ fileBytes: 16_384, checkpointBytes: 16_384 });
  for (let i = 0; i < 200; i++) {
    world.append('a', 1, new Uint8Array(1000).fill(i));
    if (i === 3) world.append('b', 1, new Uint8Array(10));
    world.commit();
    world.settle();
  }
  expect(world.store.stats.files).toBeGreaterThan(15);
  reopen(world);
  world.trim('a', 195);
  world.sync();
  for (let i = 0; i < 40; i++) {
    world.append('a', 1, new Uint8Array(1000).fill(i));
    world.sync();
    world.settle();
    world.trim('a', world.streamOf('a').start + 1);
  }
  const { stats } = world.store;
  expect(stats.removedFiles).toBeGreaterThan(10);
  expect(stats.files).toBeLessThan(8);
  const logs = [...world.machine.files().keys()].filter((name) => name.endsWith('.wal'));
  // The file with the one record of `b` stays, and the spare is not in use yet.
  expect(logs.length).toBe(stats.files + 1);
  expect(logs[0]).toBe('000000000001.wal');
  world.sync();
  reopen(world);
  world.check();
});

/** Appends one record after the other, and keeps a few. */
function passThrough(world: StoreWorld, records: number, bytes: number): void {
  for (let i = 0; i < records; i++) {
    world.append('a', 1, new Uint8Array(bytes).fill(i));
    const { start, records: kept } = world.streamOf('a');
    if (kept.length > 8) world.trim('a', start + 1);
    world.sync();
    world.settle();
  }
}

test('the next file is made of one that nobody needs any more', () => {
  const world = open({ fileBytes: 16_384, checkpointBytes: 16_384, alignmentBytes: 4096 });
  passThrough(world, 100, 3000);
  const { renewedFiles, removedFiles, files } = world.store.stats;
  expect(renewedFiles).toBeGreaterThan(20);
  expect(renewedFiles).toBeGreaterThan(removedFiles - 4);
  const names = [...world.machine.files().keys()];
  expect(names.filter((name) => name.endsWith('.wal.old')).length).toBeLessThanOrEqual(2);
  expect(names.filter((name) => name.endsWith('.wal')).length).toBe(files + 1);
  reopen(world);
  world.check();
  passThrough(world, 30, 3000);
  expect(world.close()).toBeUndefined();
  expect([...world.machine.files().keys()].filter((name) => name.endsWith('.old'))).toEqual([]);
  world.machine.processCrash();
  expect(world.open()).toBeUndefined();
  world.check();
});

test('files of many small frames that share blocks are not written again', () => {
  const world = open({ fileBytes: 65_536, checkpointBytes: 65_536, alignmentBytes: 1 });
  passThrough(world, 3000, 50);
  expect(world.store.stats.removedFiles).toBeGreaterThan(3);
  // Two might have been kept, and then it showed what is written to them.
  expect(world.store.stats.renewedFiles).toBe(0);
  expect([...world.machine.files().keys()].filter((name) => name.endsWith('.old'))).toEqual([]);
});

test('a file that was made for one large record is not made into another', () => {
  const world = open({ fileBytes: 16_384, checkpointBytes: 16_384, alignmentBytes: 4096 });
  passThrough(world, 40, 40_000);
  expect(world.store.stats.removedFiles).toBeGreaterThan(20);
  // The very first file was of the usual size.
  expect(world.store.stats.renewedFiles).toBeLessThan(2);
  world.check();
});

test('who reads what is trimmed meanwhile is told so, and not given what came into its place', () => {
  const world = open({ fileBytes: 16_384, checkpointBytes: 16_384, alignmentBytes: 4096 });
  const id = world.store.stream('a');
  let answered = 0;
  for (let round = 0; round < 40; round++) {
    passThrough(world, 3, 3000);
    const { start, records } = world.streamOf('a');
    const expected = records[0]!;
    world.store.read(id, start, { records: 1, bytes: 1 }, (error, found) => {
      // It may have come before the trim.
      if (error === undefined) expect(found[0]).toEqual(expected);
      else expect(error.code).toBe('InvalidArgument');
      answered++;
    });
    world.trim('a', start + records.length);
    world.commit();
    passThrough(world, 12, 3000);
  }
  expect(answered).toBe(40);
  expect(world.store.stats.renewedFiles).toBeGreaterThan(20);
});

test('a file that is kept makes room where there is none', () => {
  const world = open({ fileBytes: 16_384, checkpointBytes: 16_384, alignmentBytes: 4096 });
  passThrough(world, 60, 3000);
  const kept = () => [...world.machine.files().keys()].filter((name) => name.endsWith('.old'));
  while (kept().length === 0) passThrough(world, 1, 3000);
  world.machine.faults.capacityBytes = world.machine.usedBytes;
  let answer = world.store.room(24_000);
  for (let asked = 0; asked < 100 && answer !== 'yes'; asked++) {
    world.settle();
    answer = world.store.room(24_000);
  }
  expect(answer).toBe('yes');
  expect(kept()).toEqual([]);
  world.append('a', 1, new Uint8Array(24_000));
  world.sync();
  world.check();
});

test('opening reads what came after the checkpoint, and after a close next to nothing', () => {
  const world = open({ fileBytes: 65_536, checkpointBytes: 100_000 });
  for (let i = 0; i < 3000; i++) {
    world.append('a', 1, new Uint8Array(300));
    if (i % 10 === 0) world.sync();
  }
  world.sync();
  world.settle();
  world.machine.processCrash();
  expect(world.open()).toBeUndefined();
  expect(world.store.stats.scannedBytes).toBeLessThan(400_000);
  expect(world.close()).toBeUndefined();
  world.machine.processCrash();
  expect(world.open()).toBeUndefined();
  expect(world.store.stats.scannedBytes).toBe(0);
  world.check();
});

test('aligned writes begin and end aligned, and no place is written twice', () => {
  for (const alignmentBytes of [512, 4096]) {
    const world = open({ alignmentBytes, fileBytes: 65_536 });
    const written = new Map<number, number>();
    const begin = world.machine.begin.bind(world.machine);
    world.machine.begin = (process, request) => {
      if (request.op === 'write') {
        expect(request.offsetBytes % alignmentBytes).toBe(0);
        expect(request.bytes.length % alignmentBytes).toBe(0);
        expect(written.get(request.file) ?? 0).toBeLessThanOrEqual(request.offsetBytes);
        written.set(request.file, request.offsetBytes + request.bytes.length);
      }
      begin(process, request);
    };
    for (let i = 0; i < 300; i++) {
      world.append('a', 1, new Uint8Array(i * 7));
      if (i % 3 === 0) world.sync();
    }
    world.sync();
    world.check();
    expect(written.size).toBeGreaterThan(5);
  }
});

test('a second store on the directory is refused, and the first goes on', () => {
  const world = open();
  const disk = world.machine.start((completions) => second.complete(completions));
  const second: Store = new Store(disk, {
    ...world.options,
    checksum: crc32c,
    random: { below: () => 0 },
    onProgress() {},
    onFailed() {},
  });
  let code: string | undefined;
  second.open((error) => {
    code = error?.code;
  });
  world.settle();
  expect(code).toBe('Locked');
  world.append('a', 1, new Uint8Array(3));
  world.sync();
  world.check();
});

test('records before the start are told apart from records that are not there yet', () => {
  const world = open();
  for (let i = 0; i < 10; i++) world.append('a', 1, Uint8Array.of(i));
  world.trim('a', 4);
  const id = world.store.stream('a');
  expect(() => world.read(id, 3, { records: 1, bytes: 1 })).toThrow('begins at 4');
  expect(world.read(id, 10, { records: 1, bytes: 1 })).toEqual([]);
  expect(world.read(id, 4, { records: 2, bytes: 100 })).toEqual([
    Uint8Array.of(4),
    Uint8Array.of(5),
  ]);
  expect(world.read(id, 4, { records: 9, bytes: 0 })).toEqual([Uint8Array.of(4)]);
});

test('a read that fails says so and is not the end', () => {
  const world = open({ batchBytes: 1024 });
  for (let i = 0; i < 100; i++) world.append('a', 1, new Uint8Array(500).fill(i));
  world.sync();
  world.machine.powerLoss();
  expect(world.open()).toBeUndefined();
  const id = world.store.stream('a');
  world.machine.faults.readError = 1;
  expect(() => world.read(id, 0, { records: 1, bytes: 1 })).toThrow('injected read error');
  world.machine.faults.readError = 0;
  expect(world.read(id, 0, { records: 1, bytes: 1 })).toEqual([new Uint8Array(500)]);
});

/** Of 4 MiB in one stream, opened anew, and read twice in a row. */
function readingOn(): { world: StoreWorld; readSome: () => number } {
  const world = open({ fileBytes: 8 * 2 ** 20, batchBytes: 65_536, checkpointBytes: 2 ** 30 });
  for (let i = 0; i < 512; i++) {
    world.append('a', 1, new Uint8Array(8192).fill(i));
    if (i % 32 === 31) world.sync();
  }
  world.machine.powerLoss();
  expect(world.open()).toBeUndefined();
  world.settle();
  const id = world.store.stream('a');
  let next = 0;
  const readSome = (): number => {
    for (const record of world.read(id, next, { records: 1000, bytes: 2 ** 18 })) {
      expect([record.length, record[0], record[8191]]).toEqual([8192, next % 256, next % 256]);
      next++;
    }
    return next;
  };
  readSome();
  expect(world.time.pending).toBe(0);
  readSome();
  return { world, readSome };
}

test('while a reader goes on, what it will need next is read already, once', () => {
  const { world, readSome } = readingOn();
  // Nobody waits for it.
  const { pending } = world.time;
  expect(pending).toBeGreaterThan(0);
  const { chunksRead } = world.store.stats;
  world.settle();
  expect(world.store.stats.chunksRead).toBe(chunksRead + pending);
  while (readSome() < 512);
  world.settle();
  expect(world.store.stats.readBytes).toBeLessThan(1.01 * 512 * 8192);
  expect(world.store.stats.chunksRead).toBeLessThan(3 * ((512 * 8192) / 2 ** 18));
});

test('what cannot be read before anybody needs it is asked for again by who does', () => {
  const { world, readSome } = readingOn();
  world.machine.faults.readError = 1;
  world.settle();
  const readAll = (): void => {
    while (readSome() < 512);
  };
  expect(readAll).toThrow('injected read error');
  world.machine.faults.readError = 0;
  readAll();
});

test('a failed sync is the end: told once, nothing durable any more, reads go on', () => {
  const world = open();
  world.append('a', 1, Uint8Array.of(1));
  world.sync();
  // The next file is ready: no other sync than the log's own can fail.
  world.settle();
  const durable = world.store.durableLsn;
  world.machine.faults.syncError = 1;
  world.append('a', 1, Uint8Array.of(2));
  const lsn = world.commit();
  world.settle();
  world.machine.faults.syncError = 0;
  expect(world.failure?.code).toBe('StorageFailed');
  expect(world.store.failure).toBe(world.failure);
  const { syncs } = world.store.stats;
  expect(() => world.store.commit()).toThrow('injected sync error');
  expect(() => world.store.put('k', undefined)).toThrow('injected sync error');
  world.settle();
  expect(world.store.stats.syncs).toBe(syncs);
  expect(world.store.durableLsn).toBe(durable);
  expect(world.store.durableLsn).toBeLessThan(lsn);
  expect(world.read(world.store.stream('a'), 0, { records: 5, bytes: 99 }).length).toBe(2);
  let closed = false;
  world.store.close(() => {
    closed = true;
  });
  world.settle();
  expect(closed).toBe(true);
});

test('on a full disk records are refused before they are staged, and reads and trims go on', () => {
  const world = open({ fileBytes: 16_384 });
  world.append('a', 1, new Uint8Array(100));
  world.sync();
  world.settle();
  world.machine.faults.capacityBytes = world.machine.usedBytes;
  let taken = 0;
  while (world.store.room(1000) !== 'full') {
    if (world.store.room(1000) === 'busy') world.step();
    else {
      world.append('a', 1, new Uint8Array(1000).fill(taken++));
      world.commit();
    }
  }
  world.sync();
  expect(taken).toBeGreaterThan(15);
  expect(world.store.stats.isFull).toBe(true);
  world.check();
  world.trim('a', 3);
  world.sync();
  reopen(world);
  world.check();
  world.machine.faults.capacityBytes = Infinity;
  while (world.store.room(1000) !== 'yes') world.step();
  world.append('a', 1, new Uint8Array(1000));
  world.sync();
  world.check();
});

test('room that comes back when records are trimmed is used again', () => {
  const world = open({ fileBytes: 16_384, checkpointBytes: 16_384 });
  world.machine.faults.capacityBytes = 8 * 16_384;
  let appended = 0;
  let trims = 0;
  for (let turn = 0; turn < 5000 && appended < 600; turn++) {
    const room = world.store.room(1000);
    if (room === 'yes') {
      world.append('a', 1, new Uint8Array(1000).fill(appended++));
      world.commit();
    } else if (room === 'full') {
      trims++;
      world.trim(
        'a',
        world.streamOf('a').start + Math.floor(world.streamOf('a').records.length / 2),
      );
      world.sync();
    }
    if (world.time.pending > 0) world.step();
  }
  expect(appended).toBe(600);
  expect(trims).toBeGreaterThan(3);
  world.sync();
  world.check();
});

test('memory is bounded by room: what does not fit into the arena is told', () => {
  const world = open({ fileBytes: 1 << 20 });
  world.machine.faults.hung = true;
  let taken = 0;
  while (world.store.room(1000) === 'yes') {
    world.append('a', 1, new Uint8Array(1000));
    world.commit();
    taken++;
  }
  expect(world.store.room(1000)).toBe('busy');
  expect(taken).toBeGreaterThan(15);
  expect(taken).toBeLessThan(33);
  expect(world.store.stats.spilledBytes).toBe(0);
  for (let i = 0; i < 20; i++) world.append('a', 1, new Uint8Array(1000));
  expect(world.store.stats.spilledBytes).toBeGreaterThan(0);
  world.machine.faults.hung = false;
  world.sync();
  world.check();
  expect(world.store.room(1000)).toBe('yes');
  expect(world.store.stats.spilledBytes).toBe(0);
});

test('however many files there are, only so many are open', () => {
  const world = open({ fileBytes: 8192, batchBytes: 1024, syncOnCommit: false });
  let openFiles = 0;
  let most = 0;
  const begin = world.machine.begin.bind(world.machine);
  world.machine.begin = (process, request) => {
    if (request.op === 'open') openFiles++;
    if (request.op === 'close') openFiles--;
    most = Math.max(most, openFiles);
    begin(process, request);
  };
  for (let i = 0; i < 600; i++) {
    world.append('a', 1, new Uint8Array(900).fill(i));
    if (i % 7 === 0) world.sync();
  }
  world.sync();
  expect(world.store.stats.files).toBeGreaterThan(140);
  world.check();
  world.check();
  // Beside those kept, what one read asks for and what is read ahead of it may each be in eight places.
  expect(most).toBeLessThan(64 + 2 * 8 + 5);
});

test('small commits that nobody waits to see synced lie close together, and the next large one ends at the alignment', () => {
  const world = open({
    alignmentBytes: 4096,
    syncOnCommit: false,
    batchBytes: 32_768,
    fileBytes: 1 << 20,
  });
  const writes: { from: number; to: number }[] = [];
  const begin = world.machine.begin.bind(world.machine);
  world.machine.begin = (process, request) => {
    if (request.op === 'write' && request.offsetBytes > 0) {
      writes.push({ from: request.offsetBytes, to: request.offsetBytes + request.bytes.length });
    }
    begin(process, request);
  };
  const commit = (bytes: number): void => {
    world.append('a', 1, new Uint8Array(bytes));
    world.commit();
    world.settle();
  };
  // So that what follows is in one file.
  for (let i = 0; i < 4; i++) commit(30_000);
  writes.length = 0;
  for (let i = 0; i < 10; i++) commit(200);
  expect(writes).toHaveLength(10);
  expect(writes.at(-1)!.to - writes[0]!.from).toBeLessThan(10 * 300);
  commit(70_000);
  const large = writes.at(-1)!;
  expect(large.from % 4096).toBeGreaterThan(0);
  expect(large.to % 4096).toBe(0);
  commit(70_000);
  expect(writes.at(-1)!.from % 4096).toBe(0);
  world.sync();
  reopen(world);
  world.check();
});

test('what a file was never written is not read after a crash', () => {
  const world = open({ fileBytes: 16 << 20, alignmentBytes: 4096 });
  for (let i = 0; i < 100; i++) world.append('a', 1, new Uint8Array(1000).fill(i));
  world.sync();
  world.settle();
  let readBytes = 0;
  const begin = world.machine.begin.bind(world.machine);
  world.machine.begin = (process, request) => {
    if (request.op === 'read') readBytes += request.into.length;
    begin(process, request);
  };
  reopen(world);
  world.check();
  // Two probes, and a window of the file and of the spare.
  expect(readBytes).toBeLessThan(3 << 20);
});

test('a disk that is full to the last byte with dead files frees itself', () => {
  const world = open({ fileBytes: 16_384, checkpointBytes: 16_384 });
  for (let i = 0; i < 100; i++) {
    world.append('a', 1, new Uint8Array(1000).fill(i));
    world.sync();
    world.settle();
  }
  expect(world.store.stats.checkpoints).toBeGreaterThan(3);
  world.machine.faults.capacityBytes = world.machine.usedBytes;
  while (world.store.room(1000) !== 'full') {
    if (world.store.room(1000) === 'busy') world.step();
    else world.append('a', 1, new Uint8Array(1000));
    world.commit();
  }
  world.trim('a', world.store.end(world.store.stream('a')));
  world.sync();
  world.settle();
  for (let asked = 0; asked < 20 && world.store.room(1000) !== 'yes'; asked++) world.settle();
  expect(world.store.room(1000)).toBe('yes');
  expect(world.store.stats.removedFiles).toBeGreaterThan(3);
  for (let i = 0; i < 50; i++) world.append('a', 1, new Uint8Array(1000));
  world.sync();
  reopen(world);
  world.check();
});

test('a checkpoint waits until all that it says is durable', () => {
  for (const syncOnCommit of [true, false]) {
    const world = open({ syncOnCommit, checkpointBytes: 5000 });
    const names: string[] = [];
    const begin = world.machine.begin.bind(world.machine);
    let areHeld = true;
    const held: (() => void)[] = [];
    world.machine.begin = (process, request) => {
      if (request.op === 'open') names.push(request.name);
      if (request.op === 'sync' && areHeld) held.push(() => begin(process, request));
      else begin(process, request);
    };
    for (let i = 0; i < 20; i++) {
      world.append('a', 1, new Uint8Array(1000));
      world.commit();
      world.settle();
    }
    expect(held.length).toBeGreaterThan(0);
    expect(names.filter((name) => name.includes('checkpoint'))).toEqual([]);
    areHeld = false;
    for (const go of held) go();
    world.settle();
    expect(world.store.stats.checkpoints).toBeGreaterThan(0);
  }
});

test('what was staged without asking becomes durable as room comes back, a little at a time', () => {
  for (let seed = 0; seed < 30; seed++) {
    const world = open({ seed: `unasked ${seed}`, fileBytes: 16_384 });
    world.append('a', 1, new Uint8Array(100));
    world.sync();
    world.settle();
    world.machine.faults.capacityBytes = world.machine.usedBytes + seed * 500;
    for (let i = 0; i < 60; i++) {
      world.append('a', 1, new Uint8Array(1000).fill(i));
      world.commit();
      if (i % 5 === 0) world.settle();
    }
    world.settle();
    expect(world.store.durableLsn).toBeLessThan(world.commit());
    expect(world.store.stats.isFull).toBe(true);
    for (let more = 0; more < 60; more++) {
      world.machine.faults.capacityBytes += 3000;
      world.store.room(0);
      world.settle();
    }
    expect(world.store.durableLsn).toBeGreaterThanOrEqual(world.commit());
    world.check();
    expect(world.failure).toBeUndefined();
    reopen(world);
    world.check();
  }
});

test('a failed write is the end as well, and nothing after it counts', () => {
  const world = open();
  world.append('a', 1, Uint8Array.of(1));
  world.sync();
  world.settle();
  const written = world.store.writtenLsn;
  world.machine.faults.writeError = 1;
  world.append('a', 1, Uint8Array.of(2));
  world.commit();
  world.settle();
  world.machine.faults.writeError = 0;
  expect(world.failure?.message).toContain('writing 000000000001.wal');
  expect(() => world.store.append(1, 1, Uint8Array.of(3))).toThrow('injected write error');
  expect(world.store.writtenLsn).toBe(written);
  reopen(world);
  expect(world.streamOf('a').records).toEqual([Uint8Array.of(1)]);
});

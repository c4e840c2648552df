/** Bytes turned over, cut off and mixed up: a store tells, or shows a state that was once committed; never anything else. */
import { expect, test } from 'vitest';
import { StoreWorld } from '../../../sim/store-world.ts';
import { WalrusError } from '../errors.ts';
import { utf8Encode } from '../utf8.ts';
import { DamagedRecords } from './damaged-records.ts';
import {
  claimedFrameBytes,
  FILE_HEAD_BYTES,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  VERSION,
} from './format.ts';

const OPTIONS = {
  seed: 'damage',
  fileBytes: 8192,
  batchBytes: 1024,
  checkpointBytes: 1e9,
  syncOnCommit: true,
  alignmentBytes: 1,
};

/** A log of a few durable commits, as its files, and what was committed. */
function smallLog(checkpointBytes = 1e9, seed = OPTIONS.seed): StoreWorld {
  const world = new StoreWorld({ ...OPTIONS, seed, checkpointBytes });
  expect(world.open()).toBeUndefined();
  for (let i = 0; i < 9; i++) {
    world.append('a', 1, utf8Encode(`record ${i} ${'.'.repeat(i * 60)}`));
    if (i % 2 === 0) world.append('b', 1, new Uint8Array(i * 30).fill(i));
    if (i === 4) world.trim('a', 2);
    world.put('key', utf8Encode(`value ${i}`));
    world.commit();
    world.sync();
  }
  world.settle();
  world.machine.processCrash();
  return world;
}

/** The states a store may show: what was committed, in order. */
function openDamaged(files: ReadonlyMap<string, Uint8Array>): unknown {
  const world = new StoreWorld({ ...OPTIONS, files });
  const error = world.open();
  if (error !== undefined) return error.code;
  try {
    return world.readAll();
  } catch (thrown) {
    if (thrown instanceof WalrusError) return thrown.code;
    throw thrown;
  }
}

/** Committed states as they were, by running the same work again and stopping earlier. */
function committedStates(): unknown[] {
  const states: unknown[] = [];
  const world = new StoreWorld(OPTIONS);
  expect(world.open()).toBeUndefined();
  states.push(world.readAll());
  for (let i = 0; i < 9; i++) {
    world.append('a', 1, utf8Encode(`record ${i} ${'.'.repeat(i * 60)}`));
    if (i % 2 === 0) world.append('b', 1, new Uint8Array(i * 30).fill(i));
    if (i === 4) world.trim('a', 2);
    world.put('key', utf8Encode(`value ${i}`));
    world.commit();
    states.push(world.readAll());
  }
  return states;
}

function fingerprint(state: unknown): string {
  return JSON.stringify(state, (_, value) =>
    value instanceof Map ? [...value] : value instanceof Uint8Array ? [...value].join() : value,
  );
}

const known = new Set(committedStates().map(fingerprint));
const ERRORS = ['Corrupt', 'UnsupportedVersion'];

function verdict(files: ReadonlyMap<string, Uint8Array>): string {
  const found = openDamaged(files);
  if (typeof found === 'string') {
    expect(ERRORS).toContain(found);
    return found;
  }
  const print = fingerprint(found);
  expect(known.has(print), print).toBe(true);
  return print;
}

test.each([1e9, 600])('a byte turned over anywhere, checkpoint every %d bytes', (every) => {
  const files = smallLog(every).machine.files();
  const whole = verdict(files);
  expect(whole).toBe([...known].at(-1));
  const verdicts = new Map<string, number>();
  for (const [name, bytes] of files) {
    const end = bytes.findLastIndex((byte) => byte !== 0) + 2;
    for (let at = 0; at < Math.min(end, bytes.length); at++) {
      if (at > 80 && at < 4090) continue; // the rest of the head block, which is not read
      const damaged = new Map(files);
      const copy = bytes.slice();
      copy[at]! ^= 1 << (at % 8);
      damaged.set(name, copy);
      const found = verdict(damaged);
      const kind = found === whole ? 'whole' : ERRORS.includes(found) ? found : 'older';
      verdicts.set(kind, (verdicts.get(kind) ?? 0) + 1);
    }
  }
  // Most damage is to what later frames vouch for; only the last frame, of 856 bytes, has no voucher.
  expect(verdicts.get('Corrupt')).toBeGreaterThan(1000);
  expect(verdicts.get('older') ?? 0).toBeLessThan(870);
});

/** Where the frames of a log file begin, and where the last one ends. */
function framesOf(bytes: Uint8Array): { starts: number[]; end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts: number[] = [];
  let at = FILE_HEAD_BYTES;
  while (at < bytes.length && view.getUint32(at, true) === FRAME_MAGIC) {
    starts.push(at);
    at += claimedFrameBytes(view, at);
  }
  return { starts, end: at };
}

test('the last frame, for which nothing vouches, is cut if it does not verify; where, is told', () => {
  const files = smallLog().machine.files();
  const name = [...files.keys()].find((one) => framesOf(files.get(one)!).starts.length > 0)!;
  const last = framesOf(files.get(name)!).starts.at(-1)!;
  const whole = new StoreWorld({ ...OPTIONS, files });
  expect(whole.open()).toBeUndefined();
  expect(whole.store.stats.cutAt).toBeUndefined();
  files.get(name)![last + 70]! ^= 1;
  const damaged = new StoreWorld({ ...OPTIONS, files });
  expect(damaged.open()).toBeUndefined();
  expect(damaged.store.stats).toMatchObject({ cutBytes: 0, cutAt: `${name} at byte ${last}` });
});

test('a frame of the earlier life of a block is never read as one of this', () => {
  const world = new StoreWorld(OPTIONS);
  expect(world.open()).toBeUndefined();
  for (let i = 0; i < 30; i++) {
    world.append('a', 1, utf8Encode(`record ${i} ${'.'.repeat(i * 20)}`));
    world.sync();
  }
  world.settle();
  world.machine.processCrash();
  const files = world.machine.files();
  const whole = fingerprint(openDamaged(files));
  const logs = [...files].filter(([name]) => name.endsWith('.wal'));
  let tried = 0;
  for (const [name, bytes] of logs) {
    const { end } = framesOf(bytes);
    if (logs.some(([later, of]) => later > name && framesOf(of).starts.length > 0)) continue;
    // Right where the next frame is due, and behind a gap.
    for (const place of [end, end + 8, end + 512]) {
      if (place > bytes.length) continue;
      for (const [source, old] of logs) {
        if (source === name) continue;
        for (const start of framesOf(old).starts) {
          const recycled = bytes.slice();
          recycled.set(old.subarray(start, start + recycled.length - place), place);
          expect(fingerprint(openDamaged(new Map([...files, [name, recycled]])))).toBe(whole);
          tried++;
        }
      }
    }
  }
  expect(tried).toBeGreaterThan(100);
});

/** The file that takes what is appended (the last one is the spare), and where its own frames begin. */
function newestLog(world: StoreWorld): { name: string; bytes: Uint8Array; own: number[] } {
  const files = [...world.machine.files()].filter(([name]) => name.endsWith('.wal'));
  const [name, bytes] = files.at(-2) ?? ['', new Uint8Array(FILE_HEAD_BYTES + 8)];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = Number.parseInt(name, 10);
  const own = framesOf(bytes).starts.filter((start) => view.getUint32(start + 32, true) === number);
  return { name, bytes, own };
}

test('in a file that was made of an older one, damage is told from what the older one held', () => {
  const options = { ...OPTIONS, checkpointBytes: 20_000 };
  const world = new StoreWorld(options);
  expect(world.open()).toBeUndefined();
  // Until there are five frames behind the checkpoint, in a file that was made of an older one.
  const isReady = (): boolean => {
    const { bytes, own } = newestLog(world);
    if (own.length !== 5 || framesOf(bytes).starts.length <= own.length + 1) return false;
    const begin = new DataView(bytes.buffer).getUint32(FILE_HEAD_BYTES + 16, true);
    return world.store.stats.checkpointLsn <= begin;
  };
  for (let i = 0; !isReady(); i++) {
    world.append('a', 1, new Uint8Array(300).fill(i));
    world.trim('a', Math.max(0, i - 2));
    world.sync();
    world.settle();
  }
  expect(world.store.stats.renewedFiles).toBeGreaterThan(0);
  world.machine.processCrash();
  const files = world.machine.files();
  const { name, bytes, own } = newestLog(world);
  const { starts } = framesOf(bytes);
  expect(starts.length).toBeGreaterThan(own.length + 1);
  const verdictsOf = (damage: (copy: Uint8Array, start: number) => void) =>
    own.map((start) => {
      const copy = bytes.slice();
      damage(copy, start);
      return new StoreWorld({ ...options, files: new Map(files).set(name, copy) }).open()?.code;
    });
  // Nobody vouches for the last one.
  const expected = ['Corrupt', 'Corrupt', 'Corrupt', 'Corrupt', undefined];
  expect(verdictsOf((copy, start) => (copy[start + 20]! ^= 1))).toEqual(expected);
  // A write that the disk lost: what was there before is there again, whole.
  const [before, behind] = starts.slice(-2);
  const older = bytes.slice(before, behind);
  expect(verdictsOf((copy, start) => copy.set(older, start))).toEqual(expected);
});

test('a frame of another directory is never read, though number and lsn are what is due', () => {
  const ours = smallLog().machine.files();
  const theirs = smallLog(1e9, 'another').machine.files();
  let tried = 0;
  for (const [name, bytes] of ours) {
    if (!name.endsWith('.wal')) continue;
    const { starts, end } = framesOf(bytes);
    expect(framesOf(theirs.get(name)!)).toEqual({ starts, end });
    const last = starts.at(-1);
    if (last === undefined) continue;
    const cut = bytes.slice().fill(0, last);
    const mixed = cut.slice();
    mixed.set(theirs.get(name)!.subarray(last), last);
    const [without, beside] = [cut, mixed].map((one) => verdict(new Map([...ours, [name, one]])));
    expect(beside).toBe(without);
    tried++;
  }
  expect(tried).toBe(1);
});

test.each([1e9, 600])('a file cut off anywhere, checkpoint every %d bytes', (every) => {
  const files = smallLog(every).machine.files();
  for (const [name, bytes] of files) {
    const end = bytes.findLastIndex((byte) => byte !== 0) + 2;
    for (let at = 0; at < bytes.length; at += at > 80 && (at < 4090 || at > end) ? 97 : 1) {
      verdict(new Map(files).set(name, bytes.slice(0, at)));
    }
  }
});

test('damaged records that a later frame vouches for are told to who reads them, and to nobody else', () => {
  const files = smallLog().machine.files();
  const [name, bytes] = [...files].find(([, each]) => framesOf(each).starts.length > 0)!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { starts } = framesOf(bytes);
  // Each alone, and all of them; of the last one nobody says that it was durable, and the first hold what was trimmed.
  const damaged = starts.slice(3, -1).filter((start) => view.getUint32(start + 36, true) > 0);
  for (const those of [...damaged.map((start) => [start]), damaged]) {
    const copy = bytes.slice();
    for (const start of those) copy[start + FRAME_HEADER_BYTES + 2]! ^= 1;
    const world = new StoreWorld({ ...OPTIONS, files: new Map(files).set(name, copy) });
    expect(world.open()).toBeUndefined();
    expect(world.store.stats.cutAt).toBeUndefined();
    expect(world.store.get('key')).toEqual(utf8Encode('value 8'));
    expect(() => world.readAll()).toThrow(expect.objectContaining({ code: 'Corrupt' }));
  }
  expect(damaged.length).toBeGreaterThan(4);
});

test('a file missing', () => {
  const files = smallLog(600).machine.files();
  for (const name of files.keys()) {
    const rest = new Map(files);
    rest.delete(name);
    verdict(rest);
  }
});

test('damage in the middle is corruption, and names file and byte', () => {
  const files = smallLog().machine.files();
  const [name, bytes] = [...files].find(([one]) => one.endsWith('.wal'))!;
  const copy = bytes.slice();
  copy[4096 + 18]! ^= 1;
  const world = new StoreWorld({ ...OPTIONS, files: new Map(files).set(name, copy) });
  const error = world.open();
  expect(error?.code).toBe('Corrupt');
  expect(error?.message).toContain(`${name} at byte 4096`);
});

test('a damaged record behind the checkpoint is told to who reads it, and to nobody else', () => {
  const world = smallLog();
  expect(world.open()).toBeUndefined();
  expect(world.close()).toBeUndefined();
  world.machine.processCrash();
  const name = '000000000001.wal';
  const at = Buffer.from(world.machine.files().get(name)!).indexOf('record 5');
  world.machine.rotBit(name, at, 3);
  expect(world.open()).toBeUndefined();
  const { store } = world;
  const id = store.stream('a');
  const all = { records: 100, bytes: 1e6 };
  for (let times = 0; times < 2; times++) {
    const told = thrownBy(() => world.read(id, 5, all));
    expect(told).toBeInstanceOf(DamagedRecords);
    expect(told).toMatchObject({ code: 'Corrupt', stream: 'a', from: 5, to: 6 });
    expect((told as Error).message).toContain(`${name} at byte ${at - 2}`);
  }
  expect(world.read(id, 2, all).length).toBe(3);
  expect(world.read(id, 6, all).length).toBe(3);
  expect(world.readStream(store.stream('b')).length).toBe(5);
  expect(store.failure).toBeUndefined();
});

test('damaged records are written again, in their place, and stay', () => {
  const world = smallLog();
  const name = '000000000001.wal';
  const at = Buffer.from(world.machine.files().get(name)!).indexOf('record 5');
  expect(world.open()).toBeUndefined();
  expect(world.close()).toBeUndefined();
  world.machine.processCrash();
  world.machine.rotBit(name, at, 3);
  expect(world.open()).toBeUndefined();
  const told = thrownBy(() => world.readStream(world.store.stream('a'))) as DamagedRecords;
  world.repair(told.stream, told.from, told.to - told.from);
  world.check();
  world.sync();
  world.check();
  for (const checkpoint of [false, true]) {
    if (checkpoint) expect(world.close()).toBeUndefined();
    world.machine.powerLoss();
    expect(world.open()).toBeUndefined();
    world.check();
  }
});

test.each([500, 3000])(
  'records of %d bytes on both sides of repaired ones are read in one go',
  (size) => {
    const world = new StoreWorld({ ...OPTIONS, seed: 'both sides', batchBytes: 65_536 });
    expect(world.open()).toBeUndefined();
    for (let i = 0; i < 9; i++) world.append('a', 1, new Uint8Array(size).fill(i));
    world.commit();
    world.sync();
    world.repair('a', 4, 1);
    world.commit();
    world.sync();
    const all = { records: 9, bytes: 100_000 };
    for (const isTableKnown of [false, true]) {
      expect(world.close()).toBeUndefined();
      world.machine.processCrash();
      expect(world.open()).toBeUndefined();
      const id = world.store.stream('a');
      if (isTableKnown) world.read(id, 0, { records: 1, bytes: 1 });
      const first: number[] = [];
      while (first.length < 9) {
        first.push(...world.read(id, first.length, all).map(([byte]) => byte!));
      }
      expect(first).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    }
  },
);

function thrownBy(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

test('the tail of unsynced writes is cut, and what comes after it is not taken for its end', () => {
  for (let seed = 0; seed < 60; seed++) {
    const world = new StoreWorld({ ...OPTIONS, seed: `tail ${seed}`, syncOnCommit: false });
    expect(world.open()).toBeUndefined();
    for (let round = 0; round < 4; round++) {
      for (let i = 0; i < 12; i++) {
        world.append('a', 1, new Uint8Array(700).fill(round * 16 + i));
        world.commit();
        if (i === 3) world.sync();
      }
      while (world.time.pending > 3) world.step();
      world.machine.powerLoss();
      expect(world.open()).toBeUndefined();
      world.adopt();
    }
  }
});

test('a log that was never synced may lose its beginning and not what came later: then it is empty', () => {
  const world = new StoreWorld({ ...OPTIONS, syncOnCommit: false });
  expect(world.open()).toBeUndefined();
  for (let i = 0; i < 30; i++) {
    world.append('a', 1, new Uint8Array(500).fill(i));
    world.commit();
    world.settle();
  }
  world.machine.processCrash();
  const files = world.machine.files();
  const name = '000000000001.wal';
  const bytes = files.get(name)!;
  expect(framesOf(bytes).starts.length).toBeGreaterThan(1);
  bytes.fill(0, FILE_HEAD_BYTES, FILE_HEAD_BYTES + 512);
  const again = new StoreWorld({ ...OPTIONS, files });
  expect(again.open()).toBeUndefined();
  expect(again.store.streams()).toEqual([]);
  expect(again.store.stats.cutBytes).toBeGreaterThan(10_000);
  // But not if it is gone: files are removed when a checkpoint says what was in them.
  files.delete(name);
  expect(new StoreWorld({ ...OPTIONS, files }).open()?.code).toBe('Corrupt');
});

test('frames of another directory, or of another file under this name, are refused', () => {
  const one = smallLog().machine.files();
  const other = new StoreWorld({ ...OPTIONS, seed: 'other' });
  expect(other.open()).toBeUndefined();
  for (let i = 0; i < 5; i++) {
    other.append('a', 1, new Uint8Array(900));
    other.commit();
    other.sync();
  }
  const foreign = other.machine.files();
  const names = [...one.keys()].filter((name) => name.endsWith('.wal'));
  expect(openDamaged(new Map(one).set(names[1]!, foreign.get(names[1]!)!))).toBe('Corrupt');
  expect(openDamaged(new Map(one).set(names[1]!, one.get(names[0]!)!))).toBe('Corrupt');
});

test('the newest checkpoint damaged: the one before it does', () => {
  const world = smallLog(600);
  const names = [...world.machine.files().keys()].filter((name) => name.endsWith('.checkpoint'));
  expect(names.length).toBe(2);
  world.machine.rotBit(names[1]!, 70, 1);
  expect(world.open()).toBeUndefined();
  expect(world.store.stats.rejectedCheckpoints).toBe(1);
  world.adopt();
  world.machine.processCrash();
  expect([...world.machine.files().keys()]).not.toContain(names[1]);
});

test('a newer version is refused', async () => {
  const { crc32c } = await import('./crc32c.ts');
  for (const kind of ['.wal', '.checkpoint']) {
    const files = smallLog(600).machine.files();
    const name = [...files.keys()].filter((one) => one.endsWith(kind)).at(-1)!;
    const bytes = files.get(name)!;
    const view = new DataView(bytes.buffer);
    view.setUint32(8, VERSION + 1, true);
    view.setUint32(60, crc32c(bytes, 0, 60, 0), true);
    const world = new StoreWorld({ ...OPTIONS, files });
    expect(world.open()?.code).toBe('UnsupportedVersion');
  }
});

test('the newest checkpoint damaged after files were removed: what the one before it needs is still there', () => {
  let removed = 0;
  for (let commits = 10; commits < 90; commits += 3) {
    const world = new StoreWorld({ ...OPTIONS, checkpointBytes: 3000 });
    expect(world.open()).toBeUndefined();
    for (let i = 0; i < commits; i++) {
      world.append('a', 1, new Uint8Array(500).fill(i));
      world.put('key', Uint8Array.of(i));
      world.trim('a', Math.max(0, i - 2));
      world.sync();
      world.settle();
    }
    removed += world.store.stats.removedFiles;
    world.machine.processCrash();
    const names = [...world.machine.files().keys()].filter((name) => name.endsWith('.checkpoint'));
    world.machine.rotBit(names.at(-1)!, 70, 1);
    expect(world.open()).toBeUndefined();
    expect(world.store.stats.rejectedCheckpoints).toBe(1);
    world.check();
  }
  expect(removed).toBeGreaterThan(50);
});

test('a frame that was written to the place of another is not taken for it', () => {
  const world = new StoreWorld({ ...OPTIONS, checkpointBytes: 1e9 });
  expect(world.open()).toBeUndefined();
  for (let i = 0; i < 5; i++) {
    world.append('a', 1, new Uint8Array(100).fill(i));
    world.sync();
  }
  const id = world.store.stream('a');
  expect(world.close()).toBeUndefined();
  const files = world.machine.files();
  const bytes = files.get('000000000001.wal')!;
  const [, second, third, fourth] = framesOf(bytes).starts;
  bytes.copyWithin(second!, third!, fourth!);
  const damaged = new StoreWorld({ ...OPTIONS, files });
  expect(damaged.open()).toBeUndefined();
  expect(() => damaged.read(id, 1, { records: 1, bytes: 1 })).toThrow('records 1 to 1 of stream');
  expect(damaged.read(id, 2, { records: 1, bytes: 1 })).toEqual([new Uint8Array(100).fill(2)]);
});

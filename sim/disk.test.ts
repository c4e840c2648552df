import { expect, test } from 'vitest';
import type { Disk, DiskCompletion, DiskRequest } from '../impl/ports/disk.ts';
import { VirtualTime } from './clock.ts';
import { SECTOR_BYTES, SimDisk } from './disk.ts';
import { Randomness } from './random.ts';

type WithoutId<Request> = Request extends DiskRequest ? Omit<Request, 'id'> : never;

/** A disk and one process after the other on it. */
class Bench {
  readonly time = new VirtualTime();
  readonly machine: SimDisk;
  private disk: Disk;
  private nextId = 1;
  private readonly completions = new Map<number, DiskCompletion>();

  constructor(seed: string) {
    this.machine = new SimDisk({
      random: new Randomness(seed).stream('disk'),
      schedule: (delayMs, task) => this.time.after(delayMs, task),
    });
    this.disk = this.startProcess();
  }

  startProcess(): Disk {
    this.disk = this.machine.start((completions) => {
      for (const completion of completions) this.completions.set(completion.id, completion);
    });
    return this.disk;
  }

  submit(request: WithoutId<DiskRequest>): number {
    const id = this.nextId++;
    this.disk.submit({ ...request, id } as DiskRequest);
    return id;
  }

  run(request: WithoutId<DiskRequest>): DiskCompletion {
    const id = this.submit(request);
    while (!this.completions.has(id)) this.time.step();
    return this.completions.get(id)!;
  }

  completed(id: number): boolean {
    return this.completions.has(id);
  }

  answer(id: number): DiskCompletion | undefined {
    return this.completions.get(id);
  }

  contents(name: string): Uint8Array {
    return this.machine.files().get(name)!;
  }
}

const bytes = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);

function durableFile(bench: Bench, name: string, length: number): number {
  const { file } = bench.run({ op: 'open', name, create: true });
  bench.run({ op: 'write', file: file!, offsetBytes: 0, bytes: bytes(length, 1) });
  bench.run({ op: 'sync', file: file! });
  bench.run({ op: 'syncDirectory' });
  return file!;
}

test('power loss tears unsynced writes at sectors, every mix of them, and never a synced one', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const bench = new Bench(`torn ${seed}`);
    const file = durableFile(bench, 'a', 2 * SECTOR_BYTES);
    bench.run({ op: 'write', file, offsetBytes: SECTOR_BYTES, bytes: bytes(3 * SECTOR_BYTES, 2) });
    bench.machine.powerLoss();
    const after = bench.contents('a');
    expect(after.subarray(0, SECTOR_BYTES)).toEqual(bytes(SECTOR_BYTES, 1));
    let mix = '';
    for (let at = SECTOR_BYTES; at < after.length; at += SECTOR_BYTES) {
      const sector = after.subarray(at, at + SECTOR_BYTES);
      expect(sector.every((byte) => byte === sector[0])).toBe(true);
      mix += sector[0];
    }
    seen.add(mix);
  }
  // Sector 1 held ones, 2 and 3 were beyond the end; the file may have kept its old length.
  for (const mix of ['1', '2', '100', '200', '120', '102', '122', '222', '202']) {
    expect([...seen]).toContain(mix);
  }
});

test('a sync covers what was written when it was asked for, and nothing later', () => {
  let lost = 0;
  for (let seed = 0; seed < 100; seed++) {
    const bench = new Bench(`sync ${seed}`);
    const file = durableFile(bench, 'a', 4 * SECTOR_BYTES);
    bench.run({ op: 'write', file, offsetBytes: 0, bytes: bytes(SECTOR_BYTES, 2) });
    const sync = bench.submit({ op: 'sync', file });
    const write = bench.submit({
      op: 'write',
      file,
      offsetBytes: SECTOR_BYTES,
      bytes: bytes(SECTOR_BYTES, 3),
    });
    while (!bench.completed(sync) || !bench.completed(write)) bench.time.step();
    bench.machine.powerLoss();
    expect(bench.contents('a')[0]).toBe(2);
    if (bench.contents('a')[SECTOR_BYTES] === 1) lost++;
  }
  expect(lost).toBeGreaterThan(20);
  expect(lost).toBeLessThan(90);
});

test('a sync covers a write that was under way when it was asked for, once it has completed', () => {
  let lost = 0;
  for (let seed = 0; seed < 100; seed++) {
    const bench = new Bench(`together ${seed}`);
    const file = durableFile(bench, 'a', SECTOR_BYTES);
    const offsetBytes = SECTOR_BYTES;
    const write = bench.submit({
      op: 'write',
      file,
      offsetBytes,
      bytes: bytes(2 * SECTOR_BYTES, 2),
    });
    const sync = bench.submit({ op: 'sync', file });
    while (!bench.completed(write)) bench.time.step();
    expect(bench.completed(sync)).toBe(false);
    if (seed % 2 === 0) while (!bench.completed(sync)) bench.time.step();
    bench.machine.powerLoss();
    const isThere =
      bench.contents('a').subarray(SECTOR_BYTES).join() === bytes(2 * SECTOR_BYTES, 2).join();
    if (seed % 2 === 0) expect(isThere).toBe(true);
    else if (!isThere) lost++;
  }
  expect(lost).toBeGreaterThan(10);
  expect(lost).toBeLessThan(50);
});

test('a write that fails is not the sync’s failure: the others are durable', () => {
  for (let seed = 0; seed < 50; seed++) {
    const bench = new Bench(`refused ${seed}`);
    const file = durableFile(bench, 'a', SECTOR_BYTES);
    bench.machine.faults.capacityBytes = 2 * SECTOR_BYTES;
    const writes = [1, 2].map((sector) =>
      bench.submit({
        op: 'write',
        file,
        offsetBytes: sector * SECTOR_BYTES,
        bytes: bytes(SECTOR_BYTES, 2),
      }),
    );
    expect(bench.run({ op: 'sync', file }).error).toBeUndefined();
    expect(writes.map((id) => bench.answer(id)?.error)).toEqual([undefined, 'NoSpace']);
    bench.machine.powerLoss();
    expect(bench.contents('a').subarray(SECTOR_BYTES)).toEqual(bytes(SECTOR_BYTES, 2));
  }
});

test('after a process crash the page cache is there, and of writes in flight any front part', () => {
  const lengths = new Set<number>();
  for (let seed = 0; seed < 100; seed++) {
    const bench = new Bench(`crash ${seed}`);
    const { file } = bench.run({ op: 'open', name: 'a', create: true });
    bench.run({ op: 'write', file: file!, offsetBytes: 0, bytes: bytes(100, 1) });
    bench.submit({ op: 'write', file: file!, offsetBytes: 100, bytes: bytes(100, 2) });
    bench.machine.processCrash();
    const after = bench.contents('a');
    expect(after.subarray(0, 100)).toEqual(bytes(100, 1));
    expect(after.subarray(100).every((byte) => byte === 2)).toBe(true);
    lengths.add(after.length);
  }
  expect(lengths.has(100)).toBe(true);
  expect(lengths.has(200)).toBe(true);
  expect(lengths.size).toBeGreaterThan(10);
});

test('a crash takes completions and the lock with it', () => {
  const bench = new Bench('lock');
  expect(bench.run({ op: 'lock' }).error).toBeUndefined();
  const pending = bench.submit({ op: 'list' });
  bench.machine.processCrash();
  bench.startProcess();
  expect(bench.run({ op: 'lock' }).error).toBeUndefined();
  expect(bench.completed(pending)).toBe(false);
});

test('names are lost without a sync of the directory, in every combination that hangs together', () => {
  const seen = new Set<string>();
  for (let seed = 0; seed < 300; seed++) {
    const bench = new Bench(`names ${seed}`);
    durableFile(bench, 'old', 10);
    bench.run({ op: 'open', name: 'new', create: true });
    bench.run({ op: 'rename', from: 'new', to: 'renamed' });
    bench.run({ op: 'unlink', name: 'old' });
    bench.machine.powerLoss();
    seen.add([...bench.machine.files().keys()].join());
  }
  expect([...seen].sort()).toEqual(['', 'new', 'new,old', 'old', 'old,renamed', 'renamed']);
});

test('a failed sync leaves its writes unsynced for ever, also if a later one succeeds', () => {
  let lost = 0;
  for (let seed = 0; seed < 60; seed++) {
    const bench = new Bench(`failed ${seed}`);
    const file = durableFile(bench, 'a', SECTOR_BYTES);
    bench.run({ op: 'write', file, offsetBytes: 0, bytes: bytes(SECTOR_BYTES, 2) });
    bench.machine.faults.syncError = 1;
    expect(bench.run({ op: 'sync', file }).error).toBe('Io');
    bench.machine.faults.syncError = 0;
    expect(bench.run({ op: 'sync', file }).error).toBeUndefined();
    expect(bench.machine.counts.syncError).toBe(1);
    bench.machine.powerLoss();
    if (bench.contents('a')[0] === 1) lost++;
  }
  expect(lost).toBeGreaterThan(10);
});

test('faults are counted, and happen only while they are switched on', () => {
  const bench = new Bench('faults');
  const { faults, counts } = bench.machine;
  const file = durableFile(bench, 'a', 4096);
  faults.writeError = 1;
  expect(bench.run({ op: 'write', file, offsetBytes: 0, bytes: bytes(1, 9) }).error).toBe('Io');
  faults.writeError = 0;
  faults.readError = 1;
  expect(bench.run({ op: 'read', file, offsetBytes: 0, into: bytes(1, 0) }).error).toBe('Io');
  faults.readError = 0;
  faults.capacityBytes = 5000;
  expect(bench.run({ op: 'allocate', file, sizeBytes: 9000 }).error).toBe('NoSpace');
  expect(bench.run({ op: 'allocate', file, sizeBytes: 5000 }).error).toBeUndefined();
  faults.capacityBytes = Infinity;
  faults.lyingSync = 1;
  expect(bench.run({ op: 'sync', file }).error).toBeUndefined();
  faults.lyingSync = 0;
  faults.misdirectedWrite = 1;
  bench.run({ op: 'write', file, offsetBytes: 0, bytes: bytes(SECTOR_BYTES, 7) });
  faults.misdirectedWrite = 0;
  expect(bench.machine.rotBit('a', 100, 3)).toBe(true);
  expect(bench.machine.rotBit('a', 1e9, 3)).toBe(false);
  faults.hung = true;
  const held = bench.submit({ op: 'list' });
  for (let i = 0; i < 5; i++) bench.time.step();
  expect(bench.completed(held)).toBe(false);
  faults.hung = false;
  while (!bench.completed(held)) bench.time.step();
  bench.machine.wipe();
  expect(bench.machine.files().size).toBe(0);
  expect(counts).toMatchObject({
    writeError: 1,
    readError: 1,
    noSpace: 1,
    lyingSync: 1,
    misdirectedWrite: 1,
    bitRot: 1,
    syncError: 0,
    wipe: 1,
  });
  expect(counts.held).toBeGreaterThan(0);
});

test('the same seed does the same', () => {
  const run = (): string => {
    const bench = new Bench('same');
    const file = durableFile(bench, 'a', 4096);
    for (let i = 0; i < 20; i++) {
      bench.submit({ op: 'write', file, offsetBytes: i * 700, bytes: bytes(700, i) });
      if (i % 3 === 0) bench.submit({ op: 'sync', file });
      bench.time.step();
    }
    bench.machine.powerLoss();
    return `${bench.time.nowUs} ${bench.contents('a').join()}`;
  };
  expect(run()).toBe(run());
});

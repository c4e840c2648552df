/**
 * What any disk has to pass before the store may trust it: every sentence of the port's promise that can be
 * seen from outside. A disk comes with a `DiskWorld`, so that one suite runs on virtual and on real time.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type {
  Disk,
  DiskCompletion,
  DiskCompletions,
  DiskRequest,
  FileHandle,
} from '../../impl/ports/disk.ts';

/** One directory that did not exist before, and the processes that come to use it. */
export interface DiskWorld {
  /** The disk as one more process would open it, on the same directory each time. */
  start(deliver: DiskCompletions): Disk;
  /** Ends that process in good order: its files are closed, its lock is given back. */
  stop(disk: Disk): Promise<void> | void;
  /** Lets something happen: a turn of the event loop, a step of virtual time. */
  turn(): Promise<void> | void;
  /** Ends whatever still runs and removes the directory. */
  dispose(): Promise<void> | void;
}

export interface PowerLossWorld extends DiskWorld {
  /** The machine loses power, and all its processes are gone with their locks. */
  losePower(): Promise<void> | void;
}

export interface DirectoryWorld extends DiskWorld {
  readonly directory: string;
  /** Another program removes the directory with all that is in it. */
  removeDirectory(): Promise<void> | void;
}

type WithoutId<Request> = Request extends DiskRequest ? Omit<Request, 'id'> : never;
type Wish = WithoutId<DiskRequest>;

/** Turns of the world that a request may take; a disk that needs more is taken to have lost it. */
const TURNS_MAX = 2_000_000;

class Process {
  readonly disk: Disk;
  readonly #world: DiskWorld;
  readonly #completions = new Map<number, DiskCompletion>();
  #lastId = 0;
  #submitting = false;

  constructor(world: DiskWorld) {
    this.#world = world;
    this.disk = world.start((completions) => {
      expect(this.#submitting, 'a completion inside submit').toBe(false);
      expect(completions.length).toBeGreaterThan(0);
      for (const completion of completions) {
        expect(completion.id, 'a completion nobody asked for').toBeLessThanOrEqual(this.#lastId);
        expect(this.#completions.has(completion.id), 'a second completion').toBe(false);
        this.#completions.set(completion.id, completion);
      }
    });
  }

  submit(wish: Wish): number {
    const id = ++this.#lastId;
    this.#submitting = true;
    this.disk.submit({ ...wish, id } as DiskRequest);
    this.#submitting = false;
    return id;
  }

  async completion(id: number): Promise<DiskCompletion> {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      const completion = this.#completions.get(id);
      if (completion) return completion;
      await this.#world.turn();
    }
    throw new Error(`request ${id} was never completed`);
  }

  async completeAll(): Promise<void> {
    for (let id = 1; id <= this.#lastId; id++) await this.completion(id);
  }

  run(wish: Wish): Promise<DiskCompletion> {
    return this.completion(this.submit(wish));
  }

  /** Runs a request that has to succeed. */
  async must(wish: Wish): Promise<DiskCompletion> {
    const completion = await this.run(wish);
    expect(completion.error, `${wish.op}: ${completion.detail}`).toBeUndefined();
    return completion;
  }

  async open(name: string, create: boolean): Promise<FileHandle> {
    const { file } = await this.must({ op: 'open', name, create });
    expect(file).toBeTypeOf('number');
    return file!;
  }

  write(file: FileHandle, offsetBytes: number, bytes: Uint8Array): Promise<DiskCompletion> {
    return this.must({ op: 'write', file, offsetBytes, bytes });
  }

  /** What the file holds in the range, cut where it ends. */
  async read(file: FileHandle, offsetBytes: number, length: number): Promise<Uint8Array> {
    const into = new Uint8Array(length).fill(0xee);
    const { lengthBytes } = await this.must({ op: 'read', file, offsetBytes, into });
    expect(lengthBytes).toBeTypeOf('number');
    expectBytes(into.subarray(lengthBytes), new Uint8Array(length - lengthBytes!).fill(0xee));
    return into.subarray(0, lengthBytes);
  }
}

/** As `toEqual`, but quick on megabytes, and it names the first byte that differs. */
function expectBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.length).toBe(expected.length);
  expect(
    actual.findIndex((byte, i) => byte !== expected[i]),
    'first wrong byte',
  ).toBe(-1);
}

/** Bytes that tell their place, different for each seed. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

export function diskConformance(
  name: string,
  makeWorld: () => Promise<DiskWorld> | DiskWorld,
): void {
  describe(`${name} disk`, () => {
    let world: DiskWorld;
    let process: Process;

    beforeEach(async () => {
      world = await makeWorld();
      process = new Process(world);
      await process.must({ op: 'lock' });
    });

    afterEach(async () => {
      await process.completeAll();
      await world.dispose();
    });

    async function restart(): Promise<void> {
      await world.stop(process.disk);
      process = new Process(world);
      await process.must({ op: 'lock' });
    }

    test('says where writes are fastest: 1 or a power of two', () => {
      const { alignmentBytes } = process.disk;
      expect(alignmentBytes).toBeGreaterThanOrEqual(1);
      expect(Number.isInteger(Math.log2(alignmentBytes))).toBe(true);
    });

    describe('lock', () => {
      test('refuses a second process, and leaves the first as it was', async () => {
        const file = await process.open('a', true);
        const second = new Process(world);
        expect((await second.run({ op: 'lock' })).error).toBe('Locked');
        expect((await second.completion(1)).detail).toBeTruthy();
        await process.write(file, 0, pattern(10, 1));
        expectBytes(await process.read(file, 0, 10), pattern(10, 1));
        await world.stop(second.disk);
        const third = new Process(world);
        expect((await third.run({ op: 'lock' })).error).toBe('Locked');
        await world.stop(third.disk);
      });

      test('is free again once its holder has stopped', async () => {
        await restart();
        await restart();
      });

      test('goes to at most one of several that come at once', async () => {
        await world.stop(process.disk);
        const contenders = [new Process(world), new Process(world), new Process(world)];
        for (const contender of contenders) contender.submit({ op: 'lock' });
        const answers = await Promise.all(contenders.map((contender) => contender.completion(1)));
        const winners = contenders.filter((_, i) => answers[i]!.error === undefined);
        expect(winners.length).toBeLessThanOrEqual(1);
        for (const { error } of answers) expect([undefined, 'Locked']).toContain(error);
        for (const contender of contenders) await world.stop(contender.disk);
        process = new Process(world);
        await process.must({ op: 'lock' });
      });
    });

    describe('open and list', () => {
      test('a new directory is empty', async () => {
        expect((await process.must({ op: 'list' })).files).toEqual([]);
      });

      test('lists names with sizes in code-unit order', async () => {
        for (const [i, name] of ['b', 'a10', 'a9', 'B', 'a.b', 'a-b', 'a_b'].entries()) {
          const file = await process.open(name, true);
          if (i > 0) await process.write(file, 0, pattern(i, i));
          await process.must({ op: 'close', file });
        }
        expect((await process.must({ op: 'list' })).files).toEqual([
          { name: 'B', sizeBytes: 3 },
          { name: 'a-b', sizeBytes: 5 },
          { name: 'a.b', sizeBytes: 4 },
          { name: 'a10', sizeBytes: 1 },
          { name: 'a9', sizeBytes: 2 },
          { name: 'a_b', sizeBytes: 6 },
          { name: 'b', sizeBytes: 0 },
        ]);
      });

      test('create wants the name free, open wants it taken', async () => {
        expect((await process.run({ op: 'open', name: 'a', create: false })).error).toBe(
          'NotFound',
        );
        const made = await process.must({ op: 'open', name: 'a', create: true });
        expect(made.lengthBytes).toBe(0);
        expect((await process.run({ op: 'open', name: 'a', create: true })).error).toBe('Exists');
        await process.write(made.file!, 0, pattern(700, 1));
        expect((await process.must({ op: 'open', name: 'a', create: false })).lengthBytes).toBe(
          700,
        );
      });

      test('never gives one handle twice', async () => {
        const seen = new Set<FileHandle>();
        for (let i = 0; i < 20; i++) {
          const file = await process.open('a', i === 0);
          seen.add(file);
          if (i % 2 === 0) await process.must({ op: 'close', file });
        }
        expect(seen.size).toBe(20);
      });

      test('two handles of one file see each other’s writes', async () => {
        const one = await process.open('a', true);
        const two = await process.open('a', false);
        await process.write(one, 0, pattern(5000, 1));
        expectBytes(await process.read(two, 0, 5000), pattern(5000, 1));
        await process.write(two, 1000, pattern(100, 2));
        expectBytes(await process.read(one, 1000, 100), pattern(100, 2));
      });
    });

    describe('write and read', () => {
      test('bytes come back from any offset, in any size', async () => {
        const file = await process.open('a', true);
        const model = new Uint8Array(300_000);
        let end = 0;
        const places = [0, 1, 511, 512, 513, 4095, 4096, 4097, 65_535, 131_072, 7];
        const sizes = [1, 3, 511, 512, 513, 4095, 4096, 4097, 65_537, 131_072, 20_000];
        for (const [i, at] of places.entries()) {
          const bytes = pattern(sizes[i]!, i);
          await process.write(file, at, bytes);
          model.set(bytes, at);
          end = Math.max(end, at + bytes.length);
          expectBytes(await process.read(file, 0, model.length), model.subarray(0, end));
        }
        for (const at of places) {
          expectBytes(
            await process.read(file, at, 1000),
            model.subarray(at, Math.min(at + 1000, end)),
          );
        }
      });

      test('a write beyond the end leaves zeros between', async () => {
        const file = await process.open('a', true);
        await process.write(file, 10_000, pattern(10, 1));
        const expected = new Uint8Array(10_010);
        expected.set(pattern(10, 1), 10_000);
        expectBytes(await process.read(file, 0, 20_000), expected);
      });

      test('a read stops at the end, and beyond it finds nothing', async () => {
        const file = await process.open('a', true);
        expectBytes(await process.read(file, 0, 10), new Uint8Array(0));
        await process.write(file, 0, pattern(100, 1));
        expectBytes(await process.read(file, 90, 20), pattern(100, 1).subarray(90));
        expectBytes(await process.read(file, 100, 20), new Uint8Array(0));
        expectBytes(await process.read(file, 1_000_000, 20), new Uint8Array(0));
      });

      test('what it skips on the way to data is zeros, up to the end', async () => {
        const file = await process.open('a', true);
        const size = 1 << 20;
        await process.must({ op: 'allocate', file, sizeBytes: size });
        const places = [5000, 70_000, 70_100, 400_000, 999_999];
        for (const at of places) await process.write(file, at, new Uint8Array([1]));
        for (const from of [0, 1, 5000, 5001, 71_000, 399_999, 400_001, 999_999, size - 3, size]) {
          const found = await process.must({ op: 'seekData', file, offsetBytes: from });
          expect(found.offsetBytes).toBeGreaterThanOrEqual(from);
          const next = places.find((at) => at >= from) ?? size;
          expect(found.offsetBytes).toBeLessThanOrEqual(next);
        }
        await process.must({ op: 'close', file });
      });

      test('takes and fills just the view it was given', async () => {
        const file = await process.open('a', true);
        const source = pattern(3000, 1);
        await process.write(file, 0, source.subarray(1000, 2000));
        expectBytes(await process.read(file, 0, 5000), source.subarray(1000, 2000));
        const target = new Uint8Array(3000).fill(0xee);
        await process.must({
          op: 'read',
          file,
          offsetBytes: 0,
          into: target.subarray(500, 1500),
        });
        const expected = new Uint8Array(3000).fill(0xee);
        expected.set(source.subarray(1000, 2000), 500);
        expectBytes(target, expected);
      });

      test('a large write arrives whole', async () => {
        const file = await process.open('a', true);
        const bytes = pattern(9_000_001, 1);
        await process.write(file, 123, bytes);
        const read = await process.read(file, 123, bytes.length + 1);
        expectBytes(read, bytes);
      });

      test('many in flight at once each do their own', async () => {
        const files = [await process.open('a', true), await process.open('b', true)];
        const writes = Array.from({ length: 300 }, (_, i) => ({
          file: files[i % 2]!,
          offsetBytes: i * 1000,
          bytes: pattern(1000, i),
        }));
        for (const write of writes) process.submit({ op: 'write', ...write });
        await process.completeAll();
        const reads = writes.map(({ file, offsetBytes, bytes }) => {
          const into = new Uint8Array(1000);
          return { into, bytes, id: process.submit({ op: 'read', file, offsetBytes, into }) };
        });
        for (const { into, bytes, id } of reads) {
          expect((await process.completion(id)).error).toBeUndefined();
          expectBytes(into, bytes);
        }
      });

      test('a completed write is seen by the next one’s reader at once, synced or not', async () => {
        const file = await process.open('a', true);
        for (let i = 0; i < 50; i++) {
          const offsetBytes = i * 97;
          await process.write(file, offsetBytes, pattern(97, i));
          if (i % 7 === 0) process.submit({ op: 'sync', file });
          expectBytes(await process.read(file, offsetBytes, 97), pattern(97, i));
        }
      });
    });

    describe('allocate', () => {
      test('makes the file as long, with zeros, and keeps what is there', async () => {
        const file = await process.open('a', true);
        await process.write(file, 0, pattern(1000, 1));
        await process.must({ op: 'allocate', file, sizeBytes: 3_000_000 });
        const expected = new Uint8Array(3_000_000);
        expected.set(pattern(1000, 1));
        const read = await process.read(file, 0, 4_000_000);
        expectBytes(read, expected);
      });

      test('never makes a file shorter', async () => {
        const file = await process.open('a', true);
        await process.write(file, 0, pattern(5000, 1));
        await process.must({ op: 'allocate', file, sizeBytes: 100 });
        expectBytes(await process.read(file, 0, 9000), pattern(5000, 1));
      });

      test('does not undo a write that was submitted behind it', async () => {
        const file = await process.open('a', true);
        const sizeBytes = 4_000_000;
        const allocated = process.submit({ op: 'allocate', file, sizeBytes });
        const at = [0, 1_500_000, 3_999_000];
        const writes = at.map((offsetBytes, i) =>
          process.submit({ op: 'write', file, offsetBytes, bytes: pattern(1000, i) }),
        );
        for (const id of [allocated, ...writes]) {
          expect((await process.completion(id)).error).toBeUndefined();
        }
        for (const [i, offsetBytes] of at.entries()) {
          expectBytes(await process.read(file, offsetBytes, 1000), pattern(1000, i));
        }
      });
    });

    describe('rename and unlink', () => {
      test('rename moves a file over whatever has the new name', async () => {
        for (const [i, name] of ['a', 'b'].entries()) {
          const file = await process.open(name, true);
          await process.write(file, 0, pattern(10 + i, i));
          await process.must({ op: 'close', file });
        }
        await process.must({ op: 'rename', from: 'a', to: 'b' });
        expect((await process.must({ op: 'list' })).files).toEqual([{ name: 'b', sizeBytes: 10 }]);
        const file = await process.open('b', false);
        expectBytes(await process.read(file, 0, 20), pattern(10, 0));
        await process.must({ op: 'rename', from: 'b', to: 'c' });
        expect((await process.run({ op: 'open', name: 'b', create: false })).error).toBe(
          'NotFound',
        );
      });

      test('an open file is still itself under its new name', async () => {
        const file = await process.open('a', true);
        await process.write(file, 0, pattern(10, 1));
        await process.must({ op: 'rename', from: 'a', to: 'b' });
        await process.write(file, 10, pattern(10, 2));
        const again = await process.open('b', false);
        expectBytes(await process.read(again, 10, 10), pattern(10, 2));
      });

      test('unlink frees the name for another file', async () => {
        const file = await process.open('a', true);
        await process.write(file, 0, pattern(10, 1));
        await process.must({ op: 'close', file });
        await process.must({ op: 'unlink', name: 'a' });
        expect((await process.must({ op: 'list' })).files).toEqual([]);
        const again = await process.must({ op: 'open', name: 'a', create: true });
        expect(again.lengthBytes).toBe(0);
      });

      test('what is not there is NotFound', async () => {
        expect((await process.run({ op: 'unlink', name: 'a' })).error).toBe('NotFound');
        expect((await process.run({ op: 'rename', from: 'a', to: 'b' })).error).toBe('NotFound');
      });
    });

    describe('durability', () => {
      test('all is there for the next process', async () => {
        const file = await process.open('a', true);
        await process.write(file, 0, pattern(10_000, 1));
        await process.must({ op: 'sync', file });
        await process.must({ op: 'syncDirectory' });
        await restart();
        expect((await process.must({ op: 'list' })).files).toEqual([
          { name: 'a', sizeBytes: 10_000 },
        ]);
        const again = await process.open('a', false);
        expectBytes(await process.read(again, 0, 20_000), pattern(10_000, 1));
      });

      test('a sync waits for the writes submitted before it', async () => {
        const file = await process.open('a', true);
        const sizeBytes = 2 ** 24;
        const bytes = pattern(sizeBytes, 1);
        for (let round = 0; round < 5; round++) {
          const offsetBytes = round * sizeBytes;
          const write = process.submit({ op: 'write', file, offsetBytes, bytes });
          const sync = process.submit({ op: 'sync', file });
          expect((await process.completion(sync)).error).toBeUndefined();
          // Whether or not the write's own completion has come, it is done.
          const tail = await process.read(file, offsetBytes + sizeBytes - 1000, 1000);
          expectBytes(tail, bytes.subarray(sizeBytes - 1000));
          expect((await process.completion(write)).error).toBeUndefined();
        }
      });
    });
  });
}

/** For disks whose directory other programs can reach. */
export function directoryConformance(
  name: string,
  makeWorld: () => Promise<DirectoryWorld> | DirectoryWorld,
): void {
  describe(`${name} disk and its directory`, () => {
    let world: DirectoryWorld;

    beforeEach(async () => {
      world = await makeWorld();
    });

    afterEach(() => world.dispose());

    test('a refusal names the directory and who has it', async () => {
      await new Process(world).must({ op: 'lock' });
      const { detail } = await new Process(world).run({ op: 'lock' });
      expect(detail).toContain(`${world.directory} is locked by this process`);
    });

    test('one that was removed and made anew belongs to who made it', async () => {
      const first = new Process(world);
      await first.must({ op: 'lock' });
      const file = await first.open('a', true);
      await first.write(file, 0, pattern(100, 1));
      await world.removeDirectory();
      const second = new Process(world);
      await second.must({ op: 'lock' });
      await second.write(await second.open('b', true), 0, pattern(100, 2));

      const wishes: Wish[] = [
        { op: 'open', name: 'c', create: true },
        { op: 'open', name: 'b', create: false },
        { op: 'rename', from: 'b', to: 'c' },
        { op: 'unlink', name: 'b' },
        { op: 'list' },
      ];
      for (const wish of wishes) expect((await first.run(wish)).error, wish.op).toBe('Io');
      // What is open is still its own.
      await first.write(file, 100, pattern(100, 3));
      await first.must({ op: 'sync', file });
      await world.stop(first.disk);
      expect((await second.must({ op: 'list' })).files).toEqual([{ name: 'b', sizeBytes: 100 }]);
      expectBytes(await second.read(await second.open('b', false), 0, 100), pattern(100, 2));
      const third = new Process(world);
      expect((await third.run({ op: 'lock' })).error).toBe('Locked');
    });
  });
}

/** For disks whose machine can lose its power at will. */
export function powerLossConformance(
  name: string,
  makeWorld: () => Promise<PowerLossWorld> | PowerLossWorld,
): void {
  describe(`${name} disk and power loss`, () => {
    test('what was synced stays, whatever was in flight', async () => {
      const world = await makeWorld();
      for (let round = 0; round < 50; round++) {
        const process = new Process(world);
        await process.must({ op: 'lock' });
        const file = await process.open(`round-${round}`, true);
        await process.write(file, 0, pattern(3000, round));
        await process.must({ op: 'sync', file });
        await process.must({ op: 'syncDirectory' });
        for (let earlier = 0; earlier <= round; earlier++) {
          const again = await process.open(`round-${earlier}`, false);
          expectBytes(await process.read(again, 0, 3000), pattern(3000, earlier));
        }
        process.submit({ op: 'write', file, offsetBytes: 3000, bytes: pattern(3000, 99) });
        process.submit({ op: 'sync', file });
        await world.losePower();
      }
      await world.dispose();
    });

    test('a sync makes durable what was submitted before it in the same turn', async () => {
      const world = await makeWorld();
      for (let round = 0; round < 50; round++) {
        const process = new Process(world);
        await process.must({ op: 'lock' });
        const file = await process.open(`round-${round}`, true);
        await process.must({ op: 'syncDirectory' });
        const places = [0, 1, 2, 3].map((i) => i * 3000);
        for (const offsetBytes of places) {
          process.submit({ op: 'write', file, offsetBytes, bytes: pattern(3000, offsetBytes) });
        }
        await process.must({ op: 'sync', file });
        await world.losePower();
        const next = new Process(world);
        await next.must({ op: 'lock' });
        const again = await next.open(`round-${round}`, false);
        for (const offsetBytes of places) {
          expectBytes(await next.read(again, offsetBytes, 3000), pattern(3000, offsetBytes));
        }
        await world.stop(next.disk);
      }
      await world.dispose();
    });
  });
}

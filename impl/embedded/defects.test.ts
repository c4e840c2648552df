/** Defects of upstream's engine, by the numbers of its review: each is provoked the way it was found, and must not show. */
import { mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  bytes,
  drain,
  LogWorld,
  pattern,
  range,
  sameBytes,
  textOf,
  textsOf,
} from '../../properties/conformance/log-world.ts';
import { withTinyFileSystem } from '../../properties/conformance/tiny-file-system.ts';
import { type DiskChoice, FsyncSchedule, ReadConsistency, type Walrus } from './walrus.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;

const numbers = (count: number): Uint8Array[] => range(count).map((i) => bytes(String(i)));

async function appendMany(log: Walrus, topic: string, count: number, size: number): Promise<void> {
  // A batch lies in one file, however large that has to be: these are to cross files.
  const entries = Math.min(2000, Math.ceil(500_000 / size));
  for (let at = 0; at < count; at += entries) {
    const batch = range(Math.min(entries, count - at)).map((i) => pattern(size, at + i));
    await log.appendBatch(topic, batch);
  }
}

async function filesOf(dir: string, ending: string): Promise<string[]> {
  const names = await readdir(dir);
  return names.filter((name) => name.endsWith(ending)).map((name) => join(dir, name));
}

async function sizeOf(dir: string): Promise<number> {
  let sum = 0;
  for (const path of await filesOf(dir, '')) {
    sum += await stat(path).then(
      (it) => (it.isFile() ? it.size : 0),
      () => 0,
    );
  }
  return sum;
}

for (const disk of ['portable', 'auto'] satisfies DiskChoice[]) {
  describe(`on ${disk} disk`, () => {
    let world: LogWorld;
    beforeEach(async () => {
      world = new LogWorld(await mkdtemp(join(tmpdir(), 'walrus-defect-')), disk);
    });
    afterEach(() => world.dispose());

    test('a transferred buffer fails its own call, also once resizable ones have been seen', async () => {
      const log = await world.open();
      const resizable = (size: number): ArrayBuffer =>
        Reflect.construct(ArrayBuffer, [size, { maxByteLength: 2 * size }]);
      for (let round = 0; round < 200; round++) {
        const buffers = range(100).map((i) => (i % 2 ? new ArrayBuffer(100) : resizable(100)));
        await Promise.all(buffers.map((buffer) => log.append('t', new Uint8Array(buffer))));
      }
      const gone = new Uint8Array(100);
      structuredClone(gone.buffer, { transfer: [gone.buffer] });
      expect(() => log.stage('t', gone)).toThrow('detached');
      await expect(log.append('t', gone)).rejects.toThrow('detached');
      await expect(log.appendBatch('t', [bytes('x'), gone])).rejects.toThrow('detached');
      expect(await log.append('t', bytes('after'))).toBe(20_000);
    });

    test('defect-01-poll-at-the-end-resets-a-strict-cursor', async () => {
      let log = await world.open();
      await log.appendBatch('t', numbers(50));
      expect(await drain(log, 't')).toHaveLength(50);
      for (const _ of range(3)) expect(await log.readNext('t')).toBeUndefined();
      expect(await log.readBatch('t')).toEqual([]);
      log = await world.reopen(log, 'killed');
      expect(await log.readNext('t')).toBeUndefined();
    });

    test('defect-02-at-least-once-persists-every-read-and-saves-none', async () => {
      let log = await world.open({ consistency: ReadConsistency.AtLeastOnce(1000) });
      await appendMany(log, 't', 2500, 20);
      const before = log.stats().commitGroups;
      for (const _ of range(2500)) await log.readNext('t');
      expect(log.stats().commitGroups - before).toBe(3);
      log = await world.reopen(log, 'killed');
      expect((await log.readNext('t'))?.offset).toBeGreaterThan(2500 - 1000);
    });

    test('defect-03-at-least-once-batch-reads-never-persist', async () => {
      let log = await world.open({ consistency: ReadConsistency.AtLeastOnce(100) });
      await appendMany(log, 't', 1000, 20);
      for (const _ of range(19)) await log.readBatch('t', { maxEntries: 50 });
      log = await world.reopen(log, 'killed');
      const next = (await log.readNext('t'))!.offset;
      expect(next).toBeGreaterThan(950 - 100);
      expect(next).toBeLessThanOrEqual(950);
    });

    test('defect-04-small-cap-on-a-batch-read-skips-the-rest-of-a-sealed-block', async () => {
      const log = await world.open();
      await appendMany(log, 't', 8242, 1000);
      let next = 0;
      for (let more = true; more; ) {
        const entries = await log.readBatch('t', { maxBytes: 64 * KIBIBYTE });
        for (const entry of entries) expect(entry.offset).toBe(next++);
        more = entries.length > 0;
      }
      expect(next).toBe(8242);
    });

    test('defect-05-reader-at-the-tail-loses-entries-when-a-file-rolls-over', async () => {
      const log = await world.open();
      const count = 2000;
      const seen: number[] = [];
      const consume = async (): Promise<void> => {
        while (seen.length < count) {
          const entries =
            seen.length % 7 === 0
              ? await log.readBatch('t', { maxBytes: 100_000 })
              : [await log.readNext('t')].flatMap((entry) => entry ?? []);
          for (const entry of entries) {
            if (!sameBytes(entry.data, pattern(20_000, entry.offset))) throw new Error('differs');
            seen.push(entry.offset);
          }
        }
      };
      const produce = async (): Promise<void> => {
        for (const i of range(count)) await log.append('t', pattern(20_000, i));
      };
      const follow = async (): Promise<number[]> => {
        const offsets: number[] = [];
        for await (const entry of log.tail('t', { from: 0 })) {
          offsets.push(entry.offset);
          if (offsets.length === count) break;
        }
        return offsets;
      };
      const [followed] = await Promise.all([follow(), produce(), consume()]);
      expect(seen).toEqual(range(count));
      expect(followed).toEqual(range(count));
    });

    test('defect-06-a-block-without-entries-hides-all-that-follow', async () => {
      let log = await world.open();
      await log.append('before', bytes('x'));
      await log.appendBatch('empty', []);
      await expect(log.appendBatch('too many', numbers(2001))).rejects.toThrow();
      await expect(log.append('n'.repeat(2000), bytes('x'))).rejects.toThrow();
      await log.append('large', pattern(11 * MEBIBYTE, 1));
      for (const i of range(20)) await log.append(`after ${i}`, pattern(100 * KIBIBYTE, i));
      log = await world.reopen(log, 'killed');
      expect(sameBytes((await log.readNext('large'))?.data, pattern(11 * MEBIBYTE, 1))).toBe(true);
      for (const i of range(20)) {
        const entry = await log.readNext(`after ${i}`);
        expect(sameBytes(entry?.data, pattern(100 * KIBIBYTE, i))).toBe(true);
      }
    });

    test('defect-07-one-corrupt-byte-ends-the-file', async () => {
      let log = await world.open();
      for (const i of range(10)) {
        await log.append('t', bytes(`<<${i}>>`));
        await log.append('other', bytes(String(i)));
      }
      await log.close();
      for (const path of await filesOf(join(world.directory, 'data'), '.wal')) {
        const content = await readFile(path);
        const at = content.indexOf('<<0>>');
        if (at < 0) continue;
        content[at]! ^= 1;
        await writeFile(path, content);
      }
      log = await world.open();
      await expect(log.readNext('t')).rejects.toMatchObject({ code: 'Corrupt' });
      await log.cursor('t').seek(1);
      expect(textsOf(await drain(log, 't'))).toEqual(range(9).map((i) => `<<${i + 1}>>`));
      expect(textsOf(await drain(log, 'other'))).toEqual(range(10).map(String));
    });

    test('defect-08-large-entries-hide-what-follows-and-their-bytes-are-parsed', async () => {
      let log = await world.open();
      await log.append('forged', bytes('never twice'));
      await log.flush();
      // Bytes that are a log: this one's own file, zeros, and what crashed upstream, at every kind of boundary.
      const [own] = await filesOf(join(world.directory, 'data'), '.wal');
      const hostile = [
        await readFile(own!),
        new Uint8Array(11 * MEBIBYTE),
        new Uint8Array(3 * MEBIBYTE).fill(1, 0, 1),
        Uint8Array.from({ length: 12 * MEBIBYTE }, (_, i) => (i % 2 ? 0 : 1)),
      ];
      for (const record of hostile) {
        await log.append('t', record);
        for (const i of range(5)) await log.append('t', bytes(`after ${i}`));
      }
      log = await world.reopen(log, 'killed');
      for (const record of hostile) {
        expect(sameBytes((await log.readNext('t'))?.data, record)).toBe(true);
        for (const i of range(5)) expect(textOf(await log.readNext('t'))).toBe(`after ${i}`);
      }
      expect(await log.readNext('t')).toBeUndefined();
      expect(textsOf(await drain(log, 'forged'))).toEqual(['never twice']);
      expect(log.topics()).toEqual(['forged', 't']);
    });

    test('defect-09-appends-are-acknowledged-on-a-full-disk', async (context) => {
      await withTinyFileSystem(context, 6 * MEBIBYTE, async (dir) => {
        let log = await world.open({ dir, fsync: FsyncSchedule.SyncEach });
        const answers = await Promise.allSettled(
          range(2000).map((i) => log.append('t', pattern(20_000, i))),
        );
        const acked = answers.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
        for (const it of answers) {
          if (it.status === 'rejected') expect(it.reason).toMatchObject({ code: 'NoSpace' });
        }
        expect(acked.length).toBeGreaterThan(50);
        expect(acked.length).toBeLessThan(300);
        expect(acked).toEqual(range(acked.length));
        const check = async (): Promise<void> => {
          let count = 0;
          for await (const entry of log.read('t')) {
            if (!sameBytes(entry.data, pattern(20_000, entry.offset))) throw new Error('differs');
            count++;
          }
          expect(count).toBe(acked.length);
        };
        await check();
        log = await world.reopen(log, 'closed');
        await check();
        await log.close();
      });
    });

    test('defect-10-a-file-that-cannot-be-made-hangs-every-later-append', async (context) => {
      await withTinyFileSystem(context, 6 * MEBIBYTE, async (dir) => {
        const log = await world.open({ dir, reclaim: true });
        const ballast = join(dir, 'ballast');
        await writeFile(ballast, new Uint8Array(2 * MEBIBYTE));
        let acked = 0;
        const fill = async (): Promise<void> => {
          for (;;) {
            await log.append('t', pattern(100_000, acked));
            acked++;
          }
        };
        await expect(fill()).rejects.toMatchObject({ code: 'NoSpace' });
        for (const _ of range(5)) {
          await expect(log.append('u', bytes('x'.repeat(100_000)))).rejects.toMatchObject({
            code: 'NoSpace',
          });
        }
        // Reads go on, and so do cursors: consuming is what gives room back.
        for (const i of range(acked)) expect((await log.readNext('t'))?.offset).toBe(i);
        let error: unknown;
        for (let attempt = 0; attempt < 50; attempt++) {
          error = await log.append('t', pattern(100_000, acked)).then(
            () => undefined,
            (reason) => reason,
          );
          if (error === undefined) break;
          expect(error).toMatchObject({ code: 'NoSpace' });
          await delay(10);
        }
        expect(error).toBeUndefined();
        expect((await log.readNext('t'))?.offset).toBe(acked);
        // So does room that others give back.
        await expect(fill()).rejects.toMatchObject({ code: 'NoSpace' });
        await writeFile(ballast, '');
        while (
          await log.append('u', bytes('x'.repeat(100_000))).then(
            () => false,
            () => true,
          )
        ) {
          await delay(10);
        }
        await log.close();
      });
    });

    test('defect-11-a-failed-batch-leaves-holes-and-swallows-later-appends', async (context) => {
      await withTinyFileSystem(context, 8 * MEBIBYTE, async (dir) => {
        let log = await world.open({ dir });
        await log.append('t', bytes('first'));
        const batch = range(100).map((i) => pattern(120_000, i));
        await expect(log.appendBatch('t', batch)).rejects.toMatchObject({ code: 'NoSpace' });
        expect(log.entryCount('t')).toBe(1);
        expect(await log.append('t', bytes('second'))).toBe(1);
        log = await world.reopen(log, 'closed');
        expect(await log.append('t', bytes('third'))).toBe(2);
        expect(textsOf(await drain(log, 't'))).toEqual(['first', 'second', 'third']);
        await log.close();
      });
    });

    test('defect-12-a-crash-inside-a-batch-exposes-a-part-of-it', async () => {
      // So large that no checkpoint comes to know of the batch.
      const log = await world.open({ fileBytes: 8 * MEBIBYTE });
      await log.append('t', bytes('before'));
      const batch = range(30).map((i) => pattern(100_000, i));
      await log.appendBatch('t', batch);
      const image = await world.image(log);
      const paths = await filesOf(image, '.wal');
      const places: { path: string; at: number }[] = [];
      for (const path of paths) {
        const content = await readFile(path);
        for (const record of batch) {
          const at = content.indexOf(record.subarray(0, 64));
          if (at >= 0) places.push({ path, at });
        }
      }
      expect(places.length).toBe(30);
      for (const { path, at } of places.filter((_, i) => i % 4 === 0 || i === 29)) {
        const content = await readFile(path);
        const torn = Buffer.from(content).fill(0, at + 512, at + 1024);
        await writeFile(path, torn);
        const copy = await world.copy(image);
        await writeFile(path, content);
        const after = await world.open({ dir: copy });
        expect(textsOf(await drain(after, 't'))).toEqual(['before']);
        expect(await after.append('t', bytes('next'))).toBe(1);
        await after.close();
      }
    });

    test('defect-13-reclaim-shifts-the-cursor', async () => {
      let log = await world.open({ reclaim: true });
      const dir = join(world.directory, 'data');
      await appendMany(log, 't', 150, 100_000);
      const full = await sizeOf(dir);
      for (const i of range(120)) expect((await log.readNext('t'))?.offset).toBe(i);
      log = await world.reopen(log, 'closed');
      for (let i = 0; i < 40 && (await sizeOf(dir)) > full / 2; i++) {
        await log.append('other', pattern(100_000, i));
        await log.readNext('other');
        await log.flush();
      }
      expect(await sizeOf(dir)).toBeLessThan(full / 2);
      log = await world.reopen(log, 'closed');
      const rest = await drain(log, 't');
      expect(rest.map((entry) => entry.offset)).toEqual(range(30).map((i) => i + 120));
      for (const entry of rest) {
        expect(sameBytes(entry.data, pattern(100_000, entry.offset))).toBe(true);
      }
    });

    test('defect-14-two-logs-of-one-process-delete-each-others-files', async () => {
      const one = await world.open({ namespace: 'one', reclaim: true });
      const two = await world.open({ namespace: 'two', reclaim: true });
      for (const log of [one, two]) await appendMany(log, 't', 60, 100_000);
      await drain(two, 't');
      for (const i of range(30)) {
        await two.append('t', pattern(100_000, i));
        await two.readNext('t');
        await two.flush();
      }
      const again = await world.reopen(one, 'closed');
      for (const i of range(60)) {
        expect(sameBytes((await again.readNext('t'))?.data, pattern(100_000, i))).toBe(true);
      }
    });

    test('defect-15-peeks-count-as-consumption', async () => {
      let log = await world.open();
      await appendMany(log, 'kept', 99, 10_000);
      await appendMany(log, 't', 30, 100_000);
      for (const _ of range(29)) await log.readNext('t');
      for (const _ of range(150)) await log.readNext('t', { checkpoint: false });
      for (const _ of range(150)) await log.readBatch('kept', { checkpoint: false });
      await appendMany(log, 'more', 40, 100_000);
      await log.flush();
      log = await world.reopen(log, 'closed');
      expect((await log.readNext('t'))?.offset).toBe(29);
      expect((await drain(log, 'kept')).length).toBe(99);
    });

    test('defect-16-a-rejected-append-makes-entries-come-twice', async () => {
      let log = await world.open();
      for (const i of range(3)) await log.append('t', bytes(String(i)));
      const large = new Uint8Array(2 ** 30 + 1);
      await expect(log.append('t', large)).rejects.toMatchObject({ code: 'RecordTooLarge' });
      await expect(log.appendBatch('t', [bytes('x'), large])).rejects.toMatchObject({
        code: 'RecordTooLarge',
      });
      for (const i of range(2)) await log.append('t', bytes(String(i + 3)));
      expect(textsOf(await log.readBatch('t', { checkpoint: false }))).toEqual(
        range(5).map(String),
      );
      log = await world.reopen(log, 'killed');
      expect(textsOf(await drain(log, 't'))).toEqual(range(5).map(String));
    });

    test('defect-17-without-io_uring-nothing-is-ever-synced', async () => {
      const before = process.env.WALRUS_DISABLE_IO_URING;
      process.env.WALRUS_DISABLE_IO_URING = '1';
      try {
        await expect(world.open({ disk: 'io_uring' })).rejects.toMatchObject({
          code: 'InvalidArgument',
          message: expect.stringMatching(/io_uring/),
        });
        const log = await world.open({ fsync: FsyncSchedule.Milliseconds(1) });
        expect(['pwrite', 'portable']).toContain(log.stats().disk.way);
        const { syncs } = log.stats().store;
        await log.append('t', bytes('x'));
        while (log.stats().store.syncs === syncs) await delay(1);
        expect(textOf(await log.readNext('t'))).toBe('x');
      } finally {
        if (before === undefined) delete process.env.WALRUS_DISABLE_IO_URING;
        else process.env.WALRUS_DISABLE_IO_URING = before;
      }
    });

    test('defect-18-reads-by-offset-skip-small-entries-repeat-the-tail-and-move-the-cursor', async () => {
      const log = await world.open({ consistency: ReadConsistency.AtLeastOnce(10) });
      await log.appendBatch('t', numbers(20));
      expect(textsOf(await log.readBatch('t', { from: 0 }))).toEqual(range(20).map(String));
      for (const from of [20, 21, 1_000_000]) {
        expect(await log.readBatch('t', { from, checkpoint: true })).toEqual([]);
      }
      expect((await log.readBatch('t', { from: 7, checkpoint: true }))[0]?.offset).toBe(7);
      expect((await log.readNext('t'))?.offset).toBe(0);
    });

    test('defect-19-a-broken-index-file-aborts-the-process', async () => {
      let log = await world.open();
      await log.appendBatch('t', numbers(20));
      for (const _ of range(5)) await log.readNext('t');
      await log.close();
      const dir = join(world.directory, 'data');
      const [newest] = (await filesOf(dir, '.checkpoint')).sort().reverse();
      const good = await readFile(newest!);
      const broken = [
        Buffer.alloc(0),
        good.subarray(0, 10),
        good.subarray(0, good.length - 1),
        Buffer.alloc(4096, 0xff),
        Buffer.concat([good.subarray(0, 32), Buffer.alloc(28, 0xff), good.subarray(60)]),
      ];
      for (const content of broken) {
        const copy = await world.copy(dir);
        const [name] = (await filesOf(copy, '.checkpoint')).sort().reverse();
        await writeFile(name!, content);
        await writeFile(join(copy, '000000000999.checkpoint.tmp'), 'half a checkpoint');
        log = await world.open({ dir: copy });
        expect(textOf(await log.readNext('t'))).toBe('5');
        await log.close();
      }
    });

    test('defect-20-a-long-topic-name-in-a-batch-poisons-the-topic', async () => {
      const log = await world.open();
      for (const topic of ['x'.repeat(1025), 'é'.repeat(600), 'y'.repeat(100_000)]) {
        await expect(log.appendBatch(topic, numbers(2))).rejects.toMatchObject({
          code: 'InvalidTopic',
        });
        await expect(log.append(topic, bytes('x'))).rejects.toMatchObject({ code: 'InvalidTopic' });
      }
      const longest = 'x'.repeat(1024);
      await log.appendBatch(longest, numbers(2));
      expect(textsOf(await drain(log, longest))).toEqual(['0', '1']);
    });

    test('defect-21-each-opening-leaves-files-descriptors-and-threads-behind', async () => {
      const count = async (what: string): Promise<number> =>
        (await readdir(`/proc/self/${what}`)).length;
      let log = await world.open({ reclaim: true });
      await log.append('t', bytes('x'));
      await log.close();
      const dir = join(world.directory, 'data');
      const before = {
        bytes: await sizeOf(dir),
        descriptors: await count('fd'),
        threads: await count('task'),
      };
      for (const i of range(20)) {
        log = await world.open({ reclaim: true });
        if (i % 2) await log.append('t', bytes('x'));
        await drain(log, 't');
        await log.close();
      }
      expect(await count('fd')).toBeLessThanOrEqual(before.descriptors + 1);
      expect(await count('task')).toBeLessThanOrEqual(before.threads + 1);
      expect(await sizeOf(dir)).toBeLessThanOrEqual(before.bytes + 4 * MEBIBYTE);
    });
  });
}

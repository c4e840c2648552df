/** What the library promises beyond upstream's list: `properties/conformance/log.ts` has that. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { mkdtemp, readdir } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  bytes,
  drain,
  LogWorld,
  pattern,
  range,
  textOf,
  textsOf,
} from '../../properties/conformance/log-world.ts';
import { withTinyFileSystem } from '../../properties/conformance/tiny-file-system.ts';
import {
  type DiskChoice,
  type Entry,
  FsyncSchedule,
  ReadConsistency,
  Walrus,
  type WalrusOptions,
} from './walrus.ts';

const numbers = (count: number): Uint8Array[] => range(count).map((i) => bytes(String(i)));

async function collect(entries: AsyncIterable<Entry>): Promise<string[]> {
  const texts: string[] = [];
  for await (const entry of entries) texts.push(textOf(entry)!);
  return texts;
}

for (const disk of ['portable', 'auto'] satisfies DiskChoice[]) {
  describe(`walrus on ${disk} disk`, () => {
    let world: LogWorld;
    beforeEach(async () => {
      world = new LogWorld(await mkdtemp(join(tmpdir(), 'walrus-library-')), disk);
    });
    afterEach(() => world.dispose());

    test('a read that a close cuts short says so, and a tail just ends', async () => {
      const log = await world.open();
      await log.appendBatch(
        't',
        range(2000).map(() => new Uint8Array(1000)),
      );
      const read = log.read('t');
      const tail = log.tail('t', { from: 0 });
      for (const entries of [read, tail]) expect((await entries.next()).value.offset).toBe(0);
      await log.close();
      await expect(collect(read)).rejects.toMatchObject({ code: 'Closed' });
      expect((await collect(tail)).length).toBeLessThan(1999);
    });

    describe('names that are used once', () => {
      test('a tail of a topic that never comes leaves nothing', async () => {
        const log = await world.open();
        for (const i of range(50)) {
          const tail = log.tail(`nobody ${i}`);
          const next = tail.next();
          await tail.return!();
          expect((await next).done).toBe(true);
        }
        expect(log.stats().topics).toBe(0);
      });

      test('who still waits for a topic gets it, though others have left', async () => {
        const log = await world.open();
        const [first, second] = [log.tail('t'), log.tail('t')];
        const waiting = second.next();
        await first.return!();
        const notBegun = log.tail('t');
        await log.append('t', bytes('x'));
        expect(textOf((await waiting).value)).toBe('x');
        await second.return!();
        const cursor = log.cursor('u', 'g');
        const third = log.tail('u');
        await third.return!();
        await log.append('u', bytes('y'));
        expect(textOf(await cursor.next())).toBe('y');
        const more = notBegun.next();
        await log.append('t', bytes('z'));
        expect(textOf((await more).value)).toBe('x');
      });

      test('a group that was deleted and used again is one group, whichever cursor is asked', async () => {
        const log = await world.open();
        await log.appendBatch('t', numbers(4));
        const before = log.cursor('t', 'g');
        await before.commit(3);
        await log.deleteCursor('t', 'g');
        expect(before.committed).toBe(0);
        await before.commit(1);
        const after = log.cursor('t', 'g');
        expect(after.committed).toBe(1);
        await after.commit(2);
        expect([before.committed, before.lag, log.entryCount('t', 'g')]).toEqual([2, 2, 2]);
        const again = await world.reopen(log, 'closed');
        expect(again.cursor('t', 'g').committed).toBe(2);
      });

      test('a deleted topic takes its mark along, also if it never had a record', async () => {
        const log = await world.open();
        await log.markDirty('t');
        await log.deleteTopic('t');
        expect(log.isClean('t')).toBe(true);
        const again = await world.reopen(log, 'closed');
        expect(again.isClean('t')).toBe(true);
      });

      test('of a deleted topic nothing is left to commit', async () => {
        const log = await world.open();
        await log.appendBatch('t', numbers(3));
        const cursor = log.cursor('t', 'g');
        await log.deleteTopic('t');
        await log.appendBatch('t', numbers(5));
        expect([cursor.committed, cursor.lag]).toEqual([0, 0]);
        await expect(cursor.next()).rejects.toMatchObject({ code: 'UnknownTopic' });
      });
    });

    test('a batch without records has its place in the order of the calls', async () => {
      const log = await world.open();
      expect(await log.appendBatch('t', [])).toBe(0);
      // More than memory holds, so that some of it waits.
      const appends = range(24).map((i) => log.append('t', pattern(2 ** 20, i)));
      const empty = log.appendBatch('t', []);
      const later = log.append('t', bytes('later'));
      expect(await empty).toBe(24);
      expect(await later).toBe(24);
      expect(await Promise.all(appends)).toEqual(range(24));
      expect(log.entryCount('t')).toBe(25);
    });

    describe('room on the disk', () => {
      const large = { fileBytes: 2 ** 26 };
      const names = (): string[] => fs.readdirSync(join(world.directory, 'data'));
      const logFiles = (): number => names().filter((name) => name.endsWith('.wal')).length;

      test('is given back by a log that nothing is written to', async () => {
        const log = await world.open({ ...large, fsync: FsyncSchedule.SyncEach });
        await log.append('t', pattern(40_000, 1));
        while (logFiles() < 2) await turn();
        while (logFiles() > 1) await turn();
        for (const i of range(4)) await log.append('t', pattern(40_000, i));
        expect(logFiles()).toBeGreaterThan(1);
      });

      test('is little after a few openings that append little', async () => {
        for (const i of range(5)) {
          const log = await world.open(large);
          expect(await log.append('t', bytes('little'))).toBe(i);
          await log.close();
        }
        const sizes = names().map((name) => fs.statSync(join(world.directory, 'data', name)).size);
        const used = sizes.reduce((sum, size) => sum + size, 0);
        expect(used).toBeLessThan(2 ** 20);
      });
    });

    describe('append', () => {
      test('resolves to the offset; calls of one turn share a commit and a sync', async () => {
        const log = await world.open({ fsync: FsyncSchedule.SyncEach });
        const before = log.stats();
        const offsets = await Promise.all(range(1000).map((i) => log.append('t', bytes(`${i}`))));
        expect(offsets).toEqual(range(1000));
        const after = log.stats();
        expect(after.commitGroups - before.commitGroups).toBe(1);
        expect(after.store.syncs - before.store.syncs).toBe(1);
      });

      test('is acknowledged after the sync with SyncEach, and synced in time with Milliseconds', async () => {
        const each = await world.open({ fsync: FsyncSchedule.SyncEach, namespace: 'each' });
        for (const i of range(5)) {
          const before = each.stats().store.syncs;
          await each.append('t', bytes(String(i)));
          expect(each.stats().store.syncs).toBeGreaterThan(before);
        }
        const timed = await world.open({ fsync: FsyncSchedule.Milliseconds(1), namespace: 'ms' });
        const before = timed.stats().store.syncs;
        await timed.append('t', bytes('x'));
        while (timed.stats().store.syncs === before) await turn();
        const never = await world.open({ fsync: FsyncSchedule.NoFsync, namespace: 'none' });
        const none = never.stats().store.syncs;
        for (const i of range(20)) await never.append('t', bytes(String(i)));
        expect(never.stats().store.syncs).toBe(none);
        await never.flush();
        expect(never.stats().store.syncs).toBeGreaterThan(none);
      });

      test('nothing is seen before it is acknowledged', async () => {
        const log = await world.open({ fsync: FsyncSchedule.SyncEach });
        const appended = log.append('t', bytes('x'));
        expect(log.entryCount('t')).toBe(0);
        expect(log.offsets('t')).toEqual({ earliest: 0, next: 0 });
        await appended;
        expect(log.entryCount('t')).toBe(1);
      });

      test('the caller’s bytes may change once it is acknowledged', async () => {
        const log = await world.open();
        const scratch = bytes('first');
        await log.append('t', scratch);
        scratch.fill(0);
        expect(textOf(await log.readNext('t'))).toBe('first');
      });

      test('order is kept, also when memory is short', async () => {
        const log = await world.open();
        const records = range(100).map((i) => pattern(100_000 + (i % 7) * 30_000, i));
        const offsets = await Promise.all(
          records.flatMap((record, i) => [log.append('t', record), log.append('t', bytes(`${i}`))]),
        );
        expect(offsets).toEqual(range(200));
        for (const i of range(100)) {
          const [, small] = await log.readBatch('t', { maxEntries: 2, maxBytes: 1e6 });
          expect(textOf(small)).toBe(String(i));
        }
      });

      test('stage gives offsets at once, and one promise for all', async () => {
        const log = await world.open();
        for (const i of range(100)) expect(log.stage('t', bytes(String(i)))).toBe(i);
        const [one, two] = [log.acknowledged(), log.acknowledged()];
        expect(one).toBe(two);
        await one;
        expect(textsOf(await log.readBatch('t'))).toEqual(range(100).map(String));
        const large = new Uint8Array(2 ** 20);
        const overload = (): void => {
          for (;;) log.stage('t', large);
        };
        expect(overload).toThrow(expect.objectContaining({ code: 'Overloaded' }));
        await log.acknowledged();
        expect(log.stage('t', large)).toBe(log.offsets('t').next);
      });
    });

    test('a strict read is given out when its cursor is in the log', async () => {
      const log = await world.open();
      await log.appendBatch('t', numbers(10));
      for (const _ of range(5)) {
        const before = log.stats().commitGroups;
        await log.readNext('t');
        expect(log.stats().commitGroups).toBe(before + 1);
      }
      const before = log.stats().commitGroups;
      const together = await Promise.all(range(8).map(() => log.readNext('t')));
      expect(together.map((entry) => entry?.offset)).toEqual([
        5,
        6,
        7,
        8,
        9,
        undefined,
        undefined,
        undefined,
      ]);
      expect(log.stats().commitGroups - before).toBeLessThan(5);
    });

    describe('read', () => {
      test('gives what is there now, from where it is told', async () => {
        const log = await world.open();
        await log.appendBatch('t', numbers(2000));
        const entries = log.read('t');
        await log.append('t', bytes('later'));
        expect(await collect(entries)).toEqual(range(2000).map(String));
        expect(await collect(log.read('t', { from: 1998 }))).toEqual(['1998', '1999', 'later']);
        expect(await collect(log.read('t', { from: 'latest' }))).toEqual([]);
        expect(await collect(log.read('t', { from: 9999 }))).toEqual([]);
        expect(await collect(log.read('unknown'))).toEqual([]);
        expect(log.entryCount('t')).toBe(2001);
      });

      test('of what was reclaimed is InvalidArgument, and says what is left', async () => {
        const log = await world.open();
        await log.appendBatch('t', numbers(10));
        await log.trim('t', 4);
        await expect(collect(log.read('t', { from: 3 }))).rejects.toMatchObject({
          code: 'InvalidArgument',
          message: expect.stringContaining('4'),
        });
        expect(await collect(log.read('t'))).toHaveLength(6);
        expect(log.offsets('t')).toEqual({ earliest: 4, next: 10 });
        expect((await log.readNext('t'))?.offset).toBe(4);
      });

      test('under way it holds what it has yet to give', async () => {
        const log = await world.open({ reclaim: true });
        await log.appendBatch('t', numbers(2000));
        await log.appendBatch('t', numbers(2000));
        const entries = log.read('t');
        await entries.next();
        await drain(log, 't');
        expect(log.offsets('t').earliest).toBeLessThanOrEqual(1);
        expect(await collect(entries)).toHaveLength(3999);
        await log.append('t', bytes('x'));
        await log.readNext('t');
        expect(log.offsets('t').earliest).toBe(4001);
      });
    });

    describe('tail', () => {
      test('gives entries as they come, also of a topic that is yet to be', async () => {
        const log = await world.open();
        const seen: string[] = [];
        const follow = (async () => {
          for await (const entry of log.tail('t')) {
            seen.push(textOf(entry)!);
            if (seen.length === 200) break;
          }
        })();
        for (const i of range(200)) {
          await log.append('t', bytes(String(i)));
          if (i % 20 === 0) while (seen.length < i + 1) await turn();
        }
        await follow;
        expect(seen).toEqual(range(200).map(String));
      });

      test('begins at the end, unless told otherwise', async () => {
        const log = await world.open();
        await log.appendBatch('t', numbers(5));
        const tails = [
          log.tail('t'),
          log.tail('t', { from: 'earliest' }),
          log.tail('t', { from: 3 }),
        ];
        await log.append('t', bytes('x'));
        const firsts = await Promise.all(tails.map((tail) => tail.next()));
        expect(firsts.map(({ value }) => textOf(value))).toEqual(['x', '0', '3']);
      });

      test('ends with Aborted when the signal says so: before, while waiting, among entries', async () => {
        const log = await world.open();
        await log.appendBatch('t', numbers(100));
        const before = AbortSignal.abort(new Error('why'));
        await expect(collect(log.tail('t', { signal: before }))).rejects.toMatchObject({
          code: 'Aborted',
          cause: expect.objectContaining({ message: 'why' }),
        });
        const waiting = new AbortController();
        const tail = collect(log.tail('t', { signal: waiting.signal }));
        setImmediate(() => waiting.abort());
        await expect(tail).rejects.toMatchObject({ code: 'Aborted' });
        const among = new AbortController();
        let count = 0;
        const loop = (async () => {
          for await (const _ of log.tail('t', { from: 0, signal: among.signal })) {
            if (++count === 10) among.abort();
          }
        })();
        await expect(loop).rejects.toMatchObject({ code: 'Aborted' });
        expect(count).toBe(10);
        const ended = log.read('t', { signal: among.signal });
        await expect(collect(ended)).rejects.toMatchObject({ code: 'Aborted' });
      });

      test('ends quietly when the log is closed, and with UnknownTopic when the topic is deleted', async () => {
        const log = await world.open();
        await log.append('t', bytes('x'));
        await log.append('u', bytes('x'));
        const tail = collect(log.tail('t', { from: 0 }));
        const deleted = collect(log.tail('u'));
        const cursor = collect(log.cursor('t', 'g').tail());
        await turn();
        await Promise.all([
          log.deleteTopic('u'),
          expect(deleted).rejects.toMatchObject({ code: 'UnknownTopic' }),
        ]);
        await log.close();
        expect(await tail).toEqual(['x']);
        expect(await cursor).toEqual(['x']);
      });
    });

    describe('cursor', () => {
      test('what was read and not committed comes again; what was committed does not', async () => {
        let log = await world.open();
        await log.appendBatch('t', numbers(10));
        const cursor = log.cursor('t', 'work');
        expect(textsOf(await cursor.readBatch({ maxEntries: 4 }))).toEqual(['0', '1', '2', '3']);
        await cursor.commit();
        expect(textOf(await cursor.next())).toBe('4');
        expect([cursor.position, cursor.committed, cursor.lag]).toEqual([5, 4, 6]);
        log = await world.reopen(log, 'killed');
        const again = log.cursor('t', 'work');
        expect(again.position).toBe(4);
        const seen: string[] = [];
        for await (const entry of again) {
          seen.push(textOf(entry)!);
          await again.commit(entry.offset + 1);
        }
        expect(seen).toEqual(['4', '5', '6', '7', '8', '9']);
        log = await world.reopen(log, 'killed');
        expect(log.cursor('t', 'work').lag).toBe(0);
        expect(log.entryCount('t', 'work')).toBe(0);
      });

      test('groups know nothing of each other', async () => {
        const log = await world.open();
        await log.appendBatch('t', numbers(5));
        const [a, b] = [log.cursor('t', 'a'), log.cursor('t', 'b')];
        await a.readBatch();
        await a.commit();
        expect(textOf(await b.next())).toBe('0');
        expect(textOf(await log.readNext('t'))).toBe('0');
        expect([a.lag, b.lag, log.entryCount('t'), log.entryCount('t', 'b')]).toEqual([0, 5, 4, 5]);
      });

      test('commit never moves back; seek does, for good', async () => {
        let log = await world.open();
        await log.appendBatch('t', numbers(10));
        const cursor = log.cursor('t', 'g');
        await cursor.commit(7);
        await cursor.commit(3);
        expect(cursor.committed).toBe(7);
        await cursor.seek(2);
        expect(textOf(await cursor.next())).toBe('2');
        log = await world.reopen(log, 'killed');
        const again = log.cursor('t', 'g');
        expect(again.committed).toBe(2);
        await again.seek('latest');
        expect(await again.next()).toBeUndefined();
        await again.seek('earliest');
        expect(textOf(await again.next())).toBe('0');
        for (const outside of [11, -1, 1.5, Number.NaN]) {
          await expect(again.seek(outside)).rejects.toMatchObject({ code: 'InvalidArgument' });
          await expect(again.commit(outside)).rejects.toMatchObject({ code: 'InvalidArgument' });
        }
      });

      test('the shared cursor can be had as one: seek moves readNext', async () => {
        const log = await world.open();
        await log.appendBatch('t', numbers(10));
        await log.readBatch('t', { maxEntries: 6 });
        await log.cursor('t').seek(1);
        expect(textOf(await log.readNext('t'))).toBe('1');
      });

      test('keeps what it has not passed from being reclaimed, from its making until it is deleted', async () => {
        let log = await world.open({ reclaim: true });
        await log.appendBatch('t', numbers(100));
        log.cursor('t', 'slow');
        await drain(log, 't');
        expect(log.offsets('t').earliest).toBe(0);
        log = await world.reopen(log, 'killed');
        expect(textsOf(await log.cursor('t', 'slow').readBatch())).toEqual(range(100).map(String));
        await log.deleteCursor('t', 'slow');
        expect(log.offsets('t').earliest).toBe(100);
        expect(log.entryCount('t', 'slow')).toBe(0);
      });
    });

    test('topicSize is the payload that is kept', async () => {
      let log = await world.open();
      expect(await log.topicSize('t')).toBe(0);
      await log.appendBatch('t', [pattern(1000, 1), pattern(0, 2), pattern(2_000_000, 3)]);
      await log.append('other', pattern(5, 1));
      expect(await log.topicSize('t')).toBe(2_001_000);
      await log.append('t', pattern(7, 1));
      expect(await log.topicSize('t')).toBe(2_001_007);
      log = await world.reopen(log, 'killed');
      await log.trim('t', 1);
      expect(await log.topicSize('t')).toBe(2_000_007);
    });

    test('reading destroys nothing, unless records are to be kept only until consumed', async () => {
      const consumed = await world.open({ namespace: 'consumed', reclaim: true });
      const kept = await world.open({ namespace: 'kept' });
      for (const log of [consumed, kept]) {
        await log.appendBatch('t', numbers(50));
        expect(await collect(log.read('t'))).toHaveLength(50);
        await log.readBatch('t', { maxEntries: 20 });
        await log.readBatch('t');
      }
      expect(consumed.offsets('t')).toEqual({ earliest: 50, next: 50 });
      expect(kept.offsets('t')).toEqual({ earliest: 0, next: 50 });
      const again = await world.reopen(consumed, 'killed');
      expect(await again.append('t', bytes('x'))).toBe(50);
    });

    test('a deleted topic is gone with all that was its own, and begins anew', async () => {
      let log = await world.open();
      await log.appendBatch('t', numbers(10));
      await log.append('u', bytes('x'));
      await log.readBatch('t', { maxEntries: 5 });
      await log.markClean('t');
      const cursor = log.cursor('t', 'g');
      const racing = log.readNext('t');
      await log.deleteTopic('t');
      await racing.catch(() => {});
      await expect(cursor.next()).rejects.toMatchObject({ code: 'UnknownTopic' });
      expect(log.topics()).toEqual(['u']);
      expect(await log.readNext('t')).toBeUndefined();
      log = await world.reopen(log, 'killed');
      expect(log.topics()).toEqual(['u']);
      expect(await log.append('t', bytes('new'))).toBe(0);
      expect(textOf(await log.readNext('t'))).toBe('new');
      expect(log.isClean('t')).toBe(false);
      await log.deleteTopic('unknown');
    });

    describe('close', () => {
      test('answers what was asked before; refuses what comes after; may come twice', async () => {
        const log = await world.open();
        const appended = range(50).map((i) => log.append('t', bytes(String(i))));
        const large = range(50).map((i) => log.append('t', pattern(200_000, i)));
        const closed = log.close();
        expect(log.close()).toBe(closed);
        expect(await Promise.all([...appended, ...large])).toEqual(range(100));
        await closed;
        await expect(log.append('t', bytes('x'))).rejects.toMatchObject({ code: 'Closed' });
        await expect(log.readNext('t')).rejects.toMatchObject({ code: 'Closed' });
        expect(() => log.entryCount('t')).toThrow(expect.objectContaining({ code: 'Closed' }));
        const again = await world.open();
        expect(again.entryCount('t')).toBe(100);
        await again[Symbol.asyncDispose]();
      });

      test('keeps what AtLeastOnce had not yet put in the log', async () => {
        let log = await world.open({ consistency: ReadConsistency.AtLeastOnce(1000) });
        await log.appendBatch('t', numbers(10));
        for (const _ of range(3)) await log.readNext('t');
        log = await world.reopen(log, 'closed');
        expect(textOf(await log.readNext('t'))).toBe('3');
      });
    });

    test('one directory, one process: Locked for all others, whatever their disk', async () => {
      const log = await world.open();
      const dir = join(world.directory, 'data');
      for (const other of ['portable', 'auto'] satisfies DiskChoice[]) {
        await expect(world.open({ disk: other })).rejects.toMatchObject({ code: 'Locked' });
      }
      const theirs = disk === 'auto' ? 'portable' : 'auto';
      expect(await openElsewhere(dir, theirs)).toBe('Locked');
      await log.append('t', bytes('still mine'));
      await log.close();
      expect(await openElsewhere(dir, theirs)).toBe('opened');
      expect(textOf(await (await world.open()).readNext('t'))).toBe('still mine');
    });

    test('waitMs waits for a holder that is leaving', async () => {
      const log = await world.open();
      const dir = join(world.directory, 'data');
      await expect(world.open({ waitMs: 30 })).rejects.toMatchObject({
        code: 'Locked',
        message: expect.stringContaining(`${dir} is locked by this process`),
      });
      const next = world.open({ waitMs: 60_000 });
      await log.append('t', bytes('mine'));
      await log.close();
      expect(textOf(await (await next).readNext('t'))).toBe('mine');
    });

    test('stats tell which way to the disk was taken, and why', async () => {
      const log = await world.open();
      const { disk: told, directory } = log.stats();
      expect(directory).toBe(join(world.directory, 'data'));
      expect(told.asked).toBe(disk);
      expect(['io_uring', 'pwrite', 'portable']).toContain(told.way);
      expect(told.reason).not.toBe('');
    });
  });
}

describe('files', () => {
  test('are the same whatever the disk: written by one, read by the next', async () => {
    const world = new LogWorld(await mkdtemp(join(tmpdir(), 'walrus-library-')), 'auto');
    const disks: DiskChoice[] = ['auto', 'portable', 'auto', 'portable'];
    for (const [life, disk] of disks.entries()) {
      const log = await world.open({ disk });
      expect(await collect(log.read('t'))).toEqual(range(life * 20).map(String));
      for (const i of range(20)) await log.append('t', bytes(String(life * 20 + i)));
      await log.close();
    }
    await world.dispose();
  });
});

test('who reads batch after batch has the disk read in large pieces, and everything once', async () => {
  const world = new LogWorld(await mkdtemp(join(tmpdir(), 'walrus-library-')), 'auto');
  const records = range(1000).map((i) => pattern(760, i));
  const writer = await world.open({ fsync: FsyncSchedule.NoFsync, fileBytes: 2 ** 26 });
  for (let i = 0; i < 20; i++) await writer.appendBatch('t', records);
  await writer.close();
  const log = await world.open();
  let next = 0;
  while (next < 20_000) next += (await log.readBatch('t', { from: next })).length;
  const { chunksRead, readBytes } = log.stats().store;
  const payloadBytes = 20_000 * 760;
  expect(readBytes).toBeLessThan(1.02 * payloadBytes);
  // A part of the last record that does not fit is no reason to begin anew.
  expect(chunksRead).toBeLessThan((2 * payloadBytes) / 2 ** 20);
  await world.dispose();
});

describe('a sync that fails', () => {
  const { fdatasync } = fs;
  afterEach(() => {
    fs.fdatasync = fdatasync;
    syncBuiltinESMExports();
  });

  test('fails all that waits and all that comes, and is never tried again', async () => {
    const world = new LogWorld(await mkdtemp(join(tmpdir(), 'walrus-library-')), 'portable');
    const log = await world.open({ fsync: FsyncSchedule.SyncEach });
    await log.append('t', bytes('safe'));
    const synced: number[] = [];
    fs.fdatasync = ((fd: number, done: (error: Error) => void) => {
      synced.push(fd);
      setImmediate(() => done(Object.assign(new Error('EIO: i/o error'), { code: 'EIO' })));
    }) as typeof fdatasync;
    syncBuiltinESMExports();
    const tail = collect(log.tail('t'));
    tail.catch(() => {});
    const waiting = [log.append('t', bytes('a')), log.append('u', bytes('b')), log.flush()];
    for (const it of waiting) await expect(it).rejects.toMatchObject({ code: 'StorageFailed' });
    await expect(tail).rejects.toMatchObject({ code: 'StorageFailed' });
    await expect(log.append('t', bytes('c'))).rejects.toMatchObject({ code: 'StorageFailed' });
    await expect(log.readNext('t')).rejects.toMatchObject({ code: 'StorageFailed' });
    expect(new Set(synced).size).toBe(synced.length);
    fs.fdatasync = fdatasync;
    syncBuiltinESMExports();
    const again = await world.reopen(log, 'closed');
    expect(textOf(await again.readNext('t'))).toBe('safe');
    await world.dispose();
  });
});

test('on a full disk strict reads go on until the reserve is used up, peeks always do, and the log can be closed', async (context) => {
  await withTinyFileSystem(context, 6 * 2 ** 20, async (dir) => {
    const world = new LogWorld(await mkdtemp(join(tmpdir(), 'walrus-library-')), 'portable');
    const log = await world.open({ dir });
    const fill = async (): Promise<void> => {
      for (;;) await log.append('t', pattern(1000, 1));
    };
    await expect(fill()).rejects.toMatchObject({ code: 'NoSpace' });
    const consumed = await drain(log, 't').catch(({ code }) => code);
    const next = await log.readNext('t', { checkpoint: false });
    expect(await log.readNext('t', { checkpoint: false })).toEqual(next);
    if (next === undefined) expect(consumed).toHaveLength(log.offsets('t').next);
    else expect([consumed, next.offset > 0]).toEqual(['NoSpace', true]);
    await log.trim('t', log.offsets('t').next - 1);
    const again = await world.reopen(log, 'closed');
    expect(await drain(again, 't')).toHaveLength(next === undefined ? 0 : 1);
    await again.close();
    await world.dispose();
  });
});

describe('options and arguments', () => {
  test('what makes no sense is InvalidArgument, with the words to mend it', async () => {
    const wrong: [unknown, RegExp][] = [
      [null, /object/],
      [{ dir: '' }, /dir/],
      [{ dir: 7 }, /dir/],
      [{ dir: 'a\0b' }, /dir/],
      [{ dir: 'a\ud800' }, /dir/],
      [{ namespace: 7 }, /namespace/],
      [{ namespace: '\ud800' }, /namespace/],
      [{ disk: 'floppy' }, /disk.*floppy/],
      [{ reclaim: 'consumed' }, /reclaim/],
      [{ fileBytes: 1000 }, /fileBytes/],
      [{ waitMs: -1 }, /waitMs/],
      [{ consistency: 'strict' }, /consistency/],
      [{ consistency: ReadConsistency.AtLeastOnce(-1) }, /persistEvery/],
      [{ fsync: FsyncSchedule.Milliseconds(1.5) }, /intervalMs/],
      [{ fsync: FsyncSchedule.Milliseconds(2 ** 31) }, /intervalMs/],
      [{ fsync: 'often' }, /fsync/],
      [{ fsinc: FsyncSchedule.NoFsync }, /fsinc/],
    ];
    for (const [options, words] of wrong) {
      await expect(Walrus.open(options as WalrusOptions)).rejects.toMatchObject({
        code: 'InvalidArgument',
        message: expect.stringMatching(words),
      });
    }
  });

  test('of calls too', async () => {
    const world = new LogWorld(await mkdtemp(join(tmpdir(), 'walrus-library-')), 'portable');
    const log = await world.open();
    const refused = { code: 'InvalidArgument' };
    for (const data of ['text', undefined, [1], new ArrayBuffer(1), 7] as unknown[]) {
      await expect(log.append('t', data as Uint8Array)).rejects.toMatchObject(refused);
      await expect(log.appendBatch('t', [data as Uint8Array])).rejects.toMatchObject(refused);
    }
    await expect(log.appendBatch('t', bytes('x') as never)).rejects.toMatchObject(refused);
    await expect(log.readNext('t', { checkpoint: 1 as never })).rejects.toMatchObject(refused);
    await expect(log.readBatch('t', { maxBytes: -1 })).rejects.toMatchObject(refused);
    await expect(log.readBatch('t', { maxEntries: 0.5 })).rejects.toMatchObject(refused);
    await expect(log.readBatch('t', { from: -1 })).rejects.toMatchObject(refused);
    await expect(log.trim('t', 1)).rejects.toMatchObject(refused);
    expect(() => log.tail('t', { from: -1 })).toThrow(expect.objectContaining(refused));
    expect(() => log.tail('t', { signal: {} as AbortSignal })).toThrow(
      expect.objectContaining(refused),
    );
    expect(() => log.cursor('t', 7 as never)).toThrow(expect.objectContaining(refused));
    expect(log.topics()).toEqual([]);
    await world.dispose();
  });
});

/** What comes of opening the directory in another process. */
async function openElsewhere(dir: string, disk: DiskChoice): Promise<string> {
  const url = new URL('./walrus.ts', import.meta.url).href;
  const script = `import(${JSON.stringify(url)}).then(({ Walrus }) =>
    Walrus.open(${JSON.stringify({ dir, disk })}).then(
      (log) => log.close().then(() => console.log('opened')),
      (error) => console.log(error.code)))`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  await once(child, 'close');
  return said.trim();
}

describe('the environment', () => {
  const before = { ...process.env };
  afterEach(() => {
    process.env = { ...before };
  });

  test('WALRUS_DATA_DIR and WALRUS_INSTANCE_KEY stand in for what is not given', async () => {
    const root = await mkdtemp(join(tmpdir(), 'walrus-library-'));
    process.env.WALRUS_DATA_DIR = join(root, 'data');
    process.env.WALRUS_INSTANCE_KEY = 'key';
    const logs = [
      await Walrus.open({ disk: 'portable' }),
      await Walrus.open({ disk: 'portable', namespace: 'other' }),
      await Walrus.open({ disk: 'portable', dir: join(root, 'given') }),
    ];
    expect(logs.map((log) => log.stats().directory)).toEqual([
      join(root, 'data/namespaces/key'),
      join(root, 'data/namespaces/other'),
      join(root, 'given'),
    ]);
    for (const log of logs) await log.close();
    expect(await readdir(join(root, 'data/namespaces'))).toEqual(['key', 'other']);
    fs.rmSync(root, { recursive: true });
  });
});

/** Upstream's `tests/batch_writes.rs` and the batches of `rollback_recovery.rs`. */
import { expect, test } from 'vitest';
import { FsyncSchedule } from '../../impl/embedded/walrus.ts';
import {
  bytes,
  type Cases,
  drain,
  ENDINGS,
  FILE_BYTES,
  MEBIBYTE,
  pattern,
  range,
  sameBytes,
  textOf,
  textsOf,
} from './log-world.ts';

const texts = (...list: string[]): Uint8Array[] => list.map(bytes);

export const batchCases: Cases = (world) => {
  test('test_batch_write_basic, test_batch_single_entry, test_empty_batch, test_batch_then_regular_write', async () => {
    const log = await world().open();
    expect(await log.appendBatch('t', texts('a', 'b', 'c'))).toBe(0);
    expect(await log.appendBatch('t', texts('d'))).toBe(3);
    expect(await log.appendBatch('t', [])).toBe(4);
    expect(await log.append('t', bytes('e'))).toBe(4);
    expect(textsOf(await drain(log, 't'))).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(await log.appendBatch('nothing', [])).toBe(0);
    expect(await log.readNext('nothing')).toBeUndefined();
    expect(log.topics()).toEqual(['t']);
  });

  test('test_multiple_sequential_batches, test_batch_write_atomicity_with_reader, test_chaos_readers_at_different_positions_during_batch', async () => {
    const log = await world().open();
    for (const i of range(4)) await log.appendBatch('t', texts(`${i}a`, `${i}b`, `${i}c`));
    expect(textOf(await log.readNext('t'))).toBe('0a');
    await log.appendBatch('t', texts('x', 'y'));
    expect(textsOf(await drain(log, 't'))).toEqual([
      '0b',
      '0c',
      '1a',
      '1b',
      '1c',
      '2a',
      '2b',
      '2c',
      '3a',
      '3b',
      '3c',
      'x',
      'y',
    ]);
  });

  test('test_batch_size_limit_enforcement: too many or too large, and nothing of it is there', async () => {
    const log = await world().open();
    await expect(log.appendBatch('t', Array(2001).fill(bytes('x')))).rejects.toMatchObject({
      code: 'BatchTooLarge',
      message: expect.stringContaining('2000'),
    });
    const gibibyte = new Uint8Array(2 ** 30);
    await expect(log.appendBatch('t', Array(11).fill(gibibyte))).rejects.toMatchObject({
      code: 'BatchTooLarge',
      message: expect.stringContaining(String(10 * 2 ** 30)),
    });
    expect(await log.readNext('t')).toBeUndefined();
    expect(log.topics()).toEqual([]);
    expect(await log.appendBatch('t', Array(2000).fill(bytes('x')))).toBe(0);
    expect(log.entryCount('t')).toBe(2000);
  });

  test('test_concurrent_batch_writes_rejected, test_regular_write_blocked_during_batch: ours wait their turn, none is refused', async () => {
    const log = await world().open();
    const large = range(100).map((i) => pattern(MEBIBYTE, i));
    const offsets = await Promise.all([
      log.appendBatch('t', large),
      log.appendBatch('t', large),
      log.append('t', bytes('single')),
    ]);
    expect(offsets).toEqual([0, 100, 200]);
    const entries = [];
    for (let at = 0; at < 201; at = entries.length) {
      entries.push(...(await log.readBatch('t', { from: at, maxBytes: 10 * MEBIBYTE })));
    }
    for (const i of range(200)) {
      expect(sameBytes(entries[i]!.data, large[i % 100]!)).toBe(true);
    }
    expect(textOf(entries[200])).toBe('single');
  });

  test('test_batch_spans_multiple_blocks, test_integrity_batch_spanning_blocks_exact_data, test_chaos_batch_writes_force_multiple_block_rotations', async () => {
    const log = await world().open();
    const records = range(100).map((i) => pattern(5 * MEBIBYTE, i));
    await log.appendBatch('t', records);
    for (const record of records) {
      expect(sameBytes((await log.readNext('t'))?.data, record)).toBe(true);
    }
  });

  test('test_batch_with_varying_entry_sizes, test_integrity_batch_write_large_entries_exact_match', async () => {
    const log = await world().open();
    const sizes = [100, 1024, 10_240, 1e5, MEBIBYTE, 5 * MEBIBYTE, 50 * MEBIBYTE, 0, 7];
    const records = sizes.map((size, i) => pattern(Math.round(size), i));
    await log.appendBatch('t', records);
    for (const record of records) {
      expect(sameBytes((await log.readNext('t'))?.data, record)).toBe(true);
    }
  });

  test('test_chaos_batch_with_exactly_block_size_entries, test_batch_exactly_at_block_boundary: around the size of a file', async () => {
    const log = await world().open();
    const records: Uint8Array[] = [];
    for (const base of [FILE_BYTES / 2, FILE_BYTES]) {
      for (const less of [-1, 0, 1, 32, 64, 128, 512, 4096])
        records.push(pattern(base - less, less));
    }
    await log.appendBatch('t', records);
    for (const record of records) {
      await log.append('u', record);
      expect(sameBytes((await log.readNext('t'))?.data, record)).toBe(true);
      expect(sameBytes((await log.readNext('u'))?.data, record)).toBe(true);
    }
  });

  for (const ending of ENDINGS) {
    test(`test_chaos_batch_write_crash_recovery, test_integrity_batch_after_crash_recovery (${ending})`, async () => {
      let log = await world().open({ fsync: FsyncSchedule.SyncEach });
      const records = range(12).map((i) => pattern(4096, i));
      await log.appendBatch('t', records);
      log = await world().reopen(log, ending);
      await log.appendBatch('t', records.toReversed());
      const entries = await drain(log, 't');
      expect(entries).toHaveLength(24);
      for (const [i, record] of [...records, ...records.toReversed()].entries()) {
        expect(sameBytes(entries[i]!.data, record)).toBe(true);
      }
    });

    test(`test_chaos_sequential_batches_with_crashes (${ending})`, async () => {
      let log = await world().open();
      for (const i of range(5)) {
        await log.appendBatch('t', texts(`${i} a`, `${i} b`));
        log = await world().reopen(log, ending);
      }
      expect(textsOf(await drain(log, 't'))).toEqual(range(5).flatMap((i) => [`${i} a`, `${i} b`]));
    });
  }

  test('test_chaos_alternating_tiny_and_huge_batches', async () => {
    const log = await world().open();
    for (const round of range(10)) {
      await log.appendBatch('t', [Uint8Array.of(round)]);
      await log.appendBatch(
        't',
        range(5).map((i) => pattern(10 * MEBIBYTE, round * 5 + i)),
      );
    }
    for (const round of range(10)) {
      expect((await log.readNext('t'))?.data).toEqual(Uint8Array.of(round));
      for (const i of range(5)) {
        const expected = pattern(10 * MEBIBYTE, round * 5 + i);
        expect(sameBytes((await log.readNext('t'))?.data, expected)).toBe(true);
      }
    }
  });

  test('test_chaos_interleaved_batch_and_regular_writes, test_chaos_hammering_same_topic_with_batches, test_concurrent_rollback_cleanup: all whole, in one order', async () => {
    const log = await world().open();
    const write = async (writer: number): Promise<void> => {
      for (const i of range(10)) {
        const id = `${writer} ${i}`;
        if (i % 3 === 2) await log.append('t', bytes(`${id} single`));
        else await log.appendBatch('t', texts(`${id} a`, `${id} b`, `${id} c`));
      }
    };
    await Promise.all(range(20).map(write));
    const all = textsOf(await drain(log, 't'));
    expect(all).toHaveLength(20 * (7 * 3 + 3));
    for (let at = 0; at < all.length; ) {
      const id = all[at]!.slice(0, all[at]!.lastIndexOf(' '));
      if (all[at]!.endsWith('single')) at++;
      else {
        expect(all.slice(at, at + 3)).toEqual([`${id} a`, `${id} b`, `${id} c`]);
        at += 3;
      }
    }
    for (const writer of range(20)) {
      const own = all.filter((text) => text.startsWith(`${writer} `) && /(a|single)$/.test(text));
      expect(own.map((text) => Number(text.split(' ')[1]))).toEqual(range(10));
    }
  });

  test('test_chaos_multiple_topics_concurrent_batches, test_chaos_many_topics_racing_batch_and_regular', async () => {
    const log = await world().open();
    await Promise.all(
      range(20).flatMap((topic) => [
        ...range(6).map((i) => log.appendBatch(`t${topic}`, texts(`${i} a`, `${i} b`))),
        ...range(6).map((i) => log.append(`t${topic}`, bytes(`${i} single`))),
      ]),
    );
    for (const topic of range(20)) {
      expect(new Set(textsOf(await drain(log, `t${topic}`))).size).toBe(18);
    }
  });

  test('test_chaos_zero_length_entries_in_batch', async () => {
    const log = await world().open();
    await log.appendBatch('t', texts('', 'a', '', '', 'b', ''));
    const expected = ['', 'a', '', '', 'b', ''];
    expect(textsOf(await log.readBatch('t', { checkpoint: false }))).toEqual(expected);
    expect(textsOf(await drain(log, 't'))).toEqual(expected);
  });

  test('test_chaos_batch_interspersed_with_frequent_fsync, test_integrity_multiple_batches_sequential', async () => {
    const log = await world().open({ fsync: FsyncSchedule.SyncEach });
    for (const batch of range(10)) {
      await log.appendBatch(
        't',
        range(5).map((i) => bytes(`${batch}/${i}`)),
      );
      if (batch % 3 === 0) await log.flush();
    }
    const expected = range(50).map((i) => `${Math.floor(i / 5)}/${i % 5}`);
    expect(textsOf(await drain(log, 't'))).toEqual(expected);
  });

  test('test_integrity_batch_write_sequential_numbers / _random_patterns', async () => {
    const log = await world().open();
    const records = [
      ...range(64).map((i) => bytes(String(i))),
      ...range(50).map((i) => pattern(1000 + ((i * 977) % 5000), i)),
    ];
    await log.appendBatch('t', records);
    const entries = await drain(log, 't');
    expect(entries).toHaveLength(records.length);
    for (const [i, record] of records.entries()) {
      expect(sameBytes(entries[i]!.data, record)).toBe(true);
    }
  });

  test('test_stress_large_batch_1000_entries, test_stress_many_small_batches', async () => {
    const log = await world().open();
    await log.appendBatch(
      'large',
      range(1000).map((i) => pattern(MEBIBYTE, i)),
    );
    for (const i of range(1000)) {
      expect(sameBytes((await log.readNext('large'))?.data, pattern(MEBIBYTE, i))).toBe(true);
    }
    const batches = range(10_000).map((i) =>
      log.appendBatch(
        'small',
        range(10).map((at) => bytes(`${i * 10 + at}`)),
      ),
    );
    expect(await Promise.all(batches)).toEqual(range(10_000).map((i) => i * 10));
    let count = 0;
    for await (const entry of log.read('small')) {
      if (textOf(entry) !== String(count)) expect(textOf(entry)).toBe(String(count));
      count++;
    }
    expect(count).toBe(100_000);
  });

  test('test_rollback_*: what upstream provokes to be refused is whole, and what was consumed stays consumed', async () => {
    const log = await world().open();
    await log.append('t', bytes('consumed'));
    expect(textOf(await log.readNext('t'))).toBe('consumed');
    const batches = range(3).map((i) => [pattern(15 * MEBIBYTE, i), pattern(6 * MEBIBYTE, i + 9)]);
    await Promise.all(batches.map((batch) => log.appendBatch('t', batch)));
    await log.appendBatch('other', [pattern(5 * MEBIBYTE, 1), pattern(5 * MEBIBYTE, 2)]);
    for (const record of batches.flat()) {
      expect(sameBytes((await log.readNext('t'))?.data, record)).toBe(true);
    }
    expect(await log.readNext('t')).toBeUndefined();
    await log.append('t', bytes('last'));
    expect(textOf(await log.readNext('t'))).toBe('last');
    expect(await log.readBatch('other', { maxBytes: 20 * MEBIBYTE })).toHaveLength(2);
  });
};

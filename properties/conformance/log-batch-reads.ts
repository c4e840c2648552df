/** Upstream's `tests/batch_read.rs`, `repro_issue.rs`, `large_write_read_repro.rs`. */
import { expect, test } from 'vitest';
import { ReadConsistency } from '../../impl/embedded/walrus.ts';
import {
  bytes,
  type Cases,
  drain,
  ENDINGS,
  MEBIBYTE,
  pattern,
  range,
  sameBytes,
  textOf,
  textsOf,
} from './log-world.ts';

export const batchReadCases: Cases = (world) => {
  test('test_batch_read_spans_multiple_blocks', async () => {
    const log = await world().open();
    for (const i of range(3)) await log.append('t', pattern(8 * MEBIBYTE, i));
    const entries = await log.readBatch('t', { maxBytes: 100 * MEBIBYTE });
    expect(entries.map((entry) => entry.offset)).toEqual([0, 1, 2]);
    for (const i of range(3)) {
      expect(sameBytes(entries[i]!.data, pattern(8 * MEBIBYTE, i))).toBe(true);
    }
    expect(await log.readBatch('t')).toEqual([]);
  });

  test('test_batch_read_stops_mid_block: a hundred entries of 10 bytes in ten calls of 100', async () => {
    const log = await world().open();
    await log.appendBatch(
      't',
      range(100).map((i) => bytes(String(i).padEnd(10))),
    );
    for (const call of range(10)) {
      const entries = await log.readBatch('t', { maxBytes: 100 });
      expect(entries.map((entry) => entry.offset)).toEqual(range(10).map((i) => call * 10 + i));
    }
    expect(await log.readBatch('t', { maxBytes: 100 })).toEqual([]);
  });

  test('test_batch_read_crosses_sealed_to_tail, test_batch_read_tail_only', async () => {
    const log = await world().open();
    await log.append('t', pattern(9 * MEBIBYTE, 0));
    await log.append('other', pattern(9 * MEBIBYTE, 0));
    for (const i of range(10)) await log.append('t', bytes(String(i)));
    const entries = await log.readBatch('t', { maxBytes: 20 * MEBIBYTE });
    expect(entries).toHaveLength(11);
    expect(textsOf(entries.slice(1))).toEqual(range(10).map(String));
    for (const i of range(6)) await log.append('t', bytes(String(i)));
    expect(textsOf(await log.readBatch('t', { maxEntries: 3 }))).toEqual(['0', '1', '2']);
    expect(textsOf(await log.readBatch('t', { maxEntries: 3 }))).toEqual(['3', '4', '5']);
  });

  test('test_batch_read_respects_entry_cap: 4,000 entries are 2,000, 2,000, 0', async () => {
    const log = await world().open();
    for (const _ of range(2)) await log.appendBatch('t', Array(2000).fill(bytes('x')));
    for (const count of [2000, 2000, 0]) {
      expect(await log.readBatch('t', { maxBytes: 1e9 })).toHaveLength(count);
    }
  });

  test('test_batch_read_without_checkpoint', async () => {
    const log = await world().open();
    await log.appendBatch('t', ['a', 'b'].map(bytes));
    for (const _ of range(2)) {
      expect(textsOf(await log.readBatch('t', { checkpoint: false }))).toEqual(['a', 'b']);
    }
    expect(textsOf(await log.readBatch('t'))).toEqual(['a', 'b']);
    expect(await log.readBatch('t')).toEqual([]);
  });

  test('test_batch_read_during_concurrent_writes, test_batch_read_during_batch_writes: nothing lost, twice, or out of order', async () => {
    const log = await world().open();
    let writing = true;
    const write = async (): Promise<void> => {
      for (const i of range(60)) {
        if (i % 10 === 0) await log.append('t', pattern(6 * MEBIBYTE, i));
        else await log.appendBatch('t', [bytes(`${i} a`), bytes(`${i} b`)]);
      }
      writing = false;
    };
    const offsets: number[] = [];
    const read = async (): Promise<void> => {
      while (true) {
        const last = !writing;
        const entries = await log.readBatch('t', { maxBytes: 100 });
        offsets.push(...entries.map((entry) => entry.offset));
        if (last && entries.length === 0) return;
      }
    };
    await Promise.all([write(), read()]);
    expect(offsets).toEqual(range(6 + 54 * 2));
  });

  test('test_concurrent_batch_reads_same_topic: five readers share 500 entries', async () => {
    const log = await world().open();
    await log.appendBatch(
      't',
      range(500).map((i) => bytes(String(i))),
    );
    const offsets: number[] = [];
    const read = async (): Promise<void> => {
      for (let more = true; more; ) {
        const entries = await log.readBatch('t', { maxEntries: 7 });
        offsets.push(...entries.map((entry) => entry.offset));
        more = entries.length > 0;
      }
    };
    await Promise.all(range(5).map(read));
    expect(offsets).toEqual(range(500));
  });

  test('test_batch_read_mixed_entry_sizes, test_batch_read_exact_budget_boundary', async () => {
    const log = await world().open();
    await log.appendBatch(
      'mixed',
      range(20).map((i) => pattern(i * 2500, i)),
    );
    const all = await log.readBatch('mixed', { maxBytes: 600_000 });
    expect(all.map((entry) => entry.data.length)).toEqual(range(20).map((i) => i * 2500));
    await log.appendBatch(
      't',
      range(12).map(() => new Uint8Array(100)),
    );
    for (const [maxBytes, count] of [
      [300, 3],
      [500, 5],
      [1, 1],
      [350, 3],
    ] as const) {
      expect(await log.readBatch('t', { maxBytes })).toHaveLength(count);
    }
  });

  for (const ending of ENDINGS) {
    test(`test_batch_read_recovery_mid_read (${ending})`, async () => {
      let log = await world().open();
      await log.appendBatch(
        't',
        range(50).map((i) => bytes(String(i))),
      );
      expect(await log.readBatch('t', { maxEntries: 20 })).toHaveLength(20);
      log = await world().reopen(log, ending);
      expect(textsOf(await log.readBatch('t'))).toEqual(range(30).map((i) => String(i + 20)));
    });

    test(`test_batch_read_at_least_once_duplicates (${ending})`, async () => {
      let log = await world().open({ consistency: ReadConsistency.AtLeastOnce(10) });
      await log.appendBatch(
        't',
        range(50).map((i) => bytes(String(i))),
      );
      // Fewer than ten may come again, so no more are given at once.
      expect(await log.readBatch('t', { maxEntries: 25 })).toHaveLength(9);
      expect(await log.readBatch('t', { maxEntries: 4 })).toHaveLength(4);
      log = await world().reopen(log, ending);
      const entries = textsOf(await log.readBatch('t'));
      // Of those that were given out when the last ones were asked for none, and after a good end none at all.
      expect(Number(entries[0])).toBe(ending === 'closed' ? 13 : 9);
    });
  }

  test('test_interleaved_single_and_batch_reads: one shared cursor', async () => {
    const log = await world().open();
    await log.appendBatch(
      't',
      range(10).map((i) => bytes(String(i))),
    );
    expect(textOf(await log.readNext('t'))).toBe('0');
    expect(textsOf(await log.readBatch('t', { maxEntries: 3 }))).toEqual(['1', '2', '3']);
    expect(textOf(await log.readNext('t'))).toBe('4');
    expect(textsOf(await drain(log, 't'))).toEqual(['5', '6', '7', '8', '9']);
  });

  test('test_rapid_fire_batch_reads, test_batch_read_scanning', async () => {
    const log = await world().open();
    await log.appendBatch(
      't',
      range(1000).map((i) => bytes(`entry ${i}`)),
    );
    const scanned: number[] = [];
    for (let from = 0; from < 1000; from = scanned.length) {
      const entries = await log.readBatch('t', { from, maxBytes: 200 });
      scanned.push(...entries.map((entry) => entry.offset));
    }
    expect(scanned).toEqual(range(1000));
    const texts: string[] = [];
    for (let more = true; more; ) {
      const entries = await log.readBatch('t', { maxBytes: 64 });
      texts.push(...textsOf(entries));
      more = entries.length > 0;
    }
    expect(texts).toEqual(range(1000).map((i) => `entry ${i}`));
  });

  test('repro_issue: a large entry behind a small one, from offset 0 with a smaller cap', async () => {
    const log = await world().open();
    await log.append('t', bytes('eighteen bytes lo.'));
    await log.append('t', pattern(20 * MEBIBYTE, 1));
    const first = await log.readBatch('t', { from: 0, maxBytes: MEBIBYTE });
    expect(first.map((entry) => entry.offset)).toEqual([0]);
    const second = await log.readBatch('t', { from: 1, maxBytes: MEBIBYTE });
    expect(sameBytes(second[0]?.data, pattern(20 * MEBIBYTE, 1))).toBe(true);
  });

  test('large_write_read_repro: paging over a long topic by offset never comes out empty', async () => {
    const log = await world().open();
    for (const i of range(60)) await log.append('t', pattern(20 * MEBIBYTE, i));
    let from = 0;
    while (from < 60) {
      const entries = await log.readBatch('t', { from, maxBytes: 70 * MEBIBYTE });
      expect(entries.length).toBeGreaterThan(0);
      for (const entry of entries) {
        expect(entry.offset).toBe(from++);
        expect(sameBytes(entry.data, pattern(20 * MEBIBYTE, entry.offset))).toBe(true);
      }
    }
    expect(await log.readBatch('t', { from: 60 })).toEqual([]);
  });
};

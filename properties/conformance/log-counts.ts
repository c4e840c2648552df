/** Upstream's tests in `src/wal/runtime/walrus.rs`: entry counts and clean marks. */
import { expect, test } from 'vitest';
import { ReadConsistency } from '../../impl/embedded/walrus.ts';
import { bytes, type Cases, ENDINGS, range } from './log-world.ts';

const numbers = (count: number): Uint8Array[] => range(count).map((i) => bytes(String(i)));

export const countCases: Cases = (world) => {
  test('append_marks_topic_dirty', async () => {
    const log = await world().open();
    expect(log.isClean('t')).toBe(true);
    await log.append('t', bytes('x'));
    expect(log.isClean('t')).toBe(false);
    await log.markClean('t');
    expect(log.isClean('t')).toBe(true);
    await log.appendBatch('t', numbers(2));
    expect(log.isClean('t')).toBe(false);
    await log.markClean('never written');
    await log.markDirty('never written');
    expect(log.isClean('never written')).toBe(false);
  });

  for (const ending of ENDINGS) {
    test(`cleanliness_survives_restart (${ending})`, async () => {
      let log = await world().open();
      for (const topic of ['clean', 'written', 'marked', 'again'])
        await log.append(topic, bytes('x'));
      for (const topic of ['clean', 'marked', 'again', 'empty']) await log.markClean(topic);
      await log.markDirty('marked');
      await log.markDirty('unwritten');
      await log.append('again', bytes('y'));
      log = await world().reopen(log, ending);
      const clean = ['clean', 'empty', 'unknown'];
      for (const topic of [...clean, 'written', 'marked', 'again', 'unwritten']) {
        expect([topic, log.isClean(topic)]).toEqual([topic, clean.includes(topic)]);
      }
    });

    test(`entry_counts_*_survive_restart_*_strict (${ending})`, async () => {
      let log = await world().open();
      await log.appendBatch('a', numbers(10));
      await log.appendBatch('b', numbers(5));
      for (const _ of range(4)) await log.readNext('a');
      await log.readBatch('b', { maxEntries: 2 });
      log = await world().reopen(log, ending);
      expect(Object.fromEntries(log.entryCounts())).toEqual({ a: 6, b: 3 });
      await log.append('a', bytes('x'));
      await log.readBatch('b');
      log = await world().reopen(log, ending);
      expect(Object.fromEntries(log.entryCounts())).toEqual({ a: 7, b: 0 });
    });
  }

  test('entry_counts_increment_immediately_single_and_batch, entry_counts_are_per_topic', async () => {
    const log = await world().open();
    expect(log.entryCount('a')).toBe(0);
    await log.append('a', bytes('x'));
    expect(log.entryCount('a')).toBe(1);
    await log.appendBatch('a', numbers(3));
    await log.appendBatch('b', numbers(2));
    expect(log.entryCount('a')).toBe(4);
    expect(log.entryCount('b')).toBe(2);
    expect(log.entryCount('unknown')).toBe(0);
  });

  test('entry_counts_decrement_on_read_next_checkpoint_only / _on_batch_read_checkpoint_only', async () => {
    const log = await world().open();
    await log.appendBatch('t', numbers(5));
    await log.readNext('t', { checkpoint: false });
    await log.readBatch('t', { checkpoint: false });
    expect(log.entryCount('t')).toBe(5);
    await log.readNext('t');
    expect(log.entryCount('t')).toBe(4);
    await log.readBatch('t', { maxEntries: 2 });
    expect(log.entryCount('t')).toBe(2);
    for (const _ of range(5)) await log.readNext('t');
    expect(log.entryCount('t')).toBe(0);
  });

  test('entry_counts_are_accurate_in_process_at_least_once_mode', async () => {
    const log = await world().open({ consistency: ReadConsistency.AtLeastOnce(1000) });
    await log.appendBatch('t', numbers(10));
    for (const i of range(10)) {
      await log.readNext('t');
      expect(log.entryCount('t')).toBe(9 - i);
    }
  });

  test('batch_append_over_limit_does_not_change_count', async () => {
    const log = await world().open();
    await log.append('t', bytes('x'));
    await expect(log.appendBatch('t', numbers(2001))).rejects.toMatchObject({
      code: 'BatchTooLarge',
    });
    expect(log.entryCount('t')).toBe(1);
  });

  test('stateless_batch_read_checkpoint_does_not_change_count', async () => {
    const log = await world().open();
    await log.appendBatch('t', numbers(3));
    expect(await log.readBatch('t', { from: 0, checkpoint: true })).toHaveLength(3);
    expect(log.entryCount('t')).toBe(3);
  });
};

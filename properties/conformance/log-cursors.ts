/** Upstream's `tests/configuration.rs` and `env_var_race_condition.rs`: what survives which ending, and where logs live. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FsyncSchedule, ReadConsistency } from '../../impl/embedded/walrus.ts';
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

const numbers = (count: number): Uint8Array[] => range(count).map((i) => bytes(String(i)));

export const cursorCases: Cases = (world) => {
  for (const ending of ENDINGS) {
    test(`test_strictly_at_once_consistency, test_crash_recovery_strictly_at_once (${ending})`, async () => {
      let log = await world().open({ consistency: ReadConsistency.StrictlyAtOnce });
      await log.appendBatch('t', numbers(10));
      for (const i of range(10)) {
        expect(textOf(await log.readNext('t'))).toBe(String(i));
        log = await world().reopen(log, ending);
      }
      expect(await log.readNext('t')).toBeUndefined();
    });

    test(`test_crash_recovery_at_least_once: N = 3 (${ending})`, async () => {
      let log = await world().open({ consistency: ReadConsistency.AtLeastOnce(3) });
      await log.appendBatch('t', numbers(10));
      await log.readNext('t');
      await log.readNext('t');
      log = await world().reopen(log, ending);
      // After a good end nothing need come twice; after a crash, what was not yet in the log.
      let next = ending === 'closed' ? 2 : 0;
      for (const _ of range(3)) expect(textOf(await log.readNext('t'))).toBe(String(next++));
      log = await world().reopen(log, ending);
      if (ending === 'killed') next = 2;
      expect(textOf(await log.readNext('t'))).toBe(String(next));
    });

    test(`test_multiple_topics_different_consistency_behavior: N = 2 (${ending})`, async () => {
      let log = await world().open({ consistency: ReadConsistency.AtLeastOnce(2) });
      for (const topic of ['a', 'b']) await log.appendBatch(topic, numbers(3));
      for (const topic of ['a', 'b']) expect(textOf(await log.readNext(topic))).toBe('0');
      log = await world().reopen(log, ending);
      const next = ending === 'closed' ? '1' : '0';
      for (const topic of ['a', 'b']) expect(textOf(await log.readNext(topic))).toBe(next);
    });

    test(`test_persist_every_zero_clamping: 0 acts as 1, the last one may come again (${ending})`, async () => {
      let log = await world().open({ consistency: ReadConsistency.AtLeastOnce(0) });
      await log.appendBatch('t', numbers(3));
      for (const i of range(2)) expect(textOf(await log.readNext('t'))).toBe(String(i));
      log = await world().reopen(log, ending);
      expect(textOf(await log.readNext('t'))).toBe(ending === 'closed' ? '2' : '1');
    });

    test(`at least once: never as many as N again, whatever the way of reading (${ending})`, async () => {
      let log = await world().open({ consistency: ReadConsistency.AtLeastOnce(7) });
      await log.appendBatch('t', numbers(200));
      let given = 0;
      for (const round of range(30)) {
        if (round % 3 === 0) given += (await log.readBatch('t', { maxEntries: round % 5 })).length;
        else given += (await Promise.all([log.readNext('t'), log.readNext('t')])).length;
        log = await world().reopen(log, ending);
        const next = Number(textOf(await log.readNext('t', { checkpoint: false })));
        expect(next).toBeLessThanOrEqual(given);
        expect(next).toBeGreaterThan(given - 7);
        given = next;
      }
    });
  }

  test('test_constructors, test_at_least_once_consistency, test_fsync_schedule(_sync_each): every combination', async () => {
    const schedules = [
      FsyncSchedule.SyncEach,
      FsyncSchedule.Milliseconds(1000),
      FsyncSchedule.Milliseconds(0),
      FsyncSchedule.NoFsync,
    ];
    for (const [i, fsync] of schedules.entries()) {
      for (const consistency of [ReadConsistency.StrictlyAtOnce, ReadConsistency.AtLeastOnce(5)]) {
        const dir = join(world().directory, `${i} ${consistency.mode}`);
        let log = await world().open({ dir, fsync, consistency });
        await log.appendBatch('t', numbers(20));
        await log.append('t', bytes('last'));
        for (const at of range(10)) expect(textOf(await log.readNext('t'))).toBe(String(at));
        log = await world().reopen(log, 'closed');
        const rest = textsOf(await drain(log, 't'));
        expect(rest).toEqual([...range(10).map((at) => String(at + 10)), 'last']);
        await log.close();
      }
    }
  });

  test('test_configuration_with_concurrent_operations: a writer and a reader that keeps pace', async () => {
    const log = await world().open();
    const seen: string[] = [];
    const read = async (): Promise<void> => {
      while (seen.length < 100) {
        const entry = await log.readNext('t');
        if (entry) seen.push(textOf(entry)!);
        else await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const write = async (): Promise<void> => {
      for (const i of range(100)) await log.append('t', bytes(String(i)));
    };
    await Promise.all([read(), write()]);
    expect(seen).toEqual(range(100).map(String));
  });

  test('test_log_file_deletion_with_fast_fsync / _with_large_data, test_file_state_tracking: consumed files go, unread ones stay', async () => {
    const log = await world().open({ reclaim: true });
    const dir = join(world().directory, 'data');
    for (const i of range(40)) await log.append('t', pattern(9 * MEBIBYTE, i));
    const full = await logBytes(dir);
    for (const i of range(39)) {
      expect(sameBytes((await log.readNext('t'))?.data, pattern(9 * MEBIBYTE, i))).toBe(true);
    }
    await log.append('other', bytes('x'));
    const again = await world().reopen(log, 'closed');
    for (let i = 0; i < 20 && (await logBytes(dir)) > full / 2; i++) {
      await again.append('other', pattern(MEBIBYTE, i));
      await again.flush();
    }
    expect(await logBytes(dir)).toBeLessThan(full / 2);
    expect(sameBytes((await again.readNext('t'))?.data, pattern(9 * MEBIBYTE, 39))).toBe(true);
    expect(textOf(await again.readNext('other'))).toBe('x');
  });

  test('key_based_instances_use_isolated_directories / _recover_independently, key_names_are_sanitized_for_directories', async () => {
    const dir = join(world().directory, 'root');
    const names = ['prod/payments::v1', 'prod_payments__v1', '../../escape', '..', '', 'A', 'a'];
    const logs = await Promise.all(names.map((namespace) => world().open({ dir, namespace })));
    for (const [i, log] of logs.entries()) await log.append('t', bytes(names[i]!));
    const plain = await world().open({ dir });
    expect(await plain.readNext('t')).toBeUndefined();
    for (const [i, log] of logs.entries()) {
      const again = await world().reopen(log, 'closed');
      expect(textsOf(await drain(again, 't'))).toEqual([names[i]]);
    }
    expect(await readdir(join(dir, 'namespaces'))).toHaveLength(names.length);
    expect(await readdir(world().directory)).toEqual(['root']);
  });
};

/** Bytes of all files of a log. */
async function logBytes(dir: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    if (!entry.isFile()) continue;
    // The log may remove it meanwhile.
    sum += await stat(join(dir, entry.name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return sum;
}

/** Upstream's `tests/e2e_longrunning.rs` and the chaos cases: everything at once, for a while. */
import { expect, test } from 'vitest';
import { FsyncSchedule, type Walrus } from '../../impl/embedded/walrus.ts';
import { bytes, type Cases, ENDINGS, pattern, range, sameBytes, textOf } from './log-world.ts';

/** Writes `count` records in singles and batches; the record at each offset is known from the offset alone. */
async function writer(log: Walrus, topic: string, count: number, sizeMax: number): Promise<void> {
  for (let at = 0; at < count; ) {
    const batch = Math.min(at % 4 === 3 ? 17 : 1, count - at);
    const records = range(batch).map((i) => recordAt(at + i, sizeMax));
    const offset =
      batch === 1 ? await log.append(topic, records[0]!) : await log.appendBatch(topic, records);
    expect(offset).toBe(at);
    at += batch;
  }
}

function recordAt(offset: number, sizeMax: number): Uint8Array {
  return pattern((offset * 7919) % sizeMax, offset);
}

/** Reads until `count` entries have come, in order and whole. */
async function reader(
  log: Walrus,
  topic: string,
  from: number,
  count: number,
  sizeMax: number,
): Promise<void> {
  let at = from;
  while (at < count) {
    const entries =
      at % 3 === 0
        ? await log.readBatch(topic, { maxEntries: 13 })
        : [await log.readNext(topic)].flatMap((entry) => entry ?? []);
    for (const entry of entries) {
      expect(entry.offset).toBe(at);
      if (!sameBytes(entry.data, recordAt(at, sizeMax))) throw new Error(`entry ${at} differs`);
      at++;
    }
    if (entries.length === 0) await new Promise((resolve) => setImmediate(resolve));
  }
}

export const loadCases: Cases = (world) => {
  test('e2e_sustained_mixed_workload, e2e_massive_data_throughput_test, e2e_system_stress_and_stability', async () => {
    const log = await world().open({ fsync: FsyncSchedule.Milliseconds(5) });
    const load = [
      ['small', 3000, 50],
      ['medium', 2000, 4096],
      ['large', 100, 500_000],
    ] as const;
    await Promise.all(
      load.flatMap(([topic, count, sizeMax]) => [
        writer(log, topic, count, sizeMax),
        reader(log, topic, 0, count, sizeMax),
      ]),
    );
    for (const [topic] of load) expect(log.entryCount(topic)).toBe(0);
  });

  test('e2e_realistic_application_simulation, test_full_chaos_all_operations, test_simple_deadlock_repro, test_chaos_batch_write_with_concurrent_readers', async () => {
    const log = await world().open();
    const topics = ['activity', 'transactions', 'metrics', 'errors'];
    const write = async (seed: number): Promise<void> => {
      for (const i of range(100)) {
        const topic = topics[(seed + i) % 4]!;
        const record = bytes(JSON.stringify({ seed, i, topic }));
        if (i % 5 === 0) await log.appendBatch(topic, [record, record]);
        else await log.append(topic, record);
        if (i % 10 === 0) await log.markClean(topic);
        if (i % 33 === 0) await log.flush();
      }
    };
    const seen = new Map(topics.map((topic) => [topic, [] as number[]]));
    let writing = true;
    const read = async (seed: number): Promise<void> => {
      for (let i = seed; ; i++) {
        const topic = topics[i % 4]!;
        const last = !writing;
        const entries =
          i % 2 === 0
            ? await log.readBatch(topic, { maxEntries: 5 })
            : [await log.readNext(topic)].flatMap((entry) => entry ?? []);
        for (const entry of entries) {
          expect(JSON.parse(textOf(entry)!).topic).toBe(topic);
          seen.get(topic)!.push(entry.offset);
        }
        await log.readNext(topic, { checkpoint: false });
        if (last && topics.every((it) => log.entryCount(it) === 0)) return;
      }
    };
    const writers = Promise.all(range(6).map(write)).then(() => {
      writing = false;
    });
    await Promise.all([writers, ...range(5).map(read)]);
    let total = 0;
    for (const offsets of seen.values()) {
      expect(offsets.toSorted((a, b) => a - b)).toEqual(range(offsets.length));
      total += offsets.length;
    }
    expect(total).toBe(6 * 120);
  });

  for (const ending of ENDINGS) {
    test(`e2e_recovery_and_persistence_marathon: five lives (${ending})`, async () => {
      let log = await world().open();
      const topics = ['a', 'b', 'c'];
      for (const life of range(5)) {
        await Promise.all(
          topics.map(async (topic) => {
            const end = log.offsets(topic).next;
            for (const i of range(40)) await log.append(topic, recordAt(end + i, 30_000));
          }),
        );
        for (const topic of topics) {
          await reader(log, topic, life * 30, life * 30 + 30, 30_000).catch((error) => {
            throw new Error(`${topic}, life ${life}: ${error.message}`);
          });
        }
        log = await world().reopen(log, ending);
      }
      for (const topic of topics) {
        // A batch of the reader may have taken it further than 150, never less far.
        const { next } = log.offsets(topic);
        const at = next - log.entryCount(topic);
        await reader(log, topic, at, next, 30_000);
        expect(next).toBe(200);
      }
    });
  }

  test('integration_extreme_topic_count: 5,000 topics, each synced, a thousand of them read in another order', async () => {
    const log = await world().open({ fsync: FsyncSchedule.SyncEach });
    await Promise.all(range(5000).map((i) => log.append(`t${i}`, bytes(`value ${i}`))));
    for (const i of range(1000)) {
      const topic = (i * 2477) % 5000;
      const entries = await log.readBatch(`t${topic}`, { from: 0 });
      if (textOf(entries[0]) !== `value ${topic}`) throw new Error(`topic ${topic} differs`);
    }
    expect(log.topics()).toHaveLength(5000);
  });
};

/** Upstream's `tests/unit.rs` and `tests/integration.rs`: entries of all kinds, one by one, in one topic and many. */
import { expect, test } from 'vitest';
import type { Walrus } from '../../impl/embedded/walrus.ts';
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

/** Appends in order and reads back in order, byte for byte, then the end. */
async function roundTrip(log: Walrus, topic: string, records: Uint8Array[]): Promise<void> {
  for (const [i, record] of records.entries()) expect(await log.append(topic, record)).toBe(i);
  for (const [i, record] of records.entries()) {
    const entry = await log.readNext(topic);
    expect(entry?.offset).toBe(i);
    expect(sameBytes(entry?.data, record), `entry ${i}`).toBe(true);
  }
  expect(await log.readNext(topic)).toBeUndefined();
}

async function appendTexts(log: Walrus, topic: string, ...texts: string[]): Promise<void> {
  for (const text of texts) await log.append(topic, bytes(text));
}

export const entryCases: Cases = (world) => {
  test('large_entry_forces_block_seal: entries that fill a file each come back in order', async () => {
    const log = await world().open();
    await roundTrip(
      log,
      't',
      range(3).map((i) => pattern(9 * MEBIBYTE, i)),
    );
  });

  test('basic_roundtrip_single_topic / _multi_topic, walrus_single_entry_per_topic', async () => {
    const log = await world().open();
    await appendTexts(log, 'a', 'x', 'y');
    await appendTexts(log, 'b', 'z');
    expect(textsOf(await drain(log, 'a'))).toEqual(['x', 'y']);
    expect(textsOf(await drain(log, 'b'))).toEqual(['z']);
  });

  for (const ending of ENDINGS) {
    test(`persists_read_offsets_across_restart, walrus_recovery_after_restart, exactly_once_delivery_guarantee (${ending})`, async () => {
      let log = await world().open();
      await appendTexts(log, 't', ...range(10).map(String));
      for (const i of range(5)) expect(textOf(await log.readNext('t'))).toBe(String(i));
      log = await world().reopen(log, ending);
      expect(textsOf(await drain(log, 't'))).toEqual(['5', '6', '7', '8', '9']);
      log = await world().reopen(log, ending);
      expect(await log.readNext('t')).toBeUndefined();
    });

    test(`integration_persistence_stress_with_validation (${ending})`, async () => {
      let log = await world().open();
      const topics = range(100).map((i) => `topic-${i}`);
      await Promise.all(
        topics.flatMap((topic) => range(50).map((i) => log.append(topic, bytes(`${topic} ${i}`)))),
      );
      for (const topic of topics) {
        expect(await log.readBatch(topic, { maxEntries: 25 })).toHaveLength(25);
      }
      log = await world().reopen(log, ending);
      for (const topic of topics) {
        const rest = range(25).map((i) => `${topic} ${i + 25}`);
        expect(textsOf(await drain(log, topic))).toEqual(rest);
      }
    });
  }

  test('stress_massive_single_entry: a hundred times a block', async () => {
    const log = await world().open();
    await roundTrip(log, 't', [pattern(100 * MEBIBYTE, 1), bytes('after')]);
  });

  test('read_next_without_checkpoint_does_not_advance', async () => {
    const log = await world().open();
    await appendTexts(log, 't', 'a', 'b');
    for (const _ of range(2)) {
      expect(textOf(await log.readNext('t', { checkpoint: false }))).toBe('a');
    }
    expect(textsOf(await drain(log, 't'))).toEqual(['a', 'b']);
  });

  test('stress_many_topics_with_validation: 1,000 topics of 100', async () => {
    const log = await world().open();
    const topics = range(1000).map((i) => `topic_${i}`);
    await Promise.all(
      topics.map((topic) =>
        log.appendBatch(
          topic,
          range(50).map((i) => bytes(`${topic}:${i}`)),
        ),
      ),
    );
    await Promise.all(
      topics.flatMap((topic) =>
        range(50).map((i) => log.append(topic, bytes(`${topic}:${i + 50}`))),
      ),
    );
    for (const topic of topics) {
      const entries = await log.readBatch(topic);
      expect(textsOf(entries)).toEqual(range(100).map((i) => `${topic}:${i}`));
    }
    expect(await log.readNext('topic_7')).toBeUndefined();
  });

  test('stress_rapid_write_read_cycles: 10,000 turns of one write and one read', async () => {
    const log = await world().open();
    for (const i of range(10_000)) {
      await log.append('t', bytes(String(i)));
      const entry = await log.readNext('t');
      if (textOf(entry) !== String(i)) expect(textOf(entry)).toBe(String(i));
    }
    expect(await log.readNext('t')).toBeUndefined();
  });

  test('stress_boundary_conditions, walrus_zero_length_entry, integration_empty_data_handling', async () => {
    const log = await world().open();
    const sizes = [0, 1, 63, 64, 65, 1023, 1024, 1025, 0];
    for (const power of [16, 20]) sizes.push(2 ** power - 1, 2 ** power, 2 ** power + 1);
    await roundTrip(
      log,
      't',
      sizes.map((size) => pattern(size, size)),
    );
  });

  test('stress_data_integrity_patterns, integration_data_pattern_stress, integration_binary_data', async () => {
    const log = await world().open();
    const fills: ((i: number) => number)[] = [
      () => 0,
      () => 255,
      (i) => (i % 2 ? 0xaa : 0x55),
      (i) => i,
      (i) => 255 - i,
      (i) => (i * i) >> 3,
      (i) => Math.imul(i, 1103515245) >>> 16,
    ];
    await roundTrip(
      log,
      't',
      fills.map((fill) => Uint8Array.from({ length: 10_000 }, (_, i) => fill(i))),
    );
  });

  test('stress_concurrent_topic_validation, walrus_interleaved_topics, walrus_topic_isolation', async () => {
    const log = await world().open();
    const topics = range(50).map((i) => `t${i}`);
    for (const round of range(200)) {
      await Promise.all(topics.map((topic) => log.append(topic, bytes(`${topic} ${round}`))));
      if (round % 3 === 0) {
        const [some] = [topics[round % 50]!];
        expect(textOf(await log.readNext(some, { checkpoint: false }))).toBe(`${some} 0`);
      }
    }
    for (const topic of topics) {
      expect(textsOf(await drain(log, topic))).toEqual(range(200).map((i) => `${topic} ${i}`));
    }
  });

  test('stress_extreme_topic_names, integration_special_topic_names, integration_large_topic_names', async () => {
    const names = [
      '',
      ' ',
      '.',
      '..',
      '/',
      '../../etc/passwd',
      'a/b',
      'a_b',
      'A',
      'a',
      '\0',
      'a\0b',
    ];
    names.push(
      'topic "x"',
      "topic 'x",
      '[1,2',
      'c d',
      'cursor ["a",""]',
      'mark a',
      '\u{1f9ad} walrus',
    );
    names.push(
      'é',
      'e\u0301',
      '日本語',
      '\u202e',
      '__proto__',
      'constructor',
      '%2f',
      'x'.repeat(1024),
    );
    names.push('é'.repeat(512), 'a-b.c_d', 'UPPER', 'upper');
    let log = await world().open();
    for (const name of names) await log.append(name, bytes(`in ${name}`));
    for (const name of names) await log.cursor(name, name).commit(0);
    expect(log.topics()).toEqual([...names].sort());
    log = await world().reopen(log, 'closed');
    expect(log.topics()).toEqual([...names].sort());
    for (const name of names) expect(textsOf(await drain(log, name))).toEqual([`in ${name}`]);
    const refused = ['x'.repeat(1025), 'é'.repeat(513), 'half \ud83e pair', '\udead'];
    for (const name of [...refused, undefined, null, 7, {}]) {
      await expect(log.append(name as string, bytes('x'))).rejects.toMatchObject({
        code: 'InvalidTopic',
      });
    }
    expect(log.topics()).toHaveLength(names.length);
  });

  test('walrus_empty_topic_read, integration_nonexistent_topic', async () => {
    const log = await world().open();
    await appendTexts(log, 'known', 'x');
    for (const topic of ['', 'unknown', 'know', 'knownn']) {
      expect(await log.readNext(topic)).toBeUndefined();
      expect(await log.readBatch(topic)).toEqual([]);
    }
    expect(textsOf(await drain(log, 'known'))).toEqual(['x']);
    expect(log.topics()).toEqual(['known']);
  });

  test('walrus_multiple_entries_same_topic, integration_sequential_writes_and_reads, walrus_many_small_entries', async () => {
    const log = await world().open();
    for (const [topic, count] of [
      ['four', 4],
      ['twenty', 20],
      ['thousand', 1000],
    ] as const) {
      await roundTrip(
        log,
        topic,
        range(count).map((i) => bytes(`entry ${i}`)),
      );
    }
  });

  test('walrus_large_entries, integration_medium_sized_data, integration_mixed_size_stress', async () => {
    const log = await world().open();
    const sizes = [1, 1e6, 10, 1e5, 1024, 1e4, 10_240, 102_400, 2 ** 20, 3];
    await roundTrip(
      log,
      't',
      sizes.map((size, i) => pattern(size, i)),
    );
  });

  test('walrus_write_after_read_exhaustion, integration_write_after_exhaustion, integration_interleaved_write_read', async () => {
    const log = await world().open();
    await appendTexts(log, 't', 'a', 'b');
    expect(textOf(await log.readNext('t'))).toBe('a');
    await appendTexts(log, 't', 'c', 'd');
    expect(textsOf(await drain(log, 't'))).toEqual(['b', 'c', 'd']);
    await appendTexts(log, 't', 'e');
    expect(textsOf(await drain(log, 't'))).toEqual(['e']);
  });

  test('walrus_concurrent_topics_different_patterns: large entries beside single bytes', async () => {
    const log = await world().open();
    const large = range(10).map((i) => pattern(100 * 1024, i));
    const small = range(100).map((i) => Uint8Array.of(i));
    await Promise.all([roundTrip(log, 'large', large), roundTrip(log, 'small', small)]);
  });

  test('integration_utf8_strings', async () => {
    const log = await world().open();
    const texts = ['café', '日本語', '\u{1f980}\u{1f9ad}', 'Привет', '\u0000'];
    await appendTexts(log, 't', ...texts);
    expect(textsOf(await drain(log, 't'))).toEqual(texts);
  });

  test('integration_basic_write_read_cycle, integration_multiple_topics(_stress), integration_topic_isolation, walrus_multiple_topics_stress', async () => {
    const log = await world().open();
    const topics = ['logs', 'metrics', 'events', 'a', 'b'];
    for (const i of range(100)) await appendTexts(log, topics[i % 5]!, `${topics[i % 5]} ${i}`);
    for (const [at, topic] of topics.entries()) {
      const expected = range(20).map((i) => `${topic} ${i * 5 + at}`);
      expect(textsOf(await drain(log, topic))).toEqual(expected);
    }
  });

  test('integration_concurrent_writes: each writer keeps its order', async () => {
    const log = await world().open();
    const write = async (topic: string): Promise<void> => {
      for (const i of range(100)) await log.append(topic, bytes(String(i)));
    };
    await Promise.all(['a', 'b', 'c'].map(write));
    for (const topic of ['a', 'b', 'c']) {
      expect(textsOf(await drain(log, topic))).toEqual(range(100).map(String));
    }
  });

  test('integration_memory_pressure_test, integration_file_rollover_stress', async () => {
    const log = await world().open();
    for (const i of range(100)) await log.append(`t${i}`, pattern(MEBIBYTE, i));
    for (const i of range(5)) await log.append('large', pattern(50 * MEBIBYTE, i));
    for (const i of range(100)) {
      expect(sameBytes((await log.readNext(`t${i}`))?.data, pattern(MEBIBYTE, i))).toBe(true);
    }
    for (const i of range(5)) {
      expect(sameBytes((await log.readNext('large'))?.data, pattern(50 * MEBIBYTE, i))).toBe(true);
    }
  });
};

/** A hundred topics with a writer each, while nodes die: no topic has a record of another, and each is read to its end. */
import { expect, test } from 'vitest';
import { outcome } from '../../runtime/story.test-support.ts';
import { fetchAll } from '../../runtime/test-cluster.test-support.ts';
import { startWriters } from '../../runtime/writers.test-support.ts';
import {
  killAndStart,
  LOAD_MS,
  PATIENCE_MS,
  startCluster,
} from './throwaway-cluster.test-support.ts';

const TOPICS = 100;

test('multi-topic', { timeout: PATIENCE_MS }, async () => {
  const cluster = await startCluster({ env: { WALRUS_MAX_SEGMENT_ENTRIES: '50' } });
  const topics = Array.from({ length: TOPICS }, (_, index) => `stress_topic_${index}`);
  const client = cluster.client(1, { retryForMs: 60_000 });
  await Promise.all(topics.map((topic) => client.register(topic)));
  const each = topics.map((topic) =>
    startWriters(cluster, topic, 1, { name: topic, pauseMs: 100 }),
  );
  for (const { id } of cluster.nodes) {
    for (const untilMs = performance.now() + LOAD_MS / 3; performance.now() < untilMs; ) {
      await Promise.all(each.map((writers) => writers.progressed(2)));
    }
    await killAndStart(cluster, id);
  }
  await Promise.all(each.map((writers) => writers.progressed(2)));
  let total = 0;
  await Promise.all(
    topics.map(async (topic, index) => {
      const written = await each[index]!.stop();
      const records = await fetchAll(client, topic);
      written.check(records);
      total += records.length;
      const taken: string[] = [];
      for (;;) {
        const known = await outcome(client.get(topic));
        if (known === 'unknown') continue;
        if (known.value === undefined) break;
        taken.push(known.value);
      }
      expect(records.filter((record) => taken.includes(record))).toEqual(taken);
      expect(taken.length, 'nobody died while it was read').toBe(records.length);
    }),
  );
  console.log(`multi-topic: ${total} records in ${TOPICS} topics, with 3 deaths`);
});

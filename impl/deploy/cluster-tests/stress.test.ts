/** Sixteen clients write records of 1 kB to one topic as fast as they can, while nodes die: all is read back and compared. */
import { expect, test } from 'vitest';
import { fetchAll } from '../../runtime/test-cluster.test-support.ts';
import { startWriters } from '../../runtime/writers.test-support.ts';
import {
  killAndStart,
  LOAD_MS,
  PATIENCE_MS,
  startCluster,
} from './throwaway-cluster.test-support.ts';

const PADDING = 'x'.repeat(1_000);

test('stress', { timeout: PATIENCE_MS }, async () => {
  const cluster = await startCluster({ env: { WALRUS_MAX_SEGMENT_ENTRIES: '2000' } });
  await cluster.client().register('stress');
  const startMs = performance.now();
  const writers = startWriters(cluster, 'stress', 16, { padding: PADDING });
  for (const { id } of cluster.nodes) {
    for (const untilMs = performance.now() + LOAD_MS / 3; performance.now() < untilMs; ) {
      await writers.progressed(100);
    }
    await killAndStart(cluster, id);
  }
  await writers.progressed(1_000);
  const written = await writers.stop();
  const seconds = (performance.now() - startMs) / 1000;
  const rate = Math.round(written.acknowledged / seconds);
  console.log(
    `stress: ${written.acknowledged} records of 1 kB in ${Math.round(seconds)} s with 3 deaths, ${rate} a second`,
  );
  const records = await fetchAll(cluster.client(), 'stress');
  written.check(records);
  expect(records.every((record) => record.endsWith(PADDING))).toBe(true);
});

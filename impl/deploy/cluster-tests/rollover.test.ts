/** Segments are sealed with exactly the records that they have, owned by all nodes, and stay so over restarts. */
import { expect, test } from 'vitest';
import { Story } from '../../runtime/story.test-support.ts';
import { killAndStartAll, PATIENCE_MS, startCluster } from './throwaway-cluster.test-support.ts';

test('rollover', { timeout: PATIENCE_MS }, async () => {
  const cluster = await startCluster();
  const client = cluster.client();
  await client.register('rollover_demo');
  const story = new Story(cluster, 'rollover_demo');
  await story.put(60);
  await cluster.until('six sealed segments', async () => {
    return Object.keys((await client.state('rollover_demo')).sealed_segments).length >= 6;
  });
  let before = await client.state('rollover_demo');
  expect(new Set(Object.values(before.segment_leaders))).toEqual(new Set([1, 2, 3]));
  for (let restart = 1; restart <= 3; restart++) {
    await killAndStartAll(cluster);
    await story.put(15);
    const after = await client.state('rollover_demo');
    expect(after.sealed_segments, 'what is sealed stays').toMatchObject(before.sealed_segments);
    before = after;
  }
  const counts = Object.values(before.sealed_segments);
  for (const count of counts) expect(count).toBeLessThanOrEqual(10);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(before.last_sealed_entry_offset);
  await story.getUntilEmpty();
  await story.check();
  expect(story.written).toHaveLength(105);
});

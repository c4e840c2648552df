/** All nodes die at once, three times, with readers half way: each record is there, and is taken once at most. */
import { expect, test } from 'vitest';
import { Story } from '../../runtime/story.test-support.ts';
import { killAndStartAll, PATIENCE_MS, startCluster } from './throwaway-cluster.test-support.ts';

test('recovery', { timeout: PATIENCE_MS }, async () => {
  const cluster = await startCluster();
  await cluster.client().register('recovery_test_topic');
  const story = new Story(cluster, 'recovery_test_topic');
  for (const round of [1, 2, 3]) {
    await story.put(13);
    await story.get(7);
    // A poll that finds nothing is what upstream's second cursor stumbled over.
    if (round === 2) await story.getUntilEmpty();
    await killAndStartAll(cluster);
  }
  await story.put(1);
  await story.getUntilEmpty();
  await story.check();
  expect(story.written).toHaveLength(40);
});

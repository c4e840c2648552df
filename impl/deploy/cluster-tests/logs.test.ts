/** Records of one client come back in order at every node, while each node in turn is killed. */
import { expect, test } from 'vitest';
import { Story } from '../../runtime/story.test-support.ts';
import { fetchAll } from '../../runtime/test-cluster.test-support.ts';
import { killAndStart, PATIENCE_MS, startCluster } from './throwaway-cluster.test-support.ts';

test('logs', { timeout: PATIENCE_MS }, async () => {
  const cluster = await startCluster();
  await cluster.client().register('logs');
  const story = new Story(cluster, 'logs');
  for (const { id } of cluster.nodes) {
    await story.put(20);
    await story.get(13);
    await killAndStart(cluster, id);
  }
  await story.put(20);
  await story.getUntilEmpty();
  await story.check();
  expect(story.written).toHaveLength(80);
  const records = await fetchAll(cluster.clientOf(1), 'logs');
  for (const id of [2, 3]) expect(await fetchAll(cluster.clientOf(id), 'logs')).toEqual(records);
});

/** Under load, random nodes die and come back: nothing that was acknowledged is missing. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { fetchAll } from '../../runtime/test-cluster.test-support.ts';
import { startWriters } from '../../runtime/writers.test-support.ts';
import { LOAD_MS, PATIENCE_MS, startCluster } from './throwaway-cluster.test-support.ts';

test('resilience', { timeout: PATIENCE_MS }, async () => {
  const cluster = await startCluster({ env: { WALRUS_MAX_SEGMENT_ENTRIES: '500' } });
  await cluster.client().register('resilience');
  const writers = startWriters(cluster, 'resilience', 8);
  let deaths = 0;
  for (const untilMs = performance.now() + LOAD_MS; deaths < 3 || performance.now() < untilMs; ) {
    await writers.progressed(200);
    const id = 1 + Math.floor(Math.random() * cluster.nodes.length);
    await cluster.kill(id);
    deaths++;
    await sleep(2_000);
    cluster.launch(id);
    await cluster.ready();
  }
  const written = await writers.stop();
  console.log(
    `resilience: ${deaths} deaths, ${written.acknowledged} acknowledged, ${written.unknown} unknown, ` +
      `longest pause ${written.longestPauseMs} ms`,
  );
  const records = await fetchAll(cluster.client(), 'resilience');
  written.check(records);
  for (const { id } of cluster.nodes) {
    expect(await fetchAll(cluster.clientOf(id), 'resilience')).toEqual(records);
  }
});

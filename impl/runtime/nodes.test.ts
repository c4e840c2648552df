/** Nodes that are lost and removed, and nodes that are drained and exchanged for new ones, on real processes. */
import { execFile } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import type { NodeSummary } from '../client/client.ts';
import { fetchAll, PROGRAM, TestCluster } from './test-cluster.test-support.ts';
import { startWriters } from './writers.test-support.ts';

const SMALL = { env: { WALRUS_MAX_SEGMENT_ENTRIES: '20', WALRUS_MONITOR_CHECK_MS: '200' } };

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.destroy();
  cluster = undefined;
});

async function summary(id: number, asked: number): Promise<NodeSummary> {
  const { nodes } = await cluster!.clientOf(asked).nodes();
  return nodes.find(({ node }) => node === id)!;
}

/** The command line, asked of one node: what it prints, or what it fails with. */
async function walrus(asked: number, ...args: string[]): Promise<string> {
  const given = [PROGRAM, 'node', ...args, '--addr', cluster!.node(asked).address];
  const run = promisify(execFile)(process.execPath, given);
  return run.then(
    ({ stdout }) => stdout,
    (error: { code: number; stderr: string }) => `exit ${error.code}: ${error.stderr}`,
  );
}

async function drained(id: number, asked: number): Promise<void> {
  await cluster!.until(`node ${id} is empty`, async () => {
    const { copies, coming, owns } = await summary(id, asked);
    return copies + coming + owns === 0;
  });
}

test('what a lost node had is made again on others once it is removed, and it is not let in again', async () => {
  cluster = await TestCluster.start({ ...SMALL, nodes: 4 });
  const client = cluster.client();
  await client.register('t');
  const records = Array.from({ length: 210 }, (_, index) => `m${index}`);
  for (const record of records) await client.put('t', record);
  const lost = 3;
  expect((await summary(lost, 1)).copies).toBeGreaterThan(0);
  expect(await walrus(1, 'can-stop', `${lost}`)).toContain('may stop');
  expect(await walrus(1, 'remove', `${lost}`)).toContain('exit 1: Error: node 3 lives');
  await expect(client.removeNode(9)).rejects.toMatchObject({ code: 'UnknownNode' });

  await cluster.kill(lost);
  await cluster.until('node 3 may be removed', async () =>
    (await walrus(1, 'remove', `${lost}`, '--dry-run')).includes('can be removed'),
  );
  const sinceMs = performance.now();
  expect(await walrus(2, 'remove', `${lost}`)).toContain('out of the cluster');
  await drained(lost, 1);
  const tookMs = Math.round(performance.now() - sinceMs);
  console.log(`all copies of a lost node were whole on others ${tookMs} ms after it was removed`);
  expect(await walrus(2, 'list')).toMatch(/3 +gone +no +no +0 +0 +0/);
  expect(await walrus(2, 'can-stop', '4', '--json')).toContain('"ok":true');

  cluster.launch(lost);
  await cluster.until('the disk is told that it was removed', async () =>
    cluster!.node(lost).log.includes('was removed from the cluster'),
  );
  expect((await summary(lost, 1)).state).toBe('gone');
  expect(await fetchAll(cluster.clientOf(1), 't')).toEqual(records);
  await client.put('t', 'more');
});

test('three nodes are exchanged for new ones, one after another, under load, and nothing is missing', async () => {
  cluster = await TestCluster.start({ ...SMALL, nodes: 4 });
  await cluster.client().register('t');
  // The fourth stays, and is asked.
  const writers = startWriters(cluster, 't', 4, { pauseMs: 5, nodes: [4] });
  await writers.progressed(100);
  const asked = cluster.clientOf(4, { retryForMs: 60_000 });
  for (const id of [1, 2, 3]) {
    await asked.drainNode(id);
    await drained(id, 4);
    await cluster.until(`node ${id} is out`, () => asked.removeNode(id).then(() => true));
    await cluster.until(`node ${id} has no vote`, async () => !(await summary(id, 4)).voter);
    await cluster.stop(id);
    rmSync(join(cluster.directory, `node_${id}`), { recursive: true });
    cluster.launch(id, ['--join', cluster.node(4).raftAddress]);
    await cluster.until(`node ${id} is back with an empty disk`, async () => {
      const { state, voter } = await summary(id, 4);
      return state === 'active' && voter;
    });
    await writers.progressed(100);
  }
  const written = await writers.stop();
  written.check(await fetchAll(cluster.clientOf(4), 't'));
  console.log(
    `three nodes exchanged: ${written.acknowledged} acknowledged, ${written.unknown} of unknown outcome, longest pause ${written.longestPauseMs} ms`,
  );
});

/** Real processes: with many topics, one restarted after the other, and on disks that fill one after the other. */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { WalrusError } from '../core/errors.ts';
import { fetchAll, TestCluster } from './test-cluster.test-support.ts';
import { startWriters } from './writers.test-support.ts';

const TOPICS = 2000;
const TWENTY_PER_SEGMENT = { WALRUS_MAX_SEGMENT_ENTRIES: '20', WALRUS_MONITOR_CHECK_MS: '200' };

let cluster: TestCluster | undefined;
let mounted: string[] = [];
afterEach(async () => {
  for (const { id } of cluster?.nodes ?? []) await cluster!.kill(id);
  for (const directory of mounted) spawnSync('umount', [directory]);
  mounted = [];
  await cluster?.destroy();
  cluster = undefined;
});

/** Does it for each, a few dozen at a time. */
async function forAll<Item>(items: readonly Item[], act: (item: Item) => Promise<void>) {
  const left = [...items];
  const work = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await act(item);
  };
  await Promise.all(Array.from({ length: 64 }, work));
}

test('thousands of topics: all nodes killed and started again', async () => {
  cluster = await TestCluster.start();
  const topics = Array.from({ length: TOPICS }, (_, index) => `topic-${index}`);
  const acknowledged = new Map<string, string[]>(topics.map((topic) => [topic, []]));
  const client = cluster.client(1, { retryForMs: 90_000 });
  const put = async (topic: string, record: string): Promise<void> => {
    try {
      await client.put(topic, record);
      acknowledged.get(topic)!.push(record);
    } catch (error) {
      if (!(error instanceof WalrusError) || error.committed !== 'unknown') throw error;
    }
  };
  await forAll(topics, async (topic) => {
    await client.register(topic);
    await put(topic, 'before');
  });
  const { current_term: termBefore } = await cluster.metrics(1);
  await Promise.all(cluster.nodes.map(({ id }) => cluster!.kill(id)));
  const startMs = performance.now();
  for (const { id } of cluster.nodes) cluster.launch(id);
  await forAll(topics, (topic) => put(topic, 'after'));
  const pauseMs = Math.round(performance.now() - startMs);
  const { current_term: termAfter } = await cluster.metrics(1);
  console.log(
    `${TOPICS} topics written again ${pauseMs} ms after the start, terms ${termBefore} to ${termAfter}`,
  );
  const count = [...acknowledged.values()].reduce((sum, { length }) => sum + length, 0);
  expect(count).toBeGreaterThan(TOPICS);
  await forAll(topics, async (topic) => {
    const records: string[] = [];
    for (let fetched = await client.fetch(topic, 0); fetched !== undefined; ) {
      records.push(fetched.payload);
      fetched = await client.fetch(topic, records.length);
    }
    expect(records.filter((record) => acknowledged.get(topic)!.includes(record))).toEqual(
      acknowledged.get(topic),
    );
  });
});

test('one node after the other is told to leave and started again, under load', async () => {
  cluster = await TestCluster.start({ env: TWENTY_PER_SEGMENT });
  await cluster.client().register('t');
  const writers = startWriters(cluster, 't', 4);
  await writers.progressed(50);
  for (const { id } of cluster.nodes) {
    expect(await cluster.stop(id)).toBe(0);
    await writers.progressed(20);
    cluster.launch(id);
    await cluster.ready();
    await writers.progressed(50);
  }
  const written = await writers.stop();
  console.log(
    `rolling restart: ${written.acknowledged} acknowledged, ${written.unknown} unknown, ` +
      `longest pause ${written.longestPauseMs} ms`,
  );
  written.check(await fetchAll(cluster.client(), 't'));
});

/** Takes all the room that there is. */
function fill(directory: string): void {
  const file = openSync(join(directory, 'filler'), 'w');
  for (const size of [2 ** 20, 4096]) {
    try {
      for (;;) writeSync(file, Buffer.alloc(size));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
  closeSync(file);
}

test('disks fill one after the other, and get room in another order', async (context) => {
  const mount = (directory: string): void => {
    for (const id of [1, 2, 3]) {
      const disk = join(directory, `node_${id}`);
      mkdirSync(disk);
      const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', disk]);
      if (status !== 0) context.skip('a disk of its own for each node needs the right to mount');
      mounted.push(disk);
    }
  };
  cluster = await TestCluster.start({ env: TWENTY_PER_SEGMENT, prepare: mount });
  const { directory } = cluster;
  const disk = (id: number): string => join(directory, `node_${id}`);
  const isFull = async (id: number): Promise<boolean> =>
    cluster!.node(id).log.includes('the disk is full');
  await cluster.client().register('t');
  await cluster.client().register('other');
  const writers = startWriters(cluster, 't', 4);
  await writers.progressed(50);
  for (const id of [1, 2]) {
    fill(disk(id));
    await cluster.until(`node ${id} is full`, () => isFull(id));
    if (id === 1) await writers.progressed(50);
  }
  // The third is not asked for room any more: a majority has none.
  fill(disk(3));
  const hasty = cluster.client(3, { retryForMs: 0 });
  await cluster.until('who writes is told so', () =>
    hasty.put('other', 'refused').then(
      () => false,
      (error: WalrusError) => error.code === 'NoSpace',
    ),
  );
  for (const id of [2, 3, 1]) rmSync(join(disk(id), 'filler'));
  await writers.progressed(50);
  const written = await writers.stop();
  console.log(
    `staggered full disks: ${written.acknowledged} acknowledged, ${written.unknown} unknown, ` +
      `longest pause ${written.longestPauseMs} ms`,
  );
  written.check(await fetchAll(cluster.client(), 't'));
});

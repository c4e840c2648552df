/** The cluster that each of these tests starts, and throws away at its end. */
import { afterEach } from 'vitest';
import { type ClusterOptions, TestCluster } from '../../runtime/test-cluster.test-support.ts';

/** What `make cluster-test-*` says: upstream's ports, and longer load. Without it ports are drawn. */
const { CLUSTER_TEST_PORTS, CLUSTER_TEST_SECONDS = '10' } = process.env;
const [client, raft] = (CLUSTER_TEST_PORTS?.split(',') ?? []).map(Number);

/** How long load goes on, at least. */
export const LOAD_MS: number = Number(CLUSTER_TEST_SECONDS) * 1000;
/** A test waits for what it counts, so this is only for one that hangs. */
export const PATIENCE_MS: number = 600_000 + 10 * LOAD_MS;

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.destroy();
  cluster = undefined;
});

/** Three nodes, with upstream's settings for its tests: ten records in a segment. */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  cluster = await TestCluster.start({
    ...(client === undefined ? {} : { ports: { client, raft: raft! } }),
    env: { WALRUS_MAX_SEGMENT_ENTRIES: '10', WALRUS_MONITOR_CHECK_MS: '200' },
    ...options,
  });
  return cluster;
}

/** Kills the node without a word, starts it again, and waits until it takes its part. */
export async function killAndStart(of: TestCluster, id: number): Promise<void> {
  await of.kill(id);
  of.launch(id);
  await of.ready();
}

/** All nodes at once, as when the power goes. */
export async function killAndStartAll(of: TestCluster): Promise<void> {
  const ids = of.nodes.map(({ id }) => id);
  await Promise.all(ids.map((id) => of.kill(id)));
  for (const id of ids) of.launch(id);
  await of.ready();
}

/**
 * Each node in turn is cut off, and killed before it is back. The others go on; who is cut off acknowledges nothing. Each node has a
 * network namespace of its own: where none is to be had the test is skipped, and does not count as passed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, expect, test } from 'vitest';
import { fetchAll, PROGRAM } from '../../runtime/test-cluster.test-support.ts';
import { startWriters } from '../../runtime/writers.test-support.ts';
import { NetworkNamespaces } from './network-namespaces.test-support.ts';
import { PATIENCE_MS, startCluster } from './throwaway-cluster.test-support.ts';

const namespaces = NetworkNamespaces.create(3);
if (namespaces === undefined) console.log('skipped: no network namespaces for this user here');
afterAll(() => namespaces?.remove());

test.runIf(namespaces)('partition', { timeout: PATIENCE_MS }, async () => {
  const cluster = await startCluster({
    machine: (id) => namespaces!.machine(id),
    flags: ['--operation-timeout-ms', '3000'],
  });
  await cluster.client().register('partition');
  await cluster.client().put('partition', 'before the split');
  for (let round = 1; round <= 3; round++) {
    // First whoever leads, then each of the others.
    const leader = (await cluster.metrics(1)).current_leader!;
    const cut = ((leader + round - 2) % 3) + 1;
    const majority = cluster.nodes.filter(({ id }) => id !== cut);
    const writers = startWriters(cluster, 'partition', 4, {
      name: `round${round}-`,
      nodes: majority.map(({ id }) => id),
    });
    await writers.progressed(100);
    namespaces!.pull(cut);
    await writers.progressed(200);
    expect(await putOn(cut, `split brain ${round}`), 'exit code of put').not.toBe(0);
    await cluster.kill(cut);
    cluster.launch(cut);
    namespaces!.plug(cut);
    await cluster.ready();
    await writers.progressed(100);
    const written = await writers.stop();
    const records = await fetchAll(cluster.clientOf(cut), 'partition');
    written.check(records.filter((record) => record.startsWith(`round${round}-`)));
    expect(records[0]).toBe('before the split');
    expect(records.filter((record) => record.startsWith('split brain'))).toEqual([]);
    for (const { id } of majority) {
      expect(await fetchAll(cluster.clientOf(id), 'partition')).toEqual(records);
    }
  }

  /** Asked on the host of the node itself, which nobody else reaches. Gives the exit code. */
  async function putOn(id: number, record: string): Promise<number | null> {
    const [program, ...behind] = [...namespaces!.machine(id).command, process.execPath, PROGRAM];
    const at = `127.0.0.1:${cluster.node(id).clientPort}`;
    const child = spawn(program!, [...behind, 'put', 'partition', record, '--addr', at], {
      stdio: 'ignore',
    });
    const [code] = await once(child, 'close');
    return code as number | null;
  }
});

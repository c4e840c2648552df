/** A topic that keeps a megabyte is written with many times as much, on real processes. What disks hold then: sim/full-disks.test.ts. */
import { afterEach, expect, test } from 'vitest';
import { TestCluster } from './test-cluster.test-support.ts';

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.destroy();
  cluster = undefined;
});

const KEPT_BYTES = 2 ** 20;
const WRITTEN_BYTES = 8 * 2 ** 20;
const RECORD_BYTES = 32 * 1024;

test('by retention.bytes the oldest segments go, and the policy can be changed', async () => {
  cluster = await TestCluster.start({ env: { WALRUS_MONITOR_CHECK_MS: '200' } });
  const client = cluster.client();
  await client.create('t', { retentionBytes: KEPT_BYTES });
  const record = 'x'.repeat(RECORD_BYTES);
  // On a busy machine an owner may be taken for dead: then a record may stand there twice.
  for (let at = 0; at < WRITTEN_BYTES / RECORD_BYTES; at++) {
    await client.put('t', record, { repeatUnknown: true });
  }
  const end = async (): Promise<number> => (await client.topics()).topics[0]!.records!;
  await cluster.until('only what is to be kept is left', async () => {
    const keptBytes = ((await end()) - (await client.state('t')).first_offset) * RECORD_BYTES;
    expect(keptBytes).toBeGreaterThan(KEPT_BYTES * 0.9);
    return keptBytes < KEPT_BYTES * 1.5;
  });
  expect((await client.state('t')).policy['retention.bytes']).toBe(KEPT_BYTES);
  await expect(client.fetch('t', 0)).rejects.toMatchObject({ code: 'Trimmed' });

  await client.setPolicy('t', { retentionBytes: 0, retentionConsumed: true, segmentEntries: 1 });
  await cluster.until('all is consumed', async () => (await client.get('t')) === undefined);
  await client.put('t', 'last', { repeatUnknown: true });
  await cluster.until('what was consumed is gone', async () => {
    const { first_offset, policy } = await client.state('t');
    const fetched = await client.fetch('t', first_offset);
    return fetched?.payload === 'last' && policy['retention.bytes'] === 0;
  });
});

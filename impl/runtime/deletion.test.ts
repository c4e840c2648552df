/** Topics that are deleted and made again under the same name, on real processes, of which one is away meanwhile. */
import { afterEach, expect, test } from 'vitest';
import type { WalrusClient } from '../client/client.ts';
import { WalrusError } from '../core/errors.ts';
import { fetchAll, TestCluster } from './test-cluster.test-support.ts';

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.destroy();
  cluster = undefined;
});

const numbered = (what: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${what}-${index}`);

/** Until it is known to be gone. A deletion of which nothing was heard goes on, and is found done. */
async function deleteSurely(of: TestCluster, client: WalrusClient, topic: string): Promise<void> {
  await of.until(`${topic} is deleted`, async () => {
    try {
      await client.delete(topic);
    } catch (error) {
      if (!(error instanceof WalrusError) || error.code !== 'UnknownTopic') throw error;
    }
    return true;
  });
}

test.each(['the owner', 'another node'])(
  'deleted while %s is dead: who comes back, and everybody else, has nothing of it',
  async (who) => {
    cluster = await TestCluster.start({
      env: { WALRUS_MAX_SEGMENT_ENTRIES: '10', WALRUS_MONITOR_CHECK_MS: '200' },
    });
    const old = numbered('old', 25);
    const first = cluster.client();
    await first.register('t');
    for (const message of old) await first.put('t', message);
    expect(await first.get('t')).toBe('old-0');
    expect(await fetchAll(first, 't')).toEqual(old);

    const owner = (await first.state('t')).leader_node;
    const dead = who === 'the owner' ? owner : (owner % 3) + 1;
    await cluster.kill(dead);
    const alive = cluster.client((dead % 3) + 1);
    await deleteSurely(cluster, alive, 't');
    // Also from those that hear of it last.
    await expect(alive.put('t', 'late')).rejects.toMatchObject({ code: 'UnknownTopic' });
    await expect(alive.get('t')).rejects.toMatchObject({ code: 'UnknownTopic' });
    await expect(alive.delete('t')).rejects.toMatchObject({ code: 'UnknownTopic' });

    cluster.launch(dead);
    await cluster.ready();
    const back = cluster.clientOf(dead);
    await back.register('t');
    const made = numbered('new', 6);
    const clients = [1, 2, 3].map((id) => cluster!.clientOf(id));
    for (const [index, message] of made.entries()) await clients[index % 3]!.put('t', message);
    for (const client of clients) {
      // A node that has not heard of the deletion shows what was before it.
      await cluster.until('the new topic is known', async () => {
        const { segment_leaders } = await client.state('t');
        return Object.keys(segment_leaders).length === 1;
      });
      expect(await fetchAll(client, 't')).toEqual(made);
      const { count, topics } = await client.topics();
      expect([count, topics.map(({ topic }) => topic)]).toEqual([1, ['t']]);
    }
    const taken: (string | undefined)[] = [];
    for (let i = 0; i <= made.length; i++) taken.push(await clients[i % 3]!.get('t'));
    expect(taken).toEqual([...made, undefined]);
  },
);

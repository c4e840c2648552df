/** A topic that is trimmed on real processes, of which one is away meanwhile. */
import { afterEach, expect, test } from 'vitest';
import { TestCluster } from './test-cluster.test-support.ts';

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.destroy();
  cluster = undefined;
});

test('a trimmed topic keeps its offsets, and who was away learns where it begins', async () => {
  cluster = await TestCluster.start({
    env: { WALRUS_MAX_SEGMENT_ENTRIES: '10', WALRUS_MONITOR_CHECK_MS: '200' },
  });
  const messages = Array.from({ length: 35 }, (_, index) => `m${index}`);
  const first = cluster.client();
  await first.register('t');
  for (const message of messages) await first.put('t', message);
  expect(await first.get('t')).toBe('m0');
  // Whichever node is asked: all of the first three segments are sealed, and it may not know of the last yet.
  await cluster.until('the third segment is known to be sealed', async () => {
    const states = await Promise.all([1, 2, 3].map((id) => cluster!.clientOf(id).state('t')));
    return states.every(({ sealed_segments }) => Object.keys(sealed_segments).length === 3);
  });

  const owner = (await first.state('t')).leader_node;
  const dead = (owner % 3) + 1;
  await cluster.kill(dead);
  const alive = cluster.client(owner);
  expect(await alive.trim('t', 25)).toBe(20);
  expect(await alive.trim('t', 25)).toBe(20);
  expect(await alive.trim('t', 5)).toBe(20);
  await expect(alive.trim('none', 5)).rejects.toMatchObject({ code: 'UnknownTopic' });
  await cluster.until('the owner has told of it', async () =>
    cluster!.node(owner).log.includes('group default skips 19 records'),
  );

  cluster.launch(dead);
  await cluster.ready();
  for (const client of [1, 2, 3].map((id) => cluster!.clientOf(id))) {
    // A node that has not heard of the trim gives what was there before it.
    await cluster.until('the trim is known', async () => {
      const error = await client.fetch('t', 19).catch((each) => each);
      return error.code === 'Trimmed';
    });
    await expect(client.fetch('t', 0)).rejects.toMatchObject({
      code: 'Trimmed',
      start: 20,
      retriable: false,
      committed: 'no',
    });
    expect(await client.fetch('t', 20)).toEqual({ next: 21, payload: 'm20' });
    expect(Object.keys((await client.state('t')).sealed_segments)).toEqual(['3']);
  }
  const taken: (string | undefined)[] = [];
  for (let i = 20; i <= 35; i++) taken.push(await first.get('t'));
  expect(taken).toEqual([...messages.slice(20), undefined]);
  await first.put('t', 'more');
  expect(await first.fetch('t', 35)).toEqual({ next: 36, payload: 'more' });
});

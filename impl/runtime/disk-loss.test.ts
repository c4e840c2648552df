/** Real processes whose disks are lost, come back, or forget a part of what they had. */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { FRAME_HEADER_BYTES, FRAME_MAGIC } from '../core/storage/format.ts';
import { freePorts } from './free-ports.test-support.ts';
import { fetchAll, TestCluster } from './test-cluster.test-support.ts';

const EXCLUDED = 'the cluster takes nothing of this node';
const TAKEN_AGAIN = 'the cluster takes this node again';

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.destroy();
  cluster = undefined;
});

const directoryOf = (of: TestCluster, node: number): string => join(of.directory, `node_${node}`);

async function ownerOf(of: TestCluster, topic: string, asked = 1): Promise<number> {
  const client = of.clientOf(asked, { retryForMs: 0 });
  try {
    return (await client.state(topic)).leader_node;
  } finally {
    await client.close();
  }
}

/** A new topic whose owner is not the founder: that one joins nobody. */
async function topicOf(of: TestCluster): Promise<{ topic: string; owner: number }> {
  for (let number = 0; ; number++) {
    const topic = `topic-${number}`;
    await of.client().register(topic);
    const owner = await ownerOf(of, topic);
    if (owner !== 1) return { topic, owner };
  }
}

async function putAll(of: TestCluster, topic: string, messages: readonly string[]): Promise<void> {
  for (const message of messages) await of.client(1, { retryForMs: 60_000 }).put(topic, message);
}

/**
 * Damages the last frame that holds a record, and all that follow: as if they had never reached the disk, though they were
 * synced.
 */
function loseTail(directory: string): void {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(FRAME_MAGIC);
  const names = readdirSync(directory).filter((name) => name.endsWith('.wal'));
  for (const name of names.sort().reverse()) {
    const file = join(directory, name);
    const bytes = readFileSync(file);
    const record = bytes.lastIndexOf('message-');
    const first = record < 0 ? bytes.indexOf(magic) : bytes.lastIndexOf(magic, record);
    for (let at = first; at >= 0; at = bytes.indexOf(magic, at + 4)) {
      bytes[at + FRAME_HEADER_BYTES]! ^= 0x40;
    }
    writeFileSync(file, bytes);
    if (record >= 0) return;
  }
  throw new Error('no frame holds a record');
}

const messagesOf = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `message-${from + i}`);

test('a process with an empty disk, started as if nothing had happened, counts as dead', async () => {
  cluster = await TestCluster.start();
  const { topic, owner } = await topicOf(cluster);
  await putAll(cluster, topic, messagesOf(0, 5));
  const [httpPort] = await freePorts(1);
  await cluster.kill(owner);
  const { log: before } = cluster.node(owner);
  rmSync(directoryOf(cluster, owner), { recursive: true });
  cluster.launch(owner, ['--http-port', `${httpPort}`]);

  await cluster.until('another node owns the topic', async () => {
    return (await ownerOf(cluster!, topic)) !== owner;
  });
  await putAll(cluster, topic, messagesOf(5, 10));
  await cluster.until('it says that it is refused', async () => {
    return cluster!.node(owner).log.slice(before.length).includes(EXCLUDED);
  });
  const ready = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
  expect(ready.status).toBe(503);
  const why = `node ${owner} is a member with another disk; start it with --replace if that is lost`;
  expect(await ready.text()).toBe(`refused: ${why}\n`);
  const alone = cluster.clientOf(owner, { retryForMs: 0 });
  await expect(alone.put(topic, 'nowhere')).rejects.toMatchObject({ committed: 'no' });

  await cluster.kill(owner);
  cluster.launch(owner, ['--replace']);
  await cluster.ready();
  expect(cluster.node(owner).log.split(EXCLUDED)).toHaveLength(2);
  expect(await fetchAll(cluster.client(), topic)).toEqual(messagesOf(0, 10));
});

test('a founder that lost its disk founds no second cluster', async () => {
  cluster = await TestCluster.start();
  const { topic } = await topicOf(cluster);
  await putAll(cluster, topic, messagesOf(0, 5));
  await cluster.kill(1);
  rmSync(directoryOf(cluster, 1), { recursive: true });
  cluster.launch(1);

  await cluster.until('it says that it is refused', async () => {
    return cluster!.node(1).log.includes('refused: node 1 is a member with another disk');
  });
  const alone = cluster.clientOf(1, { retryForMs: 0 });
  await expect(alone.put(topic, 'nowhere')).rejects.toMatchObject({ committed: 'no' });
  await cluster.client(2, { retryForMs: 60_000 }).put(topic, 'message-5');

  await cluster.kill(1);
  cluster.launch(1, ['--replace']);
  await cluster.ready();
  expect(await fetchAll(cluster.client(), topic)).toEqual(messagesOf(0, 6));
});

test('a founder that nobody tells in time serves nobody once it hears of the first cluster', async () => {
  cluster = await TestCluster.start();
  const { topic } = await topicOf(cluster);
  await putAll(cluster, topic, messagesOf(0, 5));
  const [httpPort] = await freePorts(1);
  await cluster.kill(1);
  rmSync(directoryOf(cluster, 1), { recursive: true });
  // Nobody tells it before it has founded, however slowly it starts.
  for (const id of [2, 3]) cluster.node(id).process!.kill('SIGSTOP');
  const elections = (): number => cluster!.node(1).log.split('"LeaderElected"').length - 1;
  const before = elections();
  cluster.launch(1, ['--found-after-ms', '0', '--http-port', `${httpPort}`]);
  await cluster.until('it leads a cluster of its own', async () => elections() > before);
  for (const id of [2, 3]) cluster.node(id).process!.kill('SIGCONT');

  await cluster.until('it says that there are two clusters', async () => {
    return /two clusters: node [23] is in one of this name/.test(cluster!.node(1).log);
  });
  await cluster.until('it is not ready', async () => {
    const ready = await fetch(`http://127.0.0.1:${httpPort}/readyz`);
    return ready.status === 503 && (await ready.text()).startsWith('two clusters: ');
  });
  const alone = cluster.clientOf(1, { retryForMs: 0 });
  await expect(alone.register('nowhere')).rejects.toMatchObject({ committed: 'no' });
  await cluster.client(2, { retryForMs: 60_000 }).put(topic, 'message-5');
  expect(await fetchAll(cluster.client(2), topic)).toEqual(messagesOf(0, 6));
});

test('a founder that nobody could tell founds a cluster, and takes in nobody of the first one', async () => {
  cluster = await TestCluster.start();
  const { topic } = await topicOf(cluster);
  await putAll(cluster, topic, messagesOf(0, 5));
  await cluster.kill(1);
  rmSync(directoryOf(cluster, 1), { recursive: true });
  await cluster.client(2, { retryForMs: 60_000 }).put(topic, 'message-5');
  await Promise.all([cluster.kill(2), cluster.kill(3)]);
  cluster.launch(1, ['--found-after-ms', '0']);
  await cluster.client(1, { retryForMs: 60_000 }).register('the-second-cluster');
  for (const id of [2, 3]) cluster.launch(id);

  await cluster.clientOf(2, { retryForMs: 60_000 }).put(topic, 'message-6');
  expect(await fetchAll(cluster.clientOf(2), topic)).toEqual(messagesOf(0, 7));
  expect(await fetchAll(cluster.clientOf(3), topic)).toEqual(messagesOf(0, 7));
  await cluster.until('it says that there are two clusters', async () => {
    return /two clusters: node [23] is in one of this name/.test(cluster!.node(1).log);
  });
  await cluster.kill(1);
  rmSync(directoryOf(cluster, 1), { recursive: true });
  cluster.launch(1, ['--replace']);
  await cluster.ready();
  expect(await fetchAll(cluster.clientOf(1), topic)).toEqual(messagesOf(0, 7));
});

test('the old disk of a number that another one has is refused, and disturbs nobody', async () => {
  cluster = await TestCluster.start();
  const { topic } = await topicOf(cluster);
  await putAll(cluster, topic, messagesOf(0, 5));
  const directory = directoryOf(cluster, 3);
  await cluster.kill(3);
  renameSync(directory, `${directory}-old`);
  cluster.launch(3, ['--replace']);
  await cluster.ready();
  await cluster.kill(3);
  renameSync(directory, `${directory}-new`);
  renameSync(`${directory}-old`, directory);
  cluster.launch(3);

  await cluster.until('it says that it is refused', async () => {
    return cluster!.node(3).log.includes('refused: node 3 is a member with another disk');
  });
  const { current_term } = await cluster.metrics(1);
  await putAll(cluster, topic, messagesOf(5, 10));
  expect((await cluster.metrics(1)).current_term).toBe(current_term);

  await cluster.kill(3);
  rmSync(directory, { recursive: true });
  renameSync(`${directory}-new`, directory);
  cluster.launch(3);
  await cluster.ready();
  expect(await fetchAll(cluster.client(), topic)).toEqual(messagesOf(0, 10));
});

test('a disk that lost its last records is found out and made anew, so that another may die', async () => {
  cluster = await TestCluster.start();
  const { topic, owner } = await topicOf(cluster);
  await putAll(cluster, topic, messagesOf(0, 20));
  const victim = [1, 2, 3].find((id) => id !== owner)!;
  const third = [1, 2, 3].find((id) => id !== owner && id !== victim)!;
  const { current_segment } = await cluster.clientOf(owner).state(topic);
  await cluster.kill(victim);
  loseTail(directoryOf(cluster, victim));
  cluster.launch(victim);

  await cluster.until('it says that it has forgotten something', async () => {
    return cluster!.node(victim).log.includes('amnesiac: the disk has less than it told node');
  });
  await cluster.until('it is made anew', async () => {
    return cluster!.node(victim).log.includes(TAKEN_AGAIN);
  });
  await cluster.ready();
  await cluster.until('the segment that counted on the old disk is sealed', async () => {
    const state = await cluster!.clientOf(owner).state(topic);
    return state.current_segment > current_segment;
  });
  await cluster.kill(third);
  await cluster.until('a node that lives owns the topic', async () => {
    return (await ownerOf(cluster!, topic, owner)) !== third;
  });
  const client = cluster.client(owner, { retryForMs: 60_000 });
  for (const message of messagesOf(20, 30)) await client.put(topic, message);
  expect(await fetchAll(client, topic)).toEqual(messagesOf(0, 30));
  expect(await fetchAll(cluster.clientOf(victim), topic)).toEqual(messagesOf(0, 30));
});

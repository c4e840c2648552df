/** Real processes on real sockets and a real disk, seen only through their ports. */
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { WalrusClient } from '../client/client.ts';
import { FrameWriter } from '../client/frames.ts';
import { freePorts } from './free-ports.test-support.ts';
import { fetchAll, TestCluster } from './test-cluster.test-support.ts';
import { startWriters } from './writers.test-support.ts';

const TEN_PER_SEGMENT = { WALRUS_MAX_SEGMENT_ENTRIES: '10', WALRUS_MONITOR_CHECK_MS: '200' };

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.destroy();
  cluster = undefined;
});

const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `msg-${index}`);

/** A new topic with such an owner; where topics go is decided by their names. */
async function topicOwnedBy(
  of: TestCluster,
  suits: (node: number) => boolean,
): Promise<{ topic: string; owner: number }> {
  const client = of.client();
  for (let number = 0; ; number++) {
    const topic = `topic-${number}`;
    await client.register(topic);
    const owner = (await client.state(topic)).leader_node;
    if (suits(owner)) return { topic, owner };
  }
}

describe('a healthy cluster', () => {
  test('keeps the order of one client, whichever node is asked', async () => {
    cluster = await TestCluster.start();
    const messages = numbered(300);
    await cluster.client().register('t');
    const clients = [cluster.clientOf(1), cluster.clientOf(2), cluster.clientOf(3)];
    for (const [index, message] of messages.entries()) await clients[index % 3]!.put('t', message);
    for (const client of clients) expect(await fetchAll(client, 't')).toEqual(messages);
    const taken: (string | undefined)[] = [];
    for (let i = 0; i <= messages.length; i++) taken.push(await clients[i % 3]!.get('t'));
    expect(taken).toEqual([...messages, undefined]);
  });

  test('rolls over: sealed segments are exact and owned in turn', async () => {
    cluster = await TestCluster.start({ env: TEN_PER_SEGMENT });
    const messages = numbered(60);
    const client = cluster.client();
    await client.register('rollover');
    for (const message of messages) await client.put('rollover', message);
    await cluster.until('six sealed segments', async () => {
      return Object.keys((await client.state('rollover')).sealed_segments).length >= 6;
    });
    const state = await client.state('rollover');
    expect(Object.values(state.sealed_segments)).toEqual([10, 10, 10, 10, 10, 10]);
    expect(state.last_sealed_entry_offset).toBe(60);
    expect(new Set(Object.values(state.segment_leaders))).toEqual(new Set([1, 2, 3]));
    expect(await fetchAll(cluster.client(2), 'rollover')).toEqual(messages);
    const taken: (string | undefined)[] = [];
    for (let i = 0; i <= 60; i++) taken.push(await cluster.client(2).get('rollover'));
    expect(taken).toEqual([...messages, undefined]);
  });

  test('many topics do not mix', async () => {
    cluster = await TestCluster.start({ env: TEN_PER_SEGMENT });
    const topics = Array.from({ length: 20 }, (_, index) => `topic_${index}`);
    await Promise.all(
      topics.map(async (topic, index) => {
        const client = cluster!.client((index % 3) + 1);
        await client.register(topic);
        for (const message of numbered(25)) await client.put(topic, `${topic} ${message}`);
      }),
    );
    for (const topic of topics) {
      const expected = numbered(25).map((message) => `${topic} ${message}`);
      expect(await fetchAll(cluster.client(2), topic)).toEqual(expected);
    }
  });

  test('a node that is told to leave hands over and ends with 0; writes go on', async () => {
    cluster = await TestCluster.start();
    await cluster.client().register('t');
    const owner = (await cluster.client().state('t')).leader_node;
    const writers = startWriters(cluster, 't', 4);
    await sleep(500);
    expect(await cluster.stop(owner)).toBe(0);
    await writers.progressed(200);
    const written = await writers.stop();
    console.log(`graceful stop of the owner: longest pause ${written.longestPauseMs} ms`);
    written.check(await fetchAll(cluster.client(), 't'));
  });
});

describe('a node that dies', () => {
  test.each(['the owner, which is the Raft leader too', 'the owner, which is not the Raft leader'])(
    'kill -9 of %s, under load: nothing acknowledged is missing, order is kept',
    async (who) => {
      cluster = await TestCluster.start();
      const leader = (await cluster.metrics(1)).current_leader!;
      const { topic, owner } = await topicOwnedBy(cluster, (node) =>
        who.endsWith('too') ? node === leader : node !== leader,
      );
      const writers = startWriters(cluster, topic, 16);
      await writers.progressed(500);
      await cluster.kill(owner);
      await writers.progressed(500);
      cluster.launch(owner);
      await cluster.ready();
      await writers.progressed(500);
      const written = await writers.stop();
      console.log(
        `kill -9 of ${who}: ${written.acknowledged} acknowledged, ${written.unknown} unknown, ` +
          `longest pause ${written.longestPauseMs} ms`,
      );
      // What came back serves too, and says the same.
      const records = await fetchAll(cluster.client(), topic);
      written.check(records);
      expect(await fetchAll(cluster.clientOf(owner), topic)).toEqual(records);
    },
  );

  test('each in turn, with rollovers going on', async () => {
    cluster = await TestCluster.start({
      env: { ...TEN_PER_SEGMENT, WALRUS_MAX_SEGMENT_ENTRIES: '50' },
    });
    await cluster.client().register('t');
    const writers = startWriters(cluster, 't', 8);
    for (const id of [1, 2, 3]) {
      await writers.progressed(200);
      await cluster.kill(id);
      await writers.progressed(200);
      cluster.launch(id);
      await cluster.ready();
    }
    const written = await writers.stop();
    console.log(`each node killed in turn: longest pause ${written.longestPauseMs} ms`);
    written.check(await fetchAll(cluster.client(), 't'));
  });

  test('without a majority nothing is acknowledged; with it again, all goes on', async () => {
    cluster = await TestCluster.start({ flags: ['--operation-timeout-ms', '2000'] });
    await cluster.client().register('t');
    await cluster.client().put('t', 'before');
    await cluster.kill(2);
    await cluster.kill(3);
    const alone = cluster.clientOf(1, { retryForMs: 0 });
    await expect(alone.put('t', 'alone')).rejects.toMatchObject({ retriable: true });
    cluster.launch(2);
    const client = cluster.client();
    await cluster.until('writes flow', async () => {
      await client.put('t', 'after');
      return true;
    });
    const records = await fetchAll(client, 't');
    expect(records[0]).toBe('before');
    expect(records.filter((record) => record === 'after').length).toBeGreaterThan(0);
    expect(records.filter((record) => record === 'alone').length).toBeLessThanOrEqual(1);
  });
});

describe('a disk that is lost', () => {
  test('an empty disk under an old number is refused; with --replace it is filled again', async () => {
    cluster = await TestCluster.start({ env: TEN_PER_SEGMENT });
    await cluster.client().register('t');
    const messages = numbered(35);
    for (const message of messages) await cluster.client().put('t', message);
    await cluster.kill(3);
    rmSync(join(cluster.directory, 'node_3'), { recursive: true });
    cluster.launch(3);
    await cluster.until('node 3 is refused', async () =>
      cluster!.node(3).log.includes('start it with --replace'),
    );
    await cluster.kill(3);
    cluster.launch(3, ['--replace']);
    await cluster.ready();
    await cluster.client().put('t', 'after');
    const all = [...messages, 'after'];
    expect(await fetchAll(cluster.client(), 't')).toEqual(all);
    // Alone it can show only what is sealed and on its own disk.
    await cluster.until('node 3 holds what it lost', async () => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      await Promise.all([cluster!.kill(1), cluster!.kill(2)]);
      const alone = new WalrusClient({ addresses: [cluster!.node(3).address], retryForMs: 0 });
      const found = await Promise.allSettled(
        messages.slice(0, 30).map((_, offset) => alone.fetch('t', offset)),
      );
      await alone.close();
      for (const id of [1, 2]) cluster!.launch(id);
      await cluster!.ready();
      const payloads = found.map((each) => each.status === 'fulfilled' && each.value?.payload);
      return payloads.every((payload, offset) => payload === messages[offset]);
    });
    expect(await fetchAll(cluster.client(), 't')).toEqual(all);
  });
});

describe('what a node has to endure', () => {
  test('garbage and oversized frames, on both ports', async () => {
    cluster = await TestCluster.start();
    const client = cluster.client();
    await client.register('t');
    const oversized = new FrameWriter();
    oversized.frame(`PUT t ${'x'.repeat(200_000)}`);
    const attacks = [
      Buffer.from('GET / HTTP/1.1\r\nHost: walrus\r\n\r\n'),
      Buffer.alloc(4),
      Buffer.from([255, 255, 255, 255]),
      oversized.take(),
      Buffer.from(Array.from({ length: 5_000 }, (_, index) => (index * 7919) % 256)),
    ];
    for (const node of cluster.nodes) {
      for (const port of [node.clientPort, node.raftPort]) {
        for (const bytes of attacks) {
          const socket = connect(port, '127.0.0.1').on('error', () => {});
          socket.resume();
          socket.end(bytes);
          await once(socket, 'close');
        }
      }
    }
    for (const message of numbered(50)) await client.put('t', message);
    expect(await fetchAll(client, 't')).toEqual(numbered(50));
    for (const node of cluster.nodes) expect(node.process!.exitCode).toBeNull();
  });

  test('a second process on its directory: refused, and the first goes on', async () => {
    cluster = await TestCluster.start({ nodes: 1 });
    const client = cluster.client();
    await client.register('t');
    const first = cluster.node(1).process!;
    const [raftPort, clientPort] = await freePorts(2);
    const flags = ['--raft-port', `${raftPort}`, '--client-port', `${clientPort}`];
    const second = cluster.launch(1, flags);
    const [code] = await once(second, 'close');
    expect(code).toBe(75);
    expect(cluster.node(1).log).toContain('Locked');
    cluster.node(1).process = first;
    await client.put('t', 'still here');
    expect(await client.get('t')).toBe('still here');
  });

  test('a trace of every node, one line of JSON per action, while it lives', async () => {
    cluster = await TestCluster.start({ trace: true });
    await cluster.client().register('t');
    await cluster.client().put('t', 'x');
    for (const { id } of cluster.nodes) {
      await cluster.stop(id);
      const lines = readFileSync(cluster.traceFile(id), 'utf8').trimEnd().split('\n');
      const events = lines.map((line) => JSON.parse(line) as { name: string; node: number });
      expect(new Set(events.map((event) => event.node))).toEqual(new Set([id]));
      const names = new Set(events.map((event) => event.name));
      for (const name of ['Restart', 'ApplyCommand', 'RenewLease']) expect(names).toContain(name);
    }
  });
});

import { afterEach, describe, expect, test } from 'vitest';
import { type ClientOptions, WalrusClient } from './client.ts';
import { type Script, type ScriptedNode, startScriptedNode } from './scripted-node.test-support.ts';

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function node(script: Script): Promise<ScriptedNode> {
  const started = await startScriptedNode(script);
  open.push(started);
  return started;
}

function client(options: ClientOptions): WalrusClient {
  const made = new WalrusClient(options);
  open.push(made);
  return made;
}

/** A port that nobody listens on. */
async function deadAddress(): Promise<string> {
  const closed = await startScriptedNode(() => undefined);
  await closed.close();
  return closed.address;
}

test('each call reads its own kind of answer', async () => {
  const answers: Record<string, string> = {
    register: 'OK',
    put: 'OK',
    get: 'OK  spaces kept ',
    fetch: 'OK 8 a b',
    state: '{"current_segment":1}',
    metrics: '{\n  "id": 1\n}',
    topics: '{"count":0,"topics":[]}',
    delete: 'OK',
    trim: 'OK 4',
    create: 'OK',
    set: 'OK',
  };
  const { address } = await node((request) => answers[request.kind]);
  const walrus = client({ addresses: [address] });
  await walrus.register('t');
  await walrus.put('t', 'x');
  expect(await walrus.get('t')).toBe(' spaces kept ');
  expect(await walrus.fetch('t', 7)).toEqual({ next: 8, payload: 'a b' });
  expect(await walrus.state('t')).toEqual({ current_segment: 1 });
  expect(await walrus.metrics()).toEqual({ id: 1 });
  expect(await walrus.topics()).toEqual({ count: 0, topics: [] });
  await walrus.create('t', { retentionMs: 5 });
  await walrus.setPolicy('t', { retentionMs: 6 });
  expect(await walrus.trim('t', 7)).toBe(4);
  await walrus.delete('t');
});

test('EMPTY is undefined, not an error', async () => {
  const { address } = await node(() => 'EMPTY');
  const walrus = client({ addresses: [address] });
  expect(await walrus.get('t')).toBeUndefined();
  expect(await walrus.fetch('t', 0)).toBeUndefined();
});

test('overlapping calls get their answers by order', async () => {
  const { address, requests } = await node((request) =>
    request.kind === 'fetch' ? `OK ${request.offset + 1} record ${request.offset}` : undefined,
  );
  const walrus = client({ addresses: [address] });
  const offsets = Array.from({ length: 100 }, (_, offset) => offset);
  const fetched = await Promise.all(offsets.map((offset) => walrus.fetch('t', offset)));
  expect(fetched.map((each) => each?.payload)).toEqual(offsets.map((n) => `record ${n}`));
  expect(requests).toHaveLength(100);
});

describe('what is tried again', () => {
  test('a refusal that passes by itself', async () => {
    const { address, requests } = await node((_, __, count) =>
      count < 4 ? 'ERR NotLeaderForPartition: t_t_s_1' : 'OK',
    );
    await client({ addresses: [address] }).put('t', 'x');
    expect(requests).toHaveLength(4);
  });

  test('a node that is not there: the next one is asked', async () => {
    const { address } = await node(() => 'OK');
    await client({ addresses: [await deadAddress(), address] }).put('t', 'x');
  });

  test('a lost connection, for what cannot happen twice', async () => {
    const { address, requests } = await node((_, socket, count) => {
      if (count > 1) return 'OK';
      socket.destroy();
      return undefined;
    });
    await client({ addresses: [address] }).register('t');
    expect(requests).toHaveLength(2);
  });

  test('a put of unknown outcome, if asked to', async () => {
    const { address, requests } = await node((_, socket, count) => {
      if (count > 1) return 'OK';
      socket.destroy();
      return undefined;
    });
    await client({ addresses: [address] }).put('t', 'x', { repeatUnknown: true });
    expect(requests).toHaveLength(2);
  });
});

describe('what is not', () => {
  test.each(['put', 'get'] as const)('a %s of unknown outcome', async (kind) => {
    const { address, requests } = await node((_, socket) => {
      socket.destroy();
      return undefined;
    });
    const walrus = client({ addresses: [address] });
    const call = kind === 'put' ? walrus.put('t', 'x') : walrus.get('t');
    await expect(call).rejects.toMatchObject({ code: 'OutcomeUnknown', committed: 'unknown' });
    expect(requests).toHaveLength(1);
  });

  test('a put that nobody answered in time; the next call has a connection of its own', async () => {
    const { address } = await node((request) => (request.kind === 'put' ? undefined : 'OK x'));
    const walrus = client({ addresses: [address], requestTimeoutMs: 50 });
    await expect(walrus.put('t', 'x')).rejects.toMatchObject({
      code: 'Timeout',
      committed: 'unknown',
    });
    expect(await walrus.get('t')).toBe('x');
  });

  test('an error that time does not heal', async () => {
    const { address, requests } = await node(() => 'ERR unknown topic t');
    const put = client({ addresses: [address] }).put('t', 'x');
    await expect(put).rejects.toMatchObject({ code: 'UnknownTopic', retriable: false });
    expect(requests).toHaveLength(1);
  });

  test('anything once the time for it is over', async () => {
    const walrus = client({ addresses: [await deadAddress()], retryForMs: 0 });
    await expect(walrus.put('t', 'x')).rejects.toMatchObject({
      code: 'Unavailable',
      committed: 'no',
    });
  });
});

test('a node that answers nonsense is left', async () => {
  const { address } = await node((_, socket) => {
    socket.write(Uint8Array.of(255, 255, 255, 255));
    return undefined;
  });
  await expect(client({ addresses: [address] }).get('t')).rejects.toMatchObject({
    code: 'OutcomeUnknown',
  });
});

test('a closed client says so', async () => {
  const { address } = await node(() => undefined);
  const walrus = client({ addresses: [address] });
  const call = walrus.get('t');
  setTimeout(() => walrus.close(), 20);
  await expect(call).rejects.toMatchObject({ code: 'Aborted' });
  await expect(walrus.get('t')).rejects.toMatchObject({ code: 'Closed' });
});

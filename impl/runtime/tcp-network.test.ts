import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { MalformedError } from '../core/codec.ts';
import { freePorts } from './free-ports.test-support.ts';
import { type LinkEvent, TcpNetwork } from './tcp-network.ts';

const codec = {
  encode: (text: string) => Buffer.from(`#${text}`),
  decode: (bytes: Uint8Array) => {
    const text = Buffer.from(bytes).toString();
    if (!text.startsWith('#')) throw new MalformedError('no #');
    return text.slice(1);
  },
};

interface Member {
  readonly network: TcpNetwork<string>;
  readonly address: string;
  readonly heard: string[];
  readonly events: LinkEvent[];
}

const members: Member[] = [];
afterEach(async () => {
  for (const { network } of members.splice(0)) await network.close();
});

async function member(
  node: number,
  options: { cluster?: string; port?: number } = {},
): Promise<Member> {
  const heard: string[] = [];
  const events: LinkEvent[] = [];
  const port = options.port ?? (await freePorts(1))[0]!;
  const address = `127.0.0.1:${port}`;
  const network = new TcpNetwork<string>({
    node,
    cluster: options.cluster ?? 'test',
    codec,
    onMessage: (from, message) => heard.push(`${from}: ${message}`),
    onEvent: (event) => events.push(event),
  });
  await network.listen({ host: '127.0.0.1', port });
  const made = { network, address, heard, events };
  members.push(made);
  return made;
}

const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000 });

test('messages arrive in the order of sending, to an id or to an address', async () => {
  const [one, two] = [await member(1), await member(2)];
  one.network.locate(2, two.address);
  one.network.send(2, 'first');
  await eventually(() => expect(two.heard).toHaveLength(1));
  for (let i = 0; i < 1000; i++) one.network.send(2, `m${i}`);
  await eventually(() => expect(two.heard).toHaveLength(1001));
  expect(two.heard).toEqual(['1: first', ...Array.from({ length: 1000 }, (_, i) => `1: m${i}`)]);
  two.network.sendToAddress(one.address, 'back');
  await eventually(() => expect(one.heard).toEqual(['2: back']));
});

test('a message to a node never located is lost, and nothing else happens', async () => {
  const one = await member(1);
  one.network.send(7, 'hello?');
  one.network.sendToAddress('nonsense', 'hello?');
  expect(one.events).toEqual([]);
});

test('a peer that comes back is found again', async () => {
  const [one, two] = [await member(1), await member(2)];
  one.network.locate(2, two.address);
  one.network.send(2, 'before');
  await eventually(() => expect(two.heard).toEqual(['1: before']));
  await two.network.close();
  const again = await member(2, { port: Number(two.address.split(':')[1]) });
  await eventually(() => {
    one.network.send(2, 'after');
    expect(again.heard).toContain('1: after');
  });
  expect(one.events.map((event) => event.what)).toContain('down');
});

describe('who is turned away', () => {
  test('a node of another cluster', async () => {
    const [one, two] = [await member(1), await member(2, { cluster: 'other' })];
    one.network.sendToAddress(two.address, 'x');
    const reason = 'cluster test, this is other';
    await eventually(() =>
      expect(one.events).toEqual([{ what: 'refused', peer: two.address, reason }]),
    );
    expect(two.heard).toEqual([]);
  });

  test('several of one host that dial again and again: each reason is told once', async () => {
    const [one, good] = [await member(1), await member(2)];
    const [stranger, double] = [await member(3, { cluster: 'other' }), await member(1)];
    for (let round = 0; round < 60; round++) {
      for (const each of [good, stranger, double]) each.network.sendToAddress(one.address, 'x');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(one.heard.length).toBeGreaterThan(1);
    const told = one.events.map(({ reason }) => reason);
    expect(told.toSorted()).toEqual([
      'cluster other, this is test',
      'node 1 has dialled itself, or has a double',
    ]);
    expect(stranger.events).toHaveLength(1);
  });

  test('one that looks for another node here', async () => {
    const [one, two] = [await member(1), await member(2)];
    one.network.locate(3, two.address);
    one.network.send(3, 'x');
    await eventually(() => expect(one.events[0]?.reason).toBe('meant for node 3, this is 2'));
    expect(two.heard).toEqual([]);
  });

  test('a node that dials itself', async () => {
    const one = await member(1);
    one.network.sendToAddress(one.address, 'x');
    await eventually(() => expect(one.events.map((event) => event.what)).toContain('refused'));
    expect(one.heard).toEqual([]);
  });

  test.each([
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['an absurd length', Buffer.from([255, 255, 255, 255])],
    ['an empty frame', Buffer.from([0, 0, 0, 0])],
    ['a hello of something else', Buffer.from([3, 0, 0, 0, 2, 0x68, 0x69])],
  ])('%s', async (_, bytes) => {
    const one = await member(1);
    const socket = connect(Number(one.address.split(':')[1]), '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    socket.write(bytes);
    await once(socket, 'close');
    expect(one.events.map((event) => event.what)).toEqual(['refused']);
  });

  test('a message that cannot be decoded ends the link it came on', async () => {
    const two = await member(2);
    const broken = new TcpNetwork<string>({
      node: 1,
      cluster: 'test',
      codec: { encode: (text) => Buffer.from(text), decode: codec.decode },
      onMessage: () => {},
      onEvent: () => {},
    });
    broken.sendToAddress(two.address, 'no hash');
    await eventually(() => expect(two.events[0]?.reason).toBe('malformed: no #'));
    broken.sendToAddress(two.address, '#fine');
    await eventually(() => {
      broken.sendToAddress(two.address, '#fine');
      expect(two.heard).toContain('1: fine');
    });
    await broken.close();
  });
});

test('a peer that is silent is given up, and its queue with it', async () => {
  // Accepts, welcomes, and then reads without ever giving a sign of life.
  const { createServer } = await import('node:net');
  const silent = createServer((socket) => {
    socket.once('data', () => socket.write(Uint8Array.of(1, 0, 0, 0, 0)));
    socket.on('error', () => {});
    socket.resume();
  });
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const one = await member(1);
  const { port } = silent.address() as { port: number };
  await eventually(() => {
    one.network.sendToAddress(`127.0.0.1:${port}`, 'anybody?');
    expect(one.events.map((event) => `${event.what} ${event.reason ?? ''}`)).toContain(
      'down no sign of life',
    );
  });
  silent.close();
});

test('an idle link stays up', async () => {
  const [one, two] = [await member(1), await member(2)];
  one.network.locate(2, two.address);
  one.network.send(2, 'a');
  await eventually(() => expect(two.heard).toHaveLength(1));
  await new Promise((resolve) => setTimeout(resolve, 3_500));
  one.network.send(2, 'b');
  await eventually(() => expect(two.heard).toHaveLength(2));
  expect(one.events.map((event) => event.what)).toEqual(['up']);
});

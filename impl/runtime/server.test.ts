import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WalrusClient } from '../client/client.ts';
import { FrameDecoder, FrameWriter } from '../client/frames.ts';
import { RESPONSE_LIMITS } from '../client/protocol.ts';
import { FakeNode } from './fake-node.test-support.ts';
import type { Answered } from './metrics.ts';
import { ClientServer } from './server.ts';

let node: FakeNode;
let server: ClientServer;
let port: number;
let troubles: string[];
let answered: Answered[];
const sockets: Socket[] = [];

beforeEach(async () => {
  node = new FakeNode();
  node.start();
  troubles = [];
  answered = [];
  server = new ClientServer(node.service, {
    node: 1,
    maxConnections: 5,
    onTrouble: (reason) => troubles.push(reason),
    onAnswered: (each) => answered.push(each),
  });
  port = (await server.listen({ host: '127.0.0.1', port: 0 })).port;
});

afterEach(() => {
  server.destroy();
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** A connection that shows whole answers and the chunks they came in. */
async function dial(): Promise<{ socket: Socket; answers: string[]; chunks: number[] }> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket);
  const answers: string[] = [];
  const chunks: number[] = [];
  const decoder = new FrameDecoder(RESPONSE_LIMITS, {
    onFrame: (bytes) => answers.push(Buffer.from(bytes).toString()),
    onInvalidLength: () => answers.push('nonsense'),
  });
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    chunks.push(chunk.length);
    decoder.push(chunk);
  });
  await once(socket, 'connect');
  return { socket, answers, chunks };
}

function frames(...texts: readonly string[]): Buffer {
  const writer = new FrameWriter();
  for (const text of texts) writer.frame(text);
  return writer.take();
}

const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000 });

test('every command, in one pipelined write, answered in order in one read', async () => {
  const { socket, answers, chunks } = await dial();
  socket.write(
    frames(
      'PUT logs early',
      'REGISTER logs',
      'REGISTER logs',
      'PUT logs hello',
      'PUT logs  two words ',
      'GET logs',
      'FETCH logs 1 1',
      'FETCH logs 1 2',
      'GET logs',
      'GET logs',
      'STATE logs',
      'STATE none',
      'TOPICS',
      'DELETE logs',
      'DELETE logs',
      'METRICS',
      'NOPE',
      'PUT not-mine x',
    ),
  );
  await eventually(() => expect(answers).toHaveLength(18));
  expect(answers).toEqual([
    'ERR unknown topic logs',
    'OK',
    'OK',
    'OK',
    'OK',
    'OK hello',
    'OK 2  two words',
    'EMPTY',
    'OK  two words',
    'EMPTY',
    '{"current_segment":2,"leader_node":1,"last_sealed_entry_offset":10,' +
      '"sealed_segments":{"1":10},"segment_leaders":{"1":3,"2":1},"first_offset":0,' +
      '"policy":{"retention.bytes":0,"retention.ms":0,"retention.consumed":false,' +
      '"segment.entries":0,"segment.bytes":0,"segment.ms":0}}',
    'ERR unknown topic none',
    '{"count":1,"topics":[{"topic":"logs","owner":1,"segments":2,"records":2,"deleting":false}]}',
    'OK',
    'ERR unknown topic logs',
    '{\n  "id": 1,\n  "state": "Leader"\n}',
    'ERR unknown command',
    'ERR NotLeaderForPartition: t_not-mine_s_1',
  ]);
  expect(chunks).toHaveLength(1);
});

test('a list of topics has an end, and says how many there are', async () => {
  const walrus = new WalrusClient({ addresses: [`127.0.0.1:${port}`] });
  await Promise.all(Array.from({ length: 1001 }, (_, i) => walrus.register(`t${i}`)));
  const { count, topics } = await walrus.topics();
  expect([count, topics.length]).toEqual([1001, 1000]);
  await walrus.close();
});

test('answers keep the order of the requests, whatever the order of the replies', async () => {
  const { socket, answers } = await dial();
  node.hold = true;
  socket.write(frames('REGISTER a', 'PUT none x', 'REGISTER b'));
  await eventually(() => expect(node.held).toHaveLength(3));
  node.held[2]!();
  node.held[1]!();
  socket.write(frames('METRICS'));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(answers).toEqual([]);
  node.held[0]!();
  await eventually(() => expect(answers).toHaveLength(4));
  expect(answers.slice(0, 3)).toEqual(['OK', 'ERR unknown topic none', 'OK']);
});

describe('frames that are not valid', () => {
  test('an oversized one is answered once and skipped; the connection goes on', async () => {
    const { socket, answers } = await dial();
    socket.write(frames(`PUT t ${'x'.repeat(100_000)}`, 'REGISTER t'));
    await eventually(() => expect(answers).toEqual(['ERR invalid frame length', 'OK']));
  });

  test('an empty one', async () => {
    const { socket, answers } = await dial();
    socket.write(Buffer.concat([Buffer.alloc(4), frames('REGISTER t')]));
    await eventually(() => expect(answers).toEqual(['ERR invalid frame length', 'OK']));
  });

  test('an absurd one is answered and ends the connection', async () => {
    const { socket, answers } = await dial();
    socket.write(Buffer.concat([frames('REGISTER t'), Buffer.from('GET / HTTP/1.1\r\n\r\n')]));
    await once(socket, 'end');
    expect(answers).toEqual(['OK', 'ERR invalid frame length']);
  });

  test('one that is not UTF-8', async () => {
    const { socket, answers } = await dial();
    socket.write(Buffer.concat([Buffer.from([2, 0, 0, 0, 0xc3, 0x28]), frames('REGISTER t')]));
    await eventually(() => expect(answers).toEqual(['ERR invalid utf-8', 'OK']));
  });

  test('the largest that is valid', async () => {
    const { socket, answers } = await dial();
    const payload = 'x'.repeat(65536 - 'PUT t '.length);
    socket.write(frames('REGISTER t', `PUT t ${payload}`, 'GET t', `PUT t ${payload}x`));
    await eventually(() => expect(answers).toHaveLength(4));
    expect(answers[2] === `OK ${payload}`).toBe(true);
    expect(answers[3]).toBe('ERR invalid frame length');
  });
});

test('a client that says no more still gets its answers', async () => {
  const { socket, answers } = await dial();
  node.hold = true;
  socket.end(frames('REGISTER t'));
  await eventually(() => expect(node.held).toHaveLength(1));
  node.held[0]!();
  await once(socket, 'end');
  expect(answers).toEqual(['OK']);
});

test('a client that does not read is not read from, and loses nothing', async () => {
  const { socket, answers } = await dial();
  socket.write(frames('REGISTER t', `PUT t ${'x'.repeat(60_000)}`));
  await eventually(() => expect(answers).toHaveLength(2));
  socket.pause();
  const count = 2_000; // 120 MB of answers, far more than sockets hold
  socket.write(frames(...Array.from({ length: count }, () => 'FETCH t 1 0')));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const served = answered.length;
  expect(served).toBeLessThan(count / 2);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(answered.length).toBe(served);
  socket.resume();
  await eventually(() => expect(answers).toHaveLength(2 + count));
});

test('each request is told of once it is answered, with its size and what became of it', async () => {
  const { socket, answers } = await dial();
  socket.write(frames('REGISTER t', 'PUT t hello', 'GET t', 'GET nope', 'METRICS', 'nonsense'));
  await eventually(() => expect(answers).toHaveLength(6));
  const told = answered.map(({ request, topic, bytesIn, bytesOut, refusal }) => [
    ...[request, topic, bytesIn, bytesOut, refusal],
  ]);
  expect(told).toEqual(
    expect.arrayContaining([
      ['register', 't', 0, 0, undefined],
      ['put', 't', 5, 0, undefined],
      ['get', 't', 0, 5, undefined],
      ['get', 'nope', 0, 0, 'UnknownTopic'],
      ['metrics', undefined, 0, 0, undefined],
      ['malformed', undefined, 0, 0, 'malformed'],
    ]),
  );
  expect(told).toHaveLength(6);
  expect(server.underWay).toBe(0);
});

test('one connection too many is told so; the others go on', async () => {
  const crowd = await Promise.all([dial(), dial(), dial(), dial(), dial()]);
  const late = await dial();
  await once(late.socket, 'end');
  expect(late.answers).toEqual(['ERR Overloaded: too many connections']);
  expect(troubles).toEqual(['more than 5 connections']);
  crowd[0]!.socket.write(frames('REGISTER t'));
  await eventually(() => expect(crowd[0]!.answers).toEqual(['OK']));
  crowd[1]!.socket.destroy();
  await eventually(() => expect(server.connectionCount).toBe(4));
  const next = await dial();
  next.socket.write(frames('REGISTER t'));
  await eventually(() => expect(next.answers).toEqual(['OK']));
});

test('an accept that fails does not end the listener', async () => {
  (server as unknown as { server: { emit(name: string, error: Error): void } }).server.emit(
    'error',
    new Error('accept EMFILE'),
  );
  expect(troubles).toEqual(['accept EMFILE']);
  const { socket, answers } = await dial();
  socket.write(frames('REGISTER t'));
  await eventually(() => expect(answers).toEqual(['OK']));
});

test('closing answers what is under way first', async () => {
  const { socket, answers } = await dial();
  node.hold = true;
  socket.write(frames('REGISTER t'));
  await eventually(() => expect(node.held).toHaveLength(1));
  const closed = server.close();
  node.held[0]!();
  await once(socket, 'end');
  socket.end();
  await closed;
  expect(answers).toEqual(['OK']);
});

test('the client of this repository and the server agree', async () => {
  const walrus = new WalrusClient({ addresses: [`127.0.0.1:${port}`] });
  await walrus.register('t');
  await Promise.all(Array.from({ length: 200 }, (_, i) => walrus.put('t', `m${i}`)));
  const read: (string | undefined)[] = [];
  for (let i = 0; i < 201; i++) read.push(await walrus.get('t'));
  expect(read).toEqual([...Array.from({ length: 200 }, (_, i) => `m${i}`), undefined]);
  expect(await walrus.fetch('t', 150)).toEqual({ next: 151, payload: 'm150' });
  expect((await walrus.state('t')).segment_leaders).toEqual({ '1': 3, '2': 1 });
  await expect(walrus.put('none', 'x')).rejects.toMatchObject({ code: 'UnknownTopic' });
  await walrus.close();
});

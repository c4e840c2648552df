/** Version 2 of the wire at a server: who speaks it, who does not, and what one client can make a node hold. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FrameDecoder, FrameWriter } from '../client/frames.ts';
import {
  ANSWER_LIMITS_V2,
  type AnswerV2,
  HELLO,
  type RequestV2,
  readAnswerV2,
  writeRequestV2,
} from '../client/wire-v2.ts';
import { encodeRecord } from '../core/record.ts';
import { FakeNode } from './fake-node.test-support.ts';
import { ClientServer } from './server.ts';

let node: FakeNode;
let server: ClientServer;
let port: number;
let answered = 0;
const sockets: Socket[] = [];

beforeEach(async () => {
  node = new FakeNode();
  node.start();
  server = new ClientServer(node.service, {
    node: 7,
    maxConnections: 5,
    onTrouble: () => {},
    onAnswered: () => {
      answered++;
    },
  });
  port = (await server.listen({ host: '127.0.0.1', port: 0 })).port;
});

afterEach(() => {
  server.destroy();
  for (const socket of sockets.splice(0)) socket.destroy();
});

interface Dialled {
  readonly socket: Socket;
  readonly answers: AnswerV2[];
  say(...requests: readonly RequestV2[]): void;
}

async function dial(hello = HELLO): Promise<Dialled> {
  const socket = connect({ port, host: '127.0.0.1' });
  sockets.push(socket);
  const answers: AnswerV2[] = [];
  const decoder = new FrameDecoder(ANSWER_LIMITS_V2, {
    onFrame: (frame) => answers.push(readAnswerV2(frame)),
    onInvalidLength: (length) => expect.fail(`invalid length ${length}`),
  });
  socket.on('error', () => {});
  socket.on('data', (chunk) => decoder.push(chunk));
  await once(socket, 'connect');
  const writer = new FrameWriter();
  writer.frame(hello);
  socket.write(writer.take());
  const say = (...requests: readonly RequestV2[]): void => {
    for (const each of requests) writeRequestV2(writer, each);
    socket.write(writer.take());
  };
  return { socket, answers, say };
}

const eventually = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 20_000 });
const line = (id: number, text: string): RequestV2 => ({
  kind: 'line',
  id,
  line: Buffer.from(text),
});
const append = (id: number, ...values: readonly Uint8Array[]): RequestV2 => {
  const records = values.map((value, i) => encodeRecord({ value }, i < values.length - 1));
  return { kind: 'append', id, topic: 't', expected: undefined, records };
};
const fetch = (id: number, offset: number): RequestV2 => {
  const range = { offset, records: 10, bytes: 1000, waitMs: 0 };
  return { kind: 'fetch', id, topic: 't', ...range };
};

test('a greeting, then answers under the numbers of their requests, in any order', async () => {
  const { answers, say } = await dial();
  say(line(1, 'REGISTER t'), line(2, 'NOPE'));
  await eventually(() => expect(answers).toHaveLength(3));
  expect(answers[0]).toMatchObject({ kind: 'greeting', greeting: { version: 2, node: 7 } });
  const texts = answers.slice(1).map((each) => Buffer.from((each as { line: Uint8Array }).line));
  expect(texts.map(String)).toEqual(['OK', 'ERR unknown command']);
  node.hold = true;
  say(append(30, Uint8Array.of(1), Uint8Array.of(2)), fetch(31, 0), fetch(32, 9), append(33));
  await eventually(() => expect(node.held).toHaveLength(4));
  for (const answer of node.held.splice(0).reverse()) answer();
  await eventually(() => expect(answers).toHaveLength(7));
  expect(answers.slice(3)).toMatchObject([
    { kind: 'appended', id: 33 },
    { kind: 'records', id: 32, records: [], highWatermark: 2 },
    { kind: 'records', id: 31, offset: 0, highWatermark: 2 },
    { kind: 'appended', id: 30, offset: 0 },
  ]);
});

test('HELLO counts as the first frame alone, and another version is none', async () => {
  for (const first of [frames('TOPICS', HELLO), frames('HELLO walrus 3', 'TOPICS')]) {
    const socket = connect({ port, host: '127.0.0.1' });
    sockets.push(socket);
    const texts: string[] = [];
    const decoder = new FrameDecoder(ANSWER_LIMITS_V2, {
      onFrame: (frame) => texts.push(Buffer.from(frame).toString()),
      onInvalidLength: () => {},
    });
    socket.on('data', (chunk) => decoder.push(chunk));
    socket.write(first);
    await eventually(() => expect(texts).toHaveLength(2));
    expect(texts.sort()).toEqual(['ERR unknown command', '{"count":0,"topics":[]}']);
  }
});

function frames(...texts: readonly string[]): Buffer {
  const writer = new FrameWriter();
  for (const text of texts) writer.frame(text);
  return writer.take();
}

test.each([
  ['an unknown kind', Uint8Array.of(3, 0, 0, 0, 99, 1, 0)],
  ['a frame that is too long', Uint8Array.of(255, 255, 255, 255)],
  ['a batch cut short', Uint8Array.of(5, 0, 0, 0, 2, 1, 1, 116, 0)],
])('%s: told, what was asked before is answered, and the connection ends', async (_, bytes) => {
  const { socket, answers, say } = await dial();
  node.hold = true;
  say(line(5, 'REGISTER t'));
  await eventually(() => expect(node.held).toHaveLength(1));
  socket.write(bytes);
  await eventually(() => expect(answers).toHaveLength(2));
  expect(answers[1]).toMatchObject({ kind: 'error', id: 0, code: 'InvalidArgument' });
  const ended = once(socket, 'close');
  node.held[0]!();
  await ended;
  expect(answers[2]).toMatchObject({ kind: 'line', id: 5 });
});

test('what a client asks and does not hear is bounded, and others are served meanwhile', async () => {
  const greedy = await dial();
  node.hold = true;
  const large = new Uint8Array(1024 * 1024 - 1);
  for (let id = 1; id <= 40; id++) greedy.say(append(id, large));
  await eventually(() => expect(node.held).toHaveLength(8));
  const other = await dial();
  other.say(line(1, 'TOPICS'));
  await eventually(() => expect(other.answers).toHaveLength(2));
  expect(node.held).toHaveLength(8);
  node.hold = false;
  for (const answer of node.held.splice(0)) answer();
  await eventually(() => expect(greedy.answers).toHaveLength(41));
});

test('a client that does not read is not served on, and others are', async () => {
  const slow = await dial();
  slow.say(line(1, 'REGISTER t'));
  for (let id = 2; id < 5; id++) slow.say(append(id, new Uint8Array(1024 * 1024 - 1)));
  await eventually(() => expect(slow.answers).toHaveLength(5));
  slow.socket.pause();
  answered = 0;
  // Each is answered with 3 MiB, of which the system's buffers take a few.
  for (let id = 10; id < 110; id++) slow.say(fetch(id, 0));
  const other = await dial();
  other.say(line(1, 'TOPICS'));
  await eventually(() => expect(other.answers).toHaveLength(2));
  expect(answered).toBeLessThan(20);
  slow.socket.resume();
  await eventually(() => expect(slow.answers).toHaveLength(105));
});

test('a server that closes refuses what it has not begun', async () => {
  const { answers, say, socket } = await dial();
  node.hold = true;
  const large = new Uint8Array(1024 * 1024 - 1);
  for (let id = 1; id <= 9; id++) say(append(id, large));
  await eventually(() => expect(node.held).toHaveLength(8));
  await eventually(() => expect(socket.writableLength).toBe(0));
  const closed = server.close();
  await eventually(() => expect(answers.length).toBeGreaterThanOrEqual(1));
  for (const answer of node.held.splice(0)) answer();
  await closed;
  await eventually(() => expect(answers.length).toBeGreaterThanOrEqual(9));
});

/** How a writer keeps its followers supplied: seen at an owner, and the same at a recoverer. */
import { expect, test } from 'vitest';
import { WalrusError } from '../errors.ts';
import { Bench, EPOCH, OTHER, records, THIRD } from './data-plane.test-support.ts';
import { MESSAGE_LIMIT, RETRY_MS } from './ports.ts';

const INFLIGHT_MAX = 8;

/** An owner with one follower that matters: the other one's disk is full, so that it is sent nothing. */
function owner(): Bench {
  const bench = new Bench({ quickReads: true });
  bench.own();
  bench.full.add(3);
  return bench;
}

/** Takes a record and sends it on, as one input does. */
function append(bench: Bench, byte: number): void {
  bench.append(byte);
  bench.flush();
}

test('what was appended in one input goes out together, and the next without waiting for an answer', () => {
  const bench = owner();
  bench.append(0);
  bench.append(1);
  bench.flush();
  append(bench, 2);
  expect(bench.sent('Replicate')).toMatchObject([
    { to: 2, from: 0, records: records(0, 2) },
    { to: 2, from: 2, records: records(2, 1) },
  ]);
});

test('so many messages are on their way to a follower, and the rest follows its answers', () => {
  const bench = owner();
  for (let i = 0; i < INFLIGHT_MAX + 3; i++) append(bench, i);
  expect(bench.sent('Replicate')).toHaveLength(INFLIGHT_MAX);
  bench.ack(OTHER, 1);
  expect(bench.sent('Replicate')).toMatchObject([{ from: 8, records: records(8, 3) }]);
});

test('no message is larger than a message may be', () => {
  const bench = owner();
  bench.append(0);
  bench.flush();
  expect(bench.readRanges).toEqual([[0, 1]]);
  expect(MESSAGE_LIMIT.records).toBeLessThanOrEqual(4096);
});

test('a follower that falls silent is asked with one message, from what it surely has, until it answers', () => {
  const bench = owner();
  append(bench, 0);
  bench.ack(OTHER, 1);
  for (let i = 1; i < 4; i++) append(bench, i);
  bench.sent('Replicate');
  bench.passes(RETRY_MS - 1);
  expect(bench.sent('Replicate')).toEqual([]);
  bench.passes(1);
  expect(bench.sent('Replicate')).toMatchObject([{ to: 2, from: 1, records: records(1, 3) }]);
  append(bench, 4);
  expect(bench.sent('Replicate')).toEqual([]);
  bench.ack(OTHER, 4);
  expect(bench.sent('Replicate')).toMatchObject([{ from: 4, records: records(4, 1) }]);
});

test('a follower that lacks what came before is supplied from there', () => {
  const bench = owner();
  for (let i = 0; i < 4; i++) append(bench, i);
  bench.sent('Replicate');
  bench.hear(OTHER, 'ReplicateAck', { epoch: EPOCH, end: 1, durableEnd: 1, gap: true });
  expect(bench.sent('Replicate')).toMatchObject([{ from: 1, records: records(1, 3) }]);
});

test('an old answer takes nothing back', () => {
  const bench = owner();
  for (let i = 0; i < 3; i++) append(bench, i);
  bench.ack(OTHER, 3);
  bench.sent('Replicate');
  bench.ack(OTHER, 1);
  expect(bench.sent('Replicate')).toEqual([]);
});

test('who has all records still hears how far they may be read', () => {
  const bench = owner();
  append(bench, 0);
  bench.ack(OTHER, 1);
  bench.sync();
  bench.sent('Replicate');
  bench.passes(RETRY_MS);
  expect(bench.sent('Replicate')).toMatchObject([
    { to: 2, from: 1, records: [], highWatermark: 1 },
  ]);
  bench.ack(OTHER, 1);
  bench.passes(RETRY_MS);
  expect(bench.sent('Replicate').filter(({ to }) => to === 2)).toEqual([]);
});

test('a full follower is sent no records until it has room', () => {
  const bench = owner();
  append(bench, 0);
  expect(bench.sent('Replicate').map(({ to }) => to)).toEqual([2]);
  bench.full.delete(3);
  bench.passes(RETRY_MS);
  expect(bench.sent('Replicate').map(({ to }) => to)).toContain(THIRD.node);
});

test('what cannot be read now is read later; what never can ends the node', () => {
  const bench = owner();
  bench.readError = new WalrusError('Overloaded', 'later');
  append(bench, 0);
  expect(bench.letters).toEqual([]);
  expect(bench.failures).toEqual([]);
  bench.readError = new WalrusError('InvalidArgument', 'never');
  bench.passes(RETRY_MS);
  expect(bench.failures).toHaveLength(1);
});

test('a batch goes out whole, however little a read gives', () => {
  const bench = owner();
  bench.recordsPerRead = 2;
  bench.appendBatch(3);
  bench.append(9);
  bench.flush();
  expect(bench.sent('Replicate').map(({ from, records: all }) => [from, all.length])).toEqual([
    [0, 4],
  ]);
});

/** What one node does with its copies. */
import { expect, test } from 'vitest';
import type { Epoch, LogIndex, NodeId } from '../ids.ts';
import type { SegmentRecord } from '../metadata/cluster-state.ts';
import { Bench, OTHER, records, SEGMENT, SELF, THIRD, TOPIC } from './data-plane.test-support.ts';
import { MESSAGE_LIMIT, RETRY_MS } from './ports.ts';

test('all of a sealed segment that is here may be read, whichever way it came and whenever', () => {
  const bench = new Bench();
  bench.learn({});
  bench.replicate(0, 2, 1);
  expect(bench.readable).toBe(1);
  bench.learn({ state: 'sealed', count: 3 }, {});
  expect(bench.readable).toBe(2);
  bench.replicate(2, 1, 1);
  expect(bench.readable).toBe(3);
});

test('what a sealed copy lacks is asked of all others by turns, again and again, until it is here', () => {
  const bench = new Bench();
  bench.learn({ state: 'sealed', count: 2 }, {});
  for (let i = 0; i < 4; i++) bench.passes(RETRY_MS);
  expect(bench.sent('CopyRequest')).toMatchObject(
    [2, 3, 2, 3].map((to) => ({ to, epoch: 0, from: 0 })),
  );
  bench.hear(THIRD, 'Copy', { epoch: 0 as Epoch, from: 0, records: records(0, 2) });
  bench.passes(RETRY_MS);
  expect(bench.sent('CopyRequest')).toEqual([]);
  expect(bench.readable).toBe(2);
});

test('a copy that was asked for under an epoch is not sent once a higher one is promised', () => {
  const bench = new Bench();
  bench.learn({});
  bench.replicate(0, 2, 0);
  const ask = (epoch: number): void =>
    bench.hear(THIRD, 'CopyRequest', { epoch: epoch as Epoch, from: 0 });
  const promise = (epoch: number): void =>
    bench.hear(THIRD, 'PromiseRequest', { epoch: epoch as Epoch });
  promise(7);
  ask(7);
  promise(8);
  bench.reads.shift()!();
  expect(bench.sent('Copy')).toEqual([]);
  ask(8);
  bench.reads.shift()!();
  expect(bench.sent('Copy')).toMatchObject([{ epoch: 8, records: records(0, 2) }]);
});

test('an owner sends nothing that was read before it promised a higher epoch', () => {
  const bench = new Bench();
  bench.own();
  bench.append(0);
  bench.dataPlane.flush();
  expect(bench.reads).toHaveLength(2);
  bench.reads.shift()!();
  expect(bench.sent('Replicate')).toMatchObject([{ records: records(0, 1) }]);
  bench.hear(THIRD, 'PromiseRequest', { epoch: 6 as Epoch });
  bench.reads.shift()!();
  expect(bench.sent('Replicate')).toEqual([]);
});

test('a read ends where what may be read ends', () => {
  const bench = new Bench();
  bench.learn({});
  bench.replicate(0, 3, 2);
  const heard: number[] = [];
  const segment = { id: SEGMENT } as SegmentRecord;
  bench.dataPlane.read(TOPIC, segment, 0, MESSAGE_LIMIT, (_, records) =>
    heard.push(records.length),
  );
  bench.reads.shift()!();
  expect(heard).toEqual([2]);
});

test('an answer waits until what it says is durable', () => {
  const bench = new Bench();
  bench.learn({});
  bench.replicate(0, 2, 0);
  expect(bench.letters).toEqual([]);
  bench.sync();
  expect(bench.sent('ReplicateAck')).toMatchObject([{ to: 2, end: 2, durableEnd: 2, gap: false }]);
});

test('what does not join on is not taken, and the answer says where to begin', () => {
  const bench = new Bench();
  bench.learn({});
  bench.replicate(0, 2, 0);
  bench.sync();
  bench.sent('ReplicateAck');
  bench.replicate(3, 2, 0);
  expect(bench.sent('ReplicateAck')).toMatchObject([{ end: 2, gap: true }]);
});

test('a lower epoch is refused, and told of the higher', () => {
  const bench = new Bench();
  bench.learn({});
  bench.hear(THIRD, 'PromiseRequest', { epoch: 9 as Epoch });
  bench.replicate(0, 1, 0);
  expect(bench.sent('Refuse')).toMatchObject([{ to: 2, epoch: 5, promised: 9 }]);
  expect(bench.dataPlane.replicas.find(TOPIC, SEGMENT)!.end).toBe(0);
});

test('a promise is told when it is durable, with what is durable by then', () => {
  const bench = new Bench();
  bench.learn({});
  bench.replicate(0, 2, 0);
  bench.hear(THIRD, 'PromiseRequest', { epoch: 6 as Epoch });
  expect(bench.letters).toEqual([]);
  bench.sync();
  // The writer that was fenced hears nothing that it could count.
  expect(bench.sent('ReplicateAck')).toEqual([]);
  expect(bench.sent('Promise')).toMatchObject([{ to: 3, epoch: 6, durableEnd: 2 }]);
});

test('what lies beyond the end of a sealed segment is cut', () => {
  const bench = new Bench();
  bench.learn({});
  bench.replicate(0, 5, 0);
  bench.learn({ state: 'sealed', count: 3 }, {});
  expect(bench.dataPlane.replicas.find(TOPIC, SEGMENT)).toMatchObject({ end: 3 });
  bench.replicate(3, 2, 0);
  expect(bench.dataPlane.replicas.find(TOPIC, SEGMENT)).toMatchObject({ end: 3 });
});

const MOVE = 9 as Epoch;
/** Two others hold a sealed segment of three records, and a copy is to be made here. */
const COMING = {
  state: 'sealed',
  count: 3,
  replicas: [OTHER, THIRD],
  move: { from: THIRD.node, to: SELF, epoch: MOVE },
} as const;

function comingTo(bench: Bench): void {
  bench.appliedIndex = MOVE;
  bench.learn(COMING, {});
  bench.passes(RETRY_MS);
}

test('a copy that is made is told of when it is whole and durable, and its promise with it', () => {
  const bench = new Bench();
  comingTo(bench);
  expect(bench.sent('CopyRequest')).toMatchObject([{ epoch: 0, from: 0 }]);
  bench.hear(OTHER, 'Copy', { epoch: 0 as Epoch, from: 0, records: records(0, 3) });
  bench.passes(RETRY_MS);
  expect(bench.proposed).toEqual([]);
  bench.sync();
  bench.passes(RETRY_MS);
  expect(bench.proposed).toMatchObject([{ kind: 'MoveReplica', epoch: MOVE }]);
});

test('copies that are made take no more than what they may', () => {
  const bench = new Bench();
  comingTo(bench);
  bench.sent('CopyRequest');
  const record = new Uint8Array(2_000_000);
  bench.hear(OTHER, 'Copy', { epoch: 0 as Epoch, from: 0, records: [record] });
  for (let ms = 0; ms < 1900; ms += RETRY_MS) bench.passes(RETRY_MS);
  expect(bench.sent('CopyRequest')).toEqual([]);
  bench.passes(RETRY_MS);
  expect(bench.sent('CopyRequest')).toMatchObject([{ from: 1 }]);
});

test('a copy that was moved away goes with metadata in which it is, and nothing is promised of it meanwhile', () => {
  const bench = new Bench();
  const { replicas } = bench.dataPlane;
  bench.learn({});
  bench.replicate(0, 3, 3);
  bench.sync();
  bench.appliedIndex = 9;
  bench.learn({ state: 'sealed', count: 3, replicas: [OTHER, THIRD] }, {});
  expect(replicas.holdsReleased).toBe(true);
  bench.dataPlane.metadataKept(8 as LogIndex);
  expect(bench.readable).toBe(3);
  bench.letters.length = 0;
  bench.hear(THIRD, 'PromiseRequest', { epoch: 7 as Epoch });
  bench.dataPlane.metadataKept(9 as LogIndex);
  expect(bench.readable).toBe(0);
  bench.hear(THIRD, 'PromiseRequest', { epoch: 7 as Epoch });
  bench.sync();
  expect(bench.sent('Promise')).toEqual([]);
  expect([...replicas.all()]).toEqual([]);
});

test('a copy comes back to where it was only when the earlier one has gone from the disk', () => {
  const bench = new Bench();
  bench.learn({});
  bench.replicate(0, 3, 3);
  bench.sync();
  bench.appliedIndex = 8;
  bench.learn({ state: 'sealed', count: 3, replicas: [OTHER, THIRD] }, {});
  bench.dataPlane.metadataKept(8 as LogIndex);
  comingTo(bench);
  expect(bench.sent('CopyRequest')).toEqual([]);
  bench.sync();
  bench.passes(RETRY_MS);
  expect(bench.sent('CopyRequest')).toMatchObject([{ from: 0 }]);
});

test('a copy is no stray to a node that has gone back to before it was begun', () => {
  const bench = new Bench();
  comingTo(bench);
  bench.hear(OTHER, 'Copy', { epoch: 0 as Epoch, from: 0, records: records(0, 3) });
  bench.sync();
  bench.appliedIndex = 8;
  bench.learn({ ...COMING, move: undefined }, {});
  bench.dataPlane.metadataKept(8 as LogIndex);
  bench.sync();
  expect(bench.readable).toBe(3);
  bench.appliedIndex = 10;
  bench.learn(
    { ...COMING, replicas: [OTHER, { ...SELF, node: 4 as NodeId }], move: undefined },
    {},
  );
  bench.dataPlane.metadataKept(10 as LogIndex);
  bench.sync();
  expect(bench.readable).toBe(0);
});

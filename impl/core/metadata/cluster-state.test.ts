import fc from 'fast-check';
import { expect, test } from 'vitest';
import type {
  BootId,
  Epoch,
  Incarnation,
  LogIndex,
  NodeId,
  Offset,
  SegmentId,
  TopicId,
} from '../ids.ts';
import { ClusterState } from './cluster-state.ts';
import { type Command, decodeProposal, encodeProposal } from './commands.ts';
import { NO_POLICY } from './policy.ts';

const node = (id: number): NodeId => id as NodeId;

function register(id: number, boot = id * 10): Command {
  return {
    kind: 'RegisterNode',
    node: node(id),
    boot: boot as BootId,
    incarnation: (id * 100) as Incarnation,
    raftAddress: `r${id}`,
    clientAddress: `c${id}`,
  };
}

const create = (name: string, owner: number): Command => ({
  kind: 'CreateTopic',
  policy: NO_POLICY,
  name,
  owner: node(owner),
  replicas: [node(3), node(1), node(2)],
});
const seal = (topic: TopicId, segment: number, epoch: number, count: number): Command => ({
  kind: 'SealSegment',
  topic,
  segment: segment as SegmentId,
  epoch: epoch as Epoch,
  count,
  bytes: 0,
  atMs: 0,
  nextOwner: node(2),
  nextReplicas: [node(1), node(2), node(3)],
});
const fence = (topic: TopicId, segment: number, epoch: number, recoverer: number): Command => ({
  kind: 'FenceSegment',
  topic,
  segment: segment as SegmentId,
  expectedEpoch: epoch as Epoch,
  recoverer: node(recoverer),
});

const trim = (topic: TopicId, expectedStart: number, start: number): Command => ({
  kind: 'TrimTopic',
  topic,
  expectedStart: expectedStart as Offset,
  start: start as Offset,
});

const remove = (topic: TopicId): Command => ({ kind: 'DeleteTopic', topic });

/** A state after these commands, from index 1 on. */
function after(...commands: (Command | null)[]): ClusterState {
  const state = new ClusterState();
  for (const command of commands) apply(state, command);
  return state;
}

function apply(state: ClusterState, command: Command | null) {
  return state.applyCommand((state.appliedIndex + 1) as LogIndex, command);
}

const three = [register(1), register(2), register(3)];
/** Topics that the fourth and the fifth command create. */
const t = 4 as TopicId;
const u = 5 as TopicId;

test('a topic opens with a grant that names index, boot and disks', () => {
  const state = after(...three, create('t', 1));
  expect(state.currentSegment(t)).toEqual({
    id: 1,
    state: 'open',
    epoch: 4,
    owner: 1,
    boot: 10,
    replicas: [
      { node: 1, incarnation: 100 },
      { node: 2, incarnation: 200 },
      { node: 3, incarnation: 300 },
    ],
    baseOffset: 0,
    count: 0,
    bytes: 0,
    sealedAtMs: 0,
  });
});

test('a topic is created once, and only on nodes that are registered', () => {
  const state = after(register(1), register(2));
  expect(apply(state, create('t', 1))).toEqual({ applied: false, reason: 'UnknownNode' });
  apply(state, register(3));
  expect(apply(state, create('t', 1))).toEqual({ applied: true });
  expect(apply(state, create('t', 2))).toEqual({ applied: false, reason: 'Exists' });
  expect(state.topicNamed('t')!.segments[0]!.owner).toBe(1);
});

test('a rollover seals the segment that it names, once', () => {
  const state = after(...three, create('t', 1), seal(t, 1, 4, 10));
  expect(state.segment(t, 1 as SegmentId)).toMatchObject({ state: 'sealed', count: 10 });
  expect(state.currentSegment(t)).toMatchObject({ id: 2, epoch: 5, owner: 2, baseOffset: 10 });
  expect(apply(state, seal(t, 1, 4, 11))).toEqual({ applied: false, reason: 'Stale' });
  expect(apply(state, seal(t, 2, 4, 11))).toEqual({ applied: false, reason: 'Stale' });
  expect(state.topic(t)!.segments).toHaveLength(2);
});

test('a fence takes the segment away: what the old epoch proposes is stale', () => {
  const state = after(...three, create('t', 1), fence(t, 1, 4, 3));
  expect(state.currentSegment(t)).toMatchObject({
    state: 'fenced',
    epoch: 5,
    owner: 3,
    boot: 30,
  });
  expect(apply(state, seal(t, 1, 4, 7))).toEqual({ applied: false, reason: 'Stale' });
  expect(apply(state, seal(t, 1, 5, 6))).toEqual({ applied: true });
  expect(state.segment(t, 1 as SegmentId)!.count).toBe(6);
});

test('of two recoverers the later one seals', () => {
  const state = after(...three, create('t', 1), fence(t, 1, 4, 3), fence(t, 1, 5, 2));
  expect(apply(state, seal(t, 1, 5, 6))).toEqual({ applied: false, reason: 'Stale' });
  expect(apply(state, seal(t, 1, 6, 6))).toEqual({ applied: true });
});

test('a cursor moves only from where it is expected', () => {
  const move = (expected: number, next: number): Command => ({
    kind: 'AdvanceCursor',
    topic: t,
    group: 'g',
    expected: expected as Offset,
    next: next as Offset,
  });
  const state = after(...three, create('t', 1), move(0, 3));
  expect(apply(state, move(0, 1))).toEqual({ applied: false, reason: 'Stale' });
  expect(state.cursor(t, 'g')).toBe(3);
  expect(state.cursor(t, 'other')).toBe(0);
  expect(apply(state, { ...move(0, 1), topic: u } as Command)).toEqual({
    applied: false,
    reason: 'UnknownTopic',
  });
});

test('a replaced disk takes its place in a sealed segment, never in an open one', () => {
  const restore = (segment: number): Command => ({
    kind: 'RestoreReplica',
    topic: t,
    segment: segment as SegmentId,
    node: node(2),
    incarnation: 999 as Incarnation,
  });
  const state = after(...three, create('t', 1), seal(t, 1, 4, 10));
  expect(apply(state, restore(2))).toEqual({ applied: false, reason: 'Stale' });
  expect(apply(state, restore(1))).toEqual({ applied: false, reason: 'Stale' });
  apply(state, { ...register(2), incarnation: 999 as Incarnation } as Command);
  expect(apply(state, restore(1))).toEqual({ applied: true });
  expect(state.segment(t, 1 as SegmentId)!.replicas[1]).toEqual({ node: 2, incarnation: 999 });
});

const begin = (to: number, from = 2): Command => ({
  kind: 'BeginMove',
  topic: t5,
  segment: 1 as SegmentId,
  from: node(from),
  to: node(to),
});
const ofMove = (kind: 'MoveReplica' | 'CancelMove', epoch: number): Command => ({
  kind,
  topic: t5,
  segment: 1 as SegmentId,
  epoch: epoch as Epoch,
});
/** The topic that the fifth command creates. */
const t5 = 5 as TopicId;
/** Four nodes, three of which have copies of segment 1, which the sixth command sealed. */
const sealedOnThree = () => after(...three, register(4), create('t', 1), seal(t5, 1, 5, 10));
const copies = (state: ClusterState) =>
  state.segment(t5, 1 as SegmentId)!.replicas.map((each) => each.node);

test('a copy that is being made counts only once it is whole, and takes the place of one other', () => {
  const state = sealedOnThree();
  expect(apply(state, begin(4))).toEqual({ applied: true });
  expect(copies(state)).toEqual([1, 2, 3]);
  expect(state.isStray(t5, 1 as SegmentId, node(4))).toBe(false);
  const { move } = state.segment(t5, 1 as SegmentId)!;
  expect(move).toEqual({ from: 2, to: { node: 4, incarnation: 400 }, epoch: 7 });
  expect(apply(state, ofMove('MoveReplica', 7))).toEqual({ applied: true });
  expect(copies(state)).toEqual([1, 3, 4]);
  expect(state.isStray(t5, 1 as SegmentId, node(2))).toBe(true);
  expect(apply(state, ofMove('MoveReplica', 7))).toEqual({ applied: false, reason: 'Stale' });
});

test('a move expects a sealed segment, a copy where it goes from, none where it goes to, and no other move', () => {
  const state = sealedOnThree();
  const stale = { applied: false, reason: 'Stale' };
  expect(apply(state, { ...begin(4), segment: 2 as SegmentId } as Command)).toEqual(stale);
  expect(apply(state, begin(3))).toEqual(stale);
  expect(apply(state, begin(4, 4))).toEqual(stale);
  expect(apply(state, begin(5))).toEqual({ applied: false, reason: 'UnknownNode' });
  expect(apply(state, begin(4))).toEqual({ applied: true });
  expect(apply(state, begin(4, 3))).toEqual(stale);
});

test('what is said of a move that was given up, or of a disk that was replaced since, comes to nothing', () => {
  const state = sealedOnThree();
  apply(state, begin(4));
  expect(apply(state, ofMove('CancelMove', 6))).toEqual({ applied: false, reason: 'Stale' });
  expect(apply(state, ofMove('CancelMove', 7))).toEqual({ applied: true });
  apply(state, begin(4));
  expect(apply(state, ofMove('MoveReplica', 7))).toEqual({ applied: false, reason: 'Stale' });
  const { epoch } = state.segment(t5, 1 as SegmentId)!.move!;
  apply(state, { ...register(4), incarnation: 999 as Incarnation } as Command);
  expect(apply(state, ofMove('MoveReplica', epoch))).toEqual({ applied: false, reason: 'Stale' });
  expect(copies(state)).toEqual([1, 2, 3]);
});

const leave = (id: number): Command => ({
  kind: 'RemoveNode',
  node: node(id),
  incarnation: (id * 100) as Incarnation,
});
const drain = (id: number, isDraining = true): Command => ({
  kind: 'DrainNode',
  node: node(id),
  incarnation: (id * 100) as Incarnation,
  isDraining,
});

test('a disk is removed for ever: it counts for nothing, and is not registered again; another one under its number is', () => {
  const state = sealedOnThree();
  expect(apply(state, leave(2))).toEqual({ applied: true });
  expect(state.isPresent({ node: node(2), incarnation: 200 as Incarnation })).toBe(false);
  expect(apply(state, register(2, 21))).toEqual({ applied: false, reason: 'Stale' });
  expect(apply(state, create('u', 2))).toEqual({ applied: false, reason: 'UnknownNode' });
  expect(apply(state, fence(t5, 2, 6, 2))).toEqual({ applied: false, reason: 'UnknownNode' });
  expect(apply(state, leave(2))).toEqual({ applied: false, reason: 'Stale' });
  expect(apply(state, { ...register(2), incarnation: 999 as Incarnation } as Command)).toEqual({
    applied: true,
  });
  expect(state.node(node(2))!.state).toBe('active');
});

test('no disk is removed as long as too few of the copies of something are on others', () => {
  const last = { applied: false, reason: 'LastCopy' };
  const state = sealedOnThree();
  expect(apply(state, leave(2))).toEqual({ applied: true });
  expect(apply(state, leave(3))).toEqual(last);
  apply(state, begin(4));
  const { epoch } = state.segment(t5, 1 as SegmentId)!.move!;
  apply(state, ofMove('MoveReplica', epoch));
  // Its open segment is still on the three that it was granted to.
  expect(apply(state, leave(3))).toEqual(last);
  apply(state, {
    ...seal(t5, 2, 6, 5),
    nextOwner: node(1),
    nextReplicas: [node(1), node(3), node(4)],
  } as Command);
  apply(state, { ...begin(4), segment: 2 as SegmentId } as Command);
  const { epoch: next } = state.segment(t5, 2 as SegmentId)!.move!;
  apply(state, { ...ofMove('MoveReplica', next), segment: 2 as SegmentId } as Command);
  expect(apply(state, leave(3))).toEqual({ applied: true });
  expect(apply(state, leave(9))).toEqual({ applied: false, reason: 'UnknownNode' });
});

test('a node is drained and stays as it is said, until it comes with another disk; the last one is not', () => {
  const state = after(register(1), register(2));
  expect(apply(state, drain(1))).toEqual({ applied: true });
  expect(apply(state, drain(1))).toEqual({ applied: false, reason: 'Stale' });
  expect(apply(state, drain(2))).toEqual({ applied: false, reason: 'LastCopy' });
  apply(state, register(1, 11));
  expect(state.node(node(1))!.state).toBe('draining');
  const again = ClusterState.restore(state.snapshot());
  expect(again.node(node(1))).toEqual(state.node(node(1)));
  expect(apply(state, drain(1, false))).toEqual({ applied: true });
  apply(state, drain(1));
  apply(state, { ...register(1), incarnation: 999 as Incarnation } as Command);
  expect(state.node(node(1))!.state).toBe('active');
});

test('an offset is found in the segment that can hold it, past empty ones', () => {
  const state = after(
    ...three,
    create('t', 1),
    seal(t, 1, 4, 10),
    seal(t, 2, 5, 0),
    seal(t, 3, 6, 5),
  );
  const at = (offset: number) => state.segmentAt(t, offset as Offset)!.id;
  expect([0, 9, 10, 14, 15, 99].map(at)).toEqual([1, 1, 3, 3, 4, 4]);
});

const topics = fc.integer({ min: 4, max: 12 }) as fc.Arbitrary<TopicId>;
const commands = fc.array(
  fc.oneof(
    fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(50)).map(([id, boot]) => register(id, boot)),
    fc
      .tuple(fc.constantFrom('a', 'b/ä', ''), fc.integer({ min: 1, max: 3 }))
      .map(([name, owner]) => create(name, owner)),
    fc
      .tuple(topics, fc.integer({ min: 1, max: 4 }), fc.nat(30), fc.nat(9))
      .map(([topic, segment, epoch, count]) => seal(topic, segment, epoch, count)),
    fc
      .tuple(topics, fc.integer({ min: 1, max: 4 }), fc.nat(30), fc.integer({ min: 1, max: 3 }))
      .map(([topic, segment, epoch, recoverer]) => fence(topic, segment, epoch, recoverer)),
    topics.map(remove),
    fc.tuple(topics, fc.nat(20), fc.nat(40)).map(([topic, from, to]) => trim(topic, from, to)),
    fc.constant(null),
  ),
  { maxLength: 40 },
);

test('a snapshot is the whole state: it goes on as the original does, byte for byte', () => {
  fc.assert(
    fc.property(commands, commands, (before, then) => {
      const original = after(...three, ...before);
      const restored = ClusterState.restore(original.snapshot());
      for (const command of then) {
        expect(apply(restored, command)).toEqual(apply(original, command));
      }
      expect(restored.snapshot()).toEqual(original.snapshot());
    }),
  );
});

test('epochs of a topic rise, and only its last segment is not sealed', () => {
  fc.assert(
    fc.property(commands, (list) => {
      const state = after(...three, ...list);
      for (const [id, { name, segments }] of state.topics) {
        expect(state.topicNamed(name)!.id).toBe(id);
        for (let i = 1; i < segments.length; i++) {
          expect(segments[i]!.epoch).toBeGreaterThan(segments[i - 1]!.epoch);
          expect(segments[i]!.baseOffset).toBe(
            segments[i - 1]!.baseOffset + segments[i - 1]!.count,
          );
          expect(segments[i - 1]!.state).toBe('sealed');
        }
        expect(segments.at(-1)!.state).not.toBe('sealed');
      }
    }),
  );
});

test('a proposal survives its bytes', () => {
  fc.assert(
    fc.property(commands, (list) => {
      for (const command of list) {
        if (command === null) continue;
        const proposal = { origin: { node: node(2), boot: 7 as BootId, sequence: 3 }, command };
        expect(decodeProposal(encodeProposal(proposal))).toEqual(proposal);
      }
    }),
  );
});

test('it is known what each life holds, and what waits to be recovered', () => {
  const state = after(...three, create('t', 1), create('u', 1), fence(u, 1, 5, 2));
  const held = () =>
    Object.fromEntries([...state.holders()].map(({ boot, topics }) => [boot, [...topics]]));
  expect(held()).toEqual({ 10: [t], 20: [u] });
  expect([...state.fenced]).toEqual([u]);
  apply(state, register(1, 11));
  expect(held()).toEqual({ 10: [t], 20: [u] });
  apply(state, seal(u, 1, 6, 3));
  apply(state, seal(t, 1, 4, 3));
  expect(held()).toEqual({ 20: [u, t] });
  expect([...state.fenced]).toEqual([]);
  const restored = ClusterState.restore(state.snapshot());
  expect([...restored.holders()].map(({ node, topics }) => [node, topics.size])).toEqual([[2, 2]]);
});

test('a segment that ends without a record leaves nothing behind but its number', () => {
  const state = after(...three, create('t', 1), seal(t, 1, 4, 0), seal(t, 2, 5, 7));
  expect(
    state.topic(t)!.segments.map(({ id, baseOffset, count }) => [id, baseOffset, count]),
  ).toEqual([
    [2, 0, 7],
    [3, 7, 0],
  ]);
  expect(state.segment(t, 1 as SegmentId)).toBeUndefined();
  expect(state.segment(t, 2 as SegmentId)?.count).toBe(7);
  expect(state.segmentAt(t, 0 as Offset)?.id).toBe(2);
  expect(state.segmentAt(t, 7 as Offset)?.id).toBe(3);
  const gone = [1, 2, 3, 4].map((id) => state.isGone(t, id as SegmentId));
  expect(gone).toEqual([true, false, false, false]);
  expect(state.isGone(99 as TopicId, 1 as SegmentId)).toBe(false);
});

test('an idle topic is no larger after a thousand restarts of its owner', () => {
  const state = after(...three, create('t', 1));
  for (let i = 0; i < 128; i++) apply(state, null);
  const sizeBytes = state.snapshot().length;
  for (let life = 1; life <= 1000; life++) {
    const { id, epoch, owner } = state.currentSegment(t)!;
    apply(state, register(owner, 10 * owner + (life % 5)));
    apply(state, fence(t, id, epoch, owner));
    apply(state, seal(t, id, state.appliedIndex, 0));
  }
  expect(state.topic(t)!.segments).toHaveLength(1);
  expect(state.currentSegment(t)).toMatchObject({ id: 1001, state: 'open', baseOffset: 0 });
  // Its numbers have become longer.
  expect(state.snapshot().length).toBeLessThan(sizeBytes + 8);
});

test('a topic that is to be deleted ends with its segment, and nothing is kept of it', () => {
  const state = after(...three, create('t', 1), seal(t, 1, 4, 10), remove(t));
  expect(state.topic(t)).toMatchObject({ isDeleting: true });
  expect(apply(state, remove(t))).toEqual({ applied: false, reason: 'Deleting' });
  expect(apply(state, create('t', 1))).toEqual({ applied: false, reason: 'Deleting' });
  expect(apply(state, seal(t, 2, 4, 3))).toEqual({ applied: false, reason: 'Stale' });
  expect(apply(state, seal(t, 2, 5, 3))).toMatchObject({ applied: true, ended: { id: t } });
  expect(state.topic(t)).toBeUndefined();
  expect(state.topicNamed('t')).toBeUndefined();
  expect([...state.holders()]).toEqual([]);
  for (const id of [1, 2, 3]) expect(state.isGone(t, id as SegmentId)).toBe(true);
  expect(apply(state, remove(t))).toEqual({ applied: false, reason: 'UnknownTopic' });
});

test('a topic that has the name of a deleted one has nothing of it', () => {
  const move: Command = {
    kind: 'AdvanceCursor',
    topic: t,
    group: 'g',
    expected: 0 as Offset,
    next: 3 as Offset,
  };
  const state = after(...three, create('t', 1), remove(t), fence(t, 1, 4, 2), seal(t, 1, 6, 3));
  apply(state, create('t', 2));
  const again = state.topicNamed('t')!;
  expect(again).toMatchObject({ id: 8, isDeleting: false });
  expect(again.segments).toMatchObject([{ id: 1, epoch: 8, baseOffset: 0, count: 0 }]);
  for (const late of [move, seal(t, 1, 4, 3), fence(t, 1, 4, 3), remove(t)]) {
    expect(apply(state, late)).toEqual({ applied: false, reason: 'UnknownTopic' });
  }
  expect(state.topicNamed('t')).toBe(again);
});

test('a topic forgets whole sealed segments at its front, and cursors move up to what is left', () => {
  const move = (group: string, expected: number, next: number): Command => ({
    kind: 'AdvanceCursor',
    topic: t,
    group,
    expected: expected as Offset,
    next: next as Offset,
  });
  const state = after(
    ...three,
    create('t', 1),
    seal(t, 1, 4, 3),
    seal(t, 2, 5, 4),
    seal(t, 3, 6, 0),
  );
  apply(state, move('slow', 0, 1));
  apply(state, move('quick', 0, 6));
  const stale = { applied: false, reason: 'Stale' };
  // In the midst of a segment, in the midst of the open one, behind it, from another beginning, not forward.
  for (const [from, to] of [
    [0, 2],
    [0, 8],
    [0, 9],
    [1, 3],
    [0, 0],
  ] as const) {
    expect(apply(state, trim(t, from, to))).toEqual(stale);
  }
  const restore: Command = {
    kind: 'RestoreReplica',
    topic: t,
    segment: 1 as SegmentId,
    node: node(1),
    incarnation: 100 as Incarnation,
  };
  expect(apply(state, restore)).toEqual({ applied: true });
  expect(apply(state, trim(t, 0, 3))).toMatchObject({ applied: true, trimmed: { id: t } });
  expect(apply(state, restore)).toEqual(stale);
  expect(apply(state, trim(t, 0, 3))).toEqual(stale);
  expect([state.start(t), state.segmentAt(t, 2 as Offset)]).toEqual([3, undefined]);
  expect(state.segmentAt(t, 3 as Offset)?.id).toBe(2);
  expect(['slow', 'quick', 'new'].map((group) => state.cursor(t, group))).toEqual([3, 6, 3]);
  expect([1, 2, 3, 4].map((id) => state.isGone(t, id as SegmentId))).toEqual([
    true,
    false,
    true,
    false,
  ]);
  expect(ClusterState.restore(state.snapshot()).snapshot()).toEqual(state.snapshot());
  // All that is sealed: the open segment, which is empty, is where the topic begins.
  expect(apply(state, trim(t, 3, 7))).toMatchObject({ applied: true });
  expect([state.start(t), state.topic(t)!.segments.length]).toEqual([7, 1]);
  expect(apply(state, move('new', 3, 8))).toEqual(stale);
  expect(apply(state, move('new', 7, 8))).toEqual({ applied: true });
  expect(apply(state, trim(99 as TopicId, 0, 3))).toEqual({
    applied: false,
    reason: 'UnknownTopic',
  });
});

test('a policy is set with the topic, and changed by who knows the last one', () => {
  const set = (expected: number, retentionBytes: number): Command => ({
    kind: 'SetTopicPolicy',
    topic: t,
    expected: expected as LogIndex,
    policy: { ...NO_POLICY, retentionBytes },
  });
  const state = after(...three, create('t', 1));
  expect(state.topic(t)).toMatchObject({ policy: NO_POLICY, policyIndex: 4 });
  expect(apply(state, set(4, 100))).toEqual({ applied: true });
  expect(apply(state, set(4, 200))).toEqual({ applied: false, reason: 'Stale' });
  expect(state.topic(t)).toMatchObject({ policy: { retentionBytes: 100 }, policyIndex: 5 });
  expect(ClusterState.restore(state.snapshot()).topic(t)).toEqual(state.topic(t));
});

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
} from '../impl/core/ids.ts';
import type { Command } from '../impl/core/metadata/commands.ts';
import { NO_POLICY } from '../impl/core/metadata/policy.ts';
import {
  AckedIsDurableInv,
  CursorBoundsInv,
  DeletedStaysDeletedInv,
  DomainConsistencyInv,
  NoWritesPastOpenInv,
  SealedExactInv,
  SequentialOrderInv,
  SingleWriterInv,
  TrimmedPrefixInv,
} from './invariants.ts';
import { Record, type SegmentRecord } from './record.ts';
import type { ClusterStateView, TopicView } from './views.ts';

const node = (id: number): NodeId => id as NodeId;
/** The index of its creation. */
const TOPIC = 4 as TopicId;

/** Three registered nodes and a topic on all of them, owned by node 1 under epoch 4. */
function world(): { record: Record; segment: SegmentRecord; apply: (command: Command) => boolean } {
  const record = new Record();
  let index = 0;
  const apply = (command: Command): boolean => record.metadata.apply(++index as LogIndex, command);
  for (const id of [1, 2, 3]) {
    record.incarnations.set(node(id), (id * 100) as Incarnation);
    apply({
      kind: 'RegisterNode',
      node: node(id),
      boot: (id * 10) as BootId,
      incarnation: (id * 100) as Incarnation,
      raftAddress: '',
      clientAddress: '',
    });
  }
  apply({
    kind: 'CreateTopic',
    policy: NO_POLICY,
    name: 't',
    owner: node(1),
    replicas: [1, 2, 3].map(node),
  });
  return { record, segment: record.segment(TOPIC, 1 as SegmentId), apply };
}

function hold(record: Record, segment: SegmentRecord, id: number, durableEnd: number): void {
  record.copy(segment, node(id)).durableEnd = durableEnd;
}

function seal(count: number): Command {
  return {
    kind: 'SealSegment',
    topic: TOPIC,
    segment: 1 as SegmentId,
    epoch: 4 as Epoch,
    count,
    bytes: 0,
    atMs: 0,
    nextOwner: node(2),
    nextReplicas: [1, 2, 3].map(node),
  };
}

test('AckedIsDurableInv: two of three copies are enough, one is not', () => {
  const { record, segment } = world();
  segment.ackedEnd = 1;
  hold(record, segment, 1, 1);
  expect(() => AckedIsDurableInv(record, segment)).toThrow('durable on 1 and missing on 2');
  hold(record, segment, 2, 1);
  AckedIsDurableInv(record, segment);
});

test('AckedIsDurableInv: a replaced disk can promise nothing, so one copy and one gap are enough', () => {
  const { record, segment } = world();
  segment.ackedEnd = 1;
  hold(record, segment, 1, 1);
  hold(record, segment, 2, 1);
  record.incarnations.set(node(2), 999 as Incarnation);
  AckedIsDurableInv(record, segment);
  record.incarnations.set(node(1), 999 as Incarnation);
  expect(() => AckedIsDurableInv(record, segment)).toThrow('AckedIsDurableInv');
});

test('SealedExactInv: a seal below an acknowledged record, or beyond the last one, is wrong', () => {
  const { record, segment, apply } = world();
  segment.records.push(1, 2, 3);
  for (const id of [1, 2]) hold(record, segment, id, 3);
  segment.ackedEnd = 3;
  apply(seal(3));
  SealedExactInv(record, segment);
  segment.ackedEnd = 4;
  expect(() => SealedExactInv(record, segment)).toThrow('4 are acknowledged');
  segment.ackedEnd = 3;
  segment.records.pop();
  expect(() => SealedExactInv(record, segment)).toThrow('only 2 were appended');
});

test('SealedExactInv: what is sealed is held by a majority', () => {
  const { record, segment, apply } = world();
  segment.records.push(1, 2);
  hold(record, segment, 1, 2);
  apply(seal(2));
  expect(() => SealedExactInv(record, segment)).toThrow('1 replicas hold that');
});

test('SingleWriterInv: only the boot that was granted the epoch may write', () => {
  const { record, segment, apply } = world();
  const writes = (epoch: number, id: number, boot: number): void =>
    SingleWriterInv(record, segment, epoch as Epoch, node(id), boot as BootId);
  writes(4, 1, 10);
  expect(() => writes(4, 1, 11)).toThrow('granted to node 1 (boot 10)');
  expect(() => writes(4, 2, 20)).toThrow('granted to node 1');
  expect(() => writes(5, 1, 10)).toThrow('nobody');
  apply({
    kind: 'FenceSegment',
    topic: TOPIC,
    segment: 1 as SegmentId,
    expectedEpoch: 4 as Epoch,
    recoverer: node(2),
  });
  expect(() => writes(5, 2, 20)).toThrow('recovery');
});

test('NoWritesPastOpenInv: the segment after the open one is not there', () => {
  const { record, segment } = world();
  NoWritesPastOpenInv(record, segment);
  const next = record.segment(TOPIC, 2 as SegmentId);
  expect(() => NoWritesPastOpenInv(record, next)).toThrow('does not exist');
});

test('SequentialOrderInv: another record, or one more, is found', () => {
  const { segment } = world();
  segment.records.push(7, 8, 9);
  const who = (): string => 'node 2';
  SequentialOrderInv(segment, 1, [8, 9], who);
  expect(() => SequentialOrderInv(segment, 1, [9], who)).toThrow('another record 1');
  expect(() => SequentialOrderInv(segment, 2, [9, 9], who)).toThrow('never appended');
});

test('CursorBoundsInv: a cursor stops at the high watermark', () => {
  const { record, segment } = world();
  segment.highWatermark = 2;
  const model = record.metadata.topics.get(TOPIC)!;
  CursorBoundsInv(record, TOPIC, model, 2 as Offset);
  expect(() => CursorBoundsInv(record, TOPIC, model, 3 as Offset)).toThrow('its end is 2');
});

test('DomainConsistencyInv: a gap, a second open segment and an unknown owner are found', () => {
  const first = {
    id: 1 as SegmentId,
    state: 'sealed' as const,
    epoch: 4 as Epoch,
    owner: node(1),
    boot: 10 as BootId,
    replicas: [],
    baseOffset: 0 as Offset,
    count: 3,
  };
  const second = { ...first, id: 2 as SegmentId, epoch: 5 as Epoch, baseOffset: 3 as Offset };
  const open = { ...second, state: 'open' as const };
  const state = { nodes: new Map([[node(1), {}]]) } as unknown as ClusterStateView;
  const check = (...segments: TopicView['segments']): void =>
    DomainConsistencyInv(state, { id: TOPIC, name: 't', segments, cursors: new Map() });
  check(first, open);
  expect(() => check(first, second)).toThrow('is sealed');
  expect(() => check({ ...first, state: 'open' }, open)).toThrow('is open');
  expect(() => check(first, { ...open, baseOffset: 4 as Offset })).toThrow('begins at 4');
  expect(() => check(first, { ...open, epoch: 4 as Epoch })).toThrow('epoch');
  expect(() => check(first, { ...open, owner: node(9) })).toThrow('not registered');
  expect(() => check()).toThrow('no segment');
});

test('DeletedStaysDeletedInv: nothing of a topic is older than the topic', () => {
  const { segment } = world();
  DeletedStaysDeletedInv(segment, 0 as Epoch);
  DeletedStaysDeletedInv(segment, 4 as Epoch);
  expect(() => DeletedStaysDeletedInv(segment, 3 as Epoch)).toThrow(
    'before there was such a topic',
  );
});

test('of a topic that was deleted nobody has to hold anything, and no more than its end was acknowledged', () => {
  const { record, segment, apply } = world();
  segment.records.push(1, 2, 3);
  segment.ackedEnd = 2;
  apply({ kind: 'DeleteTopic', topic: TOPIC });
  expect(() => AckedIsDurableInv(record, segment)).toThrow('durable on 0');
  apply(seal(2));
  expect(record.isEnded(segment)).toBe(true);
  AckedIsDurableInv(record, segment);
  SealedExactInv(record, segment);
  segment.ackedEnd = 3;
  expect(() => SealedExactInv(record, segment)).toThrow('3 are acknowledged');
});

test('TrimmedPrefixInv: a topic begins where it was asked to, at a whole segment, and no cursor is before that', () => {
  const { record, apply } = world();
  apply(seal(3));
  const model = record.metadata.topics.get(TOPIC)!;
  const check = (baseOffset: number, cursor: number): void => {
    const segments = [{ baseOffset }] as unknown as TopicView['segments'];
    const cursors = new Map([['g', cursor as Offset]]);
    TrimmedPrefixInv(model, { id: TOPIC, name: 't', segments, cursors });
  };
  const trim = { kind: 'TrimTopic', topic: TOPIC, expectedStart: 0 as Offset } as const;
  check(0, 0);
  expect(() => check(3, 3)).toThrow('was trimmed up to 0');
  expect(apply({ ...trim, start: 2 as Offset })).toBe(false);
  expect(apply({ ...trim, start: 3 as Offset })).toBe(true);
  check(3, 3);
  expect(() => check(3, 2)).toThrow('before the beginning at 3');
  expect(() => check(0, 3)).toThrow('was trimmed up to 3');
});

test('of a segment that was trimmed nobody has to hold anything', () => {
  const { record, segment, apply } = world();
  segment.records.push(1, 2);
  segment.ackedEnd = 2;
  apply(seal(2));
  expect(() => AckedIsDurableInv(record, segment)).toThrow('durable on 0');
  expect(() => SealedExactInv(record, segment)).toThrow('sealed at 2');
  const restore: Command = {
    kind: 'RestoreReplica',
    topic: TOPIC,
    segment: 1 as SegmentId,
    node: node(1),
    incarnation: 100 as Incarnation,
  };
  expect(apply(restore)).toBe(true);
  apply({ kind: 'TrimTopic', topic: TOPIC, expectedStart: 0 as Offset, start: 2 as Offset });
  expect(apply(restore)).toBe(false);
  AckedIsDurableInv(record, segment);
  SealedExactInv(record, segment);
});

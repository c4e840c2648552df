import { beforeEach, expect, test } from 'vitest';
import { type BootId, type Incarnation, type LogIndex, nodeId, segmentId } from '../core/ids.ts';
import { ClusterState } from '../core/metadata/cluster-state.ts';
import type { Command } from '../core/metadata/commands.ts';
import { NO_POLICY } from '../core/metadata/policy.ts';
import type { Notice } from './notices.ts';
import { Ownership } from './ownership.ts';

const MAX = 10;
const ALL = [1, 2, 3].map(nodeId);

let cluster: ClusterState;
let nowMs: number;
let full: Set<number>;
let told: Notice[];
/** As node 2 sees it. */
let ownership: Ownership;

beforeEach(() => {
  cluster = ClusterState.bootstrap();
  nowMs = 0;
  full = new Set();
  told = [];
  ownership = new Ownership({
    config: { id: nodeId(2), maxSegmentEntries: MAX },
    boot: 20 as BootId,
    cluster,
    nowMs: () => nowMs,
    hasRoom: (node) => !full.has(node),
    notice: (notice) => told.push(notice),
  });
  for (const node of ALL) register(node, node * 10);
});

function apply(command: Command): void {
  const before = 'topic' in command ? cluster.currentSegment(command.topic) : undefined;
  const index = (cluster.appliedIndex + 1) as LogIndex;
  expect(cluster.applyCommand(index, command)).toMatchObject({ applied: true });
  ownership.applied(command, before, undefined);
}

function register(node: number, boot: number, incarnation = node): void {
  apply({
    kind: 'RegisterNode',
    node: nodeId(node),
    boot: boot as BootId,
    incarnation: incarnation as Incarnation,
    raftAddress: '',
    clientAddress: '',
  });
}

function create(owner: number, replicas = ALL): void {
  apply({ kind: 'CreateTopic', policy: NO_POLICY, name: 't', owner: nodeId(owner), replicas });
}

function seal(count: number, nextOwner: number): void {
  const topic = cluster.topicNamed('t')!.id;
  const { id: segment, epoch } = cluster.currentSegment(topic)!;
  const owner = nodeId(nextOwner);
  apply({
    kind: 'SealSegment',
    topic,
    segment,
    epoch,
    count,
    bytes: 0,
    atMs: 0,
    nextOwner: owner,
    nextReplicas: ALL,
  });
}

function fence(recoverer: number): void {
  const topic = cluster.topicNamed('t')!.id;
  const { id: segment, epoch: expectedEpoch } = cluster.currentSegment(topic)!;
  apply({ kind: 'FenceSegment', topic, segment, expectedEpoch, recoverer: nodeId(recoverer) });
}

const changed = (
  before: number | undefined,
  reason: string,
  segment = 2,
  tookMs?: number,
): object => ({
  kind: 'OwnerChanged',
  topic: 't',
  segment: segmentId(segment),
  before,
  reason,
  tookMs,
});

test('a new topic is told of by its owner', () => {
  create(2);
  expect(told).toEqual([changed(undefined, 'created', 1)]);
});

test('the owner of another node is for that one to tell', () => {
  create(1);
  seal(MAX, 3);
  expect(told).toEqual([]);
});

test('what was granted to an earlier life was told by it', () => {
  register(2, 19);
  create(2);
  expect(told).toEqual([]);
});

test('a full segment is a rollover, one that is not a handover', () => {
  create(1);
  seal(MAX, 2);
  seal(3, 1);
  seal(3, 2);
  expect(told).toEqual([changed(1, 'rollover'), changed(1, 'handover', 4)]);
});

test('an owner, or a replica, without room', () => {
  create(1);
  full.add(3);
  seal(3, 2);
  expect(told).toEqual([changed(1, 'full disk')]);
});

test('a cluster that has grown, and a disk that was replaced', () => {
  create(1, ALL.slice(0, 2));
  seal(3, 2);
  expect(told).toEqual([changed(1, 'more copies')]);
  register(3, 31, 33);
  seal(3, 2);
  expect(told.slice(1)).toEqual([changed(2, 'more copies', 3)]);
});

test('a failover names the owner that is gone, however many recoverers tried', () => {
  create(1);
  nowMs = 1000;
  fence(3);
  nowMs = 1500;
  fence(2);
  nowMs = 1800;
  seal(3, 2);
  expect(told).toEqual([changed(1, 'failover', 2, 800)]);
});

test('a topic that ends has no owner to tell of, whoever ends it', () => {
  const remove = (): void => apply({ kind: 'DeleteTopic', topic: cluster.topicNamed('t')!.id });
  create(2);
  remove();
  seal(3, 2);
  create(2);
  remove();
  fence(2);
  seal(3, 2);
  expect(cluster.topicNamed('t')).toBeUndefined();
  expect(told).toEqual([changed(undefined, 'created', 1), changed(undefined, 'created', 1)]);
});

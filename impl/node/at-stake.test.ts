import { expect, test } from 'vitest';
import type { TopicId } from '../core/ids.ts';
import {
  type BootId,
  type Epoch,
  type Incarnation,
  type LogIndex,
  type NodeId,
  nodeId,
  type SegmentId,
} from '../core/ids.ts';
import { ClusterState } from '../core/metadata/cluster-state.ts';
import type { Command } from '../core/metadata/commands.ts';
import { NO_POLICY } from '../core/metadata/policy.ts';
import type { Membership } from '../core/raft/membership.ts';
import { atStake } from './at-stake.ts';

const disk = (node: number, incarnation = node * 10): Incarnation =>
  (incarnation + node) as Incarnation;
const [one, two, three] = [1, 2, 3].map(nodeId) as [NodeId, NodeId, NodeId];
const all = (): boolean => true;
const membership: Membership = [one, two, three].map((id) => {
  return { id, incarnation: disk(id), address: '', learner: false };
});

function register(node: NodeId, incarnation = disk(node)): Command {
  const boot = incarnation as number as BootId;
  return { kind: 'RegisterNode', node, boot, incarnation, raftAddress: '', clientAddress: '' };
}

function create(name: string, replicas: readonly NodeId[]): Command {
  return { kind: 'CreateTopic', policy: NO_POLICY, name, owner: replicas[0]!, replicas };
}

function cluster(...commands: readonly Command[]): ClusterState {
  const state = ClusterState.bootstrap();
  const log = [register(one), register(two), register(three), ...commands];
  for (const [i, command] of log.entries()) {
    expect(state.applyCommand((i + 2) as LogIndex, command).applied).toBe(true);
  }
  return state;
}

const stakeOf = (state: ClusterState, live: (node: NodeId) => boolean = all): string | undefined =>
  atStake(one, disk(one), state, membership, live);

test('with all others well, nothing is', () => {
  expect(stakeOf(cluster(create('t', [one, two, three])))).toBeUndefined();
  expect(stakeOf(cluster(create('t', [one, two])))).toBeUndefined();
});

test('the voters that are left have to be a majority of what is left', () => {
  expect(stakeOf(cluster(), (node) => node !== three)).toMatch('of the other voters');
  const alone = membership.slice(0, 1);
  expect(atStake(one, disk(one), cluster(), alone, all)).toMatch('of the other voters');
});

test('what is on this disk alone, or on disks that are silent, is at stake', () => {
  const state = cluster(create('alone', [one]), create('t', [one, two, three]));
  expect(stakeOf(state)).toBe('it may have the last copy of segments: 1 of topic "alone"');
  const five = [4, 5].map(nodeId);
  const wide = [...membership, ...five.map((id) => ({ ...membership[0]!, id }))];
  expect(atStake(one, disk(one), state, wide, (node) => node !== three)).toBe(
    'it may have the last copy of segments: 1 of topic "alone", 1 of topic "t"',
  );
});

test('a disk that was replaced holds nothing of what was granted to the one before', () => {
  const state = cluster(create('t', [one, two, three]), register(two, disk(two, 99)));
  expect(stakeOf(state)).toMatch('1 of topic "t"');
});

test('what is not granted to this disk does not matter', () => {
  const seal: Command = {
    kind: 'SealSegment',
    topic: 5 as TopicId,
    segment: 1 as SegmentId,
    epoch: 5 as Epoch,
    count: 3,
    bytes: 0,
    atMs: 0,
    nextOwner: two,
    nextReplicas: [two, three],
  };
  expect(stakeOf(cluster(create('t', [two]), seal))).toBeUndefined();
});

import { expect, test } from 'vitest';
import { member } from '../../properties/raft-cluster.ts';
import type { BootId, Incarnation, LogIndex, NodeId } from '../core/ids.ts';
import { nodeId } from '../core/ids.ts';
import { ClusterState } from '../core/metadata/cluster-state.ts';
import type { Membership } from '../core/raft/membership.ts';
import { Placement } from './placement.ts';

/** A metadata state in which these nodes are registered, each with its disk. */
function registered(disks: Readonly<Record<number, number>>): ClusterState {
  const cluster = new ClusterState();
  for (const [id, incarnation] of Object.entries(disks)) {
    cluster.applyCommand((cluster.appliedIndex + 1) as LogIndex, {
      kind: 'RegisterNode',
      node: nodeId(Number(id)),
      boot: 7 as BootId,
      incarnation: incarnation as Incarnation,
      raftAddress: '',
      clientAddress: '',
    });
  }
  return cluster;
}

const ALL = registered({ 1: 1, 2: 2, 3: 3, 4: 4 });
const FOUR: Membership = [1, 2, 3, 4].map((id) => member(id));

function placementOf(
  given: { membership?: Membership; cluster?: ClusterState; dead?: number[]; full?: number[] } = {},
): Placement {
  const { membership = FOUR, cluster = ALL, dead = [], full = [] } = given;
  return new Placement({
    config: { id: nodeId(1), replicationFactor: 3 },
    raft: { membership },
    cluster,
    stays: (node) => !dead.includes(node),
    hasRoom: (node) => !full.includes(node),
  });
}

const next = (placement: Placement, after: number) => placement.next(after as NodeId);

test('a segment goes to the next node, and its replicas to those that follow', () => {
  expect(next(placementOf(), 1)).toEqual({ owner: 2, replicas: [2, 3, 4] });
  expect(next(placementOf(), 4)).toEqual({ owner: 1, replicas: [1, 2, 3] });
});

test('dead nodes come last, and full ones before them', () => {
  expect(next(placementOf({ dead: [2] }), 1)).toEqual({ owner: 3, replicas: [1, 3, 4] });
  expect(next(placementOf({ full: [2] }), 1)).toEqual({ owner: 3, replicas: [1, 3, 4] });
  const few = placementOf({ dead: [2], full: [3] });
  expect(next(few, 1)).toEqual({ owner: 4, replicas: [1, 3, 4] });
});

test('nothing is granted to a learner, to a disk that is not registered, or to one that was replaced', () => {
  const membership = [member(1), member(2), member(3, true), member(4)];
  const cluster = registered({ 1: 1, 3: 3, 4: 44 });
  expect(placementOf({ membership, cluster }).holders()).toEqual([1]);
});

test('a node that knows of no registration takes the segment itself', () => {
  expect(placementOf({ cluster: new ClusterState() }).holders()).toEqual([1]);
});

test('topics begin on different nodes, the same topic always on the same', () => {
  const names = Array.from({ length: 40 }, (_, i) => `topic-${i}`);
  const owners = names.map((name) => placementOf().first(name).owner);
  expect(new Set(owners).size).toBe(4);
  expect(names.map((name) => placementOf().first(name).owner)).toEqual(owners);
});

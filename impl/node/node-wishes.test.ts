import { expect, test } from 'vitest';
import type { NodeWish } from '../core/controller/operations.ts';
import {
  type BootId,
  type Epoch,
  type Incarnation,
  type LogIndex,
  type NodeId,
  nodeId,
  type SegmentId,
  type TopicId,
} from '../core/ids.ts';
import { ClusterState } from '../core/metadata/cluster-state.ts';
import type { Command } from '../core/metadata/commands.ts';
import { NO_POLICY } from '../core/metadata/policy.ts';
import { judge } from './node-wishes.ts';
import { Placement } from './placement.ts';

/** So many nodes with a vote each, and a topic on the first three with one sealed segment. */
class World {
  readonly cluster = ClusterState.bootstrap();
  readonly dead = new Set<NodeId>();
  readonly nodes: readonly NodeId[];

  constructor(count: number) {
    this.nodes = Array.from({ length: count }, (_, i) => nodeId(i + 1));
    for (const node of this.nodes) {
      const incarnation = (node * 10) as Incarnation;
      const boot = node as number as BootId;
      const addresses = { raftAddress: '', clientAddress: '' };
      this.apply({ kind: 'RegisterNode', node, boot, incarnation, ...addresses });
    }
    const replicas = this.nodes.slice(0, 3);
    this.apply({
      kind: 'CreateTopic',
      name: 't',
      owner: replicas[0]!,
      replicas,
      policy: NO_POLICY,
    });
    const index = this.cluster.appliedIndex as number;
    this.apply({
      kind: 'SealSegment',
      topic: index as TopicId,
      segment: 1 as SegmentId,
      epoch: index as Epoch,
      count: 5,
      bytes: 5,
      atMs: 0,
      nextOwner: replicas[0]!,
      nextReplicas: replicas,
    });
  }

  apply(command: Command): void {
    const { applied } = this.cluster.applyCommand(
      (this.cluster.appliedIndex + 1) as LogIndex,
      command,
    );
    expect(applied).toBe(true);
  }

  /** What the leader says; nothing if it grants it. */
  says(wish: NodeWish['wish'], node: number): string | undefined {
    const membership = this.nodes.map((id) => {
      return { id, incarnation: (id * 10) as Incarnation, address: '', learner: false };
    });
    const ports = {
      cluster: this.cluster,
      raft: { membership },
      live: (each: NodeId) => !this.dead.has(each),
      stays: () => true,
      hasRoom: () => true,
      config: { id: nodeId(1), replicationFactor: 3 },
    };
    const placement = new Placement(ports);
    const reply = judge({ ...ports, placement }, { node: nodeId(node), wish });
    return reply.kind === 'error' ? `${reply.code}: ${reply.message}` : undefined;
  }
}

test('a node may stop as long as the others vote, take records and have all that there is', () => {
  const world = new World(4);
  expect(world.says('stop', 2)).toBeUndefined();
  expect(world.says('stop', 9)).toBe('UnknownNode: no node 9 is registered');
  world.dead.add(nodeId(3));
  expect(world.says('stop', 4)).toBe('WouldLose: without it no majority of the voters is heard');
  const five = new World(5);
  five.dead.add(nodeId(3));
  expect(five.says('stop', 4)).toBeUndefined();
  expect(five.says('stop', 2)).toBe(
    'WouldLose: without it too few copies are left of segments: 1 of topic "t"',
  );
});

test('a node is drained if there is another one for each copy that it has', () => {
  expect(new World(4).says('drain', 2)).toBeUndefined();
  expect(new World(3).says('drain', 2)).toBe(
    'WouldLose: every other node has a copy already; add one first. Segments: 1 of topic "t"',
  );
});

test('a lost node is removed if the others are a majority and nothing was on it alone', () => {
  const world = new World(4);
  expect(world.says('remove', 2)).toMatch('WouldLose: node 2 lives; drain it first');
  world.dead.add(nodeId(2));
  expect(world.says('remove', 2)).toBeUndefined();
  world.dead.add(nodeId(3));
  expect(world.says('remove', 2)).toBe(
    'WouldLose: it may have the last copy of segments: 2 of topic "t"',
  );
  const three = new World(3);
  for (const id of [2, 3]) three.dead.add(nodeId(id));
  expect(three.says('remove', 2)).toBe('WouldLose: of the other voters no majority is heard');
});

test('a node that drains is removed once it is empty; one that was removed may be again', () => {
  const world = new World(4);
  const [spare] = [nodeId(4)];
  const disk = { node: spare, incarnation: 40 as Incarnation };
  const second = { node: nodeId(2), incarnation: 20 as Incarnation };
  world.apply({ kind: 'DrainNode', ...second, isDraining: true });
  expect(world.says('remove', 2)).toBe(
    'WouldLose: node 2 is not drained yet; it holds segments: 2 of topic "t"',
  );
  world.apply({ kind: 'DrainNode', ...disk, isDraining: true });
  expect(world.says('remove', 4)).toBeUndefined();
  world.apply({ kind: 'RemoveNode', ...disk });
  expect(world.says('remove', 4)).toBeUndefined();
  expect(world.says('drain', 4)).toBe('UnknownNode: node 4 was removed');
});

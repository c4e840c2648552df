import { expect, test } from 'vitest';
import type { BootId, Incarnation, LogIndex, NodeId, TopicId } from '../ids.ts';
import { ClusterState } from '../metadata/cluster-state.ts';
import type { Command } from '../metadata/commands.ts';
import { NO_POLICY } from '../metadata/policy.ts';
import { Supervisor } from './supervisor.ts';

type Fence = Extract<Command, { kind: 'FenceSegment' }>;

const CHECK_MS = 100;
const NODES = [1, 2, 3] as NodeId[];

/** A leader's watch over three nodes and topics that are spread over them. Proposals are applied when the test says so. */
class Watch {
  readonly cluster = new ClusterState();
  readonly dead = new Set<NodeId>();
  proposed: Fence[] = [];
  nowMs = 0;
  readonly supervisor = new Supervisor(
    {
      cluster: () => this.cluster,
      nowMs: () => this.nowMs,
      live: (node) => !this.dead.has(node),
      propose: (command) => this.proposed.push(command as Fence),
    },
    CHECK_MS,
  );

  constructor(topics: number) {
    for (const node of NODES) this.register(node, node);
    for (let i = 0; i < topics; i++) {
      const owner = NODES[i % NODES.length]!;
      this.apply({ kind: 'CreateTopic', policy: NO_POLICY, name: `t${i}`, owner, replicas: NODES });
    }
    this.supervisor.watch(true);
  }

  register(node: NodeId, boot: number, incarnation = node * 10): void {
    this.apply({
      kind: 'RegisterNode',
      node,
      boot: boot as BootId,
      incarnation: incarnation as Incarnation,
      raftAddress: '',
      clientAddress: '',
    });
  }

  apply(command: Command): void {
    this.cluster.applyCommand((this.cluster.appliedIndex + 1) as LogIndex, command);
  }

  /** What the next checks propose. */
  check(checks = 1): Fence[] {
    this.proposed = [];
    for (let i = 0; i < checks; i++) {
      this.nowMs += CHECK_MS;
      this.supervisor.tick(this.nowMs);
    }
    return this.proposed;
  }

  names(fences: readonly Fence[]): string[] {
    return fences.map(({ topic }) => this.cluster.topic(topic)!.name);
  }

  seal(topic: TopicId, nextOwner: NodeId): void {
    const { id: segment, epoch } = this.cluster.currentSegment(topic)!;
    const next = { nextOwner, nextReplicas: NODES };
    this.apply({
      kind: 'SealSegment',
      topic,
      segment,
      epoch,
      count: 1,
      bytes: 1,
      atMs: 0,
      ...next,
    });
  }
}

const [one, two, three] = NODES as [NodeId, NodeId, NodeId];

test('while all owners live nothing is done', () => {
  expect(new Watch(9).check(100)).toEqual([]);
});

test('the segments of a silent node go to the others, by turns', () => {
  const watch = new Watch(9);
  watch.dead.add(two);
  const fences = watch.check();
  expect(watch.names(fences)).toEqual(['t1', 't4', 't7']);
  expect(new Set(fences.map(({ recoverer }) => recoverer))).toEqual(new Set([one, three]));
});

test('a node that came back as another process has lost what the first one owned', () => {
  const watch = new Watch(3);
  watch.register(three, 33);
  expect(watch.names(watch.check())).toEqual(['t2']);
});

test('a fence that the log does not bring back is proposed again, after a while', () => {
  const watch = new Watch(3);
  watch.dead.add(one);
  expect(watch.check()).toHaveLength(1);
  expect(watch.check(4)).toEqual([]);
  expect(watch.check()).toHaveLength(1);
});

test('of thousands of segments a few hundred are recovered at a time, and the next when those are', () => {
  const watch = new Watch(3000);
  for (const node of NODES) watch.register(node, node + 10);
  const first = watch.check();
  expect(first).toHaveLength(512);
  expect(watch.check(4)).toEqual([]);
  for (const fence of first) watch.apply(fence);
  expect(watch.check()).toEqual([]);
  for (const { topic } of first.slice(0, 100)) watch.seal(topic, one);
  expect(watch.check()).toHaveLength(100);
});

test('a recoverer that lives and does not end the segment is replaced by another', () => {
  const watch = new Watch(3);
  watch.dead.add(one);
  const [fence] = watch.check();
  watch.apply(fence!);
  expect(watch.check(50)).toEqual([]);
  const [again] = watch.check(2);
  expect(watch.names([again!])).toEqual(['t0']);
  expect(again!.expectedEpoch).toBe(watch.cluster.appliedIndex);
  expect(again!.recoverer).not.toBe(fence!.recoverer);
});

test('a leader that was elected meanwhile goes on with what is fenced', () => {
  const watch = new Watch(3);
  watch.dead.add(one);
  watch.apply(watch.check()[0]!);
  watch.supervisor.watch(false);
  expect(watch.check(200)).toEqual([]);
  watch.supervisor.watch(true);
  expect(watch.names(watch.check(55))).toEqual(['t0']);
});

test('what no majority can promise anything for is in nobody’s way', () => {
  const watch = new Watch(3000);
  watch.register(one, 1, 11);
  watch.dead.add(two);
  for (const fence of watch.check(2)) watch.apply(fence);
  expect(watch.cluster.fenced.size).toBe(1000);
  expect(watch.check(100)).toEqual([]);
  watch.dead.clear();
  watch.register(three, 33);
  expect(watch.check()).toHaveLength(1512);
});

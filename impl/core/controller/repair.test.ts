import { expect, test } from 'vitest';
import type { BootId, Epoch, Incarnation, LogIndex, NodeId, SegmentId, TopicId } from '../ids.ts';
import { ClusterState } from '../metadata/cluster-state.ts';
import type { Command } from '../metadata/commands.ts';
import { NO_POLICY } from '../metadata/policy.ts';
import { Repair } from './repair.ts';

const REPAIR_AFTER_MS = 10_000;
const NODES = [1, 2, 3, 4] as NodeId[];

/** A leader, four nodes, and topics with one sealed segment each on the first three. Proposals are applied when the test says so. */
class Watch {
  readonly cluster = new ClusterState();
  readonly dead = new Set<number>();
  readonly full = new Set<number>();
  nowMs = 0;
  proposed: Command[] = [];
  readonly repair = new Repair({
    repairAfterMs: REPAIR_AFTER_MS,
    cluster: () => this.cluster,
    nowMs: () => this.nowMs,
    live: (node) => !this.dead.has(node),
    hasRoom: (node) => !this.full.has(node),
    holders: () => NODES,
    propose: (command) => this.proposed.push(command),
  });

  constructor(topics = 1) {
    for (const node of NODES) this.register(node, node * 10);
    const replicas = NODES.slice(0, 3);
    for (let i = 0; i < topics; i++) {
      this.apply({
        kind: 'CreateTopic',
        policy: NO_POLICY,
        name: `t${i}`,
        owner: NODES[0]!,
        replicas,
      });
      const topic = this.cluster.appliedIndex as number as TopicId;
      this.apply({
        kind: 'SealSegment',
        topic,
        segment: 1 as SegmentId,
        epoch: topic as number as Epoch,
        count: 5,
        bytes: 5,
        atMs: 0,
        nextOwner: NODES[0]!,
        nextReplicas: replicas,
      });
    }
    this.repair.watch(true);
  }

  register(node: NodeId, incarnation: number): void {
    this.apply({
      kind: 'RegisterNode',
      node,
      boot: node as number as BootId,
      incarnation: incarnation as Incarnation,
      raftAddress: '',
      clientAddress: '',
    });
  }

  apply(command: Command): void {
    this.cluster.applyCommand((this.cluster.appliedIndex + 1) as LogIndex, command);
  }

  /** What is proposed while so much time passes; the log brings it back at once. */
  passes(ms: number): Command[] {
    const all: Command[] = [];
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; ) {
      this.nowMs += 100;
      this.repair.tick(this.nowMs);
      for (const command of this.proposed.splice(0)) {
        this.apply(command);
        all.push(command);
      }
    }
    return all;
  }
}

test('a copy is made again on another node once its own has been silent for long, not before', () => {
  const watch = new Watch();
  watch.dead.add(2);
  expect(watch.passes(REPAIR_AFTER_MS)).toEqual([]);
  expect(watch.passes(2000)).toMatchObject([{ kind: 'BeginMove', from: 2, to: 4 }]);
  expect(watch.passes(60_000)).toEqual([]);
});

test('a node that comes back in time is never missed, and one that comes back late has its copy left where it is', () => {
  const watch = new Watch();
  watch.dead.add(2);
  watch.passes(REPAIR_AFTER_MS - 1000);
  watch.dead.delete(2);
  watch.passes(1000);
  watch.dead.add(2);
  expect(watch.passes(REPAIR_AFTER_MS)).toEqual([]);
  expect(watch.passes(2000)).toHaveLength(1);
  watch.dead.delete(2);
  expect(watch.passes(1000)).toMatchObject([{ kind: 'CancelMove' }]);
  expect(watch.passes(60_000)).toEqual([]);
});

test('a move to a node that falls silent, or comes with another disk, is given up', () => {
  for (const harm of [
    (watch: Watch) => watch.dead.add(4),
    (watch: Watch) => watch.register(NODES[3]!, 41),
  ]) {
    const watch = new Watch();
    watch.dead.add(2);
    expect(watch.passes(REPAIR_AFTER_MS + 1000)).toHaveLength(1);
    harm(watch);
    expect(watch.passes(2000)[0]).toMatchObject({ kind: 'CancelMove' });
  }
});

test('whoever leads next goes on with what was begun', () => {
  const watch = new Watch();
  watch.dead.add(2);
  watch.passes(REPAIR_AFTER_MS + 1000);
  watch.repair.watch(false);
  expect(watch.passes(1000)).toEqual([]);
  watch.dead.delete(2);
  watch.repair.watch(true);
  expect(watch.passes(1000)).toMatchObject([{ kind: 'CancelMove' }]);
});

test('a few copies are made at a time, and none where there is no room', () => {
  const watch = new Watch(100);
  watch.dead.add(2);
  const begun = watch.passes(60_000);
  expect(begun).toHaveLength(16);
  expect(begun.every((command) => command.kind === 'BeginMove')).toBe(true);

  const full = new Watch();
  full.dead.add(2);
  full.full.add(4);
  expect(full.passes(60_000)).toEqual([]);
});

test('of a segment without a copy that is heard none can be made', () => {
  const watch = new Watch();
  for (const node of [1, 2, 3]) watch.dead.add(node);
  expect(watch.passes(60_000)).toEqual([]);
});

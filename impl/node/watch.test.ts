import { beforeEach, expect, test } from 'vitest';
import { type Incarnation, type LogIndex, nodeId } from '../core/ids.ts';
import type { Notice } from './notices.ts';
import { Watch, type WatchPorts } from './watch.ts';

const member = (id: number, learner = false, incarnation = id): object => ({
  id,
  incarnation,
  learner,
  address: `node-${id}:6000`,
});

let raft: {
  role: string;
  term: number;
  leader: number;
  leaderContactMs: number;
  membership: object[];
};
let handover: { isUnderWay: boolean };
let incompleteCount: number;
let silent: Set<number>;
let nowMs: number;
let told: Notice[];
let watch: Watch;

beforeEach(() => {
  raft = {
    role: 'follower',
    term: 2,
    leader: 0,
    leaderContactMs: 0,
    membership: [member(1), member(2), member(3)],
  };
  handover = { isUnderWay: false };
  incompleteCount = 0;
  silent = new Set();
  nowMs = 10_000;
  told = [];
  watch = new Watch({
    config: { id: nodeId(1), failoverMs: 1000 },
    raft,
    handover,
    dataPlane: {
      replicas: {
        get incompleteCount() {
          return incompleteCount;
        },
      },
    },
    nowMs: () => nowMs,
    live: (node: number) => !silent.has(node),
    notice: (notice: Notice) => told.push(notice),
  } as unknown as WatchPorts);
});

/** Lets time pass as a node does, and gives what was told meanwhile. */
function pass(ms: number): Notice[] {
  told = [];
  for (const endMs = nowMs + ms; nowMs < endMs; nowMs += 250) {
    watch.follow();
    watch.tick(nowMs);
  }
  return told;
}

test('an election is told by who was elected, with the time without a leader', () => {
  Object.assign(raft, { leader: 2, leaderContactMs: 9_900 });
  expect(pass(1000)).toEqual([]);
  Object.assign(raft, { role: 'candidate', leader: 0, term: 3 });
  expect(pass(500)).toEqual([]);
  Object.assign(raft, { role: 'leader', leader: 1 });
  expect(pass(1000)).toEqual([{ kind: 'LeaderElected', term: 3, before: 2, leaderlessMs: 1600 }]);
});

test.each([
  ['no majority', {}, false],
  ['another term', { term: 4 }, false],
  ['handed over', { term: 4 }, true],
])('leadership that ends: %s', (reason, change, isUnderWay) => {
  Object.assign(raft, { role: 'leader', leader: 1, term: 3 });
  pass(500);
  handover.isUnderWay = isUnderWay;
  Object.assign(raft, { role: 'follower', leader: 0, ...change });
  expect(pass(1000)).toEqual([{ kind: 'LeaderLost', term: raft.term, reason }]);
});

test('a quorum is lost and found once each', () => {
  silent = new Set([2]);
  expect(pass(1000)).toEqual([]);
  silent = new Set([2, 3]);
  expect(pass(2000)).toEqual([{ kind: 'QuorumLost', voters: 3, silent: [2, 3] }]);
  silent = new Set([3]);
  expect(pass(1000)).toEqual([{ kind: 'QuorumFound', lostForMs: 2000 }]);
});

test('whoever learns that it votes tells of no lost quorum before the others had time to be heard', () => {
  raft.membership = [member(2)];
  silent = new Set([2, 3]);
  pass(1000);
  raft.membership = [member(1), member(2), member(3)];
  expect(pass(1000)).toEqual([]);
  silent = new Set([3]);
  expect(pass(2000)).toEqual([]);
  raft.membership = [member(1), member(2), member(3), member(4)];
  silent = new Set([2, 3]);
  expect(pass(2000)).toEqual([{ kind: 'QuorumLost', voters: 4, silent: [2, 3] }]);
});

test('only the leader tells who is silent, and who is heard again', () => {
  silent = new Set([3]);
  expect(pass(1000)).toEqual([]);
  Object.assign(raft, { role: 'leader', leader: 1 });
  expect(pass(2000).slice(1)).toEqual([{ kind: 'NodeSuspected', node: 3 }]);
  silent.clear();
  expect(pass(1000)).toEqual([{ kind: 'NodeHeard', node: 3, silentForMs: 2000 }]);
});

test('the leader tells who comes and goes; a node that was just let in is not blamed for silence', () => {
  Object.assign(raft, { role: 'leader', leader: 1 });
  pass(250);
  silent.add(4);
  raft.membership = [...raft.membership, member(4, true)];
  expect(pass(2000)).toEqual([{ kind: 'NodeAdmitted', node: 4, address: 'node-4:6000' }]);
  silent.clear();
  raft.membership = [...raft.membership.slice(0, 3), member(4)];
  expect(pass(1000)).toEqual([{ kind: 'NodeJoined', node: 4 }]);
  silent.add(4);
  expect(pass(1000)).toEqual([{ kind: 'NodeSuspected', node: 4 }]);
  raft.membership = raft.membership.slice(0, 3);
  expect(pass(1000)).toEqual([{ kind: 'NodeLeft', node: 4 }]);
});

test('who is refused again and again is told of once, until the reason is another', () => {
  for (let i = 0; i < 5; i++) watch.joinRefused(nodeId(5), 7 as Incarnation, 'another disk');
  watch.joinRefused(nodeId(5), 7 as Incarnation, 'it lives');
  expect(told).toEqual([
    { kind: 'NodeRefused', node: 5, reason: 'another disk' },
    { kind: 'NodeRefused', node: 5, reason: 'it lives' },
  ]);
});

test('a snapshot is told of once for each node, by who leads', () => {
  watch.snapshotInstalled(nodeId(2), 7 as LogIndex);
  Object.assign(raft, { role: 'leader', leader: 1 });
  pass(250);
  told = [];
  for (const index of [7, 7, 9]) watch.snapshotInstalled(nodeId(2), index as LogIndex);
  expect(told).toEqual([
    { kind: 'SnapshotSent', node: 2, index: 7 },
    { kind: 'SnapshotSent', node: 2, index: 9 },
  ]);
});

test('repair is told of if it takes a while', () => {
  incompleteCount = 2;
  expect(pass(500)).toEqual([]);
  incompleteCount = 0;
  expect(pass(500)).toEqual([]);
  incompleteCount = 3;
  expect(pass(3000)).toEqual([{ kind: 'RepairBegun', segments: 3 }]);
  incompleteCount = 0;
  expect(pass(500)).toEqual([{ kind: 'RepairDone', tookMs: 3000 }]);
});

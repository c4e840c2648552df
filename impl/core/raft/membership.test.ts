/** Changes of the membership, one member at a time. Sections are the thesis's (Ongaro, 2014). */
import { expect, test } from 'vitest';
import {
  ELECTION_MS,
  HEARTBEAT_MS,
  member,
  RaftCluster,
} from '../../../properties/raft-cluster.ts';
import { MalformedError } from '../codec.ts';
import { type Incarnation, nodeId, type Term } from '../ids.ts';
import { bootstrap } from './entry.ts';
import {
  changeMembership,
  decodeMembership,
  encodeMembership,
  type MembershipChange,
} from './membership.ts';
import type { RaftMessage } from './messages.ts';
import { Raft } from './raft.ts';

const addLearner = (id: number): MembershipChange => {
  const { incarnation, address } = member(id);
  return { kind: 'addLearner', id: nodeId(id), incarnation, address };
};
const promote = (id: number): MembershipChange => ({ kind: 'promote', id: nodeId(id) });
const remove = (id: number): MembershipChange => ({ kind: 'remove', id: nodeId(id) });

function change(
  cluster: RaftCluster,
  at: number,
  what: MembershipChange,
): ReturnType<Raft['proposeMembership']> {
  return cluster.with(at, (raft) => raft.proposeMembership(what));
}

const beat = (cluster: RaftCluster, leader: number, times = 3): void => {
  for (let i = 0; i < times; i++) {
    cluster.advance(leader, HEARTBEAT_MS);
    cluster.deliver();
  }
};

test('4.2.1: a new member first learns, without a vote, and is promoted when it has caught up', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.join(4);
  cluster.elect(1);
  cluster.propose(1, 'a');
  cluster.deliver();
  expect(change(cluster, 1, addLearner(4))).toMatchObject({ term: 2 });
  expect(change(cluster, 1, promote(4))).toBe('Pending');
  cluster.deliver(({ from, to }) => from !== 4 && to !== 4);
  expect(change(cluster, 1, promote(4))).toBe('NotCaughtUp');

  beat(cluster, 1);
  expect(cluster.applied(4)).toEqual(['a']);
  expect(cluster.raft(4).role).toBe('learner');
  cluster.advance(4, 10 * ELECTION_MS);
  expect(cluster.raft(4).role).toBe('learner');

  beat(cluster, 1);
  expect(change(cluster, 1, promote(4))).toMatchObject({ term: 2 });
  beat(cluster, 1);
  expect(cluster.raft(4).role).toBe('follower');
  expect(cluster.raft(2).membership.map(({ id, learner }) => [id, learner])).toEqual([
    [1, false],
    [2, false],
    [3, false],
    [4, false],
  ]);
});

test('a learner counts in no majority', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.join(4);
  cluster.elect(1);
  change(cluster, 1, addLearner(4));
  beat(cluster, 1, 4);
  cluster.partition([1, 4]);
  cluster.propose(1, 'a');
  cluster.deliver();
  expect(cluster.raft(4).lastIndex).toBe(cluster.raft(1).lastIndex);
  expect(cluster.applied(1)).toEqual([]);
});

test('4.1: a membership is in force as soon as it is in the log, committed or not', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1, 2]);
  change(cluster, 1, remove(3));
  // Two voters are left: the change needs both.
  expect(cluster.raft(1).membership).toHaveLength(2);
  cluster.deliver();
  expect(cluster.raft(2).membership).toHaveLength(2);
  cluster.partition([1]);
  cluster.propose(1, 'a');
  cluster.deliver();
  expect(cluster.applied(1)).toEqual([]);
});

test('4.1: a second change is refused while the first is not committed', () => {
  const cluster = new RaftCluster([1, 2, 3, 4]);
  cluster.elect(1);
  expect(change(cluster, 1, remove(4))).toMatchObject({ term: 2 });
  expect(change(cluster, 1, remove(3))).toBe('Pending');
  cluster.deliver();
  expect(change(cluster, 1, remove(3))).toMatchObject({ term: 2 });
});

test('4.1, corrected in 2015: no change before the leader has committed an entry of its own term', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.advance(1, 2 * ELECTION_MS);
  cluster.deliver(({ message }) => message.kind !== 'AppendEntriesRequest');
  expect(cluster.raft(1).role).toBe('leader');
  expect(change(cluster, 1, remove(3))).toBe('TooEarly');
  cluster.deliver();
  expect(change(cluster, 1, remove(3))).toMatchObject({ term: 2 });
});

test('4.1: a membership that is cut off the log gives way to the one before', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1], [2, 3]);
  change(cluster, 1, remove(3));
  expect(cluster.raft(1).membership).toHaveLength(2);
  cluster.elect(2);
  cluster.heal();
  beat(cluster, 2);
  expect(cluster.raft(1).membership).toHaveLength(3);
  expect(cluster.raft(1).lastIndex).toBe(cluster.raft(2).lastIndex);
});

test('4.2.2: a leader that removes itself leads until that is committed, without counting itself', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  change(cluster, 1, remove(1));
  expect(cluster.raft(1).role).toBe('leader');
  // 2 alone is one of two; 1 does not count.
  cluster.deliver(({ from, to }) => from + to === 3);
  expect(cluster.raft(1).role).toBe('leader');
  expect(cluster.raft(1).commitIndex).toBeLessThan(cluster.raft(1).lastIndex);
  cluster.deliver(({ from, to }) => from + to === 4);
  expect(cluster.raft(1).role).toBe('learner');
  cluster.deliver();
  // It is told nothing more, stands for nothing, and the others go on.
  cluster.advance(1, 10 * ELECTION_MS);
  cluster.deliver();
  expect(cluster.raft(1).role).toBe('learner');
  cluster.elect(2);
  cluster.propose(2, 'without 1');
  cluster.deliver();
  expect(cluster.applied(3)).toEqual(['without 1']);
  expect(cluster.applied(1)).toEqual([]);
});

test('4.2.2: a server that is not in its own latest membership still stands, if others need its log', () => {
  const cluster = new RaftCluster([1, 2]);
  cluster.elect(1);
  // 1 has its own removal, durably; 2 has not. Nobody but 1 can be elected: its log is longer.
  cluster.partition([1]);
  change(cluster, 1, remove(1));
  cluster.crash(1);
  cluster.restart(1);
  cluster.heal();
  cluster.elect(2);
  expect(cluster.raft(2).role).not.toBe('leader');
  cluster.elect(1);
  beat(cluster, 1);
  expect(cluster.raft(1).role).toBe('learner');
  expect(cluster.raft(2).membership).toHaveLength(1);
  cluster.elect(2);
  expect(cluster.raft(2).role).toBe('leader');
  expect(cluster.raft(2).commitIndex).toBe(cluster.raft(2).lastIndex);
});

test('a cluster grows from one to three and shrinks to one again', () => {
  const cluster = new RaftCluster([1]);
  cluster.elect(1);
  for (const id of [2, 3]) {
    cluster.join(id);
    expect(change(cluster, 1, addLearner(id))).toMatchObject({ term: 2 });
    beat(cluster, 1, 6);
    expect(change(cluster, 1, promote(id))).toMatchObject({ term: 2 });
    beat(cluster, 1);
  }
  cluster.elect(3);
  expect(cluster.raft(3).role).toBe('leader');
  for (const id of [1, 2]) {
    expect(change(cluster, 3, remove(id))).toMatchObject({ term: 3 });
    beat(cluster, 3);
  }
  cluster.partition([3]);
  cluster.propose(3, 'alone');
  expect(cluster.applied(3)).toEqual(['alone']);
  expect(change(cluster, 3, remove(3))).toBe('LastVoter');
});

test('the membership survives compaction, and reaches a new member in a snapshot', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  change(cluster, 1, remove(3));
  cluster.deliver();
  cluster.propose(1, 'a');
  cluster.deliver();
  cluster.compact(1);
  cluster.crash(1);
  cluster.restart(1);
  expect(cluster.raft(1).membership.map(({ id }) => id)).toEqual([1, 2]);
  cluster.elect(1);
  cluster.join(4);
  change(cluster, 1, addLearner(4));
  beat(cluster, 1, 6);
  expect(cluster.raft(4).membership.map(({ id }) => id)).toEqual([1, 2, 4]);
  expect(cluster.applied(4)).toEqual(['a']);
});

/** Node `id` of three, on the disk `incarnation`, after a silence that makes a voter stand for election. */
function afterSilence(id: number, incarnation: number): Raft {
  const options = {
    id: nodeId(id),
    incarnation: incarnation as Incarnation,
    random: { below: () => 0 },
    electionTimeoutMs: ELECTION_MS,
    heartbeatMs: HEARTBEAT_MS,
    maxEntryBytesPerMessage: 1024,
    maxInflightMessages: 4,
    snapshotChunkBytes: 8,
  };
  const founders = [1, 2, 3].map((each) => member(each));
  const raft = new Raft(options, bootstrap(founders, new Uint8Array(0)), 0);
  raft.tick(ELECTION_MS);
  return raft;
}

test('a disk that took the place of another has neither its vote nor its place', () => {
  expect(afterSilence(3, 3).role).toBe('precandidate');
  expect(afterSilence(3, 3).self).toEqual(member(3));
  expect(afterSilence(3, 33).role).toBe('learner');
  expect(afterSilence(3, 33).self).toBeUndefined();
});

test('a vote of a disk that took the place of another counts for nothing', () => {
  const raft = afterSilence(1, 1);
  const vote: RaftMessage = {
    kind: 'RequestVoteResponse',
    term: (raft.term + 1) as Term,
    preVote: true,
    granted: true,
  };
  raft.step({ id: nodeId(2), incarnation: 22 as Incarnation }, vote, ELECTION_MS);
  expect(raft.role).toBe('precandidate');
  raft.step(member(2), vote, ELECTION_MS);
  expect(raft.role).toBe('candidate');
});

test('changes that make no sense are refused by name', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  expect(change(cluster, 2, remove(3))).toBe('NotLeader');
  expect(change(cluster, 1, addLearner(3))).toBe('Exists');
  expect(change(cluster, 1, promote(3))).toBe('Exists');
  expect(change(cluster, 1, promote(9))).toBe('Unknown');
  expect(change(cluster, 1, remove(9))).toBe('Unknown');
  const learner = { ...member(2), learner: true };
  expect(changeMembership([member(1), learner], remove(1))).toBe('LastVoter');
});

test('a membership comes back as it was written, and disorder is malformed', () => {
  const membership = [member(1), { ...member(5, true), incarnation: (2 ** 52 + 1) as Incarnation }];
  expect(decodeMembership(encodeMembership(membership))).toEqual(membership);
  expect(() => decodeMembership(encodeMembership([...membership].reverse()))).toThrow(
    MalformedError,
  );
});

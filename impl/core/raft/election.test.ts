/** Elections, told as stories. Sections are the thesis's (Ongaro, 2014). */
import { expect, test } from 'vitest';
import {
  ELECTION_MS,
  HEARTBEAT_MS,
  type Packet,
  RaftCluster,
} from '../../../properties/raft-cluster.ts';
import { nodeId, type Term } from '../ids.ts';

const roles = (cluster: RaftCluster): string[] => cluster.ids.map((id) => cluster.raft(id).role);
const isPreVote = ({ message }: Packet): boolean => 'preVote' in message && message.preVote;
const kindIs =
  (kind: Packet['message']['kind']) =>
  ({ message }: Packet): boolean =>
    message.kind === kind;

test('3.4: a follower that hears nothing for an election timeout becomes leader by a majority', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.advance(1, 2 * ELECTION_MS - 2);
  expect(cluster.raft(1).role).toBe('follower');
  cluster.advance(1, 1);
  expect(cluster.raft(1).role).toBe('precandidate');
  cluster.deliver();
  expect(roles(cluster)).toEqual(['leader', 'follower', 'follower']);
  expect(cluster.ids.map((id) => cluster.raft(id).leader)).toEqual([1, 1, 1]);
  expect(cluster.ids.map((id) => cluster.raft(id).term)).toEqual([2, 2, 2]);
});

test('3.4: a follower stays one as long as it hears from its leader', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  for (let ms = 0; ms < 10 * ELECTION_MS; ms += HEARTBEAT_MS) {
    cluster.advanceAll(HEARTBEAT_MS);
    cluster.deliver();
  }
  expect(roles(cluster)).toEqual(['leader', 'follower', 'follower']);
  expect(cluster.raft(1).term).toBe(2);
});

test('3.4: a split vote elects nobody, and the next timeout tries again in a higher term', () => {
  const cluster = new RaftCluster([1, 2, 3, 4]);
  // 1 and 2 stand at the same time: each has a majority of pre-votes before anybody votes.
  cluster.advance(1, 2 * ELECTION_MS);
  cluster.advance(2, 2 * ELECTION_MS);
  cluster.deliver(isPreVote);
  expect(roles(cluster)).toEqual(['candidate', 'candidate', 'follower', 'follower']);

  // The interesting part: 3 votes for 1, 4 for 2.
  cluster.deliver(({ from, to }) => from + to === 4 && from * to === 3);
  cluster.deliver(({ from, to }) => from + to === 6 && from * to === 8);
  cluster.deliver();
  expect(roles(cluster)).toEqual(['candidate', 'candidate', 'follower', 'follower']);
  expect([3, 4].map((id) => cluster.raft(id).vote)).toEqual([1, 2]);

  cluster.advance(2, 2 * ELECTION_MS);
  cluster.deliver();
  expect(roles(cluster)).toEqual(['follower', 'leader', 'follower', 'follower']);
  expect(cluster.raft(2).term).toBe(3);
});

test('3.4: each server votes for at most one candidate in a term, first come, first served', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  const ask = (from: number, term: number): void =>
    cluster.hand({
      from,
      to: 3,
      message: {
        kind: 'RequestVoteRequest',
        term: term as Term,
        preVote: false,
        transfer: false,
        lastIndex: cluster.raft(3).lastIndex,
        lastTerm: 1 as Term,
      },
    });
  ask(1, 7);
  ask(2, 7);
  ask(1, 7);
  const answers = cluster
    .drop()
    .map(({ to, message }) => [to, 'granted' in message && message.granted]);
  expect(answers).toEqual([
    [1, true],
    [2, false],
    [1, true],
  ]);
});

test('3.4, 3.8: a vote is durable before it is given, so a crash in between gives it to nobody twice', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.partition([1, 3]);
  cluster.advance(1, 2 * ELECTION_MS);
  cluster.deliver(isPreVote);
  cluster.slowDisk(3);
  cluster.deliver();
  expect(cluster.raft(3).vote).toBe(1);
  expect(cluster.disk(3).vote).toBe(0);
  // Nothing that tells of the vote has left.
  expect(cluster.drop(({ from }) => from === 3)).toEqual([]);

  cluster.crash(3);
  cluster.restart(3);
  expect(cluster.raft(3).vote).toBe(0);
  expect(cluster.raft(1).role).not.toBe('leader');

  // 3 does not know of its vote any more, and nobody else ever did: it may give it to 2.
  cluster.partition([2, 3]);
  cluster.elect(2);
  expect(cluster.raft(2).role).toBe('leader');
  expect(cluster.disk(3).vote).toBe(2);
});

test('3.8: a vote that was given survives the crash', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.advance(1, 2 * ELECTION_MS);
  cluster.deliver(isPreVote);
  cluster.deliver(kindIs('RequestVoteRequest'));
  cluster.crash(3);
  cluster.restart(3);
  expect(cluster.raft(3).vote).toBe(1);
  expect(cluster.raft(3).term).toBe(2);
});

test('a candidate sends nothing before its own vote is durable', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.slowDisk(1);
  cluster.advance(1, 2 * ELECTION_MS);
  cluster.sync(1);
  cluster.deliver();
  expect(cluster.raft(1).role).toBe('candidate');
  expect(cluster.raft(2).vote).toBe(0);
  cluster.sync(1);
  cluster.deliver();
  expect(cluster.raft(1).role).toBe('leader');
});

test('a cluster of one elects itself once its vote is durable', () => {
  const cluster = new RaftCluster([1]);
  cluster.slowDisk(1);
  cluster.advance(1, 2 * ELECTION_MS);
  expect(cluster.raft(1).role).toBe('candidate');
  cluster.sync(1);
  expect(cluster.raft(1).role).toBe('leader');
  expect(cluster.raft(1).commitIndex).toBe(1);
  cluster.sync(1);
  expect(cluster.raft(1).commitIndex).toBe(2);
});

test('3.6.1: nobody votes for a candidate whose log lacks what it has itself', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1, 2]);
  cluster.propose(1, 'a');
  cluster.deliver();
  expect(cluster.raft(1).commitIndex).toBe(cluster.raft(1).lastIndex);

  // 3 lacks "a": 2 must not help it, but 3 may help 2.
  cluster.partition([2, 3]);
  cluster.elect(3);
  expect(cluster.raft(3).role).not.toBe('leader');
  cluster.elect(2);
  expect(cluster.raft(2).role).toBe('leader');
  expect(cluster.applied(3)).toEqual(['a']);
});

test('3.6.1: the vote itself looks at the log again, for it may have grown since the pre-vote', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  // 2 gives 3 its pre-vote while their logs are equal; the request for the vote is still on its way.
  cluster.advance(2, ELECTION_MS);
  cluster.advance(3, 2 * ELECTION_MS);
  cluster.deliver(isPreVote);
  expect(cluster.raft(3).role).toBe('candidate');
  // Meanwhile the old leader commits an entry with 2.
  cluster.propose(1, 'a');
  cluster.deliver(({ from, to }) => from + to === 3);
  expect(cluster.applied(1)).toEqual(['a']);
  cluster.advance(2, ELECTION_MS);
  cluster.deliver(({ from, to }) => from !== 1 && to !== 1);
  expect(cluster.raft(2).term).toBe(3);
  expect(cluster.raft(2).vote).toBe(0);
  expect(cluster.raft(3).role).toBe('candidate');
});

test('3.3: a leader that hears of a higher term becomes a follower at once', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([2, 3]);
  cluster.elect(2, [3]);
  expect(roles(cluster)).toEqual(['leader', 'leader', 'follower']);
  cluster.heal();
  cluster.advance(2, HEARTBEAT_MS);
  cluster.deliver();
  expect(roles(cluster)).toEqual(['follower', 'leader', 'follower']);
});

test('3.3: a request of an earlier term is refused, and its sender told of the present one', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([2, 3]);
  cluster.elect(2, [3]);
  cluster.heal();
  const before = cluster.terms(2);
  // The old leader speaks first.
  cluster.propose(1, 'stale');
  cluster.advance(1, HEARTBEAT_MS);
  cluster.deliver(({ from, to }) => from === 1 && to === 2);
  cluster.deliver(({ from, to }) => from === 2 && to === 1);
  expect(cluster.raft(1).role).toBe('follower');
  expect(cluster.raft(1).term).toBe(3);
  expect(cluster.terms(2)).toEqual(before);
});

test('votes of an earlier term do not count', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.advance(1, 2 * ELECTION_MS);
  cluster.deliver(({ message }) => !(message.kind === 'RequestVoteResponse' && !message.preVote));
  const old = cluster.drop();
  expect(old).toHaveLength(2);
  // 1 gives up on term 2 and stands in term 3, where nobody has voted for it yet.
  cluster.advance(1, 2 * ELECTION_MS);
  cluster.deliver(isPreVote);
  expect(cluster.raft(1).role).toBe('candidate');
  expect(cluster.raft(1).term).toBe(3);
  for (const packet of old) cluster.hand(packet);
  expect(cluster.raft(1).role).toBe('candidate');
});

test('4.2.3: a stranger or a removed member cannot disturb a leader that is heard', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  for (const to of [1, 2, 3]) {
    for (const preVote of [true, false]) {
      cluster.hand({
        from: 9,
        to,
        message: {
          kind: 'RequestVoteRequest',
          term: 100 as Term,
          preVote,
          transfer: false,
          lastIndex: cluster.raft(1).lastIndex,
          lastTerm: 100 as Term,
        },
      });
    }
  }
  expect(roles(cluster)).toEqual(['leader', 'follower', 'follower']);
  expect(cluster.raft(3).term).toBe(2);
});

test('9.6: a member that was cut off comes back without disturbing anybody', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1, 2]);
  for (let i = 0; i < 20; i++) cluster.advance(3, 2 * ELECTION_MS);
  expect(cluster.raft(3).term).toBe(2);
  cluster.heal();
  cluster.advance(3, 2 * ELECTION_MS);
  cluster.deliver();
  cluster.advance(1, HEARTBEAT_MS);
  cluster.deliver();
  expect(roles(cluster)).toEqual(['leader', 'follower', 'follower']);
  expect(cluster.raft(1).term).toBe(2);
});

test('9.6: whoever gives a pre-vote keeps its term and its vote', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.advance(1, 2 * ELECTION_MS);
  cluster.deliver(({ from }) => from === 1);
  const answers = cluster.drop();
  expect(answers.map(({ message }) => 'granted' in message && message.granted)).toEqual([
    true,
    true,
  ]);
  expect(cluster.raft(2).term).toBe(1);
  expect(cluster.raft(2).vote).toBe(0);
});

test('6.2: a leader that hears no majority for an election timeout steps down', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1], [2, 3]);
  for (let ms = 0; ms < ELECTION_MS - HEARTBEAT_MS; ms += HEARTBEAT_MS) {
    cluster.advance(1, HEARTBEAT_MS);
  }
  expect(cluster.raft(1).role).toBe('leader');
  expect(cluster.nowMs(1) - cluster.raft(1).leaderContactMs).toBe(ELECTION_MS - HEARTBEAT_MS);
  cluster.advance(1, HEARTBEAT_MS);
  expect(cluster.raft(1).role).toBe('follower');
  expect(cluster.raft(1).leader).toBe(0);
  expect(cluster.raft(1).term).toBe(2);
});

test('a leader that hears a bare majority stays', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1, 2]);
  for (let ms = 0; ms < 5 * ELECTION_MS; ms += HEARTBEAT_MS) {
    cluster.advance(1, HEARTBEAT_MS);
    cluster.deliver();
  }
  expect(cluster.raft(1).role).toBe('leader');
  expect(cluster.nowMs(1) - cluster.raft(1).lastHeardMs(nodeId(2))).toBe(0);
  expect(cluster.nowMs(1) - cluster.raft(1).lastHeardMs(nodeId(3))).toBe(5 * ELECTION_MS);
});

test('a member stuck in a higher term brings the leader there instead of staying apart for ever', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  // 3 learns of a higher term from a candidate that then dies.
  cluster.hand({
    from: 2,
    to: 3,
    message: { kind: 'RequestVoteResponse', term: 9 as Term, preVote: false, granted: false },
  });
  expect(cluster.raft(3).term).toBe(9);
  cluster.advance(1, HEARTBEAT_MS);
  cluster.deliver();
  expect(cluster.raft(1).role).toBe('follower');
  cluster.elect(1);
  expect(roles(cluster)).toEqual(['leader', 'follower', 'follower']);
  expect(cluster.raft(3).term).toBe(10);
});

test('3.10: leadership is handed to a member that has the whole log, without waiting for a timeout', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1, 2]);
  cluster.propose(1, 'a');
  cluster.deliver();
  cluster.heal();

  expect(cluster.with(1, (raft) => raft.transferLeadership(nodeId(1)))).toBe(false);
  expect(cluster.with(1, (raft) => raft.transferLeadership(nodeId(3)))).toBe(true);
  expect(cluster.propose(1, 'refused while it is under way')).toBe(false);
  expect(cluster.packets.filter(kindIs('TimeoutNow'))).toEqual([]);
  // 3 lacks "a": it is brought up to date first.
  cluster.advance(1, HEARTBEAT_MS);
  cluster.deliver();
  expect(roles(cluster)).toEqual(['follower', 'follower', 'leader']);
  expect(cluster.applied(3)).toEqual(['a']);
  expect(cluster.raft(3).term).toBe(3);
});

test('3.10: a transfer that does not succeed within an election timeout is given up', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1, 2]);
  expect(cluster.with(1, (raft) => raft.transferLeadership(nodeId(3)))).toBe(true);
  for (let ms = 0; ms < ELECTION_MS; ms += HEARTBEAT_MS) {
    expect(cluster.propose(1, 'not yet')).toBe(false);
    cluster.advance(1, HEARTBEAT_MS);
    cluster.deliver();
  }
  expect(cluster.propose(1, 'again')).toBe(true);
  cluster.deliver();
  expect(cluster.applied(2)).toEqual(['again']);
});

import { expect, test } from 'vitest';
import { type NodeId, nodeId } from '../impl/core/ids.ts';
import type { RaftEvent } from '../impl/core/raft/trace.ts';
import { LeadershipChecker, type LeadershipView } from './leadership.ts';
import { member } from './raft-cluster.ts';

const ELECTION_MS = 100;
const VOTERS = [1, 2, 3].map((id) => member(id));
const LEADER: LeadershipView = { role: 'leader', membership: VOTERS };
const [ONE, TWO] = [nodeId(1), nodeId(2)];

/** An event of node 1, as far as the checker looks at it. */
function event(name: RaftEvent['name'], fields: object = {}): RaftEvent {
  return { name, node: ONE, state: { role: 'follower', term: 5 }, ...fields } as RaftEvent;
}

const hearsLeader = (term = 5): RaftEvent =>
  event('HandleAppendEntriesRequest', { message: { term } });
const preVotes = (granted: boolean, state: object = { role: 'follower', term: 5 }): RaftEvent =>
  event('HandlePreVoteRequest', { state, reply: { granted } });
const heartbeat = (round: number): RaftEvent => event('AppendEntries', { message: { round } });
const answer = (from: NodeId, success: boolean, hintIndex = 9, round = 0): RaftEvent =>
  event('HandleAppendEntriesResponse', {
    from,
    matchIndex: 7,
    message: { kind: 'AppendEntriesResponse', success, hintIndex, round },
  });

test('nobody grants a pre-vote within an election timeout after it heard its leader', () => {
  const checker = new LeadershipChecker(ELECTION_MS);
  checker.traced(hearsLeader(), 1000);
  checker.traced(preVotes(false), 1050);
  expect(() => checker.traced(preVotes(true), 1099)).toThrow('LeaderIsKeptProp');
  checker.traced(preVotes(true), 1100);
  expect(() => checker.traced(preVotes(true, { role: 'leader', term: 5 }), 5000)).toThrow(
    'LeaderIsKeptProp',
  );
});

test('a leader of an earlier term, and one that an earlier life has heard, is nobody to be kept', () => {
  const checker = new LeadershipChecker(ELECTION_MS);
  checker.traced(hearsLeader(), 1000);
  checker.traced(preVotes(true, { role: 'follower', term: 6 }), 1010);
  checker.traced(hearsLeader(4), 1200);
  checker.traced(preVotes(true), 1210);
  checker.traced(hearsLeader(), 1300);
  checker.traced(event('Recover'), 1310);
  checker.traced(preVotes(true), 1320);
});

test('a leader does not stay one when no majority has answered for many election timeouts', () => {
  const checker = new LeadershipChecker(ELECTION_MS);
  checker.traced(event('BecomeLeader'), 0);
  let nowMs = 0;
  const pass = (ms: number): void => {
    for (const endMs = nowMs + ms; nowMs < endMs; nowMs += 10)
      checker.afterInput(ONE, LEADER, nowMs);
  };
  pass(500);
  checker.traced(answer(TWO, true), nowMs);
  pass(590);
  expect(() => pass(20)).toThrow('LeaderIsHeardProp');
});

test('a leader that stood still has the time to see that it is one no more', () => {
  const checker = new LeadershipChecker(ELECTION_MS);
  checker.traced(event('BecomeLeader'), 0);
  checker.afterInput(ONE, LEADER, 150);
  checker.afterInput(ONE, LEADER, 9000);
  checker.afterInput(ONE, { ...LEADER, role: 'follower' }, 9001);
});

test('a follower that answers is not asked for ever for what it refuses', () => {
  const checker = new LeadershipChecker(ELECTION_MS);
  let round = 0;
  const refuse = (times: number, hintIndex?: number): void => {
    for (let i = 0; i < times; i++) {
      checker.traced(heartbeat(++round), i);
      checker.traced(answer(TWO, false, hintIndex, round), i);
    }
  };
  refuse(50);
  checker.traced(answer(TWO, true), 0);
  refuse(50);
  refuse(100, 3);
  refuse(50);
  expect(() => refuse(1)).toThrow('LogsMeetProp');
});

test('what was sent before the first refusal was heard may all be refused', () => {
  const checker = new LeadershipChecker(ELECTION_MS);
  for (let round = 1; round <= 200; round++) checker.traced(heartbeat(round), round);
  for (let round = 1; round <= 200; round++) checker.traced(answer(TWO, false, 9, round), 300);
});

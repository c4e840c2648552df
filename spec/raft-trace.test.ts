/** A number stands for one disk after another, and each disk is a member of its own. */
import { expect, test } from 'vitest';
import type { HostedRaftEvent } from '../impl/core/raft/trace.ts';
import { tellRaft } from './raft-trace.ts';
import { collect, type Projected } from './trace-line.ts';

/** Of node 1 there is one disk; of node 2 there is a second one after the first. */
const FIRST = 21;
const SECOND = 22;

function event(name: string, node: number, incarnation: number, fields: object): HostedRaftEvent {
  const { state, ...rest } = { state: {}, ...fields };
  const before = { term: 1, vote: 0, role: 'follower', leader: 0, snapshotIndex: 1 };
  const log = { snapshotTerm: 1, lastIndex: 1, lastTerm: 1, commitIndex: 1, durableIndex: 1 };
  const told = { name, node, incarnation, state: { ...before, ...log, ...state }, ...rest };
  return told as unknown as HostedRaftEvent;
}

const recover = (node: number, incarnation: number, snapshotIndex: number): HostedRaftEvent => {
  const members = { voters: [{ id: 1, incarnation: 11 }], learners: [] };
  return event('Recover', node, incarnation, { state: { snapshotIndex }, members });
};
const lives = [recover(1, 11, 1), recover(2, FIRST, 1), recover(2, SECOND, 0)];
/** How the spec's members are numbered: founders first. */
const [ONE, TWO, TWO_ANEW] = [1, 2, 3];

const request = {
  kind: 'RequestVoteRequest',
  preVote: false,
  term: 2,
  lastIndex: 1,
  lastTerm: 1,
};
const reply = { kind: 'RequestVoteResponse', preVote: false, term: 2, granted: true };
const asks = (incarnation: number): HostedRaftEvent =>
  event('RequestVote', 2, incarnation, { to: 1, peer: 11, message: request, afterPersist: true });
const votes = (peer: number, vote = 2): HostedRaftEvent =>
  event('HandleRequestVoteRequest', 1, 11, {
    from: 2,
    peer,
    message: request,
    reply,
    afterPersist: true,
    state: { term: 2, vote },
  });

const told = (events: readonly HostedRaftEvent[]): Projected =>
  collect((tell) => tellRaft(events, tell));
const linesOf = (...events: HostedRaftEvent[]) =>
  told([...lives, ...events]).lines.slice(lives.length) as { n: number; s: number[] }[];

test('disks are numbered, not nodes; founders are those that began with the founding snapshot', () => {
  const { lines, sizes } = told(lives);
  expect(lines.map(({ n }) => n)).toEqual([ONE, TWO, TWO_ANEW]);
  expect(sizes).toEqual({ nodes: 3, founders: 2 });
});

test('a membership names disks', () => {
  const voters = [
    { id: 1, incarnation: 11 },
    { id: 2, incarnation: SECOND },
  ];
  const change = { kind: 'promote', id: 2 };
  const members = { voters, learners: [{ id: 2, incarnation: FIRST }] };
  const [line] = linesOf(event('ProposeMembership', 1, 11, { index: 2, change, members }));
  expect(line).toMatchObject({ voters: { set: [ONE, TWO_ANEW] }, learners: { set: [TWO] } });
});

test('a vote belongs to the disk that it was given to, and is told so later', () => {
  const later = event('CheckQuorum', 1, 11, { state: { term: 2, vote: 2 } });
  const [, given, still] = linesOf(asks(SECOND), votes(SECOND), later);
  expect(given).toMatchObject({ x: { from: TWO_ANEW }, y: { from: ONE, to: TWO_ANEW } });
  expect([given!.s[1], still!.s[1]]).toEqual([TWO_ANEW, TWO_ANEW]);
});

test('a vote that is told to be for another number than it was given to is for nobody', () => {
  const [, given] = linesOf(asks(SECOND), votes(SECOND, 3));
  expect(given!.s[1]).toBe(-1);
});

test('what one disk sent, the other one did not', () => {
  const persisted = (incarnation: number): HostedRaftEvent[] =>
    ['Persist', 'PersistCompleted'].map((name) => event(name, 2, incarnation, { number: 1 }));
  const messageOf = (sender: number, heard: number): unknown =>
    linesOf(asks(sender), ...persisted(sender), votes(heard)).at(-1);
  expect(messageOf(FIRST, FIRST)).toMatchObject({ m: 1 });
  expect(messageOf(FIRST, SECOND)).toMatchObject({ m: 0 });
});

test('a compaction that a crash kept from being told is told before what recovers from it', () => {
  const lives = [
    recover(1, 11, 1),
    event('AdvanceCommitIndex', 1, 11, { state: { lastIndex: 6, commitIndex: 5 } }),
    recover(1, 11, 4),
  ];
  const { lines, origins } = told(lives);
  expect(lines.map(({ e }) => e)).toEqual(['Recover', 'AdvanceCommitIndex', 'Compact', 'Recover']);
  expect(lines[2]).toMatchObject({ s: [1, 0, 'follower', 4, 6, 1, 5], durable: 1 });
  expect(origins).toEqual([0, 1, -1, 2]);
});

test("a snapshot of what was not decided is nobody's to tell", () => {
  const lives = [
    recover(1, 11, 1),
    event('AdvanceCommitIndex', 1, 11, { state: { lastIndex: 6, commitIndex: 5 } }),
    recover(1, 11, 6),
  ];
  expect(told(lives).lines).toHaveLength(lives.length);
});

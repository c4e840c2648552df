/** Each invariant is shown a state that breaks it, and names itself. */
import { expect, test } from 'vitest';
import { type LogIndex, type NodeId, nodeId, type Term } from '../impl/core/ids.ts';
import type { Entry } from '../impl/core/raft/entry.ts';
import { RaftChecker, type RaftView } from './raft-invariants.ts';

const entry = (index: number, term: number, byte = 0): Entry => ({
  index: index as LogIndex,
  term: term as Term,
  kind: 'command',
  data: Uint8Array.of(byte),
});

function view(
  role: RaftView['role'],
  term: number,
  entries: readonly Entry[],
  commitIndex = 0,
): RaftView {
  return {
    role,
    term: term as Term,
    commitIndex: commitIndex as LogIndex,
    firstIndex: 1 as LogIndex,
    lastIndex: entries.length as LogIndex,
    entry: (index) => entries[index - 1],
  };
}

function after(...views: readonly (readonly [number, RaftView])[]): () => void {
  const checker = new RaftChecker();
  for (const [node, raft] of views.slice(0, -1)) checker.afterInput(nodeId(node), raft);
  const [node, raft] = views.at(-1)!;
  return () => checker.afterInput(nodeId(node), raft);
}

const a = entry(1, 1);

test('two leaders of one term', () => {
  expect(after([1, view('leader', 2, [])], [2, view('leader', 3, [])])).not.toThrow();
  expect(after([1, view('leader', 2, [])], [2, view('leader', 2, [])])).toThrow(
    'ElectionSafetyInv',
  );
});

test('equal index and term, other bytes or another past', () => {
  expect(
    after([1, view('follower', 1, [a])], [2, view('follower', 1, [entry(1, 1)])]),
  ).not.toThrow();
  expect(after([1, view('follower', 1, [a])], [2, view('follower', 1, [entry(1, 1, 9)])])).toThrow(
    'LogMatchingInv',
  );
  const past = [
    view('follower', 3, [a, entry(2, 3)]),
    view('follower', 3, [entry(1, 2), entry(2, 3)]),
  ];
  expect(after([1, past[0]!], [2, past[1]!])).toThrow('LogMatchingInv');
});

test('a later leader without a committed entry, whichever is seen first', () => {
  const committer = view('leader', 1, [a], 1);
  expect(after([1, committer], [2, view('leader', 2, [])])).toThrow('LeaderCompletenessInv');
  expect(after([2, view('leader', 2, [])], [1, committer])).toThrow('LeaderCompletenessInv');
  expect(after([1, committer], [2, view('leader', 2, [a])])).not.toThrow();
  // A leader of an earlier term that wins late need not have it.
  expect(after([1, view('leader', 3, [a], 1)], [2, view('leader', 2, [])])).not.toThrow();
});

test('two entries committed at one index', () => {
  const other = view('follower', 2, [entry(1, 2)], 1);
  expect(after([1, view('follower', 1, [a], 1)], [2, other])).toThrow('StateMachineSafetyInv');
});

test('a term or a commit index that falls, but for a restart', () => {
  const high = view('follower', 5, [a], 1);
  expect(after([1, high], [1, view('follower', 4, [a], 1)])).toThrow('MonotonicTermProp');
  expect(after([1, high], [1, view('follower', 5, [a], 0)])).toThrow('MonotonicCommitProp');
  const checker = new RaftChecker();
  checker.afterInput(nodeId(1), high);
  checker.crashed(nodeId(1));
  expect(() => checker.restarted(nodeId(1), view('follower', 4, [a], 0))).not.toThrow();
});

test('a vote given twice in a term, over any number of lives', () => {
  const checker = new RaftChecker();
  const give = (to: number): void =>
    checker.sent(nodeId(1), nodeId(to) as NodeId, {
      kind: 'RequestVoteResponse',
      term: 7 as Term,
      preVote: false,
      granted: true,
    });
  give(2);
  checker.crashed(nodeId(1));
  give(2);
  expect(() => give(3)).toThrow('OneVoteInTermProp');
});

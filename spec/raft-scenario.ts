/** The steps of a counterexample of MetadataRaft, as events of `impl/core/raft/trace.ts`. */
import type { RaftStep } from '../sim/scenario-steps.ts';
import { type State, same } from './scenario-state.ts';

/** How the code comes to where a model begins (`Init...` in MCMetadataRaft.tla). */
const PROLOGUES: Readonly<Record<string, readonly RaftStep[]>> = {
  Init: [],
  InitLed: [
    { name: 'Timeout', node: 1, term: 2 },
    { name: 'Persist', node: 1 },
    { name: 'HandleRequestVoteRequest', node: 2, sender: 1, term: 2, granted: true },
    { name: 'Persist', node: 2 },
    { name: 'HandleRequestVoteRequest', node: 3, sender: 1, term: 2, granted: true },
    { name: 'Persist', node: 3 },
    { name: 'HandleRequestVoteResponse', node: 1, sender: 2, term: 2, granted: true },
    { name: 'BecomeLeader', node: 1, term: 2 },
    { name: 'Persist', node: 1 },
    {
      name: 'HandleAppendEntriesRequest',
      node: 2,
      sender: 1,
      term: 2,
      end: 2,
      last: 2,
      commit: 1,
    },
    { name: 'Persist', node: 2 },
    { name: 'HandleAppendEntriesResponse', node: 1, sender: 2, term: 2, match: 2 },
    { name: 'AdvanceCommitIndex', node: 1, term: 2, commit: 2 },
  ],
};

/** The steps that lead from the founding to the first state: the model may begin elsewhere. */
export function raftPrologue(init = '<- Init'): readonly RaftStep[] {
  const steps = PROLOGUES[init.replace('<- ', '')];
  if (steps === undefined) throw new Error(`nobody has said how to come to ${init}`);
  return steps;
}

/** The event of one step; undefined of what the code does together with something else. */
export function raftStepOf(action: string, before: State, after: State): RaftStep | undefined {
  const nodes = Object.keys(after.role).map(Number);
  const node: number =
    nodes.find((n) => OF_NODES.some((name) => !same(before[name][n], after[name][n]))) ??
    after.messages.find((each: State) => !before.messages.some((one: State) => same(one, each)))
      .from;
  const name = action as RaftStep['name'];
  const term: number = after.term?.[node];
  switch (name) {
    // A message that brings a later term is handled at once; what is to be sent, is sent.
    case 'UpdateTerm':
    case 'AppendEntries':
      return undefined;
    case 'Timeout':
    case 'BecomeLeader':
    case 'ClientRequest':
    case 'RequestVote':
    case 'RequestReadIndex':
      return { name, node, term };
    case 'Persist':
    case 'Recover':
      return { name, node };
    case 'HandleRequestVoteRequest': {
      // Only those that grant are in the models.
      return { name, node, sender: after.vote[node], term, granted: true };
    }
    case 'HandleRequestVoteResponse': {
      const sender = after.votes[node].find((n: number) => !before.votes[node].includes(n));
      return { name, node, sender, term, granted: true };
    }
    case 'HandleAppendEntriesRequest': {
      const request = requestOf(before, after, node);
      const end = request.prevIndex + request.entries.length;
      const last = after.log[node].length;
      return { name, node, sender: request.from, term, end, last, commit: after.commit[node] };
    }
    case 'HandleAppendEntriesResponse': {
      const sender = nodes.find((n) => before.match[node][n] !== after.match[node][n])!;
      return { name, node, sender, term, match: after.match[node][sender] };
    }
    case 'AdvanceCommitIndex':
      return { name, node, term, commit: after.commit[node] };
    case 'ProposeMembership':
      return { name, node, term, voters: after.log[node].at(-1).members.voters };
    case 'ConfirmReadIndex':
      return { name, node, term, index: after.served.index };
    default:
      throw new Error(`no step of a scenario for ${action}`);
  }
}

const OF_NODES = 'role term vote log commit votes match reads outbox disk'.split(' ');

/** The request that made of the log, and of the commit index, what they are. */
function requestOf(before: State, after: State, node: number): State {
  const log: unknown[] = before.log[node];
  return before.messages.find(({ type, from, term, prevIndex, entries, commit }: State) => {
    if (type !== 'AppendRequest' || from === node || term !== after.term[node]) return false;
    const end = prevIndex + entries.length;
    const merged = [...log.slice(0, prevIndex), ...entries];
    const isIn = same(log.slice(prevIndex, end), entries);
    const suits = same(after.log[node], merged) || (isIn && same(after.log[node], log));
    return suits && after.commit[node] === Math.max(before.commit[node], Math.min(commit, end));
  });
}

/**
 * Raft's own invariants (thesis, figure 3.2), and what goes with them. `RaftChecker` is told after every input of a
 * node, and compares only what this input may have changed with what it remembers of all nodes, so that a check
 * that finds nothing new costs a few loads.
 *
 * It sees nodes from outside, as `RaftView`: `Raft` is one.
 */

import type { LogIndex, NodeId, Term } from '../impl/core/ids.ts';
import type { Entry } from '../impl/core/raft/entry.ts';
import type { RaftMessage } from '../impl/core/raft/messages.ts';
import type { RaftEvent } from '../impl/core/raft/trace.ts';
import { demand } from './violation.ts';

export interface RaftView {
  readonly role: 'follower' | 'precandidate' | 'candidate' | 'leader' | 'learner';
  readonly term: Term;
  readonly commitIndex: LogIndex;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  entry(index: LogIndex): Entry | undefined;
}

/** A committed entry, and the term of the leader that committed it. */
interface Committed {
  readonly entry: Entry;
  readonly inTerm: Term;
}

/** An entry that was in some log, and the term of the entry before it where that was known. */
interface Sighting {
  readonly entry: Entry;
  previousTerm: Term | undefined;
}

/** What was last seen of one life of one node. */
interface Seen {
  raft: RaftView;
  role: RaftView['role'];
  term: Term;
  commitIndex: LogIndex;
  lastIndex: LogIndex;
  /** [index] is the entry there when last seen. */
  log: Entry[];
}

/** In a term there is at most one leader. */
export function ElectionSafetyInv(term: Term, known: NodeId | undefined, leader: NodeId): void {
  demand(
    known === undefined || known === leader,
    'ElectionSafetyInv',
    () => `nodes ${known} and ${leader} both lead term ${term}`,
  );
}

/**
 * Two logs that hold an entry with the same index and term are equal up to it. It is enough that equal index and term
 * mean the same bytes and the same term just before: the rest follows by induction.
 */
export function LogMatchingInv(node: NodeId, known: Sighting, found: Sighting): void {
  const { index, term } = found.entry;
  demand(
    sameEntry(known.entry, found.entry),
    'LogMatchingInv',
    () => `entry ${index} of term ${term} is another one on node ${node} than elsewhere`,
  );
  demand(
    known.previousTerm === undefined ||
      found.previousTerm === undefined ||
      known.previousTerm === found.previousTerm,
    'LogMatchingInv',
    () =>
      `entry ${index} of term ${term} follows one of term ${found.previousTerm} on node ${node}, ` +
      `one of term ${known.previousTerm} elsewhere`,
  );
}

/** An entry committed in a term is in the log of the leaders of all later terms. */
export function LeaderCompletenessInv(
  leader: NodeId,
  raft: RaftView,
  { entry, inTerm }: Committed,
): void {
  if (raft.term <= inTerm || entry.index < raft.firstIndex) return;
  const own = raft.entry(entry.index);
  demand(
    own !== undefined && sameEntry(own, entry),
    'LeaderCompletenessInv',
    () =>
      `node ${leader} leads term ${raft.term} without entry ${entry.index} of term ${entry.term}, ` +
      `committed in term ${inTerm}`,
  );
}

/** No two nodes ever commit different entries at one index. */
export function StateMachineSafetyInv(node: NodeId, known: Entry, found: Entry): void {
  demand(
    sameEntry(known, found),
    'StateMachineSafetyInv',
    () =>
      `node ${node} commits at ${found.index} an entry of term ${found.term}; ` +
      `one of term ${known.term} is committed elsewhere`,
  );
}

/** A read sees everything that was committed before it was asked for. */
export function ReadIndexInv(leader: NodeId, index: LogIndex, least: LogIndex): void {
  demand(
    index >= least,
    'ReadIndexInv',
    () => `node ${leader} serves a read at ${index}; when it was asked ${least} was committed`,
  );
}

/** While a process lives its term never falls. */
export function MonotonicTermProp(node: NodeId, before: Term, after: Term): void {
  demand(
    after >= before,
    'MonotonicTermProp',
    () => `the term of node ${node} falls from ${before} to ${after}`,
  );
}

/** While a process lives its commit index never moves back. */
export function MonotonicCommitProp(node: NodeId, before: LogIndex, after: LogIndex): void {
  demand(
    after >= before,
    'MonotonicCommitProp',
    () => `the commit index of node ${node} falls from ${before} to ${after}`,
  );
}

/** Over all its lives a node tells at most one candidate in a term that it has its vote. */
export function OneVoteInTermProp(
  voter: NodeId,
  term: Term,
  known: NodeId | undefined,
  candidate: NodeId,
): void {
  demand(
    known === undefined || known === candidate,
    'OneVoteInTermProp',
    () => `node ${voter} gives its vote of term ${term} to nodes ${known} and ${candidate}`,
  );
}

export class RaftChecker {
  /** How often each property was evaluated. */
  readonly evaluations: Map<string, number> = new Map();
  private readonly leaders = new Map<Term, NodeId>();
  /** [index], from whoever committed it first; absent for what was compacted before it was seen. */
  private readonly committed: Committed[] = [];
  /** [index], one for each term that an entry at that index was ever seen with. */
  private readonly sightings: Sighting[][] = [];
  private readonly nodes = new Map<NodeId, Seen>();
  /** By voter, by term. */
  private readonly votes = new Map<NodeId, Map<Term, NodeId>>();
  /** By leader, by the number of the read: what was committed when it was asked for. */
  private readonly reads = new Map<NodeId, Map<number, LogIndex>>();

  /** The highest index known to be committed anywhere. */
  get committedIndex(): LogIndex {
    return Math.max(0, this.committed.length - 1) as LogIndex;
  }

  /** A process began, with what its disk kept: what was only in memory may have gone back. */
  restarted(node: NodeId, raft: RaftView): void {
    this.nodes.delete(node);
    this.afterInput(node, raft);
  }

  crashed(node: NodeId): void {
    this.nodes.delete(node);
    this.reads.delete(node);
  }

  /** Call when a node has handled an input to its end. */
  afterInput(node: NodeId, raft: RaftView): void {
    let seen = this.nodes.get(node);
    if (seen === undefined) {
      seen = {
        raft,
        role: 'follower',
        term: raft.term,
        commitIndex: 0 as LogIndex,
        lastIndex: 0 as LogIndex,
        log: [],
      };
      this.nodes.set(node, seen);
    }
    if (raft.term !== seen.term) {
      this.count('MonotonicTermProp');
      MonotonicTermProp(node, seen.term, raft.term);
    }
    this.compareLog(node, raft, seen);
    if (raft.commitIndex !== seen.commitIndex) this.compareCommitted(node, raft, seen);
    if (raft.role === 'leader' && (seen.role !== 'leader' || seen.term !== raft.term)) {
      this.leaderAppeared(node, raft);
    }
    seen.role = raft.role;
    seen.term = raft.term;
    seen.commitIndex = raft.commitIndex;
  }

  /** Call when a message leaves a node. */
  sent(from: NodeId, to: NodeId, message: RaftMessage): void {
    if (message.kind !== 'RequestVoteResponse' || message.preVote || !message.granted) return;
    let votes = this.votes.get(from);
    if (votes === undefined) {
      votes = new Map();
      this.votes.set(from, votes);
    }
    this.count('OneVoteInTermProp');
    OneVoteInTermProp(from, message.term, votes.get(message.term), to);
    votes.set(message.term, to);
  }

  /** Call with the events of a node before `afterInput`. Reads show nowhere else. */
  traced(event: RaftEvent): void {
    if (event.name === 'RequestReadIndex') {
      let reads = this.reads.get(event.node);
      if (reads === undefined) {
        reads = new Map();
        this.reads.set(event.node, reads);
      }
      reads.set(event.id, this.committedIndex);
    } else if (event.name === 'ConfirmReadIndex') {
      const least = this.reads.get(event.node)?.get(event.id);
      if (least === undefined) return;
      this.count('ReadIndexInv');
      ReadIndexInv(event.node, event.index, least);
    }
  }

  /** A disk is gone with all that was on it, and its node id with it, until it comes back as a new member. */
  diskReplaced(node: NodeId): void {
    this.nodes.delete(node);
    this.votes.delete(node);
  }

  private leaderAppeared(node: NodeId, raft: RaftView): void {
    this.count('ElectionSafetyInv');
    ElectionSafetyInv(raft.term, this.leaders.get(raft.term), node);
    this.leaders.set(raft.term, node);
    for (let index = raft.firstIndex; index < this.committed.length; index++) {
      const committed = this.committed[index];
      if (committed === undefined) continue;
      this.count('LeaderCompletenessInv');
      LeaderCompletenessInv(node, raft, committed);
    }
  }

  /** A log changes only at its end: equal entries there mean that nothing changed. */
  private compareLog(node: NodeId, raft: RaftView, seen: Seen): void {
    const { lastIndex, firstIndex } = raft;
    if (lastIndex === seen.lastIndex && raft.entry(lastIndex) === seen.log[lastIndex]) return;
    demand(
      raft.commitIndex <= lastIndex,
      'StateMachineSafetyInv',
      () =>
        `the log of node ${node} ends at ${lastIndex}; it has committed up to ${raft.commitIndex}`,
    );
    for (let index = lastIndex; index >= firstIndex; index--) {
      const entry = raft.entry(index)!;
      if (seen.log[index] === entry) break;
      seen.log[index] = entry;
      const previousTerm =
        index > firstIndex ? raft.entry((index - 1) as LogIndex)!.term : undefined;
      this.compareSighting(node, { entry, previousTerm });
    }
    seen.lastIndex = lastIndex;
  }

  private compareSighting(node: NodeId, found: Sighting): void {
    const { index, term } = found.entry;
    const known = this.sightings[index]?.find(({ entry }) => entry.term === term);
    this.count('LogMatchingInv');
    if (known === undefined) {
      this.sightings[index] ??= [];
      this.sightings[index].push(found);
      return;
    }
    LogMatchingInv(node, known, found);
    known.previousTerm ??= found.previousTerm;
  }

  private compareCommitted(node: NodeId, raft: RaftView, seen: Seen): void {
    this.count('MonotonicCommitProp');
    MonotonicCommitProp(node, seen.commitIndex, raft.commitIndex);
    const from = Math.max(seen.commitIndex + 1, raft.firstIndex);
    for (let index = from as LogIndex; index <= raft.commitIndex; index++) {
      const entry = raft.entry(index)!;
      const known = this.committed[index];
      this.count('StateMachineSafetyInv');
      if (known === undefined) this.commit({ entry, inTerm: raft.term });
      else StateMachineSafetyInv(node, known.entry, entry);
    }
  }

  private commit(committed: Committed): void {
    this.committed[committed.entry.index] = committed;
    for (const [id, { raft, role }] of this.nodes) {
      if (role !== 'leader' || raft.term <= committed.inTerm) continue;
      this.count('LeaderCompletenessInv');
      LeaderCompletenessInv(id, raft, committed);
    }
  }

  private count(property: string): void {
    this.evaluations.set(property, (this.evaluations.get(property) ?? 0) + 1);
  }
}

function sameEntry(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.term !== b.term || a.kind !== b.kind || a.data.length !== b.data.length) return false;
  return a.data === b.data || a.data.every((byte, i) => byte === b.data[i]);
}

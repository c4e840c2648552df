/**
 * One event per action of `spec/MetadataRaft.tla`, under the action's name, emitted after the state has changed.
 * Each holds all arguments of the action and the acting node's state after it. A message stands in the event of
 * its sender and again, equal, in the event of its receiver. The host adds whose disks they are: `HostedRaftEvent`.
 */
import type { Incarnation, LogIndex, NodeId, Term } from '../ids.ts';
import type { EntryKind } from './entry.ts';
import type { Membership, MembershipChange } from './membership.ts';
import type { RaftMessage } from './messages.ts';

export type Role = 'follower' | 'precandidate' | 'candidate' | 'leader' | 'learner';

/** The acting node after the action. The log is known from the entries that went in; here is where it ends. */
export interface TracedState {
  readonly term: Term;
  readonly vote: NodeId | 0;
  readonly role: Role;
  readonly leader: NodeId | 0;
  readonly snapshotIndex: LogIndex;
  readonly snapshotTerm: Term;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly commitIndex: LogIndex;
  /** Last index of which the node knows that it is durable here. */
  readonly durableIndex: LogIndex;
}

/** An entry without its bytes: index and term identify it. `members` stands in `membership` entries. */
export interface TracedEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly members?: TracedMembers;
}

export interface TracedMembers {
  readonly voters: readonly TracedMember[];
  readonly learners: readonly TracedMember[];
}

/** A member is a disk: the next one under the same number is another member. */
export interface TracedMember {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
}

/** A message without bytes: entries as `TracedEntry`, a snapshot's piece as its length, members without addresses. */
export type TracedMessage = {
  [Kind in RaftMessage['kind']]: {
    readonly [Field in keyof Of<Kind>]: Field extends 'entries'
      ? readonly TracedEntry[]
      : Of<Kind>[Field] extends Membership
        ? TracedMembers
        : Of<Kind>[Field] extends Uint8Array
          ? number
          : Of<Kind>[Field];
  };
}[RaftMessage['kind']];

type Of<Kind extends RaftMessage['kind']> = Extract<RaftMessage, { readonly kind: Kind }>;

interface At {
  readonly node: NodeId;
  readonly state: TracedState;
}
/** The message is put out: it leaves at once, or, `afterPersist`, when all that the node has done so far is durable. */
interface Sends extends At {
  readonly to: NodeId;
  readonly message: TracedMessage;
  readonly afterPersist: boolean;
}
interface Handles extends At {
  readonly from: NodeId;
  readonly message: TracedMessage;
}
interface Answers extends Handles {
  readonly reply: TracedMessage;
  readonly afterPersist: boolean;
}

export type RaftEvent =
  // Elections
  | (At & { readonly name: 'StartPreVote' })
  | (Sends & { readonly name: 'RequestPreVote' })
  | (Answers & { readonly name: 'HandlePreVoteRequest' })
  | (Handles & { readonly name: 'HandlePreVoteResponse' })
  /** Becomes a candidate in the next term, by a majority of pre-votes or by `TimeoutNow`. */
  | (At & { readonly name: 'Timeout' })
  | (Sends & { readonly name: 'RequestVote' })
  | (Answers & { readonly name: 'HandleRequestVoteRequest' })
  | (Handles & { readonly name: 'HandleRequestVoteResponse' })
  /** Appends the leader's first entry, a no-op, too. */
  | (At & { readonly name: 'BecomeLeader' })
  /** A higher term was seen in a message, which is handled next. */
  | (At & { readonly name: 'UpdateTerm'; readonly from: NodeId })
  /** A leader has not heard a majority for an election timeout. */
  | (At & { readonly name: 'CheckQuorum' })
  /** A leader has committed a membership in which it has no vote. */
  | (At & { readonly name: 'LeaveLeadership' })
  | (At & { readonly name: 'TransferLeadership'; readonly to: NodeId })
  | (At & { readonly name: 'AbortTransfer' })
  | (Sends & { readonly name: 'TimeoutNow' })
  | (Handles & { readonly name: 'HandleTimeoutNow' })
  // The log
  | (At & { readonly name: 'ClientRequest'; readonly index: LogIndex })
  | (At & {
      readonly name: 'ProposeMembership';
      readonly index: LogIndex;
      readonly change: MembershipChange;
      readonly members: TracedMembers;
    })
  | (Sends & { readonly name: 'AppendEntries' })
  | (Answers & { readonly name: 'HandleAppendEntriesRequest' })
  /** `matchIndex`: what the leader now knows of the sender. */
  | (Handles & { readonly name: 'HandleAppendEntriesResponse'; readonly matchIndex: LogIndex })
  | (At & { readonly name: 'AdvanceCommitIndex' })
  // Snapshots
  | (At & { readonly name: 'Compact' })
  | (Sends & { readonly name: 'InstallSnapshot' })
  | (Answers & { readonly name: 'HandleInstallSnapshotRequest' })
  | (Handles & { readonly name: 'HandleInstallSnapshotResponse'; readonly matchIndex: LogIndex })
  // Reads
  | (At & { readonly name: 'RequestReadIndex'; readonly id: number })
  | (At & { readonly name: 'ConfirmReadIndex'; readonly id: number; readonly index: LogIndex })
  // Disk
  /** Hands term, vote and log, as they are now, to the disk as batch `number`. */
  | (At & { readonly name: 'Persist'; readonly number: number })
  /** Batch `number` and all before it are durable: what waited for them leaves. */
  | (At & { readonly name: 'PersistCompleted'; readonly number: number })
  /** A process begins with what its disk kept. */
  | (At & { readonly name: 'Recover'; readonly members: TracedMembers })
  /** The message has no effect, for the reason given. */
  | (Handles & { readonly name: 'IgnoreMessage'; readonly reason: string });

/** The events that tell of an answer. */
export type AnswerName = Extract<RaftEvent, { readonly reply: TracedMessage }>['name'];

/**
 * An event as it is written down. Raft knows nodes by their numbers, and a number may stand for one disk after another:
 * `incarnation` is the acting node's; `peer` is that of `from`, as the message said, or of `to`, as the membership
 * says, and 0 if that has no such member.
 */
export type HostedRaftEvent = RaftEvent & {
  readonly incarnation: Incarnation;
  readonly peer?: Incarnation | 0;
};

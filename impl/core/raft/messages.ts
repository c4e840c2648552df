/**
 * What Raft nodes say to each other. Values are immutable and may be lost, repeated, delayed and reordered. The
 * sender's id travels outside; every message carries the sender's term except as noted.
 */
import type { Incarnation, LogIndex, NodeId, Term } from '../ids.ts';
import type { Entry } from './entry.ts';
import type { Membership } from './membership.ts';

export type RaftMessage =
  | RequestVoteRequest
  | RequestVoteResponse
  | AppendEntriesRequest
  | AppendEntriesResponse
  | InstallSnapshotRequest
  | InstallSnapshotResponse
  | TimeoutNow;

export interface RequestVoteRequest {
  readonly kind: 'RequestVoteRequest';
  /** With `preVote` the term that the sender would stand in, which is one above its own. */
  readonly term: Term;
  /** Asks whether a vote would be given; binds nobody and changes nobody's term (thesis 9.6). */
  readonly preVote: boolean;
  /** The leader asked for this election: answer it although the leader is alive (thesis 4.2.3). */
  readonly transfer: boolean;
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

export interface RequestVoteResponse {
  readonly kind: 'RequestVoteResponse';
  /** A granted pre-vote repeats the term of its request; anything else carries the sender's own. */
  readonly term: Term;
  readonly preVote: boolean;
  readonly granted: boolean;
}

/** Without entries it is a heartbeat, and a probe of whether the logs agree at `prevIndex`. */
export interface AppendEntriesRequest {
  readonly kind: 'AppendEntriesRequest';
  readonly term: Term;
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly entries: readonly Entry[];
  readonly commitIndex: LogIndex;
  /** Counts the leader's heartbeats. An answer repeats it, which proves leadership when it was sent. */
  readonly round: number;
}

export interface AppendEntriesResponse {
  readonly kind: 'AppendEntriesResponse';
  readonly term: Term;
  readonly success: boolean;
  /** Of the request, so that the leader can tell a stale rejection; 0, as `round` is, if that was of an earlier term. */
  readonly prevIndex: LogIndex;
  /** On success: both logs are equal and durable up to here. Else 0. */
  readonly matchIndex: LogIndex;
  /** On rejection: the highest index at which the logs may agree, and the term there. Else 0. */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
  readonly round: number;
}

/** One piece of a snapshot, beginning at `offsetBytes` of `sizeBytes`. An empty snapshot is one empty piece. */
export interface InstallSnapshotRequest {
  readonly kind: 'InstallSnapshotRequest';
  readonly term: Term;
  readonly snapshotIndex: LogIndex;
  readonly snapshotTerm: Term;
  readonly membership: Membership;
  readonly sizeBytes: number;
  readonly offsetBytes: number;
  readonly chunk: Uint8Array;
  readonly round: number;
}

export interface InstallSnapshotResponse {
  readonly kind: 'InstallSnapshotResponse';
  readonly term: Term;
  readonly snapshotIndex: LogIndex;
  /** Where the sender's copy ends: the next piece wanted. */
  readonly offsetBytes: number;
  /** Everything up to `snapshotIndex` is durable at the sender. */
  readonly installed: boolean;
  readonly round: number;
}

/** Leader to the member that is to replace it: stand for election at once (thesis 3.10). */
export interface TimeoutNow {
  readonly kind: 'TimeoutNow';
  readonly term: Term;
}

/** A message on its way out. */
export interface Outgoing {
  readonly to: NodeId;
  /** Of an answer: the disk that asked. A question goes to the member that has the number. */
  readonly asker: Incarnation | undefined;
  readonly message: RaftMessage;
}

import type { Random } from '../../ports/random.ts';
import type { TraceSink } from '../../ports/trace-sink.ts';
import type { LogIndex, NodeId, Term } from '../ids.ts';
import type { Entry, Restored, Snapshot } from './entry.ts';
import type { Membership, MembershipChange, MembershipRefusal } from './membership.ts';
import type { RaftMessage } from './messages.ts';
import type { Ready } from './ready.ts';
import type { RaftEvent, Role } from './trace.ts';

export interface RaftOptions {
  readonly id: NodeId;
  readonly random: Random;
  /** Each timeout is drawn from `[electionTimeoutMs, 2 * electionTimeoutMs)`. */
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  /** A message carries at least one entry, and no more once their data reaches this. */
  readonly maxEntryBytesPerMessage: number;
  /** AppendEntries with entries that may be on their way to one follower at a time. */
  readonly maxInflightMessages: number;
  readonly snapshotChunkBytes: number;
  readonly trace?: TraceSink<RaftEvent> | undefined;
}

/** Where a proposal stands in the log. It may still be lost: it counts when it comes back committed with this term. */
export interface Position {
  readonly index: LogIndex;
  readonly term: Term;
}

export declare class Raft {
  constructor(options: RaftOptions, restored: Restored, nowMs: number);
  step(from: NodeId, message: RaftMessage, nowMs: number): void;
  tick(nowMs: number): void;
  /** When `tick` wants to be called; may already be past. */
  deadlineMs(): number;
  propose(data: Uint8Array): Position | undefined;
  proposeMembership(change: MembershipChange): Position | MembershipRefusal;
  /** Only of a leader, to another voter; false else. */
  transferLeadership(to: NodeId): boolean;
  /** False if not leader. If leadership is lost before `readStates` has the id, it never will. */
  readIndex(id: number): boolean;
  ready(): Ready | undefined;
  persisted(number: number): void;
  compact(snapshot: Snapshot): void;
  get role(): Role;
  get term(): Term;
  get vote(): NodeId | 0;
  get leader(): NodeId | 0;
  get commitIndex(): LogIndex;
  get firstIndex(): LogIndex;
  get lastIndex(): LogIndex;
  get membership(): Membership;
  entry(index: LogIndex): Entry | undefined;
  lastHeardMs(member: NodeId): number;
  get leaderContactMs(): number;
}

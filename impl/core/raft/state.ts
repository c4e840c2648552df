/** What all parts of one Raft node share: its term, vote, role and log, the time, and what it has to send. */
import type { LogIndex, NodeId, Term } from '../ids.ts';
import type { Restored } from './entry.ts';
import { RaftLog } from './log.ts';
import type { Outgoing, RaftMessage } from './messages.ts';
import type { RaftOptions } from './options.ts';
import type { Role, TracedState } from './trace.ts';

export class RaftState {
  readonly options: RaftOptions;
  readonly log: RaftLog;
  term: Term;
  vote: NodeId | 0;
  role: Role = 'learner';
  leader: NodeId | 0 = 0;
  nowMs: number;
  messages: Outgoing[] = [];
  messagesAfterPersist: Outgoing[] = [];

  constructor(options: RaftOptions, restored: Restored, nowMs: number) {
    this.options = options;
    this.log = new RaftLog(restored);
    this.term = restored.term;
    this.vote = restored.vote;
    this.nowMs = nowMs;
  }

  get id(): NodeId {
    return this.options.id;
  }

  /** The message may leave at once: it promises nothing that rests on this node's disk. */
  send(to: NodeId, message: RaftMessage): void {
    this.messages.push({ to, message });
  }

  /** What all trace events tell of the node. */
  traced(): TracedState {
    const { term, vote, role, leader, log } = this;
    const { snapshotIndex, snapshotTerm, lastIndex, lastTerm, commitIndex, durableIndex } = log;
    return {
      term,
      vote,
      role,
      leader,
      snapshotIndex,
      snapshotTerm,
      lastIndex,
      lastTerm,
      commitIndex,
      durableIndex,
    };
  }
}

/** Index and term of an entry: nobody but the leader of that term ever puts another one there. */
export interface Position {
  readonly index: LogIndex;
  readonly term: Term;
}

/** What all parts of one Raft node share: its term, vote, role and log, the time, and what it has to send. */
import type { LogIndex, NodeId, Term } from '../ids.ts';
import type { Restored } from './entry.ts';
import { RaftLog } from './log.ts';
import type { Outgoing, RaftMessage } from './messages.ts';
import type { RaftOptions } from './options.ts';
import type { Role } from './trace.ts';
import { RaftTracer } from './tracer.ts';

export class RaftState {
  readonly options: RaftOptions;
  readonly log: RaftLog;
  readonly trace: RaftTracer | undefined;
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
    this.trace = options.trace && new RaftTracer(options.trace, this);
    this.term = restored.term;
    this.vote = restored.vote;
    this.nowMs = nowMs;
  }

  get id(): NodeId {
    return this.options.id;
  }

  /** The question may leave at once: it promises nothing that rests on this node's disk. */
  send(to: NodeId, message: RaftMessage): void {
    this.messages.push({ to, asker: undefined, message });
  }
}

/** Index and term of an entry: nobody but the leader of that term ever puts another one there. */
export interface Position {
  readonly index: LogIndex;
  readonly term: Term;
}

/**
 * What a node does and knows as leader of one term. It begins with the term's leadership and is dropped with it, so
 * that nothing learnt in one term is ever used in another.
 */
import { assert } from '../assert.ts';
import type { LogIndex, NodeId } from '../ids.ts';
import { Queue } from '../queue.ts';
import { type Entry, NO_ENTRIES } from './entry.ts';
import { isVoter, memberOf } from './membership.ts';
import type {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  TimeoutNow,
} from './messages.ts';
import { Progress } from './progress.ts';
import { quorumValue } from './quorum.ts';
import type { ReadState } from './ready.ts';
import type { RaftState } from './state.ts';

const NO_READS: readonly ReadState[] = [];

interface PendingRead extends ReadState {
  /** The heartbeat round whose answers show that no later leader had been elected when the read came. */
  readonly round: number;
}

export class Leadership {
  private readonly state: RaftState;
  /** All members but this one, sorted by id. */
  private members: Progress[] = [];
  /** Those of them that vote. */
  private voters: Progress[] = [];
  private selfVotes = false;
  private round = 0;
  private heartbeatAtMs: number;
  private quorumCheckAtMs: number;
  private transferee: NodeId | 0 = 0;
  private transferEndsMs: number = Number.POSITIVE_INFINITY;
  /** Read requests from before this leader had committed an entry of its term. */
  private earlyReads: number[] = [];
  private readonly reads = new Queue<PendingRead>();
  private heartbeatWanted = false;
  private replicationWanted = true;
  /** The commit index at the latest heartbeat: what a learner must have to count as caught up. */
  private commitIndexAtHeartbeat: LogIndex;
  private readonly scratch: number[] = [];

  constructor(state: RaftState) {
    this.state = state;
    this.heartbeatAtMs = state.nowMs + state.options.heartbeatMs;
    this.quorumCheckAtMs = state.nowMs + state.options.electionTimeoutMs;
    this.commitIndexAtHeartbeat = state.log.lastIndex;
    this.membershipChanged();
  }

  /** The membership in the log is another one now. */
  membershipChanged(): void {
    const { log, nowMs, options } = this.state;
    const before = this.members;
    this.members = [];
    this.voters = [];
    this.selfVotes = isVoter(log.membership, options);
    const self = memberOf(log.membership, options);
    for (const each of log.membership) {
      if (each === self) continue;
      const { id, learner } = each;
      const member =
        before.find((known) => known.id === id) ??
        new Progress(id, (log.lastIndex + 1) as LogIndex, nowMs);
      this.members.push(member);
      if (!learner) this.voters.push(member);
    }
    if (!this.voters.some(({ id }) => id === this.transferee)) this.endTransfer();
    this.replicationWanted = true;
  }

  deadlineMs(): number {
    return Math.min(this.heartbeatAtMs, this.quorumCheckAtMs, this.transferEndsMs);
  }

  /** @spec MetadataRaft!AbortTransfer */
  tick(): void {
    const { nowMs, options, trace } = this.state;
    if (nowMs >= this.transferEndsMs) {
      this.endTransfer();
      trace?.emit({ name: 'AbortTransfer' });
    }
    if (nowMs >= this.heartbeatAtMs) {
      this.heartbeatAtMs = nowMs + options.heartbeatMs;
      this.heartbeatWanted = true;
    }
  }

  /** Whether no majority has answered for an election timeout: another leader may be at work. */
  hasLostQuorum(): boolean {
    const { nowMs, options } = this.state;
    if (nowMs < this.quorumCheckAtMs) return false;
    this.quorumCheckAtMs = this.quorumHeardMs() + options.electionTimeoutMs;
    return nowMs >= this.quorumCheckAtMs;
  }

  /** When a majority, this node included, had last been heard. */
  quorumHeardMs(): number {
    return this.quorumOf(this.state.nowMs, heardMs);
  }

  lastHeardMs(id: NodeId): number {
    return this.member(id)?.heardMs ?? Number.NEGATIVE_INFINITY;
  }

  matchIndex(id: NodeId): LogIndex {
    return this.member(id)?.matchIndex ?? (0 as LogIndex);
  }

  isCaughtUp(id: NodeId): boolean {
    const member = this.member(id);
    return member !== undefined && member.matchIndex >= this.commitIndexAtHeartbeat;
  }

  isTransferring(): boolean {
    return this.transferee !== 0;
  }

  /** The log has new entries. */
  appended(): void {
    this.replicationWanted = true;
  }

  hasUnsent(): boolean {
    return this.replicationWanted || this.heartbeatWanted;
  }

  /** Puts out everything that the other members lack, as far as they may be sent it now. */
  flush(): void {
    if (this.heartbeatWanted) this.heartbeat();
    if (!this.replicationWanted) return;
    this.replicationWanted = false;
    for (const member of this.members) this.replicateTo(member);
  }

  /**
   * Commits what a majority holds durably, this node by what `persisted` confirmed; only entries of its own term
   * count, those before come along (thesis 3.6.2). Gives whether the commit index moved.
   * @spec MetadataRaft!AdvanceCommitIndex
   */
  advanceCommitIndex(): boolean {
    const { log, term, trace } = this.state;
    const index = this.quorumOf(log.durableIndex, matchIndex) as LogIndex;
    if (index <= log.commitIndex || log.term(index) !== term) return false;
    log.commitTo(index);
    trace?.emit({ name: 'AdvanceCommitIndex' });
    this.replicationWanted = true;
    for (const id of this.earlyReads.splice(0)) this.addRead(id);
    return true;
  }

  /** @spec MetadataRaft!HandleAppendEntriesResponse */
  handleAppendEntriesResponse(member: Progress, response: AppendEntriesResponse): void {
    const { log, trace } = this.state;
    this.heard(member, response.round);
    const before = member.matchIndex;
    if (response.success) {
      assert(response.matchIndex <= log.lastIndex, 'nobody agrees with entries that are not there');
      member.matched(response.matchIndex);
    } else if (member.isFreshRejection(response.prevIndex)) {
      member.probe(log.lastIndexUpToTerm(response.hintIndex, response.hintTerm));
    }
    const { id: from, matchIndex } = member;
    trace?.emit({ name: 'HandleAppendEntriesResponse', from, message: response, matchIndex });
    this.answered(member, before);
  }

  /** @spec MetadataRaft!HandleInstallSnapshotResponse */
  handleInstallSnapshotResponse(member: Progress, response: InstallSnapshotResponse): void {
    const { trace } = this.state;
    this.heard(member, response.round);
    const before = member.matchIndex;
    const { snapshot, offsetBytes } = member;
    if (response.installed) {
      member.matched(response.snapshotIndex);
    } else if (snapshot !== undefined && snapshot.index === response.snapshotIndex) {
      member.offsetBytes = Math.min(response.offsetBytes, snapshot.data.length);
    }
    const { id: from, matchIndex } = member;
    trace?.emit({ name: 'HandleInstallSnapshotResponse', from, message: response, matchIndex });
    // Only progress asks for the next piece at once: else each repeated answer would repeat all pieces to come.
    if (member.snapshot !== undefined && member.offsetBytes > offsetBytes) this.sendChunk(member);
    this.answered(member, before);
  }

  /** Begins to hand leadership to `to`; gives up after an election timeout. @spec MetadataRaft!TransferLeadership */
  transferLeadership(to: NodeId): boolean {
    const { nowMs, options, log, trace } = this.state;
    const member = this.voters.find(({ id }) => id === to);
    if (member === undefined || this.isTransferring()) return false;
    this.transferee = to;
    this.transferEndsMs = nowMs + options.electionTimeoutMs;
    trace?.emit({ name: 'TransferLeadership', to });
    if (member.matchIndex === log.lastIndex) this.sendTimeoutNow(to);
    return true;
  }

  /** @spec MetadataRaft!RequestReadIndex */
  readIndex(id: number): void {
    const { log, term, trace } = this.state;
    trace?.emit({ name: 'RequestReadIndex', id });
    // Until an entry of this term is committed the commit index may lag behind an earlier leader's (thesis 6.4).
    if (log.term(log.commitIndex) === term) this.addRead(id);
    else this.earlyReads.push(id);
  }

  /** Reads that a majority has confirmed since the last call. @spec MetadataRaft!ConfirmReadIndex */
  takeReadStates(): readonly ReadState[] {
    if (this.reads.length === 0) return NO_READS;
    const confirmed = this.quorumOf(this.round, ackedRound);
    const done: ReadState[] = [];
    while (this.reads.length > 0 && this.reads.first!.round <= confirmed) {
      done.push(this.reads.shift()!);
    }
    for (const { id, index } of done) {
      this.state.trace?.emit({ name: 'ConfirmReadIndex', id, index });
    }
    return done;
  }

  /** What is known of a member; undefined for this node and for strangers. */
  member(id: NodeId): Progress | undefined {
    for (const member of this.members) if (member.id === id) return member;
    return undefined;
  }

  private addRead(id: number): void {
    this.reads.push({ id, index: this.state.log.commitIndex, round: this.round + 1 });
    this.heartbeatWanted = true;
  }

  private heard(member: Progress, round: number): void {
    member.heardMs = this.state.nowMs;
    if (round > member.ackedRound) member.ackedRound = round;
  }

  /** Whatever an answer makes possible. */
  private answered(member: Progress, matchIndexBefore: LogIndex): void {
    this.replicationWanted = true;
    if (member.matchIndex > matchIndexBefore) this.advanceCommitIndex();
    if (member.id === this.transferee && member.matchIndex === this.state.log.lastIndex) {
      this.sendTimeoutNow(member.id);
    }
  }

  private heartbeat(): void {
    const { log, nowMs, options } = this.state;
    this.heartbeatWanted = false;
    this.heartbeatAtMs = nowMs + options.heartbeatMs;
    this.commitIndexAtHeartbeat = log.commitIndex;
    this.round++;
    // Members in the same place share one message.
    let shared: AppendEntriesRequest | undefined;
    for (const member of this.members) {
      member.heartbeatDue();
      if (member.mode === 'snapshot') {
        if (nowMs - member.chunkSentMs >= options.heartbeatMs) this.sendChunk(member);
        else this.appendEntries(member, this.request(0 as LogIndex, NO_ENTRIES));
        continue;
      }
      const prevIndex = (member.nextIndex - 1) as LogIndex;
      if (log.term(prevIndex) === undefined) {
        this.sendSnapshot(member);
        continue;
      }
      if (shared?.prevIndex !== prevIndex) shared = this.request(prevIndex, NO_ENTRIES);
      this.appendEntries(member, shared);
    }
  }

  private replicateTo(member: Progress): void {
    const { log, options } = this.state;
    while (member.nextIndex <= log.lastIndex && member.maySend(options.maxInflightMessages)) {
      const prevIndex = (member.nextIndex - 1) as LogIndex;
      if (log.term(prevIndex) === undefined) {
        this.sendSnapshot(member);
        return;
      }
      const entries = log.slice(member.nextIndex, options.maxEntryBytesPerMessage);
      this.appendEntries(member, this.request(prevIndex, entries));
      member.sent((prevIndex + entries.length) as LogIndex);
    }
    const sendable = Math.min(log.commitIndex, member.nextIndex - 1);
    if (member.mode === 'replicate' && member.sentCommitIndex < sendable) {
      const prevIndex = (member.nextIndex - 1) as LogIndex;
      if (log.term(prevIndex) !== undefined) {
        this.appendEntries(member, this.request(prevIndex, NO_ENTRIES));
      }
    }
  }

  private request(prevIndex: LogIndex, entries: readonly Entry[]): AppendEntriesRequest {
    const { log, term } = this.state;
    return {
      kind: 'AppendEntriesRequest',
      term,
      prevIndex,
      prevTerm: prevIndex === 0 ? (0 as typeof term) : log.term(prevIndex)!,
      entries,
      commitIndex: log.commitIndex,
      round: this.round,
    };
  }

  /** @spec MetadataRaft!AppendEntries */
  private appendEntries(member: Progress, request: AppendEntriesRequest): void {
    const { trace } = this.state;
    const last = request.prevIndex + request.entries.length;
    member.sentCommitIndex = Math.max(
      member.sentCommitIndex,
      Math.min(request.commitIndex, last),
    ) as LogIndex;
    this.state.send(member.id, request);
    trace?.emit({ name: 'AppendEntries', to: member.id, message: request, afterPersist: false });
  }

  private sendSnapshot(member: Progress): void {
    const { snapshot } = this.state.log;
    assert(snapshot !== undefined, 'what is compacted away is in a snapshot');
    member.sendSnapshot(snapshot);
    this.sendChunk(member);
  }

  /** @spec MetadataRaft!InstallSnapshot */
  private sendChunk(member: Progress): void {
    const { term, nowMs, options, trace } = this.state;
    const { snapshot, offsetBytes } = member;
    assert(snapshot !== undefined, 'pieces belong to a snapshot');
    // A receiver that has all bytes has answered `installed`, so that there is a piece left, if only an empty one.
    const chunk = snapshot.data.subarray(offsetBytes, offsetBytes + options.snapshotChunkBytes);
    const request: InstallSnapshotRequest = {
      kind: 'InstallSnapshotRequest',
      term,
      snapshotIndex: snapshot.index,
      snapshotTerm: snapshot.term,
      membership: snapshot.membership,
      sizeBytes: snapshot.data.length,
      offsetBytes,
      chunk,
      round: this.round,
    };
    member.chunkSentMs = nowMs;
    this.state.send(member.id, request);
    trace?.emit({ name: 'InstallSnapshot', to: member.id, message: request, afterPersist: false });
  }

  /** @spec MetadataRaft!TimeoutNow */
  private sendTimeoutNow(to: NodeId): void {
    const message: TimeoutNow = { kind: 'TimeoutNow', term: this.state.term };
    this.state.send(to, message);
    this.state.trace?.emit({ name: 'TimeoutNow', to, message, afterPersist: false });
  }

  private endTransfer(): void {
    this.transferee = 0;
    this.transferEndsMs = Number.POSITIVE_INFINITY;
  }

  /** What a majority of the voters reaches in `value`; `own` is this node's. */
  private quorumOf(own: number, value: (voter: Progress) => number): number {
    const values = this.scratch;
    values.length = 0;
    if (this.selfVotes) values.push(own);
    for (const voter of this.voters) values.push(value(voter));
    return quorumValue(values);
  }
}

const matchIndex = (voter: Progress): number => voter.matchIndex;
const ackedRound = (voter: Progress): number => voter.ackedRound;
const heardMs = (voter: Progress): number => voter.heardMs;

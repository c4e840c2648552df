/**
 * Raft (Ongaro and Ousterhout; the thesis, 2014, is cited by section), as one synchronous state machine. Inputs are
 * method calls, each of which runs to its end; after any of them the host asks `ready()` what is to be done.
 *
 * It does not know of disks, sockets, timers or commands. The parts: this file has roles and elections;
 * `following.ts` what a follower does, `leadership.ts` what a leader does; `log.ts` the log; `state.ts` what they share.
 */
import { assert, unreachable } from '../assert.ts';
import type { LogIndex, NodeId, Term } from '../ids.ts';
import { type Entry, type EntryKind, NO_ENTRIES, type Restored, type Snapshot } from './entry.ts';
import { Following } from './following.ts';
import { Leadership } from './leadership.ts';
import {
  changeMembership,
  encodeMembership,
  isVoter,
  type Member,
  type Membership,
  type MembershipChange,
  type MembershipRefusal,
  memberOf,
  type Peer,
} from './membership.ts';
import type {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  Outgoing,
  RaftMessage,
  RequestVoteRequest,
  RequestVoteResponse,
  TimeoutNow,
} from './messages.ts';
import type { RaftOptions } from './options.ts';
import { majority } from './quorum.ts';
import type { HardState, ReadState, Ready } from './ready.ts';
import { type Position, RaftState } from './state.ts';
import type { AnswerName, Role } from './trace.ts';

const NO_BYTES = new Uint8Array(0);
const NOTHING: readonly Outgoing[] = [];
const NO_READS: readonly ReadState[] = [];
const NEVER = Number.POSITIVE_INFINITY;

export class Raft {
  private readonly state: RaftState;
  private readonly options: RaftOptions;
  /** Present exactly while the role is leader. */
  private leadership: Leadership | undefined;
  /** Who voted (or pre-voted) for this node in the election under way. */
  private readonly votes = new Set<NodeId>();
  /** The membership that the fields below are about. */
  private membershipInForce: Membership = [];
  private isVoter = false;
  private voterCount = 0;
  /** When the leader of this term was last heard; meaningless while `leader` is 0. */
  private leaderHeardMs: number = Number.NEGATIVE_INFINITY;
  private electionTimeoutMs = 0;
  private electionAtMs: number = NEVER;
  private readonly following: Following;

  private readyNumber = 0;
  private hardStateChanged = false;
  /** The Ready that carries the present term and vote. */
  private hardStateNumber = 0;
  private persistedNumber = 0;

  /**
   * `restored` is what the disk kept: `bootstrap(...)` or `EMPTY` at the first start.
   * @spec MetadataRaft!Recover
   */
  constructor(options: RaftOptions, restored: Restored, nowMs: number) {
    this.options = options;
    this.state = new RaftState(options, restored, nowMs);
    this.following = new Following(this.state);
    assert(this.state.log.lastTerm <= restored.term, 'the term is durable before its entries');
    assert(
      options.heartbeatMs < options.electionTimeoutMs,
      'followers hear of a live leader in time',
    );
    this.followMembership();
    this.resetElectionTimeout();
    this.state.trace?.emit({ name: 'Recover', members: this.membership });
  }

  get role(): Role {
    return this.state.role;
  }

  get term(): Term {
    return this.state.term;
  }

  get vote(): NodeId | 0 {
    return this.state.vote;
  }

  /** Of this term, as far as this node knows; 0 if it knows none. */
  get leader(): NodeId | 0 {
    return this.state.leader;
  }

  get commitIndex(): LogIndex {
    return this.state.log.commitIndex;
  }

  /** Of the oldest entry that is not compacted away, which may be one that is yet to come. */
  get firstIndex(): LogIndex {
    return this.state.log.firstIndex;
  }

  get lastIndex(): LogIndex {
    return this.state.log.lastIndex;
  }

  /** The latest in the log, committed or not: that is the one in force. */
  get membership(): Membership {
    return this.state.log.membership;
  }

  /** Nothing takes the membership in force back. */
  get isMembershipCommitted(): boolean {
    const { log } = this.state;
    return log.membershipIndex <= log.commitIndex;
  }

  /** This node's place in the membership in force; undefined if it has none, though another disk may bear its number. */
  get self(): Member | undefined {
    return memberOf(this.membership, this.options);
  }

  /** Undefined if compacted away or yet to come. */
  entry(index: LogIndex): Entry | undefined {
    return this.state.log.entry(index);
  }

  /** Leader: when `member` last answered (at first, when leadership began). Else, and for strangers, -Infinity. */
  lastHeardMs(member: NodeId): number {
    return this.leadership?.lastHeardMs(member) ?? Number.NEGATIVE_INFINITY;
  }

  /** Leader: up to where `member`'s log is known to be equal and durable. Else, and for strangers, 0. */
  matchIndex(member: NodeId): LogIndex {
    if (member === this.options.id) return this.state.log.durableIndex;
    return this.leadership?.matchIndex(member) ?? (0 as LogIndex);
  }

  /** Follower: when the present leader was last heard. Leader: when a majority was. -Infinity if there is none. */
  get leaderContactMs(): number {
    if (this.leadership !== undefined) return this.leadership.quorumHeardMs();
    return this.state.leader === 0 ? Number.NEGATIVE_INFINITY : this.leaderHeardMs;
  }

  /** When `tick` wants to be called; Infinity if only a message can change anything. */
  deadlineMs(): number {
    return this.leadership === undefined ? this.electionAtMs : this.leadership.deadlineMs();
  }

  /** `nowMs` never goes back from one input to the next. Harmless if called early or often. */
  tick(nowMs: number): void {
    this.state.nowMs = nowMs;
    if (this.leadership !== undefined) {
      if (this.leadership.hasLostQuorum()) this.checkQuorum();
      else this.leadership.tick();
    } else if (nowMs >= this.electionAtMs) {
      if (this.mayStand()) this.startPreVote();
      else this.loseLeader();
    }
  }

  /**
   * Appends a command if this node is leader and is not handing leadership over; undefined else. The entry may
   * still be lost: it counts when `Ready.committed` brings it with the same term.
   * @spec MetadataRaft!ClientRequest
   */
  propose(data: Uint8Array): Position | undefined {
    if (this.leadership === undefined || this.leadership.isTransferring()) return undefined;
    const position = this.appendOwn('command', data);
    this.state.trace?.emit({ name: 'ClientRequest', index: position.index });
    return position;
  }

  /**
   * Appends the membership after `change`, which is in force at once (thesis 4.1). Refused while an earlier change
   * is not committed, and until the leader has committed an entry of its own term: without the second, two leaders
   * could each change one member of a common past and have majorities that do not overlap.
   * @spec MetadataRaft!ProposeMembership
   */
  proposeMembership(change: MembershipChange): Position | MembershipRefusal {
    const { log, term, trace } = this.state;
    if (this.leadership === undefined || this.leadership.isTransferring()) return 'NotLeader';
    if (log.term(log.commitIndex) !== term) return 'TooEarly';
    if (log.membershipIndex > log.commitIndex) return 'Pending';
    const next = changeMembership(log.membership, change);
    if (typeof next === 'string') return next;
    if (change.kind === 'promote' && !this.leadership.isCaughtUp(change.id)) return 'NotCaughtUp';
    const position = this.appendOwn('membership', encodeMembership(next));
    const { index } = position;
    trace?.emit({ name: 'ProposeMembership', index, change, members: next });
    return position;
  }

  /**
   * Begins to hand leadership to another voter; until that has succeeded or an election timeout has passed nothing
   * can be proposed. False, without effect, if not leader, if one is under way, or if `to` is no other voter.
   */
  transferLeadership(to: NodeId): boolean {
    return this.leadership?.transferLeadership(to) ?? false;
  }

  /**
   * Asks for the index that a linearizable read has to wait for; `Ready.readStates` brings it under `id` (thesis
   * 6.4). False if not leader. If leadership ends first, the answer never comes: the host watches `role`, `term`.
   */
  readIndex(id: number): boolean {
    this.leadership?.readIndex(id);
    return this.leadership !== undefined;
  }

  /** The snapshot that stands for everything applied up to `index`; `data` is the state machine just after it. */
  snapshotAt(index: LogIndex, data: Uint8Array): Snapshot {
    const { log } = this.state;
    assert(index <= log.appliedIndex, 'only what was applied can be in a snapshot');
    const term = log.term(index);
    assert(term !== undefined, 'a newer snapshot exists');
    return { index, term, membership: log.membershipAt(index), data };
  }

  /**
   * Drops the log up to `snapshot`, which the host has made durable. One that is not newer than the present one
   * is ignored.
   * @spec MetadataRaft!Compact
   */
  compact(snapshot: Snapshot): void {
    const { log } = this.state;
    if (snapshot.index <= log.snapshotIndex) return;
    log.compact(snapshot);
    this.state.trace?.emit({ name: 'Compact' });
  }

  /**
   * Everything to be done since the last call, undefined if nothing. What it hands out it never hands out again.
   * @spec MetadataRaft!Persist
   */
  ready(): Ready | undefined {
    const { state } = this;
    const { log } = state;
    if (this.leadership?.hasUnsent()) this.leadership.flush();
    const readStates = this.leadership?.takeReadStates() ?? NO_READS;
    if (
      !this.hardStateChanged &&
      state.messages.length === 0 &&
      state.messagesAfterPersist.length === 0 &&
      readStates.length === 0 &&
      !log.hasReady()
    ) {
      return undefined;
    }
    const persists = this.hasUnpersisted() || state.messagesAfterPersist.length > 0;
    const number = persists ? ++this.readyNumber : this.readyNumber;
    const ready: Ready = {
      number,
      hardState: this.takeHardState(number),
      snapshot: log.takeInstalled(),
      truncateFrom: log.takeTruncatedFrom(),
      entries: persists ? log.takeUnpersisted(number) : NO_ENTRIES,
      messages: state.messages.length === 0 ? NOTHING : state.messages,
      messagesAfterPersist:
        state.messagesAfterPersist.length === 0 ? NOTHING : state.messagesAfterPersist,
      committed: log.takeCommitted(),
      readStates,
    };
    if (state.messages.length > 0) state.messages = [];
    if (state.messagesAfterPersist.length > 0) state.messagesAfterPersist = [];
    if (persists) {
      state.trace?.emit({ name: 'Persist', number });
    }
    return ready;
  }

  /**
   * The batches of Ready `number` and of all before it are durable. Called in order; also for a Ready that
   * persists nothing, unless a later one is confirmed in its place. Harmless if called again.
   * @spec MetadataRaft!PersistCompleted
   */
  persisted(number: number): void {
    assert(number <= this.readyNumber, 'only what was handed out can be durable');
    if (number <= this.persistedNumber) return;
    const { log, role } = this.state;
    const durableIndex = log.durableIndex;
    this.persistedNumber = number;
    log.persisted(number);
    this.state.trace?.emit({ name: 'PersistCompleted', number });
    if (this.leadership !== undefined && log.durableIndex > durableIndex) {
      this.leadership.advanceCommitIndex();
      this.committed();
    }
    if (role === 'candidate' && this.isHardStateDurable()) this.voteReceived(this.options);
  }

  /** Handles a message from another node; `sender` is whoever the network says it is, member or not. */
  step(sender: Peer, message: RaftMessage, nowMs: number): void {
    this.state.nowMs = nowMs;
    const { id: from } = sender;
    const reason = this.reasonToIgnore(sender, message);
    if (reason !== undefined) {
      this.ignoreMessage(from, message, reason);
      return;
    }
    if (message.term > this.state.term && bindsTerm(message)) this.updateTerm(from, message);
    switch (message.kind) {
      case 'RequestVoteRequest':
        if (message.preVote) this.handlePreVoteRequest(sender, message);
        else this.handleRequestVoteRequest(sender, message);
        break;
      case 'RequestVoteResponse':
        if (message.preVote) this.handlePreVoteResponse(sender, message);
        else this.handleRequestVoteResponse(sender, message);
        break;
      case 'AppendEntriesRequest':
        this.handleAppendEntriesRequest(sender, message);
        break;
      case 'InstallSnapshotRequest':
        this.handleInstallSnapshotRequest(sender, message);
        break;
      case 'AppendEntriesResponse':
      case 'InstallSnapshotResponse':
        this.handleFollowersAnswer(from, message);
        break;
      case 'TimeoutNow':
        this.handleTimeoutNow(from, message);
        break;
      default:
        unreachable(message);
    }
  }

  /**
   * All reasons to drop a message before it has any effect. A request of an earlier term is not dropped: its sender
   * is told of the present one. Nor is one of a stranger: the membership here may be older than the sender's place in
   * it. What a stranger answers counts for nothing.
   */
  private reasonToIgnore(sender: Peer, message: RaftMessage): string | undefined {
    const { term, role, nowMs } = this.state;
    if (sender.id === this.options.id) return 'from this node';
    switch (message.kind) {
      case 'RequestVoteRequest':
        // A member that was cut off or removed must not depose a leader that is doing well (thesis 4.2.3).
        if (message.transfer) return undefined;
        if (role === 'leader') return 'is the leader';
        if (nowMs - this.leaderContactMs < this.options.electionTimeoutMs) return 'hears a leader';
        return undefined;
      case 'RequestVoteResponse': {
        if (memberOf(this.membership, sender) === undefined) return 'from a stranger';
        const asked = role === (message.preVote ? 'precandidate' : 'candidate');
        if (message.preVote && message.granted) {
          return asked && message.term === term + 1 ? undefined : 'not asked for';
        }
        if (message.term < term) return 'earlier term';
        return message.term > term || asked ? undefined : 'not asked for';
      }
      case 'AppendEntriesResponse':
      case 'InstallSnapshotResponse':
        if (memberOf(this.membership, sender) === undefined) return 'from a stranger';
        if (message.term < term) return 'earlier term';
        return message.term > term || role === 'leader' ? undefined : 'not the leader';
      case 'TimeoutNow':
        return message.term < term ? 'earlier term' : undefined;
      case 'AppendEntriesRequest':
      case 'InstallSnapshotRequest':
        return undefined;
    }
  }

  /** @spec MetadataRaft!IgnoreMessage */
  private ignoreMessage(from: NodeId, message: RaftMessage, reason: string): void {
    this.state.trace?.emit({ name: 'IgnoreMessage', from, message, reason });
  }

  /** Whoever sees a higher term is a follower in it. @spec MetadataRaft!UpdateTerm */
  private updateTerm(from: NodeId, message: RaftMessage): void {
    const { state } = this;
    this.setHardState(message.term, 0);
    this.becomeFollower(0);
    state.trace?.emit({ name: 'UpdateTerm', from });
  }

  // Elections

  /**
   * Asks whether an election could be won, before any term is disturbed (thesis 9.6).
   * @spec MetadataRaft!StartPreVote
   */
  private startPreVote(): void {
    const { state } = this;
    this.enterElection('precandidate');
    state.trace?.emit({ name: 'StartPreVote' });
    this.requestPreVote();
    this.preVoteReceived(this.options);
  }

  /** @spec MetadataRaft!RequestPreVote */
  private requestPreVote(): void {
    const { state, options } = this;
    const request = this.voteRequest((state.term + 1) as Term, true, false);
    for (const { id, learner } of this.membership) {
      if (learner || id === options.id) continue;
      state.send(id, request);
      state.trace?.emit({ name: 'RequestPreVote', to: id, message: request, afterPersist: false });
    }
  }

  /**
   * Becomes a candidate of the next term with its own vote, which counts once it is durable.
   * @spec MetadataRaft!Timeout
   */
  private timeout(transfer: boolean): void {
    const { state } = this;
    this.setHardState((state.term + 1) as Term, this.options.id);
    this.enterElection('candidate');
    state.trace?.emit({ name: 'Timeout' });
    this.requestVote(transfer);
  }

  /** @spec MetadataRaft!RequestVote */
  private requestVote(transfer: boolean): void {
    const { state, options } = this;
    const request = this.voteRequest(state.term, false, transfer);
    for (const { id, learner } of this.membership) {
      if (learner || id === options.id) continue;
      const afterPersist = this.sendWhenDurable({ to: id, asker: undefined, message: request });
      state.trace?.emit({ name: 'RequestVote', to: id, message: request, afterPersist });
    }
  }

  private voteRequest(term: Term, preVote: boolean, transfer: boolean): RequestVoteRequest {
    const { lastIndex, lastTerm } = this.state.log;
    return { kind: 'RequestVoteRequest', term, preVote, transfer, lastIndex, lastTerm };
  }

  /** @spec MetadataRaft!HandlePreVoteRequest */
  private handlePreVoteRequest(from: Peer, request: RequestVoteRequest): void {
    const { state } = this;
    const granted =
      request.term > state.term && state.log.isUpToDate(request.lastIndex, request.lastTerm);
    const reply: RequestVoteResponse = {
      kind: 'RequestVoteResponse',
      term: granted ? request.term : state.term,
      preVote: true,
      granted,
    };
    this.answer('HandlePreVoteRequest', from, request, reply);
  }

  /** @spec MetadataRaft!HandlePreVoteResponse */
  private handlePreVoteResponse(from: Peer, response: RequestVoteResponse): void {
    this.state.trace?.emit({ name: 'HandlePreVoteResponse', from: from.id, message: response });
    if (response.granted) this.preVoteReceived(from);
  }

  /**
   * Gives its vote to the first that asks in a term and whose log holds everything that may be committed here.
   * @spec MetadataRaft!HandleRequestVoteRequest
   */
  private handleRequestVoteRequest(from: Peer, request: RequestVoteRequest): void {
    const { state } = this;
    const granted =
      request.term === state.term &&
      (state.vote === 0 || state.vote === from.id) &&
      state.log.isUpToDate(request.lastIndex, request.lastTerm);
    if (granted) {
      if (state.vote === 0) this.setHardState(state.term, from.id);
      this.resetElectionTimeout();
    }
    const reply: RequestVoteResponse = {
      kind: 'RequestVoteResponse',
      term: state.term,
      preVote: false,
      granted,
    };
    this.answer('HandleRequestVoteRequest', from, request, reply);
  }

  /** @spec MetadataRaft!HandleRequestVoteResponse */
  private handleRequestVoteResponse(from: Peer, response: RequestVoteResponse): void {
    this.state.trace?.emit({ name: 'HandleRequestVoteResponse', from: from.id, message: response });
    if (response.granted) this.voteReceived(from);
  }

  private preVoteReceived(from: Peer): void {
    if (this.isElectedBy(from)) this.timeout(false);
  }

  private voteReceived(from: Peer): void {
    if (this.isElectedBy(from) && this.isHardStateDurable()) this.becomeLeader();
  }

  /** Counts the vote, and tells whether a majority of the voters, as this node knows them, is for it now. */
  private isElectedBy(from: Peer): boolean {
    if (isVoter(this.membership, from)) this.votes.add(from.id);
    return this.votes.size >= majority(this.voterCount);
  }

  /**
   * Whether this node stands for election when it hears no leader. One whose removal is in its log but not committed
   * must, without counting itself: it may be the only one whose log is long enough (thesis 4.2.2).
   */
  private mayStand(): boolean {
    if (this.isVoter) return true;
    const { log } = this.state;
    const { membershipIndex } = log;
    if (membershipIndex <= log.commitIndex) return false;
    return isVoter(log.membershipAt((membershipIndex - 1) as LogIndex), this.options);
  }

  /** @spec MetadataRaft!BecomeLeader */
  private becomeLeader(): void {
    const { state } = this;
    assert(state.role === 'candidate', 'leaders are elected');
    assert(this.isHardStateDurable(), 'nobody leads before its own vote is durable');
    state.role = 'leader';
    state.leader = this.options.id;
    this.leadership = new Leadership(state);
    // Entries of earlier terms are committed only by one of this term that follows them (thesis 3.6.2).
    this.appendOwn('noop', NO_BYTES);
    state.trace?.emit({ name: 'BecomeLeader' });
  }

  /** @spec MetadataRaft!HandleTimeoutNow */
  private handleTimeoutNow(from: NodeId, message: TimeoutNow): void {
    const { state } = this;
    if (!this.mayStand() || (state.role !== 'follower' && state.role !== 'precandidate')) {
      this.ignoreMessage(from, message, 'cannot stand for election');
      return;
    }
    state.trace?.emit({ name: 'HandleTimeoutNow', from, message });
    this.timeout(true);
  }

  private enterElection(role: 'precandidate' | 'candidate'): void {
    this.state.role = role;
    this.state.leader = 0;
    this.leadership = undefined;
    this.votes.clear();
    this.resetElectionTimeout();
  }

  private becomeFollower(leader: NodeId | 0): void {
    this.state.role = this.mayStand() ? 'follower' : 'learner';
    this.state.leader = leader;
    this.leadership = undefined;
    this.votes.clear();
    this.resetElectionTimeout();
  }

  /** @spec MetadataRaft!CheckQuorum */
  private checkQuorum(): void {
    this.becomeFollower(0);
    this.state.trace?.emit({ name: 'CheckQuorum' });
  }

  /** What an election timeout means to a node that does not stand for election. */
  private loseLeader(): void {
    this.state.role = 'learner';
    this.state.leader = 0;
    this.electionAtMs = NEVER;
  }

  private resetElectionTimeout(): void {
    const { electionTimeoutMs, random } = this.options;
    this.electionTimeoutMs = electionTimeoutMs + random.below(electionTimeoutMs);
    this.electionAtMs = this.state.nowMs + this.electionTimeoutMs;
  }

  // Following

  private leaderHeard(from: NodeId): void {
    const { state } = this;
    assert(state.role !== 'leader', 'a term has one leader');
    if (state.leader !== from) {
      assert(state.leader === 0, 'a term has one leader');
      this.becomeFollower(from);
    }
    this.leaderHeardMs = state.nowMs;
    this.electionAtMs = state.nowMs + this.electionTimeoutMs;
  }

  /** @spec MetadataRaft!HandleAppendEntriesRequest */
  private handleAppendEntriesRequest(from: Peer, request: AppendEntriesRequest): void {
    const { state } = this;
    if (request.term === state.term) this.leaderHeard(from.id);
    const reply = this.following.appendEntries(request);
    this.followMembership();
    this.answer('HandleAppendEntriesRequest', from, request, reply);
  }

  /** @spec MetadataRaft!HandleInstallSnapshotRequest */
  private handleInstallSnapshotRequest(from: Peer, request: InstallSnapshotRequest): void {
    const { state } = this;
    if (request.term === state.term) this.leaderHeard(from.id);
    const reply = this.following.installSnapshot(request);
    this.followMembership();
    this.answer('HandleInstallSnapshotRequest', from, request, reply);
  }

  // Leading

  private handleFollowersAnswer(
    from: NodeId,
    response: AppendEntriesResponse | InstallSnapshotResponse,
  ): void {
    const member = this.leadership?.member(from);
    if (this.leadership === undefined || member === undefined) {
      this.ignoreMessage(from, response, 'not the leader any more');
      return;
    }
    if (response.kind === 'AppendEntriesResponse') {
      this.leadership.handleAppendEntriesResponse(member, response);
    } else {
      this.leadership.handleInstallSnapshotResponse(member, response);
    }
    this.committed();
  }

  private appendOwn(kind: EntryKind, data: Uint8Array): Position {
    const { log, term } = this.state;
    const index = (log.lastIndex + 1) as LogIndex;
    log.append({ index, term, kind, data });
    if (kind === 'membership') this.followMembership();
    this.leadership?.appended();
    return { index, term };
  }

  /**
   * A leader that has committed its own removal goes; until then it leads without counting itself (thesis 4.2.2).
   * @spec MetadataRaft!LeaveLeadership
   */
  private committed(): void {
    const { log } = this.state;
    if (this.isVoter || log.membershipIndex > log.commitIndex) return;
    this.leadership?.flush();
    this.becomeFollower(0);
    this.state.trace?.emit({ name: 'LeaveLeadership' });
  }

  // What goes for all roles

  /** Acts on the membership that the log ends with, if it is another one now. */
  private followMembership(): void {
    const { state, membership } = this;
    if (membership === this.membershipInForce) return;
    this.membershipInForce = membership;
    this.voterCount = membership.filter(({ learner }) => !learner).length;
    this.isVoter = isVoter(membership, this.options);
    if (state.role === 'follower' || state.role === 'learner') {
      state.role = this.mayStand() ? 'follower' : 'learner';
    }
    this.leadership?.membershipChanged();
  }

  /** Replies to a request when what the reply promises is durable. */
  private answer(name: AnswerName, from: Peer, request: RaftMessage, reply: RaftMessage): void {
    const { id: to, incarnation: asker } = from;
    const afterPersist = this.sendWhenDurable({ to, asker, message: reply });
    this.state.trace?.emit({ name, from: to, message: request, reply, afterPersist });
  }

  /**
   * The message promises what this node has: it leaves when all of that is durable, which may be at once. True if it has
   * to wait.
   */
  private sendWhenDurable(outgoing: Outgoing): boolean {
    const { state } = this;
    const waits = !this.isDurable();
    if (waits) state.messagesAfterPersist.push(outgoing);
    else state.messages.push(outgoing);
    return waits;
  }

  /** Whether the disk has all that this node has. */
  private isDurable(): boolean {
    return !this.hasUnpersisted() && this.persistedNumber === this.readyNumber;
  }

  /** Whether it has something that no Ready has handed out. */
  private hasUnpersisted(): boolean {
    return this.hardStateChanged || this.state.log.hasUnpersisted();
  }

  private setHardState(term: Term, vote: NodeId | 0): void {
    const { state } = this;
    assert(term >= state.term, 'terms never fall');
    assert(term > state.term || state.vote === 0, 'one vote in a term');
    state.term = term;
    state.vote = vote;
    this.hardStateChanged = true;
  }

  private takeHardState(number: number): HardState | undefined {
    if (!this.hardStateChanged) return undefined;
    this.hardStateChanged = false;
    this.hardStateNumber = number;
    return { term: this.state.term, vote: this.state.vote };
  }

  private isHardStateDurable(): boolean {
    return !this.hardStateChanged && this.hardStateNumber <= this.persistedNumber;
  }
}

/** Whether a higher term in the message is one that exists: a pre-vote only supposes it. */
function bindsTerm(message: RaftMessage): boolean {
  if (message.kind === 'RequestVoteRequest') return !message.preVote;
  return message.kind !== 'RequestVoteResponse' || !message.preVote || !message.granted;
}

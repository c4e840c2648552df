/**
 * The actions of `spec/MetadataRaft.tla`, under their names: each takes the model one step on, or says which of its conditions
 * does not hold, or what the event says otherwise than the action does.
 */
import type { Incarnation, NodeId } from '../../impl/core/ids.ts';
import type {
  HostedRaftEvent,
  RaftEvent,
  TracedMember,
  TracedMembers,
  TracedMessage,
  TracedState,
} from '../../impl/core/raft/trace.ts';
import { type Outgoing, place } from './raft-messages.ts';
import type { Entry, Members, RaftModel, RaftNode } from './raft-state.ts';

type Named<Name extends RaftEvent['name']> = Extract<HostedRaftEvent, { readonly name: Name }>;
type Said<Kind extends TracedMessage['kind']> = Extract<TracedMessage, { readonly kind: Kind }>;

/** Undefined: the step was taken. Else the condition that does not hold. */
type Refusal = string | undefined;
type Action<Name extends RaftEvent['name']> = (
  model: RaftModel,
  node: RaftNode,
  event: Named<Name>,
) => Refusal;

const NOT_SENT = 'the message was sent';
const LEADS = 'it leads';
const SAYS_SO = 'the message says what the sender has';

/** Takes the step that the event tells of, and compares what the event says of the node after it. */
export function raftStep(model: RaftModel, event: HostedRaftEvent): Refusal {
  const node = model.node(event.node, event.incarnation);
  const { risenBy } = node;
  if (risenBy !== undefined) {
    node.risenBy = undefined;
    const handles = 'from' in event && 'message' in event && peerOf(model, event) === risenBy;
    if (!handles || event.message.term !== node.term || !bindsTerm(event.message)) {
      return 'a term rises by the message that is handled next';
    }
  }
  const action = RAFT_ACTIONS[event.name] as Action<RaftEvent['name']>;
  return action(model, node, event as never) ?? difference(node, event);
}

/** What the event says of the node otherwise than the model does. */
function difference(node: RaftNode, { name, state }: RaftEvent): Refusal {
  const { term, role, commit, snapshot, log } = node;
  if (state.term !== term) return `the term is ${term}`;
  if (state.role !== role && !(state.role === 'learner' && role === 'follower')) {
    // The code goes on to Timeout at once, and has no name for the moment in between.
    if (name !== 'HandleTimeoutNow') return `the role is ${role}`;
  }
  if (state.commitIndex !== commit) return `the commit index is ${commit}`;
  if (state.lastIndex !== log.end) return `the log ends at ${log.end}`;
  if (state.lastTerm !== log.lastTerm) return `the last term is ${log.lastTerm}`;
  if (state.snapshotIndex !== snapshot) return `the snapshot is at ${snapshot}`;
  if (state.vote !== node.voteId) return `the vote is for ${node.voteId}`;
  return undefined;
}

/** What a node may believe less of than is. */
function isDurable(node: RaftNode, { durableIndex }: TracedState): Refusal {
  return durableIndex <= node.durableIndex() ? undefined : `${node.durableIndex()} is durable`;
}

// Messages

function bindsTerm(message: TracedMessage): boolean {
  if (message.kind === 'RequestVoteRequest') return !message.preVote;
  return message.kind !== 'RequestVoteResponse' || !message.preVote || !message.granted;
}

function requestedVote(from: RaftNode, message: Said<'RequestVoteRequest'>): Outgoing {
  const { preVote, term, lastIndex, lastTerm } = message;
  const kind = preVote ? 'PreVoteRequest' : 'VoteRequest';
  return place(kind, from.number, 0, term, 0, lastIndex, 0, lastTerm);
}

function answeredVote(
  from: RaftNode,
  to: RaftNode,
  { preVote, term, granted }: Said<'RequestVoteResponse'>,
): Outgoing {
  const kind = preVote ? 'PreVoteResponse' : 'VoteResponse';
  return place(kind, from.number, to.number, term, 0, granted ? 1 : 0);
}

function requestedAppend(from: RaftNode, message: Said<'AppendEntriesRequest'>): Outgoing {
  const { term, prevIndex, entries, commitIndex, round } = message;
  const { number } = from;
  return place('AppendRequest', number, 0, term, round, prevIndex, entries.length, commitIndex);
}

function answeredAppend(
  from: RaftNode,
  to: RaftNode,
  { term, success, matchIndex, round }: Said<'AppendEntriesResponse'>,
): Outgoing {
  const { number } = from;
  return place('AppendResponse', number, to.number, term, round, matchIndex, success ? 1 : 0);
}

function requestedSnapshot(from: RaftNode, message: Said<'InstallSnapshotRequest'>): Outgoing {
  const { term, snapshotIndex, round } = message;
  const last = isLast(message) ? 1 : 0;
  return place('SnapshotRequest', from.number, 0, term, round, snapshotIndex, last);
}

function isLast({ offsetBytes, chunk, sizeBytes }: Said<'InstallSnapshotRequest'>): boolean {
  return offsetBytes + chunk === sizeBytes;
}

function answeredSnapshot(
  from: RaftNode,
  to: RaftNode,
  { term, installed, snapshotIndex, round }: Said<'InstallSnapshotResponse'>,
): Outgoing {
  const match = installed ? snapshotIndex : 0;
  return place('SnapshotResponse', from.number, to.number, term, round, match);
}

function urged(from: RaftNode, to: RaftNode, { term }: Said<'TimeoutNow'>): Outgoing {
  return place('TimeoutNow', from.number, to.number, term, 0);
}

function said(from: RaftNode, to: RaftNode, message: TracedMessage): Outgoing {
  switch (message.kind) {
    case 'RequestVoteRequest':
      return requestedVote(from, message);
    case 'RequestVoteResponse':
      return answeredVote(from, to, message);
    case 'AppendEntriesRequest':
      return requestedAppend(from, message);
    case 'AppendEntriesResponse':
      return answeredAppend(from, to, message);
    case 'InstallSnapshotRequest':
      return requestedSnapshot(from, message);
    case 'InstallSnapshotResponse':
      return answeredSnapshot(from, to, message);
    case 'TimeoutNow':
      return urged(from, to, message);
  }
}

interface Peered {
  readonly peer?: Incarnation | 0;
}

/** What promises something waits for the disk, unless that has everything already. */
function sendWhenDurable(
  model: RaftModel,
  node: RaftNode,
  message: Outgoing,
  waits: boolean,
): Refusal {
  if (waits === node.isDurable()) return waits ? 'it need not wait' : 'it waits for the disk';
  if (waits) node.outbox.push(message);
  else model.messages.leave(message);
  return undefined;
}

/** Whoever the event names besides the acting node. */
function peerOf(
  model: RaftModel,
  event: Peered & ({ readonly from: NodeId } | { readonly to: NodeId }),
): RaftNode {
  return model.node('from' in event ? event.from : event.to, event.peer ?? 0);
}

/** Who sent the message that `node` handles; undefined if nobody did. */
function senderOf(
  model: RaftModel,
  node: RaftNode,
  event: Peered & { readonly from: NodeId; readonly message: TracedMessage },
): RaftNode | undefined {
  const sender = peerOf(model, event);
  const wasSent = sender !== node && model.messages.has(said(sender, node, event.message));
  return wasSent ? sender : undefined;
}

/** Whether entries and the term before them are those of the log that the leader has in that term. */
function isPieceOf(log: readonly Entry[], message: Said<'AppendEntriesRequest'>): boolean {
  const { prevIndex, prevTerm, entries } = message;
  if (prevTerm !== (prevIndex === 0 ? 0 : log[prevIndex - 1]?.term)) return false;
  for (let i = 0; i < entries.length; i++) {
    const entry = log[prevIndex + i];
    const told = entries[i]!;
    if (told.index !== prevIndex + i + 1) return false;
    if (entry?.term !== told.term || entry.kind !== told.kind) return false;
  }
  return true;
}

// Elections

function StartPreVote(_: RaftModel, node: RaftNode): Refusal {
  if (node.role === 'leader') return 'it does not lead';
  if (!node.mayStand()) return 'it may stand for election';
  node.role = 'precandidate';
  node.votes.clear();
  node.votes.add(node.number);
  return undefined;
}

function RequestPreVote(
  model: RaftModel,
  node: RaftNode,
  { message }: Named<'RequestPreVote'>,
): Refusal {
  if (node.role !== 'precandidate') return 'it asks for pre-votes';
  if (message.kind !== 'RequestVoteRequest' || !message.preVote) return SAYS_SO;
  if (message.term !== node.term + 1 || !saysItsEnd(node, message)) return SAYS_SO;
  model.messages.leave(requestedVote(node, message));
  return undefined;
}

function saysItsEnd({ log }: RaftNode, message: Said<'RequestVoteRequest'>): boolean {
  return message.lastIndex === log.end && message.lastTerm === log.lastTerm;
}

function HandlePreVoteRequest(
  model: RaftModel,
  node: RaftNode,
  event: Named<'HandlePreVoteRequest'>,
): Refusal {
  const { message, reply } = event;
  const sender = senderOf(model, node, event);
  if (sender === undefined || message.kind !== 'RequestVoteRequest') return NOT_SENT;
  if (reply.kind !== 'RequestVoteResponse' || !reply.preVote) return SAYS_SO;
  const { granted, term } = reply;
  if (granted && message.term <= node.term) return 'the term would be a later one';
  if (granted && !node.isUpToDate(message.lastIndex, message.lastTerm)) {
    return 'the candidate has all that may be decided';
  }
  if (term !== (granted ? message.term : node.term)) return SAYS_SO;
  return sendWhenDurable(model, node, answeredVote(node, sender, reply), event.afterPersist);
}

function HandlePreVoteResponse(
  model: RaftModel,
  node: RaftNode,
  event: Named<'HandlePreVoteResponse'>,
): Refusal {
  const { message } = event;
  const sender = senderOf(model, node, event);
  if (sender === undefined || message.kind !== 'RequestVoteResponse') return NOT_SENT;
  if (!message.granted) return undefined;
  if (node.role !== 'precandidate' || message.term !== node.term + 1) return 'it was asked for';
  node.votes.add(sender.number);
  return undefined;
}

function Timeout(_: RaftModel, node: RaftNode): Refusal {
  if (node.role !== 'precandidate' || !node.hasQuorum((voter) => node.votes.has(voter))) {
    return 'a majority would vote for it';
  }
  node.role = 'candidate';
  node.term++;
  node.votesFor(node);
  node.votes.clear();
  return undefined;
}

function RequestVote(model: RaftModel, node: RaftNode, event: Named<'RequestVote'>): Refusal {
  const { message } = event;
  if (node.role !== 'candidate') return 'it is a candidate';
  if (message.kind !== 'RequestVoteRequest' || message.preVote) return SAYS_SO;
  if (message.term !== node.term || !saysItsEnd(node, message)) return SAYS_SO;
  return sendWhenDurable(model, node, requestedVote(node, message), event.afterPersist);
}

function HandleRequestVoteRequest(
  model: RaftModel,
  node: RaftNode,
  event: Named<'HandleRequestVoteRequest'>,
): Refusal {
  const { message, reply } = event;
  const sender = senderOf(model, node, event);
  if (sender === undefined || message.kind !== 'RequestVoteRequest') return NOT_SENT;
  if (reply.kind !== 'RequestVoteResponse' || reply.preVote) return SAYS_SO;
  if (message.term > node.term || reply.term !== node.term) return SAYS_SO;
  if (reply.granted) {
    if (message.term !== node.term) return 'a vote is of this term';
    if (node.vote !== 0 && node.vote !== sender.number) return 'one vote in a term';
    if (!node.isUpToDate(message.lastIndex, message.lastTerm)) {
      return 'the candidate has all that may be decided';
    }
    node.votesFor(sender);
  }
  return sendWhenDurable(model, node, answeredVote(node, sender, reply), event.afterPersist);
}

function HandleRequestVoteResponse(
  model: RaftModel,
  node: RaftNode,
  event: Named<'HandleRequestVoteResponse'>,
): Refusal {
  const { message } = event;
  const sender = senderOf(model, node, event);
  if (sender === undefined || message.kind !== 'RequestVoteResponse') return NOT_SENT;
  if (message.term !== node.term) return 'the vote is of this term';
  if (!message.granted) return undefined;
  if (node.role !== 'candidate') return 'it is a candidate';
  node.votes.add(sender.number);
  return undefined;
}

function BecomeLeader(model: RaftModel, node: RaftNode): Refusal {
  const { disk, term, number, votes } = node;
  if (node.role !== 'candidate') return 'leaders are elected';
  if (disk.term !== term || disk.vote !== number) return 'its own vote is durable';
  if (!node.hasQuorum((voter) => voter === number || votes.has(voter))) {
    return 'a majority voted for it';
  }
  node.role = 'leader';
  model.becameLeader(node);
  append(model, node, { kind: 'noop', term, members: undefined });
  votes.clear();
  return undefined;
}

function UpdateTerm(model: RaftModel, node: RaftNode, event: Named<'UpdateTerm'>): Refusal {
  const { state } = event;
  if (state.term <= node.term) return 'the term is a later one';
  node.term = state.term;
  node.votesFor(undefined);
  node.risenBy = peerOf(model, event);
  follow(node);
  return undefined;
}

function follow(node: RaftNode): void {
  node.role = 'follower';
  node.votes.clear();
  node.forgetLeading();
}

function IgnoreMessage(model: RaftModel, node: RaftNode, event: Named<'IgnoreMessage'>): Refusal {
  return senderOf(model, node, event) === undefined ? NOT_SENT : undefined;
}

function CheckQuorum(_: RaftModel, node: RaftNode): Refusal {
  return stepDown(node);
}

function stepDown(node: RaftNode): Refusal {
  if (node.role !== 'leader') return LEADS;
  node.role = 'follower';
  node.forgetLeading();
  return undefined;
}

function LeaveLeadership(_: RaftModel, node: RaftNode): Refusal {
  if (node.members.voters.has(node.number)) return 'it has no vote';
  if (node.log.membershipIndex > node.commit) return 'its removal is decided';
  return stepDown(node);
}

function TransferLeadership(
  model: RaftModel,
  node: RaftNode,
  event: Named<'TransferLeadership'>,
): Refusal {
  if (node.role !== 'leader') return LEADS;
  const heir = peerOf(model, event);
  if (heir === node || !node.members.voters.has(heir.number)) return 'the heir is another voter';
  node.transferee = heir.number;
  return undefined;
}

function AbortTransfer(_: RaftModel, node: RaftNode): Refusal {
  if (node.role !== 'leader') return LEADS;
  if (node.transferee === 0) return 'leadership is being handed over';
  node.transferee = 0;
  return undefined;
}

function TimeoutNow(model: RaftModel, node: RaftNode, event: Named<'TimeoutNow'>): Refusal {
  const { message } = event;
  const { transferee } = node;
  if (node.role !== 'leader') return LEADS;
  if (transferee === 0) return 'leadership is being handed over';
  if ((node.match.get(transferee) ?? 0) !== node.log.end) return 'the heir has the whole log';
  const heir = model.numbered(transferee);
  if (heir !== peerOf(model, event) || message.kind !== 'TimeoutNow' || message.term !== node.term)
    return SAYS_SO;
  model.messages.leave(urged(node, heir, message));
  return undefined;
}

function HandleTimeoutNow(
  model: RaftModel,
  node: RaftNode,
  event: Named<'HandleTimeoutNow'>,
): Refusal {
  if (senderOf(model, node, event) === undefined) return NOT_SENT;
  if (event.message.term !== node.term) return 'the leader is of this term';
  if (node.role !== 'follower' && node.role !== 'precandidate') return 'it follows';
  if (!node.mayStand()) return 'it may stand for election';
  node.role = 'precandidate';
  node.votes.clear();
  for (const voter of node.members.voters) node.votes.add(voter);
  return undefined;
}

// The log

function append(model: RaftModel, node: RaftNode, entry: Entry): void {
  node.log.append(entry);
  model.proposed(node, entry);
}

function mayPropose(node: RaftNode): Refusal {
  if (node.role !== 'leader') return LEADS;
  return node.transferee === 0 ? undefined : 'leadership is not being handed over';
}

function ClientRequest(model: RaftModel, node: RaftNode): Refusal {
  const refusal = mayPropose(node);
  if (refusal !== undefined) return refusal;
  append(model, node, { kind: 'command', term: node.term, members: undefined });
  return undefined;
}

function ProposeMembership(
  model: RaftModel,
  node: RaftNode,
  { members: told }: Named<'ProposeMembership'>,
): Refusal {
  const { log, term, commit } = node;
  if (log.membershipIndex > commit) return 'the last change is decided';
  if (log.termAt(commit) !== term) return 'an entry of this term is decided';
  const refusal = mayPropose(node);
  if (refusal !== undefined) return refusal;
  const members = membersOf(model, told);
  if (!isOneChange(log.members, members)) return 'one member changes';
  append(model, node, { kind: 'membership', term, members });
  for (const table of [node.match, node.answered]) {
    for (const number of table.keys()) {
      if (!members.voters.has(number) && !members.learners.has(number)) table.delete(number);
    }
  }
  return undefined;
}

function membersOf(model: RaftModel, { voters, learners }: TracedMembers): Members {
  const numbers = (told: readonly TracedMember[]): Set<number> =>
    new Set(told.map(({ id, incarnation }) => model.node(id, incarnation).number));
  return { voters: numbers(voters), learners: numbers(learners) };
}

function isOneChange(old: Members, next: Members): boolean {
  const { voters, learners } = next;
  const hadAny = (number: number): boolean => old.voters.has(number) || old.learners.has(number);
  const hasAny = (number: number): boolean => voters.has(number) || learners.has(number);
  const count = (set: ReadonlySet<number>, is: (number: number) => boolean): number =>
    [...set].filter(is).length;
  const gone = (number: number): boolean => !hasAny(number);
  const came = (number: number): boolean => !hadAny(number);
  const changes =
    count(old.voters, gone) +
    count(old.learners, gone) +
    count(voters, came) +
    count(learners, came) +
    count(voters, (number) => old.learners.has(number));
  return (
    voters.size > 0 &&
    changes === 1 &&
    count(voters, (number) => learners.has(number)) === 0 &&
    count(voters, (number) => !old.voters.has(number) && !old.learners.has(number)) === 0 &&
    count(learners, (number) => old.voters.has(number)) === 0
  );
}

function AppendEntries(
  model: RaftModel,
  node: RaftNode,
  { message }: Named<'AppendEntries'>,
): Refusal {
  if (node.role !== 'leader') return LEADS;
  if (message.kind !== 'AppendEntriesRequest' || message.term !== node.term) return SAYS_SO;
  const { commitIndex, round } = message;
  if (commitIndex > node.commit) return 'what it calls decided is';
  if (round < node.round) return 'rounds go up';
  if (!isPieceOf(node.log.entries, message)) return SAYS_SO;
  node.round = round;
  model.messages.leave(requestedAppend(node, message));
  return undefined;
}

/** Whoever hears the leader of its term follows. */
function hears(node: RaftNode, isCurrent: boolean): Refusal {
  if (!isCurrent) return undefined;
  if (node.role === 'leader') return 'a term has one leader';
  node.role = 'follower';
  node.votes.clear();
  return undefined;
}

function HandleAppendEntriesRequest(
  model: RaftModel,
  node: RaftNode,
  event: Named<'HandleAppendEntriesRequest'>,
): Refusal {
  const { message, reply } = event;
  const sender = senderOf(model, node, event);
  if (sender === undefined || message.kind !== 'AppendEntriesRequest') return NOT_SENT;
  if (message.term > node.term) return 'the term is not a later one';
  const piece = model.logOf(sender.number, message.term);
  if (!isPieceOf(piece, message)) return SAYS_SO;
  const isCurrent = message.term === node.term;
  const refusal = hears(node, isCurrent);
  if (refusal !== undefined) return refusal;
  const { log } = node;
  const { prevIndex, prevTerm, entries, commitIndex, round } = message;
  const end = prevIndex + entries.length;
  const success = isCurrent && (prevIndex <= node.commit || log.termAt(prevIndex) === prevTerm);
  if (success) {
    let same = prevIndex;
    while (same < end && log.entries[same] === piece[same]) same++;
    if (same < end) {
      if (same < log.end) node.cut(same);
      for (; same < end; same++) log.append(piece[same]!);
    }
    node.commit = Math.max(node.commit, Math.min(commitIndex, end));
  }
  const match = success ? Math.max(end, node.commit) : 0;
  if (reply.kind !== 'AppendEntriesResponse' || reply.success !== success) return SAYS_SO;
  const answered = isCurrent ? round : 0;
  if (reply.term !== node.term || reply.matchIndex !== match || reply.round !== answered) {
    return SAYS_SO;
  }
  return sendWhenDurable(model, node, answeredAppend(node, sender, reply), event.afterPersist);
}

function HandleAppendEntriesResponse(
  model: RaftModel,
  node: RaftNode,
  event: Named<'HandleAppendEntriesResponse'>,
): Refusal {
  const { message } = event;
  if (message.kind !== 'AppendEntriesResponse') return NOT_SENT;
  return hearsOf(model, node, event, message.matchIndex, message.round);
}

/** A leader learns what a member has. */
function hearsOf(
  model: RaftModel,
  node: RaftNode,
  event: Named<'HandleAppendEntriesResponse' | 'HandleInstallSnapshotResponse'>,
  matchIndex: number,
  round: number,
): Refusal {
  const sender = senderOf(model, node, event);
  if (sender === undefined) return NOT_SENT;
  if (node.role !== 'leader') return LEADS;
  if (event.message.term !== node.term) return 'the answer is of this term';
  const match = Math.max(node.match.get(sender.number) ?? 0, matchIndex);
  node.match.set(sender.number, match);
  const answered = Math.max(node.answered.get(sender.number) ?? 0, round);
  node.answered.set(sender.number, answered);
  return event.matchIndex === match ? undefined : `the sender has ${match}`;
}

function AdvanceCommitIndex(
  _: RaftModel,
  node: RaftNode,
  { state }: Named<'AdvanceCommitIndex'>,
): Refusal {
  const index = state.commitIndex;
  const { log, number, match } = node;
  if (node.role !== 'leader') return LEADS;
  if (index <= node.commit || index > log.end) return 'the commit index rises within the log';
  if (log.termAt(index) !== node.term) return 'only entries of this term are counted';
  const holds = (voter: number): boolean =>
    voter === number ? node.durableIndex() >= index : (match.get(voter) ?? 0) >= index;
  if (!node.hasQuorum(holds)) return 'a majority holds it';
  node.commit = index;
  for (const read of node.reads) {
    if (read.index > 0) continue;
    read.index = index;
    read.round = node.round + 1;
  }
  return undefined;
}

// Snapshots

function Compact(_: RaftModel, node: RaftNode, { state }: Named<'Compact'>): Refusal {
  const index = state.snapshotIndex;
  if (!mayCompact(node, index)) return 'what is decided is compacted';
  compact(node, index);
  return isDurable(node, state);
}

function mayCompact(node: RaftNode, index: number): boolean {
  return index > node.snapshot && index <= node.commit;
}

function compact(node: RaftNode, index: number): void {
  const { disk } = node;
  node.snapshot = index;
  disk.snapshot = index;
  if (disk.agrees < index) {
    disk.entries = node.log.entries.slice(0, index);
    disk.agrees = index;
  }
}

function InstallSnapshot(
  model: RaftModel,
  node: RaftNode,
  { message }: Named<'InstallSnapshot'>,
): Refusal {
  if (node.role !== 'leader') return LEADS;
  if (message.kind !== 'InstallSnapshotRequest' || message.term !== node.term) return SAYS_SO;
  const { snapshotIndex, snapshotTerm, round } = message;
  if (snapshotIndex < 1 || snapshotIndex > node.snapshot) return 'it has the snapshot';
  if (snapshotTerm !== node.log.termAt(snapshotIndex)) return SAYS_SO;
  if (round < node.round) return 'rounds go up';
  node.round = round;
  model.messages.leave(requestedSnapshot(node, message));
  return undefined;
}

function HandleInstallSnapshotRequest(
  model: RaftModel,
  node: RaftNode,
  event: Named<'HandleInstallSnapshotRequest'>,
): Refusal {
  const { message, reply } = event;
  const sender = senderOf(model, node, event);
  if (sender === undefined || message.kind !== 'InstallSnapshotRequest') return NOT_SENT;
  if (reply.kind !== 'InstallSnapshotResponse') return SAYS_SO;
  if (message.term > node.term) return 'the term is not a later one';
  const isCurrent = message.term === node.term;
  const refusal = hears(node, isCurrent);
  if (refusal !== undefined) return refusal;
  const { log } = node;
  const index = message.snapshotIndex;
  const whole = model.logOf(sender.number, message.term).slice(0, index);
  if (whole.at(-1)?.term !== message.snapshotTerm) return SAYS_SO;
  const has = index <= node.commit || log.termAt(index) === message.snapshotTerm;
  // A receiver may lack pieces that came before the last one.
  const installs = isCurrent && !has && reply.installed;
  if (installs && !isLast(message)) return 'the last piece makes a snapshot whole';
  if (installs) {
    node.cut(0);
    log.copyOf(whole);
    node.snapshot = index;
  }
  const knows = isCurrent && (installs || has);
  if (knows) node.commit = Math.max(node.commit, index);
  if (reply.installed !== knows || reply.term !== node.term) return SAYS_SO;
  if (reply.snapshotIndex !== index || reply.round !== (isCurrent ? message.round : 0))
    return SAYS_SO;
  return sendWhenDurable(model, node, answeredSnapshot(node, sender, reply), event.afterPersist);
}

function HandleInstallSnapshotResponse(
  model: RaftModel,
  node: RaftNode,
  event: Named<'HandleInstallSnapshotResponse'>,
): Refusal {
  const { message } = event;
  if (message.kind !== 'InstallSnapshotResponse') return NOT_SENT;
  const match = message.installed ? message.snapshotIndex : 0;
  return hearsOf(model, node, event, match, message.round);
}

// Reads

function RequestReadIndex(
  _: RaftModel,
  node: RaftNode,
  { id }: Named<'RequestReadIndex'>,
): Refusal {
  if (node.role !== 'leader') return LEADS;
  const { log, commit, term, round } = node;
  node.reads.push({ id, index: log.termAt(commit) === term ? commit : 0, round: round + 1 });
  return undefined;
}

function ConfirmReadIndex(
  _: RaftModel,
  node: RaftNode,
  { id, index }: Named<'ConfirmReadIndex'>,
): Refusal {
  const { number, answered } = node;
  if (node.role !== 'leader') return LEADS;
  const at = node.reads.findIndex((read) => read.id === id && read.index === index);
  if (at < 0 || index === 0) return 'the read was asked for, and waits for that index';
  const { round } = node.reads[at]!;
  node.reads.splice(at, 1);
  const heard = (voter: number): boolean => voter === number || (answered.get(voter) ?? 0) >= round;
  return node.hasQuorum(heard) ? undefined : 'a majority has answered a later round';
}

// The disk

function Persist(_: RaftModel, node: RaftNode, { number }: Named<'Persist'>): Refusal {
  node.persist(number);
  return undefined;
}

function PersistCompleted(
  model: RaftModel,
  node: RaftNode,
  { number, state }: Named<'PersistCompleted'>,
): Refusal {
  if ((node.batches[0]?.number ?? Infinity) > number) return 'the batch was handed to the disk';
  while (node.batches.length > 0 && node.batches[0]!.number <= number) {
    for (const message of node.write().after) model.messages.leave(message);
  }
  return isDurable(node, state);
}

function Recover(model: RaftModel, node: RaftNode, event: Named<'Recover'>): Refusal {
  const { state, members } = event;
  if (node.disk.term === 0 && node.batches.length === 0 && state.snapshotIndex === 1) {
    found(model, node, members);
  }
  // A snapshot that was under way may be there before anybody could tell of it: Compact, and then the crash.
  if (mayCompact(node, state.snapshotIndex)) compact(node, state.snapshotIndex);
  // Of the batches that were under way as many are on the disk as it shows.
  while (!isOnDisk(model, node, state)) {
    if (node.batches.length === 0) return 'the disk keeps what was durable';
    node.write();
  }
  const { disk, log } = node;
  node.batches = [];
  node.outbox = [];
  node.term = disk.term;
  node.votesFor(disk.vote === 0 ? undefined : model.numbered(disk.vote));
  log.copyOf(disk.entries);
  node.snapshot = disk.snapshot;
  node.commit = disk.snapshot;
  node.kept = log.end;
  disk.agrees = log.end;
  follow(node);
  if (!areMembers(model, log.members, members)) return 'the members are those of its log';
  return isDurable(node, state);
}

/** A cluster begins with a membership in a snapshot at index 1 of term 1. */
function found(model: RaftModel, { disk }: RaftNode, members: TracedMembers): void {
  disk.term = 1;
  disk.entries = [model.founding(membersOf(model, members))];
  disk.snapshot = 1;
}

function isOnDisk(model: RaftModel, { disk }: RaftNode, state: TracedState): boolean {
  const { entries } = disk;
  return (
    disk.term === state.term &&
    (disk.vote === 0 ? 0 : model.numbered(disk.vote).id) === state.vote &&
    disk.snapshot === state.snapshotIndex &&
    entries.length === state.lastIndex &&
    (entries.at(-1)?.term ?? 0) === state.lastTerm
  );
}

function areMembers(model: RaftModel, members: Members, told: TracedMembers): boolean {
  const { voters, learners } = membersOf(model, told);
  const same = (a: ReadonlySet<number>, b: ReadonlySet<number>): boolean =>
    a.size === b.size && [...a].every((number) => b.has(number));
  return same(members.voters, voters) && same(members.learners, learners);
}

export const RAFT_ACTIONS: { readonly [Name in RaftEvent['name']]: Action<Name> } = {
  StartPreVote,
  RequestPreVote,
  HandlePreVoteRequest,
  HandlePreVoteResponse,
  Timeout,
  RequestVote,
  HandleRequestVoteRequest,
  HandleRequestVoteResponse,
  BecomeLeader,
  UpdateTerm,
  CheckQuorum,
  LeaveLeadership,
  TransferLeadership,
  AbortTransfer,
  TimeoutNow,
  HandleTimeoutNow,
  ClientRequest,
  ProposeMembership,
  AppendEntries,
  HandleAppendEntriesRequest,
  HandleAppendEntriesResponse,
  AdvanceCommitIndex,
  Compact,
  InstallSnapshot,
  HandleInstallSnapshotRequest,
  HandleInstallSnapshotResponse,
  RequestReadIndex,
  ConfirmReadIndex,
  Persist,
  PersistCompleted,
  Recover,
  IgnoreMessage,
};

/**
 * The actions of `spec/DistributedLog.tla`, under their names: each takes the model one step on, or says which of its
 * conditions does not hold, in which case the model is as it was.
 */
import type { Epoch, LogIndex, TopicId } from '../../impl/core/ids.ts';
import type { Proposal } from '../../impl/core/metadata/commands.ts';
import type { DataEvent } from '../../impl/core/trace.ts';
import { type Grant, segmentKey, topicOf } from './metadata.ts';
import { keyOf, type LogModel, type NodeState } from './state.ts';

type Named<Name extends DataEvent['name']> = Extract<DataEvent, { readonly name: Name }>;
/** Undefined: the step was taken. Else the condition that does not hold. */
type Refusal = string | undefined;
type Action<Name extends DataEvent['name']> = (model: LogModel, event: Named<Name>) => Refusal;

function isMajority(members: number, of: number): boolean {
  return members * 2 > of;
}

function proposalKey(proposal: Proposal): string {
  return JSON.stringify(proposal);
}

/** Whether both say the same; what a command holds is numbers, strings, lists of them, and a policy. */
function isSame(a: Proposal, b: Proposal): boolean {
  const { origin, command } = a;
  if (origin.sequence !== b.origin.sequence || origin.boot !== b.origin.boot) return false;
  if (origin.node !== b.origin.node) return false;
  for (const [name, value] of Object.entries(command)) {
    const other = b.command[name as keyof typeof b.command] as unknown;
    const isText = typeof value !== 'object';
    const same = isText ? value === other : JSON.stringify(value) === JSON.stringify(other);
    if (!same) return false;
  }
  return true;
}

// The metadata log

function ProposeCommand(model: LogModel, { node, proposal }: Named<'ProposeCommand'>): Refusal {
  const { origin } = proposal;
  const proposer = model.node(node);
  if (origin.node !== node || origin.boot !== proposer.boot) return 'a life proposes for itself';
  const reason = mayPropose(model, proposer, proposal);
  if (reason !== undefined) return reason;
  if (!proposer.lapsed) model.proposals.add(proposalKey(proposal));
  return undefined;
}

function mayPropose(model: LogModel, node: NodeState, { command }: Proposal): Refusal {
  switch (command.kind) {
    case 'RegisterNode': {
      const { node: id, boot, incarnation } = command;
      const itself = id === node.id && boot === node.boot && incarnation === node.incarnation;
      return itself ? undefined : 'a node registers its own life and disk';
    }
    case 'CreateTopic':
      return command.replicas.includes(command.owner) ? undefined : 'an owner is a replica';
    case 'SealSegment':
      return maySeal(model, node, command);
    case 'FenceSegment': {
      const grant = model.grant(node, keyOf(command));
      if (grant === undefined || grant.state === 'sealed')
        return 'only what is not sealed is fenced';
      if (grant.epoch !== command.expectedEpoch) return 'the epoch is the one that the node knows';
      return grant.replicas.has(command.recoverer) ? undefined : 'a recoverer is a replica';
    }
    case 'AdvanceCursor':
      return command.expected < command.next ? undefined : 'a cursor moves forward';
    case 'RestoreReplica': {
      const key = keyOf(command);
      const grant = model.grant(node, key);
      if (grant?.state !== 'sealed') return 'only replicas of sealed segments are restored';
      const has = command.node === node.id && node.copy(key).durable >= grant.count;
      return has ? undefined : 'a restored replica has the whole segment durably';
    }
    case 'DrainNode':
    case 'RemoveNode':
      return undefined;
    case 'BeginMove': {
      const grant = model.grant(node, keyOf(command));
      return grant?.state === 'sealed' ? undefined : 'only copies of sealed segments are moved';
    }
    case 'CancelMove':
      return model.grant(node, keyOf(command))?.move?.epoch === command.epoch
        ? undefined
        : 'only a move that the node knows is given up';
    case 'MoveReplica': {
      const key = keyOf(command);
      const grant = model.grant(node, key);
      const copy = node.copy(key);
      if (grant?.move?.epoch !== command.epoch || !isMovedTo(node, grant)) {
        return 'a node says so of the copy that it makes';
      }
      const has = copy.durable >= grant.count && copy.durablePromise >= command.epoch;
      return has ? undefined : 'a copy that takes the place of another is whole, durably';
    }
    case 'DeleteTopic': {
      const exists = model.metadata.exists(command.topic, node.applied);
      return exists ? undefined : 'only a topic that the node knows is deleted';
    }
    case 'TrimTopic': {
      const { topic, expectedStart, start } = command;
      if (!model.metadata.exists(topic, node.applied)) {
        return 'only a topic that the node knows is trimmed';
      }
      return expectedStart < start ? undefined : 'a topic begins later after a trim';
    }
    case 'SetTopicPolicy': {
      const exists = model.metadata.exists(command.topic, node.applied);
      return exists ? undefined : 'only a topic that the node knows gets another policy';
    }
  }
}

/** Whether a copy is being made on the disk that the node has. */
function isMovedTo(node: NodeState, { move }: Grant): boolean {
  return move?.to === node.id && move.incarnation === node.incarnation;
}

function maySeal(
  model: LogModel,
  node: NodeState,
  command: Extract<Proposal['command'], { kind: 'SealSegment' }>,
): Refusal {
  const key = keyOf(command);
  const grant = model.grant(node, key);
  if (grant?.epoch !== command.epoch) return 'the epoch is the one that the node knows';
  if (!command.nextReplicas.includes(command.nextOwner)) return 'an owner is a replica';
  const copy = node.copy(key);
  if (model.owns(node, key)) {
    const { count } = command;
    if (!copy.stopped) return 'an owner has stopped before it seals';
    if (count !== model.end(node, key)) return 'an owner seals at its end';
    return copy.watermark === count ? undefined : 'all that is sealed is below the high watermark';
  }
  if (!model.recovers(node, key)) return 'only an owner or a recoverer seals';
  const longest = [...copy.promises.values()];
  const atMost = longest.filter((end) => end <= command.count).length;
  if (!longest.includes(command.count) || !isMajority(atMost, grant.replicas.size)) {
    return 'a recoverer seals at the longest end of a majority that promised';
  }
  return model.heldByMajority(node, key, command.count)
    ? undefined
    : 'a majority holds what is sealed';
}

/** Every node tells of every index; who comes first commits it. */
function CommitCommand(model: LogModel, { index, proposal }: Named<'CommitCommand'>): Refusal {
  const { metadata } = model;
  if (index > metadata.length + 1) return 'the log has no gaps';
  if (index <= metadata.length) {
    const known = metadata.log[index]!;
    const same = known === null || proposal === null ? known === proposal : isSame(known, proposal);
    return same ? undefined : 'what is committed at an index stays';
  }
  if (proposal !== null && !model.proposals.has(proposalKey(proposal))) {
    return 'only what was proposed is committed';
  }
  metadata.commit(proposal);
  return undefined;
}

function ApplyCommand(model: LogModel, event: Named<'ApplyCommand'>): Refusal {
  const { metadata } = model;
  const node = model.node(event.node);
  if (!node.up) return 'the process runs';
  if (event.index !== node.applied + 1) return 'commands are applied in their order';
  if (event.index > metadata.length) return 'only what is committed is applied';
  const proposal = metadata.log[event.index]!;
  if (proposal !== null && event.applied !== metadata.fits[event.index]) {
    return 'all nodes find the same of a command';
  }
  moveTo(model, node, event.index, proposal === null ? [] : touched(event.index, proposal));
  if (proposal?.command.kind !== 'AdvanceCursor' || !event.applied) return undefined;
  const { origin, command } = proposal;
  if (origin.node !== node.id || origin.boot !== node.boot) return undefined;
  for (let offset: number = command.expected; offset < command.next; offset++) {
    node.pending.add(`${command.topic} ${command.group} ${offset}`);
  }
  return undefined;
}

function touched(index: LogIndex, { command }: Proposal): string[] {
  switch (command.kind) {
    case 'CreateTopic':
      return [segmentKey(index as number as TopicId, 1)];
    case 'SealSegment':
      return [keyOf(command), segmentKey(command.topic, command.segment + 1)];
    case 'FenceSegment':
    case 'RestoreReplica':
    case 'BeginMove':
    case 'MoveReplica':
    case 'CancelMove':
      return [keyOf(command)];
    default:
      return [];
  }
}

/** The node knows more: what it had in memory under another grant ends, and a new owner promises to itself. */
function moveTo(model: LogModel, node: NodeState, index: number, keys: Iterable<string>): void {
  const before = node.applied;
  node.applied = index;
  for (const key of keys) {
    const grant = model.metadata.grant(key, index);
    const old = model.metadata.grant(key, before);
    if (grant === undefined) continue;
    const copy = node.copy(key);
    if (grant.epoch !== old?.epoch) copy.forgetGrant();
    if (grant.epoch > copy.promised && model.owns(node, key)) copy.promised = grant.epoch;
  }
}

function RestoreMetadata(model: LogModel, { node: id, index }: Named<'RestoreMetadata'>): Refusal {
  const node = model.node(id);
  if (!node.up) return 'the process runs';
  if (index <= node.applied || index > model.metadata.length) return 'a snapshot brings news';
  moveTo(model, node, index, model.metadata.keys());
  return undefined;
}

// Leases

function RenewLease(model: LogModel, { node: id }: Named<'RenewLease'>): Refusal {
  const node = model.node(id);
  node.lease = true;
  return node.up ? undefined : 'the process runs';
}

function ExpireLease(model: LogModel, { node }: Named<'ExpireLease'>): Refusal {
  model.node(node).lease = false;
  return undefined;
}

// Writing

function AppendRecord(model: LogModel, event: Named<'AppendRecord'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const copy = node.copy(key);
  if (!model.owns(node, key)) return 'only the owner appends';
  if (!node.lease) return 'the lease is valid';
  if (copy.stopped) return 'an owner that has stopped appends no more';
  const { epoch } = model.grant(node, key)!;
  if (epoch !== event.epoch) return 'the epoch is that of the grant';
  if (copy.promised > epoch) return 'no higher epoch was promised';
  const request = JSON.stringify(event.request);
  if (model.isTaken(request)) return 'a request is taken once';
  const assigned = model.assignedTo(key);
  if (event.index !== copy.end || event.index !== assigned.length) {
    return 'the owner has all records of the segment';
  }
  model.appended.set(request, { key, index: event.index });
  assigned.push(event.record);
  copy.end++;
  return undefined;
}

function SyncCompleted(model: LogModel, { node: id, durable }: Named<'SyncCompleted'>): Refusal {
  const node = model.node(id);
  if (!node.up) return 'the process runs';
  for (const change of durable) {
    const key = keyOf(change);
    const copy = node.copy(key);
    // What lies beyond a seal does not count, so that it is cut off changes nothing.
    const cut = change.end === model.durableEnd(node, key);
    if (!cut && (change.end < copy.durable || change.end > copy.end)) {
      return 'what is durable was written';
    }
    if (change.promised < copy.durablePromise || change.promised > copy.promised) {
      return 'what is promised durably was promised';
    }
  }
  for (const change of durable) {
    const key = keyOf(change);
    const copy = node.copy(key);
    if (change.end !== model.durableEnd(node, key)) copy.durable = change.end;
    copy.durablePromise = change.promised;
  }
  return undefined;
}

function SendReplicate(model: LogModel, event: Named<'SendReplicate'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const grant = model.grant(node, key);
  const owns = model.owns(node, key);
  if (grant?.epoch !== event.epoch) return 'the epoch is that of the grant';
  const copy = node.copy(key);
  if (!owns) {
    if (!model.recovers(node, key)) return 'only a writer replicates';
    if (!isMajority(copy.promises.size, grant.replicas.size)) {
      return 'a recoverer replicates once a majority has promised';
    }
  }
  if (event.to === event.node || !grant.replicas.has(event.to)) return 'it goes to a replica';
  if (event.from + event.count > model.end(node, key)) return 'it has what it sends';
  if (event.highWatermark !== (owns ? copy.watermark : 0)) return 'the high watermark is its own';
  const { from, count, highWatermark } = event;
  model.send('Replicate', event.node, event.to, key, event.epoch, from, count, highWatermark);
  model.send('Writer', event.node, event.to, key, event.epoch);
  return undefined;
}

/** The end after taking records `[from, from + count)`: what joins on, and lies within the segment. */
function extended(grant: Grant | undefined, end: number, from: number, count: number): number {
  const most = grant?.state === 'sealed' ? Math.min(grant.count, from + count) : from + count;
  return from <= end && most > end ? most : end;
}

function HandleReplicate(model: LogModel, event: Named<'HandleReplicate'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const copy = node.copy(key);
  const { sender, from, count, highWatermark } = event;
  if (!node.up) return 'the process runs';
  if (!model.serves(node, event.topic, key)) return 'nothing is taken of what is gone';
  if (
    !model.messages.has(
      'Replicate',
      sender,
      event.node,
      key,
      event.epoch,
      from,
      count,
      highWatermark,
    )
  )
    return 'the message was sent';
  if (event.epoch < copy.promised) return 'nothing is taken from a lower epoch';
  const old = model.end(node, key);
  const end = extended(model.grant(node, key), old, from, count);
  if (end !== event.end) return `the end is ${end}`;
  if (event.promised !== event.epoch) return 'the epoch is promised';
  copy.promised = event.epoch;
  if (end > old) copy.end = end;
  copy.watermark = Math.max(copy.watermark, Math.min(highWatermark, end));
  return undefined;
}

function durablyPromised(node: NodeState, key: string, epoch: Epoch): boolean {
  const copy = node.copy(key);
  return copy.promised === epoch && copy.durablePromise === epoch;
}

function SendReplicateAck(model: LogModel, event: Named<'SendReplicateAck'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  if (!node.up) return 'the process runs';
  if (!durablyPromised(node, key, event.epoch)) return 'the epoch is promised, durably';
  if (event.durableEnd !== model.durableEnd(node, key)) return 'it says what is durable';
  if (!model.messages.has('Writer', event.to, event.node, key, event.epoch)) {
    return 'it answers the writer of the epoch';
  }
  model.send('ReplicateAck', event.node, event.to, key, event.epoch, event.durableEnd);
  return undefined;
}

function HandleReplicateAck(model: LogModel, event: Named<'HandleReplicateAck'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const { sender, durableEnd } = event;
  if (!model.messages.has('ReplicateAck', sender, event.node, key, event.epoch, durableEnd)) {
    return 'the message was sent';
  }
  if (!model.owns(node, key) && !model.recovers(node, key)) return 'only a writer takes answers';
  const grant = model.grant(node, key)!;
  if (grant.epoch !== event.epoch) return 'the epoch is that of the grant';
  if (!grant.replicas.has(sender)) return 'it comes from a replica';
  const { reported } = node.copy(key);
  reported.set(sender, Math.max(reported.get(sender) ?? -1, durableEnd));
  return undefined;
}

function AdvanceHighWatermark(model: LogModel, event: Named<'AdvanceHighWatermark'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const copy = node.copy(key);
  const { highWatermark } = event;
  if (!model.owns(node, key)) return 'only the owner finds what is safe';
  if (highWatermark <= copy.watermark) return 'the high watermark rises';
  if (highWatermark > copy.end) return 'only what is there is safe';
  if (!model.heldByMajority(node, key, highWatermark)) return 'a majority holds it';
  if (highWatermark < copy.end && model.heldByMajority(node, key, highWatermark + 1)) {
    return 'a majority holds more';
  }
  copy.watermark = highWatermark;
  return undefined;
}

function AcknowledgeRecord(model: LogModel, event: Named<'AcknowledgeRecord'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const grant = model.grant(node, key);
  if (event.index < node.copy(key).watermark) return undefined;
  if (grant?.state === 'sealed' && event.index < grant.count) return undefined;
  return 'what is acknowledged is safe';
}

function StopAppending(model: LogModel, event: Named<'StopAppending'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const copy = node.copy(key);
  if (!model.owns(node, key) || copy.stopped) return 'an owner stops once';
  if (event.end !== copy.end) return `its end is ${copy.end}`;
  copy.stopped = true;
  return undefined;
}

// Failover

function SendPromiseRequest(model: LogModel, event: Named<'SendPromiseRequest'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  if (!model.recovers(node, key)) return 'only a recoverer asks for promises';
  const grant = model.grant(node, key)!;
  if (grant.epoch !== event.epoch) return 'the epoch is that of the grant';
  if (event.to === event.node || !grant.replicas.has(event.to)) return 'it asks a replica';
  model.send('PromiseRequest', event.node, event.to, key, event.epoch);
  return undefined;
}

function HandlePromiseRequest(model: LogModel, event: Named<'HandlePromiseRequest'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const copy = node.copy(key);
  const own = event.sender === event.node && model.recovers(node, key);
  if (!node.up) return 'the process runs';
  if (!own && !model.messages.has('PromiseRequest', event.sender, event.node, key, event.epoch)) {
    return 'the message was sent';
  }
  if (!model.serves(node, event.topic, key)) return 'nothing is promised of what is gone';
  if (event.epoch < copy.promised) return 'promises never fall';
  copy.promised = event.epoch;
  return undefined;
}

function SendPromise(model: LogModel, event: Named<'SendPromise'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  if (!durablyPromised(node, key, event.epoch)) return 'the epoch is promised, durably';
  if (event.durableEnd !== model.durableEnd(node, key)) return 'it says what is durable';
  if (!model.messages.has('PromiseRequest', event.to, event.node, key, event.epoch)) {
    return 'it was asked';
  }
  model.send('Promise', event.node, event.to, key, event.epoch, event.durableEnd);
  return undefined;
}

function HandlePromise(model: LogModel, event: Named<'HandlePromise'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const { sender, durableEnd } = event;
  if (!model.recovers(node, key)) return 'only a recoverer takes promises';
  if (model.grant(node, key)!.epoch !== event.epoch) return 'the epoch is that of the grant';
  if (sender === event.node) {
    if (!durablyPromised(node, key, event.epoch)) return 'the epoch is promised, durably';
    if (durableEnd !== model.durableEnd(node, key)) return 'it says what is durable';
  } else if (!model.messages.has('Promise', sender, event.node, key, event.epoch, durableEnd)) {
    return 'the message was sent';
  }
  const { promises, reported } = node.copy(key);
  promises.set(sender, Math.max(promises.get(sender) ?? -1, durableEnd));
  reported.set(sender, Math.max(reported.get(sender) ?? -1, durableEnd));
  return undefined;
}

function SendCopyRequest(model: LogModel, event: Named<'SendCopyRequest'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const grant = model.grant(node, key);
  const end = model.end(node, key);
  if (event.from !== end) return `its end is ${end}`;
  if (grant === undefined || !grant.replicas.has(event.to)) return 'it asks a replica';
  const lacks = grant.state === 'sealed' && end < grant.count;
  const recovering =
    model.recovers(node, key) && (node.copy(key).promises.get(event.to) ?? -1) > end;
  if (!lacks && !recovering) return 'it lacks what the other has';
  model.send('CopyRequest', event.node, event.to, key, event.epoch, event.from);
  return undefined;
}

function SendCopy(model: LogModel, event: Named<'SendCopy'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const { to, from, count } = event;
  if (!model.messages.has('CopyRequest', to, event.node, key, event.epoch, from)) {
    return 'it was asked';
  }
  const sealed = model.grant(node, key)?.state === 'sealed';
  if (event.epoch === 0 ? !sealed : event.epoch !== node.copy(key).promised) {
    return 'nothing can follow what it sends';
  }
  if (count === 0 || from + count > model.end(node, key)) return 'it has what it sends';
  model.send('Copy', event.node, to, key, event.epoch, from, count);
  return undefined;
}

function HandleCopy(model: LogModel, event: Named<'HandleCopy'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const copy = node.copy(key);
  const { sender, from, count } = event;
  if (!model.messages.has('Copy', sender, event.node, key, event.epoch, from, count)) {
    return 'the message was sent';
  }
  const grant = model.grant(node, key);
  const wanted =
    event.epoch === 0
      ? grant?.state === 'sealed'
      : model.recovers(node, key) && grant?.epoch === event.epoch && copy.promised === event.epoch;
  if (!wanted) return 'it is still wanted';
  const old = model.end(node, key);
  const end = extended(grant, old, from, count);
  if (end !== event.end) return `the end is ${end}`;
  if (end > old) copy.end = end;
  return undefined;
}

// Moves of copies

function BeginCopy(model: LogModel, event: Named<'BeginCopy'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const grant = model.grant(node, key);
  if (!node.up) return 'the process runs';
  if (grant === undefined || !isMovedTo(node, grant)) return 'a copy is to be made here';
  if (grant.move!.epoch !== event.epoch) return 'the epoch is that of the move';
  const copy = node.copy(key);
  copy.promised = Math.max(copy.promised, event.epoch) as Epoch;
  return undefined;
}

function DropReplica(model: LogModel, event: Named<'DropReplica'>): Refusal {
  const key = keyOf(event);
  const node = model.node(event.node);
  const { index } = event;
  if (!node.up) return 'the process runs';
  if (index < node.kept || index > node.applied) return 'the metadata of then is kept';
  if (!model.metadata.isStray(key, node.id, index)) return 'only what was moved away is dropped';
  if (node.copy(key).promised > index) return 'it was not begun since then';
  node.kept = index;
  node.copies.delete(key);
  return undefined;
}

// Reading

function DeliverRecord(model: LogModel, event: Named<'DeliverRecord'>): Refusal {
  const { topic, group, offset } = event;
  const answer = `${topic} ${group} ${offset}`;
  return model.node(event.node).pending.delete(answer)
    ? undefined
    : 'this life moved the cursor past the record, and has not delivered it';
}

function ReadRecord(model: LogModel, { node: id, topic, offset }: Named<'ReadRecord'>): Refusal {
  const node = model.node(id);
  if (!model.metadata.exists(topic, node.applied)) return 'the node knows the topic';
  if (offset < model.metadata.start(topic, node.applied)) return 'the record is not trimmed';
  for (let segment = model.metadata.last(topic); segment > 0; segment--) {
    const key = keyOf({ topic, segment });
    const grant = model.grant(node, key);
    if (grant === undefined || offset < grant.base) continue;
    const safe = grant.state === 'sealed' ? grant.count : node.copy(key).watermark;
    if (offset - grant.base < Math.min(safe, model.end(node, key))) return undefined;
  }
  return 'the node has the record and knows it to be safe';
}

// Process and disk

function Crash(model: LogModel, { node: id }: Named<'Crash'>): Refusal {
  const node = model.node(id);
  node.up = false;
  node.lease = false;
  node.pending.clear();
  for (const copy of node.copies.values()) {
    copy.forgetGrant();
    copy.watermark = 0;
  }
  return undefined;
}

function Restart(model: LogModel, event: Named<'Restart'>): Refusal {
  const node = model.node(event.node);
  // Who is killed from outside says nothing: that it ended shows when the next life begins.
  if (node.up) Crash(model, { name: 'Crash', node: event.node });
  const kept = new Map<string, { readonly end: number; readonly promised: number }>(
    event.ends.map((change) => [keyOf(change), change]),
  );
  for (const [key, copy] of node.copies) {
    const { end = 0, promised = 0 } = kept.get(key) ?? {};
    // What is over, or moved away, is released once no restart takes the disk back to before that.
    const isOver = model.metadata.isGone(topicOf(key), key, event.applied);
    const isAway =
      model.metadata.isStray(key, node.id, event.applied) && copy.durablePromise <= event.applied;
    const isReleased = !kept.has(key) && (isOver || isAway);
    const least = node.lapsed || isReleased ? 0 : model.durableEnd(node, key);
    if (end < least || end > copy.end) return `${key}: what is durable stays`;
    const leastPromise = node.lapsed || isReleased ? 0 : copy.durablePromise;
    if (promised < leastPromise || promised > copy.promised) {
      return `${key}: promises that are durable stay`;
    }
  }
  for (const key of kept.keys())
    if (!node.copies.has(key)) return `${key}: nothing comes of nothing`;
  if (event.applied > Math.max(node.applied, 1)) return 'metadata is as of a time before the crash';
  if (event.applied < node.kept && !node.lapsed) return 'metadata that was kept stays';
  for (const [key, copy] of node.copies) {
    const { end = 0, promised = 0 } = kept.get(key) ?? {};
    copy.end = end;
    copy.durable = end;
    copy.promised = promised as Epoch;
    copy.durablePromise = promised as Epoch;
  }
  node.up = true;
  node.boot = event.boot;
  node.incarnation = event.incarnation;
  node.applied = event.applied;
  node.kept = event.applied;
  return undefined;
}

function LoseTail(model: LogModel, { node: id }: Named<'LoseTail'>): Refusal {
  const node = model.node(id);
  if (node.up) return 'a disk loses its tail while nobody uses it';
  node.lapsed = true;
  return undefined;
}

function ReplaceDisk(model: LogModel, { node: id }: Named<'ReplaceDisk'>): Refusal {
  const node = model.node(id);
  if (node.up) Crash(model, { name: 'Crash', node: id });
  node.lapsed = false;
  node.copies.clear();
  node.applied = 0;
  node.kept = 0;
  return undefined;
}

export const ACTIONS: { readonly [Name in DataEvent['name']]: Action<Name> } = {
  ProposeCommand,
  CommitCommand,
  ApplyCommand,
  RestoreMetadata,
  RenewLease,
  ExpireLease,
  AppendRecord,
  SyncCompleted,
  SendReplicate,
  HandleReplicate,
  SendReplicateAck,
  HandleReplicateAck,
  AdvanceHighWatermark,
  AcknowledgeRecord,
  StopAppending,
  SendPromiseRequest,
  HandlePromiseRequest,
  SendPromise,
  HandlePromise,
  SendCopyRequest,
  SendCopy,
  HandleCopy,
  BeginCopy,
  DropReplica,
  DeliverRecord,
  ReadRecord,
  Crash,
  Restart,
  LoseTail,
  ReplaceDisk,
};

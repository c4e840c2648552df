/**
 * Puts the data plane's events of a trace into the words and small numbers of `DistributedLog.tla`: nodes, names, groups and
 * records are numbered from 1, topics in the order of their creation, boots and incarnations by how often there were some before. A message is
 * named by its place among all that were sent, a record by the request that it is of: two clients may put the same. A
 * request that comes again after its first record turned out to lie
 * beyond the end of its segment, and so is lost for certain, is a new one. Adds nothing that the spec does not check again.
 */
import type { NodeId, TopicId } from '../impl/core/ids.ts';
import type { Command, Proposal } from '../impl/core/metadata/commands.ts';
import type { DataEvent, DurableChange } from '../impl/core/trace.ts';
import type { Line, Sizes, Tell, Value } from './trace-line.ts';

export function tellLog(events: readonly DataEvent[], tell: Tell): Sizes {
  return new Projection().tell(events, tell);
}

/** Numbers things in the order in which they come up. */
class Numbers<Key> {
  private readonly known = new Map<Key, number>();

  of(key: Key): number {
    let number = this.known.get(key);
    if (number === undefined) {
      number = this.known.size + 1;
      this.known.set(key, number);
    }
    return number;
  }

  get size(): number {
    return this.known.size;
  }
}

const NOWHERE: readonly number[] = [0, 0];
/** An entry of Raft's own. */
const NOOP: Line = { origin: { node: 0, boot: 0, sequence: 0 }, command: { kind: 'Noop' } };

/** What happens to a node whose process has ended. */
const BETWEEN_LIVES: ReadonlySet<string> = new Set(['Restart', 'LoseTail', 'ReplaceDisk']);

class Projection {
  private readonly nodes = new Numbers<number>();
  private readonly topics = new Numbers<TopicId>();
  private readonly names = new Numbers<string>();
  private readonly groups = new Numbers<string>();
  private readonly records = new Numbers<string>();
  /** Where the record of each request was put last, and which time that was. */
  private readonly appended = new Map<string, { s: string; index: number; time: number }>();
  /** The counts of segments that are sealed. */
  private readonly sealed = new Map<string, number>();
  private readonly commands: (Command | undefined)[] = [];
  /** Of each topic, where its segments begin and which commands opened them. */
  private readonly opened = new Map<TopicId, { base: number; index: number }[]>();
  private readonly applied = new Map<number, number>();
  private readonly boots = new Map<number, Numbers<number>>();
  private readonly incarnations = new Map<number, Numbers<number>>();
  private readonly running = new Set<number>();
  /** Nodes of which a process has started on the disk that they have now. */
  private readonly disks = new Set<number>();
  private segments = 1;
  private readonly places = new Map<string, number>();
  private sent = 0;
  private readonly proposals = new Map<string, number>();
  private proposed = 0;

  tell(events: readonly DataEvent[], tell: Tell): Sizes {
    // The founding of the cluster is the first entry of the log.
    tell({ e: 'CommitCommand', n: 1, s: NOWHERE, m: 0, index: 1, proposal: NOOP }, -1);
    for (const [i, event] of events.entries()) {
      // A process that dies while it opens its store never took part: to the specification it is still down. Nor did a
      // disk of which no process has told.
      if (event.name === 'Crash' && !this.running.has(event.node)) continue;
      if (event.name === 'ReplaceDisk' && !this.disks.delete(event.node)) continue;
      if (event.name === 'LoseTail' && !this.disks.has(event.node)) continue;
      if (this.endsUnsaid(event)) {
        tell(this.line({ name: 'Crash', node: event.node }), -1);
      }
      tell(this.line(event), i);
      if (event.name === 'Crash') this.running.delete(event.node);
      else if (event.name === 'Restart') {
        this.running.add(event.node);
        this.disks.add(event.node);
      }
    }
    const { nodes, topics, names, groups, records } = this;
    return {
      nodes: nodes.size,
      topics: Math.max(1, topics.size),
      names: Math.max(1, names.size),
      groups: Math.max(1, groups.size),
      segments: this.segments,
      records: Math.max(1, records.size),
    };
  }

  /** A process that is killed from outside says nothing: that it ended shows when the next one starts. */
  private endsUnsaid({ name, node }: DataEvent): boolean {
    return BETWEEN_LIVES.has(name) && this.running.delete(node);
  }

  private line(event: DataEvent): Line {
    const e = event.name;
    const n = this.nodes.of(event.node);
    const s = 'segment' in event ? this.segment(event.topic, event.segment) : NOWHERE;
    switch (event.name) {
      case 'ProposeCommand': {
        const { command } = event.proposal;
        this.proposals.set(JSON.stringify(event.proposal), ++this.proposed);
        const i = command.kind === 'AdvanceCursor' ? this.lastKnown(event.node, command.topic) : 0;
        return { e, n, s, i, proposal: this.proposal(event.proposal) };
      }
      case 'CommitCommand': {
        const proposal = event.proposal === null ? NOOP : this.proposal(event.proposal);
        this.commands[event.index] = event.proposal?.command;
        const m = this.proposals.get(JSON.stringify(event.proposal)) ?? 0;
        return { e, n, s, m, index: event.index, proposal };
      }
      case 'ApplyCommand':
        this.applied.set(event.node, event.index);
        if (event.applied) this.applies(event.index, this.commands[event.index]);
        return { e, n, s, index: event.index, fits: event.applied };
      case 'RestoreMetadata':
        this.applied.set(event.node, event.index);
        return { e, n, s, index: event.index };
      case 'AppendRecord': {
        const { epoch, index, request } = event;
        const record = this.record(JSON.stringify(request), `${s}`, index);
        return { e, n, s, epoch, index, record };
      }
      case 'SyncCompleted':
        return { e, n, s, durable: event.durable.map((change) => this.change(change)) };
      case 'SendReplicate': {
        const { epoch, to, from, count, highWatermark } = event;
        this.sends('Replicate', n, to, s, epoch, from, count, highWatermark);
        this.places.set(`Epoch ${n} ${this.nodes.of(to)} ${s} ${epoch}`, this.sent);
        return { e, n, s, epoch, to: this.nodes.of(to), from, count, highWatermark };
      }
      case 'HandleReplicate': {
        const { sender, epoch, from, count, highWatermark, end, promised } = event;
        const m = this.received('Replicate', sender, n, s, epoch, from, count, highWatermark);
        return { e, n, s, m, epoch, end, promised };
      }
      case 'SendReplicateAck': {
        const { epoch, to, durableEnd } = event;
        this.sends('ReplicateAck', n, to, s, epoch, durableEnd);
        const m = this.places.get(`Epoch ${this.nodes.of(to)} ${n} ${s} ${epoch}`) ?? 0;
        return { e, n, s, m, epoch, to: this.nodes.of(to), durableEnd };
      }
      case 'HandleReplicateAck': {
        const { sender, epoch, durableEnd } = event;
        return { e, n, s, m: this.received('ReplicateAck', sender, n, s, epoch, durableEnd) };
      }
      case 'AdvanceHighWatermark':
        return { e, n, s, epoch: event.epoch, highWatermark: event.highWatermark };
      case 'AcknowledgeRecord':
        return { e, n, s, epoch: event.epoch, index: event.index };
      case 'StopAppending':
        return { e, n, s, epoch: event.epoch, end: event.end };
      case 'SendPromiseRequest': {
        const { epoch, to } = event;
        this.sends('PromiseRequest', n, to, s, epoch);
        return { e, n, s, epoch, to: this.nodes.of(to) };
      }
      case 'HandlePromiseRequest': {
        const { sender, epoch } = event;
        const m = this.received('PromiseRequest', sender, n, s, epoch);
        return { e, n, s, m, epoch, sender: this.nodes.of(sender) };
      }
      case 'SendPromise': {
        const { epoch, to, durableEnd } = event;
        this.sends('Promise', n, to, s, epoch, durableEnd);
        const m = this.places.get(`PromiseRequest ${this.nodes.of(to)} ${n} ${s} ${epoch}`) ?? 0;
        return { e, n, s, m, epoch, to: this.nodes.of(to), durableEnd };
      }
      case 'HandlePromise': {
        const { sender, epoch, durableEnd } = event;
        const m = this.received('Promise', sender, n, s, epoch, durableEnd);
        return { e, n, s, m, epoch, sender: this.nodes.of(sender), durableEnd };
      }
      case 'SendCopyRequest': {
        const { epoch, to, from } = event;
        this.sends('CopyRequest', n, to, s, epoch, from);
        return { e, n, s, epoch, to: this.nodes.of(to), from };
      }
      case 'SendCopy': {
        const { epoch, to, from, count } = event;
        const m = this.received('CopyRequest', to, n, s, epoch, from);
        this.sends('Copy', n, to, s, epoch, from, count);
        return { e, n, s, m, count };
      }
      case 'HandleCopy': {
        const { sender, epoch, from, count, end } = event;
        return { e, n, s, m: this.received('Copy', sender, n, s, epoch, from, count), end };
      }
      case 'BeginCopy':
        return { e, n, s, epoch: event.epoch };
      case 'DropReplica':
        return { e, n, s, index: event.index };
      case 'DeliverRecord': {
        const { topic, group, offset } = event;
        return { e, n, s, t: this.topics.of(topic), group: this.groups.of(group), offset };
      }
      case 'ReadRecord':
        return {
          e,
          n,
          s,
          t: this.topics.of(event.topic),
          i: this.holding(event.topic, event.offset),
          offset: event.offset,
        };
      case 'Restart':
        this.applied.set(event.node, event.applied);
        return {
          e,
          n,
          s,
          boot: this.boot(event.node, event.boot),
          incarnation: this.incarnation(event.node, event.incarnation),
          index: event.applied,
          ends: event.ends.map((change) => this.change(change)),
        };
      case 'ReplaceDisk':
      case 'RenewLease':
      case 'ExpireLease':
      case 'Crash':
      case 'LoseTail':
        return { e, n, s };
    }
  }

  private sends(kind: string, from: number, to: NodeId, ...content: Value[]): void {
    this.places.set(`${kind} ${from} ${this.nodes.of(to)} ${content.join(' ')}`, ++this.sent);
  }

  /** Where the message that was received stands among those sent; 0 if none was. */
  private received(kind: string, from: NodeId, to: number, ...content: Value[]): number {
    return this.places.get(`${kind} ${this.nodes.of(from)} ${to} ${content.join(' ')}`) ?? 0;
  }

  private segment(topic: TopicId, segment: number): readonly number[] {
    this.segments = Math.max(this.segments, segment);
    return [this.topics.of(topic), segment];
  }

  private applies(index: number, command: Command | undefined): void {
    if (command?.kind === 'CreateTopic') {
      const topic = index as TopicId;
      // Whoever speaks of it has applied this, or has heard of it from one who has.
      this.topics.of(topic);
      this.opens(topic, { base: 0, index });
    }
    if (command?.kind !== 'SealSegment') return;
    const { topic, segment, count } = command;
    const key = `${this.segment(topic, segment)}`;
    if (this.sealed.has(key)) return;
    this.sealed.set(key, count);
    const { base } = this.opened.get(topic)?.at(-1) ?? { base: 0 };
    this.opens(topic, { base: base + count, index });
  }

  private opens(topic: TopicId, place: { base: number; index: number }): void {
    const places = this.opened.get(topic);
    if (places === undefined) this.opened.set(topic, [place]);
    else if (places.at(-1)!.index < place.index) places.push(place);
  }

  /** Number of the last segment that the node knows. */
  private lastKnown(node: number, topic: TopicId): number {
    const applied = this.applied.get(node) ?? 0;
    return lastPlace(this.opened.get(topic), ({ index }) => index <= applied);
  }

  /** Number of the segment that has the record at this offset. */
  private holding(topic: TopicId, offset: number): number {
    return lastPlace(this.opened.get(topic), ({ base }) => base <= offset);
  }

  private record(request: string, s: string, index: number): number {
    const last = this.appended.get(request);
    const isLost = last !== undefined && last.index >= (this.sealed.get(last.s) ?? Infinity);
    const time = (last?.time ?? 0) + (isLost ? 1 : 0);
    this.appended.set(request, { s, index, time });
    return this.records.of(`${request} ${time}`);
  }

  private change({ topic, segment, end, promised }: DurableChange): Line {
    return { s: this.segment(topic, segment), end, promised };
  }

  private boot(node: number, boot: number): number {
    return numbersOf(this.boots, node).of(boot);
  }

  private incarnation(node: number, incarnation: number): number {
    return numbersOf(this.incarnations, node).of(incarnation);
  }

  private proposal({ origin, command }: Proposal): Line {
    const { node, boot, sequence } = origin;
    return {
      origin: { node: this.nodes.of(node), boot: this.boot(node, boot), sequence },
      command: this.command(command),
    };
  }

  private command(command: Command): Line {
    const set = (nodes: readonly NodeId[]): Line => ({ set: nodes.map((id) => this.nodes.of(id)) });
    switch (command.kind) {
      case 'RegisterNode': {
        const { kind, node, boot, incarnation } = command;
        return {
          kind,
          node: this.nodes.of(node),
          boot: this.boot(node, boot),
          incarnation: this.incarnation(node, incarnation),
        };
      }
      case 'CreateTopic': {
        const { kind, name, owner, replicas } = command;
        return {
          kind,
          name: this.names.of(name),
          owner: this.nodes.of(owner),
          replicas: set(replicas),
        };
      }
      case 'SealSegment': {
        const { kind, topic, segment, epoch, count, nextOwner, nextReplicas } = command;
        this.segment(topic, segment + 1);
        return {
          kind,
          topic: this.topics.of(topic),
          segment,
          epoch,
          count,
          nextOwner: this.nodes.of(nextOwner),
          nextReplicas: set(nextReplicas),
        };
      }
      case 'FenceSegment': {
        const { kind, topic, segment, expectedEpoch, recoverer } = command;
        return {
          kind,
          topic: this.topics.of(topic),
          segment,
          expectedEpoch,
          recoverer: this.nodes.of(recoverer),
        };
      }
      case 'AdvanceCursor': {
        const { kind, topic, group, expected, next } = command;
        return {
          kind,
          topic: this.topics.of(topic),
          group: this.groups.of(group),
          expected,
          next,
        };
      }
      case 'RestoreReplica': {
        const { kind, topic, segment, node, incarnation } = command;
        return {
          kind,
          topic: this.topics.of(topic),
          segment,
          node: this.nodes.of(node),
          incarnation: this.incarnation(node, incarnation),
        };
      }
      case 'DrainNode':
      case 'RemoveNode': {
        const { kind, node } = command;
        const incarnation = this.incarnation(node, command.incarnation);
        const named = { kind, node: this.nodes.of(node), incarnation };
        return kind === 'RemoveNode' ? named : { ...named, isDraining: command.isDraining };
      }
      case 'BeginMove': {
        const { kind, topic, segment, from, to } = command;
        return {
          kind,
          topic: this.topics.of(topic),
          segment,
          from: this.nodes.of(from),
          to: this.nodes.of(to),
        };
      }
      case 'MoveReplica':
      case 'CancelMove': {
        const { kind, topic, segment, epoch } = command;
        return { kind, topic: this.topics.of(topic), segment, epoch };
      }
      case 'DeleteTopic':
        return { kind: command.kind, topic: this.topics.of(command.topic) };
      case 'TrimTopic': {
        const { kind, topic, expectedStart, start } = command;
        return { kind, topic: this.topics.of(topic), expectedStart, start };
      }
      case 'SetTopicPolicy': {
        const { kind, topic, expected } = command;
        return { kind, topic: this.topics.of(topic), expected };
      }
    }
  }
}

function lastPlace<Place>(
  places: readonly Place[] | undefined,
  is: (place: Place) => boolean,
): number {
  return (places?.findLastIndex(is) ?? -1) + 1;
}

function numbersOf<Key>(table: Map<Key, Numbers<number>>, key: Key): Numbers<number> {
  let numbers = table.get(key);
  if (numbers === undefined) {
    numbers = new Numbers();
    table.set(key, numbers);
  }
  return numbers;
}

/**
 * Watches a cluster through its trace events and the nodes' variables, remembers what has happened, and evaluates
 * after every input of a node each property that speaks of something this input may have changed.
 *
 * It sees all events of all nodes in the order in which they happen, and nothing else: it could watch live nodes.
 */
import type { LogIndex, NodeId, Offset, SegmentId, TopicId } from '../impl/core/ids.ts';
import type { Proposal } from '../impl/core/metadata/commands.ts';
import type { HostedRaftEvent } from '../impl/core/raft/trace.ts';
import type { DataMessage } from '../impl/core/segment/messages.ts';
import type { DataEvent, TraceEvent } from '../impl/core/trace.ts';
import type { Checksum } from '../impl/ports/disk.ts';
import type { TraceSink } from '../impl/ports/trace-sink.ts';
import {
  AckedIsDurableInv,
  BatchIsWholeInv,
  CursorBoundsInv,
  DeletedStaysDeletedInv,
  DomainConsistencyInv,
  NoWritesPastOpenInv,
  named,
  SealedExactInv,
  SequentialOrderInv,
  SingleWriterInv,
  TrimmedPrefixInv,
} from './invariants.ts';
import { keptSegments } from './metadata-model.ts';
import { type Copy, Record, type SegmentRecord } from './record.ts';
import { Refinement } from './refinement.ts';
import {
  ApplyCommandProp,
  DurableSurvivesProp,
  FencedEpochProp,
  LastCopyProp,
  MonotonicCursorProp,
  MonotonicHighWatermarkProp,
  MonotonicPromiseProp,
  PersistThenSpeakProp,
  SealedCutProp,
} from './transitions.ts';
import type { NodeView } from './views.ts';
import { demand, Violation } from './violation.ts';

/** A message that carries records. */
type Carrying = Extract<DataMessage, { readonly records: unknown }>;
type Named<Name extends DataEvent['name']> = Extract<DataEvent, { readonly name: Name }>;

/** What a client is told of the record at an offset. */
interface Told {
  readonly name: 'told';
  /** It is the client's own, and safe. */
  readonly put: boolean;
  readonly topic: string;
  readonly offset: Offset;
  readonly record: Uint8Array;
}

export class Checker implements TraceSink<DataEvent> {
  readonly record: Record = new Record();
  /** How often each property was evaluated. */
  readonly evaluations: Map<string, number> = new Map();
  /** How often each rare thing was seen to happen. */
  readonly probes: Map<string, number> = new Map();
  private readonly refinement = new Refinement();
  /** Whether what happens is still what the models know of. */
  private follows = true;
  private readonly damaged = new Set<NodeId>();
  private readonly checksum: Checksum;
  private readonly overlooks: (property: string) => boolean;
  private readonly events: (DataEvent | Told)[] = [];
  /** Committed commands, from the first node that tells of each; [index] is absent for what came before. */
  private readonly commands: (Proposal | null)[] = [];
  /** Whether the command at [index] changed anything. */
  private readonly outcomes: boolean[] = [];
  /** Index up to which each node has applied. */
  private readonly applied = new Map<NodeId, LogIndex>();
  private readonly touchedSegments = new Set<SegmentRecord>();
  private readonly touchedTopics = new Set<TopicId>();

  /** `overlooks`: properties that may fail, for whoever wants to see what comes of it. */
  constructor(checksum: Checksum, overlooks: (property: string) => boolean = () => false) {
    this.checksum = checksum;
    this.overlooks = overlooks;
  }

  emit(event: DataEvent): void {
    this.events.push(event);
  }

  /** Likewise, of Raft: judged at once. */
  emitRaft(event: HostedRaftEvent): void {
    if (this.follows) this.judge(() => this.refinement.raftStep(event));
  }

  /** How often each action of the specifications was taken. */
  get actions(): ReadonlyMap<TraceEvent['name'], number> {
    return this.refinement.taken;
  }

  /**
   * Call when a node has handled an input to its end. `message` is what it was given, if that was one of the data
   * plane: what a replica takes from it is compared with what the owner appended.
   */
  afterInput(node: NodeView, message: Carrying | undefined): void {
    if (this.events.length === 0) return;
    for (const event of this.events) {
      this.judge(() => this.observe(event, node, message));
      if (event.name !== 'told' && this.follows) this.judge(() => this.refinement.step(event));
    }
    this.evaluations.set('RefinementProp', this.refinement.steps);
    this.events.length = 0;
    for (const segment of this.touchedSegments) {
      this.judge(() => this.compareReplica(segment, node));
    }
    this.touchedSegments.clear();
    if (this.touchedTopics.size > 0) this.judge(() => this.compareMetadata(node));
    this.touchedTopics.clear();
  }

  private judge(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation) || !this.overlooks(error.property)) throw error;
    }
  }

  /** The process of a node ended; its disk keeps what was durable. */
  crashed(node: NodeId): void {
    if (this.follows) this.judge(() => this.refinement.step({ name: 'Crash', node }));
    this.memoryLost(node);
  }

  private memoryLost(node: NodeId): void {
    for (const segment of this.record.segments()) {
      const copy = segment.copies.get(node);
      if (copy === undefined) continue;
      copy.end = copy.durableEnd;
      copy.promised = copy.durablePromise;
    }
  }

  /** The disk of a node, whose process has ended, lost an end of what was durable on it. */
  tailLost(node: NodeId): void {
    if (this.follows) this.judge(() => this.refinement.step({ name: 'LoseTail', node }));
    this.record.lapsed.add(node);
    this.copiesLost(node);
  }

  /** The disk of a node is gone, with everything on it. */
  diskReplaced(node: NodeId): void {
    if (this.follows) this.judge(() => this.refinement.step({ name: 'ReplaceDisk', node }));
    this.diskLost(node);
  }

  private diskLost(node: NodeId): void {
    this.record.incarnations.set(node, 0);
    this.record.lapsed.delete(node);
    this.damaged.delete(node);
    this.copiesLost(node);
  }

  private copiesLost(node: NodeId): void {
    for (const segment of this.record.segments()) {
      if (segment.copies.delete(node)) this.judge(() => this.ackedIsDurable(segment));
    }
  }

  /**
   * The disk of a node holds less, or other bytes, than it said. The models know no such disk and are not asked any more; what the
   * node is found to hold when it starts again is what counts.
   */
  diskDamaged(node: NodeId): void {
    this.follows = false;
    this.damaged.add(node);
  }

  /** A client is told that its record is at this offset. */
  wasAppended(topic: string, offset: Offset, record: Uint8Array): void {
    this.events.push({ name: 'told', put: true, topic, offset, record });
  }

  /** A client is given the record at this offset. */
  wasRead(topic: string, offset: Offset, record: Uint8Array): void {
    this.events.push({ name: 'told', put: false, topic, offset, record });
  }

  private observe(event: DataEvent | Told, node: NodeView, message: Carrying | undefined): void {
    switch (event.name) {
      case 'AppendRecord':
        this.appendRecord(event, node);
        break;
      case 'HandleReplicate':
      case 'HandleCopy':
        this.takeRecords(event, node, message);
        break;
      case 'SyncCompleted':
        this.syncCompleted(event);
        break;
      case 'SendReplicateAck':
      case 'SendPromise': {
        const segment = this.touch(event);
        const copy = this.record.copy(segment, event.node);
        this.count('PersistThenSpeakProp');
        PersistThenSpeakProp(segment, event.node, copy, event.durableEnd, event.epoch);
        break;
      }
      case 'HandlePromiseRequest':
        this.touch(event);
        break;
      case 'BeginCopy': {
        const copy = this.record.copy(this.touch(event), event.node);
        copy.promised = Math.max(copy.promised, event.epoch) as Copy['promised'];
        break;
      }
      case 'DropReplica':
        this.dropReplica(event);
        break;
      case 'AdvanceHighWatermark':
        this.advanceHighWatermark(event, node);
        break;
      case 'AcknowledgeRecord':
        this.acknowledgeRecord(event, node);
        break;
      case 'CommitCommand':
        this.commands[event.index] ??= event.proposal;
        break;
      case 'ApplyCommand':
        this.applyCommand(event, node);
        break;
      case 'RestoreMetadata':
        this.applied.set(event.node, event.index);
        this.probe('snapshot installed');
        this.touchAll(node);
        break;
      case 'Crash':
        this.memoryLost(event.node);
        break;
      case 'Restart':
        this.restart(event, node);
        break;
      case 'ReplaceDisk':
        this.giveUpDisk(event.node);
        break;
      case 'told':
        this.told(event);
        break;
    }
  }

  private told({ topic, offset, record, put }: Told): void {
    const checksums = [this.checksum(record, 0, record.length, 0)];
    const segment = this.segmentAt(topic, offset, checksums[0]!);
    const index = offset - this.record.model(segment)!.baseOffset;
    this.count('SequentialOrderInv');
    SequentialOrderInv(segment, index, checksums, () => 'a client');
    if (put) {
      segment.ackedEnd = Math.max(segment.ackedEnd, index + 1);
      this.ackedIsDurable(segment);
      this.sealedExact(segment);
    } else {
      demand(
        index < segment.highWatermark,
        'SequentialOrderInv',
        () => `record ${index} of ${named(segment)} was read, but is not known to be safe`,
      );
    }
  }

  private appendRecord(event: Named<'AppendRecord'>, node: NodeView): void {
    const segment = this.touch(event);
    this.count('SingleWriterInv');
    SingleWriterInv(this.record, segment, event.epoch, event.node, node.boot);
    this.count('NoWritesPastOpenInv');
    NoWritesPastOpenInv(this.record, segment);
    this.count('SequentialOrderInv');
    demand(
      event.index === segment.records.length,
      'SequentialOrderInv',
      () =>
        `node ${event.node} appends record ${event.index} to ${named(segment)}, which has ${segment.records.length}`,
    );
    demand(
      !segment.records.includes(event.record),
      'SequentialOrderInv',
      () => `node ${event.node} appends a record to ${named(segment)} that is in it`,
    );
    segment.records.push(event.record);
    const { part = 0, parts = 1 } = event.request;
    if (part < parts - 1) segment.continued.add(event.index);
    else if (parts > 1) this.probe('batch appended');
    this.record.copy(segment, event.node).end = event.index + 1;
  }

  private takeRecords(
    event: Named<'HandleReplicate' | 'HandleCopy'>,
    node: NodeView,
    message: Carrying | undefined,
  ): void {
    const segment = this.touch(event);
    const copy = this.record.copy(segment, event.node);
    if (event.name === 'HandleReplicate') {
      this.count('FencedEpochProp');
      FencedEpochProp(segment, event.node, copy, event.epoch);
      copy.promised = event.promised;
    }
    if (event.end <= copy.end) return;
    this.count('NoWritesPastOpenInv');
    NoWritesPastOpenInv(this.record, segment);
    if (message !== undefined) {
      const taken = message.records.slice(copy.end - message.from, event.end - message.from);
      const checksums = taken.map((each) => this.checksum(each, 0, each.length, 0));
      this.count('SequentialOrderInv');
      SequentialOrderInv(segment, copy.end, checksums, () => `node ${node.id}`);
    }
    copy.end = event.end;
  }

  private syncCompleted(event: Named<'SyncCompleted'>): void {
    for (const change of event.durable) {
      const segment = this.touch(change);
      this.batchIsWhole(segment, change.end, () => `what is durable on node ${event.node}`);
      const copy = this.record.copy(segment, event.node);
      copy.durableEnd = change.end;
      copy.durablePromise = change.promised;
      copy.promised = Math.max(copy.promised, change.promised) as Copy['promised'];
    }
  }

  /** A copy that was moved away is gone; those that are listed have all. */
  private dropReplica(event: Named<'DropReplica'>): void {
    const segment = this.touch(event);
    segment.copies.delete(event.node);
    this.probe('copy dropped');
    this.ackedIsDurable(segment);
    this.sealedExact(segment);
  }

  private advanceHighWatermark(event: Named<'AdvanceHighWatermark'>, node: NodeView): void {
    const segment = this.touch(event);
    this.count('SingleWriterInv');
    SingleWriterInv(this.record, segment, event.epoch, event.node, node.boot);
    const writer = node.writer(event.topic, event.segment);
    if (writer?.epoch === event.epoch) {
      this.count('MonotonicHighWatermarkProp');
      MonotonicHighWatermarkProp(segment, event.highWatermark, writer.highWatermark);
    }
    segment.highWatermark = Math.max(segment.highWatermark, event.highWatermark);
    this.batchIsWhole(segment, event.highWatermark, () => 'what is safe');
    this.sealedExact(segment);
  }

  private acknowledgeRecord(event: Named<'AcknowledgeRecord'>, node: NodeView): void {
    const segment = this.touch(event);
    this.count('SingleWriterInv');
    SingleWriterInv(this.record, segment, event.epoch, event.node, node.boot);
    segment.ackedEnd = Math.max(segment.ackedEnd, event.index + 1);
    this.ackedIsDurable(segment);
    this.sealedExact(segment);
  }

  private applyCommand(event: Named<'ApplyCommand'>, node: NodeView): void {
    const { index } = event;
    this.count('ApplyCommandProp');
    const before = this.applied.get(event.node);
    demand(
      before === index - 1,
      'ApplyCommandProp',
      () => `node ${event.node} applies command ${index} after ${before}`,
    );
    this.applied.set(event.node, index);
    const command = this.commands[index]?.command ?? null;
    if (index === this.record.metadata.index + 1) {
      this.outcomes[index] = this.record.metadata.apply(index, command) && command !== null;
      if (this.outcomes[index]) this.commandApplied(command!);
      else if (command !== null) this.probe(`${command.kind} refused`);
    }
    if (command === null) return;
    ApplyCommandProp(index, event.node, event.applied, this.outcomes[index] ?? event.applied);
    if (!event.applied || (command.kind !== 'CreateTopic' && !('topic' in command))) return;
    const topic = command.kind === 'CreateTopic' ? (index as number as TopicId) : command.topic;
    this.touchedTopics.add(topic);
    if ('segment' in command) {
      this.touch(command);
      if (command.kind === 'SealSegment') this.touchSealed(command, node);
    }
  }

  /** The specification's `ApplyCommand`: once for each command, when the first node comes to it. */
  private commandApplied(command: Proposal['command']): void {
    this.probe(command.kind);
    if (command.kind === 'AdvanceCursor') {
      const { topic, expected, next } = command;
      this.count('MonotonicCursorProp');
      MonotonicCursorProp(topic, expected, next);
      this.count('CursorBoundsInv');
      CursorBoundsInv(this.record, topic, this.record.metadata.topics.get(topic)!, next);
    } else if (command.kind === 'SealSegment') {
      const segment = this.record.segment(command.topic, command.segment);
      const grant = this.record.model(segment)!.grants.get(command.epoch);
      this.probe(grant?.role === 'owner' ? 'rollover' : 'failover');
      segment.highWatermark = Math.max(segment.highWatermark, command.count);
      this.batchIsWhole(segment, command.count, () => 'what is sealed');
      this.sealedExact(segment);
    } else if (command.kind === 'FenceSegment') {
      const grants = this.record.model(this.record.segment(command.topic, command.segment))!.grants;
      if (grants.size > 2) this.probe('recoverers raced');
    } else if (command.kind === 'RemoveNode') {
      this.nodeRemoved(command.node);
    } else if (command.kind === 'RestoreReplica' || command.kind === 'MoveReplica') {
      const segment = this.record.segment(command.topic, command.segment);
      this.ackedIsDurable(segment);
      this.sealedExact(segment);
    }
  }

  /** What was on its disk counts no more, and nothing is lost with it. */
  private nodeRemoved(node: NodeId): void {
    for (const segment of this.record.kept()) {
      if (!this.record.isListed(segment, node)) continue;
      const { length } = this.record.model(segment)!.replicas;
      this.count('LastCopyProp');
      LastCopyProp(segment, node, this.record.replicasLeft(segment), length);
      this.ackedIsDurable(segment);
      this.sealedExact(segment);
    }
  }

  /** Whoever applies the seal cuts off what lies beyond it. */
  private touchSealed(
    command: { topic: TopicId; segment: SegmentId; count: number },
    node: NodeView,
  ): void {
    const replica = node.replica(command.topic, command.segment);
    // Of a topic that was deleted nothing is cut: all of it will go.
    if (replica === undefined || this.record.metadata.ended.has(command.topic)) return;
    demand(
      replica.end <= command.count,
      'SealedExactInv',
      () =>
        `node ${node.id} holds ${replica.end} records of ${named(command)}, sealed at ${command.count}`,
    );
  }

  /** A node whose disk had forgotten something empties it. */
  private giveUpDisk(node: NodeId): void {
    this.diskLost(node);
    for (const segment of this.record.kept()) {
      const replicas = this.record.model(segment)?.replicas ?? [];
      if (!replicas.some((each) => each.node === node)) continue;
      this.count('LastCopyProp');
      LastCopyProp(segment, node, this.record.replicasLeft(segment), replicas.length);
    }
  }

  private restart(event: Named<'Restart'>, node: NodeView): void {
    this.record.incarnations.set(event.node, event.incarnation);
    this.applied.set(event.node, event.applied);
    if (this.damaged.has(event.node)) {
      for (const segment of this.record.segments()) segment.copies.delete(event.node);
    }
    if (this.record.metadata.index === 0) this.found(node, event.applied);
    const ends = new Map(event.ends.map((each) => [named(each), each]));
    for (const segment of this.record.segments()) {
      const copy = segment.copies.get(event.node);
      const found = ends.get(named(segment));
      const model = this.record.model(segment);
      const isEmpty = model?.state === 'sealed' && model.count === 0;
      const isGone = isEmpty || this.record.isEnded(segment);
      const isAway = model?.state === 'sealed' && !this.record.isListed(segment, event.node);
      // Of what is over, or moved away, all may be forgotten: when, is for the twin to say.
      if (copy !== undefined && !((isGone || isAway) && found === undefined)) {
        if (model?.state === 'sealed') copy.durableEnd = Math.min(copy.durableEnd, model.count);
        this.count('DurableSurvivesProp');
        const { end = 0, promised = 0 as Copy['promised'] } = found ?? {};
        DurableSurvivesProp(segment, event.node, copy, end, promised);
      }
    }
    for (const found of event.ends) {
      const segment = this.record.segment(found.topic, found.segment);
      demand(
        found.end <= segment.records.length,
        'SequentialOrderInv',
        () =>
          `node ${event.node} restarts with ${found.end} records of ${named(segment)}, which has ${segment.records.length}`,
      );
      segment.copies.set(event.node, {
        end: found.end,
        durableEnd: found.end,
        promised: found.promised,
        durablePromise: found.promised,
      });
      this.batchIsWhole(segment, found.end, () => `what survived on node ${event.node}`);
      this.ackedIsDurable(segment);
    }
    this.touchAll(node);
  }

  /** The cluster begins with what its founder began with. */
  private found(node: NodeView, index: LogIndex): void {
    const { metadata } = this.record;
    metadata.index = index;
    for (const { id, boot, incarnation } of node.clusterState?.nodes.values() ?? []) {
      metadata.nodes.set(id, { boot, incarnation, state: 'active' });
    }
  }

  /** What the node holds now, against what it held when it was last looked at. */
  private compareReplica(segment: SegmentRecord, node: NodeView): void {
    const replica = node.replica(segment.topic, segment.segment);
    if (replica === undefined) return;
    const copy = this.record.copy(segment, node.id);
    const model = this.record.model(segment);
    this.count('SealedCutProp');
    const sealedCount = model?.state === 'sealed' ? model.count : undefined;
    SealedCutProp(segment, node.id, copy, replica.end, sealedCount);
    this.count('DeletedStaysDeletedInv');
    DeletedStaysDeletedInv(segment, replica.promised);
    this.count('MonotonicPromiseProp');
    MonotonicPromiseProp(segment, node.id, copy, replica.promised);
    this.batchIsWhole(segment, replica.end, () => `the copy of node ${node.id}`);
    copy.end = replica.end;
    copy.promised = replica.promised;
    if (replica.durableEnd < copy.durableEnd) {
      copy.durableEnd = replica.durableEnd;
      this.ackedIsDurable(segment);
    }
  }

  /** A node that has applied as much as the specification has the same topics, wherever they were touched. */
  private compareMetadata(node: NodeView): void {
    const state = node.clusterState;
    if (state === undefined || state.appliedIndex !== this.record.metadata.index) return;
    for (const id of this.touchedTopics) {
      const topic = state.topics.get(id);
      const model = this.record.metadata.topics.get(id);
      if (this.record.metadata.ended.has(id)) {
        demand(
          topic === undefined,
          'ApplyCommandProp',
          () => `node ${node.id} has the topic ${id}, which was deleted`,
        );
        continue;
      }
      this.count('DomainConsistencyInv');
      demand(
        topic !== undefined && model !== undefined,
        'ApplyCommandProp',
        () => `node ${node.id} has not the topic ${id} that the specification has`,
      );
      this.count('TrimmedPrefixInv');
      TrimmedPrefixInv(model, topic);
      const kept = keptSegments(model);
      demand(
        topic.segments.length === kept.length,
        'ApplyCommandProp',
        () => `node ${node.id} has not the segments of ${model.name} that the specification has`,
      );
      DomainConsistencyInv(state, topic);
      for (const its of kept.slice(-2)) {
        const mine = topic.segments.find(({ id }) => id === its.id);
        demand(
          mine?.state === its.state &&
            mine.epoch === its.epoch &&
            mine.count === its.count &&
            mine.baseOffset === its.baseOffset,
          'ApplyCommandProp',
          () =>
            `node ${node.id} has another segment ${its.id} of ${model.name} than the specification`,
        );
      }
      for (const [group, offset] of model.cursors) {
        demand(
          topic.cursors.get(group) === offset,
          'ApplyCommandProp',
          () =>
            `node ${node.id} has another cursor of ${group} in ${model.name} than the specification`,
        );
      }
    }
  }

  private ackedIsDurable(segment: SegmentRecord): void {
    this.count('AckedIsDurableInv');
    AckedIsDurableInv(this.record, segment);
  }

  private batchIsWhole(segment: SegmentRecord, end: number, who: () => string): void {
    this.count('BatchIsWholeInv');
    BatchIsWholeInv(segment, end, who);
  }

  private sealedExact(segment: SegmentRecord): void {
    this.count('SealedExactInv');
    SealedExactInv(this.record, segment);
  }

  private touch(at: { topic: TopicId; segment: SegmentId }): SegmentRecord {
    const segment = this.record.segment(at.topic, at.segment);
    this.touchedSegments.add(segment);
    return segment;
  }

  private touchAll(node: NodeView): void {
    for (const replica of node.replicas()) this.touch(replica);
  }

  /** Where the record is: of all topics that ever had the name in the latest that has it there; else in the present one. */
  private segmentAt(name: string, offset: Offset, record: number): SegmentRecord {
    const topics = this.record.metadata.topicsNamed(name);
    demand(topics.length > 0, 'SequentialOrderInv', () => `topic ${name} does not exist`);
    const places = topics.map(({ id, segments }) => {
      let number = segments.length;
      while (number > 1 && segments[number - 1]!.baseOffset > offset) number--;
      return this.record.segment(id, number as SegmentId);
    });
    const holds = (segment: SegmentRecord): boolean =>
      segment.records[offset - this.record.model(segment)!.baseOffset] === record;
    return places.find(holds) ?? places[0]!;
  }

  private count(property: string): void {
    this.evaluations.set(property, (this.evaluations.get(property) ?? 0) + 1);
  }

  /** Notes that a rare thing has happened. */
  probe(name: string): void {
    this.probes.set(name, (this.probes.get(name) ?? 0) + 1);
  }
}

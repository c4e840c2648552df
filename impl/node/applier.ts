/**
 * Applies what the cluster has agreed on to the metadata, and passes on to the parts of the node what that changes. Thousands of
 * entries may become committed at once, as after a restart, and a node that applied them all in one go would be deaf and dumb
 * meanwhile: others would take it for dead. So what is left over waits for the next input, or for the next tick.
 */
import type { Controller } from '../core/controller/controller.ts';
import type { TopicId } from '../core/ids.ts';
import type { TopicRecord } from '../core/metadata/cluster-state.ts';
import type { Command, Proposal } from '../core/metadata/commands.ts';
import type { Proposals } from '../core/metadata/proposals.ts';
import type { Entry, Snapshot } from '../core/raft/entry.ts';
import type { Member } from '../core/raft/membership.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { DataPlane } from '../core/segment/data-plane.ts';
import type { Tracer } from '../core/tracer.ts';
import type { MetadataLog } from './metadata-log.ts';
import type { Ownership } from './ownership.ts';

export interface ApplierPorts {
  readonly trace: Tracer | undefined;
  readonly raft: Raft;
  readonly metadata: MetadataLog;
  readonly dataPlane: DataPlane;
  readonly controller: Controller;
  readonly proposals: Proposals;
  /** Absent if nobody listens. */
  readonly ownership: Ownership | undefined;
  /** Tells the network where a member is. */
  locate(member: Member): void;
}

/** Entries that are applied in one go. */
const AT_A_TIME = 256;

export class Applier {
  private readonly ports: ApplierPorts;
  /** Committed and not yet applied, oldest first, from `next` on. */
  private waiting: Entry[] = [];
  private next = 0;

  constructor(ports: ApplierPorts) {
    this.ports = ports;
  }

  /** Something that is committed is not applied yet. */
  get isBehind(): boolean {
    return this.next < this.waiting.length;
  }

  /** Entries come in the order of the log. */
  committed(entries: readonly Entry[]): void {
    if (this.isBehind) for (const entry of entries) this.waiting.push(entry);
    else {
      this.waiting = [...entries];
      this.next = 0;
    }
  }

  /** Applies what is committed, or as much of it as goes in one go. */
  applySome(): void {
    const end = Math.min(this.next + AT_A_TIME, this.waiting.length);
    while (this.next < end) this.apply(this.waiting[this.next++]!);
    if (!this.isBehind) this.waiting = [];
  }

  private apply(entry: Entry): void {
    const { metadata, proposals, ownership } = this.ports;
    const result = metadata.apply(entry);
    if (result === undefined) return;
    const { proposal, outcome, before } = result;
    if (outcome.applied) {
      if (outcome.ended === undefined) this.applied(proposal);
      else this.ended(outcome.ended, proposal);
      ownership?.applied(proposal.command, before, outcome.trimmed);
    }
    proposals.applied(proposal.origin, outcome);
  }

  /** Goes on from a snapshot that came from the leader. */
  install(snapshot: Snapshot): void {
    const { trace, metadata, dataPlane, controller, proposals } = this.ports;
    this.waiting = [];
    this.next = 0;
    const before = [...metadata.cluster.topics.values()];
    metadata.restore(snapshot);
    trace?.restoreMetadata(snapshot.index);
    const ended = before.filter(({ id }) => metadata.cluster.topic(id) === undefined);
    for (const { id } of ended) dataPlane.topicGone(id, undefined);
    dataPlane.everythingChanged();
    for (const topic of ended) controller.topicChanged(topic);
    for (const topic of metadata.cluster.topics.values()) controller.topicChanged(topic);
    proposals.skipped();
  }

  private applied({ command }: Proposal): void {
    const { raft, dataPlane } = this.ports;
    switch (command.kind) {
      case 'CreateTopic':
        this.topicChanged(this.ports.metadata.cluster.topicNamed(command.name)!.id);
        break;
      case 'SealSegment':
        if (command.count === 0) dataPlane.segmentGone(command.topic, command.segment);
        this.topicChanged(command.topic);
        break;
      case 'FenceSegment':
      case 'DeleteTopic':
        this.topicChanged(command.topic);
        break;
      case 'TrimTopic':
        dataPlane.topicTrimmed(command.topic);
        break;
      case 'RestoreReplica':
      case 'BeginMove':
      case 'MoveReplica':
      case 'CancelMove':
        dataPlane.copiesChanged(command.topic, command.segment);
        break;
      case 'RegisterNode': {
        const member = raft.membership.find(({ id }) => id === command.node);
        if (member !== undefined) this.ports.locate(member);
        break;
      }
      case 'AdvanceCursor':
      case 'SetTopicPolicy':
      case 'DrainNode':
      case 'RemoveNode':
        break;
    }
  }

  /** The seal was the end of its topic. */
  private ended(topic: TopicRecord, { command }: Proposal): void {
    const { dataPlane, controller } = this.ports;
    dataPlane.topicGone(topic.id, (command as Extract<Command, { kind: 'SealSegment' }>).count);
    controller.topicChanged(topic);
  }

  private topicChanged(id: TopicId): void {
    const { dataPlane, controller, metadata } = this.ports;
    dataPlane.topicChanged(id);
    controller.topicChanged(metadata.cluster.topic(id)!);
  }
}

/** Applies what the cluster has agreed on to the metadata, and passes on to the parts of the node what that changes. */

import type { Controller } from '../core/controller/controller.ts';
import type { TopicId } from '../core/ids.ts';
import type { Proposal } from '../core/metadata/commands.ts';
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

export class Applier {
  private readonly ports: ApplierPorts;

  constructor(ports: ApplierPorts) {
    this.ports = ports;
  }

  /** Entries come in the order of the log. */
  apply(entry: Entry): void {
    const { metadata, proposals, ownership } = this.ports;
    const result = metadata.apply(entry);
    if (result === undefined) return;
    const { proposal, outcome, before } = result;
    if (outcome.applied) {
      this.applied(proposal);
      ownership?.applied(proposal.command, before);
    }
    proposals.applied(proposal.origin, outcome);
  }

  /** Goes on from a snapshot that came from the leader. */
  install(snapshot: Snapshot): void {
    const { trace, metadata, dataPlane, controller, proposals } = this.ports;
    metadata.restore(snapshot);
    trace?.restoreMetadata(snapshot.index);
    dataPlane.everythingChanged();
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
        this.topicChanged(command.topic);
        break;
      case 'RestoreReplica':
        dataPlane.replicaRestored(command.topic, command.segment);
        break;
      case 'RegisterNode': {
        const member = raft.membership.find(({ id }) => id === command.node);
        if (member !== undefined) this.ports.locate(member);
        break;
      }
      case 'AdvanceCursor':
        break;
    }
  }

  private topicChanged(id: TopicId): void {
    const { dataPlane, controller, metadata } = this.ports;
    dataPlane.topicChanged(id);
    controller.topicChanged(metadata.cluster.topic(id)!);
  }
}

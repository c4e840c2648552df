/** Tells of topics that this life of the node has come to own, and why, and of what those that it owns forget. It changes nothing. */
import type { BootId, NodeId, Offset, TopicId } from '../core/ids.ts';
import type { ClusterState, SegmentRecord, TopicRecord } from '../core/metadata/cluster-state.ts';
import type { Command } from '../core/metadata/commands.ts';
import type { NodeConfig } from './config.ts';
import type { Notice, OwnerChange } from './notices.ts';

export interface OwnershipPorts {
  readonly config: Pick<NodeConfig, 'id' | 'maxSegmentEntries'>;
  readonly boot: BootId;
  readonly cluster: ClusterState;
  nowMs(): number;
  hasRoom(node: NodeId): boolean;
  notice(notice: Notice): void;
}

export class Ownership {
  private readonly ports: OwnershipPorts;
  /** Topics that are being recovered: who owned them, and since when they are. */
  private readonly fenced = new Map<TopicId, { readonly owner: NodeId; readonly atMs: number }>();

  constructor(ports: OwnershipPorts) {
    this.ports = ports;
  }

  /** The command was applied; `before` is what was the topic's current segment, `trimmed` the topic before it was. */
  applied(
    command: Command,
    before: SegmentRecord | undefined,
    trimmed: TopicRecord | undefined,
  ): void {
    switch (command.kind) {
      case 'CreateTopic':
        this.tell(this.ports.cluster.topicNamed(command.name)!.id, undefined, 'created', undefined);
        break;
      case 'FenceSegment':
        if (before!.state !== 'open') break;
        this.fenced.set(command.topic, { owner: before!.owner, atMs: this.ports.nowMs() });
        break;
      case 'SealSegment': {
        const { topic } = command;
        const fenced = this.fenced.get(topic);
        this.fenced.delete(topic);
        const tookMs = fenced && this.ports.nowMs() - fenced.atMs;
        if (before!.state === 'fenced') this.tell(topic, fenced?.owner, 'failover', tookMs);
        else this.tell(topic, before!.owner, this.reasonOf(command, before!), undefined);
        break;
      }
      case 'TrimTopic':
        this.tellTrimmed(trimmed!, command.start);
        break;
      default:
    }
  }

  private tellTrimmed({ id, name, segments, cursors }: TopicRecord, start: Offset): void {
    if (!this.isOwned(id)) return;
    const moved = [...cursors].filter(([, at]) => at < start);
    this.ports.notice({
      kind: 'TopicTrimmed',
      topic: name,
      from: segments[0]!.baseOffset,
      start,
      skipped: moved.map(([group, at]) => ({ group, records: start - at })),
    });
  }

  /** Whether the current segment was granted to this very life: what is replayed at a start was told by an earlier one. */
  private isOwned(topic: TopicId): boolean {
    const { config, boot, cluster } = this.ports;
    const current = cluster.currentSegment(topic);
    return current?.owner === config.id && current.boot === boot;
  }

  private reasonOf(
    { count, nextReplicas }: Extract<Command, { kind: 'SealSegment' }>,
    { replicas }: SegmentRecord,
  ): OwnerChange {
    const { config, cluster } = this.ports;
    if (count >= config.maxSegmentEntries) return 'rollover';
    if (replicas.some(({ node }) => !this.ports.hasRoom(node))) return 'full disk';
    const isOutdated = replicas.some((each) => !cluster.isPresent(each));
    return isOutdated || nextReplicas.length > replicas.length ? 'more copies' : 'handover';
  }

  private tell(
    topic: TopicId,
    before: NodeId | undefined,
    reason: OwnerChange,
    tookMs: number | undefined,
  ): void {
    // If the seal was the end of the topic nobody owns it.
    if (!this.isOwned(topic)) return;
    const { name, segments } = this.ports.cluster.topic(topic)!;
    const { id: segment } = segments.at(-1)!;
    this.ports.notice({ kind: 'OwnerChanged', topic: name, segment, before, reason, tookMs });
  }
}

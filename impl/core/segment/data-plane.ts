/**
 * Everything that this node does with records: as a replica, as an owner, as a recoverer. Follows the metadata as it
 * is applied, hands messages to whom they concern, and passes on what has become durable.
 */
import type { WalrusError } from '../errors.ts';
import type { Epoch, LogIndex, SegmentId, TopicId } from '../ids.ts';
import type { ReplicaRecord, SegmentRecord } from '../metadata/cluster-state.ts';
import type { Lsn } from '../storage/ids.ts';
import { Failover } from './failover.ts';
import type { DataMessage } from './messages.ts';
import { Owner } from './owner.ts';
import type { SegmentPorts } from './ports.ts';
import { Replicas } from './replicas.ts';
import { Retention } from './retention.ts';
import { Scrubber } from './scrubber.ts';

export class DataPlane {
  readonly replicas: Replicas;
  readonly owner: Owner;
  readonly failover: Failover;
  readonly retention: Retention;
  private readonly scrubber: Scrubber;
  private readonly ports: SegmentPorts;

  constructor(ports: SegmentPorts) {
    this.ports = ports;
    this.replicas = new Replicas(ports);
    this.owner = new Owner(ports, this.replicas);
    this.failover = new Failover(ports, this.replicas);
    this.retention = new Retention(ports, this.owner);
    this.scrubber = new Scrubber(
      this.replicas,
      ports.scrub,
      (notice) => ports.notice(notice),
      ports.nowMs(),
    );
  }

  handle(sender: ReplicaRecord, message: DataMessage): void {
    switch (message.kind) {
      case 'Replicate':
        return this.replicas.handleReplicate(sender, message);
      case 'ReplicateAck':
        this.owner.handleReplicateAck(sender, message);
        return this.failover.handleReplicateAck(sender, message);
      case 'Refuse':
        return this.owner.handleRefuse(message);
      case 'PromiseRequest':
        return this.replicas.handlePromiseRequest(sender, message);
      case 'Promise':
        return this.failover.handlePromise(sender, message);
      case 'CopyRequest':
        return this.replicas.sendCopy(sender, message);
      case 'Copy': {
        const { topic, epoch } = message;
        // Of a recovery that is over.
        if (epoch !== 0 && this.failover.recovery(topic)?.epoch !== epoch) return;
        this.replicas.handleCopy(sender, message);
        return this.failover.copied(topic);
      }
      case 'MendRequest':
      case 'Mend': {
        const { mending } = this.replicas;
        const replica = this.replicas.find(message.topic, message.segment);
        if (message.kind === 'Mend') return mending.handleMend(sender, message, replica);
        return mending.handleMendRequest(sender, message, replica);
      }
    }
  }

  /** The metadata of one topic has changed: what was sealed ends here, and what was granted begins. */
  topicChanged(topic: TopicId): void {
    const { segments, isDeleting } = this.ports.cluster().topic(topic)!;
    const previous = segments.at(-2);
    if (previous !== undefined) this.replicas.seal(topic, previous);
    this.endOutdated(topic, segments.at(-1)!);
    this.beginGranted(topic, segments.at(-1)!);
    if (isDeleting) this.owner.end(topic);
    else this.retention.lookAtTopic(topic);
  }

  /** The topic was deleted, with its last segment ending at `count`; undefined if that is not told. */
  topicGone(topic: TopicId, count: number | undefined): void {
    const recovery = this.failover.recovery(topic);
    if (recovery !== undefined) this.failover.end(topic, recovery);
    const writer = this.owner.writer(topic);
    if (writer !== undefined) {
      if (count === undefined) this.owner.gone(topic, writer);
      else this.owner.sealed(topic, writer, count);
    }
    this.replicas.forgotten(topic);
  }

  /** The topic has forgotten segments at its front. */
  topicTrimmed(topic: TopicId): void {
    this.replicas.forgotten(topic);
  }

  /** The segment ended without a record. */
  segmentGone(topic: TopicId, id: SegmentId): void {
    this.replicas.empty(topic, id);
  }

  /** The metadata as of log entry `index` is in the store's next commit: nobody can be told again what came before it. */
  metadataKept(index: LogIndex): void {
    this.replicas.forgetGone(index);
  }

  /** All of the metadata has changed, and it is in the store: at the start, or because a snapshot of it arrived. */
  everythingChanged(): void {
    const cluster = this.ports.cluster();
    this.replicas.findGone();
    this.replicas.forgetGone(cluster.appliedIndex);
    for (const [topic, { segments }] of cluster.topics) {
      for (const segment of segments) {
        if (segment.state === 'sealed') this.replicas.seal(topic, segment);
      }
      this.topicChanged(topic);
    }
  }

  /** The metadata names another disk as the holder of a sealed segment, or as one on which a copy is to be made. */
  copiesChanged(topic: TopicId, id: SegmentId): void {
    this.replicas.seal(topic, this.ports.cluster().segment(topic, id)!);
  }

  /** Everything staged in the store so far is in its commit `lsn`. */
  committed(lsn: Lsn): void {
    this.replicas.committed(lsn);
    this.replicas.mending.committed(lsn);
  }

  durable(lsn: Lsn): void {
    this.replicas.mending.syncCompleted(lsn);
    for (const replica of this.replicas.syncCompleted(lsn)) {
      this.owner.synced(replica);
      this.failover.synced(replica);
    }
  }

  /**
   * Records `[from, ...)` of a segment from this node's copy, as far as they may be read and no more than `limit`.
   * Gives `undefined` if this copy cannot tell.
   */
  read(
    topic: TopicId,
    segment: SegmentRecord,
    from: number,
    limit: { readonly records: number; readonly bytes: number },
    done: (error: WalrusError | undefined, records: readonly Uint8Array[]) => void,
  ): void {
    const readable = this.readableEnd(topic, segment.id);
    if (from >= readable) {
      done(undefined, []);
      return;
    }
    const replica = this.replicas.find(topic, segment.id)!;
    const records = Math.min(limit.records, readable - from);
    this.replicas.mending.read(replica, from, { records, bytes: limit.bytes }, done);
  }

  /** The record cannot be read here until it is mended. */
  isDamaged(topic: TopicId, segment: SegmentId, index: number): boolean {
    const replica = this.replicas.find(topic, segment);
    return replica !== undefined && this.replicas.mending.damageEnd(replica, index) !== undefined;
  }

  /** The highest grant that this node's copy has promised to obey; 0 for none. */
  promised(topic: TopicId, segment: SegmentId): Epoch | 0 {
    return this.replicas.find(topic, segment)?.promised ?? 0;
  }

  /** Records below it are here and may be read. */
  readableEnd(topic: TopicId, segment: SegmentId): number {
    const replica = this.replicas.find(topic, segment);
    if (replica === undefined) return 0;
    const record = this.ports.cluster().segment(topic, segment);
    // All of a sealed segment may be read, whatever its last writer said.
    return record?.state === 'sealed' ? Math.min(record.count, replica.end) : replica.highWatermark;
  }

  /** The end of an input: whatever was appended goes out to the replicas. */
  flush(): void {
    this.owner.replicate();
  }

  tick(nowMs: number): void {
    this.owner.tick(nowMs);
    this.failover.tick(nowMs);
    this.replicas.tick(nowMs);
    this.scrubber.tick(nowMs);
    this.replicas.mending.tick(nowMs);
  }

  deadlineMs(): number {
    return Math.min(
      this.owner.deadlineMs(),
      this.failover.deadlineMs(),
      this.replicas.deadlineMs(),
      this.scrubber.deadlineMs(),
      this.replicas.mending.deadlineMs(),
    );
  }

  private endOutdated(topic: TopicId, current: SegmentRecord): void {
    const recovery = this.failover.recovery(topic);
    if (recovery !== undefined && recovery.epoch !== current.epoch) {
      this.failover.end(topic, recovery);
    }
    const writer = this.owner.writer(topic);
    if (writer === undefined || writer.epoch === current.epoch) return;
    const cluster = this.ports.cluster();
    const now = cluster.segment(topic, writer.replica.segment);
    if (now?.state === 'sealed') this.owner.sealed(topic, writer, now.count);
    else if (now !== undefined) this.owner.fenced(writer);
    // It ended without a record; or, with how many nobody knows here, and was trimmed before a snapshot came.
    else if (writer.segment.baseOffset >= cluster.start(topic)) this.owner.sealed(topic, writer, 0);
    else this.owner.gone(topic, writer);
  }

  private beginGranted(topic: TopicId, current: SegmentRecord): void {
    const { self, boot } = this.ports;
    if (current.owner !== self.node || current.boot !== boot) return;
    if (current.state === 'open' && this.owner.writer(topic)?.epoch !== current.epoch) {
      this.owner.take(topic, current);
    }
    if (current.state === 'fenced' && this.failover.recovery(topic)?.epoch !== current.epoch) {
      this.failover.begin(topic, current);
    }
  }
}

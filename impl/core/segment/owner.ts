/**
 * The open segments that this node owns: takes records, brings them to a majority, and rolls over when full.
 * A right to append comes from the metadata and names this life of this process; it ends when the metadata says
 * so or a replica has promised a higher epoch, whichever is heard first.
 */
import type { ErrorCode } from '../errors.ts';
import type { Offset, TopicId } from '../ids.ts';
import type { ReplicaRecord, SegmentRecord } from '../metadata/cluster-state.ts';
import type { Origin } from '../metadata/commands.ts';
import { NO_POLICY, segmentLimits } from '../metadata/policy.ts';
import type { Refuse, ReplicateAck } from './messages.ts';
import { RETRY_MS, type SegmentPorts } from './ports.ts';
import type { Replica } from './replica.ts';
import type { Replicas } from './replicas.ts';
import {
  handleReplicateAck,
  mayWrite,
  outstanding,
  proposeSeal,
  repeat,
  replicateTo,
} from './replication.ts';
import { type Settle, Writer } from './writer.ts';

/** What a record takes in the store beyond its own bytes, about. */
const RECORD_OVERHEAD_BYTES = 8;
/** Appends that may wait for their majority, a topic. */
const WAITING_MAX = 65_536;
/** Segments that are rolled over at a time because it is their turn: their topics take no records meanwhile. */
const ROLLOVERS_MAX = 256;

export class Owner {
  private readonly ports: SegmentPorts;
  private readonly replicas: Replicas;
  /** By topic: a topic has one open segment. */
  private readonly writers = new Map<TopicId, Writer>();
  /** Took records since the last `replicate`. */
  private readonly fresh = new Set<Writer>();
  /** Have something to repeat, or to seal. A node may own thousands of others. */
  private readonly busy = new Set<Writer>();
  /** Are to be rolled over once others are. */
  private readonly due = new Set<Writer>();
  private wakeAtMs = Infinity;

  constructor(ports: SegmentPorts, replicas: Replicas) {
    this.ports = ports;
    this.replicas = replicas;
  }

  writer(topic: TopicId): Writer | undefined {
    return this.writers.get(topic);
  }

  all(): Iterable<Writer> {
    return this.writers.values();
  }

  /** The metadata granted this open segment to this process. */
  take(topic: TopicId, segment: SegmentRecord): void {
    const replica = this.replicas.open(topic, segment.id);
    this.replicas.promise(replica, segment.epoch);
    const { self } = this.ports;
    this.writers.set(topic, new Writer(replica, segment, self.node, this.ports.nowMs()));
  }

  /** The metadata gave the segment to a recoverer. Records that wait will hear what became of them at the seal. */
  fenced(writer: Writer): void {
    writer.stopped = true;
    writer.ended = true;
  }

  /** The metadata says that the segment ended at `count`. */
  sealed(topic: TopicId, writer: Writer, count: number): void {
    this.writers.delete(topic);
    writer.ended = true;
    writer.settleSealed(count);
  }

  /** A snapshot of the metadata has no such topic any more, or nothing of what became of the segment. */
  gone(topic: TopicId, writer: Writer): void {
    this.writers.delete(topic);
    writer.ended = true;
    writer.settleUnknown();
  }

  /** The topic is to end: its segment is sealed as soon as that can be. */
  end(topic: TopicId): void {
    const writer = this.writers.get(topic);
    if (writer !== undefined && !writer.ended) this.stopAppending(writer);
  }

  /**
   * Puts the batch of `request` at the end of the topic and returns the index of its first record in the segment. It counts once
   * `settle` hears `committed`, which is when a majority of the replicas hold all of it durably. Errors by name: `NotOwner`,
   * `SegmentSealing`, `LeaseExpired`, `Fenced`, `NoSpace`, `Overloaded`, `OffsetMismatch` if the first record would not get the
   * offset `expected`; nothing was taken then.
   */
  appendBatch(
    topic: TopicId,
    records: readonly Uint8Array[],
    request: Origin,
    settle: Settle,
    expected?: Offset,
  ): number | ErrorCode {
    const writer = this.writers.get(topic);
    if (writer === undefined) return 'NotOwner';
    if (writer.stopped) return this.isStuck(writer) ? 'NoSpace' : 'SegmentSealing';
    if (!this.ports.leaseValid()) return 'LeaseExpired';
    const { replica, epoch } = writer;
    if (replica.promised > epoch) return 'Fenced';
    const next = writer.segment.baseOffset + replica.end;
    if (expected !== undefined && expected !== next) return 'OffsetMismatch';
    const room = this.ports.store.room(totalBytes(records));
    if (room === 'full' || this.lacksRoom(writer)) {
      return this.leaveFullDisks(writer) ? 'SegmentSealing' : 'NoSpace';
    }
    if (room === 'busy' || writer.waitingCount >= WAITING_MAX) return 'Overloaded';
    const first = replica.end;
    for (let part = 0; part < records.length; part++) {
      this.appendRecord(writer, records[part]!, part, records.length, request);
    }
    writer.await(replica.end - 1, settle);
    this.fresh.add(writer);
    if (this.isFull(writer)) this.stopAppending(writer);
    return first;
  }

  /** @spec DistributedLog!AppendRecord */
  private appendRecord(
    writer: Writer,
    record: Uint8Array,
    part: number,
    parts: number,
    request: Origin,
  ): void {
    const index = this.replicas.append(writer.replica, writer.epoch, record);
    writer.bytes += record.length;
    this.ports.trace?.appendRecord(writer, index, record, request, part, parts);
  }

  /** Sends what was appended since the last call. Called once at the end of each input. */
  replicate(): void {
    for (const writer of this.fresh) {
      if (mayWrite(writer)) {
        replicateTo(this.ports, this.replicas.mending, writer, writer.replica.end);
      }
      this.lookAfter(writer);
    }
    this.fresh.clear();
  }

  handleReplicateAck(sender: ReplicaRecord, message: ReplicateAck): void {
    const writer = this.writers.get(message.topic);
    if (writer?.replica.segment !== message.segment || writer.epoch !== message.epoch) return;
    if (writer.ended) return;
    const follower = writer.follower(sender);
    if (follower === undefined) return;
    handleReplicateAck(this.ports, writer, follower, message);
    this.advanceHighWatermark(writer);
    if (mayWrite(writer))
      replicateTo(this.ports, this.replicas.mending, writer, writer.replica.end);
  }

  /** A replica has promised a higher epoch: this writer can finish nothing more. */
  handleRefuse(message: Refuse): void {
    const writer = this.writers.get(message.topic);
    if (writer?.replica.segment === message.segment && writer.epoch === message.epoch) {
      this.stopAppending(writer);
    }
  }

  /** More of this node's own copy is durable. */
  synced(replica: Replica): void {
    const writer = this.writers.get(replica.topic);
    if (writer?.replica === replica && !writer.ended) this.advanceHighWatermark(writer);
  }

  /** Rolls over what is full, or old, or has fewer copies than it might have; with `all`, everything. */
  rollOver(all: boolean): void {
    const wanted = this.ports.place(this.ports.self.node).replicas.length;
    for (const writer of this.writers.values()) {
      const isOver = this.isFull(writer) || this.isOld(writer);
      if (all || isOver || this.lacksReplicas(writer, wanted)) this.due.add(writer);
    }
    this.stopDue();
  }

  tick(nowMs: number): void {
    if (nowMs < this.wakeAtMs) return;
    for (const writer of this.busy) {
      const { end } = writer.replica;
      if (mayWrite(writer)) repeat(this.ports, this.replicas.mending, writer, end, nowMs);
      this.sealOnceSafe(writer);
      if (writer.ended || !(writer.stopped || outstanding(writer, end))) this.busy.delete(writer);
    }
    this.stopDue();
    this.wakeAtMs = this.busy.size > 0 ? nowMs + RETRY_MS : Infinity;
  }

  deadlineMs(): number {
    return this.wakeAtMs;
  }

  /**
   * Ends the segment if the next one can begin on disks that have room, an owner's and a majority. What was taken is safe once the
   * others have it.
   */
  private leaveFullDisks(writer: Writer): boolean {
    const { owner, replicas } = this.ports.place(this.ports.self.node);
    const withRoom = replicas.filter((node) => this.ports.hasRoom(node)).length;
    if (!this.ports.hasRoom(owner) || withRoom * 2 <= replicas.length) return false;
    this.stopAppending(writer);
    return true;
  }

  /** Whether so many of the others are full that nothing more can become safe here. */
  private lacksRoom({ followers }: Writer): boolean {
    let full = 0;
    for (const { record } of followers) if (!this.ports.hasRoom(record.node)) full++;
    return full * 2 > followers.length;
  }

  /** It is to be sealed, and cannot be before there is room for what was taken. */
  private isStuck(writer: Writer): boolean {
    return writer.highWatermark < writer.replica.end && this.lacksRoom(writer);
  }

  private stopDue(): void {
    let room = ROLLOVERS_MAX;
    for (const { stopped } of this.busy) if (stopped) room--;
    for (const writer of this.due) {
      if (room-- <= 0) break;
      this.due.delete(writer);
      if (!writer.ended) this.stopAppending(writer);
    }
  }

  private isFull({ replica: { topic, end }, bytes }: Writer): boolean {
    const limits = this.limits(topic);
    return end >= limits.entries || bytes >= limits.bytes;
  }

  /** Nothing becomes of one without records by being sealed. */
  private isOld({ replica: { topic, end }, sinceMs }: Writer): boolean {
    return end > 0 && this.ports.nowMs() - sinceMs >= this.limits(topic).ageMs;
  }

  private limits(topic: TopicId): ReturnType<typeof segmentLimits> {
    const policy = this.ports.cluster().topic(topic)?.policy ?? NO_POLICY;
    return segmentLimits(policy, this.ports.maxSegmentEntries);
  }

  /** The cluster has grown since the grant, or a replica's disk was replaced by an empty one, was removed, or is to be. */
  private lacksReplicas({ segment: { replicas } }: Writer, wanted: number): boolean {
    const cluster = this.ports.cluster();
    return (
      wanted > replicas.length ||
      replicas.some(
        (each) => !cluster.isPresent(each) || cluster.node(each.node)?.state === 'draining',
      )
    );
  }

  /**
   * Takes no more records, so that the segment's end stands still while it is sealed.
   * @spec DistributedLog!StopAppending
   */
  private stopAppending(writer: Writer): void {
    if (writer.stopped) return;
    writer.stopped = true;
    this.ports.trace?.stopAppending(writer);
    this.sealOnceSafe(writer);
    this.lookAfter(writer);
  }

  /** Proposes to end a segment that is stopped, once all of it is safe. */
  private sealOnceSafe(writer: Writer): void {
    const { topic, segment, end, promised } = writer.replica;
    if (!writer.stopped || promised !== writer.epoch || writer.highWatermark !== end) return;
    const current = this.ports.cluster().currentSegment(topic);
    if (current?.id !== segment || current.epoch !== writer.epoch) return;
    proposeSeal(this.ports, writer, end);
  }

  /**
   * Counts what a majority holds durably, and answers those who waited for it.
   * @spec DistributedLog!AdvanceHighWatermark
   */
  private advanceHighWatermark(writer: Writer): void {
    const end = writer.majorityEnd();
    if (end <= writer.highWatermark) return;
    writer.highWatermark = end;
    writer.replica.highWatermark = end;
    this.ports.trace?.advanceHighWatermark(writer);
    writer.settleBelow(end);
    this.ports.advanced(writer.replica.topic);
    this.sealOnceSafe(writer);
    this.lookAfter(writer);
  }

  /** From now on `tick` looks at it, as long as it has something under way. */
  private lookAfter(writer: Writer): void {
    this.busy.add(writer);
    this.wakeAtMs = Math.min(this.wakeAtMs, this.ports.nowMs() + RETRY_MS);
  }
}

/** With what the store needs beside them. */
function totalBytes(records: readonly Uint8Array[]): number {
  let bytes = records.length * RECORD_OVERHEAD_BYTES;
  for (const { length } of records) bytes += length;
  return bytes;
}

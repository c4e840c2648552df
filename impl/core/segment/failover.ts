/**
 * The fenced segments that this node is to end. Each runs through the steps of `recovery.ts`; every step is asked
 * for again until it is answered or the metadata gives the segment to somebody else.
 */
import type { TopicId } from '../ids.ts';
import type { ReplicaRecord, SegmentRecord } from '../metadata/cluster-state.ts';
import type { PromiseRequest, PromiseResponse, ReplicateAck } from './messages.ts';
import { RETRY_MS, type SegmentPorts } from './ports.ts';
import { Recovery } from './recovery.ts';
import type { Replica } from './replica.ts';
import type { Replicas } from './replicas.ts';
import { handleReplicateAck, mayWrite, proposeSeal, repeat, replicateTo } from './replication.ts';
import type { Writer } from './writer.ts';

/** Longest pause before promises are asked for again, in milliseconds. */
const ASK_PAUSE_MAX_MS = 2_000;

export class Failover {
  private readonly ports: SegmentPorts;
  private readonly replicas: Replicas;
  /** By topic: only the last segment of a topic can be fenced. */
  private readonly recoveries = new Map<TopicId, Recovery>();
  private wakeAtMs = Infinity;

  constructor(ports: SegmentPorts, replicas: Replicas) {
    this.ports = ports;
    this.replicas = replicas;
  }

  recovery(topic: TopicId): Recovery | undefined {
    return this.recoveries.get(topic);
  }

  all(): Iterable<Recovery> {
    return this.recoveries.values();
  }

  /** The metadata named this process the segment's recoverer. */
  begin(topic: TopicId, segment: SegmentRecord): void {
    const { self } = this.ports;
    const { epoch } = segment;
    const replica = this.replicas.open(topic, segment.id);
    this.replicas.promise(replica, epoch);
    this.recoveries.set(topic, new Recovery(replica, segment, self.node));
    this.wakeAtMs = this.ports.nowMs();
    if (replica.promised > epoch) return; // old news: a later recoverer has been here
    this.ports.trace?.handlePromiseRequest(self, { topic, segment: segment.id, epoch });
  }

  /** The metadata has moved on: sealed, or given to another recoverer. */
  end(topic: TopicId, recovery: Recovery): void {
    this.recoveries.delete(topic);
    recovery.writer.ended = true;
  }

  /** A replica promised; its records before `durableEnd` are durable. */
  handlePromise(sender: ReplicaRecord, message: PromiseResponse): void {
    const { topic, segment, epoch, durableEnd } = message;
    const recovery = this.recoveries.get(topic);
    if (recovery?.segment.id !== segment || recovery.epoch !== epoch) return;
    this.promised(recovery, sender, durableEnd);
    this.advance(recovery, this.ports.nowMs());
  }

  handleReplicateAck(sender: ReplicaRecord, message: ReplicateAck): void {
    const recovery = this.recoveries.get(message.topic);
    if (recovery?.segment.id !== message.segment || recovery.epoch !== message.epoch) return;
    const follower = recovery.writer.follower(sender);
    if (follower === undefined) return;
    handleReplicateAck(this.ports, recovery.writer, follower, message);
    this.advance(recovery, this.ports.nowMs());
  }

  /** More of this node's own copy is durable: its promise counts from then, and so do its records. */
  synced(replica: Replica): void {
    const recovery = this.recoveries.get(replica.topic);
    if (recovery?.replica === replica) this.advance(recovery, this.ports.nowMs());
  }

  /** A copy arrived; ask for the rest at once. */
  copied(topic: TopicId): void {
    const recovery = this.recoveries.get(topic);
    if (recovery === undefined) return;
    recovery.copyAgainAtMs = this.ports.nowMs();
    this.advance(recovery, this.ports.nowMs());
  }

  tick(nowMs: number): void {
    if (nowMs < this.wakeAtMs) return;
    this.wakeAtMs = Infinity;
    for (const recovery of this.recoveries.values()) {
      const { count, replica, writer } = recovery;
      if (count !== undefined && replica.end >= count && mayWrite(writer)) {
        if (!isSafe(writer, count)) repeat(this.ports, this.replicas.mending, writer, count, nowMs);
      }
      this.advance(recovery, nowMs);
      this.wakeAtMs = nowMs + RETRY_MS;
    }
  }

  deadlineMs(): number {
    return this.wakeAtMs;
  }

  /** Takes every step that can be taken now. */
  private advance(recovery: Recovery, nowMs: number): void {
    const { replica, epoch, writer } = recovery;
    if (replica.promised !== epoch) return; // a later recoverer has taken over
    if (replica.durablePromise === epoch && !recovery.promises.has(this.ports.self.node)) {
      this.promised(recovery, this.ports.self, replica.durableEnd);
    }
    if (replica.end < (recovery.count ?? 0)) this.forgetReplacedDisks(recovery);
    if (recovery.count === undefined && nowMs >= recovery.askAgainAtMs) {
      this.requestPromises(recovery, nowMs);
    }
    if (recovery.count === undefined || !recovery.promises.has(this.ports.self.node)) return;
    if (replica.end < recovery.count) {
      if (nowMs >= recovery.copyAgainAtMs) this.requestCopy(recovery, nowMs);
      return;
    }
    if (isSafe(writer, recovery.count)) proposeSeal(this.ports, writer, recovery.count);
    else replicateTo(this.ports, this.replicas.mending, writer, recovery.count);
  }

  /**
   * Notes a promise, this node's own included.
   * @spec DistributedLog!HandlePromise
   */
  private promised(recovery: Recovery, sender: ReplicaRecord, durableEnd: number): void {
    recovery.promise(sender, durableEnd);
    this.ports.trace?.handlePromise(sender, recovery.writer, durableEnd);
  }

  private forgetReplacedDisks(recovery: Recovery): void {
    for (const record of recovery.segment.replicas) {
      const now = this.ports.cluster().node(record.node)?.incarnation;
      if (now !== record.incarnation && recovery.promises.has(record.node)) recovery.forget(record);
    }
  }

  private requestPromises(recovery: Recovery, nowMs: number): void {
    recovery.askAgainAtMs = nowMs + recovery.askPauseMs;
    recovery.askPauseMs = Math.min(2 * recovery.askPauseMs, ASK_PAUSE_MAX_MS);
    for (const { record } of recovery.writer.followers) {
      if (!recovery.promises.has(record.node)) this.sendPromiseRequest(recovery, record);
    }
  }

  /** @spec DistributedLog!SendPromiseRequest */
  private sendPromiseRequest(recovery: Recovery, to: ReplicaRecord): void {
    const { topic, segment } = recovery.replica;
    const { epoch } = recovery;
    const request: PromiseRequest = { kind: 'PromiseRequest', topic, segment, epoch };
    this.ports.send(to, request);
    this.ports.trace?.sendPromiseRequest(to, request);
  }

  private requestCopy(recovery: Recovery, nowMs: number): void {
    recovery.copyAgainAtMs = nowMs + RETRY_MS;
    const to = recovery.longest();
    if (to !== undefined) this.replicas.sendCopyRequest(to, recovery.replica, recovery.epoch);
  }
}

/** A majority holds all of it durably. Whoever else lacks some of it fetches that once the segment is sealed. */
function isSafe(writer: Writer, count: number): boolean {
  return writer.majorityEnd() >= count;
}

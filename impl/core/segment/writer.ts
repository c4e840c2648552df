/**
 * Brings a segment's records to its replicas under one epoch, and knows how many are safe. The owner of an open
 * segment writes new records through one; the recoverer of a fenced one uses it to copy what was lost.
 */
import type { Epoch, NodeId } from '../ids.ts';
import type { ReplicaRecord, SegmentRecord } from '../metadata/cluster-state.ts';
import { Queue } from '../queue.ts';
import type { Replica } from './replica.ts';

/** What the writer knows of one other replica. */
export interface Follower {
  readonly record: ReplicaRecord;
  /** It has records `[0, match)` durably. */
  match: number;
  /** The next record to send. */
  next: number;
  /** Messages sent and not answered. */
  inflight: number;
  /** When to send again from `match` if nothing is heard. */
  resendAtMs: number;
  /** How often in a row it was sent the same again, and did not answer. */
  repeats: number;
  /** Nothing was heard for a while: one message at a time until it answers. */
  probing: boolean;
  /** A read of records for it is under way. */
  reading: boolean;
  toldHighWatermark: number;
}

/** Told once what became of a batch: all of it is below the high watermark, or will never be, or nobody can say. */
export type Settle = (outcome: 'committed' | 'lost' | 'unknown') => void;

export class Writer {
  readonly replica: Replica;
  readonly epoch: Epoch;
  readonly segment: SegmentRecord;
  readonly followers: readonly Follower[];
  /** Records below it are durable on a majority of the replicas. Never falls. */
  highWatermark = 0;
  /** Bytes of the records that were taken under this grant. */
  bytes = 0;
  /** No record is taken any more; see `StopAppending`. */
  stopped = false;
  /** The metadata gave the segment to somebody else: nothing is sent or counted under this epoch any more. */
  ended = false;
  /** When the end of the segment is proposed again, if the log has not brought it back before. */
  proposeAgainAtMs = 0;
  /** How often the end has been proposed. */
  proposals = 0;
  /** Since when this node has the grant. */
  readonly sinceMs: number;
  private readonly waiting = new Queue<{ readonly index: number; readonly settle: Settle }>();

  constructor(replica: Replica, segment: SegmentRecord, self: NodeId, sinceMs = 0) {
    this.sinceMs = sinceMs;
    this.replica = replica;
    this.epoch = segment.epoch;
    this.segment = segment;
    this.followers = segment.replicas
      .filter((record) => record.node !== self)
      .map((record) => ({
        record,
        match: 0,
        next: 0,
        inflight: 0,
        resendAtMs: 0,
        repeats: 0,
        probing: false,
        reading: false,
        toldHighWatermark: 0,
      }));
  }

  /** The follower with this very disk; a disk that replaced it is nobody. */
  follower(sender: ReplicaRecord): Follower | undefined {
    return this.followers.find(
      ({ record }) => record.node === sender.node && record.incarnation === sender.incarnation,
    );
  }

  /** Waits for the batch whose last record is at `index` to become safe. Indexes rise from call to call. */
  await(index: number, settle: Settle): void {
    this.waiting.push({ index, settle });
  }

  /** From now on the next segment may be another owner's. */
  get isEndProposed(): boolean {
    return this.proposals > 0;
  }

  get waitingCount(): number {
    return this.waiting.length;
  }

  /**
   * The largest `k` such that a majority of the replicas hold records `[0, k)` durably. This replica counts by
   * its own durable end, not by what it has merely written.
   */
  majorityEnd(): number {
    const ends = this.followers.map((each) => each.match);
    ends.push(this.replica.durableEnd);
    ends.sort((a, b) => b - a);
    return ends[ends.length >> 1]!;
  }

  /** Tells those who wait for records below `end` that they are safe. */
  settleBelow(end: number): void {
    while (this.waiting.length > 0 && this.waiting.first!.index < end) {
      this.waiting.shift()!.settle('committed');
    }
  }

  /** The segment ended at `count`: what lies below it is safe, what lies beyond will never be read. */
  settleSealed(count: number): void {
    this.settleBelow(count);
    this.settleRest('lost');
  }

  /** The segment ended, and at which count is not known. */
  settleUnknown(): void {
    this.settleRest('unknown');
  }

  private settleRest(outcome: 'lost' | 'unknown'): void {
    for (const each of this.waiting.takeAll()) each.settle(outcome);
  }
}

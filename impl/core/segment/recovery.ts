/**
 * Ends a segment whose owner fell silent (DESIGN 3.5). The steps, each repeated until it is answered:
 * a majority of replicas promise the new epoch, so that the old owner can finish nothing more; the longest of
 * them holds every record that was ever acknowledged; what others lack of it is copied until a majority
 * holds it durably; then the segment is sealed at that length.
 */
import type { Epoch, NodeId } from '../ids.ts';
import type { ReplicaRecord, SegmentRecord } from '../metadata/cluster-state.ts';
import { RETRY_MS } from './ports.ts';
import type { Replica } from './replica.ts';
import { Writer } from './writer.ts';

export class Recovery {
  readonly segment: SegmentRecord;
  readonly epoch: Epoch;
  readonly replica: Replica;
  /** Durable end of each replica that promised this epoch, this one included. */
  readonly promises: Map<NodeId, number> = new Map();
  readonly writer: Writer;
  /** Where the segment will end: fixed when a majority has promised. */
  count: number | undefined;
  askAgainAtMs = 0;
  /** Doubled each time: those who are asked may be busy with thousands of other segments. */
  askPauseMs: number = RETRY_MS;
  copyAgainAtMs = 0;

  private readonly self: NodeId;

  constructor(replica: Replica, segment: SegmentRecord, self: NodeId) {
    this.self = self;
    this.segment = segment;
    this.epoch = segment.epoch;
    this.replica = replica;
    this.writer = new Writer(replica, segment, self);
    this.writer.stopped = true;
  }

  /**
   * Notes a promise. Once a majority has promised, the longest of their durable ends is the segment's:
   * a record acknowledged under any earlier epoch is durable on a majority, and two majorities meet.
   */
  promise(sender: ReplicaRecord, durableEnd: number): void {
    const follower = this.writer.follower(sender);
    if (follower === undefined && sender.node !== this.self) return;
    this.promises.set(sender.node, Math.max(durableEnd, this.promises.get(sender.node) ?? 0));
    if (follower !== undefined) {
      follower.match = Math.max(follower.match, durableEnd);
      follower.next = Math.max(follower.next, durableEnd);
    }
    this.fixCount();
  }

  /** A replica that promised holds the segment to its end, if this one does not. */
  longest(): ReplicaRecord | undefined {
    return this.segment.replicas.find(({ node }) => this.promises.get(node) === this.count);
  }

  /**
   * The disk of a replica that promised is gone before what it alone had could be copied: choose the end again
   * among those that remain, once they are a majority.
   */
  forget(replica: ReplicaRecord): void {
    this.promises.delete(replica.node);
    const follower = this.writer.follower(replica);
    if (follower !== undefined) follower.match = 0;
    this.count = undefined;
    this.fixCount();
  }

  private fixCount(): void {
    if (this.count !== undefined || this.promises.size * 2 <= this.segment.replicas.length) return;
    this.count = Math.max(...this.promises.values());
  }
}

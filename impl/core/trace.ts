/**
 * One event per action of `spec/DistributedLog.tla`, with its arguments and the acting node's new values. The
 * names here, the actions there and the `@spec` tags on functions are the same words; a test holds them together.
 * Raft's own events are in `raft/trace.ts`.
 */
import type {
  BootId,
  Epoch,
  Incarnation,
  LogIndex,
  NodeId,
  Offset,
  SegmentId,
  TopicId,
} from './ids.ts';
import type { Origin, Proposal } from './metadata/commands.ts';
import type { HostedRaftEvent } from './raft/trace.ts';

interface At {
  readonly node: NodeId;
}
/** A call that puts a batch of several records is a request for each of them. */
export interface Request extends Origin {
  /** This record's place in the batch, from 0, and how many there are; absent if there is one. */
  readonly part?: number;
  readonly parts?: number;
}
interface AtSegment extends At {
  readonly topic: TopicId;
  readonly segment: SegmentId;
  readonly epoch: Epoch;
}

export type DataEvent =
  // Metadata
  | (At & { readonly name: 'ProposeCommand'; readonly proposal: Proposal })
  /** Each node tells it of each index; a reader keeps the first. `null`: Raft's own entries (noop, membership). */
  | (At & {
      readonly name: 'CommitCommand';
      readonly index: LogIndex;
      readonly proposal: Proposal | null;
    })
  /** `applied` is false for a command that found something else than it expected. */
  | (At & { readonly name: 'ApplyCommand'; readonly index: LogIndex; readonly applied: boolean })
  /** The node takes the metadata as of `index` from a snapshot, instead of applying what leads to it. */
  | (At & { readonly name: 'RestoreMetadata'; readonly index: LogIndex })
  // Leases
  | (At & { readonly name: 'RenewLease' })
  | (At & { readonly name: 'ExpireLease' })
  // Writing
  /** `record` is a checksum, and what two clients put may be the same; `request` is one call of one client, or a part of it. */
  | (AtSegment & {
      readonly name: 'AppendRecord';
      readonly index: number;
      readonly record: number;
      readonly request: Request;
    })
  | (At & { readonly name: 'SyncCompleted'; readonly durable: readonly DurableChange[] })
  | (AtSegment & {
      readonly name: 'SendReplicate';
      readonly to: NodeId;
      readonly from: number;
      readonly count: number;
      readonly highWatermark: number;
    })
  | (AtSegment & {
      readonly name: 'HandleReplicate';
      readonly sender: NodeId;
      readonly from: number;
      readonly count: number;
      readonly highWatermark: number;
      readonly end: number;
      readonly promised: Epoch;
    })
  | (AtSegment & {
      readonly name: 'SendReplicateAck';
      readonly to: NodeId;
      readonly durableEnd: number;
    })
  | (AtSegment & {
      readonly name: 'HandleReplicateAck';
      readonly sender: NodeId;
      readonly durableEnd: number;
    })
  | (AtSegment & { readonly name: 'AdvanceHighWatermark'; readonly highWatermark: number })
  /** The client gets its OK (ack level quorum or all) for the record at `index`. */
  | (AtSegment & { readonly name: 'AcknowledgeRecord'; readonly index: number })
  | (AtSegment & { readonly name: 'StopAppending'; readonly end: number })
  // Failover. The recoverer is one of the replicas it asks: to itself it emits HandlePromiseRequest and, once its
  // promise is durable, HandlePromise, both with itself as sender and without a Send.
  | (AtSegment & { readonly name: 'SendPromiseRequest'; readonly to: NodeId })
  | (AtSegment & { readonly name: 'HandlePromiseRequest'; readonly sender: NodeId })
  | (AtSegment & { readonly name: 'SendPromise'; readonly to: NodeId; readonly durableEnd: number })
  | (AtSegment & {
      readonly name: 'HandlePromise';
      readonly sender: NodeId;
      readonly durableEnd: number;
    })
  | (AtSegment & { readonly name: 'SendCopyRequest'; readonly to: NodeId; readonly from: number })
  | (AtSegment & {
      readonly name: 'SendCopy';
      readonly to: NodeId;
      readonly from: number;
      readonly count: number;
    })
  | (AtSegment & {
      readonly name: 'HandleCopy';
      readonly sender: NodeId;
      readonly from: number;
      readonly count: number;
      readonly end: number;
    })
  // Moves of copies
  /** A copy is begun here, under the epoch of its move. */
  | (AtSegment & { readonly name: 'BeginCopy' })
  /** A copy that had been moved away by log entry `index` is gone from the disk, with what was promised of it. */
  | (At & {
      readonly name: 'DropReplica';
      readonly topic: TopicId;
      readonly segment: SegmentId;
      readonly index: LogIndex;
    })
  // Reading
  | (At & {
      readonly name: 'DeliverRecord';
      readonly topic: TopicId;
      readonly group: string;
      readonly offset: Offset;
    })
  | (At & { readonly name: 'ReadRecord'; readonly topic: TopicId; readonly offset: Offset })
  // Process and disk; the simulator emits these for the node, a live node emits Restart for itself
  | (At & { readonly name: 'Crash' })
  | (At & {
      readonly name: 'Restart';
      readonly boot: BootId;
      readonly incarnation: Incarnation;
      /** Index of the metadata that it starts from; what follows comes as ApplyCommand or RestoreMetadata. */
      readonly applied: LogIndex;
      /** Everything that survived, by segment. */
      readonly ends: readonly DurableChange[];
    })
  /** The disk lost an end of what was durable; how much shows at the restart. */
  | (At & { readonly name: 'LoseTail' })
  | (At & { readonly name: 'ReplaceDisk' });

/** What of one segment is durable now: records before `end`, and the promise of `promised`. */
export interface DurableChange {
  readonly topic: TopicId;
  readonly segment: SegmentId;
  readonly end: number;
  readonly promised: Epoch;
}

export type TraceEvent = DataEvent | HostedRaftEvent;

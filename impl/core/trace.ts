/**
 * One event per action of `spec/DistributedLog.tla`, with its arguments and the acting node's new values. The
 * names here, the actions there and the `@spec` tags on functions are the same words; a test holds them together.
 * Raft's own events are in `raft/trace.ts`.
 */
import type { BootId, Epoch, LogIndex, NodeId, Offset, SegmentId } from './ids.ts';
import type { Command } from './metadata/commands.ts';
import type { RaftEvent } from './raft/trace.ts';

interface At {
  readonly node: NodeId;
}
interface AtSegment extends At {
  readonly topic: string;
  readonly segment: SegmentId;
  readonly epoch: Epoch;
}

export type DataEvent =
  // Metadata
  | (At & { readonly name: 'ProposeCommand'; readonly command: Command })
  | (At & { readonly name: 'CommitCommand'; readonly index: LogIndex; readonly command: Command | null })
  | (At & { readonly name: 'ApplyCommand'; readonly index: LogIndex; readonly applied: boolean })
  // Leases
  | (At & { readonly name: 'RenewLease' })
  | (At & { readonly name: 'ExpireLease' })
  // Writing
  | (AtSegment & { readonly name: 'AppendRecord'; readonly index: number; readonly record: number })
  | (At & { readonly name: 'SyncCompleted'; readonly durable: readonly DurableChange[] })
  | (AtSegment & { readonly name: 'SendReplicate'; readonly to: NodeId; readonly from: number; readonly count: number; readonly highWatermark: number })
  | (AtSegment & { readonly name: 'HandleReplicate'; readonly sender: NodeId; readonly from: number; readonly count: number; readonly end: number; readonly promised: Epoch })
  | (AtSegment & { readonly name: 'SendReplicateAck'; readonly to: NodeId; readonly durableEnd: number })
  | (AtSegment & { readonly name: 'HandleReplicateAck'; readonly sender: NodeId; readonly durableEnd: number })
  | (AtSegment & { readonly name: 'AdvanceHighWatermark'; readonly highWatermark: number })
  | (AtSegment & { readonly name: 'StopAppending'; readonly end: number })
  // Failover
  | (AtSegment & { readonly name: 'SendPromiseRequest'; readonly to: NodeId })
  | (AtSegment & { readonly name: 'HandlePromiseRequest'; readonly sender: NodeId })
  | (AtSegment & { readonly name: 'SendPromise'; readonly to: NodeId; readonly durableEnd: number })
  | (AtSegment & { readonly name: 'HandlePromise'; readonly sender: NodeId; readonly durableEnd: number })
  | (AtSegment & { readonly name: 'SendCopyRequest'; readonly to: NodeId; readonly from: number })
  | (AtSegment & { readonly name: 'SendCopy'; readonly to: NodeId; readonly from: number; readonly count: number })
  | (AtSegment & { readonly name: 'HandleCopy'; readonly sender: NodeId; readonly from: number; readonly count: number; readonly end: number })
  // Reading
  | (At & { readonly name: 'DeliverRecord'; readonly topic: string; readonly group: string; readonly offset: Offset })
  | (At & { readonly name: 'ReadRecord'; readonly topic: string; readonly offset: Offset })
  // Process and disk; the simulator emits these for the node, a live node emits Restart for itself
  | (At & { readonly name: 'Crash' })
  | (At & { readonly name: 'Restart'; readonly boot: BootId; readonly ends: readonly DurableChange[] })
  | (At & { readonly name: 'ReplaceDisk' });

/** What of one segment is durable now: records before `end`, and the promise of `promised`. */
export interface DurableChange {
  readonly topic: string;
  readonly segment: SegmentId;
  readonly end: number;
  readonly promised: Epoch;
}

export type TraceEvent = DataEvent | RaftEvent;

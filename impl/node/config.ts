/** What one node is told at its start. Durations in milliseconds of its own monotonic clock. */
import type { NodeId } from '../core/ids.ts';

export interface NodeConfig {
  readonly id: NodeId;
  /** Found a new cluster if the disk is empty and nobody knows this number. Exactly one node of a cluster is ever started so. */
  readonly bootstrap: boolean;
  /** A founder listens for so long whether a node that lives knows its number; then it founds. */
  readonly foundAfterMs: number;
  /** Raft addresses to ask for admission while this node is in no cluster. */
  readonly join: readonly string[];
  /** The operator's word that an earlier disk of this id is gone for good. */
  readonly replace: boolean;
  /** Where other nodes reach this one. */
  readonly raftAddress: string;
  /** Where clients reach this one. */
  readonly clientAddress: string;
  /** Copies of each segment; the cluster's size if that is smaller. */
  readonly replicationFactor: number;
  /** A segment that holds so many records is sealed, and the next one opens elsewhere. */
  readonly maxSegmentEntries: number;
  /** How often full segments are looked for besides on append. */
  readonly monitorCheckMs: number;
  /** How long an owner trusts its grant after it last heard the Raft leader. */
  readonly leaseMs: number;
  /** Silence after which the Raft leader takes a node's segments from it. */
  readonly failoverMs: number;
  /** Raft's; drawn anew from [t, 2t) for each wait. */
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  /** A client's operation is answered by then, if only with `Timeout`. */
  readonly operationTimeoutMs: number;
  /** The metadata log is compacted each time it has grown by so many entries. */
  readonly snapshotEveryEntries: number;
  /** Every record of this node's copies is read once in so long, if `scrubBytesPerSecond` (0: never) allows it. */
  readonly scrubEveryMs: number;
  readonly scrubBytesPerSecond: number;
  /** Files of the log of which little is needed are emptied, and no more than this written for it; 0: never. */
  readonly cleanBytesPerSecond: number;
  /** A copy on a node that the Raft leader has not heard for so long is made again on another one. */
  readonly repairAfterMs: number;
  /** What the copies that are made here then may take; who writes has the rest. */
  readonly repairBytesPerSecond: number;
  /** Sizes of the store; see `StoreOptions`. */
  readonly fileBytes: number;
  readonly batchBytes: number;
  readonly checkpointBytes: number;
}

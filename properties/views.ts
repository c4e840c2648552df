/**
 * What the checks read of a node: its variables under the spec's names, as plain reads without effect. `Node`
 * satisfies `NodeView` by its shape; nothing in it is there for the sake of a test.
 *
 * Every read costs a few loads: the checks run after every event. What changed is learned from the trace events, so
 * nothing here needs to be watched or counted.
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
} from '../impl/core/ids.ts';
import type { Raft } from '../impl/core/raft/raft.ts';

export interface NodeView {
  readonly id: NodeId;
  /** This life of the process. */
  readonly boot: BootId;
  /** This life of the data directory; 0 until the store is open. */
  readonly incarnation: Incarnation | 0;
  readonly status: 'starting' | 'running' | 'amnesiac' | 'stopped';
  /** Absent until the store is open. */
  readonly raft: Raft | undefined;
  /** The metadata as applied here. Absent until the store is open. */
  readonly clusterState: ClusterStateView | undefined;
  /** What this node holds of a segment; `undefined` if it holds nothing and promised nothing. */
  replica(topic: TopicId, segment: SegmentId): ReplicaView | undefined;
  /** All of them, in any fixed order. */
  replicas(): Iterable<ReplicaView>;
  /** The grant under which this node writes to the segment now, as its owner or its recoverer. */
  writer(topic: TopicId, segment: SegmentId): WriterView | undefined;
}

/** One node's copy of one segment. Indexes count within the segment from 0. */
export interface ReplicaView {
  readonly topic: TopicId;
  readonly segment: SegmentId;
  /** Records before it are written here. */
  readonly end: number;
  /** Records before it survive power loss here; at most `end`. */
  readonly durableEnd: number;
  /** The highest epoch promised, written but maybe not yet durable. */
  readonly promised: Epoch;
  /** The highest epoch promised that survives power loss; at most `promised`. */
  readonly durablePromise: Epoch;
}

/** A node's right to write to a segment: valid for one boot. */
export interface WriterView {
  readonly epoch: Epoch;
  /** Records before it are durable on a majority, as far as this writer knows. */
  readonly highWatermark: number;
  /** Appends no more: rolling over, recovering, or fenced. */
  readonly stopped: boolean;
}

/** The metadata state machine after `appliedIndex`. `ClusterState` is one. */
export interface ClusterStateView {
  readonly appliedIndex: LogIndex;
  readonly nodes: ReadonlyMap<NodeId, RegisteredNodeView>;
  readonly topics: ReadonlyMap<TopicId, TopicView>;
}

export interface RegisteredNodeView {
  readonly id: NodeId;
  readonly boot: BootId;
  readonly incarnation: Incarnation;
}

export interface TopicView {
  readonly id: TopicId;
  readonly name: string;
  /** By rising id; only the last is not sealed. One that ended without a record is not among them. */
  readonly segments: readonly SegmentView[];
  readonly cursors: ReadonlyMap<string, Offset>;
}

export interface SegmentView {
  readonly id: SegmentId;
  readonly state: 'open' | 'fenced' | 'sealed';
  /** Of the last grant. */
  readonly epoch: Epoch;
  /** Who has that grant: the owner while `open`, the recoverer while `fenced`, who sealed it after. */
  readonly owner: NodeId;
  /** The boot that the grant was made to. */
  readonly boot: BootId;
  readonly replicas: readonly SegmentReplicaView[];
  /** Offset in the topic of the segment's first record. */
  readonly baseOffset: Offset;
  /** Number of records of a sealed segment; 0 before. */
  readonly count: number;
}

/** A place for a copy. It counts in a quorum only while the node's disk is of this incarnation. */
export interface SegmentReplicaView {
  readonly node: NodeId;
  readonly incarnation: Incarnation;
}

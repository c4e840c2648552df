/**
 * What the checks read of a node: its variables under the spec's names, as plain reads without effect. `Node`
 * satisfies `NodeView` by its shape; nothing here is implemented for the sake of a test.
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
  Term,
} from '../impl/core/ids.ts';

export interface NodeView {
  readonly id: NodeId;
  /** This life of the process. */
  readonly boot: BootId;
  /** This life of the data directory; 0 until the store is open. */
  readonly incarnation: Incarnation | 0;
  readonly status: 'starting' | 'running' | 'stopped';
  /** Absent until the store is open. */
  readonly raft: RaftView | undefined;
  /** The metadata as applied here. Absent until the store is open. */
  readonly clusterState: ClusterStateView | undefined;
  /** What this node holds of a segment; `undefined` if it holds nothing and promised nothing. */
  replica(topic: string, segment: SegmentId): ReplicaView | undefined;
  /** All of them, in any fixed order. */
  replicas(): Iterable<ReplicaView>;
  /** The grant under which this node writes to the segment now, as its owner or its recoverer. */
  writer(topic: string, segment: SegmentId): WriterView | undefined;
  writers(): Iterable<WriterView>;
}

/** The part of Raft that the data plane's checks look at; Raft's own are in `raft-invariants.ts`. */
export interface RaftView {
  readonly role: 'follower' | 'precandidate' | 'candidate' | 'leader' | 'learner';
  readonly term: Term;
  readonly leader: NodeId | 0;
  readonly commitIndex: LogIndex;
}

/** One node's copy of one segment. Indexes count within the segment from 0. */
export interface ReplicaView {
  readonly topic: string;
  readonly segment: SegmentId;
  /** Records before it are written here. */
  readonly end: number;
  /** Records before it survive power loss here; at most `end`. */
  readonly durableEnd: number;
  /** The highest epoch promised, written but maybe not yet durable. */
  readonly promised: Epoch;
  /** The highest epoch promised that survives power loss; at most `promised`. */
  readonly durablePromised: Epoch;
  /** The record at `index` if it still is in memory. */
  record(index: number): Uint8Array | undefined;
}

/** A node's right to write: valid for one boot. */
export interface WriterView {
  readonly topic: string;
  readonly segment: SegmentId;
  readonly epoch: Epoch;
  /** The owner appends; a recoverer only spreads what is there and seals. */
  readonly role: 'owner' | 'recoverer';
  /** Records before it are durable on a majority, as far as this writer knows. */
  readonly highWatermark: number;
  /** Appends no more: rolling over, or fenced. */
  readonly stopped: boolean;
}

/** The metadata state machine after `appliedIndex`. */
export interface ClusterStateView {
  readonly appliedIndex: LogIndex;
  /** In code-unit order. */
  topicNames(): readonly string[];
  topic(name: string): TopicView | undefined;
  node(id: NodeId): RegisteredNodeView | undefined;
  /** 0 if the group never read. */
  cursor(topic: string, group: string): Offset;
  /** Every cursor that was ever moved, by topic, then group. */
  cursors(): Iterable<CursorView>;
}

export interface RegisteredNodeView {
  readonly id: NodeId;
  readonly boot: BootId;
  readonly incarnation: Incarnation;
}

export interface CursorView {
  readonly topic: string;
  readonly group: string;
  readonly offset: Offset;
}

export interface TopicView {
  readonly name: string;
  /** Segment `id` is at `id - 1`; only the last is not sealed. */
  readonly segments: readonly SegmentView[];
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
  /** Number of records; of a sealed segment only. */
  readonly count: number | undefined;
}

/** A place for a copy. It counts in a quorum only while the node's disk is of this incarnation. */
export interface SegmentReplicaView {
  readonly node: NodeId;
  readonly incarnation: Incarnation;
}

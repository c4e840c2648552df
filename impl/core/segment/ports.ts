/** What the segments of one node need of the rest of it. */
import type { WalrusError } from '../errors.ts';
import type { BootId, NodeId, TopicId } from '../ids.ts';
import type { ClusterState, ReplicaRecord } from '../metadata/cluster-state.ts';
import type { Command } from '../metadata/commands.ts';
import { BATCH_LIMIT } from '../record.ts';
import type { Store } from '../storage/store.ts';
import type { Tracer } from '../tracer.ts';
import type { DataMessage } from './messages.ts';
import type { Notice } from './notices.ts';

export interface ScrubOptions {
  /** A pass begins no sooner than so long after the last one began. */
  readonly everyMs: number;
  /** 0 for never. */
  readonly bytesPerSecond: number;
}

export interface SegmentPorts {
  /** This node's disk, as grants name it. */
  readonly self: ReplicaRecord;
  readonly boot: BootId;
  readonly store: Store;
  readonly trace: Tracer | undefined;
  readonly maxSegmentEntries: number;
  readonly scrub: ScrubOptions;
  /** What copies that are made here, in place of others, may take of the network and the disk. */
  readonly repairBytesPerSecond: number;
  /** The metadata as applied here, so maybe behind. */
  cluster(): ClusterState;
  nowMs(): number;
  /** Since the Unix epoch: says when segments are sealed, and so how long they are kept. */
  wallMs(): number;
  leaseValid(): boolean;
  send(to: ReplicaRecord, message: DataMessage): void;
  /** May be lost; whoever needs it proposes again. */
  propose(command: Command): void;
  /** Who is to own and to hold the next segment of a topic after `owner` had the last. */
  place(owner: NodeId): { readonly owner: NodeId; readonly replicas: readonly NodeId[] };
  /** False if the disk of the node is known to be full. */
  hasRoom(node: NodeId): boolean;
  /** More may be read of a topic that this node owns. */
  advanced(topic: TopicId): void;
  /** Something that the operator should hear of. */
  notice(notice: Notice): void;
  /** This node's own records cannot be read back: it must not go on. */
  failed(error: WalrusError): void;
}

/** Pause before a question that got no answer is asked again, in milliseconds. */
export const RETRY_MS = 100;
/**
 * One message carries at most so many records, and no more once it has so many bytes, but for those of one batch: a batch is never
 * cut.
 */
export const MESSAGE_LIMIT: { readonly records: number; readonly bytes: number } = {
  records: BATCH_LIMIT.records,
  bytes: 256 * 1024,
};

/** What writers, recoverers and replicas of a segment say to each other. Values are immutable. */
import type { Epoch, SegmentId, TopicId } from '../ids.ts';

/** The segment that is spoken of, and the grant under which it is. */
export interface OfSegment {
  readonly topic: TopicId;
  readonly segment: SegmentId;
  readonly epoch: Epoch;
}

/** Writer (owner or recoverer) to replica: records `[from, from + records.length)`, maybe none. */
export interface Replicate extends OfSegment {
  readonly kind: 'Replicate';
  readonly from: number;
  readonly records: readonly Uint8Array[];
  readonly highWatermark: number;
}

/** Replica to writer: what it has (`end`) and has durably (`durableEnd`), under a durable promise of `epoch`. */
export interface ReplicateAck extends OfSegment {
  readonly kind: 'ReplicateAck';
  readonly end: number;
  readonly durableEnd: number;
  /** The records that came did not join on to `end`: send again from there. */
  readonly gap: boolean;
}

/** Replica to writer or recoverer: it has promised `promised`, which is higher. */
export interface Refuse extends OfSegment {
  readonly kind: 'Refuse';
  readonly promised: Epoch;
}

/** Recoverer to replica: take nothing from lower epochs any more. */
export interface PromiseRequest extends OfSegment {
  readonly kind: 'PromiseRequest';
}

/** Replica to recoverer: promised, durably; so are the records before `durableEnd`. */
export interface PromiseResponse extends OfSegment {
  readonly kind: 'Promise';
  readonly durableEnd: number;
}

/** Asks a replica for records; `epoch` is 0 when the segment is sealed. */
export interface CopyRequest extends OfSegment {
  readonly kind: 'CopyRequest';
  readonly from: number;
}

export interface Copy extends OfSegment {
  readonly kind: 'Copy';
  readonly from: number;
  readonly records: readonly Uint8Array[];
}

/** Asks a replica for records `[from, to)`, which are damaged here. */
export interface MendRequest {
  readonly kind: 'MendRequest';
  readonly topic: TopicId;
  readonly segment: SegmentId;
  readonly from: number;
  readonly to: number;
}

/** The first of them, or none if they are not whole there either. */
export interface Mend {
  readonly kind: 'Mend';
  readonly topic: TopicId;
  readonly segment: SegmentId;
  readonly from: number;
  readonly records: readonly Uint8Array[];
}

export type DataMessage =
  | Replicate
  | ReplicateAck
  | Refuse
  | PromiseRequest
  | PromiseResponse
  | CopyRequest
  | Copy
  | MendRequest
  | Mend;

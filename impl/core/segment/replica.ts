/**
 * One node's copy of one segment: which prefix of its records it has, which part of that is durable, and the highest
 * epoch that it promised. The records themselves are in the store.
 *
 * Only one owner ever assigns records to a segment, and recovery only copies. So the copies of a segment never
 * disagree; they are only longer or shorter.
 */
import type { Epoch, SegmentId, TopicId } from '../ids.ts';
import type { ReplicaRecord } from '../metadata/cluster-state.ts';
import type { StreamId } from '../storage/ids.ts';
import type { Store } from '../storage/store.ts';

export class Replica {
  readonly topic: TopicId;
  readonly segment: SegmentId;
  readonly stream: StreamId;
  /** Records `[0, end)` are here. */
  end: number;
  /** Records `[0, durableEnd)` survive power loss. */
  durableEnd: number;
  /** Nothing is taken from lower epochs. Counts from the moment that it is set, not only once it is durable. */
  promised: Epoch;
  durablePromise: Epoch;
  /** What the writer last said may be read, at most `end`. Counts while the segment is not sealed. */
  highWatermark = 0;
  /** The writer to answer once the records it sent are durable. */
  owesAck: { readonly to: ReplicaRecord; readonly epoch: Epoch } | undefined;
  /** The recoverer to answer once the promise to it is durable. */
  owesPromise: { readonly to: ReplicaRecord; readonly epoch: Epoch } | undefined;

  /** The store has nothing of it any more. */
  isForgotten = false;

  constructor(store: Store, topic: TopicId, segment: SegmentId) {
    this.topic = topic;
    this.segment = segment;
    this.stream = store.stream(streamName(topic, segment));
    this.end = store.end(this.stream);
    this.durableEnd = this.end;
    this.promised = storedPromise(store, topic, segment);
    this.durablePromise = this.promised;
  }
}

export function streamName(topic: TopicId, segment: SegmentId): string {
  return `segment/${topic}/${segment}`;
}

export function promiseKey(topic: TopicId, segment: SegmentId): string {
  return `promise/${topic}/${segment}`;
}

/** Whose records a stream of the store holds; undefined if it is not a segment's. */
export function parseStreamName(name: string): { topic: TopicId; segment: SegmentId } | undefined {
  const match = /^segment\/(\d+)\/(\d+)$/.exec(name);
  if (match === null) return undefined;
  return { topic: Number(match[1]) as TopicId, segment: Number(match[2]) as SegmentId };
}

function storedPromise(store: Store, topic: TopicId, segment: SegmentId): Epoch {
  const value = store.get(promiseKey(topic, segment));
  return (value === undefined ? 0 : decodeEpoch(value)) as Epoch;
}

export function encodeEpoch(epoch: Epoch): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, epoch);
  return bytes;
}

function decodeEpoch(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(0);
}

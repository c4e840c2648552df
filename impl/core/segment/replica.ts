/**
 * One node's copy of one segment: which prefix of its records it has, which part of that is durable, and the highest
 * epoch that it promised. The records themselves are in the store.
 *
 * Only one owner ever assigns records to a segment, and recovery only copies. So the copies of a segment never
 * disagree; they are only longer or shorter.
 */
import type { Epoch, SegmentId } from '../ids.ts';
import type { ReplicaRecord } from '../metadata/cluster-state.ts';
import type { StreamId } from '../storage/ids.ts';
import type { Store } from '../storage/store.ts';

export class Replica {
  readonly topic: string;
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

  constructor(store: Store, topic: string, segment: SegmentId) {
    this.topic = topic;
    this.segment = segment;
    this.stream = store.stream(streamName(topic, segment));
    this.end = store.end(this.stream);
    this.durableEnd = this.end;
    this.promised = storedPromise(store, topic, segment);
    this.durablePromise = this.promised;
  }
}

export function streamName(topic: string, segment: SegmentId): string {
  return `segment/${segment}/${topic}`;
}

export function promiseKey(topic: string, segment: SegmentId): string {
  return `promise/${segment}/${topic}`;
}

/** Whose records a stream of the store holds; undefined if it is not a segment's. */
export function parseStreamName(name: string): { topic: string; segment: SegmentId } | undefined {
  const match = /^segment\/(\d+)\/([\s\S]*)$/.exec(name);
  return match === null ? undefined : { segment: Number(match[1]) as SegmentId, topic: match[2]! };
}

function storedPromise(store: Store, topic: string, segment: SegmentId): Epoch {
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

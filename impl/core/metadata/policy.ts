/**
 * What a topic keeps of its records, and when it begins a new segment. Set when the topic is made, changed by compare-and-set. What it
 * says is done by the owner of the topic's open segment, so no promise rests on it: it decides when something is asked for.
 */
import type { ByteReader, ByteWriter } from '../codec.ts';

/** A limit of 0 is none. */
export interface TopicPolicy {
  /** Sealed segments at the front go as long as so many bytes of records are left without them. */
  readonly retentionBytes: number;
  /** A sealed segment goes when it is so old, counted from its seal. Trusts the owners' wall clocks. */
  readonly retentionMs: number;
  /** Sealed segments go that every group has read. As long as there is no group, none does. */
  readonly retentionConsumed: boolean;
  /** Of a segment; the node's own limit counts, too. */
  readonly segmentEntries: number;
  readonly segmentBytes: number;
  /** A segment that has records is sealed when its owner has had it for so long. */
  readonly segmentMs: number;
}

export const NO_POLICY: TopicPolicy = {
  retentionBytes: 0,
  retentionMs: 0,
  retentionConsumed: false,
  segmentEntries: 0,
  segmentBytes: 0,
  segmentMs: 0,
};

/** What is kept by size or age goes in so many steps, unless the policy says how large segments are. */
const STEPS = 8;

/** When a segment is full; `entriesMax` is the node's own limit. */
export function segmentLimits(
  policy: TopicPolicy,
  entriesMax: number,
): { readonly entries: number; readonly bytes: number; readonly ageMs: number } {
  const { retentionBytes, retentionMs, segmentEntries, segmentBytes, segmentMs } = policy;
  return {
    entries: Math.min(segmentEntries || Infinity, entriesMax),
    bytes: segmentBytes || Math.ceil(retentionBytes / STEPS) || Infinity,
    ageMs: segmentMs || Math.ceil(retentionMs / STEPS) || Infinity,
  };
}

export function writePolicy(out: ByteWriter, policy: TopicPolicy): void {
  out.whole(policy.retentionBytes).whole(policy.retentionMs).bool(policy.retentionConsumed);
  out.whole(policy.segmentEntries).whole(policy.segmentBytes).whole(policy.segmentMs);
}

export function readPolicy(input: ByteReader): TopicPolicy {
  return {
    retentionBytes: input.whole(),
    retentionMs: input.whole(),
    retentionConsumed: input.bool(),
    segmentEntries: input.whole(),
    segmentBytes: input.whole(),
    segmentMs: input.whole(),
  };
}

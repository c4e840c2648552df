/** What happened to the records of this node and its operator should hear of. */
import type { NodeId, SegmentId, TopicId } from '../ids.ts';

interface OfRecords {
  readonly topic: TopicId;
  readonly segment: SegmentId;
  /** The records `[from, to)` of the segment. */
  readonly from: number;
  readonly to: number;
}

export type Notice =
  /** They do not verify or cannot be read, though they were durable. `reason` names file and byte. */
  | ({ readonly kind: 'DamageFound'; readonly reason: string } & OfRecords)
  /** They are durable again, as another node has them. */
  | ({ readonly kind: 'DamageMended'; readonly source: NodeId } & OfRecords)
  /** All copies that there are here are being read, to find damage; told if there are any. */
  | { readonly kind: 'ScrubBegun'; readonly segments: number }
  | { readonly kind: 'ScrubDone'; readonly records: number; readonly tookMs: number };

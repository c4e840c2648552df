/** What a client may ask of any node, and what it hears. The wire protocol is one dress of these. */
import type { ErrorCode } from '../errors.ts';
import type { Epoch, NodeId, Offset, SegmentId } from '../ids.ts';

export type Operation =
  | { readonly kind: 'register'; readonly topic: string }
  | { readonly kind: 'put'; readonly topic: string; readonly record: Uint8Array }
  /** Takes the next record of the group's shared cursor, if there is one. */
  | { readonly kind: 'get'; readonly topic: string; readonly group: string }
  /** Reads without consuming; `offset` counts through the whole topic. */
  | { readonly kind: 'fetch'; readonly topic: string; readonly offset: Offset };

export type Reply =
  | { readonly kind: 'registered' }
  | {
      readonly kind: 'appended';
      readonly segment: SegmentId;
      readonly epoch: Epoch;
      readonly offset: Offset;
    }
  | { readonly kind: 'record'; readonly offset: Offset; readonly record: Uint8Array }
  | { readonly kind: 'empty' }
  | { readonly kind: 'error'; readonly code: ErrorCode; readonly message: string };

export function errorReply(code: ErrorCode, message: string): Reply {
  return { kind: 'error', code, message };
}

/** What `STATE` shows: this node's view, which may be behind. */
export interface TopicState {
  readonly currentSegment: number;
  readonly owner: NodeId;
  readonly lastSealedOffset: number;
  readonly sealedSegments: ReadonlyMap<number, number>;
  readonly segmentOwners: ReadonlyMap<number, NodeId>;
}

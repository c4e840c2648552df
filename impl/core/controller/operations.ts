/** What a client may ask of any node, and what it hears. The wire protocol is one dress of these. */
import { ERRORS, type ErrorCode } from '../errors.ts';
import type { Epoch, NodeId, Offset, SegmentId, TopicId } from '../ids.ts';
import type { TopicPolicy } from '../metadata/policy.ts';

/** Makes a topic, with that policy, or none. Whoever asks twice hears the same. */
export interface Register {
  readonly kind: 'register';
  readonly topic: string;
  readonly policy?: Partial<TopicPolicy>;
}

/** Changes what is named of a topic's policy. */
export interface SetPolicy {
  readonly kind: 'set';
  readonly topic: string;
  readonly policy: Partial<TopicPolicy>;
}

/** What an owner may do once and no more: whoever does not know what became of it does not ask again. */
export type Work =
  /**
   * One batch: the records as `record.ts` has them. All of it gets a place in the topic, in a row, or nothing. With `expected`
   * its first record gets that offset, or nothing is put.
   */
  | {
      readonly kind: 'put';
      readonly records: readonly Uint8Array[];
      readonly expected?: Offset | undefined;
    }
  /** Takes the next record of the group's shared cursor, if there is one. */
  | { readonly kind: 'get'; readonly group: string };

/** Work on the topic that is called so when an owner takes it. */
export type Effect = Work & { readonly topic: string };

/** Which records to read; `offset` counts through the whole topic. */
export interface Range {
  readonly offset: Offset;
  /** At most so many, */
  readonly records: number;
  /** and no more bytes than that, but for a first one that has more by itself. */
  readonly bytes: number;
  /** If there is none yet, so long is waited for one. Cut to half of an operation's time. */
  readonly waitMs: number;
}

/** The record at an offset, if it can be read now. */
export const ONE_RECORD: Omit<Range, 'offset'> = { records: 1, bytes: 0, waitMs: 0 };

/** Reads without consuming. */
export interface Fetch extends Range {
  readonly kind: 'fetch';
  readonly topic: string;
}

/** Forgets a topic, with its records, cursors and name. */
export interface Delete {
  readonly kind: 'delete';
  readonly topic: string;
}

/** Forgets the records before an offset, as far as they fill whole segments that are sealed. */
export interface Trim {
  readonly kind: 'trim';
  readonly topic: string;
  readonly before: Offset;
}

export type Operation = Register | SetPolicy | Delete | Trim | Effect | Fetch;

/** What changes nothing, and so may be asked of anybody, as often as one likes. */
export type Question =
  | ({ readonly kind: 'fetch'; readonly topic: TopicId } & Range)
  /** Whether the copy of an open segment has promised nobody more than `epoch`: `empty`, or `Fenced`. */
  | {
      readonly kind: 'promised';
      readonly topic: TopicId;
      readonly segment: SegmentId;
      readonly epoch: Epoch;
    }
  /**
   * Whether there is such a topic: `registered`, or `UnknownTopic` from a Raft leader that is current; `SegmentSealing` if it is
   * being deleted.
   */
  | { readonly kind: 'lookup'; readonly topic: string }
  /** Whether that can be done now: `granted`, or `WouldLose` from a Raft leader that is current. */
  | ({ readonly kind: 'wish' } & NodeWish);

/**
 * What an operator wants of a node: `stop` it now, and start it again later; `drain` it, so that all it holds moves to others, or
 * `undrain`; `remove` it for ever, which is for one that is lost, or has been drained.
 */
export type Wish = 'stop' | 'drain' | 'undrain' | 'remove';

export interface NodeWish {
  readonly node: NodeId;
  readonly wish: Wish;
}

/** One operation of a client. `reply` is called once. */
export interface ClientRequest {
  readonly operation: Operation;
  readonly reply: (reply: Reply) => void;
}

export type Reply =
  | { readonly kind: 'registered' }
  | { readonly kind: 'set' }
  /** Nothing is lost by what an operator wants; it is done, unless that was only asked. */
  | { readonly kind: 'granted' }
  /** No record of it is given out or taken any more, through whichever node, and its name is free. */
  | { readonly kind: 'deleted' }
  /** The first record that the topic still has, or will have, is that at `start`. */
  | { readonly kind: 'trimmed'; readonly start: Offset }
  /** All of the batch is safe; `offset` is its first record's. */
  | {
      readonly kind: 'appended';
      readonly segment: SegmentId;
      readonly epoch: Epoch;
      readonly offset: Offset;
    }
  /** Another offset was next than the one expected: `end`. Nothing was put. */
  | { readonly kind: 'mismatched'; readonly end: Offset }
  /** To a `get`. */
  | { readonly kind: 'record'; readonly offset: Offset; readonly record: Uint8Array }
  | { readonly kind: 'empty' }
  /**
   * To a `fetch`: records from `offset` on; none if there is none. `highWatermark` is the offset behind the last that may be read, as
   * far as the node knows that was asked.
   */
  | {
      readonly kind: 'records';
      readonly offset: Offset;
      readonly records: readonly Uint8Array[];
      readonly highWatermark: Offset;
    }
  | ErrorReply;

export interface ErrorReply {
  readonly kind: 'error';
  readonly code: ErrorCode;
  readonly message: string;
  /** Of `Trimmed`: offset of the first record that there is, or will be. */
  readonly start?: Offset;
}

export function errorReply(code: ErrorCode, message: string): ErrorReply {
  return { kind: 'error', code, message };
}

/**
 * Says that nothing was done, and that the same may be asked again as long as there is time. An owner says `NoSpace` when
 * nobody else has room either: that does not pass by itself.
 */
export function isRefusal(reply: Reply): reply is ErrorReply {
  if (reply.kind !== 'error' || reply.code === 'Expired' || reply.code === 'NoSpace') return false;
  const { retriable, committed } = ERRORS[reply.code];
  return retriable && committed === 'no';
}

/** What `STATE` shows: this node's view, which may be behind. */
export interface TopicState {
  /** Of the first record that there is, or will be. */
  readonly firstOffset: number;
  readonly policy: TopicPolicy;
  readonly currentSegment: number;
  readonly owner: NodeId;
  readonly lastSealedOffset: number;
  readonly sealedSegments: ReadonlyMap<number, number>;
  readonly segmentOwners: ReadonlyMap<number, NodeId>;
}

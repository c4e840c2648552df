/** What nodes say to each other. Values are immutable; the network may lose, repeat and reorder them. */
import type { ControllerMessage } from '../core/controller/messages.ts';
import type { BootId, Incarnation, NodeId } from '../core/ids.ts';
import type { RaftMessage } from '../core/raft/messages.ts';
import type { DataMessage } from '../core/segment/messages.ts';
import type { Lsn } from '../core/storage/ids.ts';
import type { Place } from './addresses.ts';
import type { Reach } from './lives.ts';

/** Every message travels in one of these; a node drops what is not meant for this life of its disk. */
export interface Envelope {
  readonly from: NodeId;
  readonly fromIncarnation: Incarnation;
  /** The sender's process. */
  readonly fromBoot: BootId;
  /** Everything before it was durable on the sender's disk, and with it all that the message promises. */
  readonly fromLsn: Lsn;
  /** What the sender's monotonic clock showed, in whole milliseconds. */
  readonly sentAtMs: number;
  /** 0 where only an address is known. */
  readonly to: NodeId | 0;
  /** 0 where the sender cannot know it. */
  readonly toIncarnation: Incarnation | 0;
  readonly body: Message;
}

/** Whether the sender is in a cluster in which this number is a member: only members say where they are. */
export function isForNumber({ from, to, body }: Envelope, id: NodeId): boolean {
  return body.kind === 'Ping' && to === id && from !== id;
}

export type Message =
  | RaftMessage
  | DataMessage
  | ControllerMessage
  | Propose
  | JoinMessage
  | MemoryMessage
  | Ping;

export type MemoryMessage =
  /** Life `boot` of the receiver's disk had everything before `lsn`. Until that is recalled, the sender takes nothing of it. */
  | ({ readonly kind: 'Remind' } & Reach)
  /** The present life of the sender's disk has that. */
  | ({ readonly kind: 'Recall' } & Reach);

/** Says that its sender lives, where nothing else was sent for a while; where it is; and that its disk is full or it is about to stop, as long as that is so. */
export interface Ping {
  readonly kind: 'Ping';
  /** Where other nodes reach the sender. */
  readonly address: string;
  readonly full: boolean;
  readonly leaving: boolean;
}

/** A metadata command on its way to the Raft leader. What became of it comes back through the log. */
export interface Propose {
  readonly kind: 'Propose';
  readonly proposal: Uint8Array;
}

export type JoinMessage =
  /** A node without a place in the cluster asks for one, again and again. */
  | {
      readonly kind: 'Join';
      readonly address: string;
      /** The operator says that an earlier disk of this id is gone for good. */
      readonly replace: boolean;
      /** This disk has less than it said it had, and wants to begin anew. */
      readonly amnesiac: boolean;
      /** Who founded the cluster that this disk knows of; 0 if it knows none, or has forgotten. */
      readonly founder: Incarnation | 0;
    }
  /**
   * `leaderAddress` is '' if none is known. `members` are those that the sender hears, and itself: from one of them the log will
   * come. Admission itself shows in that log. A disk that is `released` has no place in the cluster any more, and may forget all that it has.
   */
  | {
      readonly kind: 'JoinReply';
      readonly outcome: 'admitted' | 'pending' | 'refused' | 'released';
      readonly leaderAddress: string;
      readonly members: readonly Place[];
      readonly detail: string;
    };

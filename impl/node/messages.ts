/** What nodes say to each other. Values are immutable; the network may lose, repeat and reorder them. */
import type { ControllerMessage } from '../core/controller/messages.ts';
import type { BootId, Incarnation, NodeId } from '../core/ids.ts';
import type { RaftMessage } from '../core/raft/messages.ts';
import type { DataMessage } from '../core/segment/messages.ts';

/** Every message travels in one of these; a node drops what is not meant for this life of its disk. */
export interface Envelope {
  readonly from: NodeId;
  readonly fromIncarnation: Incarnation;
  /** The sender's process. */
  readonly fromBoot: BootId;
  /** What the sender's monotonic clock showed, in whole milliseconds. */
  readonly sentAtMs: number;
  /** 0 where only an address is known. */
  readonly to: NodeId | 0;
  /** 0 where the sender cannot know it. */
  readonly toIncarnation: Incarnation | 0;
  readonly body: Message;
}

export type Message = RaftMessage | DataMessage | ControllerMessage | Propose | JoinMessage | Ping;

/** Says that its sender lives, where nothing else was sent for a while, and that its disk is full, as long as it is. */
export interface Ping {
  readonly kind: 'Ping';
  readonly full: boolean;
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
    }
  /**
   * `leaderAddress` is '' if none is known. `members` is where the log will come from; admission itself shows in
   * that log.
   */
  | {
      readonly kind: 'JoinReply';
      readonly outcome: 'admitted' | 'pending' | 'refused';
      readonly leaderAddress: string;
      readonly members: readonly { readonly id: NodeId; readonly address: string }[];
      readonly detail: string;
    };

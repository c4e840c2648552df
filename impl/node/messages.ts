/** What nodes say to each other. Values are immutable; the network may lose, repeat and reorder them. */
import type { BootId, Epoch, Incarnation, NodeId, SegmentId } from '../core/ids.ts';
import type { RaftMessage } from '../core/raft/messages.ts';
import type { Operation, Reply } from './operations.ts';

/** Every message travels in one of these; a node drops what is not meant for this life of its disk. */
export interface Envelope {
  readonly from: NodeId;
  readonly fromIncarnation: Incarnation;
  /** The sender's process: answers meant for an earlier life are dropped by it. */
  readonly fromBoot: BootId;
  readonly to: NodeId;
  /** 0 where the sender does not know it yet. */
  readonly toIncarnation: Incarnation;
  readonly body: Message;
}

export type Message = RaftMessage | DataMessage | ForwardMessage | JoinMessage;

interface OfSegment {
  readonly topic: string;
  readonly segment: SegmentId;
  readonly epoch: Epoch;
}

export type DataMessage =
  /** Writer (owner or recoverer) to replica: records `[from, from + records.length)`, maybe none. */
  | (OfSegment & {
      readonly kind: 'Replicate';
      readonly from: number;
      readonly records: readonly Uint8Array[];
      readonly highWatermark: number;
    })
  /** Replica to writer: what it has (`end`) and has durably (`durableEnd`), under a promise of `epoch`. */
  | (OfSegment & { readonly kind: 'ReplicateAck'; readonly end: number; readonly durableEnd: number })
  /** Replica to writer or recoverer: it has promised `promised`, which is higher. */
  | (OfSegment & { readonly kind: 'Refuse'; readonly promised: Epoch })
  /** Recoverer to replica: take nothing from lower epochs any more. */
  | (OfSegment & { readonly kind: 'PromiseRequest' })
  /** Replica to recoverer: promised, durably; so are the records before `durableEnd`. */
  | (OfSegment & { readonly kind: 'Promise'; readonly durableEnd: number })
  /** Asks any replica for records; `epoch` is 0 when copying a sealed segment. */
  | (OfSegment & { readonly kind: 'CopyRequest'; readonly from: number })
  | (OfSegment & { readonly kind: 'Copy'; readonly from: number; readonly records: readonly Uint8Array[] });

export type ForwardMessage =
  /** Handed on once, to the node that can do it; `request` is the sender's. */
  | { readonly kind: 'Forward'; readonly request: number; readonly operation: Operation }
  | { readonly kind: 'ForwardReply'; readonly request: number; readonly reply: Reply }
  /** A metadata command on its way to the Raft leader. What became of it comes back through the log. */
  | { readonly kind: 'Propose'; readonly proposal: Uint8Array }
  /** The proposal with this sequence was not put into the log by the node asked. */
  | { readonly kind: 'ProposeRefused'; readonly sequence: number; readonly leader: NodeId | 0 };

export type JoinMessage =
  | {
      readonly kind: 'Join';
      readonly address: string;
      /** The operator says that an earlier disk of this id is gone for good. */
      readonly replace: boolean;
    }
  | { readonly kind: 'JoinReply'; readonly outcome: 'joined' | 'pending' | 'refused'; readonly leader: NodeId | 0; readonly detail: string };

/**
 * What happened in the cluster that its operator asks about. Each event is told once, by the node at which it happened: an
 * election by who was elected, a change of owner by the new owner, a silent node by the leader that misses it.
 */
import type { LogIndex, NodeId, Offset, SegmentId, Term, TopicId } from '../core/ids.ts';
import type { Notice as SegmentNotice } from '../core/segment/notices.ts';

/** What a segment tells of itself, with the name of its topic. */
type Named<Told extends SegmentNotice> = Told extends { readonly topic: TopicId }
  ? Omit<Told, 'topic'> & { readonly topic: string }
  : Told;

export type Notice =
  | Named<SegmentNotice>
  /** This node was elected. `leaderlessMs`: since it last heard `before`; both absent if it heard no leader in this life. */
  | {
      readonly kind: 'LeaderElected';
      readonly term: Term;
      readonly before: NodeId | undefined;
      readonly leaderlessMs: number | undefined;
    }
  /** This node leads no more. `term` is the one that it knows now. */
  | {
      readonly kind: 'LeaderLost';
      readonly term: Term;
      readonly reason: 'no majority' | 'handed over' | 'another term';
    }
  /** This node hears too few voters for anything to be agreed on here. */
  | {
      readonly kind: 'QuorumLost';
      readonly voters: number;
      readonly silent: readonly NodeId[];
    }
  | { readonly kind: 'QuorumFound'; readonly lostForMs: number }
  /** The leader hears nothing of a member. */
  | { readonly kind: 'NodeSuspected'; readonly node: NodeId }
  | { readonly kind: 'NodeHeard'; readonly node: NodeId; readonly silentForMs: number }
  /** The leader has let a node in; it gets the log, and then a vote. */
  | { readonly kind: 'NodeAdmitted'; readonly node: NodeId; readonly address: string }
  | { readonly kind: 'NodeJoined'; readonly node: NodeId }
  | { readonly kind: 'NodeLeft'; readonly node: NodeId }
  /** The leader turned a disk away that asked to be let in. */
  | { readonly kind: 'NodeRefused'; readonly node: NodeId; readonly reason: string }
  /** This node owns the topic's end from now on. */
  | {
      readonly kind: 'OwnerChanged';
      readonly topic: string;
      /** The one that is open now. */
      readonly segment: SegmentId;
      readonly before: NodeId | undefined;
      readonly reason: OwnerChange;
      /** Of a failover: since the segment was taken from the owner before. */
      readonly tookMs: number | undefined;
    }
  /** The topic has forgotten its records from `from` up to `start`. `skipped`: groups that had not read all of them. */
  | {
      readonly kind: 'TopicTrimmed';
      readonly topic: string;
      readonly from: Offset;
      readonly start: Offset;
      readonly skipped: readonly { readonly group: string; readonly records: number }[];
    }
  /** `node` has the metadata up to `index` out of a snapshot of this leader's. */
  | { readonly kind: 'SnapshotSent'; readonly node: NodeId; readonly index: LogIndex }
  /** Copies of sealed segments are incomplete here, and have been for a while. */
  | { readonly kind: 'RepairBegun'; readonly segments: number }
  | { readonly kind: 'RepairDone'; readonly tookMs: number };

/** Why a topic has another owner: a leaving owner hands over, one that is silent or was started again is replaced. */
export type OwnerChange =
  | 'created'
  | 'rollover'
  | 'failover'
  | 'full disk'
  | 'more copies'
  | 'handover';

/** What a segment tells, as those hear it who know topics by their names. */
export function named(notice: SegmentNotice, nameOf: (topic: TopicId) => string): Notice {
  return 'topic' in notice ? ({ ...notice, topic: nameOf(notice.topic) } as Notice) : notice;
}

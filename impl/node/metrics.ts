/** `METRICS` in the shape that upstream's scripts read: OpenRaft's `RaftMetrics`. */

import type { LogIndex, NodeId, Term } from '../core/ids.ts';
import type { Member } from '../core/raft/membership.ts';
import type { Raft } from '../core/raft/raft.ts';

const STATES = {
  learner: 'Learner',
  follower: 'Follower',
  precandidate: 'Candidate',
  candidate: 'Candidate',
  leader: 'Leader',
} as const;

export interface MetricsView {
  readonly id: NodeId;
  readonly running: boolean;
  readonly raft: Raft | undefined;
  readonly applied: { readonly index: LogIndex; readonly term: Term } | undefined;
  readonly snapshot: { readonly index: LogIndex; readonly term: Term } | undefined;
  /** Voters that new segments can be placed on, as far as this node has applied the log. */
  readonly holders: readonly NodeId[];
  readonly nowMs: number;
  readonly wallMs: number;
}

export function raftMetrics({
  id,
  running,
  raft,
  applied,
  snapshot,
  holders,
  nowMs,
  wallMs,
}: MetricsView): object {
  const leader = raft?.role === 'leader' ? raft : undefined;
  const members: readonly Member[] = raft?.membership ?? [];
  const voters = members.filter(({ learner }) => !learner).map((member) => member.id);
  const logId = (at: { index: LogIndex; term: Term } | undefined): object | null =>
    at === undefined || at.index === 0
      ? null
      : { leader_id: { term: at.term, node_id: raft?.leader ?? 0 }, index: at.index };
  const perMember = (value: (member: Member) => unknown): object | null =>
    leader === undefined ? null : Object.fromEntries(members.map((each) => [each.id, value(each)]));
  return {
    running_state: running ? { Ok: null } : { Err: 'stopped' },
    id,
    current_term: raft?.term ?? 0,
    vote: {
      leader_id: { term: raft?.term ?? 0, node_id: raft?.vote || null },
      committed: raft !== undefined && raft.leader !== 0,
    },
    last_log_index: raft === undefined || raft.lastIndex === 0 ? null : raft.lastIndex,
    last_applied: logId(applied),
    snapshot: logId(snapshot),
    purged: logId(snapshot),
    state: raft === undefined ? 'Learner' : STATES[raft.role],
    current_leader: raft?.leader || null,
    millis_since_quorum_ack:
      leader === undefined ? null : Math.max(0, Math.round(nowMs - leader.leaderContactMs)),
    last_quorum_acked:
      leader === undefined ? null : Math.round((wallMs - (nowMs - leader.leaderContactMs)) * 1e6),
    membership_config: {
      log_id: logId(applied),
      membership: {
        configs: [voters],
        nodes: Object.fromEntries(members.map((each) => [each.id, { addr: each.address }])),
      },
    },
    // Not upstream's. Whoever creates a topic before all nodes are here gets fewer replicas.
    segment_holders: holders,
    heartbeat: perMember((each) => {
      const heardMs = each.id === id ? nowMs : leader!.lastHeardMs(each.id);
      return Math.round((wallMs - Math.max(0, nowMs - heardMs)) * 1e6);
    }),
    replication: perMember((each) => {
      const index = leader!.matchIndex(each.id);
      return { leader_id: { term: leader!.term, node_id: id }, index };
    }),
  };
}

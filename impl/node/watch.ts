/** Sees who leads, who is heard and who is a member, and tells of each change once. It changes nothing. */
import type { Incarnation, LogIndex, NodeId, Term } from '../core/ids.ts';
import type { Membership } from '../core/raft/membership.ts';
import { majority } from '../core/raft/quorum.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { DataPlane } from '../core/segment/data-plane.ts';
import type { NodeConfig } from './config.ts';
import type { Handover } from './handover.ts';
import type { Notice } from './notices.ts';

/** What is repaired faster than so is no repair to tell of: every seal leaves a replica a few records behind. */
const REPAIR_AFTER_MS = 1000;

export interface WatchPorts {
  readonly config: Pick<NodeConfig, 'id' | 'failoverMs'>;
  readonly raft: Raft;
  readonly dataPlane: DataPlane;
  readonly handover: Handover;
  nowMs(): number;
  live(node: NodeId): boolean;
  notice(notice: Notice): void;
}

export class Watch {
  private readonly ports: WatchPorts;
  private leads = false;
  /** The term in which it leads, or led last. */
  private term: Term | 0 = 0;
  /** The last other leader that was heard, and when. */
  private leader: NodeId | undefined;
  private leaderHeardMs = 0;
  private membership: Membership;
  /** Since when it is in force here; of the one that a process begins with, always. */
  private membershipSinceMs: number = Number.NEGATIVE_INFINITY;
  private quorumLostMs: number | undefined;
  /** As the leader: who is silent, since when. */
  private readonly suspected = new Map<NodeId, number>();
  /** As the leader: who was let in and is still to be heard for the first time. */
  private readonly awaited = new Set<NodeId>();
  /** As the leader: of each node, what was last sent to it, and why one was turned away. */
  private readonly snapshots = new Map<NodeId, LogIndex>();
  private readonly refused = new Map<NodeId, string>();
  private repairSinceMs: number | undefined;
  private isRepairTold = false;

  constructor(ports: WatchPorts) {
    this.ports = ports;
    this.membership = ports.raft.membership;
  }

  /** Raft's state may have moved. */
  follow(): void {
    const { raft, notice } = this.ports;
    const leads = raft.role === 'leader';
    if (leads !== this.leads) {
      this.leads = leads;
      if (leads) this.elected();
      else notice({ kind: 'LeaderLost', term: raft.term, reason: this.reasonLost() });
    }
    if (!leads && raft.leader !== 0) {
      this.leader = raft.leader;
      this.leaderHeardMs = raft.leaderContactMs;
    }
    if (raft.membership !== this.membership) {
      if (leads) this.membersChanged(this.membership, raft.membership);
      this.membership = raft.membership;
      this.membershipSinceMs = this.ports.nowMs();
    }
  }

  tick(nowMs: number): void {
    this.watchQuorum(nowMs);
    if (this.leads) this.watchMembers(nowMs);
    this.watchRepair(nowMs);
  }

  /** The member says that it has a snapshot of this leader's. */
  snapshotInstalled(node: NodeId, index: LogIndex): void {
    if (!this.leads || index <= (this.snapshots.get(node) ?? 0)) return;
    this.snapshots.set(node, index);
    this.ports.notice({ kind: 'SnapshotSent', node, index });
  }

  /** A disk that asks again and again is told of once, as long as the reason stays. */
  joinRefused(node: NodeId, incarnation: Incarnation, reason: string): void {
    const told = `${incarnation} ${reason}`;
    if (this.refused.get(node) === told) return;
    this.refused.set(node, told);
    this.ports.notice({ kind: 'NodeRefused', node, reason });
  }

  private elected(): void {
    const { raft, notice } = this.ports;
    const before = this.leader;
    const leaderlessMs = before === undefined ? undefined : this.ports.nowMs() - this.leaderHeardMs;
    this.term = raft.term;
    this.suspected.clear();
    this.awaited.clear();
    this.snapshots.clear();
    this.refused.clear();
    notice({ kind: 'LeaderElected', term: raft.term, before, leaderlessMs });
  }

  private reasonLost(): 'no majority' | 'handed over' | 'another term' {
    if (this.ports.handover.isUnderWay) return 'handed over';
    return this.ports.raft.term === this.term ? 'no majority' : 'another term';
  }

  private membersChanged(before: Membership, now: Membership): void {
    const { notice } = this.ports;
    for (const { id, address, incarnation, learner } of now) {
      const known = before.find((each) => each.id === id && each.incarnation === incarnation);
      if (known === undefined) {
        this.awaited.add(id);
        notice({ kind: 'NodeAdmitted', node: id, address });
      } else if (known.learner && !learner) notice({ kind: 'NodeJoined', node: id });
    }
    for (const { id } of before) {
      if (now.some((each) => each.id === id)) continue;
      this.suspected.delete(id);
      notice({ kind: 'NodeLeft', node: id });
    }
  }

  private silentVoters(): { voters: number; silent: NodeId[]; isLost: boolean } {
    const { config, raft } = this.ports;
    const voters = raft.membership.filter(({ learner }) => !learner);
    const silent = voters
      .map(({ id }) => id)
      .filter((id) => id !== config.id && !this.ports.live(id));
    const isLost = voters.length - silent.length < majority(voters.length);
    return { voters: voters.length, silent, isLost };
  }

  private watchQuorum(nowMs: number): void {
    const { voters, silent, isLost } = this.silentVoters();
    if (voters === 0 || isLost === (this.quorumLostMs !== undefined)) return;
    if (isLost) {
      // Whoever has just learnt who votes has had no time yet to hear them.
      if (nowMs - this.membershipSinceMs < this.ports.config.failoverMs) return;
      this.quorumLostMs = nowMs;
      this.ports.notice({ kind: 'QuorumLost', voters, silent });
    } else {
      this.ports.notice({ kind: 'QuorumFound', lostForMs: nowMs - this.quorumLostMs! });
      this.quorumLostMs = undefined;
    }
  }

  private watchMembers(nowMs: number): void {
    const { config, raft, notice } = this.ports;
    for (const { id: node } of raft.membership) {
      if (node === config.id) continue;
      const sinceMs = this.suspected.get(node);
      const isLive = this.ports.live(node);
      if (isLive) this.awaited.delete(node);
      if (this.awaited.has(node)) continue;
      if (!isLive && sinceMs === undefined) {
        this.suspected.set(node, nowMs);
        notice({ kind: 'NodeSuspected', node });
      } else if (isLive && sinceMs !== undefined) {
        this.suspected.delete(node);
        notice({ kind: 'NodeHeard', node, silentForMs: nowMs - sinceMs });
      }
    }
  }

  private watchRepair(nowMs: number): void {
    const segments = this.ports.dataPlane.replicas.incompleteCount;
    if (segments === 0) {
      const sinceMs = this.repairSinceMs;
      this.repairSinceMs = undefined;
      if (!this.isRepairTold) return;
      this.isRepairTold = false;
      this.ports.notice({ kind: 'RepairDone', tookMs: nowMs - sinceMs! });
      return;
    }
    this.repairSinceMs ??= nowMs;
    if (this.isRepairTold || nowMs - this.repairSinceMs < REPAIR_AFTER_MS) return;
    this.isRepairTold = true;
    this.ports.notice({ kind: 'RepairBegun', segments });
  }
}

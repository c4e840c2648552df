/** What a node does without being asked, at each turn of one period. */
import type { NodeId } from '../core/ids.ts';
import type { ClusterState, NodeRecord } from '../core/metadata/cluster-state.ts';
import type { Member } from '../core/raft/membership.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { DataPlane } from '../core/segment/data-plane.ts';
import type { Store } from '../core/storage/store.ts';
import type { NodeConfig } from './config.ts';
import type { Handover } from './handover.ts';
import type { Joining } from './joining.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { Peers } from './peers.ts';
import type { Registration } from './registration.ts';
import type { Sender } from './sender.ts';

const PERIOD_MS = 250;
/** Everybody is told so often where this node is. */
const PING_ALL_MS = 1000;
/** A log that nothing was written to for so long rests. */
const REST_AFTER_MS = 5000;

export interface PeriodicWorkPorts {
  readonly config: NodeConfig;
  readonly lifecycle: Lifecycle;
  readonly store: Store;
  readonly raft: Raft;
  readonly cluster: ClusterState;
  readonly dataPlane: DataPlane;
  readonly peers: Peers;
  readonly sender: Sender;
  readonly joining: Joining;
  readonly registration: Registration;
  readonly handover: Handover;
  nowMs(): number;
  live(node: NodeId): boolean;
  /** Tells the network where a member is, as far as that is known now. */
  locate(member: Member): void;
}

export class PeriodicWork {
  private readonly ports: PeriodicWorkPorts;
  private dueAtMs: number;
  private pingAllAtMs = 0;
  private rollOverAtMs = 0;
  /** Where the log ended at the last turn, and when it is to rest if it still ends there; Infinity if it does. */
  private logEnd = -1;
  private restAtMs = 0;

  constructor(ports: PeriodicWorkPorts) {
    this.ports = ports;
    this.dueAtMs = ports.nowMs();
  }

  deadlineMs(): number {
    return this.dueAtMs;
  }

  /** There is something new to be done: the next turn is now. */
  hasten(): void {
    this.dueAtMs = this.ports.nowMs();
  }

  tick(nowMs: number): void {
    if (nowMs < this.dueAtMs) return;
    this.dueAtMs = nowMs + PERIOD_MS;
    const { lifecycle, store, joining, registration, handover } = this.ports;
    const isFull = store.stats.isFull;
    this.ping(isFull, handover.isUnderWay, nowMs);
    if (joining.due()) joining.ask();
    if (!handover.isUnderWay) registration.register();
    // A full disk is asked again by commits, and by this where nothing is committed.
    if (isFull) store.retry();
    this.rest(nowMs);
    this.rollOverFull(nowMs);
    this.changeMembership();
    if (handover.isUnderWay && handover.advance(nowMs)) lifecycle.stop();
  }

  /**
   * Shows those that hear nothing else that this node lives; now and then all of them where it is, and as long as its disk is
   * full or it is about to stop, that.
   */
  private ping(full: boolean, leaving: boolean, nowMs: number): void {
    const { config, raft, peers, sender } = this.ports;
    const { raftAddress: address } = config;
    const ping = { kind: 'Ping', address, full, leaving } as const;
    const toAll = full || leaving || nowMs >= this.pingAllAtMs;
    if (toAll) this.pingAllAtMs = nowMs + PING_ALL_MS;
    for (const member of raft.membership) {
      const { id, incarnation } = member;
      if (id === config.id) continue;
      this.ports.locate(member);
      if (toAll || peers.idleSince(id, nowMs - PERIOD_MS)) {
        sender.send(id, incarnation, ping);
      }
    }
    if (!toAll) return;
    for (const { id, incarnation, raftAddress } of this.withoutPlace()) {
      sender.sendToAddress(raftAddress, id, incarnation, ping);
    }
  }

  /** Those whose disk is about to be replaced have no place for a moment; an empty one must hear that its number is known. */
  private withoutPlace(): readonly NodeRecord[] {
    const { config, raft, cluster } = this.ports;
    const isOut = ({ id }: NodeRecord): boolean =>
      id !== config.id && !raft.membership.some((member) => member.id === id);
    return [...cluster.nodes.values()].filter(isOut).sort((a, b) => a.id - b.id);
  }

  private rest(nowMs: number): void {
    const { store } = this.ports;
    if (store.writtenLsn !== this.logEnd) {
      this.logEnd = store.writtenLsn;
      this.restAtMs = nowMs + REST_AFTER_MS;
    } else if (nowMs >= this.restAtMs) {
      this.restAtMs = Infinity;
      store.rest();
    }
  }

  private rollOverFull(nowMs: number): void {
    if (nowMs < this.rollOverAtMs) return;
    const { config, dataPlane } = this.ports;
    this.rollOverAtMs = nowMs + config.monitorCheckMs;
    dataPlane.owner.rollOver(false);
    dataPlane.retention.look();
  }

  /**
   * As the leader: takes a disk out that the metadata says was removed, or gives a learner a vote. One at a time, since one change of the
   * membership is under way at a time. Who leads has somebody else take it out.
   */
  private changeMembership(): void {
    const { config, raft, cluster } = this.ports;
    if (raft.role !== 'leader') return;
    const removed = raft.membership.find(
      ({ id, incarnation }) =>
        cluster.node(id)?.incarnation === incarnation && cluster.node(id)?.state === 'gone',
    );
    if (removed?.id === config.id) {
      const heir = raft.membership.find(
        ({ id, learner }) => id !== config.id && !learner && this.ports.live(id),
      );
      if (heir !== undefined) raft.transferLeadership(heir.id);
      return;
    }
    if (removed !== undefined) {
      raft.proposeMembership({ kind: 'remove', id: removed.id });
      return;
    }
    const isPromoted = (id: NodeId): boolean =>
      typeof raft.proposeMembership({ kind: 'promote', id }) !== 'string';
    raft.membership.some(({ id, learner }) => learner && isPromoted(id));
  }
}

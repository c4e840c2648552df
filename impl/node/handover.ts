/** How a node leaves: others take over what it owns and what it leads, but it does not wait for them for ever. */
import type { NodeId } from '../core/ids.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { DataPlane } from '../core/segment/data-plane.ts';
import type { NodeConfig } from './config.ts';

/** How long a node that stops waits for others to take over, in milliseconds. */
const HANDOVER_MS = 2_000;

export interface HandoverPorts {
  readonly config: NodeConfig;
  readonly raft: Raft;
  readonly dataPlane: DataPlane;
  live(node: NodeId): boolean;
}

export class Handover {
  private readonly ports: HandoverPorts;
  private endsAtMs = Infinity;

  constructor(ports: HandoverPorts) {
    this.ports = ports;
  }

  get isUnderWay(): boolean {
    return this.endsAtMs < Infinity;
  }

  begin(nowMs: number): void {
    this.endsAtMs = nowMs + HANDOVER_MS;
    this.ports.dataPlane.owner.rollOver(true);
  }

  /** Takes the next step: segments first, then leadership. True once the node may stop. */
  advance(nowMs: number): boolean {
    const { config, raft, dataPlane } = this.ports;
    if (nowMs >= this.endsAtMs) return true;
    if ([...dataPlane.owner.all()].length > 0) return false;
    if (raft.role !== 'leader') return true;
    const successor = raft.membership.find(
      ({ id, learner }) => id !== config.id && !learner && this.ports.live(id),
    );
    if (successor === undefined) return true;
    raft.transferLeadership(successor.id);
    return false;
  }
}

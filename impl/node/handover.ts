/**
 * How a node leaves: others take over what it owns and what it leads, and it answers what it was asked, so that nobody is left
 * without knowing what became of it. It does not wait for them for ever.
 */
import type { Controller } from '../core/controller/controller.ts';
import type { NodeId } from '../core/ids.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { DataPlane } from '../core/segment/data-plane.ts';
import type { NodeConfig } from './config.ts';

/** How long a node that stops waits for the next thing to be taken over or answered, and how long in all, in milliseconds. */
const PATIENCE_MS = 2_000;
const HANDOVER_MS = 8_000;
/** By then others have heard that it leaves, hand it nothing more, and have asked again what they have no answer to. */
const QUIET_MS = 500;

export interface HandoverPorts {
  readonly config: NodeConfig;
  readonly raft: Raft;
  readonly dataPlane: DataPlane;
  readonly controller: Controller;
  stays(node: NodeId): boolean;
}

export class Handover {
  private readonly ports: HandoverPorts;
  private beganMs = Infinity;
  private progressedMs = 0;
  /** Segments that were to be handed over when that was looked at last. */
  private owned = Infinity;

  constructor(ports: HandoverPorts) {
    this.ports = ports;
  }

  get isUnderWay(): boolean {
    return this.beganMs < Infinity;
  }

  begin(nowMs: number): void {
    this.beganMs = nowMs;
    this.progressedMs = nowMs;
  }

  /** Takes the next step: segments first, then leadership, then answers. True once the node may stop. */
  advance(nowMs: number): boolean {
    const { config, raft, dataPlane, controller } = this.ports;
    const owned = [...dataPlane.owner.all()].length;
    if (owned < this.owned) this.progressedMs = nowMs;
    this.owned = owned;
    if (nowMs >= Math.min(this.beganMs + HANDOVER_MS, this.progressedMs + PATIENCE_MS)) return true;
    if (owned > 0) {
      // Others may have granted it more before they heard of this.
      dataPlane.owner.rollOver(true);
      return false;
    }
    const successor = raft.membership.find(
      ({ id, learner }) => id !== config.id && !learner && this.ports.stays(id),
    );
    if (raft.role === 'leader' && successor !== undefined) {
      raft.transferLeadership(successor.id);
      return false;
    }
    return nowMs >= this.beganMs + QUIET_MS && controller.isQuietSince(nowMs - QUIET_MS);
  }
}

/**
 * Where other disks said lately that they are. A node says it with each ping; what it says of itself counts for more than what
 * the cluster once agreed on, which is older: a node that moved can be agreed with only when it is found.
 */
import type { Incarnation, NodeId } from '../core/ids.ts';

/** Several pings: who is not heard for so long may have moved again. */
const FRESH_MS = 3_000;

interface Told {
  readonly incarnation: Incarnation;
  readonly address: string;
  readonly untilMs: number;
}

/** A disk under its number, and where it is. */
export interface Place {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
  readonly address: string;
}

export class Addresses {
  private readonly byNode = new Map<NodeId, Told>();

  /** The disk itself said where it is. */
  told({ id, incarnation, address }: Place, nowMs: number): void {
    this.byNode.set(id, { incarnation, address, untilMs: nowMs + FRESH_MS });
  }

  /** Somebody who hears that disk passes on where it is; false if it has itself said so lately. */
  passedOn(place: Place, nowMs: number): boolean {
    if (this.of(place.id, place.incarnation, nowMs) !== undefined) return false;
    this.told(place, nowMs);
    return true;
  }

  /** Undefined if nothing was heard of that disk lately. */
  of(node: NodeId, incarnation: Incarnation, nowMs: number): string | undefined {
    const told = this.byNode.get(node);
    return told?.incarnation === incarnation && nowMs < told.untilMs ? told.address : undefined;
  }
}

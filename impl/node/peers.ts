/** When the other nodes were last heard, and last sent to, whose disk is full, and who is about to stop. */
import type { BootId, Incarnation, NodeId } from '../core/ids.ts';
import type { Member, Membership } from '../core/raft/membership.ts';

export class Peers {
  private readonly silenceMs: number;
  private readonly heardAt = new Map<NodeId, number>();
  private readonly askedFrom = new Map<NodeId, Incarnation>();
  private readonly fullAt = new Map<NodeId, number>();
  private readonly leaving = new Map<NodeId, BootId>();
  private readonly sentAt = new Map<NodeId, number>();
  private located: Membership | undefined;
  /** Nobody is blamed for silence before this. */
  private readonly sinceMs: number;

  /**
   * A node not heard for `silenceMs` is taken for dead; from `nowMs` on everybody gets the full time to be heard. All
   * members send to each other, whoever leads.
   */
  constructor(silenceMs: number, nowMs: number) {
    this.silenceMs = silenceMs;
    this.sinceMs = nowMs;
  }

  /** Of the member of that number; no other disk's life counts. */
  heard(from: NodeId, nowMs: number): void {
    this.heardAt.set(from, nowMs);
  }

  /** A message of this disk is being handled. */
  asked(from: NodeId, incarnation: Incarnation): void {
    this.askedFrom.set(from, incarnation);
  }

  /** What a node says of its own disk. */
  reportedFull(from: NodeId, full: boolean, nowMs: number): void {
    if (full) this.fullAt.set(from, nowMs);
    else this.fullAt.delete(from);
  }

  /** False if the node said lately that its disk is full. */
  hasRoom(node: NodeId, nowMs: number): boolean {
    return nowMs - (this.fullAt.get(node) ?? -Infinity) >= this.silenceMs;
  }

  /** What a node says of this process of it: that it is about to stop. */
  reportedLeaving(from: NodeId, boot: BootId): void {
    this.leaving.set(from, boot);
  }

  /** Whether this process of the node has said that it is about to stop; maybe it has. */
  isLeaving(node: NodeId, boot: BootId): boolean {
    return this.leaving.get(node) === boot;
  }

  /** The disk of which a message was handled last under this number; 0 if none was. */
  incarnation(node: NodeId): Incarnation | 0 {
    return this.askedFrom.get(node) ?? 0;
  }

  sent(to: NodeId, nowMs: number): void {
    this.sentAt.set(to, nowMs);
  }

  /** -Infinity if it was not. */
  heardAtMs(node: NodeId): number {
    return this.heardAt.get(node) ?? Number.NEGATIVE_INFINITY;
  }

  live(node: NodeId, nowMs: number): boolean {
    return nowMs - Math.max(this.heardAt.get(node) ?? 0, this.sinceMs) < this.silenceMs;
  }

  /** True if nothing was sent to the node after `sinceMs`. */
  idleSince(node: NodeId, sinceMs: number): boolean {
    return (this.sentAt.get(node) ?? -Infinity) <= sinceMs;
  }

  /** Tells `locate` of every member when the membership is another one than before. */
  follow(membership: Membership, locate: (member: Member) => void): void {
    if (membership === this.located) return;
    this.located = membership;
    for (const member of membership) locate(member);
  }
}

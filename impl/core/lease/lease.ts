/**
 * An owner trusts its grants only while it hears the Raft leader, measured on its own monotonic clock. This makes
 * a node that was cut off refuse quickly and say why. Nothing rests on it: a node whose clock stands still, or
 * that wakes from a long pause, is stopped by the epochs that the replicas promised.
 */
export class Lease {
  private readonly lengthMs: number;
  private expiresAtMs = -Infinity;

  constructor(lengthMs: number) {
    this.lengthMs = lengthMs;
  }

  /**
   * The Raft leader was heard at `contactMs`; on the leader itself, a quorum was. True if the lease had run out
   * and is valid again.
   * @spec DistributedLog!RenewLease
   */
  renewLease(contactMs: number, nowMs: number): boolean {
    const before = this.held;
    this.expiresAtMs = Math.max(this.expiresAtMs, contactMs + this.lengthMs);
    this.held = nowMs < this.expiresAtMs;
    return this.held && !before;
  }

  /**
   * True if the lease was held until now and has run out.
   * @spec DistributedLog!ExpireLease
   */
  expireLease(nowMs: number): boolean {
    const ranOut = this.held && nowMs >= this.expiresAtMs;
    if (ranOut) this.held = false;
    return ranOut;
  }

  valid(nowMs: number): boolean {
    return nowMs < this.expiresAtMs;
  }

  /** When `expireLease` is due; Infinity while no lease is held. */
  deadlineMs(): number {
    return this.held ? this.expiresAtMs : Infinity;
  }

  private held = false;
}

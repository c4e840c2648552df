/**
 * What time it is at least on the clocks of other processes. Each message says what its sender's monotonic clock showed when it
 * was sent; since then that clock has gone on, at half the speed of this node's or more.
 *
 * That is all it rests on: that of two monotonic clocks none runs twice as fast as the other, and that they go on while a process
 * stands still. How long a message was under way does not matter: an old one makes the time earlier, never later.
 */
import type { BootId, NodeId } from '../core/ids.ts';

/** The slowest that another clock may run, as this node's goes. */
const SLOWEST = 0.5;

interface Reading {
  readonly boot: BootId;
  /** The other clock showed this when it was read, and it was read before `heardAtMs`. */
  readonly readMs: number;
  readonly heardAtMs: number;
}

export class PeerClocks {
  private readonly readings = new Map<NodeId, Reading>();

  /** A message came from that process, sent when its clock showed `readMs`. */
  heard(node: NodeId, boot: BootId, readMs: number, heardAtMs: number): void {
    const known = this.readings.get(node);
    if (known?.boot === boot && readMs < earliest(known, heardAtMs)) return;
    this.readings.set(node, { boot, readMs, heardAtMs });
  }

  /**
   * A time on the clock of that process that comes no later than `timeMs` does on this node's. Undefined if the process was not
   * heard lately.
   */
  timeAt(node: NodeId, boot: BootId, timeMs: number): number | undefined {
    const known = this.readings.get(node);
    if (known?.boot !== boot) return undefined;
    return timeMs < known.heardAtMs ? 0 : earliest(known, timeMs);
  }
}

function earliest({ readMs, heardAtMs }: Reading, timeMs: number): number {
  return Math.floor(readMs + SLOWEST * (timeMs - heardAtMs));
}

/** Which forwarded operations this process has taken, so that one that the network repeats is not done twice. */
import type { BootId, NodeId } from '../core/ids.ts';

/** Requests remembered of each sender. One that is older than the oldest of them is refused unseen. */
const REMEMBERED = 4096;

export class SeenForwards {
  private readonly senders = new Map<NodeId, { boot: BootId; floor: number; seen: Set<number> }>();

  /** True the first time that it is asked about a request of this life of the sender. */
  first(from: NodeId, boot: BootId, request: number): boolean {
    let sender = this.senders.get(from);
    if (sender?.boot !== boot) {
      sender = { boot, floor: 0, seen: new Set() };
      this.senders.set(from, sender);
    }
    if (request <= sender.floor || sender.seen.has(request)) return false;
    sender.seen.add(request);
    if (sender.seen.size > REMEMBERED) {
      const oldest = sender.seen.values().next().value!;
      sender.seen.delete(oldest);
      sender.floor = Math.max(sender.floor, oldest);
    }
    return true;
  }
}

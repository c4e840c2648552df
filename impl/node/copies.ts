/**
 * Two processes with one disk: somebody has copied a node's directory and started it elsewhere. What the copy says of its disk is true,
 * so nothing that the disk remembers tells it from the node that has started again. That it has not ended does: as long as the
 * life of a disk that is believed goes on speaking, no other one takes its place.
 */
import type { BootId, NodeId } from '../core/ids.ts';

export interface CopiesPorts {
  /** When the believed life of the node's disk was last heard; -Infinity if it was not. */
  heardAtMs(node: NodeId): number;
}

interface Rival {
  readonly boot: BootId;
  readonly sinceMs: number;
}

export class Copies {
  private readonly silenceMs: number;
  private readonly ports: CopiesPorts;
  private readonly rivals = new Map<NodeId, Rival>();

  /** A life that is not heard for `silenceMs` is over. */
  constructor(silenceMs: number, ports: CopiesPorts) {
    this.silenceMs = silenceMs;
    this.ports = ports;
  }

  /**
   * What another life than the believed one is, which speaks under its disk: a `successor`; a `copy`, if the believed one went on
   * speaking for longer than messages of the dead are under way; or, until one of the two is clear, `unknown`.
   */
  judge(node: NodeId, boot: BootId, nowMs: number): 'successor' | 'copy' | 'unknown' {
    const heardAtMs = this.ports.heardAtMs(node);
    if (nowMs - heardAtMs >= this.silenceMs) {
      this.rivals.delete(node);
      return 'successor';
    }
    const rival = this.rivals.get(node);
    if (rival?.boot !== boot) {
      this.rivals.set(node, { boot, sinceMs: nowMs });
      return 'unknown';
    }
    return heardAtMs - rival.sinceMs >= this.silenceMs ? 'copy' : 'unknown';
  }
}

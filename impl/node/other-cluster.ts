/**
 * Whether there is another cluster of this one's name: a founder that lost its disk, and was heard by nobody while it listened,
 * has founded again. Who lives in the first one goes on telling that number where it is; it means another disk, and this
 * cluster has no member of its number. As long as that is heard this node serves nobody: what it took would be lost.
 */
import type { Incarnation, NodeId } from '../core/ids.ts';
import type { Raft } from '../core/raft/raft.ts';

/** Several pings: as long as they come, there is another cluster. */
const HEARD_MS = 5_000;

export interface OtherClusterPorts {
  readonly raft: Raft;
  nowMs(): number;
}

export class OtherCluster {
  private readonly ports: OtherClusterPorts;
  private node = 0 as NodeId | 0;
  private untilMs = 0;

  constructor(ports: OtherClusterPorts) {
    this.ports = ports;
  }

  /** A ping has come for disk `meant` of this number, which is not this one's. */
  heard(from: NodeId, meant: Incarnation | 0): void {
    const { raft } = this.ports;
    // Without a place this node may be the one that is to be replaced; a member of that number may know an older membership.
    const isStranger = raft.self !== undefined && !raft.membership.some(({ id }) => id === from);
    if (!isStranger || meant === 0) return;
    // Several of them ping in turn: one that was heard first stands for all, so that it is one reason.
    if (this.reason === undefined) this.node = from;
    this.untilMs = this.ports.nowMs() + HEARD_MS;
  }

  /** Undefined unless another one was heard lately. */
  get reason(): string | undefined {
    if (this.ports.nowMs() >= this.untilMs) return undefined;
    const { node } = this;
    return `two clusters: node ${node} is in one of this name that has another disk under this node's number; if that one is yours, end this node and start it with --replace and --join on an empty directory: what it took alone is on its disk only`;
  }
}

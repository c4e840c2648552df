/**
 * What the Raft leader does for the others: takes segments from nodes that fell silent or died and came back, and
 * gives them to somebody who can end them. It may be wrong about who is silent; a segment is then sealed early, and
 * nothing worse happens.
 */
import type { NodeId } from '../ids.ts';
import type { ClusterState, SegmentRecord } from '../metadata/cluster-state.ts';
import type { Command } from '../metadata/commands.ts';

export interface SupervisorPorts {
  cluster(): ClusterState;
  nowMs(): number;
  /** True if the node was heard lately, in the life of its process that is registered. */
  live(node: NodeId): boolean;
  propose(command: Command): void;
}

/** How long a recoverer that lives may take before another one is tried, in milliseconds. */
const RECOVERY_PATIENCE_MS = 5_000;

interface Case {
  readonly epoch: number;
  readonly sinceMs: number;
  proposeAgainAtMs: number;
  attempts: number;
}

export class Supervisor {
  private readonly ports: SupervisorPorts;
  private readonly checkMs: number;
  /** By topic: the grant that is watched, and since when. */
  private readonly cases = new Map<string, Case>();
  private wakeAtMs = Infinity;

  constructor(ports: SupervisorPorts, checkMs: number) {
    this.ports = ports;
    this.checkMs = checkMs;
  }

  /** Begins or ends watching; only a Raft leader watches. */
  watch(leader: boolean): void {
    const watching = this.wakeAtMs < Infinity;
    if (leader === watching) return;
    this.cases.clear();
    this.wakeAtMs = leader ? this.ports.nowMs() + this.checkMs : Infinity;
  }

  tick(nowMs: number): void {
    if (nowMs < this.wakeAtMs) return;
    this.wakeAtMs = nowMs + this.checkMs;
    const cluster = this.ports.cluster();
    for (const topic of cluster.topicNames()) {
      this.check(topic, cluster.currentSegment(topic)!, nowMs);
    }
  }

  deadlineMs(): number {
    return this.wakeAtMs;
  }

  private check(topic: string, segment: SegmentRecord, nowMs: number): void {
    let watched = this.cases.get(topic);
    if (watched?.epoch !== segment.epoch) {
      const attempts = (watched?.attempts ?? 0) + 1;
      watched = { epoch: segment.epoch, sinceMs: nowMs, proposeAgainAtMs: 0, attempts };
      this.cases.set(topic, watched);
    }
    const holderGone =
      this.ports.cluster().node(segment.owner)?.boot !== segment.boot ||
      !this.ports.live(segment.owner);
    const stuck = segment.state === 'fenced' && nowMs - watched.sinceMs > RECOVERY_PATIENCE_MS;
    if (!(holderGone || stuck) || nowMs < watched.proposeAgainAtMs) return;
    const recoverer = this.chooseRecoverer(segment, watched.attempts);
    if (recoverer === undefined) return;
    watched.proposeAgainAtMs = nowMs + 3 * this.checkMs;
    this.ports.propose({
      kind: 'FenceSegment',
      topic,
      segment: segment.id,
      expectedEpoch: segment.epoch,
      recoverer,
    });
  }

  /** A live replica whose disk is the one that the segment was granted to; another one at each attempt. */
  private chooseRecoverer(segment: SegmentRecord, attempt: number): NodeId | undefined {
    const able = segment.replicas.filter(
      ({ node, incarnation }) =>
        this.ports.live(node) && this.ports.cluster().node(node)?.incarnation === incarnation,
    );
    return able[attempt % able.length]?.node;
  }
}

/**
 * What the Raft leader does for the others: takes segments from nodes that fell silent or died and came back, and
 * gives them to somebody who can end them. It may be wrong about who is silent; a segment is then sealed early, and
 * nothing worse happens.
 *
 * A node may own thousands of segments, and all nodes may have come back at once. So it looks at owners, not at topics, and
 * begins no more recoveries than it sees end: what they cost leaves room for heartbeats.
 */
import type { NodeId, TopicId } from '../ids.ts';
import type { ClusterState, Holder, SegmentRecord } from '../metadata/cluster-state.ts';
import type { Command } from '../metadata/commands.ts';

export interface SupervisorPorts {
  cluster(): ClusterState;
  nowMs(): number;
  /** True if the node was heard lately, in the life of its process that is registered. */
  live(node: NodeId): boolean;
  propose(command: Command): void;
}

/** How long a recoverer that lives may take before another one is tried, in milliseconds; the next one may take twice as long. */
const RECOVERY_PATIENCE_MS = 5_000;
const PATIENCE_DOUBLINGS_MAX = 4;
/** Recoveries that are under way at a time, but for those that have lost the patience. */
const RECOVERIES_MAX = 512;
/** Pause before more are begun, in milliseconds. */
const NEXT_CHECK_MS = 20;
/** Pause before a fence that the log has not brought back is proposed again, in milliseconds. */
const PROPOSE_AGAIN_MS = 500;

/** A segment that is fenced, or that this leader has proposed to fence. */
interface Case {
  /** The grant that is watched, and since when. */
  readonly epoch: number;
  readonly sinceMs: number;
  /** Grants that were watched before this one, since the owner was gone. */
  readonly earlier: number;
  proposeAgainAtMs: number;
}

export class Supervisor {
  private readonly ports: SupervisorPorts;
  private readonly checkMs: number;
  /** By topic. */
  private readonly cases = new Map<TopicId, Case>();
  /** Counts fences, so that recoverers take turns. */
  private turn = 0;
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
    this.turn = 0;
    this.wakeAtMs = leader ? this.ports.nowMs() + this.checkMs : Infinity;
  }

  tick(nowMs: number): void {
    if (nowMs < this.wakeAtMs) return;
    this.wakeAtMs = nowMs + this.checkMs;
    const cluster = this.ports.cluster();
    for (const topic of cluster.fenced) this.caseOf(topic, cluster.currentSegment(topic)!, nowMs);
    for (const topic of this.cases.keys()) this.follow(topic, nowMs);
    let room = RECOVERIES_MAX;
    for (const [topic, watched] of this.cases) {
      if (!isOverdue(watched, nowMs) && this.isRecoverable(cluster.currentSegment(topic)!)) room--;
    }
    for (const holder of cluster.holders()) {
      if (!this.isGone(holder)) continue;
      for (const topic of holder.topics) {
        if (room <= 0) {
          this.wakeAtMs = nowMs + Math.min(this.checkMs, NEXT_CHECK_MS);
          return;
        }
        if (!this.cases.has(topic) && this.fence(topic, nowMs)) room--;
      }
    }
  }

  deadlineMs(): number {
    return this.wakeAtMs;
  }

  /** Goes on with a case: it is closed, or left to its recoverer, or given to another one. */
  private follow(topic: TopicId, nowMs: number): void {
    const segment = this.ports.cluster().currentSegment(topic);
    const isGone = segment !== undefined && this.isGone({ ...segment, node: segment.owner });
    if (segment?.state !== 'fenced' && !isGone) {
      this.cases.delete(topic);
      return;
    }
    const watched = this.caseOf(topic, segment!, nowMs);
    const isStuck = isOverdue(watched, nowMs) && this.isRecoverable(segment!);
    if (isGone || isStuck) this.fence(topic, nowMs);
  }

  /** Gives the current segment of the topic to a recoverer, another one each time. False if nobody can be. */
  private fence(topic: TopicId, nowMs: number): boolean {
    const segment = this.ports.cluster().currentSegment(topic)!;
    const { id, epoch: expectedEpoch } = segment;
    const able = this.recoverers(segment);
    if (able.length === 0) return false;
    const watched = this.caseOf(topic, segment, nowMs);
    if (nowMs < watched.proposeAgainAtMs) return true;
    const recoverer = able[++this.turn % able.length]!;
    watched.proposeAgainAtMs = nowMs + PROPOSE_AGAIN_MS;
    this.ports.propose({ kind: 'FenceSegment', topic, segment: id, expectedEpoch, recoverer });
    return true;
  }

  private caseOf(topic: TopicId, { epoch }: SegmentRecord, nowMs: number): Case {
    const known = this.cases.get(topic);
    if (known?.epoch === epoch) return known;
    const earlier = known === undefined ? 0 : known.earlier + 1;
    const opened: Case = { epoch, sinceMs: nowMs, earlier, proposeAgainAtMs: 0 };
    this.cases.set(topic, opened);
    return opened;
  }

  private isGone({ node, boot }: Pick<Holder, 'node' | 'boot'>): boolean {
    return this.ports.cluster().node(node)?.boot !== boot || !this.ports.live(node);
  }

  /** Whether a majority of the replicas can promise. Else it waits for them, and is in nobody's way. */
  private isRecoverable(segment: SegmentRecord): boolean {
    return this.recoverers(segment).length * 2 > segment.replicas.length;
  }

  /** The live replicas whose disk is the one that the segment was granted to. */
  private recoverers({ replicas }: SegmentRecord): NodeId[] {
    const { live, cluster } = this.ports;
    return replicas
      .filter((each) => live(each.node) && cluster().isPresent(each))
      .map(({ node }) => node);
  }
}

/** The first grant of a case is the lost owner's, the second the first recoverer's. */
function isOverdue({ sinceMs, earlier }: Case, nowMs: number): boolean {
  const doublings = Math.min(Math.max(earlier - 1, 0), PATIENCE_DOUBLINGS_MAX);
  return nowMs - sinceMs > RECOVERY_PATIENCE_MS * 2 ** doublings;
}

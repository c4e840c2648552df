/**
 * What the Raft leader does for segments that are short of copies: it has one made on another node in place of each that is lost. A
 * copy is lost when its node has been silent for long, at once when its disk was removed, and as good as lost when that is to be. It may be wrong about
 * silence: then there is one copy more for a while.
 *
 * The metadata holds what is under way, so whoever leads next goes on with it. The leader only begins moves and gives them up; that a
 * copy is whole is said by who made it (`segment/replicas.ts`).
 */
import type { Incarnation, NodeId, SegmentId, TopicId } from '../ids.ts';
import type {
  ClusterState,
  Move,
  ReplicaRecord,
  SegmentRecord,
} from '../metadata/cluster-state.ts';
import type { Command } from '../metadata/commands.ts';

export interface RepairPorts {
  /** A copy on a node that is silent for so long is lost. */
  readonly repairAfterMs: number;
  cluster(): ClusterState;
  nowMs(): number;
  /** True if the node was heard lately. */
  live(node: NodeId): boolean;
  /** False if the disk of the node is known to be full. */
  hasRoom(node: NodeId): boolean;
  /** The nodes to which a segment can be granted. */
  holders(): readonly NodeId[];
  propose(command: Command): void;
}

/** Moves that are under way at a time: what they cost leaves room for who writes. */
const MOVES_MAX = 16;
/** How often the leader looks, in milliseconds. */
const CHECK_MS = 500;
/** Pause before a command that the log has not brought back is proposed again, in milliseconds. */
const PROPOSE_AGAIN_MS = 1000;

/** A segment with a copy that is lost. */
interface Short {
  readonly topic: TopicId;
  readonly segment: SegmentRecord;
  readonly lost: ReplicaRecord;
  /** Copies on nodes that are heard. */
  readonly sources: number;
}

export class Repair {
  private readonly ports: RepairPorts;
  /** Since when nothing was heard of each node, as far as this leader knows. */
  private readonly silentSinceMs = new Map<NodeId, number>();
  /** When each command that is under way may be proposed again, by segment. */
  private readonly askedAgainAtMs = new Map<string, number>();
  /** Disks that were removed, and of which nothing is listed any more: nor will be. */
  private readonly settled = new Set<Incarnation>();
  /** Moves were under way when this leader looked last, or it has not looked yet. */
  private isMoving = true;
  private wakeAtMs = Infinity;

  constructor(ports: RepairPorts) {
    this.ports = ports;
  }

  /** Begins or ends watching; only a Raft leader watches. */
  watch(leader: boolean): void {
    const watching = this.wakeAtMs < Infinity;
    if (leader === watching) return;
    this.silentSinceMs.clear();
    this.askedAgainAtMs.clear();
    this.isMoving = true;
    this.wakeAtMs = leader ? this.ports.nowMs() + CHECK_MS : Infinity;
  }

  tick(nowMs: number): void {
    if (nowMs < this.wakeAtMs) return;
    this.wakeAtMs = nowMs + CHECK_MS;
    const isAnyLost = this.listen(nowMs);
    // Nothing is looked at one by one as long as everybody is there: there may be very many segments.
    if (!isAnyLost && !this.isMoving) return;
    this.look(nowMs);
  }

  deadlineMs(): number {
    return this.wakeAtMs;
  }

  /** Notes who is silent, and says whether anybody has been for so long that its copies are lost. */
  private listen(nowMs: number): boolean {
    let isAnyLost = false;
    for (const [node, { incarnation }] of this.ports.cluster().nodes) {
      if (this.settled.has(incarnation)) continue;
      if (this.ports.live(node)) this.silentSinceMs.delete(node);
      else if (!this.silentSinceMs.has(node)) this.silentSinceMs.set(node, nowMs);
      isAnyLost ||= this.isLost(node, nowMs);
    }
    return isAnyLost;
  }

  /** Also what is on a disk that was removed, or is to be, is to be elsewhere, and at once. */
  private isLost(node: NodeId, nowMs: number): boolean {
    if (this.ports.cluster().node(node)?.state !== 'active') return true;
    const sinceMs = this.silentSinceMs.get(node);
    return sinceMs !== undefined && nowMs - sinceMs >= this.ports.repairAfterMs;
  }

  private look(nowMs: number): void {
    const load = new Map<NodeId, number>(this.ports.holders().map((node) => [node, 0]));
    const count = (node: NodeId): void => {
      load.set(node, (load.get(node) ?? 0) + 1);
    };
    const holding = new Set<Incarnation>();
    const short: Short[] = [];
    let moves = 0;
    for (const [topic, { segments }] of this.ports.cluster().topics) {
      for (const segment of segments) {
        for (const { node, incarnation } of segment.replicas) {
          count(node);
          holding.add(incarnation);
        }
        if (segment.state !== 'sealed') continue;
        const { move } = segment;
        if (move !== undefined) {
          moves++;
          count(move.to.node);
          if (!this.isStillWanted(move, nowMs)) this.cancel(topic, segment.id, move, nowMs);
          continue;
        }
        const lost = segment.replicas.find(({ node }) => this.isLost(node, nowMs));
        if (lost === undefined) continue;
        const sources = segment.replicas.filter((each) => this.isSource(each)).length;
        if (sources > 0) short.push({ topic, segment, lost, sources });
      }
    }
    this.isMoving = moves > 0;
    for (const { state, incarnation } of this.ports.cluster().nodes.values()) {
      if (state === 'gone' && !holding.has(incarnation)) this.settled.add(incarnation);
    }
    // Those that have the fewest copies first.
    short.sort((a, b) => a.sources - b.sources);
    for (const each of short) {
      if (moves >= MOVES_MAX) return;
      if (this.begin(each, load, nowMs)) moves++;
    }
  }

  /** The node from which it goes is still lost, and that to which it goes still fit. */
  private isStillWanted({ from, to }: Move, nowMs: number): boolean {
    const { live, holders, cluster } = this.ports;
    if (!this.isLost(from, nowMs)) return false;
    return live(to.node) && holders().includes(to.node) && cluster().isPresent(to);
  }

  private isSource(replica: ReplicaRecord): boolean {
    return this.ports.live(replica.node) && this.ports.cluster().isPresent(replica);
  }

  private cancel(topic: TopicId, segment: SegmentId, { epoch }: Move, nowMs: number): void {
    if (!this.mayAsk(topic, segment, nowMs)) return;
    this.ports.propose({ kind: 'CancelMove', topic, segment, epoch });
  }

  /** Begins a move to the node that has the least; true if one is under way. */
  private begin(
    { topic, segment, lost }: Short,
    load: Map<NodeId, number>,
    nowMs: number,
  ): boolean {
    const { live, hasRoom, holders } = this.ports;
    const free = holders().filter(
      (node) =>
        live(node) && hasRoom(node) && segment.replicas.every((replica) => replica.node !== node),
    );
    if (free.length === 0) return false;
    const to = free.reduce((best, node) => (load.get(node)! < load.get(best)! ? node : best));
    load.set(to, load.get(to)! + 1);
    this.isMoving = true;
    if (this.mayAsk(topic, segment.id, nowMs)) {
      const { node: from } = lost;
      this.ports.propose({ kind: 'BeginMove', topic, segment: segment.id, from, to });
    }
    return true;
  }

  private mayAsk(topic: TopicId, segment: SegmentId, nowMs: number): boolean {
    const key = `${topic}/${segment}`;
    if (nowMs < (this.askedAgainAtMs.get(key) ?? 0)) return false;
    if (this.askedAgainAtMs.size > 2 * MOVES_MAX) this.askedAgainAtMs.clear();
    this.askedAgainAtMs.set(key, nowMs + PROPOSE_AGAIN_MS);
    return true;
  }
}

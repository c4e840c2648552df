/**
 * What has to happen, sooner or later, once a majority is well. Each names what is still missing; the simulator
 * demands that after a bounded time nothing is.
 */
import type { NodeId, SegmentId, TopicId } from '../impl/core/ids.ts';
import { keptSegments } from './metadata-model.ts';
import type { Record } from './record.ts';
import type { NodeView, SegmentReplicaView } from './views.ts';
import { demand } from './violation.ts';

export interface Unmet {
  readonly property: string;
  readonly reason: string;
}

/** The live nodes have one leader, follow it, and have applied the same commands. */
export function leadershipProgress(nodes: readonly NodeView[]): Unmet | undefined {
  const property = 'LeadershipProgress';
  const leaders = nodes.filter(({ raft }) => raft?.role === 'leader');
  if (leaders.length !== 1) return { property, reason: `${leaders.length} leaders` };
  const leader = leaders[0]!;
  for (const { id, raft, clusterState } of nodes) {
    if (raft?.leader !== leader.id) return { property, reason: `node ${id} does not follow` };
    if (clusterState?.appliedIndex !== leader.clusterState?.appliedIndex) {
      return { property, reason: `node ${id} has applied ${clusterState?.appliedIndex}` };
    }
  }
  return undefined;
}

/**
 * Topics whose open segment was placed on disks of which no majority is alive: nobody can promise anything for them until
 * those come back, so nothing is demanded of them.
 */
export function hopelessTopics(record: Record, nodes: readonly NodeView[]): ReadonlySet<TopicId> {
  const alive = new Map<NodeId, number>(nodes.map(({ id, incarnation }) => [id, incarnation]));
  const hopeless = new Set<TopicId>();
  for (const [topic, { segments }] of record.metadata.topics) {
    const { replicas } = segments.at(-1)!;
    const left = replicas.filter(({ node, incarnation }) => alive.get(node) === incarnation);
    if (left.length * 2 <= replicas.length) hopeless.add(topic);
  }
  return hopeless;
}

/** Every topic has an open segment, owned by a process that lives. */
export function failoverProgress(record: Record, nodes: readonly NodeView[]): Unmet | undefined {
  const property = 'FailoverProgress';
  const hopeless = hopelessTopics(record, nodes);
  const boots = new Map<NodeId, number>(nodes.map(({ id, boot }) => [id, boot]));
  for (const [topic, { segments }] of record.metadata.topics) {
    if (hopeless.has(topic)) continue;
    const { state, grants, epoch } = segments.at(-1)!;
    const grant = grants.get(epoch);
    if (state !== 'open') return { property, reason: `${topic}/${segments.length} is ${state}` };
    if (grant === undefined || boots.get(grant.node) !== grant.boot) {
      return { property, reason: `${topic}/${segments.length} is owned by a dead process` };
    }
  }
  return undefined;
}

/** A topic that is to be deleted is, and then no live node holds anything of it. Nor of what one has forgotten at its front. */
export function deletionProgress(record: Record, nodes: readonly NodeView[]): Unmet | undefined {
  const unmet = (reason: string): Unmet => ({ property: 'DeletionProgress', reason });
  const hopeless = hopelessTopics(record, nodes);
  const { topics } = record.metadata;
  for (const { id, name, isDeleting } of topics.values()) {
    if (isDeleting && !hopeless.has(id)) return unmet(`${name} is being deleted`);
  }
  for (const node of nodes) {
    for (const { topic, segment } of node.replicas()) {
      if (record.isEnded(record.segment(topic, segment))) {
        return unmet(`node ${node.id} holds ${topic}/${segment}, which was deleted or trimmed`);
      }
    }
  }
  return undefined;
}

/**
 * A node that is to be drained becomes empty, and so does one that was removed: it owns nothing, and has no copy of what another live
 * node that is to stay could have one of.
 */
export function drainProgress(record: Record, nodes: readonly NodeView[]): Unmet | undefined {
  const hopeless = hopelessTopics(record, nodes);
  const known = record.metadata.nodes;
  const staying = nodes.filter(({ id }) => known.get(id)?.state === 'active');
  const isLeaving = ({ node, incarnation }: SegmentReplicaView): boolean => {
    const { state, incarnation: now } = known.get(node)!;
    return state === 'draining' || (state === 'gone' && now === incarnation);
  };
  for (const [topic, model] of record.metadata.topics) {
    for (const { id, state, replicas } of keptSegments(model)) {
      if (hopeless.has(topic)) continue;
      const leaving = replicas.find(isLeaving);
      const isHeld = (id: NodeId): boolean => replicas.some(({ node }) => node === id);
      const canMove = state !== 'sealed' || staying.some(({ id }) => !isHeld(id));
      if (leaving === undefined || !canMove || staying.length === 0) continue;
      const reason = `node ${leaving.node} has a copy of ${topic}/${id}`;
      return { property: 'DrainProgress', reason };
    }
  }
  return undefined;
}

/** No open segment stays full. */
export function rolloverProgress(
  record: Record,
  nodes: readonly NodeView[],
  maxSegmentEntries: number,
): Unmet | undefined {
  const hopeless = hopelessTopics(record, nodes);
  for (const segment of record.segments()) {
    if (hopeless.has(segment.topic)) continue;
    const model = record.model(segment);
    if (model?.state === 'open' && segment.records.length >= maxSegmentEntries) {
      return {
        property: 'RolloverProgress',
        reason: `${segment.topic}/${segment.segment} holds ${segment.records.length} records`,
      };
    }
  }
  return undefined;
}

/**
 * Every copy that the metadata lists of a sealed segment is there, durable and whole, under the disk that its node has now; none is
 * being moved, and none is where it is not listed. If `isMovedAway`, no copy is on a dead node as long as there is a live one that has
 * none; else what a dead one holds is made again when it comes back.
 */
export function repairProgress(
  record: Record,
  nodes: readonly NodeView[],
  isMovedAway: boolean,
): Unmet | undefined {
  const property = 'RepairProgress';
  const alive = new Map(nodes.map((node) => [node.id, node]));
  for (const [topic, model] of record.metadata.topics) {
    for (const { id, state, count, replicas, move } of keptSegments(model)) {
      if (state !== 'sealed') continue;
      if (move !== undefined) {
        return { property, reason: `the copy of ${topic}/${id} is moved to node ${move.to.node}` };
      }
      const listed = new Set(replicas.map(({ node }) => node));
      const others = nodes.filter((node) => !listed.has(node.id));
      const stray = others.find((node) => node.replica(topic, id as SegmentId) !== undefined);
      if (stray !== undefined) {
        return { property, reason: `node ${stray.id} has a copy of ${topic}/${id} for nothing` };
      }
      for (const { node, incarnation } of replicas) {
        const holder = alive.get(node);
        const where = `the copy of ${topic}/${id} on node ${node}`;
        if (holder === undefined) {
          const isNeeded = others.some(
            ({ id }) => record.metadata.nodes.get(id)?.state === 'active',
          );
          if (!isMovedAway || !isNeeded) continue;
          return { property, reason: `${where} is lost, and not made again` };
        }
        if (holder.incarnation !== incarnation) {
          return { property, reason: `${where} is listed under a disk that is gone` };
        }
        const end = holder.replica(topic, id as SegmentId)?.durableEnd ?? 0;
        if (end < count) return { property, reason: `${where} holds ${end} of ${count} records` };
      }
    }
  }
  return undefined;
}

/**
 * Where the network loses nothing, a command is in the log once: whoever proposes it again while it is under way fills the log that
 * all wait for. `commands` is how many of the log's changed something, by kind, and under `<kind> refused` how many did not.
 */
export function FewInVainProp(commands: ReadonlyMap<string, number>): void {
  for (const kind of ['FenceSegment', 'SealSegment', 'RestoreReplica']) {
    const inVain = commands.get(`${kind} refused`) ?? 0;
    const done = commands.get(kind) ?? 0;
    demand(
      inVain <= 100 + done / 10,
      'FewInVainProp',
      () => `${inVain} times ${kind} came to nothing, and ${done} times to something`,
    );
  }
}

/** What a cluster can be expected to survive: a fault that takes a disk, or a part of it, waits for the others to be whole. */
import type { Record as History } from '../../properties/record.ts';
import type { Machine } from '../cluster.ts';
import type { Scene } from './scene.ts';

/**
 * Whether everything on this machine's disk is, durably, on others that could go on without it: all of them run, are
 * voters and have what was committed, and of each segment a majority of replicas remains.
 */
export function survivesLossOf({ cluster, checker }: Scene, machine: Machine): boolean {
  const others = cluster.machines.filter((each) => each !== machine);
  const committed = checker.record.metadata.index;
  if (others.length < 2) return false;
  for (const { node } of others) {
    const raft = node?.raft;
    if (raft?.self?.learner !== false || raft.commitIndex < committed) return false;
  }
  return replicasLeft(checker.record, others);
}

/** Whether of each segment a majority of replicas, and all that matters of its records, is on these machines. */
export function replicasLeft(record: History, machines: readonly Machine[]): boolean {
  for (const segment of record.segments()) {
    const replicas = record.model(segment)?.replicas ?? [];
    const left = replicas.filter(
      ({ node, incarnation }) =>
        record.incarnations.get(node) === incarnation && machines.some(({ id }) => id === node),
    );
    const end = Math.max(segment.ackedEnd, segment.highWatermark);
    const holding = left.filter(({ node }) => (segment.copies.get(node)?.durableEnd ?? 0) >= end);
    if (holding.length === 0 || left.length * 2 <= replicas.length) return false;
  }
  return true;
}

/**
 * Whether the others lack nothing that this machine's disk may have told somebody it holds: they run, are voters and have what was
 * committed, and each of them that is a replica of a segment holds all of it that counts.
 */
export function isWholeWithout(scene: Scene, machine: Machine): boolean {
  if (!survivesLossOf(scene, machine)) return false;
  const { record } = scene.checker;
  for (const segment of record.segments()) {
    const end = Math.max(segment.ackedEnd, segment.highWatermark);
    for (const { node, incarnation } of record.model(segment)?.replicas ?? []) {
      if (node === machine.id) continue;
      const isHere = record.incarnations.get(node) === incarnation;
      if (!isHere || (segment.copies.get(node)?.durableEnd ?? 0) < end) return false;
    }
  }
  return scene.cluster.machines.every((each) => each === machine || !each.disk.isDamaged);
}

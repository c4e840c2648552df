/** What a cluster can be expected to survive: a fault that takes a disk, or a part of it, waits for the others to be whole. */
import type { Record as History } from '../../properties/record.ts';
import { LISTEN_MS, type Machine } from '../cluster.ts';
import type { Scene } from './scene.ts';

/** How long a fault waits for its turn. */
const PATIENCE_MS = 10_000;
const POLL_MS = 5;

/**
 * Whether everything on this machine's disk is, durably, on others that could go on without it: all of them run, are
 * voters and have what was committed, and of each segment a majority of replicas remains.
 */
export function survivesLossOf(scene: Scene, machine: Machine): boolean {
  const others = scene.cluster.machines.filter((each) => each !== machine);
  // What a damaged disk still has, nobody knows.
  if (others.some(({ disk }) => disk.isDamaged)) return false;
  return areUpToDate(scene, others) && replicasLeft(scene.checker.record, others);
}

/** Whether these are two or more that run, are voters, and have what was committed. */
function areUpToDate({ checker }: Pick<Scene, 'checker'>, machines: readonly Machine[]): boolean {
  const committed = checker.record.metadata.index;
  if (machines.length < 2) return false;
  return machines.every(({ node }) => {
    const raft = node?.raft;
    return raft?.self?.learner === false && raft.commitIndex >= committed;
  });
}

/** Whether of each segment a majority of replicas, and all that matters of its records, is on these machines. */
export function replicasLeft(record: History, machines: readonly Machine[]): boolean {
  for (const segment of record.standing()) {
    const replicas = record.model(segment)?.replicas ?? [];
    const left = replicas.filter(
      ({ node, incarnation }) =>
        record.incarnations.get(node) === incarnation &&
        !record.lapsed.has(node) &&
        machines.some(({ id }) => id === node),
    );
    const end = Math.max(segment.ackedEnd, segment.highWatermark);
    const holding = left.filter(({ node }) => (segment.copies.get(node)?.durableEnd ?? 0) >= end);
    if (holding.length === 0 || left.length * 2 <= replicas.length) return false;
  }
  return true;
}

/**
 * Whether the others lack nothing that this machine's disk may have told somebody it holds: they run, are voters and have what was
 * committed, each of them that is a replica of a segment holds all of it that counts, and of one that is not sealed they are a majority.
 */
export function isWholeWithout(scene: Scene, machine: Machine): boolean {
  // Of two copies both are needed to write: a disk that says it is damaged could not be spared as long as that goes on.
  return scene.cluster.replicationFactor >= 3 && othersHold(scene, machine, isMajority);
}

/**
 * Whether nothing is lost with this machine's disk, which says itself that it is damaged. Of a segment that is not sealed half of the replicas
 * have to be elsewhere: one of them is in every majority. A segment may have been placed on two disks after one of them had begun to lie.
 */
export function isAtNobodysCost(scene: Scene, machine: Machine): boolean {
  return othersHold(scene, machine, isHalf);
}

const isMajority = (left: number, replicas: number): boolean => left * 2 > replicas;
const isHalf = (left: number, replicas: number): boolean => left * 2 >= replicas;

function othersHold(
  { checker, cluster }: Scene,
  machine: Machine,
  areEnough: (left: number, replicas: number) => boolean,
): boolean {
  const { record } = checker;
  const others = cluster.machines.filter((each) => each !== machine);
  if (!areUpToDate({ checker }, others) || others.some(({ disk }) => disk.isDamaged)) return false;
  for (const segment of record.standing()) {
    const model = record.model(segment);
    if (model === undefined) return false;
    const end = Math.max(segment.ackedEnd, segment.highWatermark);
    const left = model.replicas.filter(({ node }) => node !== machine.id);
    for (const { node, incarnation } of left) {
      const isHere = record.incarnations.get(node) === incarnation;
      if (!isHere || (segment.copies.get(node)?.durableEnd ?? 0) < end) return false;
    }
    const { length } = model.replicas;
    if (model.state === 'sealed' ? left.length === 0 : !areEnough(left.length, length))
      return false;
  }
  return true;
}

/** Does it as soon as this machine's disk may be damaged, if that comes within a while. */
export function whenWholeWithout(
  scene: Scene,
  machine: Machine | undefined,
  act: () => void,
): void {
  if (machine === undefined) return;
  const endMs = scene.time.nowMs + PATIENCE_MS;
  const look = (): void => {
    if (scene.healed || scene.time.nowMs > endMs) return;
    if (machine.node !== undefined && isWholeWithout(scene, machine)) act();
    else scene.time.after(POLL_MS, look);
  };
  look();
}

/**
 * A founder that lost its disk, and is cut off for as long as it listens, founds a second cluster, and nobody can expect it not
 * to. So somebody starts it again in the middle of listening, until it has heard of the first one.
 */
export function neverUnheard(scene: Scene, machine: Machine): void {
  let life = machine.life;
  let sinceMs = scene.time.nowMs;
  const look = (): void => {
    if (machine.replaced || (machine.node !== undefined && machine.node.incarnation !== 0)) return;
    if (machine.life !== life) {
      life = machine.life;
      sinceMs = scene.time.nowMs;
    } else if (machine.node !== undefined && scene.time.nowMs - sinceMs > LISTEN_MS / 2) {
      scene.crash(machine, false);
      scene.restart(machine);
    }
    scene.time.after(POLL_MS, look);
  };
  look();
}

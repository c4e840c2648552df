/** Machines that come back as others than they were, that are refused, or that are there twice. */
import type { Machine } from '../cluster.ts';
import { isWholeWithout, neverUnheard, survivesLossOf, whenWholeWithout } from './budget.ts';
import { DISK_FAULTS } from './disks.ts';
import { type Faults, later, rest, type Scene } from './scene.ts';

/** How often somebody looks after two processes of one number. */
const LOOK_MS = 20;
/** How long somebody takes to see that a process is refused, on top of a fault's time. */
export const OPERATOR_MS = 20_000;
/** By then those that run have heard each other. */
const HEARD_MS = 2000;
/** By then a double has asked for its number, and was refused. */
const DOUBLE_ASKS_MS = 3000;

export type MemberFault =
  | 'BlankDisk'
  | 'BlankFounder'
  | 'OldDisk'
  | 'Double'
  | 'ReplaceLiving'
  | 'Copy'
  | 'FreshCopy'
  | 'Move'
  | 'RollingRestart'
  | 'LongAbsence';

/** Between two steps of a rolling restart. */
export const RESTARTED_MS = 3000;

export const MEMBER_FAULTS: Faults<MemberFault> = {
  /**
   * One machine loses its disk and comes back with an empty one at once, but nobody said that the old one is gone for good. It
   * is refused and goes on asking, until somebody says so.
   */
  BlankDisk: (scene, [machine], { forMs }) => {
    if (machine !== undefined && survivesLossOf(scene, machine)) blank(scene, machine, forMs);
  },
  /** Likewise, but it is the one that founded the cluster, and is started as it was then. */
  BlankFounder: (scene, _, { forMs }) => {
    const founder = scene.cluster.machine(1);
    whenWholeWithout(scene, founder, () => blank(scene, founder, forMs));
  },
  /** One machine gets an empty disk, is admitted, then has its old one again for a while, then the new one. */
  OldDisk: (scene, machines, { forMs }) => {
    const machine = machines[0];
    if (machine === undefined || !survivesLossOf(scene, machine)) return;
    const old = machine.disk.files();
    scene.replaceDisk(machine);
    scene.restart(machine);
    later(scene, OPERATOR_MS, [machine], () => {
      if (scene.healed || !machine.replaced || !isWholeWithout(scene, machine)) return;
      const renewed = machine.disk.files();
      machine.replaced = false;
      swap(scene, machine, old);
      later(scene, forMs, [machine], () => swap(scene, machine, renewed));
    });
  },
  /**
   * Beside one machine another process is started with its number and an empty disk; it stays, unless it is admitted. Below an
   * amount of 0.5 the machine gets another disk a while later, if it can be spared, so that both ask for its number.
   */
  Double: (scene, machines, { forMs, amount }) => {
    for (const machine of machines.slice(0, 1)) {
      scene.cluster.startDouble(machine);
      if (amount >= 0.5) continue;
      later(scene, DOUBLE_ASKS_MS + forMs, [machine], (each) => {
        if (!scene.healed) DISK_FAULTS.ReplaceDisk(scene, [each], { forMs, amount: 2 * amount });
      });
    }
  },
  /** Somebody starts another process with the number of one that lives, and says that its disk is gone; it ends as soon as that is true. */
  ReplaceLiving: (scene, [machine], { forMs }) => {
    if (machine !== undefined && isWell(scene, machine)) {
      beside(scene, machine, forMs, () => scene.cluster.startDouble(machine, new Map(), true));
    }
  },
  /** Somebody copied a disk a while ago, and starts the copy beside it, elsewhere; it ends as soon as the node itself is not well. */
  Copy: (scene, [machine], { forMs, amount }) => {
    const endLsn = machine?.node?.storage?.writtenLsn;
    if (machine === undefined || endLsn === undefined) return;
    const { incarnation } = machine.node!;
    const old = machine.disk.stableFiles();
    scene.time.after(1000 + 20_000 * amount, () => {
      const isTold = rest(scene, [machine]).every(
        ({ node }) => (node?.reachOf(machine.id)?.lsn ?? 0) > endLsn,
      );
      const isItself = machine.node?.incarnation === incarnation;
      if (!isTold || !isItself || !isWell(scene, machine)) return;
      beside(scene, machine, forMs, () => scene.cluster.startDouble(machine, old));
    });
  },
  /**
   * Likewise, but it is copied as it is now, so that it has all that the disk ever said; and the others have run for a while, and heard
   * the node. Nobody could tell the copy from the node that came back, if that did not go on speaking: so it has to be heard.
   */
  FreshCopy: (scene, [machine], { forMs }) => {
    const { machines, network } = scene.cluster;
    if (machine === undefined || !network.isReliable || !isWell(scene, machine)) return;
    const lives = machines.map(({ life }) => life);
    const isStill = (): boolean =>
      isWell(scene, machine) &&
      machines.every(({ life, node }, i) => life === lives[i] && node?.status === 'running');
    scene.time.after(HEARD_MS, () => {
      if (!isStill()) return;
      const files = machine.disk.stableFiles();
      beside(scene, machine, forMs, () => scene.cluster.startDouble(machine, files));
    });
  },
  /**
   * They come back under other addresses, one after another, and each is told where the others are then. It is left out while
   * somebody runs who has no place yet: all that he knows is where they were when he started.
   */
  Move: (scene, machines, { forMs, amount }) => {
    const isStranger = ({ node }: Machine): boolean =>
      node !== undefined && node.raft?.self === undefined;
    if (rest(scene, machines).some(isStranger)) return;
    machines.forEach((machine, i) => {
      scene.crash(machine, false);
      machine.moves++;
      const awayMs = forMs * (1 + i * amount);
      later(scene, awayMs, [machine], (each) => scene.restart(each));
    });
  },
  /** All are stopped in good order and started again, one after another. */
  RollingRestart: (scene, _, { forMs }) => {
    const { machines } = scene.cluster;
    const next = (at: number): void => {
      const machine = machines[at];
      if (machine === undefined || scene.healed) return;
      scene.cluster.stop(machine);
      scene.time.after(RESTARTED_MS + forMs, () => {
        scene.restart(machine);
        scene.time.after(RESTARTED_MS, () => next(at + 1));
      });
    };
    next(0);
  },
  /** One is away for so long that the others have compacted what it lacks. */
  LongAbsence: (scene, machines, { forMs }) => {
    for (const machine of machines.slice(0, 1)) scene.crash(machine, true);
    later(scene, 20_000 + 10 * forMs, machines.slice(0, 1), (machine) => scene.restart(machine));
  },
};

/** It has a new disk, and nobody has said that the old one is gone. */
export function isRefused({ disk, replaced }: Machine): boolean {
  return disk.isRenewed && !replaced;
}

/** Somebody starts a refused machine again, and says that its old disk is gone. */
export function sayReplaced(scene: Scene, machine: Machine): void {
  if (!isRefused(machine)) return;
  if (machine.node !== undefined) scene.crash(machine, false);
  machine.replaced = true;
  scene.restart(machine);
}

function blank(scene: Scene, machine: Machine, forMs: number): void {
  scene.replaceDisk(machine);
  machine.replaced = false;
  scene.restart(machine);
  neverUnheard(scene, machine);
  later(scene, forMs + OPERATOR_MS, [machine], (each) => sayReplaced(scene, each));
}

/** It runs, is a voter, and the others hear it. */
function isWell(scene: Scene, machine: Machine): boolean {
  const { node, paused, id } = machine;
  const isMember = node?.status === 'running' && node.raft?.self?.learner === false;
  const { network } = scene.cluster;
  const others = rest(scene, [machine]);
  return (
    !scene.healed && isMember && !paused && others.every((other) => network.isSwift(id, other.id))
  );
}

/** Starts a second process, and ends it in time: who takes the number of a node that nobody hears does so rightly. */
function beside(
  scene: Scene,
  machine: Machine,
  forMs: number,
  start: () => Machine | undefined,
): void {
  const double = start();
  if (double === undefined) return;
  const endMs = scene.time.nowMs + forMs;
  const { life } = machine;
  const look = (): void => {
    if (double.node === undefined) return;
    const isOver = scene.time.nowMs >= endMs || machine.life !== life || !isWell(scene, machine);
    if (isOver) scene.cluster.crash(double, false);
    else scene.time.after(LOOK_MS, look);
  };
  look();
}

function swap(scene: Scene, machine: Machine, files: ReadonlyMap<string, Uint8Array>): void {
  scene.crash(machine, false);
  scene.damaged(machine);
  machine.disk.restore(files);
  scene.restart(machine);
}

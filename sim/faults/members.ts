/** Machines that come back as others than they were, that are refused, or that are there twice. */
import type { Machine } from '../cluster.ts';
import { isWholeWithout, survivesLossOf } from './budget.ts';
import { DISK_FAULTS } from './disks.ts';
import { type Faults, later, rest, type Scene } from './scene.ts';

/** How long somebody takes to see that a process is refused, on top of a fault's time. */
const OPERATOR_MS = 20_000;
/** By then a double has asked for its number, and was refused. */
const DOUBLE_ASKS_MS = 3000;

export type MemberFault =
  | 'BlankDisk'
  | 'OldDisk'
  | 'Double'
  | 'Move'
  | 'RollingRestart'
  | 'LongAbsence';

export const MEMBER_FAULTS: Faults<MemberFault> = {
  /**
   * One machine loses its disk and comes back with an empty one at once, but nobody said that the old one is gone for good. It
   * is refused and goes on asking, until somebody says so.
   */
  BlankDisk: (scene, machines, { forMs }) => {
    const machine = machines[0];
    if (machine === undefined || !survivesLossOf(scene, machine)) return;
    scene.replaceDisk(machine);
    machine.replaced = false;
    scene.restart(machine);
    later(scene, forMs + OPERATOR_MS, [machine], (each) => sayReplaced(scene, each));
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
      scene.time.after(3000 + forMs, () => {
        scene.restart(machine);
        scene.time.after(3000, () => next(at + 1));
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

function swap(scene: Scene, machine: Machine, files: ReadonlyMap<string, Uint8Array>): void {
  scene.crash(machine, false);
  scene.damaged(machine);
  machine.disk.restore(files);
  scene.restart(machine);
}

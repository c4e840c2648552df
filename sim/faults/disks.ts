/** Disks that are slow, full, failing, or gone. */
import { survivesLossOf } from './budget.ts';
import { type Faults, isolate, later } from './scene.ts';

export type DiskTrouble = 'SlowDisk' | 'HungDisk' | 'FullDisk' | 'BadDisk' | 'ReplaceDisk';

export const DISK_FAULTS: Faults<DiskTrouble> = {
  /** Up to a thousand times slower. */
  SlowDisk: (scene, machines, { forMs, amount }) => {
    for (const { disk } of machines) disk.faults.slowness = 1000 ** amount;
    later(scene, forMs, machines, ({ disk }) => {
      disk.faults.slowness = 1;
    });
  },
  HungDisk: (scene, machines, { forMs }) => {
    for (const { disk } of machines) disk.faults.hung = true;
    later(scene, forMs, machines, ({ disk }) => {
      disk.faults.hung = false;
    });
  },
  /** Room for up to 64 KiB is left, or none. */
  FullDisk: (scene, machines, { forMs, amount }) => {
    for (const { disk } of machines) {
      disk.faults.capacityBytes = disk.usedBytes + Math.floor(amount * 65_536);
    }
    later(scene, forMs, machines, ({ disk }) => {
      disk.faults.capacityBytes = Infinity;
    });
  },
  /** The device fails now and then; below an amount of 0.5 in writes, else in syncs. */
  BadDisk: (scene, machines, { forMs, amount }) => {
    for (const { disk } of machines) disk.faults[amount < 0.5 ? 'writeError' : 'syncError'] = 0.1;
    later(scene, forMs, machines, ({ disk }) => {
      disk.faults.writeError = 0;
      disk.faults.syncError = 0;
    });
  },
  /**
   * One machine gets an empty disk, if the others can replace what was on it; below an amount of 0.5 it is cut off as soon as
   * it knows something of the log: that is of before its disk was.
   */
  ReplaceDisk: (scene, machines, { forMs, amount }) => {
    const machine = machines[0];
    if (machine === undefined || !survivesLossOf(scene, machine)) return;
    scene.replaceDisk(machine);
    later(scene, forMs, [machine], (each) => scene.restart(each));
    if (amount >= 0.5) return;
    machine.onDiskUse = () => {
      const knows = (machine.node?.raft?.lastIndex ?? 0) > 0;
      if (knows || scene.healed) machine.onDiskUse = undefined;
      if (knows && !scene.healed) isolate(scene, [machine], 2000 + forMs);
    };
  },
};

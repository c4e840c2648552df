/** Disks without room, all of them in the end. */
import { survivesLossOf } from './budget.ts';
import { type Faults, fraction, later } from './scene.ts';

/** The last disk is filled by then. */
const FULL_MS = 30_000;
/** From the first to the last disk that gets its room back. */
const FREED_MS = 5000;
/** What `FillAll` takes beyond the time that was drawn for it. */
export const FILL_ALL_MS: number = FULL_MS + FREED_MS;

export type RoomFault = 'FillAll' | 'FullEmptyDisk';

export const ROOM_FAULTS: Faults<RoomFault> = {
  /** Every disk is filled, one after another, until all are full; room is given back in another order. */
  FillAll: (scene, _, { forMs, amount }) => {
    const { machines } = scene.cluster;
    const first = Math.floor(amount * machines.length);
    machines.forEach((machine, i) => {
      const turn = (i + first) % machines.length;
      const fromMs = (FULL_MS * turn) / machines.length;
      const toMs = FULL_MS + forMs + FREED_MS * fraction(amount + turn * 0.618);
      scene.time.after(fromMs, () => {
        if (scene.healed) return;
        machine.disk.faults.capacityBytes = machine.disk.usedBytes + Math.floor(amount * 4096);
      });
      scene.time.after(toMs, () => {
        machine.disk.faults.capacityBytes = Infinity;
      });
    });
  },
  /** One machine gets an empty disk that has no room, or too little. */
  FullEmptyDisk: (scene, machines, { forMs, amount }) => {
    const machine = machines[0];
    if (machine === undefined || !survivesLossOf(scene, machine)) return;
    scene.replaceDisk(machine);
    machine.disk.faults.capacityBytes = Math.floor(amount * 16_384);
    scene.restart(machine);
    later(scene, forMs, [machine], ({ disk }) => {
      disk.faults.capacityBytes = Infinity;
    });
  },
};

/** Processes that end, stop, and stand still. */
import { between, crash, cut, type Faults, fraction, later, rest } from './scene.ts';

export type ProcessFault =
  | 'PowerLoss'
  | 'PowerLossInWrite'
  | 'PowerLossInElection'
  | 'Flicker'
  | 'ProcessCrash'
  | 'Stop'
  | 'Pause';

/** Below such an amount a node that should hear of a stop does not. */
export const UNTOLD = 0.5;

export const PROCESS_FAULTS: Faults<ProcessFault> = {
  /** All of them at once. */
  PowerLoss: (scene, machines, fault) => crash(scene, machines, fault, true),
  /** Each within two milliseconds of one of the next forty times that it writes or syncs; `amount` says which. */
  PowerLossInWrite: (scene, machines, { forMs, amount }) => {
    for (const machine of machines) {
      let writes = Math.floor(amount * 40);
      machine.onDiskUse = () => {
        if (writes-- > 0) return;
        machine.onDiskUse = undefined;
        scene.time.after(2 * fraction(amount * 977), () => {
          if (scene.healed) return;
          scene.crash(machine, true);
          scene.time.after(forMs, () => scene.restart(machine));
        });
      };
    }
  },
  /**
   * Each, whenever it writes that its term has risen, loses power within so many milliseconds as a hundred times `amount`, and
   * is back at once: in time for the next candidate of the same term.
   */
  PowerLossInElection: (scene, machines, { forMs, amount }) => {
    const endMs = scene.time.nowMs + Math.max(forMs, 5000);
    for (const machine of machines) {
      let term = machine.node?.raft?.term;
      machine.onDiskUse = () => {
        const before = term;
        term = machine.node?.raft?.term;
        if (scene.time.nowMs > endMs) machine.onDiskUse = undefined;
        if (term === undefined || before === undefined || term === before) return;
        scene.time.after(100 * amount, () => {
          if (scene.healed) return;
          scene.crash(machine, true);
          scene.time.after(1, () => scene.restart(machine));
        });
      };
    }
  },
  /** Each loses power again and again, and is back within ten milliseconds. */
  Flicker: (scene, machines, { forMs, amount }) => {
    machines.forEach((machine, i) => {
      let atMs = 0;
      for (let turn = i * 0.618; atMs < forMs; turn += amount + 0.382) {
        atMs += 1 + 600 * fraction(turn * 31);
        scene.time.after(atMs, () => {
          if (scene.healed) return;
          scene.crash(machine, true);
          scene.time.after(10 * fraction(turn * 977), () => scene.restart(machine));
        });
      }
    });
  },
  ProcessCrash: (scene, machines, fault) => crash(scene, machines, fault, false),
  /** An orderly stop, as for an upgrade; below an amount of `UNTOLD` one of the others, maybe the heir, is not told. */
  Stop: (scene, machines, { forMs, amount }) => {
    if (amount < UNTOLD) cut(scene, forMs, between(machines, rest(scene, machines).slice(0, 1)));
    for (const machine of machines) scene.cluster.stop(machine);
    later(scene, forMs, machines, (machine) => scene.restart(machine));
  },
  Pause: (scene, machines, { forMs }) => {
    for (const machine of machines) scene.cluster.pause(machine);
    later(scene, forMs, machines, (machine) => scene.cluster.resume(machine));
  },
};

/**
 * What no cluster survives: of some records all copies are gone, or of what was agreed on every majority. Nothing can bring them
 * back, so what is asked is that nobody is told anything else (`harm.ts`). Those who remember stay: what nobody remembers,
 * nobody can miss.
 */
import type { Machine } from '../cluster.ts';
import { neverUnheard } from './budget.ts';
import { framesOf, logFiles, newestLog } from './damage.ts';
import { type Faults, rest, type Scene } from './scene.ts';

export type HarmFault = 'LoseDisks' | 'LoseTails' | 'RotAll';

export const HARM_FAULTS: Faults<HarmFault> = {
  /** A majority loses its disks at once; below an amount of 0.5 somebody says that they are gone, else nobody does. */
  LoseDisks: (scene, _, { amount }) => {
    if (!scene.cluster.machines.every(isMember)) return;
    scene.harmed();
    for (const machine of majority(scene, amount)) {
      scene.replaceDisk(machine);
      machine.replaced = amount < 0.5;
      scene.restart(machine);
      neverUnheard(scene, machine);
    }
  },
  /** A majority has its disks as they were up to twenty seconds ago; all others were told of more. */
  LoseTails: (scene, _, { amount }) => {
    if (!scene.cluster.machines.every(isMember)) return;
    const lost = majority(scene, amount).map((machine) => ({
      machine,
      old: machine.disk.stableFiles(),
      lsn: machine.node!.storage!.writtenLsn,
    }));
    scene.time.after(1000 + 20_000 * amount, () => {
      const others = rest(
        scene,
        lost.map(({ machine }) => machine),
      );
      const lives = others.map(({ life }) => life);
      const isTold = lost.every(({ machine: { id, disk }, lsn }) =>
        others.every(({ node }) => !disk.isRenewed && (node?.reachOf(id)?.lsn ?? 0) > lsn),
      );
      // What they were told a while ago is on their disks.
      scene.time.after(2000, () => {
        if (scene.healed || !isTold || others.some(({ life }, i) => life !== lives[i])) return;
        scene.harmed();
        for (const { machine, old } of lost) {
          scene.crash(machine, true);
          machine.disk.restore(old);
          scene.restart(machine);
        }
      });
    });
  },
  /** Of the same older half of each log, on every machine, no frame verifies any more. */
  RotAll: (scene) => {
    scene.harmed();
    for (const machine of scene.cluster.machines) {
      const newest = newestLog(machine);
      for (const name of logFiles(machine)) {
        const frames = framesOf(machine.disk.files().get(name)!);
        const spoilt = name === newest ? frames.slice(0, frames.length >> 1) : frames;
        for (const at of spoilt) machine.disk.rotBit(name, at + BODY_BYTES, 5);
      }
    }
  },
};

/** Well within the records of a frame. */
const BODY_BYTES = 80;

function isMember({ node }: Machine): boolean {
  return node?.raft?.self?.learner === false && node.storage !== undefined;
}

function majority({ cluster: { machines } }: Scene, amount: number): Machine[] {
  const first = Math.floor(amount * machines.length);
  const turned = [...machines.slice(first), ...machines.slice(0, first)];
  return turned.slice(0, (machines.length >> 1) + 1);
}

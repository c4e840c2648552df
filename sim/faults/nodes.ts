/** Nodes that an operator takes out of the cluster: lost ones, and ones that are drained. */
import type { Wish } from '../../impl/core/controller/operations.ts';
import type { Machine } from '../cluster.ts';
import { CLIENT_LATENCY_MS } from '../connection.ts';
import { isWholeWithout } from './budget.ts';
import { type Faults, later, rest, type Scene } from './scene.ts';

export type NodeFault = 'RemoveLost' | 'DrainNode';

/** By then the leader takes a machine for dead. */
const SILENT_MS = 2000;
/** Pause before an operator who heard nothing that helps asks again. */
const ASK_AGAIN_MS = 1000;
/** An operator gives up after so many times. */
const ASKED_MAX = 60;

export const NODE_FAULTS: Faults<NodeFault> = {
  /**
   * One machine is lost, and an operator removes it; in half of the cases whoever was asked dies at once. Then it comes back, with the disk
   * that was removed, and later with an empty one.
   */
  RemoveLost: (scene, [machine], { forMs, amount }) => {
    if (machine === undefined || !canSpare(scene, machine)) return;
    scene.crash(machine, true);
    scene.time.after(SILENT_MS, () => {
      ask(scene, machine, 'remove', amount < 0.5, () => comeBack(scene, machine, forMs));
    });
    later(scene, SILENT_MS + forMs, [machine], (each) => scene.restart(each));
  },
  /**
   * One machine is to be drained. Below an amount of 0.3 the operator thinks better of it; else it is removed once it is empty, and comes back
   * with an empty disk. Whatever happens to it and to others meanwhile happens.
   */
  DrainNode: (scene, [machine], { forMs, amount }) => {
    if (machine === undefined || !canSpare(scene, machine)) return;
    ask(scene, machine, 'drain', amount > 0.8, () => {
      if (amount < 0.3) {
        scene.time.after(forMs, () => ask(scene, machine, 'undrain', false, () => {}));
      } else {
        ask(scene, machine, 'remove', amount > 0.6, () => comeBack(scene, machine, forMs));
      }
    });
  },
};

/** Whether the disk that the machine has was removed from the cluster, so that it is refused. */
export function isRemoved({ checker }: Pick<Scene, 'checker'>, { id }: Machine): boolean {
  const known = checker.record.metadata.nodes.get(id);
  if (known?.state !== 'gone') return false;
  return checker.record.incarnations.get(id) === known.incarnation;
}

/** More machines are left than segments have copies, and these lack nothing. */
function canSpare(scene: Scene, machine: Machine): boolean {
  const { machines } = scene.cluster;
  const isMember = machines.every(({ node }) => node?.raft?.self?.learner === false);
  const isWell = !scene.healed && machines.length > 3 && isMember;
  return isWell && isWholeWithout(scene, machine);
}

/** Asks one node after another until one says that it is done. */
function ask(
  scene: Scene,
  machine: Machine,
  wish: Wish,
  isAskedKilled: boolean,
  done: () => void,
): void {
  let asked = 0;
  const again = (): void => {
    if (scene.healed || asked === ASKED_MAX) return;
    const others = rest(scene, [machine]).filter(({ node }) => node !== undefined);
    const to = others[asked++ % Math.max(1, others.length)];
    scene.time.after(ASK_AGAIN_MS, again);
    if (to === undefined) return;
    scene.cluster.changeNode(to, { node: machine.node?.id ?? machine.id, wish }, (reply) => {
      if (reply.kind !== 'granted' || asked > ASKED_MAX || scene.healed) return;
      asked = ASKED_MAX;
      // An answer comes in the midst of what the node does.
      scene.time.after(CLIENT_LATENCY_MS, done);
    });
    if (!isAskedKilled || asked > 1) return;
    scene.time.after(2, () => {
      scene.crash(to, false);
      later(scene, ASK_AGAIN_MS, [to], (each) => scene.restart(each));
    });
  };
  again();
}

/** It is out, and comes with an empty disk some time later. */
function comeBack(scene: Scene, machine: Machine, forMs: number): void {
  scene.time.after(2 * SILENT_MS + forMs, () => {
    if (scene.healed || !isRemoved(scene, machine)) return;
    scene.replaceDisk(machine);
    scene.restart(machine);
  });
}

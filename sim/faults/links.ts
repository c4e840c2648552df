/** Links that are cut, clogged and slow. */
import { between, cut, type Faults, fraction, isolate, rest } from './scene.ts';

export type LinkFault =
  | 'Isolate'
  | 'Deafen'
  | 'Mute'
  | 'CutPair'
  | 'Clog'
  | 'SwizzleClog'
  | 'Jitter';

export const LINK_FAULTS: Faults<LinkFault> = {
  /** From the others, both ways. */
  Isolate: (scene, machines, { forMs }) => isolate(scene, machines, forMs),
  /** They hear nothing and are heard. */
  Deafen: (scene, machines, { forMs }) => {
    cut(scene, forMs, between(rest(scene, machines), machines));
  },
  /** They hear and are not heard. */
  Mute: (scene, machines, { forMs }) => {
    cut(scene, forMs, between(machines, rest(scene, machines)));
  },
  /** One link in both directions; `amount` chooses the other end. */
  CutPair: (scene, machines, { forMs, amount }) => {
    const others = rest(scene, machines);
    const other = others[Math.floor(amount * others.length)];
    if (other === undefined || machines[0] === undefined) return;
    cut(scene, forMs, [
      [machines[0].id, other.id],
      [other.id, machines[0].id],
    ]);
  },
  /** What they send is held back; `amount` chooses for how many of the others. */
  Clog: (scene, machines, { forMs, amount }) => {
    const others = rest(scene, machines);
    const chosen = others.slice(0, 1 + Math.floor(amount * others.length));
    for (const [from, to] of between(machines, chosen)) scene.cluster.network.clog(from, to, forMs);
  },
  /** Their links clog one after another, and are free again in another order. */
  SwizzleClog: (scene, machines, { forMs, amount }) => {
    machines.forEach((machine, i) => {
      const startMs = (forMs / 2) * fraction(amount + i * 0.618);
      const endMs = forMs / 2 + (forMs / 2) * fraction(amount * 7 + i * 0.382);
      scene.time.after(startMs, () => {
        if (scene.healed) return;
        for (const { id } of rest(scene, [machine])) {
          scene.cluster.network.clog(machine.id, id, endMs - startMs);
          scene.cluster.network.clog(id, machine.id, endMs - startMs);
        }
      });
    });
  },
  /** Every message takes longer, each by something else, in the mean up to 300 ms: elections go wrong again and again. */
  Jitter: (scene, _, { forMs, amount }) => {
    scene.cluster.network.setJitter(300 * amount);
    scene.time.after(forMs, () => scene.cluster.network.setJitter(0));
  },
};

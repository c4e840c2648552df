/** Leaders that nobody hears of. */
import type { Machine } from '../cluster.ts';
import { between, type Faults, rest } from './scene.ts';

export type LeaderFault = 'CutNewLeaders';

export const LEADER_FAULTS: Faults<LeaderFault> = {
  /**
   * Whoever becomes Raft's leader is cut off at once, and until the next one is: what it appends nobody else hears of, and the next one
   * appends something else in its place. So logs part, at their ends, again and again.
   */
  CutNewLeaders: (scene, _, { forMs }) => {
    const { cluster, time, newLeaders } = scene;
    let mend = (): void => {};
    const cut = (leader: Machine): void => {
      if (scene.healed) return;
      mend();
      const others = rest(scene, [leader]);
      const links = [...between([leader], others), ...between(others, [leader])];
      for (const [from, to] of links) cluster.network.cut(from, to);
      mend = () => {
        for (const [from, to] of links) cluster.network.mend(from, to);
      };
    };
    newLeaders.add(cut);
    time.after(forMs, () => {
      newLeaders.delete(cut);
      mend();
    });
  },
};

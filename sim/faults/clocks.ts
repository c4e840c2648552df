/** Clocks that are wrong. */
import { type Faults, later } from './scene.ts';

export type ClockFault = 'Drift' | 'WallJump';

export const CLOCK_FAULTS: Faults<ClockFault> = {
  /** A clock runs up to 20 % too fast or too slow; `amount` 0.5 is right. */
  Drift: (scene, machines, { forMs, amount }) => {
    for (const { clock } of machines) clock.setDrift((amount - 0.5) * 0.4);
    later(scene, forMs, machines, ({ clock }) => clock.setDrift(0));
  },
  /** The date is set up to a day off. */
  WallJump: (_, machines, { amount }) => {
    for (const { clock } of machines) clock.jumpWall((amount - 0.5) * 2 * 86_400_000);
  },
};

import { randomInt } from 'node:crypto';
import type { Random } from '../ports/random.ts';

/** The system's randomness: boot ids and incarnations of different machines must never meet. */
export const systemRandom: Random = {
  below: (bound) => randomInt(bound),
};

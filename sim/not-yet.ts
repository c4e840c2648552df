/**
 * What the simulator can do and judge, and the code does not stand yet. Each line is a fault of the code that is known:
 * whoever mends it takes the line away. `make sim BEYOND=1` plays without this list.
 */
import type { FaultKind } from './faults.ts';

/** Kinds of faults that no seed draws. */
export const NOT_YET_SURVIVED: ReadonlySet<FaultKind> = new Set<FaultKind>([]);

/** Properties of whole runs that are evaluated, and counted when they fail, but fail no run. */
export const NOT_YET_HELD: ReadonlySet<string> = new Set<string>([]);

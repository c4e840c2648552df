/**
 * What the simulator can do and judge, and the code does not stand yet. Each line is a fault of the code that is known:
 * whoever mends it takes the line away. `make sim BEYOND=1` plays without this list.
 */
import type { FaultKind } from './faults.ts';

/** Kinds of faults that no seed draws. */
export const NOT_YET_SURVIVED: ReadonlySet<FaultKind> = new Set<FaultKind>([
  // Where the log had one file only, the disk is an empty one then: it waits for --replace, and a founder founds again. The
  // faults of `damage.ts` that take an end of a log leave its beginning for the same reason.
  'LostFile',
  // A disk that does not do as it says.
  'HeadRot',
  'MisdirectedWrites',
  'LyingSyncs',
]);

/** Properties of whole runs that are evaluated, and counted when they fail, but fail no run. */
export const NOT_YET_HELD: ReadonlySet<string> = new Set<string>([]);

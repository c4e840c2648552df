/**
 * `walrus/testing`: the simulator for whoever uses Walrus. A whole cluster of real nodes runs inside one call, in
 * virtual time, under faults, and every promise is checked after every step.
 */
import { Randomness } from './random.ts';
import { type Outcome, planRun, Simulation } from './simulator.ts';
import { drawOptions } from './swarm.ts';
import { traceLines } from './trace-lines.ts';

export type { Failure, Outcome } from './simulator.ts';

/** What of a simulated run is not left to its seed. */
export interface SimulateOptions {
  /** Virtual length of the phase with faults, in milliseconds. Default 60,000. */
  readonly durationMs?: number;
  /** Nodes of the cluster, 1 to 7. Drawn from the seed unless given. */
  readonly nodes?: number;
  /** `false`: no crash, cut or failing disk, though links stay as slow and as lossy as drawn. Drawn unless given. */
  readonly faults?: false;
  /** Is told the story of the run, line by line. */
  readonly tell?: (line: string) => void;
}

/**
 * Plays one seed from beginning to end and gives what came of it: `failure` is `undefined` if every property held. The
 * same seed with the same options is the same run, to the last event (`hash`). Synchronous: it blocks while it plays.
 * Throws `RangeError` for options out of their range, and whatever a node threw that it never should.
 */
export function simulate(seed: string | number, options: SimulateOptions = {}): Outcome {
  const { durationMs = 60_000, nodes, faults, tell } = options;
  if (!(durationMs > 0 && durationMs < Infinity)) throw new RangeError('durationMs is above 0');
  if (nodes !== undefined && !(Number.isInteger(nodes) && nodes >= 1 && nodes <= 7)) {
    throw new RangeError('nodes is a whole number from 1 to 7');
  }
  const drawn = drawOptions(new Randomness(String(seed)), durationMs);
  const run = planRun(String(seed), {
    ...drawn,
    cluster: { ...drawn.cluster, nodes: nodes ?? drawn.cluster.nodes },
    faults: faults === false ? { ...drawn.faults, meanIntervalMs: Infinity } : drawn.faults,
  });
  const write = tell && ((event: object) => traceLines([JSON.stringify(event)]).forEach(tell));
  return new Simulation(run, write).play();
}

/**
 * Each seed draws its own world: sizes, loads, latencies, and which faults come how often. Extremes are drawn on
 * purpose, and half of all kinds of faults are left out of each run, since a fault that is always there hides others.
 */
import { FAST_DISK } from './disk.ts';
import { COMMON_KINDS, type FaultKind, type FaultOptions, RARE_KINDS } from './faults.ts';
import { NOT_YET_SURVIVED } from './not-yet.ts';
import type { Randomness, RandomStream } from './random.ts';
import type { SimOptions } from './simulator.ts';
import type { WorkloadOptions } from './workload.ts';
import { calm, harmed, large, repairing, rotting } from './worlds.ts';

/** What is drawn besides what the cluster is to survive. */
export interface Draw {
  /** Also what the code is known not to stand yet. */
  readonly beyond?: boolean | undefined;
  /** Something that no cluster survives. */
  readonly harm?: boolean | undefined;
}

export function drawOptions(
  randomness: Randomness,
  durationMs: number,
  { beyond = false, harm = false }: Draw = {},
): SimOptions {
  const random = randomness.stream('swarm');
  const nodes = random.pick([1, 3, 3, 3, 3, 3, 5]);
  const electionTimeoutMs = random.pick([150, 300, 500, 500]);
  const syncMs = random.pick([0.2, 1, 1, 10]);
  const drawn: SimOptions = {
    durationMs,
    encode: random.chance(0.1),
    beyond,
    cluster: {
      nodes,
      clockDrift: random.pick([0, 0.0001, 0.01]),
      network: {
        latencyMinMs: random.pick([0.05, 0.2, 1]),
        latencyMeanMs: random.pick([0.1, 0.1, 0.5, 0.5, 2, 10, 50]),
        spikeProbability: random.pick([0, 0.0001, 0.01]),
        lossProbability: random.pick([0, 0, 0.001, 0.02, 0.1]),
        duplicateProbability: random.pick([0, 0, 0.001, 0.02, 0.1]),
        inOrder: random.chance(0.5),
        linkCapacity: random.pick([10_000, 10_000, 50]),
      },
      disk: { ...FAST_DISK, syncMs, writeMs: syncMs / 10 },
      ...drawSlowness(randomness.stream('swarm/work')),
      config: {
        replicationFactor: random.pick([3, 3, 3, 2]),
        maxSegmentEntries: random.pick([5, 20, 20, 100, 1000]),
        monitorCheckMs: random.pick([500, 2000]),
        leaseMs: 400,
        failoverMs: 1000,
        electionTimeoutMs,
        heartbeatMs: electionTimeoutMs / 5,
        operationTimeoutMs: 5000,
        snapshotEveryEntries: random.pick([20, 200, 10_000]),
        fileBytes: random.pick([4608, 65_536, 262_144]),
        batchBytes: random.pick([4096, 16_384, 65_536]),
        checkpointBytes: random.pick([8192, 65_536, 262_144]),
        ...drawScrub(randomness.stream('swarm/scrub')),
        ...drawCleaning(randomness.stream('swarm/cleaning')),
      },
    },
    workload: {
      clients: random.pick([1, 2, 4, 8]),
      topics: random.pick([1, 1, 2, 4]),
      groups: random.pick([1, 1, 2]),
      perSecond: random.pick([1, 3, 5, 10]),
      recordBytesMax: random.pick([8, 32, 200]),
      weights: {
        put: random.pick([1, 4]),
        get: random.pick([0, 1, 2]),
        fetch: random.pick([0, 0.5, 1]),
      },
      phaseMs: 10_000,
      ...drawClients(randomness.stream('swarm/clients')),
      ...drawDeletes(randomness.stream('swarm/deletes')),
      ...drawTrims(randomness.stream('swarm/trims')),
      ...drawPolicies(randomness.stream('swarm/policies')),
      ...drawBatches(randomness.stream('swarm/batches')),
    },
    faults: {
      meanIntervalMs: random.pick([2000, 5000, 10_000, 20_000, 60_000, Infinity]),
      meanDurationMs: random.pick([200, 1000, 4000, 15_000]),
      weights: {
        ...drawWeights(random),
        ...drawRare(randomness, beyond),
      },
    },
  };
  const { BitRot = 0, BadSectors = 0 } = drawn.faults.weights;
  const usual = BitRot + BadSectors > 0 ? rotting(drawn) : drawn;
  const dry = repairing(usual, randomness.stream('swarm/repair'));
  const options = { ...dry, ...drawLate(randomness.stream('swarm/late'), dry) };
  if (harm) return harmed(options, randomness.stream('swarm/harm'));
  const special = randomness.stream('swarm/special');
  const draw = special.unit();
  if (draw < 0.25) return calm(options, special);
  if (draw < 0.27) return large(options, special);
  return options;
}

/** How much slower machines work than the one that `work.ts` speaks of: half of all worlds take no time at all. */
function drawSlowness(random: RandomStream): Partial<SimOptions['cluster']> {
  const slowness = random.pick([0, 0, 0, 1, 1, 3]);
  return slowness === 0 ? {} : { slowness };
}

/** In one world of twenty the last machine joins a cluster that is under load. A double would be let in before it. */
function drawLate(
  random: RandomStream,
  { cluster, faults, durationMs }: SimOptions,
): Partial<SimOptions> {
  const isPossible = cluster.nodes >= 3 && faults.weights.Double === undefined;
  if (!isPossible || !random.chance(0.05)) return {};
  return { lateMs: Math.round(durationMs * random.between(0.1, 0.6)) };
}

/** Half of all worlds read their records through again and again. */
function drawScrub(random: RandomStream): Partial<SimOptions['cluster']['config']> {
  const scrubBytesPerSecond = random.pick([0, 0, 1000, 1_000_000]);
  return scrubBytesPerSecond === 0 ? {} : { scrubEveryMs: 10_000, scrubBytesPerSecond };
}

/** Two of three worlds empty the files of their logs of which little is needed. */
function drawCleaning(random: RandomStream): Partial<SimOptions['cluster']['config']> {
  const cleanBytesPerSecond = random.pick([0, 20_000, 10_000_000]);
  return cleanBytesPerSecond === 0 ? {} : { cleanBytesPerSecond };
}

/** A third of all worlds have clients that do not wait for an answer before they ask on. */
function drawClients(random: RandomStream): Partial<WorkloadOptions> {
  const repeats = random.chance(0.3);
  if (!random.chance(0.33)) return { repeats };
  const burst = random.pick([1, 10, 40]);
  const perSecond = burst === 1 ? {} : { perSecond: random.pick([10, 30]) / burst };
  return { repeats, pipeline: random.pick([8, 64, 256]), burst, ...perSecond };
}

/** In half of all worlds a put has several records; in a third of all clients ask for conditions, and wait for records. */
function drawBatches(random: RandomStream): Partial<WorkloadOptions> {
  const batch = random.chance(0.5) ? { batch: random.pick([2, 3, 8]) } : {};
  return { ...batch, ...(random.chance(0.3) ? { demanding: random.pick([0.1, 0.5]) } : {}) };
}

/** In a third of all worlds topics are deleted, and made again. */
function drawDeletes(random: RandomStream): Partial<WorkloadOptions> {
  return random.chance(0.33) ? { deletes: random.pick([0.003, 0.02, 0.1]) } : {};
}

/** In half of all worlds topics are trimmed. */
function drawTrims(random: RandomStream): Partial<WorkloadOptions> {
  return random.chance(0.5) ? { trims: random.pick([0.003, 0.02, 0.1]) } : {};
}

/** In a third of all worlds topics have policies, which change. */
function drawPolicies(random: RandomStream): Partial<WorkloadOptions> {
  return random.chance(0.33) ? { policies: random.pick([0.003, 0.02]) } : {};
}

/** Half of all common kinds, or, in one run of three, no more than two. */
function drawWeights(random: RandomStream): FaultOptions['weights'] {
  const some = random.chance(0.33) ? random.shuffle(COMMON_KINDS).slice(0, 2) : COMMON_KINDS;
  const omitted = some === COMMON_KINDS ? 0.5 : 0;
  const weights = COMMON_KINDS.map((kind) => [
    kind,
    !some.includes(kind) || random.chance(omitted) ? 0 : random.unit(),
  ]);
  return Object.fromEntries(weights) as FaultOptions['weights'];
}

/** What comes more often than in one run of twenty: it takes several of them to part two logs in every way. */
const OFTEN: Readonly<Partial<Record<FaultKind, number>>> = { CutNewLeaders: 0.2 };

/** Each rare kind by itself, in one run of twenty. */
function drawRare(randomness: Randomness, beyond: boolean): FaultOptions['weights'] {
  const weights: Partial<Record<FaultKind, number>> = {};
  for (const kind of RARE_KINDS) {
    const random = randomness.stream(`swarm/${kind}`);
    if (!random.chance(OFTEN[kind] ?? 0.05) || (NOT_YET_SURVIVED.has(kind) && !beyond)) continue;
    weights[kind] = random.pick([0.2, 1, 5]);
  }
  return weights;
}

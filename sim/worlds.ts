/** Worlds of a special kind, that some seeds get instead of what the swarm drew: each makes of its options others. */
import { FAST_DISK } from './disk.ts';
import { CLOCK_FAULTS } from './faults/clocks.ts';
import { LINK_FAULTS } from './faults/links.ts';
import { PROCESS_FAULTS } from './faults/processes.ts';
import { HARM_KINDS } from './faults.ts';
import { CALM_NETWORK } from './network.ts';
import type { RandomStream } from './random.ts';
import type { SimOptions } from './simulator.ts';

/** Network, disks and clocks do as they should, and there is one fault or none. One in ten has a hundred topics, and work takes time. */
export function calm(options: SimOptions, random: RandomStream): SimOptions {
  const { lateMs: _, ...punctual } = options;
  const { cluster, faults, workload, durationMs } = punctual;
  const electionTimeoutMs = random.pick([300, 500]);
  const atMost = random.pick([0, 0, 1]);
  // A store whose files hold a few records refuses a part of a burst (`Overloaded`), and may.
  const fileBytes = Math.max(cluster.config.fileBytes, 65_536);
  const network = { ...CALM_NETWORK, latencyMeanMs: random.pick([0.1, 0.3, 1]) };
  const syncMs = random.pick([0.2, 1]);
  const isHeavy = random.chance(0.1);
  // As for an upgrade: nodes leave in good order, and others do their work.
  const weights = random.chance(0.5) ? faults.weights : { Stop: 1, RollingRestart: 1 };
  return {
    ...punctual,
    calm: true,
    cluster: {
      ...cluster,
      clockDrift: 0.0001,
      network,
      disk: { ...FAST_DISK, syncMs },
      ...(isHeavy ? { slowness: 1 } : {}),
      config: {
        ...cluster.config,
        fileBytes,
        electionTimeoutMs,
        heartbeatMs: electionTimeoutMs / 5,
      },
    },
    workload: isHeavy ? { ...workload, topics: 100, perSecond: 10 } : workload,
    faults: {
      ...faults,
      weights,
      atMost,
      meanIntervalMs: atMost === 0 ? Infinity : durationMs / 3,
    },
  };
}

/** Records are large, and few of them stay in memory: they are read from the disk, where they rot. */
export function rotting(options: SimOptions): SimOptions {
  const { cluster, workload } = options;
  const config = {
    ...cluster.config,
    replicationFactor: 3,
    batchBytes: 4096,
    checkpointBytes: 8192,
  };
  return {
    ...options,
    cluster: { ...cluster, config },
    workload: { ...workload, recordBytesMax: 4000 },
  };
}

/**
 * One world in four has more machines than copies, and has lost copies made again on others so soon that the machines that had them
 * come back in the middle of it, and when it is over.
 */
export function repairing(options: SimOptions, random: RandomStream): SimOptions {
  if (!random.chance(0.25)) return options;
  const { cluster, workload } = options;
  const recordsPerSecond = random.pick([1000, 10_000, 100_000]);
  const config = {
    ...cluster.config,
    maxSegmentEntries: Math.min(cluster.config.maxSegmentEntries, 20),
    repairAfterMs: random.pick([1000, 3000, 10_000]),
    repairBytesPerSecond: recordsPerSecond * workload.recordBytesMax,
  };
  const nodes = random.pick([4, 4, 5]);
  return { ...options, cluster: { ...cluster, nodes, config } };
}

/** Something happens that no cluster survives, in the second half, beside what happens anyway to processes, links and clocks. */
export function harmed(options: SimOptions, random: RandomStream): SimOptions {
  const { cluster, faults, durationMs, workload } = options;
  // Of a topic that was deleted and made again, what is asked for would be the first one's.
  const { deletes: _, ...lasting } = workload;
  const usual = { ...PROCESS_FAULTS, ...LINK_FAULTS, ...CLOCK_FAULTS };
  const weights = Object.entries(faults.weights).filter(([kind]) => kind in usual);
  return {
    ...options,
    // Of a single machine nobody remembers anything.
    cluster: { ...cluster, nodes: Math.max(3, cluster.nodes) },
    workload: lasting,
    faults: { ...faults, weights: Object.fromEntries(weights) },
    harm: {
      kind: random.pick(HARM_KINDS),
      atMs: Math.round(durationMs * random.between(0.4, 0.8)),
      target: [1],
      forMs: 0,
      amount: random.unit(),
    },
  };
}

/** Thousands of topics, work that takes time, and every kind of restart, of one machine or of all. Shorter than others. */
export function large(options: SimOptions, random: RandomStream): SimOptions {
  const { cluster, workload, faults } = options;
  const durationMs = Math.min(options.durationMs, 40_000);
  return {
    ...options,
    durationMs,
    encode: false,
    cluster: {
      ...cluster,
      nodes: 3,
      clockDrift: 0.0001,
      network: CALM_NETWORK,
      disk: FAST_DISK,
      slowness: random.pick([1, 3]),
      config: {
        ...cluster.config,
        replicationFactor: 3,
        maxSegmentEntries: random.pick([1, 5, 50]),
        electionTimeoutMs: 500,
        heartbeatMs: 100,
        snapshotEveryEntries: random.pick([1000, 10_000]),
        fileBytes: 4 * 2 ** 20,
        batchBytes: 65_536,
        checkpointBytes: random.pick([262_144, 2 ** 20]),
      },
    },
    workload: {
      ...workload,
      topics: random.pick([500, 1000, 3000]),
      populate: true,
      pipeline: 64,
      clients: 2,
      perSecond: 10,
      weights: { put: 1, get: 0, fetch: 0 },
    },
    faults: {
      ...faults,
      weights: { PowerLoss: 1, ProcessCrash: 1, Stop: 1 },
      atMost: 2,
      notBeforeMs: durationMs / 2,
      meanIntervalMs: durationMs / 6,
      meanDurationMs: random.pick([10, 1000, 4000]),
    },
  };
}

/**
 * What goes wrong in a run, planned before it begins, so that a plan can be kept, replayed and cut down. A fault that
 * the cluster could not be expected to survive when its time comes is left out: then the checks may be absolute.
 */
import type { Checker } from '../properties/checker.ts';
import type { Record as History } from '../properties/record.ts';
import type { VirtualTime } from './clock.ts';
import type { Cluster, Machine } from './cluster.ts';
import type { RandomStream } from './random.ts';

export type FaultKind =
  | 'PowerLoss'
  | 'PowerLossInWrite'
  | 'PowerLossInElection'
  | 'Flicker'
  | 'ProcessCrash'
  | 'Stop'
  | 'Pause'
  | 'Isolate'
  | 'Deafen'
  | 'Mute'
  | 'CutPair'
  | 'Clog'
  | 'SwizzleClog'
  | 'Jitter'
  | 'Drift'
  | 'WallJump'
  | 'SlowDisk'
  | 'HungDisk'
  | 'FullDisk'
  | 'BadDisk'
  | 'ReplaceDisk';

/** Nodes by id, or whoever leads Raft, or owns a topic's open segment, when the time comes. */
export type Target = 'leader' | 'owner' | readonly number[];

export interface Fault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly target: Target;
  readonly forMs: number;
  /** In [0, 1); what it means is said at each kind. */
  readonly amount: number;
}

export interface FaultOptions {
  /** Mean time from one fault to the next; Infinity for none. */
  readonly meanIntervalMs: number;
  readonly meanDurationMs: number;
  /** None before; absent: 0. */
  readonly notBeforeMs?: number;
  /** No more of them; absent: as many as come. */
  readonly atMost?: number;
  /** How often each kind comes, relative to the others. */
  readonly weights: Readonly<Record<FaultKind, number>>;
}

/** Everything that a fault may act on. */
export interface Scene {
  readonly cluster: Cluster;
  readonly time: VirtualTime;
  readonly checker: Checker;
  /** The faults are over. */
  readonly healed: boolean;
  crash(machine: Machine, power: boolean): void;
  replaceDisk(machine: Machine): void;
  /** Starts the machine's process if it has none. */
  restart(machine: Machine): void;
}

type Inject = (scene: Scene, machines: readonly Machine[], fault: Fault) => void;

const INJECT: Readonly<Record<FaultKind, Inject>> = {
  /** All of them at once. */
  PowerLoss: (scene, machines, fault) => crash(scene, machines, fault, true),
  /** Each within two milliseconds of one of the next forty times that it writes or syncs; `amount` says which. */
  PowerLossInWrite: (scene, machines, { forMs, amount }) => {
    for (const machine of machines) {
      let writes = Math.floor(amount * 40);
      machine.onDiskUse = () => {
        if (writes-- > 0) return;
        machine.onDiskUse = undefined;
        scene.time.after(2 * fraction(amount * 977), () => {
          if (scene.healed) return;
          scene.crash(machine, true);
          scene.time.after(forMs, () => scene.restart(machine));
        });
      };
    }
  },
  /**
   * Each, whenever it writes that its term has risen, loses power within so many milliseconds as a hundred times `amount`, and
   * is back at once: in time for the next candidate of the same term.
   */
  PowerLossInElection: (scene, machines, { forMs, amount }) => {
    const endMs = scene.time.nowMs + Math.max(forMs, 5000);
    for (const machine of machines) {
      let term = machine.node?.raft?.term;
      machine.onDiskUse = () => {
        const before = term;
        term = machine.node?.raft?.term;
        if (scene.time.nowMs > endMs) machine.onDiskUse = undefined;
        if (term === undefined || before === undefined || term === before) return;
        scene.time.after(100 * amount, () => {
          if (scene.healed) return;
          scene.crash(machine, true);
          scene.time.after(1, () => scene.restart(machine));
        });
      };
    }
  },
  /** Each loses power again and again, and is back within ten milliseconds. */
  Flicker: (scene, machines, { forMs, amount }) => {
    machines.forEach((machine, i) => {
      let atMs = 0;
      for (let turn = i * 0.618; atMs < forMs; turn += amount + 0.382) {
        atMs += 1 + 600 * fraction(turn * 31);
        scene.time.after(atMs, () => {
          if (scene.healed) return;
          scene.crash(machine, true);
          scene.time.after(10 * fraction(turn * 977), () => scene.restart(machine));
        });
      }
    });
  },
  ProcessCrash: (scene, machines, fault) => crash(scene, machines, fault, false),
  /** An orderly stop, as for an upgrade; below an amount of 0.5 one of the others, maybe the heir, is not told. */
  Stop: (scene, machines, { forMs, amount }) => {
    if (amount < 0.5) cut(scene, forMs, between(machines, rest(scene, machines).slice(0, 1)));
    for (const machine of machines) scene.cluster.stop(machine);
    later(scene, forMs, machines, (machine) => scene.restart(machine));
  },
  Pause: (scene, machines, { forMs }) => {
    for (const machine of machines) scene.cluster.pause(machine);
    later(scene, forMs, machines, (machine) => scene.cluster.resume(machine));
  },
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
  /** A clock runs up to 20 % too fast or too slow; `amount` 0.5 is right. */
  Drift: (scene, machines, { forMs, amount }) => {
    for (const { clock } of machines) clock.setDrift((amount - 0.5) * 0.4);
    later(scene, forMs, machines, ({ clock }) => clock.setDrift(0));
  },
  /** The date is set up to a day off. */
  WallJump: (_, machines, { amount }) => {
    for (const { clock } of machines) clock.jumpWall((amount - 0.5) * 2 * 86_400_000);
  },
  /** Up to a thousand times slower. */
  SlowDisk: (scene, machines, { forMs, amount }) => {
    for (const { disk } of machines) disk.faults.slowness = 1000 ** amount;
    later(scene, forMs, machines, ({ disk }) => {
      disk.faults.slowness = 1;
    });
  },
  HungDisk: (scene, machines, { forMs }) => {
    for (const { disk } of machines) disk.faults.hung = true;
    later(scene, forMs, machines, ({ disk }) => {
      disk.faults.hung = false;
    });
  },
  /** Room for up to 64 KiB is left, or none. */
  FullDisk: (scene, machines, { forMs, amount }) => {
    for (const { disk } of machines) {
      disk.faults.capacityBytes = disk.usedBytes + Math.floor(amount * 65_536);
    }
    later(scene, forMs, machines, ({ disk }) => {
      disk.faults.capacityBytes = Infinity;
    });
  },
  /** The device fails now and then; below an amount of 0.5 in writes, else in syncs. */
  BadDisk: (scene, machines, { forMs, amount }) => {
    for (const { disk } of machines) disk.faults[amount < 0.5 ? 'writeError' : 'syncError'] = 0.1;
    later(scene, forMs, machines, ({ disk }) => {
      disk.faults.writeError = 0;
      disk.faults.syncError = 0;
    });
  },
  /**
   * One machine gets an empty disk, if the others can replace what was on it; below an amount of 0.5 it is cut off as soon as
   * it knows something of the log: that is of before its disk was.
   */
  ReplaceDisk: (scene, machines, { forMs, amount }) => {
    const machine = machines[0];
    if (machine === undefined || !survivesLossOf(scene, machine)) return;
    scene.replaceDisk(machine);
    later(scene, forMs, [machine], (each) => scene.restart(each));
    if (amount >= 0.5) return;
    machine.onDiskUse = () => {
      const knows = (machine.node?.raft?.lastIndex ?? 0) > 0;
      if (knows || scene.healed) machine.onDiskUse = undefined;
      if (knows && !scene.healed) isolate(scene, [machine], 2000 + forMs);
    };
  },
};

export const FAULT_KINDS: readonly FaultKind[] = Object.keys(INJECT) as FaultKind[];

/** Draws the faults of a run, in the order of their times. */
export function planFaults(
  random: RandomStream,
  options: FaultOptions,
  nodes: number,
  durationMs: number,
): Fault[] {
  const faults: Fault[] = [];
  const total = FAULT_KINDS.reduce((sum, kind) => sum + options.weights[kind], 0);
  if (options.meanIntervalMs === Infinity || total === 0) return faults;
  for (let atMs = options.notBeforeMs ?? 0; ; ) {
    atMs += random.exponential(options.meanIntervalMs);
    if (atMs >= durationMs || faults.length === options.atMost) return faults;
    faults.push({
      kind: drawKind(random, options.weights, total),
      atMs: Math.round(atMs),
      target: drawTarget(random, nodes),
      forMs: Math.round(1 + random.exponential(options.meanDurationMs)),
      amount: Math.round(random.unit() * 1000) / 1000,
    });
  }
}

/** Does it now. Returns whether there was anything to do it to. */
export function inject(scene: Scene, fault: Fault): boolean {
  const machines = resolve(scene, fault);
  if (machines.length === 0) return false;
  INJECT[fault.kind](scene, machines, fault);
  return true;
}

function drawKind(
  random: RandomStream,
  weights: FaultOptions['weights'],
  total: number,
): FaultKind {
  let left = random.unit() * total;
  for (const kind of FAULT_KINDS) {
    left -= weights[kind];
    if (left < 0) return kind;
  }
  return 'PowerLoss';
}

function drawTarget(random: RandomStream, nodes: number): Target {
  const draw = random.unit();
  const ids = random.shuffle(Array.from({ length: nodes }, (_, i) => i + 1));
  const many = 1 + random.below(nodes);
  if (draw < 0.2) return 'leader';
  if (draw < 0.5) return 'owner';
  return ids.slice(0, draw < 0.85 ? 1 : many);
}

function resolve({ cluster, checker }: Scene, { target, amount }: Fault): readonly Machine[] {
  if (target === 'leader') {
    return cluster.machines.filter(({ node }) => node?.raft?.role === 'leader').slice(0, 1);
  }
  if (target === 'owner') {
    const topics = [...checker.record.metadata.topics.values()];
    const topic = topics[Math.floor(amount * topics.length)];
    const grants = topic === undefined ? [] : [...topic.segments.at(-1)!.grants.values()];
    return grants.slice(-1).map(({ node }) => cluster.machine(node));
  }
  return target.map((id) => cluster.machine(id));
}

/**
 * Whether everything on this machine's disk is, durably, on others that could go on without it: all of them run, are
 * voters and have what was committed, and of each segment a majority of replicas remains.
 */
function survivesLossOf({ cluster, checker }: Scene, machine: Machine): boolean {
  const others = cluster.machines.filter((each) => each !== machine);
  const committed = checker.record.metadata.index;
  if (others.length < 2) return false;
  for (const { node } of others) {
    const raft = node?.raft;
    if (raft?.self?.learner !== false || raft.commitIndex < committed) return false;
  }
  return replicasLeft(checker.record, others);
}

/** Whether of each segment a majority of replicas, and all that matters of its records, is on these machines. */
export function replicasLeft(record: History, machines: readonly Machine[]): boolean {
  for (const segment of record.segments()) {
    const replicas = record.model(segment)?.replicas ?? [];
    const left = replicas.filter(
      ({ node, incarnation }) =>
        record.incarnations.get(node) === incarnation && machines.some(({ id }) => id === node),
    );
    const end = Math.max(segment.ackedEnd, segment.highWatermark);
    const holding = left.filter(({ node }) => (segment.copies.get(node)?.durableEnd ?? 0) >= end);
    if (holding.length === 0 || left.length * 2 <= replicas.length) return false;
  }
  return true;
}

function crash(scene: Scene, machines: readonly Machine[], fault: Fault, power: boolean): void {
  for (const machine of machines) scene.crash(machine, power);
  later(scene, fault.forMs, machines, (machine) => scene.restart(machine));
}

/** Undoes a fault in time. What it was done to may have changed: each undoing is harmless then. */
function later(
  { time }: Scene,
  forMs: number,
  machines: readonly Machine[],
  undo: (machine: Machine) => void,
): void {
  time.after(forMs, () => {
    for (const machine of machines) undo(machine);
  });
}

function isolate(scene: Scene, machines: readonly Machine[], forMs: number): void {
  const others = rest(scene, machines);
  cut(scene, forMs, [...between(machines, others), ...between(others, machines)]);
}

function cut(
  { cluster, time }: Scene,
  forMs: number,
  links: readonly (readonly [number, number])[],
): void {
  for (const [from, to] of links) cluster.network.cut(from, to);
  time.after(forMs, () => {
    for (const [from, to] of links) cluster.network.mend(from, to);
  });
}

function rest({ cluster }: Scene, machines: readonly Machine[]): Machine[] {
  return cluster.machines.filter((machine) => !machines.includes(machine));
}

function between(froms: readonly Machine[], tos: readonly Machine[]): [number, number][] {
  return froms.flatMap((from) => tos.map((to): [number, number] => [from.id, to.id]));
}

function fraction(value: number): number {
  return value - Math.floor(value);
}

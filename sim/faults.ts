/**
 * What goes wrong in a run, planned before it begins, so that a plan can be kept, replayed and cut down. A fault that
 * the cluster could not be expected to survive when its time comes is left out: then the checks may be absolute.
 */
import type { Machine } from './cluster.ts';
import { CLOCK_FAULTS, type ClockFault } from './faults/clocks.ts';
import { DAMAGE_FAULTS, type DamageFault } from './faults/damage.ts';
import { DISK_FAULTS, type DiskTrouble } from './faults/disks.ts';
import { HARM_FAULTS, type HarmFault } from './faults/harm.ts';
import { LEADER_FAULTS, type LeaderFault } from './faults/leaders.ts';
import { LINK_FAULTS, type LinkFault } from './faults/links.ts';
import { MEMBER_FAULTS, type MemberFault, RESTARTED_MS } from './faults/members.ts';
import { NODE_FAULTS, type NodeFault } from './faults/nodes.ts';
import { PROCESS_FAULTS, type ProcessFault, UNTOLD } from './faults/processes.ts';
import { ROOM_FAULTS, type RoomFault } from './faults/room.ts';
import type { Faults, Scene } from './faults/scene.ts';
import type { RandomStream } from './random.ts';

type CommonKind = ProcessFault | LinkFault | ClockFault | DiskTrouble;
type RareKind = MemberFault | RoomFault | DamageFault | LeaderFault | NodeFault;
export type FaultKind = CommonKind | RareKind | HarmFault;

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
  readonly weights: Readonly<Partial<Record<FaultKind, number>>>;
}

/** In every seed half of them, or two. The order is kept: what a seed draws hangs on it. */
const COMMON: Faults<CommonKind> = {
  ...PROCESS_FAULTS,
  ...LINK_FAULTS,
  ...CLOCK_FAULTS,
  ...DISK_FAULTS,
};
const RARE: Faults<RareKind> = {
  ...MEMBER_FAULTS,
  ...ROOM_FAULTS,
  ...DAMAGE_FAULTS,
  ...LEADER_FAULTS,
  ...NODE_FAULTS,
};
const INJECT: Faults<FaultKind> = { ...COMMON, ...RARE, ...HARM_FAULTS };

const kindsOf = (faults: object): FaultKind[] => Object.keys(faults) as FaultKind[];
export const COMMON_KINDS: readonly FaultKind[] = kindsOf(COMMON);
/** Drawn each by itself, so that one more changes no seed that does not draw it. */
export const RARE_KINDS: readonly FaultKind[] = kindsOf(RARE);
/** Drawn only where harm is what is looked at. */
export const HARM_KINDS: readonly FaultKind[] = kindsOf(HARM_FAULTS);
export const FAULT_KINDS: readonly FaultKind[] = [...COMMON_KINDS, ...RARE_KINDS, ...HARM_KINDS];

/** Draws the faults of a run, in the order of their times. */
export function planFaults(
  random: RandomStream,
  options: FaultOptions,
  nodes: number,
  durationMs: number,
): Fault[] {
  const faults: Fault[] = [];
  const total = FAULT_KINDS.reduce<number>((sum, kind) => sum + (options.weights[kind] ?? 0), 0);
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

/** For how long nodes leave in good order, one at a time, so that nothing is lost on their clients; 0 if the fault is another. */
export function handoverMs({ kind, target, forMs, amount }: Fault, nodes: number): number {
  const isOne = typeof target === 'string' || target.length === 1;
  if (kind === 'Stop') return isOne && amount >= UNTOLD ? forMs : 0;
  return kind === 'RollingRestart' ? nodes * (forMs + 2 * RESTARTED_MS) : 0;
}

function drawKind(
  random: RandomStream,
  weights: FaultOptions['weights'],
  total: number,
): FaultKind {
  let left = random.unit() * total;
  for (const kind of FAULT_KINDS) {
    left -= weights[kind] ?? 0;
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

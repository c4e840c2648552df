/** What a fault gets to act on, and what faults of several kinds do. */
import type { Checker } from '../../properties/checker.ts';
import type { VirtualTime } from '../clock.ts';
import type { Cluster, Machine } from '../cluster.ts';

/** Everything that a fault may act on. */
export interface Scene {
  readonly cluster: Cluster;
  readonly time: VirtualTime;
  readonly checker: Checker;
  /** Also what the code is known not to stand yet may happen (`not-yet.ts`). */
  readonly beyond: boolean;
  /** The faults are over. */
  readonly healed: boolean;
  /** Called with whoever becomes Raft's leader, before it has said so to anybody. */
  readonly newLeaders: Set<(leader: Machine) => void>;
  crash(machine: Machine, power: boolean): void;
  replaceDisk(machine: Machine): void;
  /** Its process dies, and its disk holds what it did when it had these files: of more, every other one was told. */
  loseTail(machine: Machine, files: ReadonlyMap<string, Uint8Array>): void;
  /** Its disk holds less from now on, or other bytes, than it said that it holds. */
  damaged(machine: Machine): void;
  /** From now on records may be lost for good: nothing is asked but that this is told. */
  harmed(): void;
  /** Clients may feel what happens now, for so long: it may begin long after the fault that it is part of. */
  disturbed(forMs: number): void;
  /** Starts the machine's process if it has none. */
  restart(machine: Machine): void;
}

/** What a fault of some kind is told; the rest of it is in `faults.ts`. */
export interface Measure {
  readonly forMs: number;
  /** In [0, 1); what it means is said at each kind. */
  readonly amount: number;
}

/** By kind. */
export type Faults<Kind extends string> = Readonly<Record<Kind, Inject>>;

/** Does it now, to these machines, and sees to it that it is undone. */
export type Inject = (scene: Scene, machines: readonly Machine[], fault: Measure) => void;

export function crash(
  scene: Scene,
  machines: readonly Machine[],
  fault: Measure,
  power: boolean,
): void {
  for (const machine of machines) scene.crash(machine, power);
  later(scene, fault.forMs, machines, (machine) => scene.restart(machine));
}

/** Undoes a fault in time. What it was done to may have changed: each undoing is harmless then. */
export function later(
  { time }: Scene,
  forMs: number,
  machines: readonly Machine[],
  undo: (machine: Machine) => void,
): void {
  time.after(forMs, () => {
    for (const machine of machines) undo(machine);
  });
}

export function isolate(scene: Scene, machines: readonly Machine[], forMs: number): void {
  const others = rest(scene, machines);
  cut(scene, forMs, [...between(machines, others), ...between(others, machines)]);
}

export function cut(
  scene: Scene,
  forMs: number,
  links: readonly (readonly [number, number])[],
): void {
  const { cluster, time } = scene;
  scene.disturbed(forMs);
  for (const [from, to] of links) cluster.network.cut(from, to);
  time.after(forMs, () => {
    for (const [from, to] of links) cluster.network.mend(from, to);
  });
}

export function rest({ cluster }: Scene, machines: readonly Machine[]): Machine[] {
  return cluster.machines.filter((machine) => !machines.includes(machine));
}

export function between(froms: readonly Machine[], tos: readonly Machine[]): [number, number][] {
  return froms.flatMap((from) => tos.map((to): [number, number] => [from.id, to.id]));
}

export function fraction(value: number): number {
  return value - Math.floor(value);
}

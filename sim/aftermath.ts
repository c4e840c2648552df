/**
 * The second phase of a run: a core of the cluster that has to be enough is healed, the rest is dead for good. Then
 * everything that the liveness properties promise must come about within a bounded time, and in the end every
 * topic is read from its first record to its last.
 */
import { ONE_RECORD, type Reply } from '../impl/core/controller/operations.ts';
import type { Offset, SegmentId, TopicId } from '../impl/core/ids.ts';
import {
  deletionProgress,
  drainProgress,
  failoverProgress,
  hopelessTopics,
  leadershipProgress,
  repairProgress,
  rolloverProgress,
  type Unmet,
} from '../properties/liveness.ts';
import { Violation } from '../properties/violation.ts';
import type { Machine, SharedConfig } from './cluster.ts';
import type { DiskFaults } from './disk.ts';
import { replicasLeft } from './faults/budget.ts';
import { isRefused, sayReplaced } from './faults/members.ts';
import { isRemoved } from './faults/nodes.ts';
import type { Scene } from './faults/scene.ts';
import type { Randomness } from './random.ts';
import type { PlannedCall, Workload } from './workload.ts';

/** By then all must be well again. Many times what any timeout in a node takes. */
const PROGRESS_WITHIN_MS = 120_000;
const POLL_MS = 100;
/** Of thousands of topics so many are asked for; all are read. */
const USED_MAX = 100;
/** A node that says nothing to who reads its copy by then is asked again. */
const READ_WITHIN_MS = 1000;
/** By then everybody knows who is dead, so nothing new is placed on them. */
const SETTLE_MS = 5000;
/**
 * Raft promises a leader that lasts only where messages take an order of magnitude less than the election timeout (Ongaro and
 * Ousterhout, 2014, 5.6). Before healing the network may be slower.
 */
const LATENCY_SHARE = 0.1;

const NO_DISK_FAULTS: Partial<DiskFaults> = {
  writeError: 0,
  syncError: 0,
  lyingSync: 0,
  misdirectedWrite: 0,
  capacityBytes: Infinity,
  slowness: 1,
  hung: false,
};

/** The run that this is the second phase of. */
export interface World extends Scene {
  readonly workload: Workload;
  readonly randomness: Randomness;
  /** Whether a run fails if this does not hold. */
  minds(property: string): boolean;
}

/** A record in the copy of one machine. */
interface CopyPlace {
  readonly machine: Machine;
  readonly topic: TopicId;
  readonly name: string;
  readonly segment: SegmentId;
  readonly index: number;
  readonly offset: number;
}

export class Aftermath {
  readonly core: readonly Machine[];
  readonly rest: readonly Machine[];
  /** All of each topic that it has not forgotten, at its offset. */
  readonly contents: Map<string, Uint8Array[]> = new Map();
  done = false;
  private readonly world: World;
  private readonly maxSegmentEntries: number;
  /** Copies on machines that are dead for good are made again on others before the run ends. */
  private readonly isMovedAway: boolean;
  private readonly progressWithinMs: number;
  private deadlineMs = 0;
  private nextId: number;
  private answers = 0;

  constructor(
    world: World,
    nextId: number,
    { maxSegmentEntries, repairAfterMs = Infinity }: SharedConfig,
  ) {
    this.world = world;
    this.maxSegmentEntries = maxSegmentEntries;
    this.isMovedAway = repairAfterMs < PROGRESS_WITHIN_MS;
    this.progressWithinMs = PROGRESS_WITHIN_MS + (this.isMovedAway ? repairAfterMs : 0);
    this.nextId = nextId;
    const { machines } = world.cluster;
    const random = world.randomness.stream('aftermath');
    const shuffled = random.shuffle(machines);
    // One whose disk was damaged has had time to be made whole: it has to do for one that is whole.
    const damagedFirst = [
      ...shuffled.filter(({ disk }) => disk.isDamaged),
      ...shuffled.filter(({ disk }) => !disk.isDamaged),
    ];
    const majority = damagedFirst.slice(0, (machines.length >> 1) + 1);
    const accepted = machines.filter(
      (machine) => !isRefused(machine) && !isRemoved(world, machine),
    );
    // A process that the cluster refuses goes on asking in half of the runs: the others are then to do without it.
    const core = accepted.length < machines.length ? accepted : majority;
    this.core = random.chance(0.5) && isEnough(world, core) ? core : machines;
    this.rest = machines.filter((machine) => !this.core.includes(machine));
  }

  heal(): void {
    const { time } = this.world;
    this.world.workload.stop();
    healMachines(this.world, this.core);
    this.deadlineMs = time.nowMs + this.progressWithinMs;
    time.after(SETTLE_MS, () => this.waitForProgress());
  }

  private waitForProgress(): void {
    const { checker, time, minds } = this.world;
    const nodes = this.core.flatMap(({ node }) => node ?? []);
    const unmet =
      this.deadCore() ??
      this.unanswered() ??
      leadershipProgress(nodes) ??
      failoverProgress(checker.record, nodes) ??
      deletionProgress(checker.record, nodes) ??
      rolloverProgress(checker.record, nodes, this.maxSegmentEntries) ??
      drainProgress(checker.record, nodes) ??
      (minds('RepairProgress')
        ? repairProgress(checker.record, nodes, this.isMovedAway)
        : undefined);
    if (unmet === undefined) {
      this.useEverything(hopelessTopics(checker.record, nodes));
      return;
    }
    if (time.nowMs > this.deadlineMs) throw new Violation(unmet.property, unmet.reason);
    time.after(POLL_MS, () => this.waitForProgress());
  }

  private deadCore(): Unmet | undefined {
    const dead = this.core.find(({ node }) => node === undefined);
    return dead && { property: 'LeadershipProgress', reason: `node ${dead.id} is not running` };
  }

  private unanswered(): Unmet | undefined {
    const { waiting } = this.world.workload;
    return waiting === 0
      ? undefined
      : { property: 'ReadProgress', reason: `${waiting} calls are not answered` };
  }

  /** Each operation, on a new topic and on old ones, is done within the bound. */
  private useEverything(hopeless: ReadonlySet<TopicId>): void {
    const known = [...this.world.checker.record.metadata.topics.values()];
    const topics = ['afterwards', ...known.map(({ name }) => name)];
    const lost = new Set(known.filter(({ id }) => hopeless.has(id)).map(({ name }) => name));
    const every = Math.ceil(topics.length / USED_MAX);
    const kinds = ['register', 'put', 'get', 'fetch'] as const;
    const asks: Pick<PlannedCall, 'topic' | 'kind'>[] = topics
      .filter((topic, i) => i % every === 0 && !lost.has(topic))
      .flatMap((topic) => kinds.map((kind) => ({ topic, kind })));
    const deleted = 'deleted afterwards';
    for (const kind of ['register', 'put', 'trim', 'delete'] as const)
      asks.push({ topic: deleted, kind });
    const next = (): void => {
      const ask = asks.shift();
      if (ask === undefined) this.awaitRelease(() => this.readAll(topics));
      else this.insist(ask.kind, ask.topic, next);
    };
    next();
  }

  /** Nobody holds anything of what was deleted. */
  private awaitRelease(done: () => void): void {
    const { checker, time } = this.world;
    const unmet = deletionProgress(
      checker.record,
      this.core.flatMap(({ node }) => node ?? []),
    );
    if (unmet === undefined) done();
    else if (time.nowMs > this.deadlineMs) throw new Violation(unmet.property, unmet.reason);
    else time.after(POLL_MS, () => this.awaitRelease(done));
  }

  private insist(kind: PlannedCall['kind'], topic: string, done: () => void): void {
    const call = this.call(kind, topic);
    this.world.workload.ask(call, (reply) => {
      const code = reply?.kind === 'error' ? reply.code : undefined;
      const isGone = kind === 'delete' && code === 'UnknownTopic';
      const isTrimmed = kind === 'fetch' && code === 'Trimmed';
      if (isGone || isTrimmed || (reply !== undefined && reply.kind !== 'error')) {
        done();
        return;
      }
      if (this.world.time.nowMs > this.deadlineMs) {
        const said = reply === undefined ? 'nothing' : reply.kind === 'error' ? reply.code : '';
        throw new Violation('ReadProgress', `${kind} ${topic} at node ${call.node}: ${said}`);
      }
      this.world.time.after(POLL_MS, () => this.insist(kind, topic, done));
    });
  }

  /** Reads every topic through, asking one node after another. */
  private readAll(topics: readonly string[]): void {
    const [topic, ...others] = topics;
    if (topic === undefined) {
      this.readCopies();
      return;
    }
    const records: Uint8Array[] = [];
    this.contents.set(topic, records);
    const end = this.endOf(topic);
    records.length = this.startOf(topic);
    const next = (): void => {
      if (records.length === end) {
        this.readAll(others);
        return;
      }
      this.read(topic, records.length, (reply) => {
        if (reply.kind === 'records' && reply.records.length > 0) {
          records.push(...reply.records);
          this.world.time.after(0, next);
          return;
        }
        if (reply.kind === 'error' && reply.code === 'Trimmed') {
          records.length = Math.max(records.length, reply.start!);
          this.world.time.after(0, next);
          return;
        }
        if (reply.kind === 'error' && reply.code === 'Corrupt') {
          throw new Violation(
            'DamageIsHiddenProp',
            `offset ${records.length} of ${topic}: Corrupt`,
          );
        }
        if (this.world.time.nowMs > this.deadlineMs + PROGRESS_WITHIN_MS) {
          throw new Violation(
            'ReadProgress',
            `offset ${records.length} of ${topic}: ${reply.kind}`,
          );
        }
        this.world.time.after(POLL_MS, next);
      });
    };
    next();
  }

  /** Has every node of the core read its own copies, so that no damage hides behind another copy: what is met is mended in time. */
  private readCopies(): void {
    const { minds, time } = this.world;
    this.deadlineMs = time.nowMs + PROGRESS_WITHIN_MS;
    const places = minds('RepairProgress') ? [...this.sealedPlaces()] : [];
    const next = (): void => {
      const place = places.pop();
      if (place === undefined) this.done = true;
      else this.readCopy(place, () => time.after(0, next));
    };
    next();
  }

  private readCopy(place: CopyPlace, done: () => void): void {
    const { machine, topic, name, segment, index, offset } = place;
    const { time } = this.world;
    let isSettled = false;
    const settle = (said: string | undefined): void => {
      if (isSettled) return;
      isSettled = true;
      // It may be forgotten by its topic's policy at any time.
      if (said === undefined || this.isForgotten(place)) {
        done();
        return;
      }
      if (time.nowMs > this.deadlineMs) {
        const what = `offset ${offset} of ${name} in the copy of node ${machine.id}: ${said}`;
        throw new Violation('RepairProgress', what);
      }
      time.after(POLL_MS, () => this.readCopy(place, done));
    };
    time.after(READ_WITHIN_MS, () => settle('no answer'));
    const replica = machine.node?.replica(topic, segment);
    if (replica === undefined) return;
    machine.node!.readCopy(replica, index, (error, [record]) => {
      const expected = this.contents.get(name)?.[offset];
      const isRight = record !== undefined && expected !== undefined && isSame(record, expected);
      settle(isRight ? undefined : (error?.message ?? 'another record'));
    });
  }

  /** Each record of each copy that is listed on a node of the core. */
  private *sealedPlaces(): Iterable<CopyPlace> {
    const { record } = this.world.checker;
    for (const segment of record.standing()) {
      const model = record.model(segment);
      const name = record.metadata.topics.get(segment.topic)?.name;
      if (model?.state !== 'sealed' || name === undefined || !this.contents.has(name)) continue;
      for (const { node } of model.replicas) {
        const machine = this.core.find(({ id }) => id === node);
        if (machine === undefined) continue;
        for (let index = 0; index < model.count; index++) {
          const { topic, segment: id } = segment;
          yield { machine, topic, name, segment: id, index, offset: model.baseOffset + index };
        }
      }
    }
  }

  private read(topic: string, offset: number, done: (reply: Reply) => void): void {
    this.readAt(this.core[offset % this.core.length]!, topic, offset, done);
  }

  private readAt(
    machine: Machine,
    topic: string,
    offset: number,
    done: (reply: Reply) => void,
  ): void {
    const { cluster } = this.world;
    const operation = { ...ONE_RECORD, kind: 'fetch', topic, offset: offset as Offset } as const;
    const gone: Reply = { kind: 'error', code: 'Unavailable', message: 'no process' };
    const taken = cluster.request(machine, operation, (reply) => done(reply ?? gone));
    if (!taken) done(gone);
  }

  private isForgotten({ topic, segment }: CopyPlace): boolean {
    const { record } = this.world.checker;
    return record.isEnded(record.segment(topic, segment));
  }

  /** Where the records begin that a topic has not forgotten. */
  private startOf(topic: string): number {
    return this.world.checker.record.metadata.topicNamed(topic)!.start;
  }

  /** Where the acknowledged records of a topic end. */
  private endOf(topic: string): number {
    const { record } = this.world.checker;
    const { id, segments } = record.metadata.topicNamed(topic)!;
    const last = record.segment(id, segments.length as SegmentId);
    return segments.at(-1)!.baseOffset + last.highWatermark;
  }

  private call(kind: PlannedCall['kind'], topic: string): PlannedCall {
    const node = this.core[this.answers++ % this.core.length]!.id;
    const id = this.nextId++;
    return { id, client: 0, atMs: 0, kind, topic, group: 'group-1', node, amount: 0 };
  }
}

/** Makes the network and these machines such that all that is promised must come about. */
export function healMachines(scene: Scene, machines: readonly Machine[]): void {
  const { network, electionTimeoutMs } = scene.cluster;
  network.heal(electionTimeoutMs * LATENCY_SHARE);
  for (const machine of machines) {
    Object.assign(machine.disk.faults, NO_DISK_FAULTS);
    machine.clock.setDrift(0);
    if (machine.paused) scene.cluster.resume(machine);
    sayReplaced(scene, machine);
    // Nobody lets a disk in that was removed.
    if (isRemoved(scene, machine)) scene.replaceDisk(machine);
    scene.restart(machine);
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Whether these machines hold a majority of everything, so that they must be able to go on alone. */
function isEnough(world: World, core: readonly Machine[]): boolean {
  const { checker, cluster } = world;
  if (cluster.machines.some(({ replaced }) => replaced)) return false;
  const last = cluster.machines
    .flatMap(({ node }) => node?.raft ?? [])
    .sort((a, b) => b.commitIndex - a.commitIndex)[0];
  const voters = (last?.membership ?? []).filter(({ learner }) => !learner);
  if (voters.length < cluster.machines.length) return false;
  return replicasLeft(checker.record, core);
}

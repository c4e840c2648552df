/**
 * One run: a whole cluster of real nodes in one thread, in virtual time, from one seed. First faults and load, and
 * every property checked after every event; then a majority is healed, the rest stays as it is, and progress is demanded;
 * at the end what clients saw is judged.
 */
import type { Operation, Reply } from '../impl/core/controller/operations.ts';
import type { WalrusError } from '../impl/core/errors.ts';
import type { NodeId, Offset, Term } from '../impl/core/ids.ts';
import type { MembershipChange } from '../impl/core/raft/membership.ts';
import type { HostedRaftEvent } from '../impl/core/raft/trace.ts';
import { crc32c } from '../impl/core/storage/crc32c.ts';
import type { DataEvent } from '../impl/core/trace.ts';
import { decodeEnvelope, encodeEnvelope } from '../impl/node/message-codec.ts';
import type { Envelope } from '../impl/node/messages.ts';
import type { Node } from '../impl/node/node.ts';
import {
  ConditionHeldProp,
  ConnectionOrderProp,
  DamageIsHiddenProp,
  EmptyIsTrueProp,
  HighWatermarkIsTrueProp,
  NothingSkippedProp,
  RefusedIsAbsentProp,
  TimeoutIsFinalProp,
  TrimmedIsTrueProp,
} from '../properties/answers.ts';
import { Checker } from '../properties/checker.ts';
import {
  AckedIsReadableProp,
  BatchIsWholeProp,
  type Call,
  ConsumedOnceProp,
  type Contents,
  NothingInventedProp,
  ReadIsTrueProp,
  RealTimeOrderProp,
  TopicIsKnownProp,
} from '../properties/history.ts';
import { LeadershipChecker } from '../properties/leadership.ts';
import { FewInVainProp } from '../properties/liveness.ts';
import { RaftChecker } from '../properties/raft-invariants.ts';
import { DeletedStaysDeletedProp, type Past, tellApart } from '../properties/topic-lives.ts';
import { demand, Violation } from '../properties/violation.ts';
import { Aftermath, healMachines } from './aftermath.ts';
import { Calm } from './calm.ts';
import { VirtualTime } from './clock.ts';
import { Cluster, type ClusterOptions, type Machine } from './cluster.ts';
import { isAtNobodysCost } from './faults/budget.ts';
import { isRefused, sayReplaced } from './faults/members.ts';
import { isRemoved } from './faults/nodes.ts';
import { FILL_ALL_MS } from './faults/room.ts';
import { type Fault, type FaultOptions, handoverMs, inject, planFaults } from './faults.ts';
import { HarmIsTold } from './harm.ts';
import { NOT_YET_HELD } from './not-yet.ts';
import { type Overrides, Randomness } from './random.ts';
import { type Noted, type SimEvent, Trace } from './trace.ts';
import { type PlannedCall, planWorkload, Workload, type WorkloadOptions } from './workload.ts';

export interface SimOptions {
  /** Length of the first phase. */
  readonly durationMs: number;
  readonly cluster: Omit<ClusterOptions, 'encode'>;
  readonly workload: WorkloadOptions;
  readonly faults: FaultOptions;
  /** Messages between nodes go through their bytes. */
  readonly encode: boolean;
  /** Also what the code is known not to stand yet (`not-yet.ts`) fails the run. */
  readonly beyond?: boolean;
  /** Nothing goes wrong but the faults that are planned, one at most: neither network nor disks do anything by themselves. */
  readonly calm?: boolean;
  /** The last machine is started only then, into a cluster under load, unless a fault starts it sooner; absent: with the others. */
  readonly lateMs?: number;
  /** Also this, which no cluster survives: then nothing is asked but that the harm is told. */
  readonly harm?: Fault;
}

/** What is decided before a run begins. Without any part of it the rest means the same. */
export interface Plan {
  readonly faults: readonly Fault[];
  readonly calls: readonly PlannedCall[];
}

export interface Run {
  readonly seed: string;
  readonly options: SimOptions;
  readonly plan: Plan;
  readonly overrides?: Overrides;
}

/** A property that did not hold: its name, in what words, and the virtual time. */
export interface Failure {
  readonly property: string;
  readonly message: string;
  readonly atMs: number;
}

/** What came of a run, and what was seen of it. */
export interface Outcome {
  readonly seed: string;
  readonly failure: Failure | undefined;
  readonly hash: string;
  readonly virtualMs: number;
  readonly events: number;
  /** Client operations by what became of them. */
  readonly calls: Readonly<Record<string, number>>;
  readonly faults: Readonly<Record<string, number>>;
  /** How often each action of the specifications was taken. */
  readonly actions: Readonly<Record<string, number>>;
  readonly evaluations: Readonly<Record<string, number>>;
  readonly probes: Readonly<Record<string, number>>;
}

export function planRun(seed: string, options: SimOptions): Run {
  const randomness = new Randomness(seed);
  const { cluster, workload, faults, durationMs } = options;
  const planned = planFaults(randomness.stream('faults'), faults, cluster.nodes, durationMs);
  return {
    seed,
    options,
    plan: {
      faults: options.harm === undefined ? planned : [...planned, options.harm],
      calls: planWorkload(randomness.stream('workload'), workload, cluster.nodes, durationMs),
    },
  };
}

/** So many events within a millisecond mean that something goes round in a circle. */
const SPINNING_EVENTS = 100_000;
/** After which time somebody starts a node again that ended by itself. */
const RESTART_MS = 1000;
/** Whoever a number was freed for has come for it by then, or is dead. */
const KEPT_MS = 5000;
/** By then a node whose disk was damaged has to be whole again. */
const CONVALESCENCE_MS = 60_000;

/** When a leader removed the disk that bore a number, because another asked for it. */
interface Freed {
  readonly term: Term;
  readonly atMs: number;
}

/** A node that gives up says why, and its disk did fail it in that way. */
function NoFalseAlarmInv({ id, disk }: Machine, { code, message }: WalrusError): void {
  const { readError, writeError, syncError, noSpace } = disk.counts;
  const failed =
    disk.isDamaged ||
    (code === 'StorageFailed' && readError + writeError + syncError > 0) ||
    // An empty disk without room for the first file.
    (code === 'NoSpace' && disk.isRenewed && noSpace > 0);
  demand(failed, 'NoFalseAlarmInv', () => `node ${id} ended, its disk being well: ${message}`);
}

/** A leader that has freed a number for a disk gives it to no other that asks in the meantime. */
function NumberIsKeptProp(id: NodeId, freed: Freed | undefined, term: Term, nowMs: number): void {
  const isKept = freed?.term === term && nowMs < freed.atMs + KEPT_MS;
  demand(!isKept, 'NumberIsKeptProp', () => `number ${id} was freed for another disk`);
}

/** Whether network, disks and machines do nothing by themselves that could hide an answer. */
function isQuiet({ cluster: { network, disk, config, slowness = 0 } }: SimOptions): boolean {
  const { lossProbability, spikeProbability, linkCapacity, latencyMeanMs } = network;
  return (
    lossProbability + spikeProbability === 0 &&
    linkCapacity >= 10_000 &&
    latencyMeanMs * 100 <= config.electionTimeoutMs &&
    disk.syncMs * 100 <= config.electionTimeoutMs &&
    slowness <= 1
  );
}

/** Every record has a majority without any one of the nodes. */
function canSpareOne({ cluster: { nodes, config } }: SimOptions): boolean {
  return nodes >= 3 && config.replicationFactor >= 3;
}

const throughBytes = (envelope: Envelope): Envelope => decodeEnvelope(encodeEnvelope(envelope));

export class Simulation {
  readonly time: VirtualTime = new VirtualTime();
  readonly checker: Checker = new Checker(crc32c, () => this.isHarmed);
  readonly raftChecker: RaftChecker = new RaftChecker();
  readonly leadershipChecker: LeadershipChecker;
  readonly cluster: Cluster;
  readonly workload: Workload;
  readonly trace: Trace;
  readonly run: Run;
  readonly randomness: Randomness;
  readonly calm: Calm = new Calm();
  readonly newLeaders: Set<(leader: Machine) => void> = new Set();
  healed = false;
  /** Something happened that no cluster survives. */
  private isHarmed = false;
  private readonly faultCounts = new Map<string, number>();
  private events = 0;
  private watchEvents = SPINNING_EVENTS;
  private watchMs = 0;
  /** By number. */
  private readonly freed = new Map<NodeId, Freed>();
  /** Machines that are left as they are since the cluster was healed. */
  private readonly frozen = new Set<Machine>();

  /** `write` takes the trace, event by event. */
  constructor(run: Run, write?: (event: Noted) => void) {
    const { seed, options, overrides } = run;
    this.randomness = new Randomness(seed, overrides);
    const { randomness } = this;
    this.run = run;
    this.trace = new Trace(this.time, write);
    this.leadershipChecker = new LeadershipChecker(options.cluster.config.electionTimeoutMs);
    this.cluster = new Cluster(
      { ...options.cluster, encode: options.encode ? throughBytes : undefined },
      this.time,
      randomness,
      crc32c,
      this,
    );
    this.workload = new Workload(this.cluster, this.time, randomness, options.workload);
  }

  /** Runs to the end, or to the first property that does not hold. Any other error is a fault of the simulator. */
  play(): Outcome {
    let failure: Failure | undefined;
    try {
      this.underFaults();
      if (this.isHarmed) this.afterHarm();
      else this.judge(this.afterHealing());
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      failure = { property: error.property, message: error.message, atMs: this.time.nowMs };
    }
    return this.outcome(failure);
  }

  /** The next event: a message, a disk completion, a wake-up, a client's call or a fault, and all checks. */
  tick(): void {
    this.time.step();
    this.events++;
    if (this.events < this.watchEvents) return;
    demand(this.time.nowMs > this.watchMs + 1, 'NoSpinningInv', () => 'time does not move on');
    this.watchEvents = this.events + SPINNING_EVENTS;
    this.watchMs = this.time.nowMs;
  }

  private underFaults(): void {
    const { plan, options } = this.run;
    for (const machine of this.cluster.machines) {
      const isLate = options.lateMs !== undefined && machine === this.cluster.machines.at(-1);
      if (isLate) this.time.at(options.lateMs!, () => this.restart(machine));
      else this.cluster.start(machine);
    }
    for (const fault of plan.faults) this.time.at(fault.atMs, () => this.inject(fault));
    this.workload.run(plan.calls);
    while (this.time.nextMs <= options.durationMs) this.tick();
  }

  private afterHealing(): Contents {
    const { plan, options } = this.run;
    if (this.cluster.machines.some(({ disk }) => disk.isDamaged)) this.convalesce();
    const nextId = 1 + plan.calls.reduce((most, { id }) => Math.max(most, id), 0);
    const aftermath = new Aftermath(this, nextId, options.cluster.config);
    this.healed = true;
    this.disturbed(0);
    for (const machine of aftermath.rest) {
      this.frozen.add(machine);
      const isOut = isRefused(machine) || isRemoved(this, machine);
      if (machine.node !== undefined && !isOut) this.crash(machine, true);
    }
    this.say({ name: 'Phase', node: 0, detail: `${aftermath.core.length} healed` });
    aftermath.heal();
    while (!aftermath.done) this.tick();
    return aftermath.contents;
  }

  /** Where a disk was damaged, all have time to find that out and to mend it, before some of them go for good. */
  private convalesce(): void {
    const endMs = this.time.nowMs + CONVALESCENCE_MS;
    this.healed = true;
    healMachines(this, this.cluster.machines);
    while (this.time.nextMs <= endMs) this.tick();
  }

  /** Everything runs that can run, and all that was acknowledged is asked for. */
  private afterHarm(): void {
    const { cluster, workload } = this;
    this.healed = true;
    workload.stop();
    healMachines(this, cluster.machines);
    const judge = new HarmIsTold(this, workload.history);
    judge.begin();
    while (!judge.done) this.tick();
    EmptyIsTrueProp(workload.history, this.checker.record.starts());
    TopicIsKnownProp(workload.history);
  }

  private judge(kept: Contents): void {
    const { history: told } = this.workload;
    const starts = this.checker.record.starts();
    const puts = this.puts(told);
    const apart = tellApart(told, this.withTrimmed(kept, puts), this.past(puts));
    const { history, contents } = apart;
    const checks: Readonly<Record<string, () => void>> = {
      AckedIsReadableProp: () => AckedIsReadableProp(history, contents),
      BatchIsWholeProp: () => BatchIsWholeProp(history, contents),
      NothingInventedProp: () => NothingInventedProp(history, contents),
      RealTimeOrderProp: () => RealTimeOrderProp(history),
      ConsumedOnceProp: () => ConsumedOnceProp(history),
      ReadIsTrueProp: () => ReadIsTrueProp(history, contents),
      TopicIsKnownProp: () => TopicIsKnownProp(told),
      DeletedStaysDeletedProp: () => DeletedStaysDeletedProp(told, apart),
      RefusedIsAbsentProp: () => RefusedIsAbsentProp(history, contents),
      DamageIsHiddenProp: () => DamageIsHiddenProp(history),
      EmptyIsTrueProp: () => EmptyIsTrueProp(history, starts),
      TrimmedIsTrueProp: () => TrimmedIsTrueProp(told, starts),
      ConditionHeldProp: () => ConditionHeldProp(history, contents),
      HighWatermarkIsTrueProp: () => HighWatermarkIsTrueProp(history, contents),
      NothingSkippedProp: () => NothingSkippedProp(history, this.checker.record.cursors()),
      ConnectionOrderProp: () => ConnectionOrderProp(history),
      TimeoutIsFinalProp: () => TimeoutIsFinalProp(history, contents),
      UnknownHasCauseProp: () => {
        if (isQuiet(this.run.options)) this.calm.UnknownHasCauseProp(history);
      },
      FewInVainProp: () => {
        if (this.run.options.workload.populate) FewInVainProp(this.checker.probes);
      },
      CalmProp: () => {
        if (this.run.options.calm) this.calm.CalmProp(history, this.workload.refused);
      },
    };
    for (const [property, check] of Object.entries(checks)) this.minding(property, check);
  }

  /** What was put, by topic and checksum. Among so many records two may have one checksum: then the place tells them apart. */
  private puts(history: readonly Call[]): Puts {
    const puts = new Map<string, { record: Uint8Array; offset: number | undefined }[]>();
    for (const { operation, reply } of history) {
      if (operation.kind !== 'put') continue;
      const { topic, records } = operation;
      records.forEach((record, i) => {
        const key = `${topic} ${crc32c(record, 0, record.length, 0)}`;
        const offset = reply?.kind === 'appended' ? reply.offset + i : undefined;
        const alike = puts.get(key);
        if (alike === undefined) puts.set(key, [{ record, offset }]);
        else alike.push({ record, offset });
      });
    }
    return puts;
  }

  /** Topics that were deleted, with what was in them: their records by their checksums. */
  private past(puts: Puts): Past[] {
    return [...this.checker.record.metadata.ended.values()].map((topic) => {
      const checksums = this.checker.record.decided(topic);
      const records = checksums.flatMap((each, at) => recordAt(puts, topic.name, each, at) ?? []);
      return { name: topic.name, id: topic.id, records };
    });
  }

  /** Before what the topics still have, what was in them and was trimmed. */
  private withTrimmed(kept: Contents, puts: Puts): Contents {
    const { record } = this.checker;
    const whole = new Map(kept);
    for (const topic of record.metadata.topics.values()) {
      const records = kept.get(topic.name);
      if (topic.start === 0 || records === undefined) continue;
      const trimmed = record.decided(topic).slice(0, topic.start);
      const before = trimmed.map((each, at) => recordAt(puts, topic.name, each, at)!);
      whole.set(topic.name, [...before, ...records.slice(topic.start)]);
    }
    return whole;
  }

  /** Whether a run fails if this does not hold. */
  minds = (property: string): boolean => this.beyond || !NOT_YET_HELD.has(property);

  get beyond(): boolean {
    return this.run.options.beyond === true;
  }

  private minding(property: string, check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation) || this.minds(property)) throw error;
      this.checker.probe(`not yet: ${property}`);
    }
  }

  // What the cluster tells.

  traced(event: DataEvent): void {
    this.trace.note(event);
    this.checker.emit(event);
    // A node starts anew although its process lives.
    if (event.name === 'Crash') this.raftChecker.crashed(event.node);
    else if (event.name === 'ReplaceDisk') {
      this.raftChecker.diskReplaced(event.node);
      this.cluster.diskEmptied(this.cluster.machine(event.node));
    }
  }

  /** Not in the hash: Raft's state is. */
  raftTraced(event: HostedRaftEvent): void {
    if (event.name === 'RequestPreVote' || event.name === 'RequestVote') {
      this.calm.stoodForElection(this.time.nowMs, event.node);
    }
    this.trace.write(event);
    this.checker.emitRaft(event);
    if (!this.isHarmed) this.raftChecker.traced(event);
    const host = this.cluster.machine(event.node);
    if (!this.isHarmed) this.leadershipChecker.traced(event, host.clock.monotonicMs());
    if (event.name === 'BecomeLeader') for (const told of this.newLeaders) told(host);
    if (event.name === 'ProposeMembership') this.membershipProposed(event.change, event.state.term);
  }

  /** Whoever sees that a double is about to become a member in its number's name ends it, and has the number given to the right one. */
  private membershipProposed(change: MembershipChange, term: Term): void {
    const { nowMs } = this.time;
    const isGone = this.checker.record.metadata.nodes.get(change.id)?.state === 'gone';
    if (change.kind === 'remove' && !isGone) this.freed.set(change.id, { term, atMs: nowMs });
    if (change.kind !== 'addLearner') return;
    const machine = this.cluster.stopDouble(change.incarnation);
    if (machine === undefined) return;
    NumberIsKeptProp(change.id, this.freed.get(change.id), term, nowMs);
    this.time.after(RESTART_MS, () => {
      machine.disk.isRenewed = true;
      sayReplaced(this, machine);
    });
  }

  sent(from: NodeId, to: NodeId, { body }: Envelope): void {
    if (this.isHarmed) return;
    if (body.kind === 'RequestVoteResponse') this.raftChecker.sent(from, to, body);
    else if (body.kind === 'Refuse') this.checker.probe('a lower epoch refused');
  }

  afterInput(node: Node, envelope: Envelope | undefined): void {
    const body = envelope?.body;
    const records = body !== undefined && 'records' in body ? body : undefined;
    this.checker.afterInput(node, records);
    this.noFalseAmnesia(node);
    if (node.raft === undefined) return;
    if (!this.isHarmed) {
      this.raftChecker.afterInput(node.id, node.raft);
      const nowMs = this.cluster.machine(node.id).clock.monotonicMs();
      this.leadershipChecker.afterInput(node.id, node.raft, nowMs);
    }
    this.trace.mix((node.raft.term << 16) ^ node.raft.commitIndex);
  }

  /** A disk that has what it said it had is never taken for one that has not. */
  private noFalseAmnesia({ id, status, exclusion }: Node): void {
    if (status !== 'amnesiac' || this.isHarmed) return;
    const forgot = this.checker.record.lapsed.has(id) || this.cluster.machine(id).disk.isDamaged;
    demand(forgot, 'NoFalseAmnesiaInv', () => `node ${id} is ${exclusion}`);
  }

  replied(operation: Operation, reply: Reply): void {
    if (reply.kind === 'record') {
      this.checker.wasRead(operation.topic, reply.offset, reply.record);
    } else if (reply.kind === 'records') {
      reply.records.forEach((record, i) => {
        this.checker.wasRead(operation.topic, (reply.offset + i) as Offset, record);
      });
    } else if (reply.kind === 'appended' && operation.kind === 'put') {
      operation.records.forEach((record, i) => {
        this.checker.wasAppended(operation.topic, (reply.offset + i) as Offset, record);
      });
    }
  }

  ended(machine: Machine, reason: WalrusError | undefined): void {
    const inGoodOrder = reason === undefined && canSpareOne(this.run.options);
    this.calm.gone(this.time.nowMs, machine.id, inGoodOrder);
    this.checker.crashed(machine.id);
    this.raftChecker.crashed(machine.id);
    const detail = reason === undefined ? 'stopped' : `${reason.code}: ${reason.message}`;
    this.say({ name: 'Ended', node: machine.id, detail });
    if (reason !== undefined && !this.isHarmed) NoFalseAlarmInv(machine, reason);
    // Who says that its disk is damaged gets another one, as soon as the others can spare it.
    const isBeyondRepair =
      reason?.code === 'Corrupt' || (reason !== undefined && machine.disk.isDamaged);
    if (isBeyondRepair && isAtNobodysCost(this, machine)) this.replaceDisk(machine);
    this.time.after(RESTART_MS, () => this.restart(machine));
  }

  // What faults do.

  crash(machine: Machine, power: boolean): void {
    this.calm.gone(this.time.nowMs, machine.id);
    this.cluster.crash(machine, power);
    this.checker.crashed(machine.id);
    this.raftChecker.crashed(machine.id);
    this.trace.note({ name: 'Crash', node: machine.id });
  }

  replaceDisk(machine: Machine): void {
    this.calm.gone(this.time.nowMs, machine.id);
    this.cluster.replaceDisk(machine);
    this.checker.diskReplaced(machine.id);
    this.raftChecker.diskReplaced(machine.id);
    this.trace.note({ name: 'ReplaceDisk', node: machine.id });
  }

  loseTail(machine: Machine, files: ReadonlyMap<string, Uint8Array>): void {
    this.crash(machine, true);
    machine.disk.restore(files);
    this.checker.tailLost(machine.id);
    this.raftChecker.diskReplaced(machine.id);
    this.trace.note({ name: 'LoseTail', node: machine.id });
  }

  harmed(): void {
    this.isHarmed = true;
  }

  damaged(machine: Machine): void {
    machine.disk.isDamaged = true;
    machine.disk.counts.damage++;
    this.checker.diskDamaged(machine.id);
    this.raftChecker.diskReplaced(machine.id);
  }

  disturbed(forMs: number): void {
    this.calm.disturbed(this.time.nowMs, forMs);
  }

  restart(machine: Machine): void {
    if (machine.node !== undefined || this.frozen.has(machine)) return;
    if (!isRefused(machine)) this.calm.back(this.time.nowMs, machine.id);
    this.cluster.start(machine);
  }

  say(event: SimEvent): void {
    this.trace.note(event);
  }

  private inject(fault: Fault): void {
    const { kind, target, forMs, amount } = fault;
    if (!inject(this, fault)) return;
    const leavingMs = canSpareOne(this.run.options)
      ? handoverMs(fault, this.cluster.machines.length)
      : 0;
    if (leavingMs > 0) this.calm.handedOver(this.time.nowMs, leavingMs);
    else this.disturbed(kind === 'FillAll' ? FILL_ALL_MS + forMs : forMs);
    this.faultCounts.set(kind, (this.faultCounts.get(kind) ?? 0) + 1);
    const detail = `${kind} ${JSON.stringify(target)} for ${forMs} ms, ${amount}`;
    this.say({ name: 'Fault', node: 0, detail });
  }

  private outcome(failure: Failure | undefined): Outcome {
    const calls = new Map<string, number>();
    for (const { operation, reply } of this.workload.history) {
      const answer = reply === undefined ? 'unknown' : reply.kind === 'error' ? reply.code : 'ok';
      const key = `${operation.kind} ${answer}`;
      calls.set(key, (calls.get(key) ?? 0) + 1);
    }
    const { lost, duplicated, cut, overflowed } = this.cluster.network.counts;
    const faults: Record<string, number> = {
      ...Object.fromEntries(this.faultCounts),
      lost,
      duplicated,
      cut,
      overflowed,
    };
    for (const { disk } of this.cluster.machines) {
      for (const [kind, count] of Object.entries(disk.counts)) {
        const key = `disk ${kind}`;
        faults[key] = (faults[key] ?? 0) + count;
      }
    }
    return {
      seed: this.run.seed,
      failure,
      hash: this.trace.hash,
      virtualMs: this.time.nowMs,
      events: this.events,
      calls: Object.fromEntries(calls),
      faults,
      actions: Object.fromEntries(this.checker.actions),
      evaluations: Object.fromEntries([
        ...this.checker.evaluations,
        ...this.raftChecker.evaluations,
        ...this.leadershipChecker.evaluations,
      ]),
      probes: {
        ...Object.fromEntries(this.checker.probes),
        'file made of an older one': this.cluster.renewedFiles,
      },
    };
  }
}

/** Records that were put, by topic and checksum, and where each is known to stand. */
type Puts = ReadonlyMap<string, readonly { record: Uint8Array; offset: number | undefined }[]>;

function recordAt(puts: Puts, topic: string, checksum: number, at: number): Uint8Array | undefined {
  const alike = puts.get(`${topic} ${checksum}`) ?? [];
  return (alike.find(({ offset }) => offset === at) ?? alike[0])?.record;
}

/**
 * Where counterexamples of the data plane are played.
 *
 * The metadata log lives on machines of its own, four of seven, as in the model, which takes it for granted: so a node may
 * be late in applying it, or with its disk, and commands are committed all the same.
 */
import type { Reply } from '../impl/core/controller/operations.ts';
import type { NodeId } from '../impl/core/ids.ts';
import type { SegmentRecord, TopicRecord } from '../impl/core/metadata/cluster-state.ts';
import { encodeRecord } from '../impl/core/record.ts';
import { crc32c } from '../impl/core/storage/crc32c.ts';
import type { DataEvent } from '../impl/core/trace.ts';
import { utf8Encode } from '../impl/core/utf8.ts';
import type { Envelope, Message } from '../impl/node/messages.ts';
import { parseProposal } from '../impl/node/metadata-log.ts';
import type { Node } from '../impl/node/node.ts';
import { Checker } from '../properties/checker.ts';
import { Cluster, type ClusterOptions, type Machine } from './cluster.ts';
import { FAST_DISK } from './disk.ts';
import { introduce, passes } from './introductions.ts';
import { CALM_NETWORK } from './network.ts';
import { Randomness } from './random.ts';
import type { LogScenario, Step } from './scenario-steps.ts';
import { Stage } from './stage.ts';

const MACHINES = 7;
/** Its replicas are machines without a part in the quorum of the log, whose leader is machine 1. */
const TOPIC = 't';
const GROUP = 'default';
const FOR_EVER_MS = 3_600_000;

/** What waits for its step. */
const BY_HAND: ReadonlySet<Message['kind']> = new Set<Message['kind']>([
  'Replicate',
  'ReplicateAck',
  'Refuse',
  'PromiseRequest',
  'Promise',
  'CopyRequest',
  'Copy',
  'Propose',
  'Forward',
]);

interface Held {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly envelope: Envelope;
}

export class LogStage extends Stage<Step> {
  private readonly scenario: LogScenario;
  private readonly checker: Checker;
  private readonly cluster: Cluster;
  /** Everything that the nodes have said since the scenario began and no step has spoken of. */
  private readonly said: DataEvent[] = [];
  private readonly held: Held[] = [];
  /** Records that a client has asked to append. */
  private readonly asked = new Set<number>();
  /** As it was when the scenario began. */
  private topic!: TopicRecord;
  private isByHand = false;
  /** Machines by the numbers that the scenario gives them. */
  private readonly cast = new Map<number, Machine>();
  /** Indexes of the metadata log, as the scenario counts and as they are. */
  private readonly indexes = new Map<number, number>([[0, 0]]);
  /** Who hears nothing of Raft now. */
  private readonly deaf = new Set<Machine>();
  /** Whom the leader does not hear now. */
  private silent: Machine | undefined;

  /** With `breaks` all other properties are overlooked. */
  constructor(scenario: LogScenario, breaks: string | undefined) {
    super();
    this.scenario = scenario;
    const overlooks = (property: string): boolean => breaks !== undefined && property !== breaks;
    this.checker = new Checker(crc32c, overlooks);
    const options = optionsOf(scenario);
    const randomness = new Randomness(scenario.model);
    this.cluster = new Cluster(options, this.time, randomness, crc32c, this);
  }

  /** A cluster with one topic, about which everybody knows; from here on everything waits for its step. */
  setUp(): void {
    const { machines } = this.cluster;
    for (const machine of machines) this.cluster.start(machine);
    this.mustCome('a cluster', () =>
      machines.every(
        ({ node }) =>
          node?.clusterState?.nodes.size === MACHINES &&
          node.raft!.membership.every(({ learner }) => !learner),
      ),
    );
    let registered: Reply | undefined;
    const leader = machines[0]!;
    this.cluster.request(leader, { kind: 'register', topic: TOPIC }, (reply) => {
      registered = reply;
    });
    this.mustCome('a topic', () =>
      machines.every(({ node }) => node!.clusterState!.topicNamed(TOPIC) !== undefined),
    );
    this.mustCome('its owner', () => registered?.kind === 'registered');
    this.topic = leader.node!.clusterState!.topicNamed(TOPIC)!;
    const [segment] = this.topic.segments as [SegmentRecord];
    const others = segment.replicas.map(({ node }) => node).filter((id) => id !== segment.owner);
    if (leader.node!.raft!.role !== 'leader' || segment.replicas.some(({ node }) => node === 1)) {
      throw new Error('the metadata has not the machines for itself');
    }
    // The supervisor takes the second of those that live.
    for (const [i, id] of [segment.owner, others[1]!, others[0]!].entries()) {
      this.cast.set(i + 1, this.cluster.machine(id));
    }
    this.indexes.set(this.scenario.epoch, segment.epoch);
    this.said.length = 0;
    this.isByHand = true;
    for (const node of this.scenario.laggards) this.deaf.add(this.actor(node));
    for (const node of this.scenario.crashers) this.actor(node).disk.faults.hung = true;
  }

  /** Brings one step about. Throws `Refusal` if the code does not take it. */
  play(step: Step): void {
    switch (step.name) {
      case 'AppendRecord':
        this.append(step);
        break;
      case 'SyncCompleted':
        this.sync(step);
        break;
      case 'CommitCommand':
        this.commit(step);
        break;
      case 'ApplyCommand':
        this.apply(this.actor(step.node), this.index(step.index!));
        break;
      case 'Crash':
        this.crash(this.actor(step.node), step.spared!);
        break;
      case 'ReplaceDisk':
        this.cluster.replaceDisk(this.actor(step.node));
        this.checker.diskReplaced(this.actor(step.node).id);
        break;
      case 'Restart':
        this.restart(this.actor(step.node));
        break;
      case 'HandleCopy':
        this.deliver('CopyRequest', { ...step, node: step.sender!, sender: step.node! });
        this.deliver('Copy', step);
        this.happens(step);
        break;
      case 'HandleReplicateAck':
        this.deliver('ReplicateAck', step, () => this.replicateAgain(step));
        this.happens(step);
        break;
      case 'HandleReplicate':
        this.deliver('Replicate', step);
        this.happens(step);
        break;
      case 'HandlePromiseRequest':
        if (step.sender !== step.node) this.deliver('PromiseRequest', step);
        this.happens(step);
        break;
      case 'HandlePromise':
        if (step.sender !== step.node) this.deliver('Promise', step);
        this.happens(step);
        break;
      case 'AdvanceHighWatermark':
      case 'StopAppending':
      case 'DeliverRecord':
        this.happens(step);
        break;
      default:
        throw new Error(`there is no playing ${step.name}`);
    }
  }

  protected release(): void {
    this.isByHand = false;
    this.deaf.clear();
    for (const { disk } of this.cluster.machines) disk.faults.hung = false;
    for (const { to, envelope } of this.held) this.cluster.deliver(to, envelope);
  }

  /** A request that comes twice is one that another node hands on, and that the network repeats. */
  private append(step: Step): void {
    const { record } = step;
    const comesTwice = this.scenario.steps.filter((each) => each.record === record).length > 1;
    if (!this.asked.has(record!)) {
      this.asked.add(record!);
      const operation = {
        kind: 'put',
        topic: TOPIC,
        records: [encodeRecord({ value: utf8Encode(`record ${record}`) })],
      } as const;
      this.cluster.request(this.actor(comesTwice ? 2 : step.node), operation, () => {});
    }
    if (comesTwice) {
      const forward = this.held.find(({ envelope: { body } }) => body.kind === 'Forward')!;
      this.cluster.deliver(forward.to, forward.envelope);
    }
    this.happens(step);
  }

  private sync({ node, segment, end, promised }: Step): void {
    const machine = this.actor(node);
    const { hung } = machine.disk.faults;
    machine.disk.faults.hung = false;
    this.comes(`${end} durable records`, () => {
      const copies = [...(machine.node?.replicas() ?? [])];
      const copy = copies.find((each) => each.segment === segment);
      return (
        copy !== undefined &&
        copy.durableEnd >= end! &&
        copy.durablePromise >= this.index(promised!)
      );
    });
    machine.disk.faults.hung = hung;
  }

  /** Raft does the rest by itself. What it is given waits here, but for what its leader asks for. */
  private commit(step: Step): void {
    const command = this.named(step.command!);
    const holds = (proposed: object | undefined): boolean =>
      proposed !== undefined && agrees(proposed, command);
    if (command.kind === 'FenceSegment') {
      this.silent = this.actor(1);
    } else {
      if (command.kind === 'AdvanceCursor') {
        const operation = { kind: 'get', topic: TOPIC, group: GROUP } as const;
        this.cluster.request(this.actor(1), operation, () => {});
      }
      this.comes(`nobody proposes ${JSON.stringify(command)}`, () =>
        this.handOver(
          ({ envelope: { body } }) =>
            body.kind === 'Propose' && holds(parseProposal(body.proposal)?.command),
        ),
      );
    }
    let index: number | undefined;
    this.comes(`a committed ${command.kind}`, () => {
      for (const event of this.said) {
        if (event.name !== 'CommitCommand' || !holds(event.proposal?.command)) continue;
        index = event.index;
      }
      return index !== undefined;
    });
    this.silent = undefined;
    this.indexes.set(step.index!, index!);
  }

  private apply(machine: Machine, index: number): void {
    const wasDeaf = this.deaf.delete(machine);
    this.comes('the metadata', () => (machine.node?.clusterState?.appliedIndex ?? 0) >= index);
    if (wasDeaf) this.deaf.add(machine);
  }

  private crash(machine: Machine, spared: boolean): void {
    if (!spared) machine.disk.powerLoss(0);
    this.cluster.crash(machine, false);
    this.checker.crashed(machine.id);
  }

  /** The process comes up, with the metadata that it had. */
  private restart(machine: Machine): void {
    const { hung } = machine.disk.faults;
    machine.disk.faults.hung = false;
    this.cluster.start(machine);
    this.comes('a process', () => machine.node?.status === 'running');
    introduce(this.cluster, machine);
    this.apply(machine, this.index(this.scenario.epoch));
    machine.disk.faults.hung = hung;
  }

  /**
   * Hands over the message that the step speaks of, if it was sent or is sent soon. `meanwhile` is done as long as it is
   * waited for.
   */
  private deliver(kind: Message['kind'], step: Step, meanwhile?: () => void): void {
    this.comes(`node ${step.sender} sends no such ${kind}`, () => {
      if (this.handOver((each) => this.suits(each, kind, step))) return true;
      meanwhile?.();
      return false;
    });
  }

  /** What a replica has already, it is told once more, and answers again. */
  private replicateAgain(ack: Step): void {
    const { node, sender, durableEnd, ...rest } = ack;
    const known = { ...rest, node: sender!, sender: node!, end: durableEnd! };
    this.handOver((each) => this.suits(each, 'Replicate', known));
  }

  private suits({ from, to, envelope }: Held, kind: Message['kind'], step: Step): boolean {
    const body = envelope.body as Record<string, unknown> & { records?: unknown[] };
    return (
      from === this.actor(step.sender).id &&
      to === this.actor(step.node).id &&
      body.kind === kind &&
      body.topic === this.topic.id &&
      body.segment === step.segment &&
      body.epoch === this.index(step.epoch!) &&
      (step.durableEnd === undefined || body.durableEnd === step.durableEnd) &&
      (body.records === undefined || (body.from as number) + body.records.length === step.end)
    );
  }

  private handOver(suits: (held: Held) => boolean): boolean {
    const at = this.held.findIndex(suits);
    if (at < 0) return false;
    const [{ to, envelope }] = this.held.splice(at, 1) as [Held];
    this.cluster.deliver(to, envelope);
    return true;
  }

  /** The step shows in the trace: the event has every field that the step has. */
  private happens(step: Step): void {
    const { record: _, name, node, sender, epoch, ...rest } = step;
    const expected = {
      name,
      node: this.actor(node).id,
      ...(sender === undefined ? {} : { sender: this.actor(sender).id }),
      ...(epoch === undefined ? {} : { epoch: this.index(epoch) }),
      ...rest,
    };
    this.comes('the code does not do that', () => {
      const at = this.said.findIndex((event) => agrees(event, expected));
      if (at >= 0) this.said.splice(at, 1);
      return at >= 0;
    });
  }

  /** A command of the scenario in real numbers, without where the next segment goes. */
  private named(command: Step['command'] & object): { kind: string } {
    const { nextOwner, nextReplicas, topic, group, ...rest } = command as Record<string, unknown>;
    const own: Record<string, unknown> = { ...rest, topic: this.topic.id };
    if (group !== undefined) own.group = GROUP;
    for (const name of ['epoch', 'expectedEpoch']) {
      if (name in own) own[name] = this.index(own[name] as number);
    }
    if (own.recoverer !== undefined) own.recoverer = this.actor(own.recoverer as number).id;
    return own as { kind: string };
  }

  private actor(node: number | undefined): Machine {
    const machine = this.cast.get(node!);
    if (machine === undefined) throw new Error(`there is no node ${node}`);
    return machine;
  }

  private index(index: number): number {
    // What led to the first grant is not told one by one.
    const real = this.indexes.get(index > 0 ? Math.max(index, this.scenario.epoch) : 0);
    if (real === undefined) throw new Error(`index ${index} was not committed yet`);
    return real;
  }

  // What the cluster tells its observer.

  traced(event: DataEvent): void {
    if (this.isByHand) this.said.push(event);
    this.checker.emit(event);
  }

  sent(): void {}

  withholds(from: NodeId, to: NodeId, envelope: Envelope): boolean {
    if (!this.isByHand) return false;
    if (passes(this.cluster, to, envelope)) return true;
    if (BY_HAND.has(envelope.body.kind)) {
      this.held.push({ from, to, envelope });
      return true;
    }
    return this.deaf.has(this.cluster.machine(to)) || this.silent?.id === from;
  }

  afterInput(node: Node, envelope: Envelope | undefined): void {
    const body = envelope?.body;
    this.checker.afterInput(node, body !== undefined && 'records' in body ? body : undefined);
  }

  replied(): void {}

  ended(machine: Machine): void {
    this.checker.crashed(machine.id);
  }
}

/** Whether `whole` has all fields of `part`, with the same values. */
function agrees(whole: object, part: object): boolean {
  return Object.entries(part).every(
    ([name, value]) => (whole as Record<string, unknown>)[name] === value,
  );
}

function optionsOf({ steps }: LogScenario): ClusterOptions {
  // A segment is full when its owner is to stop.
  const stops = steps.findIndex(({ name }) => name === 'StopAppending');
  const before = steps.slice(0, stops).filter(({ name }) => name === 'AppendRecord');
  return {
    nodes: MACHINES,
    clockDrift: 0,
    network: CALM_NETWORK,
    disk: FAST_DISK,
    config: {
      replicationFactor: 3,
      maxSegmentEntries: stops < 0 ? 1000 : before.length,
      monitorCheckMs: FOR_EVER_MS,
      leaseMs: FOR_EVER_MS,
      failoverMs: 600,
      electionTimeoutMs: 400,
      heartbeatMs: 100,
      operationTimeoutMs: FOR_EVER_MS,
      snapshotEveryEntries: 1000,
      fileBytes: 65_536,
      batchBytes: 16_384,
      checkpointBytes: 65_536,
    },
    encode: undefined,
  };
}

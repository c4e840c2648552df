/**
 * Controllers of three nodes, with messages that arrive when the test says so, metadata that each node learns when it says so,
 * and owners that commit when it says so.
 */
import type { BootId, Epoch, Incarnation, LogIndex, NodeId, SegmentId, TopicId } from '../ids.ts';
import { ClusterState } from '../metadata/cluster-state.ts';
import type { Command } from '../metadata/commands.ts';
import { NO_POLICY } from '../metadata/policy.ts';
import { Proposals } from '../metadata/proposals.ts';
import { decodeRecord, encodeRecord } from '../record.ts';
import type { DataPlane } from '../segment/data-plane.ts';
import type { Settle } from '../segment/writer.ts';
import { Controller } from './controller.ts';
import type { ControllerMessage } from './messages.ts';
import type { Operation, Reply } from './operations.ts';

export const TIMEOUT_MS = 10_000;
export const TOPIC = 't';

export interface Letter {
  readonly from: number;
  readonly to: number;
  readonly message: ControllerMessage;
}

/** A record that an owner took. */
interface Taken {
  readonly text: string;
  readonly settle: Settle;
}

export class TestNode {
  readonly id: number;
  boot: number;
  nowMs = 1000;
  /** What this node has applied of the log. */
  cluster: ClusterState = ClusterState.bootstrap();
  readonly taken: Taken[] = [];
  /** Why it takes nothing, if so. */
  refusal: 'LeaseExpired' | 'Overloaded' | undefined;
  /** The grant that its copies have promised to obey. */
  promised = 0;
  /** It has proposed the end of what it owns. */
  isEndProposed = false;
  controller: Controller;
  /** Nodes that it takes for dead. */
  readonly dead: Set<number> = new Set();
  /** Processes that have said that they are about to stop, by node and boot. */
  readonly leaving: Set<string> = new Set();
  leader: number = 0;
  private readonly world: TestCluster;

  constructor(world: TestCluster, id: number) {
    this.world = world;
    this.id = id;
    this.boot = 10 * id;
    this.controller = this.newController();
  }

  /** Another life of its process: what it had in memory is gone, and it knows the metadata. */
  restart(): void {
    this.boot++;
    this.taken.length = 0;
    this.controller = this.newController();
  }

  ask(operation: Operation): Reply[] {
    const heard: Reply[] = [];
    this.controller.request(operation, (reply) => heard.push(reply));
    return heard;
  }

  put(text: string): Reply[] {
    return this.ask({ kind: 'put', topic: TOPIC, records: [recordOf(text)] });
  }

  /** Learns all that the log holds. */
  learn(): void {
    for (const command of this.world.log.slice(this.cluster.appliedIndex - 1)) {
      this.cluster.applyCommand((this.cluster.appliedIndex + 1) as LogIndex, command);
      if (command.kind === 'RegisterNode') continue;
      const name = command.kind === 'CreateTopic' ? command.name : TOPIC;
      this.controller.topicChanged(this.cluster.topicNamed(name)!);
    }
  }

  /** The records that it took and has not settled are safe, or will never be. */
  settle(outcome: 'committed' | 'lost'): void {
    for (const { settle } of this.taken.splice(0)) settle(outcome);
  }

  get texts(): string[] {
    return this.taken.map(({ text }) => text);
  }

  passes(ms: number): void {
    this.nowMs += ms;
    this.controller.tick(this.nowMs);
  }

  private newController(): Controller {
    const { world, id } = this;
    const boot = this.boot as BootId;
    const nowMs = (): number => this.nowMs;
    const proposals = new Proposals({
      node: id as NodeId,
      boot,
      trace: undefined,
      nowMs,
      submit: () => {},
    });
    return new Controller(
      {
        node: id as NodeId,
        boot,
        trace: undefined,
        operationTimeoutMs: TIMEOUT_MS,
        cluster: () => this.cluster,
        nowMs,
        leaseValid: () => true,
        live: (node) => !this.dead.has(node),
        isLeaving: (node, boot) => this.leaving.has(`${node}/${boot}`),
        leader: () => this.leader as NodeId,
        confirm: (done) => done(this.leader === id),
        placeTopic: () => ({ owner: 1 as NodeId, replicas: [1, 2, 3] as NodeId[] }),
        // All clocks show the same, unless a test moves one.
        judge: () => ({ kind: 'granted' }),
        timeAt: (_, __, timeMs) => timeMs,
        send: (to, _, message) => world.letters.push({ from: id, to, message }),
      },
      this.newDataPlane(),
      proposals,
    );
  }

  /** Takes records of segments that the metadata grants to this process. */
  private newDataPlane(): DataPlane {
    const { taken } = this;
    const writer = (topic: TopicId): object | undefined => {
      const segment = this.cluster.currentSegment(topic);
      const isMine = segment?.owner === this.id && segment.boot === this.boot;
      if (!isMine) return undefined;
      const { epoch, id, replicas } = segment;
      const others = replicas.filter(({ node }) => node !== this.id);
      const followers = others.map((record) => ({ record }));
      const replica = { topic, segment: id, promised: epoch };
      return { segment, epoch, followers, replica, isEndProposed: this.isEndProposed };
    };
    let end = 0;
    const owner = {
      writer,
      appendBatch: (topic: TopicId, records: readonly Uint8Array[], _: unknown, settle: Settle) => {
        if (writer(topic) === undefined) return 'NotOwner';
        if (this.refusal !== undefined) return this.refusal;
        taken.push({ text: textOf(records[0]!), settle });
        end += records.length;
        return end - records.length;
      },
    };
    const dataPlane = {
      owner,
      readableEnd: () => 0,
      isDamaged: () => false,
      promised: () => this.promised,
      read: (...[, , , , done]: Parameters<DataPlane['read']>) => done(undefined, []),
    };
    return dataPlane as unknown as DataPlane;
  }
}

export class TestCluster {
  /** Of metadata; the first entry has index 2. */
  readonly log: Command[] = [];
  /** On their way. */
  letters: Letter[] = [];
  readonly nodes: readonly TestNode[] = [1, 2, 3].map((id) => new TestNode(this, id));

  /** Three nodes that know of each other, and of a topic that `owner` owns; node 3 leads Raft. */
  constructor(owner?: number) {
    for (const { id } of this.nodes) this.register(id);
    if (owner !== undefined) this.create(owner);
    for (const node of this.nodes) {
      node.leader = 3;
      node.learn();
    }
  }

  node(id: number): TestNode {
    return this.nodes[id - 1]!;
  }

  /** The log holds that the present life of a node is registered. */
  register(id: number): void {
    this.log.push({
      kind: 'RegisterNode',
      node: id as NodeId,
      boot: this.node(id).boot as BootId,
      incarnation: (100 + id) as Incarnation,
      raftAddress: '',
      clientAddress: '',
    });
  }

  create(owner: number): void {
    const replicas = [1, 2, 3] as NodeId[];
    this.log.push({
      kind: 'CreateTopic',
      policy: NO_POLICY,
      name: TOPIC,
      owner: owner as NodeId,
      replicas,
    });
  }

  /** The log holds that the open segment, of that number, ended and that another node owns the next. */
  rollOver(segment: number, nextOwner: number): void {
    this.log.push({
      kind: 'SealSegment',
      topic: this.topic(),
      segment: segment as SegmentId,
      epoch: this.latestEpoch(),
      count: 0,
      bytes: 0,
      atMs: 0,
      nextOwner: nextOwner as NodeId,
      nextReplicas: [1, 2, 3] as NodeId[],
    });
  }

  /** The log holds that the open segment, of that number, was taken from its owner. */
  fence(segment: number, recoverer: number): void {
    this.log.push({
      kind: 'FenceSegment',
      topic: this.topic(),
      segment: segment as SegmentId,
      expectedEpoch: this.latestEpoch(),
      recoverer: recoverer as NodeId,
    });
  }

  learn(): void {
    for (const node of this.nodes) node.learn();
  }

  /** Takes what is on its way off the network, all of it or what is said. */
  take(isMeant: (letter: Letter) => boolean = () => true): Letter[] {
    const taken = this.letters.filter(isMeant);
    this.letters = this.letters.filter((letter) => !isMeant(letter));
    return taken;
  }

  deliver(letters: readonly Letter[]): void {
    for (const { from, to, message } of letters) {
      const { id, boot } = this.node(from);
      const incarnation = (100 + id) as Incarnation;
      const sender = { node: id as NodeId, incarnation, boot: boot as BootId };
      this.node(to).controller.handle(sender, message);
    }
  }

  /** Delivers until nothing is on its way. */
  run(): void {
    while (this.letters.length > 0) this.deliver(this.take());
  }

  /** What the log holds first is the founding. */
  private topic(): TopicId {
    return (this.log.findLastIndex(({ kind }) => kind === 'CreateTopic') + 2) as TopicId;
  }

  private latestEpoch(): Epoch {
    const granting = this.log.findLastIndex(({ kind }) => kind !== 'RegisterNode');
    return (granting + 2) as Epoch;
  }
}

function recordOf(text: string): Uint8Array {
  return encodeRecord({ value: Uint8Array.from(text, (letter) => letter.charCodeAt(0)) });
}

function textOf(record: Uint8Array): string {
  return String.fromCharCode(...decodeRecord(record).value);
}

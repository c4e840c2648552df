/**
 * Where counterexamples of Raft are played: three nodes whose clocks stand still, whose disks do not sync, and none of whose
 * messages arrives, unless a step says so. What was sent may arrive as often as a step wants it to.
 *
 * Two things are as in the model. Pre-votes bind nobody: the stage grants them to whoever asks. And time is not in it: a voter
 * that would not hear of another leader, because it has one, or is one, waits until it has none.
 */
import type { Incarnation, LogIndex, NodeId } from '../impl/core/ids.ts';
import type { RaftMessage } from '../impl/core/raft/messages.ts';
import type { Raft } from '../impl/core/raft/raft.ts';
import type { RaftEvent, TracedMembers, TracedMessage } from '../impl/core/raft/trace.ts';
import { crc32c } from '../impl/core/storage/crc32c.ts';
import type { DataEvent } from '../impl/core/trace.ts';
import type { Envelope, Message } from '../impl/node/messages.ts';
import type { Node } from '../impl/node/node.ts';
import { Checker } from '../properties/checker.ts';
import { leadershipProgress } from '../properties/liveness.ts';
import { RaftChecker } from '../properties/raft-invariants.ts';
import { Violation } from '../properties/violation.ts';
import { Cluster, type ClusterOptions, type Machine } from './cluster.ts';
import { FAST_DISK } from './disk.ts';
import { introduce, passes } from './introductions.ts';
import { CALM_NETWORK } from './network.ts';
import { Randomness } from './random.ts';
import type { RaftScenario, RaftStep } from './scenario-steps.ts';
import { Refusal, Stage } from './stage.ts';

const ELECTION_MS = 400;
/** A clock that runs a millisecond in eleven days. */
const STANDING_STILL = -1 + 1e-9;
const FOR_EVER_MS = 3_600_000;

const RAFT: ReadonlySet<Message['kind']> = new Set<RaftMessage['kind']>([
  'RequestVoteRequest',
  'RequestVoteResponse',
  'AppendEntriesRequest',
  'AppendEntriesResponse',
  'InstallSnapshotRequest',
  'InstallSnapshotResponse',
  'TimeoutNow',
]);

/** What events have that some of them have. */
interface Everything {
  readonly from: NodeId;
  readonly message: TracedMessage;
  readonly reply: TracedMessage;
  readonly matchIndex: LogIndex;
  readonly members: TracedMembers;
  readonly index: LogIndex;
}

interface Sent {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly envelope: Envelope;
  readonly message: RaftMessage;
}

export class RaftStage extends Stage<RaftStep> {
  private readonly checker: Checker;
  private readonly raftChecker = new RaftChecker();
  private readonly overlooks: (property: string) => boolean;
  private readonly cluster: Cluster;
  private isByHand = false;
  /** All that ever left its sender. */
  private readonly left: Sent[] = [];
  /** Those of them that two nodes have settled by themselves. */
  private readonly caughtUp = new Set<Sent>();
  /** Numbers of batches: the last that each disk was given, and the last that is durable there. */
  private readonly handed = new Map<NodeId, number>();
  private readonly durable = new Map<NodeId, number>();
  /** Everything that the nodes have said since the scenario began and no step has spoken of. */
  private readonly said: RaftEvent[] = [];
  /** What the scenario calls term 1 and index 1. */
  private firstTerm = 0;
  private firstIndex = 0;

  /** With `breaks` all other properties are overlooked. */
  constructor(scenario: RaftScenario, breaks: string | undefined) {
    super();
    this.overlooks = (property) => breaks !== undefined && property !== breaks;
    this.checker = new Checker(crc32c, this.overlooks);
    this.cluster = new Cluster(OPTIONS, this.time, new Randomness(scenario.model), crc32c, this);
  }

  /** Three voters with one log, all of it committed and durable everywhere, and nobody leads any more. */
  setUp(): void {
    const { machines } = this.cluster;
    for (const machine of machines) this.cluster.start(machine);
    this.mustCome('a quiet cluster', () => {
      const leader = machines[0]!.node!;
      if (leader.clusterState?.nodes.size !== machines.length) return false;
      return (
        leader.raft!.membership.every(({ learner }) => !learner) &&
        machines.every((each) => isWhole(each, leader.raft!))
      );
    });
    const { term, lastIndex } = machines[0]!.node!.raft!;
    this.firstTerm = term;
    this.firstIndex = lastIndex;
    this.isByHand = true;
    this.mustCome('the end of all leadership', () => machines.every((each) => this.isFree(each)));
    for (const machine of machines) {
      this.freeze(machine);
      machine.disk.faults.hung = true;
    }
    this.said.length = 0;
    this.left.length = 0;
  }

  play(step: RaftStep): void {
    const machine = this.cluster.machine(step.node);
    switch (step.name) {
      case 'Timeout':
        this.timeout(machine, step);
        break;
      case 'Persist':
        this.persist(machine);
        break;
      case 'Recover':
        this.recover(machine);
        break;
      case 'HandleRequestVoteRequest':
        this.timeGoesOn(machine, 'a voter that hears no leader', () => this.isFree(machine));
        this.handle(step, 'RequestVoteRequest');
        break;
      case 'HandleRequestVoteResponse':
        this.handle(step, 'RequestVoteResponse');
        break;
      case 'HandleAppendEntriesRequest':
        this.handle(step, 'AppendEntriesRequest', () => this.catchUp(step));
        break;
      case 'HandleAppendEntriesResponse':
        this.handle(step, 'AppendEntriesResponse');
        break;
      case 'ClientRequest':
        this.cluster.request(machine, { kind: 'register', topic: 'a topic' }, () => {});
        this.happens(step);
        break;
      case 'ProposeMembership':
        this.remove(machine, step.voters!);
        this.happens(step);
        break;
      case 'RequestReadIndex':
        this.cluster.request(machine, { kind: 'get', topic: 'no topic', group: 'g' }, () => {});
        this.happens(step);
        break;
      case 'RequestVote':
      case 'BecomeLeader':
      case 'AdvanceCommitIndex':
      case 'ConfirmReadIndex':
        this.happens(step);
        break;
      default:
        throw new Error(`there is no playing ${step.name}`);
    }
  }

  /** Whoever has survived has one leader again, whom all follow. */
  override letGo(): void {
    super.letGo();
    const unmet = leadershipProgress(this.cluster.machines.map(({ node }) => node!));
    if (unmet === undefined) return;
    this.judge(() => {
      throw new Violation(unmet.property, unmet.reason);
    });
  }

  protected release(): void {
    this.isByHand = false;
    for (const machine of this.cluster.machines) {
      machine.disk.faults.hung = false;
      this.unfreeze(machine);
    }
    for (const { to, envelope } of this.left) this.cluster.deliver(to, envelope);
  }

  /** Its election timer fires, as often as it takes. */
  private timeout(machine: Machine, step: RaftStep): void {
    let granted = this.left.length;
    this.timeGoesOn(machine, 'it does not stand for election', () => {
      for (; granted < this.left.length; granted++) this.grantPreVote(this.left[granted]!);
      return this.takes(step, 0);
    });
  }

  private grantPreVote({ from, to, message }: Sent): void {
    if (message.kind !== 'RequestVoteRequest' || !message.preVote) return;
    const { term } = message;
    const body = { kind: 'RequestVoteResponse', term, preVote: true, granted: true } as const;
    this.cluster.deliver(from, this.envelope(to, from, body));
  }

  /** All that its disk was given is durable. */
  private persist({ id, disk }: Machine): void {
    const number = this.handed.get(id) ?? 0;
    disk.faults.hung = false;
    this.comes('a durable batch', () => (this.durable.get(id) ?? 0) >= number);
    disk.faults.hung = true;
  }

  /** Its process ends, with the power, and another begins. */
  private recover(machine: Machine): void {
    machine.disk.powerLoss(0);
    this.cluster.crash(machine, false);
    this.ended(machine);
    machine.disk.faults.hung = false;
    this.cluster.start(machine);
    this.freeze(machine);
    this.comes('a process', () => machine.node?.status === 'running');
    introduce(this.cluster, machine);
    machine.disk.faults.hung = true;
  }

  /** Messages of that kind arrive, one after another, until the step shows. */
  private handle(
    step: RaftStep,
    kind: RaftMessage['kind'],
    meanwhile: () => boolean = () => false,
  ): void {
    const { node, sender } = step;
    const tried = new Set<Sent>();
    for (;;) {
      const next = this.left.find(
        (each) =>
          !tried.has(each) && isBetween(each, sender!, node, kind) && this.suits(each, step),
      );
      if (next !== undefined) {
        tried.add(next);
        const before = this.said.length;
        this.arrive(next);
        if (this.takes(step, before)) return;
      } else if (!meanwhile()) {
        if (tried.size === 0) throw new Refusal(`node ${sender} sends no such ${kind}`);
        throw new Refusal('the code does not do that');
      }
    }
  }

  private suits({ message }: Sent, { term, end }: RaftStep): boolean {
    if (message.term !== this.term(term!)) return false;
    if (message.kind === 'RequestVoteRequest') return !message.preVote;
    if (message.kind !== 'AppendEntriesRequest') return true;
    return message.prevIndex + message.entries.length === this.index(end!);
  }

  /** A leader of the code finds out where the logs agree before it sends more: whatever the two have to say, they say. */
  private catchUp({ node, sender }: RaftStep): boolean {
    const talk = (from: number, to: number, kind: RaftMessage['kind']): boolean => {
      const news = this.left.filter(
        (each) => !this.caughtUp.has(each) && isBetween(each, from, to, kind),
      );
      for (const each of news) {
        this.caughtUp.add(each);
        this.arrive(each);
      }
      return news.length > 0;
    };
    const asked = talk(sender!, node, 'AppendEntriesRequest');
    this.persist(this.cluster.machine(node));
    return talk(node, sender!, 'AppendEntriesResponse') || asked;
  }

  private arrive({ to, envelope }: Sent): void {
    this.cluster.deliver(to, envelope);
  }

  /** The leader is to do without a voter: as if that had fallen silent, and an operator had said that its disk is gone. */
  private remove(leader: Machine, voters: readonly number[]): void {
    const { raft } = leader.node!;
    const gone = raft!.membership.find(({ id }) => !voters.includes(id))!;
    raft!.proposeMembership({ kind: 'remove', id: gone.id });
    leader.node!.tick();
  }

  private envelope(from: NodeId, to: NodeId, body: Envelope['body']): Envelope {
    const { incarnation, boot } = this.cluster.machine(from).node!;
    const fromIncarnation = incarnation as Incarnation;
    const fromBoot = boot;
    const stamps = { fromBoot, fromLsn: 0, sentAtMs: 0 };
    return { from, fromIncarnation, ...stamps, to, toIncarnation: 0, body };
  }

  private happens(step: RaftStep): void {
    this.comes('the code does not do that', () => this.takes(step, 0));
  }

  /** Whether the step shows among what was said since then. */
  private takes(step: RaftStep, since: number): boolean {
    const at = this.said.findIndex((event, i) => i >= since && this.shows(event, step));
    if (at >= 0) this.said.splice(at, 1);
    return at >= 0;
  }

  /** Whether the event has all that the step has. */
  private shows(event: RaftEvent, step: RaftStep): boolean {
    const { state } = event;
    const is = (part: unknown, value: unknown): boolean => part === undefined || part === value;
    const index = (at: number | undefined): number | undefined =>
      at === undefined ? undefined : this.index(at);
    const { message, reply, matchIndex, members, from } = event as Partial<Everything>;
    const granted = reply === undefined ? message : reply;
    return (
      event.name === step.name &&
      event.node === step.node &&
      is(step.term === undefined ? undefined : this.term(step.term), state.term) &&
      is(step.sender, from) &&
      is(step.granted, granted !== undefined && 'granted' in granted && granted.granted) &&
      is(index(step.last), state.lastIndex) &&
      is(index(step.match), matchIndex) &&
      is(step.voters?.join(), members?.voters.map(({ id }) => id).join()) &&
      is(index(step.index), (event as Partial<Everything>).index) &&
      (event.name === 'AdvanceCommitIndex'
        ? state.commitIndex >= index(step.commit)!
        : is(index(step.commit), state.commitIndex))
    );
  }

  private isFree({ node, clock }: Machine): boolean {
    const { role, leaderContactMs } = node!.raft!;
    return role !== 'leader' && clock.monotonicMs() - leaderContactMs >= ELECTION_MS;
  }

  /** Until it is done the clock of one machine goes. */
  private timeGoesOn(machine: Machine, what: string, done: () => boolean): void {
    this.unfreeze(machine);
    this.comes(what, done);
    this.freeze(machine);
  }

  private freeze({ clock }: Machine): void {
    clock.setDrift(STANDING_STILL);
  }

  private unfreeze(machine: Machine): void {
    machine.clock.setDrift(0);
    // It may want to be woken sooner now.
    this.cluster.resume(machine);
  }

  private term(term: number): number {
    return this.firstTerm + term - 1;
  }

  private index(index: number): number {
    return this.firstIndex + index - 1;
  }

  private judge(check: () => void): void {
    try {
      check();
    } catch (error) {
      if (!(error instanceof Violation) || !this.overlooks(error.property)) throw error;
    }
  }

  // What the cluster tells its observer.

  traced(event: DataEvent): void {
    this.checker.emit(event);
  }

  raftTraced(event: RaftEvent): void {
    if (event.name === 'Recover') this.handed.delete(event.node);
    if (event.name === 'Recover') this.durable.delete(event.node);
    if (event.name === 'Persist') this.handed.set(event.node, event.number);
    if (event.name === 'PersistCompleted') this.durable.set(event.node, event.number);
    if (this.isByHand) this.said.push(event);
    this.judge(() => this.raftChecker.traced(event));
  }

  sent(from: NodeId, to: NodeId, { body }: Envelope): void {
    if (body.kind === 'RequestVoteResponse') {
      this.judge(() => this.raftChecker.sent(from, to, body));
    }
  }

  withholds(from: NodeId, to: NodeId, envelope: Envelope): boolean {
    if (!this.isByHand) return false;
    if (passes(this.cluster, to, envelope)) return true;
    const { body } = envelope;
    if (isOfRaft(body)) this.left.push({ from, to, envelope, message: body });
    return true;
  }

  afterInput(node: Node, envelope: Envelope | undefined): void {
    const body = envelope?.body;
    this.checker.afterInput(node, body !== undefined && 'records' in body ? body : undefined);
    const { raft } = node;
    if (raft !== undefined) this.judge(() => this.raftChecker.afterInput(node.id, raft));
  }

  replied(): void {}

  ended(machine: Machine): void {
    this.checker.crashed(machine.id);
    this.raftChecker.crashed(machine.id);
  }
}

/** It has the log of the leader, on its disk, and knows that all of it is committed. */
function isWhole({ id, node }: Machine, leader: Raft): boolean {
  const { lastIndex } = leader;
  return node!.raft!.commitIndex === lastIndex && leader.matchIndex(id) === lastIndex;
}

function isOfRaft(body: Message): body is RaftMessage {
  return RAFT.has(body.kind);
}

function isBetween(each: Sent, from: number, to: number, kind: RaftMessage['kind']): boolean {
  return each.from === from && each.to === to && each.message.kind === kind;
}

const OPTIONS: ClusterOptions = {
  nodes: 3,
  clockDrift: 0,
  network: CALM_NETWORK,
  disk: FAST_DISK,
  config: {
    replicationFactor: 3,
    maxSegmentEntries: 1000,
    monitorCheckMs: FOR_EVER_MS,
    leaseMs: FOR_EVER_MS,
    // A new life of a process is believed at once.
    failoverMs: 0,
    electionTimeoutMs: ELECTION_MS,
    heartbeatMs: 100,
    operationTimeoutMs: FOR_EVER_MS,
    snapshotEveryEntries: 1000,
    fileBytes: 65_536,
    batchBytes: 16_384,
    checkpointBytes: 65_536,
  },
  encode: undefined,
};

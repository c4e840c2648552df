/**
 * The machines of a simulated cluster: each has a clock, a disk that outlives its processes, and at most one process,
 * which is a real node. Everything that a node hears comes through here, so here is where it can be crashed, paused
 * and restarted, and where the checks look at it after each input.
 */
import { AssertionError } from '../impl/core/assert.ts';
import type { NodeWish, Operation, Reply } from '../impl/core/controller/operations.ts';
import type { WalrusError } from '../impl/core/errors.ts';
import type { Incarnation, NodeId } from '../impl/core/ids.ts';
import type { HostedRaftEvent } from '../impl/core/raft/trace.ts';
import type { DataEvent } from '../impl/core/trace.ts';
import type { NodeConfig } from '../impl/node/config.ts';
import type { Envelope } from '../impl/node/messages.ts';
import { Node } from '../impl/node/node.ts';
import type { NodePorts } from '../impl/node/ports.ts';
import type { Checksum } from '../impl/ports/disk.ts';
import type { Network } from '../impl/ports/network.ts';
import { Violation } from '../properties/violation.ts';
import { NodeClock, type VirtualTime } from './clock.ts';
import { type DiskLatency, SimDisk } from './disk.ts';
import { type NetworkOptions, SimNetwork } from './network.ts';
import type { Randomness } from './random.ts';
import { costMs, touchDisk, touchMessage } from './work.ts';

/** What every node is told, but for what differs from node to node. */
export type SharedConfig = Omit<
  NodeConfig,
  | 'id'
  | 'bootstrap'
  | 'foundAfterMs'
  | 'join'
  | 'replace'
  | 'raftAddress'
  | 'clientAddress'
  | keyof typeof USUAL
> &
  Partial<typeof USUAL>;

/** Unless something else is said. */
const USUAL = {
  scrubEveryMs: 1000,
  scrubBytesPerSecond: 0,
  cleanBytesPerSecond: 0,
  repairAfterMs: 600_000,
  repairBytesPerSecond: 1_000_000,
};

export interface ClusterOptions {
  readonly nodes: number;
  readonly config: SharedConfig;
  readonly network: NetworkOptions;
  readonly disk: DiskLatency;
  /** Clocks run up to so much too fast or too slow. */
  readonly clockDrift: number;
  /** Every message goes through its bytes, as it does between real machines. */
  readonly encode: ((envelope: Envelope) => Envelope) | undefined;
  /**
   * How many times slower each machine works than the one that `work.ts` speaks of. Absent: work takes no time.
   */
  readonly slowness?: number;
}

/** Who looks on. */
export interface ClusterObserver {
  /** A node does something that the specification has a name for. */
  traced(event: DataEvent): void;
  /** Likewise, of Raft's actions. Absent if nobody wants to know of them. */
  raftTraced?: ((event: HostedRaftEvent) => void) | undefined;
  /** A message leaves a node, whatever becomes of it. */
  sent(from: NodeId, to: NodeId, envelope: Envelope): void;
  /** Whether a message is kept off the network; whoever keeps it may `deliver` it later. */
  withholds?(from: NodeId, to: NodeId, envelope: Envelope): boolean;
  /** A node has handled an input; `message` is what it heard, if it was one. */
  afterInput(node: Node, message: Envelope | undefined): void;
  /** A node answers a client. */
  replied(operation: Operation, reply: Reply): void;
  /** The process of a node has ended by itself, for this reason if nobody asked it to. */
  ended(machine: Machine, reason: WalrusError | undefined): void;
}

interface Held {
  readonly act: (node: Node) => void;
  readonly message: Envelope | undefined;
}

/** Inputs that wait until the one before them is done, in their order. */
class Inbox {
  untilMs = 0;
  private waiting: Held[] = [];
  private taken = 0;

  get isEmpty(): boolean {
    return this.taken === this.waiting.length;
  }

  push(held: Held): void {
    // A timer that fires late fires once.
    if (held.act === TICK && this.waiting.at(-1)?.act === TICK && !this.isEmpty) return;
    this.waiting.push(held);
  }

  shift(): Held | undefined {
    if (this.isEmpty) {
      this.waiting = [];
      this.taken = 0;
      return undefined;
    }
    return this.waiting[this.taken++];
  }

  clear(): void {
    this.waiting = [];
    this.taken = 0;
    this.untilMs = 0;
  }
}

export class Machine {
  readonly id: NodeId;
  readonly disk: SimDisk;
  clock: NodeClock;
  /** The running process. */
  node: Node | undefined;
  /** Counts processes; what was meant for an earlier one is dropped. */
  life = 0;
  paused = false;
  /** Its disk is new: the operator says that the old one is gone for good. */
  replaced = false;
  /** Inputs that wait for the end of a pause. */
  readonly held: Held[] = [];
  readonly inbox: Inbox = new Inbox();
  /** How often it was moved to another address. */
  moves = 0;
  /** A second process under the number of another: nobody counts it as that one, and no check looks at it. */
  isDouble = false;
  /** The nodes that its process knows how to reach. */
  readonly located: Map<number, string> = new Map();
  /** Whoever waits for a reply of the present process. */
  open: Set<(reply: Reply | undefined) => void> = new Set();
  wakeAtMs: number = Infinity;
  /** Called when its process has asked something of the disk. */
  onDiskUse: (() => void) | undefined;

  constructor(id: NodeId, disk: SimDisk, clock: NodeClock) {
    this.id = id;
    this.disk = disk;
    this.clock = clock;
  }
}

export class Cluster {
  readonly machines: readonly Machine[];
  /** By where their links end. */
  private readonly doubles = new Map<number, Machine>();
  readonly network: SimNetwork<Envelope>;
  private readonly time: VirtualTime;
  private readonly randomness: Randomness;
  private readonly options: ClusterOptions;
  private readonly observer: ClusterObserver;
  private readonly checksum: Checksum;
  private renewedFilesOfTheDead = 0;

  constructor(
    options: ClusterOptions,
    time: VirtualTime,
    randomness: Randomness,
    checksum: Checksum,
    observer: ClusterObserver,
  ) {
    this.options = options;
    this.time = time;
    this.randomness = randomness;
    this.checksum = checksum;
    this.observer = observer;
    this.network = new SimNetwork<Envelope>(options.network, time, randomness, (_, to, envelope) =>
      this.deliver(to, envelope),
    );
    this.machines = Array.from({ length: options.nodes }, (_, i) => {
      return new Machine((i + 1) as NodeId, this.newDisk(i + 1), this.newClock(i + 1));
    });
  }

  get replicationFactor(): number {
    return this.options.config.replicationFactor;
  }

  get electionTimeoutMs(): number {
    return this.options.config.electionTimeoutMs;
  }

  /** How many of their files the nodes made of older ones. */
  get renewedFiles(): number {
    return this.machines.reduce(
      (sum, { node }) => sum + (node?.storage?.renewedFiles ?? 0),
      this.renewedFilesOfTheDead,
    );
  }

  /** By its number, or by where the links of a double end. */
  machine(id: number): Machine {
    return this.machines[id - 1] ?? this.doubles.get(id)!;
  }

  /**
   * Starts another process under the machine's number, on a disk of its own that holds `files`. With `replace` somebody says that
   * the machine's disk is gone. Undefined if there is such a process.
   */
  startDouble(
    { id }: Machine,
    files: ReadonlyMap<string, Uint8Array> = new Map(),
    replace = false,
  ): Machine | undefined {
    const link = DOUBLES + id;
    const double =
      this.doubles.get(link) ?? new Machine(id, this.newDisk(link), this.newClock(link));
    if (double.node !== undefined) return undefined;
    double.isDouble = true;
    double.replaced = replace;
    double.disk.restore(files);
    this.doubles.set(link, double);
    this.start(double);
    return double;
  }

  /** Ends the process of a double that has that disk, if there is one; returns the machine whose number it bears. */
  stopDouble(incarnation: Incarnation): Machine | undefined {
    const double = [...this.doubles.values()].find(({ node }) => node?.incarnation === incarnation);
    if (double === undefined) return undefined;
    this.crash(double, false);
    return this.machine(double.id);
  }

  /** Starts a new process on a machine that has none. */
  start(machine: Machine): void {
    machine.life++;
    machine.clock = this.newClock(linkOf(machine));
    machine.wakeAtMs = Infinity;
    const { life } = machine;
    const disk = machine.disk.start((completions) =>
      this.inputOfLife(machine, life, (node) => node.complete(completions), undefined),
    );
    const ports: NodePorts = {
      clock: {
        monotonicMs: () => machine.clock.monotonicMs(),
        wallMs: () => machine.clock.wallMs(),
      },
      random: this.randomness.stream(`node/${linkOf(machine)}/${life}`),
      network: this.networkOf(machine),
      disk,
      checksum: this.checksum,
      // As in production somebody listens, so what only tells is run, too.
      notice: () => {},
      ...(machine.isDouble ? {} : this.traces()),
    };
    machine.node = new Node(this.configOf(machine), ports);
    this.input(machine, (node) => node.start(), undefined);
  }

  /** Ends the process at once; with the power goes what the disk had not made durable. */
  crash(machine: Machine, power: boolean): void {
    if (power) machine.disk.powerLoss();
    else machine.disk.processCrash();
    this.end(machine);
  }

  /** Another, empty disk takes the place of the old one. */
  replaceDisk(machine: Machine): void {
    machine.disk.wipe();
    machine.replaced = true;
    this.end(machine);
  }

  /** Its process has made an empty disk of the one that it had. */
  diskEmptied(machine: Machine): void {
    machine.replaced = true;
    machine.disk.renew();
  }

  /** Asks the process to end in good order. */
  stop(machine: Machine): void {
    this.input(machine, (node) => node.stop(), undefined);
  }

  /** Time goes on and the process does not. */
  pause(machine: Machine): void {
    machine.paused = true;
  }

  resume(machine: Machine): void {
    machine.paused = false;
    const { life } = machine;
    for (const { act, message } of machine.held.splice(0)) {
      this.inputOfLife(machine, life, act, message);
    }
    if (machine.node !== undefined) this.armWake(machine);
  }

  /**
   * Hands an operation to a node; false if there is no process to take it. `answered` is called once: with the node's
   * reply, or with undefined if the process ends before it replies.
   */
  request(
    machine: Machine,
    operation: Operation,
    answered: (reply: Reply | undefined) => void,
  ): boolean {
    return this.requestAll(machine, [{ operation, answered }]);
  }

  /** Likewise, several at once. */
  requestAll(
    machine: Machine,
    asked: readonly {
      readonly operation: Operation;
      readonly answered: (reply: Reply | undefined) => void;
    }[],
  ): boolean {
    if (machine.node === undefined) return false;
    const { open } = machine;
    const requests = asked.map(({ operation, answered }) => {
      open.add(answered);
      const reply = (reply: Reply): void => {
        if (!open.delete(answered)) throw new Violation('OneReplyInv', 'a node replied twice');
        this.observer.replied(operation, reply);
        answered(reply);
      };
      return { operation, reply };
    });
    this.input(machine, (node) => node.request(requests), undefined);
    return true;
  }

  /** An operator asks a node for something; there may be no answer. */
  changeNode(machine: Machine, wish: NodeWish, answered: (reply: Reply) => void): void {
    this.input(machine, (node) => node.changeNode(wish, false, answered), undefined);
  }

  /** A message arrives. */
  deliver(to: number, envelope: Envelope): void {
    this.input(this.machine(to), (node) => node.receive(envelope), envelope);
  }

  private traces(): Pick<NodePorts, 'trace' | 'raftTrace'> {
    const { observer } = this;
    return {
      trace: { emit: (event) => observer.traced(event) },
      raftTrace: observer.raftTraced && { emit: (event) => observer.raftTraced!(event) },
    };
  }

  private networkOf(machine: Machine): Network<Envelope> {
    const { encode } = this.options;
    machine.located.clear();
    const send = (to: Machine, envelope: Envelope): void => {
      touchMessage(envelope.body);
      if (!machine.isDouble) {
        this.observer.sent(machine.id, to.id, envelope);
        if (this.observer.withholds?.(machine.id, to.id, envelope)) return;
      }
      const sent = encode === undefined ? envelope : encode(envelope);
      this.network.send(linkOf(machine), linkOf(to), sent);
    };
    const sendToAddress = (address: string, envelope: Envelope): void => {
      const isThere = (each: Machine): boolean => addressOf(each) === address;
      const to = this.machines.find(isThere) ?? [...this.doubles.values()].find(isThere);
      if (to !== undefined) send(to, envelope);
    };
    return {
      send: (to, envelope) => {
        const address = machine.located.get(to);
        if (address !== undefined) sendToAddress(address, envelope);
      },
      sendToAddress,
      locate: (node, address) => {
        machine.located.set(node, address);
      },
    };
  }

  private input(machine: Machine, act: (node: Node) => void, message: Envelope | undefined): void {
    this.inputOfLife(machine, machine.life, act, message);
  }

  private inputOfLife(
    machine: Machine,
    life: number,
    act: (node: Node) => void,
    message: Envelope | undefined,
    fromInbox = false,
  ): void {
    const { node } = machine;
    if (node === undefined || machine.life !== life) return;
    if (machine.paused) {
      machine.held.push({ act, message });
      return;
    }
    const { inbox } = machine;
    if (this.time.nowMs < inbox.untilMs || !(inbox.isEmpty || fromInbox)) {
      if (inbox.isEmpty) this.time.at(inbox.untilMs, () => this.takeFromInbox(machine, life));
      inbox.push({ act, message });
      return;
    }
    const { requests } = machine.disk;
    try {
      this.work(machine, () => act(node));
    } catch (error) {
      if (!(error instanceof AssertionError)) throw error;
      throw new Violation('NodeAssertion', `node ${machine.id}: ${error.message}`);
    }
    if (!machine.isDouble) this.observer.afterInput(node, message);
    if (machine.disk.requests !== requests) machine.onDiskUse?.();
    if (machine.node !== node) return;
    if (node.status === 'stopped') {
      machine.disk.processCrash();
      this.end(machine);
      if (!machine.isDouble) this.observer.ended(machine, node.failure);
      return;
    }
    this.armWake(machine);
  }

  /** Has the machine do it, and keeps it busy for as long as that takes. */
  private work(machine: Machine, act: () => void): void {
    const { slowness } = this.options;
    if (slowness === undefined) act();
    // In whole microseconds, so that the time may be reached exactly.
    else
      machine.inbox.untilMs = (this.time.nowUs + Math.ceil(1000 * slowness * costMs(act))) / 1000;
  }

  private takeFromInbox(machine: Machine, life: number): void {
    if (machine.life !== life) return;
    const { inbox } = machine;
    if (machine.paused) {
      for (let next = inbox.shift(); next !== undefined; next = inbox.shift()) {
        machine.held.push(next);
      }
      return;
    }
    const next = inbox.shift();
    if (next !== undefined) this.inputOfLife(machine, life, next.act, next.message, true);
    if (machine.life !== life || inbox.isEmpty) return;
    this.time.at(inbox.untilMs, () => this.takeFromInbox(machine, life));
  }

  private end(machine: Machine): void {
    this.renewedFilesOfTheDead += machine.node?.storage?.renewedFiles ?? 0;
    machine.node = undefined;
    machine.life++;
    machine.paused = false;
    machine.held.length = 0;
    machine.inbox.clear();
    const open = [...machine.open];
    machine.open = new Set();
    for (const answered of open) answered(undefined);
  }

  /** Sees to it that the node is woken when it asked to be. */
  private armWake(machine: Machine): void {
    const deadlineMs = machine.node!.deadlineMs();
    if (deadlineMs === Infinity) return;
    const wakeAtMs = Math.max(machine.clock.virtualMsOf(deadlineMs), this.time.nowMs + 0.001);
    if (wakeAtMs >= machine.wakeAtMs) return;
    machine.wakeAtMs = wakeAtMs;
    const { life } = machine;
    this.time.at(wakeAtMs, () => {
      if (machine.life !== life || machine.wakeAtMs !== wakeAtMs) return;
      machine.wakeAtMs = Infinity;
      if (machine.paused) return;
      if (machine.clock.monotonicMs() < machine.node!.deadlineMs()) this.armWake(machine);
      else this.inputOfLife(machine, life, TICK, undefined);
    });
  }

  private newDisk(id: number): SimDisk {
    const { time } = this;
    return new SimDisk({
      random: this.randomness.stream(`disk/${id}`),
      schedule: (delayMs, task) => time.after(delayMs, task),
      latency: this.options.disk,
      onRequest: touchDisk,
    });
  }

  private newClock(id: number): NodeClock {
    const random = this.randomness.stream(`clock/${id}`);
    const { clockDrift } = this.options;
    const drift = random.between(-clockDrift, clockDrift);
    return new NodeClock(this.time, random.between(0, 1e6), drift, random.between(1.7e12, 1.8e12));
  }

  private configOf(machine: Machine): NodeConfig {
    const others = this.machines.filter((each) => each.id !== machine.id);
    // As the command line has it: the first node is told of no others, and founds.
    const isFirst = machine.id === 1 && machine.moves === 0 && !machine.isDouble;
    return {
      ...USUAL,
      ...this.options.config,
      id: machine.id,
      bootstrap: isFirst && !machine.replaced,
      foundAfterMs: machine.life === 1 ? 0 : LISTEN_MS,
      join: isFirst ? [] : others.map(addressOf),
      replace: machine.replaced,
      raftAddress: addressOf(machine),
      clientAddress: `node-${machine.id}:client`,
    };
  }
}

/** So long a founder listens, but for the first time: then there is nobody. */
export const LISTEN_MS = 3000;

const TICK = (node: Node): void => node.tick();

/** Links of doubles end above it. */
const DOUBLES = 100;

/** Its process founds a cluster where its disk is empty. */
export function isFounder({ id, disk, isDouble }: Machine): boolean {
  return id === 1 && !disk.isRenewed && !isDouble;
}

function linkOf({ id, isDouble }: Machine): number {
  return isDouble ? DOUBLES + id : id;
}

function addressOf({ id, moves, isDouble }: Machine): string {
  if (isDouble) return `node-${id}:double`;
  return moves === 0 ? raftAddress(id) : `node-${id}:moved-${moves}`;
}

export function raftAddress(id: number): string {
  return `node-${id}:raft`;
}

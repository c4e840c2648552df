/**
 * Brings each client operation to the node that can do it, and its answer back. An operation is handed on at most
 * once at a time, and tried again only if it is known to have had no effect. Every operation is
 * answered exactly once, at the latest when its time is up.
 *
 * It does not decide who owns what (metadata) nor move records (segment).
 */
import { ERRORS, type ErrorCode, WalrusError } from '../errors.ts';
import type { BootId, Epoch, NodeId, Offset } from '../ids.ts';
import type { ClusterState, SegmentRecord } from '../metadata/cluster-state.ts';
import type { Origin } from '../metadata/commands.ts';
import type { Proposals } from '../metadata/proposals.ts';
import type { DataPlane } from '../segment/data-plane.ts';
import { MESSAGE_LIMIT } from '../segment/ports.ts';
import type { Writer } from '../segment/writer.ts';
import type { Tracer } from '../tracer.ts';
import { Deliveries } from './deliveries.ts';
import { errorReply, type Operation, type Reply } from './operations.ts';

export interface ControllerPorts {
  readonly node: NodeId;
  readonly boot: BootId;
  readonly trace: Tracer | undefined;
  readonly operationTimeoutMs: number;
  cluster(): ClusterState;
  nowMs(): number;
  leaseValid(): boolean;
  live(node: NodeId): boolean;
  /** The Raft leader; 0 if none is known. */
  leader(): NodeId | 0;
  /** Calls `done` once: with true when `cluster()` is surely current, with false if this node does not lead Raft. */
  confirm(done: (confirmed: boolean) => void): void;
  /** Who is to own and to hold a new topic. */
  placeTopic(topic: string): { readonly owner: NodeId; readonly replicas: readonly NodeId[] };
  /** Each time that an operation is handed on has its own `request`; `call` is the operation's, whichever time it is. */
  forward(to: NodeId, request: number, call: number, operation: Operation): void;
}

type Answer = (reply: Reply) => void;

/** Pause before an operation that had no effect is tried again, if nothing changes before. */
const RETRY_MS = 50;
/** How long an answer may still come from a node after it lost the segment. */
const GRACE_MS = 300;
/** Operations that may be under way at one node. */
const PENDING_MAX = 65_536;

/** An operation of a client of this node, until it is answered. */
interface Pending {
  readonly operation: Operation;
  readonly call: number;
  readonly answer: Answer;
  /** Answered with `Timeout` then, or with what was last heard. */
  deadlineMs: number;
  last: Reply;
  /** The node that it was handed to, and the grant that made that the right one; no grant if the topic was unknown here. */
  forwardedTo: NodeId | undefined;
  forwardedUnder: Epoch | undefined;
  /** Nothing more that is heard of it goes to the client. */
  answered: boolean;
}

export class Controller {
  private readonly ports: ControllerPorts;
  private readonly dataPlane: DataPlane;
  private readonly proposals: Proposals;
  private readonly deliveries: Deliveries;
  /** Everything that is not answered yet. */
  private readonly underWay = new Set<Pending>();
  /** Handed to another node, by request id. */
  private readonly forwarded = new Map<number, Pending>();
  /** Without effect so far; waiting for the topic to change or for a while. In order of arrival. */
  private readonly parked = new Map<string, Pending[]>();
  private nextCall = 1;
  private nextRequest = 1;
  private retryAtMs = Infinity;
  private expireAtMs = Infinity;

  constructor(ports: ControllerPorts, dataPlane: DataPlane, proposals: Proposals) {
    this.ports = ports;
    this.dataPlane = dataPlane;
    this.proposals = proposals;
    this.deliveries = new Deliveries({
      trace: ports.trace,
      cluster: () => ports.cluster(),
      read: (topic, offset, records, done) => this.readForDelivery(topic, offset, records, done),
      pursue: (command, done) =>
        proposals.pursue(command, ports.nowMs() + ports.operationTimeoutMs, done),
    });
  }

  /** Does what a client of this node asks. `answer` is called once. */
  request(operation: Operation, answer: Answer): void {
    if (this.underWay.size >= PENDING_MAX) {
      answer(errorReply('Overloaded', `${PENDING_MAX} operations are under way`));
      return;
    }
    const deadlineMs = this.ports.nowMs() + this.ports.operationTimeoutMs;
    const last = errorReply('Timeout', 'no answer in time');
    const pending: Pending = {
      operation,
      call: this.nextCall++,
      answer,
      deadlineMs,
      last,
      forwardedTo: undefined,
      forwardedUnder: undefined,
      answered: false,
    };
    this.underWay.add(pending);
    this.expireAtMs = Math.min(this.expireAtMs, deadlineMs);
    if (this.parked.has(operation.topic)) this.park(pending);
    else this.attempt(pending);
  }

  /** Does what another node's client asks, which is `origin`'s call, if it can be done here and nowhere else. */
  serve(operation: Operation, origin: Origin, answer: Answer): void {
    if (operation.kind === 'register') {
      answer(errorReply('InvalidArgument', 'a registration goes through the log'));
      return;
    }
    const segment = this.segmentFor(operation);
    if (segment === undefined) this.confirmUnknown(operation, answer);
    else this.execute(operation, origin, segment, answer);
  }

  /** The answer of the node that an operation was handed to. */
  handleForwardReply(request: number, reply: Reply): void {
    const pending = this.forwarded.get(request);
    if (pending === undefined) return;
    this.forwarded.delete(request);
    pending.forwardedUnder = undefined;
    this.settle(pending, reply);
  }

  /** The metadata of a topic has changed: what waits for that is tried again. */
  topicChanged(topic: string): void {
    const { epoch } = this.ports.cluster().currentSegment(topic)!;
    const graceEndMs = this.ports.nowMs() + GRACE_MS;
    for (const pending of this.forwarded.values()) {
      const { operation, forwardedUnder } = pending;
      if (operation.topic !== topic || forwardedUnder === undefined) continue;
      if (forwardedUnder === epoch) continue;
      pending.deadlineMs = Math.min(pending.deadlineMs, graceEndMs);
      this.expireAtMs = Math.min(this.expireAtMs, pending.deadlineMs);
    }
    this.retry(topic);
  }

  /** What was only asked of a node that fell silent is asked of another. Anything else may have been done. */
  retrySilentReads(): void {
    for (const [request, pending] of [...this.forwarded]) {
      const { operation, forwardedTo, forwardedUnder } = pending;
      const isRead = operation.kind === 'fetch' || forwardedUnder === undefined;
      if (!isRead || this.ports.live(forwardedTo!)) continue;
      this.forwarded.delete(request);
      this.settle(pending, this.refusal('Unavailable', operation.topic));
    }
  }

  tick(nowMs: number): void {
    if (nowMs >= this.retryAtMs) {
      this.retryAtMs = Infinity;
      for (const topic of [...this.parked.keys()]) this.retry(topic);
    }
    if (nowMs >= this.expireAtMs) this.expire(nowMs);
  }

  deadlineMs(): number {
    return Math.min(this.retryAtMs, this.expireAtMs);
  }

  private attempt(pending: Pending): void {
    const { operation } = pending;
    const settle = (reply: Reply): void => this.settle(pending, reply);
    if (operation.kind === 'register') {
      this.register(operation.topic, settle);
      return;
    }
    const segment = this.segmentFor(operation);
    if (segment === undefined) {
      const leader = this.ports.leader();
      const isOther = leader !== 0 && leader !== this.ports.node;
      // Until its life is registered nothing can be handed to it.
      if (isOther && this.ports.cluster().node(leader) !== undefined) {
        this.forward(pending, leader, undefined);
      } else {
        this.confirmUnknown(operation, settle);
      }
      return;
    }
    const target = this.targetOf(operation, segment);
    if (target === this.ports.node) {
      const { node, boot } = this.ports;
      this.execute(operation, { node, boot, sequence: pending.call }, segment, settle);
      return;
    }
    if (operation.kind !== 'fetch' && this.ports.cluster().node(target)?.boot !== segment.boot) {
      // The grant was made to a life of the owner that is over: another one is on its way.
      settle(this.refusal('NotOwner', operation.topic));
      return;
    }
    this.forward(pending, target, this.ports.cluster().currentSegment(operation.topic)!.epoch);
  }

  private forward(pending: Pending, to: NodeId, under: Epoch | undefined): void {
    const request = this.nextRequest++;
    pending.forwardedTo = to;
    pending.forwardedUnder = under;
    this.forwarded.set(request, pending);
    this.ports.forward(to, request, pending.call, pending.operation);
  }

  /**
   * A topic that is unknown here may have been created elsewhere: only a Raft leader that is current can say that it
   * does not exist.
   */
  private confirmUnknown(operation: Operation, answer: Answer): void {
    const { topic } = operation;
    this.ports.confirm((confirmed) => {
      if (!confirmed)
        answer(errorReply('NoLeader', `nobody can say whether there is a topic ${topic}`));
      else if (this.segmentFor(operation) !== undefined) answer(this.refusal('NotOwner', topic));
      else answer(errorReply('UnknownTopic', `unknown topic ${topic}`));
    });
  }

  /** The segment that the operation is about; undefined if the topic is unknown here. */
  private segmentFor(operation: Operation): SegmentRecord | undefined {
    return operation.kind === 'fetch'
      ? this.ports.cluster().segmentAt(operation.topic, operation.offset)
      : this.ports.cluster().currentSegment(operation.topic);
  }

  /** The node that can do it: the owner, or any replica for a record that may surely be read there. */
  private targetOf(operation: Operation, segment: SegmentRecord): NodeId {
    if (operation.kind !== 'fetch') return segment.owner;
    const index = operation.offset - segment.baseOffset;
    if (index < this.dataPlane.readableEnd(operation.topic, segment.id)) return this.ports.node;
    if (segment.state !== 'sealed') return segment.owner;
    const others = segment.replicas.filter(({ node }) => node !== this.ports.node);
    const live = others.filter(({ node }) => this.ports.live(node));
    const choice = live.length > 0 ? live : others;
    return choice[this.nextRequest % choice.length]?.node ?? this.ports.node;
  }

  private execute(
    operation: Operation,
    origin: Origin,
    segment: SegmentRecord,
    answer: Answer,
  ): void {
    switch (operation.kind) {
      case 'put':
        return this.put(operation.topic, operation.record, origin, answer);
      case 'get': {
        const refusal = this.notServing(operation.topic, segment);
        if (refusal !== undefined) return answer(refusal);
        return this.deliveries.get(operation.topic, operation.group, answer);
      }
      case 'fetch':
        return this.fetch(operation.topic, operation.offset, segment, answer);
      case 'register':
        return this.register(operation.topic, answer);
    }
  }

  private register(topic: string, answer: Answer): void {
    if (this.ports.cluster().topic(topic) !== undefined) {
      answer({ kind: 'registered' });
      return;
    }
    const { owner, replicas } = this.ports.placeTopic(topic);
    const deadlineMs = this.ports.nowMs() + this.ports.operationTimeoutMs;
    this.proposals.pursue(
      { kind: 'CreateTopic', topic, owner, replicas },
      deadlineMs,
      (outcome) => {
        if (outcome === 'unknown') {
          answer(errorReply('Timeout', 'no raft leader known for metadata proposal after retries'));
        } else if (outcome.applied || outcome.reason === 'Exists') {
          answer({ kind: 'registered' });
        } else {
          answer(errorReply('Unavailable', 'a node that should hold the topic is not registered'));
        }
      },
    );
  }

  private put(topic: string, record: Uint8Array, origin: Origin, answer: Answer): void {
    const writer = this.dataPlane.owner.writer(topic);
    const taken = this.dataPlane.owner.appendRecord(topic, record, origin, (outcome) => {
      const name = `t_${topic}_s_${writer!.segment.id}`;
      if (outcome === 'lost') answer(errorReply('Fenced', `lost with its owner: ${name}`));
      else if (outcome === 'unknown') answer(errorReply('OutcomeUnknown', `handed over: ${name}`));
      else answer(this.acknowledgeRecord(writer!, taken as number));
    });
    if (typeof taken === 'string') answer(this.refusal(taken, topic));
  }

  /** @spec DistributedLog!AcknowledgeRecord */
  private acknowledgeRecord(writer: Writer, index: number): Reply {
    this.ports.trace?.acknowledgeRecord(writer, index);
    const { segment, epoch } = writer;
    const offset = (segment.baseOffset + index) as Offset;
    return { kind: 'appended', segment: segment.id, epoch, offset };
  }

  private fetch(topic: string, offset: Offset, segment: SegmentRecord, answer: Answer): void {
    const index = offset - segment.baseOffset;
    const readable = this.dataPlane.readableEnd(topic, segment.id);
    if (index >= readable) {
      if (segment.state === 'sealed') answer(this.refusal('Unavailable', topic));
      else answer(this.notServing(topic, segment) ?? { kind: 'empty' });
      return;
    }
    this.dataPlane.read(
      topic,
      segment,
      index,
      { ...MESSAGE_LIMIT, records: 1 },
      (error, records) => {
        if (error !== undefined) answer(errorReply(error.code, error.message));
        else answer(this.readRecord(topic, offset, records[0]!));
      },
    );
  }

  /** @spec DistributedLog!ReadRecord */
  private readRecord(topic: string, offset: Offset, record: Uint8Array): Reply {
    this.ports.trace?.readRecord(topic, offset);
    return { kind: 'record', offset, record };
  }

  /** Why this node cannot say what the end of the topic is; undefined if it can. */
  private notServing(topic: string, segment: SegmentRecord): Reply | undefined {
    if (segment.state === 'fenced') return this.refusal('SegmentSealing', topic);
    const writer = this.dataPlane.owner.writer(topic);
    if (writer === undefined || writer.epoch !== segment.epoch)
      return this.refusal('NotOwner', topic);
    return this.ports.leaseValid() ? undefined : this.refusal('LeaseExpired', topic);
  }

  private readForDelivery(
    topic: string,
    offset: Offset,
    records: number,
    done: (error: WalrusError | undefined, records: readonly Uint8Array[]) => void,
  ): void {
    const segment = this.ports.cluster().segmentAt(topic, offset)!;
    const index = offset - segment.baseOffset;
    const readable = this.dataPlane.readableEnd(topic, segment.id);
    if (index < readable || segment.state !== 'sealed') {
      this.dataPlane.read(topic, segment, index, { ...MESSAGE_LIMIT, records }, done);
      return;
    }
    // This node owns the topic's end but holds no copy of this older part: another replica reads it.
    const answer = (reply: Reply): void => {
      if (reply.kind === 'record') done(undefined, [reply.record]);
      else if (reply.kind === 'error') done(asError(reply), []);
      else done(undefined, []);
    };
    this.request({ kind: 'fetch', topic, offset }, answer);
  }

  private refusal(code: ErrorCode, topic: string): Reply {
    const id = this.ports.cluster().currentSegment(topic)?.id ?? 0;
    const why = code === 'NoSpace' ? `node ${this.ports.node} is full` : 'NotLeaderForPartition';
    return errorReply(code, `${why}: t_${topic}_s_${id}`);
  }

  /** Passes an answer on, or keeps the operation if nothing has happened and there is still time. */
  private settle(pending: Pending, reply: Reply): void {
    if (pending.answered) return;
    if (reply.kind === 'error') {
      const { retriable, committed } = ERRORS[reply.code];
      if (retriable && committed === 'no' && this.ports.nowMs() < pending.deadlineMs) {
        pending.last = reply;
        this.park(pending);
        return;
      }
    }
    pending.answered = true;
    this.underWay.delete(pending);
    pending.answer(reply);
  }

  private park(pending: Pending): void {
    const { topic } = pending.operation;
    const queue = this.parked.get(topic);
    if (queue === undefined) this.parked.set(topic, [pending]);
    else queue.push(pending);
    this.retryAtMs = Math.min(this.retryAtMs, this.ports.nowMs() + RETRY_MS);
  }

  private retry(topic: string): void {
    const queue = this.parked.get(topic);
    if (queue === undefined) return;
    this.parked.delete(topic);
    for (const pending of queue) this.attempt(pending);
  }

  /** Answers what has had its time: with what was last heard if it had no effect so far, else with `Timeout`. */
  private expire(nowMs: number): void {
    for (const [topic, queue] of [...this.parked]) {
      const waiting = queue.filter((pending) => nowMs < pending.deadlineMs);
      if (waiting.length === queue.length) continue;
      if (waiting.length === 0) this.parked.delete(topic);
      else this.parked.set(topic, waiting);
      for (const pending of queue) {
        if (nowMs >= pending.deadlineMs) this.settle(pending, pending.last);
      }
    }
    for (const [request, pending] of [...this.forwarded]) {
      if (nowMs >= pending.deadlineMs) this.forwarded.delete(request);
    }
    this.expireAtMs = Infinity;
    for (const pending of [...this.underWay]) {
      if (nowMs >= pending.deadlineMs) {
        this.settle(pending, errorReply('Timeout', 'RPC error: Request timeout'));
      } else {
        this.expireAtMs = Math.min(this.expireAtMs, pending.deadlineMs);
      }
    }
  }
}

function asError(reply: Extract<Reply, { kind: 'error' }>): WalrusError {
  return new WalrusError(reply.code, reply.message);
}

/**
 * Brings each client operation to the node that can do it, and its answer back. Every operation is answered exactly once, at
 * the latest when its time is up. What has an effect goes through `lines.ts` and, at the node that does it, `intake.ts`: it is
 * done at most once. What is a mere question is asked until it is answered.
 *
 * It does not decide who owns what (metadata) nor move records (segment).
 */
import { type ErrorCode, WalrusError } from '../errors.ts';
import type { BootId, Incarnation, NodeId, Offset, TopicId } from '../ids.ts';
import type { ClusterState, TopicRecord } from '../metadata/cluster-state.ts';
import type { Command, Origin } from '../metadata/commands.ts';
import { NO_POLICY } from '../metadata/policy.ts';
import type { Proposals } from '../metadata/proposals.ts';
import { BATCH_LIMIT, batchFault } from '../record.ts';
import type { DataPlane } from '../segment/data-plane.ts';
import { MESSAGE_LIMIT } from '../segment/ports.ts';
import type { Settle, Writer } from '../segment/writer.ts';
import type { Tracer } from '../tracer.ts';
import { Confirmations } from './confirmations.ts';
import { DelayQueue } from './delay-queue.ts';
import { Deliveries } from './deliveries.ts';
import { Intake, type Sender } from './intake.ts';
import type { Call } from './line.ts';
import { Lines } from './lines.ts';
import { LongPolls } from './long-polls.ts';
import type { ControllerMessage } from './messages.ts';
import {
  type Delete,
  type Effect,
  type ErrorReply,
  errorReply,
  type Fetch,
  isRefusal,
  type NodeWish,
  type Operation,
  type Question,
  type Register,
  type Reply,
  type SetPolicy,
  type Trim,
  type Work,
} from './operations.ts';
import { Questions } from './questions.ts';

export interface ControllerPorts {
  readonly node: NodeId;
  readonly boot: BootId;
  readonly trace: Tracer | undefined;
  readonly operationTimeoutMs: number;
  cluster(): ClusterState;
  nowMs(): number;
  leaseValid(): boolean;
  live(node: NodeId): boolean;
  /** Whether that process has said that it is about to stop; maybe it has. */
  isLeaving(node: NodeId, boot: BootId): boolean;
  /** The Raft leader; 0 if none is known. */
  leader(): NodeId | 0;
  /** Calls `done` once: with true when `cluster()` is surely current, with false if this node does not lead Raft. */
  confirm(done: (confirmed: boolean) => void): void;
  /** Whether what an operator wants of a node can be done. Asked only of a Raft leader that is current. */
  judge(wish: NodeWish): Reply;
  /** Who is to own and to hold a new topic. */
  placeTopic(name: string): { readonly owner: NodeId; readonly replicas: readonly NodeId[] };
  /**
   * A time on the clock of that process that comes no later than `timeMs` does on this node's; undefined as long as it was
   * not heard.
   */
  timeAt(node: NodeId, boot: BootId, timeMs: number): number | undefined;
  /** May be lost. `incarnation` is that of the disk it is meant for, 0 if that is not known. */
  send(to: NodeId, incarnation: Incarnation | 0, message: ControllerMessage): void;
}

type Answer = (reply: Reply) => void;

/** Of a client, by the topic's name; or of this node, by its id. */
type Reading = Fetch | Reach;
type Reach = Extract<Question, { kind: 'fetch' }>;
/** What may be tried as often as one likes until it is answered. */
type Asked = Reading | Register | SetPolicy | Delete | Trim;

/** Pause before a question that got no answer that helps is asked again. */
const ASK_AGAIN_MS = 50;
/** Another node is asked to wait no longer at a time: it has to answer before it is taken for silent. */
const WAIT_MS = 500;
/** Operations that may be under way at one node. */
const PENDING_MAX = 65_536;
/** And the bytes of their records. */
const PENDING_BYTES_MAX: number = 64 * 1024 * 1024;
const BATCH_RULE: string = `a batch has 1 to ${BATCH_LIMIT.records} records, ${BATCH_LIMIT.bytes} bytes at most`;

export class Controller {
  private readonly ports: ControllerPorts;
  private readonly dataPlane: DataPlane;
  private readonly proposals: Proposals;
  private readonly deliveries: Deliveries;
  private readonly lines: Lines;
  private readonly intake: Intake;
  private readonly questions = new Questions();
  private readonly confirmations: Confirmations;
  private readonly longPolls = new LongPolls();
  /** Everything that is not answered yet; answered with `Timeout`, or what was last heard, when it is due. */
  private readonly underWay: DelayQueue<Call>;
  private underWayBytes = 0;
  /** Was asked in vain so far. */
  private readonly askAgain = new DelayQueue<Call<Asked>>(ASK_AGAIN_MS);
  /** Wait for a topic to end. */
  private readonly deleting = new Map<TopicId, Call<Delete>[]>();
  private nextCall = 1;
  private nextPeer = 0;

  constructor(ports: ControllerPorts, dataPlane: DataPlane, proposals: Proposals) {
    this.ports = ports;
    this.dataPlane = dataPlane;
    this.proposals = proposals;
    this.underWay = new DelayQueue(ports.operationTimeoutMs);
    const cluster = (): ClusterState => ports.cluster();
    const nowMs = (): number => ports.nowMs();
    this.deliveries = new Deliveries({
      trace: ports.trace,
      cluster,
      read: (topic, offset, records, done) => this.readForDelivery(topic, offset, records, done),
      confirmEnd: (topic, done) => this.confirmEnd(topic, done),
      pursue: (command, done) =>
        proposals.pursue(command, nowMs() + ports.operationTimeoutMs, done),
    });
    this.lines = new Lines({
      node: ports.node,
      boot: ports.boot,
      operationTimeoutMs: ports.operationTimeoutMs,
      cluster,
      nowMs,
      live: (node) => ports.live(node),
      isLeaving: (node, boot) => ports.isLeaving(node, boot),
      timeAt: (node, boot, timeMs) => ports.timeAt(node, boot, timeMs),
      send: (to, message) => ports.send(to, cluster().node(to)?.incarnation ?? 0, message),
      execute: (topic, work, origin, answer) => this.execute(topic, work, origin, answer),
      lookUp: (topic, answer) => this.lookUp(topic, answer),
      refusal: (code, topic) => this.refusal(code, topic),
      finish: (call, reply) => this.finish(call, reply),
    });
    this.confirmations = new Confirmations({
      ask: ({ node, incarnation }, question, done) =>
        this.askDisk(node, incarnation, question, done),
    });
    this.intake = new Intake({
      operationTimeoutMs: ports.operationTimeoutMs,
      cluster,
      nowMs,
      send: ({ node, incarnation }, message) => ports.send(node, incarnation, message),
      execute: (topic, work, origin, answer) => this.execute(topic, work, origin, answer),
    });
  }

  /** Does what a client of this node asks. `answer` is called once. */
  request(operation: Operation, answer: Answer): void {
    const fault = operation.kind === 'put' ? batchFault(operation.records) : undefined;
    if (fault !== undefined) {
      answer(errorReply(fault, BATCH_RULE));
      return;
    }
    if (this.underWay.size >= PENDING_MAX || this.underWayBytes >= PENDING_BYTES_MAX) {
      answer(errorReply('Overloaded', `${this.underWay.size} operations are under way`));
      return;
    }
    switch (operation.kind) {
      case 'register':
      case 'set':
      case 'delete':
      case 'trim':
      case 'fetch':
        this.attempt(this.begin(operation, answer));
        break;
      case 'put':
      case 'get':
        this.lines.add(this.begin<Effect>(operation, answer));
        break;
    }
  }

  /**
   * Has the Raft leader say whether nothing is lost by what an operator wants of a node, and then proposes it, unless it is `dryRun`
   * or a mere question. `answer` is called once: `granted` when the metadata says so here; else an error, by name `WouldLose`,
   * `UnknownNode`, `NoLeader`, or `Timeout` if nobody knows what became of it.
   */
  changeNode(wish: NodeWish, dryRun: boolean, answer: Answer): void {
    const question = { kind: 'wish', ...wish } as const;
    const decided = (reply: Reply): void => {
      if (reply.kind !== 'granted' || dryRun || wish.wish === 'stop') answer(reply);
      else this.proposeChange(wish, answer);
    };
    const leader = this.ports.leader();
    if (leader === 0 || leader === this.ports.node) this.answerQuestion(question, decided);
    else this.ask(leader, question, decided);
  }

  private proposeChange({ node, wish }: NodeWish, answer: Answer): void {
    const { incarnation } = this.ports.cluster().node(node)!;
    const command: Command =
      wish === 'remove'
        ? { kind: 'RemoveNode', node, incarnation }
        : { kind: 'DrainNode', node, incarnation, isDraining: wish === 'drain' };
    const deadlineMs = this.ports.nowMs() + this.ports.operationTimeoutMs;
    this.proposals.pursue(command, deadlineMs, (outcome) => {
      if (outcome === 'unknown') answer(errorReply('Timeout', 'nobody knows what became of it'));
      else if (outcome.applied || outcome.reason === 'Stale') answer({ kind: 'granted' });
      else if (outcome.reason === 'LastCopy') {
        answer(errorReply('WouldLose', `node ${node} has become the last to hold something`));
      } else answer(errorReply('UnknownNode', `no node ${node} is registered`));
    });
  }

  /** What another node's controller says. */
  handle(sender: Sender, message: ControllerMessage): void {
    if ('toBoot' in message && message.toBoot !== this.ports.boot) return;
    switch (message.kind) {
      case 'Forward':
        return this.intake.handleForward(sender, message);
      case 'ForwardReply':
        return this.lines.handleForwardReply(sender.node, message);
      case 'ForwardsTaken':
        return this.lines.handleForwardsTaken(sender.node, message);
      case 'Ask': {
        const { request, question } = message;
        return this.answerQuestion(question, (reply) => {
          const kind = 'Answer';
          const answer = { kind, toBoot: sender.boot, request, reply } as const;
          this.ports.send(sender.node, sender.incarnation, answer);
        });
      }
      case 'Answer':
        return this.questions.handleAnswer(message.request, message.reply);
    }
  }

  /** The metadata of a topic has changed, or it is no more: what waits for that is tried again. */
  topicChanged(topic: Pick<TopicRecord, 'id' | 'name'>): void {
    this.longPolls.wake(topic.id);
    this.intake.topicChanged(topic.id);
    this.lines.topicChanged(topic);
    if (this.ports.cluster().topic(topic.id) !== undefined) return;
    const deleting = this.deleting.get(topic.id) ?? [];
    this.deleting.delete(topic.id);
    for (const call of deleting) this.finish(call, { kind: 'deleted' });
  }

  /** More may be read of a topic that this node owns. */
  advanced(topic: TopicId): void {
    this.longPolls.wake(topic);
  }

  tick(nowMs: number): void {
    for (const call of this.underWay.take(nowMs)) this.expire(call);
    this.intake.tick(nowMs);
    this.lines.tick(nowMs);
    this.questions.tick(nowMs);
    this.longPolls.tick(nowMs);
    for (const call of this.askAgain.take(nowMs)) this.attempt(call);
  }

  deadlineMs(): number {
    return Math.min(
      this.underWay.deadlineMs(),
      this.intake.deadlineMs(),
      this.lines.deadlineMs(),
      this.questions.deadlineMs(),
      this.longPolls.deadlineMs(),
      this.askAgain.deadlineMs(),
    );
  }

  /** Whether nothing is under way, of this node's clients or of others', and nothing was handed to it since. */
  isQuietSince(sinceMs: number): boolean {
    const { underWay, heardMs } = this.intake;
    return this.underWay.size + underWay === 0 && heardMs <= sinceMs;
  }

  /** The time of everything that is under way is up: this node takes part no more. */
  abandon(): void {
    for (const call of this.underWay.take(Infinity)) this.expire(call);
  }

  private begin<Of extends Operation | Question>(operation: Of, answer: Answer): Call<Of> {
    const nowMs = this.ports.nowMs();
    const call: Call<Of> = {
      operation,
      number: this.nextCall++,
      deadlineMs: nowMs + this.ports.operationTimeoutMs,
      answer,
      last: undefined,
      answered: false,
      lane: undefined,
    };
    this.underWay.push(call as Call, nowMs);
    this.underWayBytes += bytesOf(operation);
    return call;
  }

  private finish(call: Call, reply: Reply): void {
    if (call.answered) return;
    call.answered = true;
    this.underWay.delete(call);
    this.underWayBytes -= bytesOf(call.operation);
    call.answer(reply);
  }

  private expire(call: Call): void {
    // When one is answered, others that are due with it may be, too.
    if (call.answered) return;
    const { operation } = call;
    if (operation.kind === 'put' || operation.kind === 'get') {
      this.lines.expire(call as Call<Effect>);
    } else {
      this.finish(call, call.last ?? errorReply('Timeout', 'RPC error: Request timeout'));
    }
  }

  // ---- what is tried until it is answered

  private attempt(call: Call<Asked>): void {
    if (call.answered) return;
    const { operation } = call;
    const settle = (reply: Reply): void => {
      if (call.answered) return;
      if (!isRefusal(reply)) {
        this.finish(call as Call, reply);
        return;
      }
      call.last = reply;
      this.askAgain.push(call, this.ports.nowMs());
    };
    switch (operation.kind) {
      case 'register':
        return this.register(call as Call<Register>, settle);
      case 'set':
        return this.setPolicy(call as Call<SetPolicy>, settle);
      case 'delete':
        return this.delete(call as Call<Delete>, settle);
      case 'trim':
        return this.trim(call as Call<Trim>, settle);
      case 'fetch': {
        // Nobody has waited as long as was asked for.
        const leftMs = this.waitUntilMs(call as Call<Reading>) - this.ports.nowMs();
        return this.read({ ...operation, waitMs: Math.max(0, leftMs) }, (reply) => {
          const isEmpty = reply.kind === 'records' && reply.records.length === 0;
          if (isEmpty && this.waitUntilMs(call as Call<Reading>) > this.ports.nowMs()) {
            this.askAgain.push(call, this.ports.nowMs());
          } else settle(reply);
        });
      }
    }
  }

  /** Half of the time of a call is left for finding who can answer it. */
  private waitUntilMs({ deadlineMs, operation: { waitMs } }: Call<Reading>): number {
    const { operationTimeoutMs } = this.ports;
    return deadlineMs - operationTimeoutMs + Math.min(waitMs, operationTimeoutMs / 2);
  }

  private read(reading: Reading, settle: Answer): void {
    const { offset } = reading;
    const topic = this.topicOf(reading);
    if (typeof topic === 'string') {
      this.isUnknown(topic, settle);
      return;
    }
    const target = this.readerOf(topic, offset);
    if (target === this.ports.node) this.answerQuestion({ ...reading, topic }, settle);
    else {
      const waitMs = Math.min(reading.waitMs, WAIT_MS);
      this.ask(target, { ...reading, topic, waitMs }, settle);
    }
  }

  /** Its id; its name if it has none here. */
  private topicOf({ topic }: Reading): TopicId | string {
    if (typeof topic !== 'string') return topic;
    return this.ports.cluster().topicNamed(topic)?.id ?? topic;
  }

  private ask(to: NodeId, question: Question, answer: Answer): void {
    this.askDisk(to, this.ports.cluster().node(to)?.incarnation ?? 0, question, answer);
  }

  private askDisk(
    to: NodeId,
    incarnation: Incarnation | 0,
    question: Question,
    answer: Answer,
  ): void {
    const { ports } = this;
    const send = (message: ControllerMessage): void => ports.send(to, incarnation, message);
    this.questions.ask(question, ports.nowMs(), send, answer);
  }

  /**
   * A topic that is unknown here may have been created elsewhere: only a Raft leader that is current can say that it
   * does not exist.
   */
  private lookUp(topic: string, answer: Answer): void {
    const leader = this.ports.leader();
    const question = { kind: 'lookup', topic } as const;
    if (leader === 0 || leader === this.ports.node) this.answerQuestion(question, answer);
    else this.ask(leader, question, answer);
  }

  /** There is no such topic here: if there is none at all that is the answer, else it is asked for again. */
  private isUnknown(topic: string, settle: Answer): void {
    this.lookUp(topic, (reply) =>
      settle(reply.kind === 'registered' ? this.refusal('NotOwner', topic) : reply),
    );
  }

  /** Answers at once what can be answered here: nothing is handed on. */
  private answerQuestion(question: Question, answer: Answer): void {
    if (question.kind === 'fetch') {
      this.fetch(question, answer);
      return;
    }
    if (question.kind === 'promised') {
      answer(this.promised(question));
      return;
    }
    if (question.kind === 'wish') {
      this.ports.confirm((confirmed) => {
        if (confirmed) answer(this.ports.judge(question));
        else answer(errorReply('NoLeader', `nobody can say what becomes of node ${question.node}`));
      });
      return;
    }
    const { topic } = question;
    this.ports.confirm((confirmed) => {
      const known = this.ports.cluster().topicNamed(topic);
      if (!confirmed)
        answer(errorReply('NoLeader', `nobody can say whether there is a topic ${topic}`));
      else if (known?.isDeleting) answer(errorReply('SegmentSealing', `${topic} is being deleted`));
      else if (known !== undefined) answer({ kind: 'registered' });
      else answer(errorReply('UnknownTopic', `unknown topic ${topic}`));
    });
  }

  /** The node that can read it: the owner, or any replica if the record may surely be read there. One whose copy is damaged cannot. */
  private readerOf(topic: TopicId, offset: Offset): NodeId {
    const segment = this.ports.cluster().segmentAt(topic, offset);
    if (segment === undefined) return this.ports.node;
    const index = offset - segment.baseOffset;
    if (!this.dataPlane.isDamaged(topic, segment.id, index)) {
      if (index < this.dataPlane.readableEnd(topic, segment.id)) return this.ports.node;
      if (segment.state !== 'sealed') return segment.owner;
    }
    const others = segment.replicas.filter(({ node }) => node !== this.ports.node);
    const live = others.filter(({ node }) => this.ports.live(node));
    const choice = live.length > 0 ? live : others;
    return choice[this.nextPeer++ % choice.length]?.node ?? this.ports.node;
  }

  // ---- what this node does itself

  private execute(topic: TopicId, work: Work, origin: Origin, answer: Answer): void {
    if (work.kind === 'put') {
      this.put(topic, work, origin, answer);
      return;
    }
    const refusal = this.notServing(topic);
    if (refusal === undefined) this.deliveries.get(topic, work.group, answer);
    else answer(refusal);
  }

  /** A topic that is known here may be gone meanwhile, so that it is there is asked of the Raft leader. */
  private register(call: Call<Register>, settle: Answer): void {
    const name = call.operation.topic;
    const known = this.ports.cluster().topicNamed(name);
    if (known === undefined || known.isDeleting) {
      this.create(call, settle);
      return;
    }
    this.lookUp(name, (reply) => {
      if (reply.kind === 'error' && reply.code === 'UnknownTopic') this.create(call, settle);
      else settle(reply);
    });
  }

  private create(call: Call<Register>, settle: Answer): void {
    const name = call.operation.topic;
    const { owner, replicas } = this.ports.placeTopic(name);
    const policy = { ...NO_POLICY, ...call.operation.policy };
    const command = { kind: 'CreateTopic', name, owner, replicas, policy } as const;
    call.last = undefined;
    this.proposals.pursue(command, call.deadlineMs, (outcome) => {
      if (outcome === 'unknown') {
        settle(errorReply('Timeout', 'no raft leader known for metadata proposal after retries'));
      } else if (outcome.applied || outcome.reason === 'Exists') {
        settle({ kind: 'registered' });
      } else if (outcome.reason === 'Deleting') {
        settle(errorReply('SegmentSealing', `an earlier topic ${name} is being deleted`));
      } else {
        settle(errorReply('Unavailable', 'a node that should hold the topic is not registered'));
      }
    });
  }

  private setPolicy(call: Call<SetPolicy>, settle: Answer): void {
    const { topic: name, policy: changes } = call.operation;
    const topic = this.ports.cluster().topicNamed(name);
    if (topic === undefined) {
      this.isUnknown(name, settle);
      return;
    }
    const { id, policyIndex: expected } = topic;
    const policy = { ...topic.policy, ...changes };
    call.last = undefined;
    const command = { kind: 'SetTopicPolicy', topic: id, expected, policy } as const;
    this.proposals.pursue(command, call.deadlineMs, (outcome) => {
      if (outcome === 'unknown') {
        settle(errorReply('Timeout', 'nobody knows what became of the policy'));
      } else if (outcome.applied) settle({ kind: 'set' });
      // Somebody else changed it, or this node is behind.
      else settle(this.refusal('NotOwner', name));
    });
  }

  /** The topic that has the name now is to end; once it has, here, the call is answered. */
  private delete(call: Call<Delete>, settle: Answer): void {
    const name = call.operation.topic;
    const topic = this.ports.cluster().topicNamed(name);
    if (topic === undefined) {
      this.isUnknown(name, settle);
      return;
    }
    const { id } = topic;
    call.last = undefined;
    this.proposals.pursue({ kind: 'DeleteTopic', topic: id }, call.deadlineMs, (outcome) => {
      if (outcome === 'unknown') {
        settle(errorReply('Timeout', 'nobody knows what became of the deletion'));
      } else if (this.ports.cluster().topic(id) === undefined) {
        // It was not this call that ended it: another topic may have the name.
        settle(this.refusal('NotOwner', name));
      } else {
        const others = this.deleting.get(id);
        if (others === undefined) this.deleting.set(id, [call]);
        else others.push(call);
      }
    });
  }

  /** As far as this node knows of segments: who asks one that is behind is told where the topic begins then. */
  private trim(call: Call<Trim>, settle: Answer): void {
    const { topic: name, before } = call.operation;
    const cluster = this.ports.cluster();
    const topic = cluster.topicNamed(name)?.id;
    if (topic === undefined) {
      this.isUnknown(name, settle);
      return;
    }
    const expectedStart = cluster.start(topic);
    const start = cluster.segmentAt(topic, before)?.baseOffset ?? expectedStart;
    if (start === expectedStart) {
      settle({ kind: 'trimmed', start });
      return;
    }
    call.last = undefined;
    const command = { kind: 'TrimTopic', topic, expectedStart, start } as const;
    this.proposals.pursue(command, call.deadlineMs, (outcome) => {
      if (outcome === 'unknown') {
        settle(errorReply('Timeout', 'nobody knows what became of the trim'));
      } else if (outcome.applied) settle({ kind: 'trimmed', start });
      else settle(this.refusal('NotOwner', name));
    });
  }

  private put(
    topic: TopicId,
    { records, expected }: Extract<Work, { kind: 'put' }>,
    origin: Origin,
    answer: Answer,
  ): void {
    const { owner } = this.dataPlane;
    const writer = owner.writer(topic);
    const settle: Settle = (outcome) => {
      if (outcome === 'lost') answer(this.refusal('Fenced', this.nameOf(topic)));
      else if (outcome === 'unknown') answer(errorReply('OutcomeUnknown', 'its topic was deleted'));
      else answer(this.appended(writer!, taken as number, records.length));
    };
    const taken = owner.appendBatch(topic, records, origin, settle, expected);
    if (taken === 'OffsetMismatch') this.mismatched(topic, writer!, answer);
    else if (typeof taken === 'string') answer(this.refusal(taken, this.nameOf(topic)));
  }

  /** The true end is told once all before it is safe, by an owner that is one: nobody plans on records that may yet be lost. */
  private mismatched(topic: TopicId, writer: Writer, answer: Answer): void {
    const end = (writer.segment.baseOffset + writer.replica.end) as Offset;
    const tell = (): void =>
      this.confirmEnd(topic, (refusal) => answer(refusal ?? { kind: 'mismatched', end }));
    if (writer.highWatermark === writer.replica.end) {
      tell();
      return;
    }
    writer.await(writer.replica.end - 1, (outcome) => {
      if (outcome === 'committed') tell();
      else answer(this.refusal('Fenced', this.nameOf(topic)));
    });
  }

  private appended(writer: Writer, first: number, count: number): Reply {
    for (let i = 0; i < count; i++) this.acknowledgeRecord(writer, first + i);
    const { segment, epoch } = writer;
    const offset = (segment.baseOffset + first) as Offset;
    return { kind: 'appended', segment: segment.id, epoch, offset };
  }

  /** @spec DistributedLog!AcknowledgeRecord */
  private acknowledgeRecord(writer: Writer, index: number): void {
    this.ports.trace?.acknowledgeRecord(writer, index);
  }

  private fetch(reach: Reach, answer: Answer): void {
    const { topic, offset, waitMs } = reach;
    const segment = this.ports.cluster().segmentAt(topic, offset);
    if (segment === undefined) {
      answer(this.goneOrTrimmed(topic));
      return;
    }
    const index = offset - segment.baseOffset;
    const readable = this.dataPlane.readableEnd(topic, segment.id);
    if (index >= readable) {
      if (segment.state === 'sealed') answer(this.refusal('Unavailable', this.nameOf(topic)));
      else if (waitMs > 0 && this.notServing(topic) === undefined) {
        const untilMs = this.ports.nowMs() + waitMs;
        this.longPolls.wait(topic, untilMs, () => this.fetch({ ...reach, waitMs: 0 }, answer));
      } else {
        this.confirmEnd(topic, (refusal) => answer(refusal ?? this.recordsFrom(topic, offset, [])));
      }
      return;
    }
    const records = Math.max(1, Math.min(reach.records, BATCH_LIMIT.records));
    const limit = { records, bytes: Math.min(reach.bytes, BATCH_LIMIT.bytes) };
    this.dataPlane.read(topic, segment, index, limit, (error, found) => {
      // It was forgotten while it was read.
      if (this.ports.cluster().segmentAt(topic, offset) === undefined) {
        answer(this.goneOrTrimmed(topic));
      } else if (error !== undefined) answer(errorReply(error.code, error.message));
      // The copy was moved away while it was read.
      else if (found.length === 0) answer(this.refusal('Unavailable', this.nameOf(topic)));
      else answer(this.recordsFrom(topic, offset, found));
    });
  }

  private recordsFrom(topic: TopicId, offset: Offset, records: readonly Uint8Array[]): Reply {
    for (let i = 0; i < records.length; i++) this.readRecord(topic, (offset + i) as Offset);
    const current = this.ports.cluster().currentSegment(topic);
    const end = current && current.baseOffset + this.dataPlane.readableEnd(topic, current.id);
    // A replica may be behind with what it may give; who has nothing to give is the owner.
    const least = records.length > 0 ? offset + records.length : 0;
    const highWatermark = Math.max(end ?? 0, least) as Offset;
    return { kind: 'records', offset, records, highWatermark };
  }

  /** Why there is no segment where somebody wants to read: there is no such topic here, or it has forgotten that. */
  private goneOrTrimmed(topic: TopicId): Reply {
    const name = this.nameOf(topic);
    if (this.ports.cluster().topic(topic) === undefined) return this.refusal('NotOwner', name);
    const start = this.ports.cluster().start(topic);
    return { ...errorReply('Trimmed', `${name} begins at ${start}`), start };
  }

  /** @spec DistributedLog!ReadRecord */
  private readRecord(topic: TopicId, offset: Offset): void {
    this.ports.trace?.readRecord(topic, offset);
  }

  /** Why this node cannot say what the end of the topic is; undefined if it can. */
  private notServing(topic: TopicId): Reply | undefined {
    const refuse = (code: ErrorCode): ErrorReply => this.refusal(code, this.nameOf(topic));
    const segment = this.ports.cluster().currentSegment(topic);
    if (segment?.state === 'fenced') return refuse('SegmentSealing');
    const writer = this.dataPlane.owner.writer(topic);
    if (writer === undefined || writer.epoch !== segment?.epoch) return refuse('NotOwner');
    return this.ports.leaseValid() ? undefined : refuse('LeaseExpired');
  }

  /** Before anybody is told that there is no more: whatever was acknowledged by then, by whomever, has been seen. */
  private confirmEnd(topic: TopicId, done: (refusal: Reply | undefined) => void): void {
    const refusal = this.notServing(topic);
    if (refusal !== undefined) {
      done(refusal);
      return;
    }
    const writer = this.dataPlane.owner.writer(topic)!;
    const refuse = (code: ErrorCode): void => done(this.refusal(code, this.nameOf(topic)));
    if (writer.isEndProposed) refuse('SegmentSealing');
    else if (writer.replica.promised !== writer.epoch) refuse('Fenced');
    else
      this.confirmations.confirm(writer, (isOwner) =>
        isOwner ? done(undefined) : refuse('Unavailable'),
      );
  }

  /** What the metadata says counts, too: who has it may have dropped the copy, and the promise with it. */
  private promised({ topic, segment, epoch }: Extract<Question, { kind: 'promised' }>): Reply {
    const current = this.ports.cluster().currentSegment(topic);
    const isOver =
      this.ports.cluster().isGone(topic, segment) ||
      (current !== undefined && (current.id > segment || current.epoch > epoch));
    if (isOver || this.dataPlane.promised(topic, segment) > epoch) {
      return this.refusal('Fenced', this.nameOf(topic));
    }
    return { kind: 'empty' };
  }

  private readForDelivery(
    topic: TopicId,
    offset: Offset,
    records: number,
    done: (error: WalrusError | undefined, records: readonly Uint8Array[]) => void,
  ): void {
    const segment = this.ports.cluster().segmentAt(topic, offset);
    if (segment === undefined) {
      done(undefined, []);
      return;
    }
    const index = offset - segment.baseOffset;
    const readable = this.dataPlane.readableEnd(topic, segment.id);
    if (index < readable || segment.state !== 'sealed') {
      this.dataPlane.read(topic, segment, index, { ...MESSAGE_LIMIT, records }, (error, found) => {
        const isElsewhere =
          error?.code === 'Unavailable' || (index < readable && found.length === 0);
        if (isElsewhere) this.readElsewhere(topic, offset, records, done);
        else done(error, found);
      });
      return;
    }
    this.readElsewhere(topic, offset, records, done);
  }

  /** This node owns the topic's end but holds no copy of this older part, or a damaged one: another replica reads it. */
  private readElsewhere(
    topic: TopicId,
    offset: Offset,
    records: number,
    done: (error: WalrusError | undefined, records: readonly Uint8Array[]) => void,
  ): void {
    const answer = (reply: Reply): void => {
      if (reply.kind === 'records') done(undefined, reply.records);
      // It was trimmed, which is not known here yet: then the cursor moves up.
      else if (reply.kind === 'error' && reply.code === 'Trimmed') {
        done(asError(this.refusal('Unavailable', this.nameOf(topic))), []);
      } else if (reply.kind === 'error') done(asError(reply), []);
      else done(undefined, []);
    };
    const { bytes } = MESSAGE_LIMIT;
    this.attempt(this.begin({ kind: 'fetch', topic, offset, records, bytes, waitMs: 0 }, answer));
  }

  private refusal(code: ErrorCode, name: string): ErrorReply {
    const id = this.ports.cluster().topicNamed(name)?.segments.at(-1)?.id ?? 0;
    const why = code === 'NoSpace' ? `node ${this.ports.node} is full` : 'NotLeaderForPartition';
    return errorReply(code, `${why}: t_${name}_s_${id}`);
  }

  private nameOf(topic: TopicId): string {
    return this.ports.cluster().topic(topic)?.name ?? `${topic}`;
  }
}

function asError(reply: ErrorReply): WalrusError {
  return new WalrusError(reply.code, reply.message);
}

function bytesOf(operation: Operation | Question): number {
  if (operation.kind !== 'put') return 0;
  let bytes = 0;
  for (const { length } of operation.records) bytes += length;
  return bytes;
}

/**
 * Takes what other nodes hand to this one: each forward once, those of one lane in their order, as long as its time is not up. What
 * it answered it says again to whoever asks again. Once it has refused one forward of a lane it refuses all that come after.
 */
import type { BootId, Epoch, Incarnation, NodeId, TopicId } from '../ids.ts';
import type { ClusterState } from '../metadata/cluster-state.ts';
import type { Origin } from '../metadata/commands.ts';
import { DelayQueue } from './delay-queue.ts';
import { LANE_MAX } from './line.ts';
import type { Forward, ForwardReply, ForwardsTaken } from './messages.ts';
import { errorReply, isRefusal, type Reply, type Work } from './operations.ts';

/** The process that a message came from. */
export interface Sender {
  readonly node: NodeId;
  readonly incarnation: Incarnation;
  readonly boot: BootId;
}

export interface IntakePorts {
  /** How long the client of another node waits for its answer. */
  readonly operationTimeoutMs: number;
  cluster(): ClusterState;
  nowMs(): number;
  send(to: Sender, message: ForwardReply | ForwardsTaken): void;
  /** Does it here, if this node can. `answer` is called once. */
  execute(topic: TopicId, work: Work, origin: Origin, answer: (reply: Reply) => void): void;
}

/** Whoever asked gives a lane up within two operations' times of its own clock, which may run half as fast as the one here. */
const REMEMBERED_TIMES = 4;

interface ServedLane {
  readonly key: string;
  readonly sender: Sender;
  readonly number: number;
  readonly topic: TopicId;
  readonly epoch: Epoch;
  /** The first place that was not taken. */
  next: number;
  /** Came before what they follow, or before the metadata here says that this node may take them; by place. */
  readonly early: Map<number, Forward>;
  /** By place, as far as the sender may lack them. */
  readonly answers: Map<number, Reply>;
  /** The sender has the answers below it. */
  forgotten: number;
  /** What all are told that come from now on. */
  refusal: Reply | undefined;
}

export class Intake {
  /** What is being done and is not answered yet. */
  underWay = 0;
  /** When something was handed to this node last. */
  heardMs: number = -Infinity;
  private readonly ports: IntakePorts;
  /** The latest of each process, topic and kind of work. */
  private readonly lanes = new Map<string, ServedLane>();
  private readonly remembered: DelayQueue<ServedLane>;
  /** Under grants that are still on their way here, by topic. */
  private readonly ahead = new Map<TopicId, Set<ServedLane>>();

  constructor(ports: IntakePorts) {
    this.ports = ports;
    this.remembered = new DelayQueue(ports.operationTimeoutMs * REMEMBERED_TIMES);
  }

  handleForward(sender: Sender, message: Forward): void {
    this.heardMs = this.ports.nowMs();
    const lane = this.laneOf(sender, message);
    if (lane === undefined) return;
    this.remembered.push(lane, this.ports.nowMs());
    while (lane.forgotten < message.unanswered) lane.answers.delete(lane.forgotten++);
    const { order } = message;
    if (order < lane.next) {
      this.answerAgain(lane, order);
    } else if (lane.refusal !== undefined) {
      this.reply(lane, order, lane.refusal);
    } else if (order < lane.next + LANE_MAX) {
      lane.early.set(order, message);
      this.advance(lane);
      if (order >= lane.next) this.tellTaken(lane);
    }
  }

  /** The metadata of a topic has changed. */
  topicChanged(topic: TopicId): void {
    const lanes = this.ahead.get(topic);
    if (lanes === undefined) return;
    this.ahead.delete(topic);
    for (const lane of lanes) this.advance(lane);
  }

  tick(nowMs: number): void {
    for (const lane of this.remembered.take(nowMs)) this.forget(lane);
  }

  deadlineMs(): number {
    return this.remembered.deadlineMs();
  }

  /** Undefined if the sender has gone on to another lane. */
  private laneOf(sender: Sender, message: Forward): ServedLane | undefined {
    const { lane: number, topic, epoch, work } = message;
    const key = `${sender.node}/${sender.boot}/${work.kind}/${topic}`;
    const known = this.lanes.get(key);
    if (known !== undefined && known.number >= number) {
      return known.number === number ? known : undefined;
    }
    if (known !== undefined) this.forget(known);
    const lane: ServedLane = {
      key,
      sender,
      number,
      topic,
      epoch,
      next: 1,
      early: new Map(),
      answers: new Map(),
      forgotten: 1,
      refusal: undefined,
    };
    this.lanes.set(key, lane);
    return lane;
  }

  private forget(lane: ServedLane): void {
    this.lanes.delete(lane.key);
    this.remembered.delete(lane);
    this.ahead.get(lane.topic)?.delete(lane);
  }

  /** Takes what has its turn. */
  private advance(lane: ServedLane): void {
    if (lane.epoch > this.ports.cluster().appliedIndex) {
      const lanes = this.ahead.get(lane.topic);
      if (lanes === undefined) this.ahead.set(lane.topic, new Set([lane]));
      else lanes.add(lane);
      return;
    }
    for (;;) {
      const message = lane.early.get(lane.next);
      if (message === undefined) return;
      lane.early.delete(lane.next++);
      this.take(lane, message);
    }
  }

  private take(lane: ServedLane, { order, work, deadlineMs, call }: Forward): void {
    const { node, boot } = lane.sender;
    const answered = (reply: Reply): void => this.answered(lane, order, reply);
    if (this.ports.nowMs() >= deadlineMs) {
      answered(errorReply('Expired', 'it came when its time was up'));
    } else if (this.ports.cluster().currentSegment(lane.topic)?.epoch !== lane.epoch) {
      answered(errorReply('NotOwner', `NotLeaderForPartition: topic ${lane.topic}`));
    } else {
      this.underWay++;
      this.ports.execute(lane.topic, work, { node, boot, sequence: call }, (reply) => {
        this.underWay--;
        answered(reply);
      });
    }
  }

  private answered(lane: ServedLane, order: number, reply: Reply): void {
    if (order >= lane.forgotten) lane.answers.set(order, reply);
    this.reply(lane, order, reply);
    if (!isRefusal(reply) || lane.refusal !== undefined) return;
    lane.refusal = reply;
    const early = [...lane.early.keys()];
    lane.early.clear();
    for (const each of early) this.reply(lane, each, reply);
  }

  /** A forward that was taken has come again. If it is the first that the sender lacks, those after it may be lost, too. */
  private answerAgain(lane: ServedLane, order: number): void {
    const last = order === lane.forgotten ? lane.next - 1 : order;
    let count = 0;
    for (let each = order; each <= last; each++) {
      const reply = lane.answers.get(each);
      if (reply === undefined) continue;
      this.reply(lane, each, reply);
      count++;
    }
    if (count === 0) this.tellTaken(lane);
  }

  private reply(lane: ServedLane, order: number, reply: Reply): void {
    const { sender, number, next } = lane;
    const kind = 'ForwardReply';
    this.ports.send(sender, { kind, toBoot: sender.boot, lane: number, next, order, reply });
  }

  private tellTaken({ sender, number, next }: ServedLane): void {
    this.ports.send(sender, { kind: 'ForwardsTaken', toBoot: sender.boot, lane: number, next });
  }
}

/**
 * Brings puts and gets of this node's clients to the owners of their topics, each at most once, those of one topic in the order of
 * asking. What was refused, and so had no effect, is handed out again; anything else is not.
 *
 * A call that was handed out is settled by the answer of the owner's process, as long as that lives: a forward or an answer that
 * was lost is made up for by asking the same process the same again. If the process is gone its answer is, too: the outcome is
 * unknown, and that is said at once.
 */
import type { ErrorCode } from '../errors.ts';
import type { BootId, Epoch, NodeId, TopicId } from '../ids.ts';
import type { ClusterState, SegmentRecord, TopicRecord } from '../metadata/cluster-state.ts';
import type { Origin } from '../metadata/commands.ts';
import { DelayQueue } from './delay-queue.ts';
import { type Call, LANE_MAX, Lane, Line } from './line.ts';
import type { Forward, ForwardReply, ForwardsTaken } from './messages.ts';
import {
  type Effect,
  type ErrorReply,
  errorReply,
  isRefusal,
  type Reply,
  type Work,
} from './operations.ts';

export interface LinesPorts {
  readonly node: NodeId;
  readonly boot: BootId;
  readonly operationTimeoutMs: number;
  cluster(): ClusterState;
  nowMs(): number;
  live(node: NodeId): boolean;
  /** Whether that process has said that it is about to stop; maybe it has. */
  isLeaving(node: NodeId, boot: BootId): boolean;
  /**
   * A time on the clock of that process that comes no later than `timeMs` does on this node's; undefined as long as it was
   * not heard.
   */
  timeAt(node: NodeId, boot: BootId, timeMs: number): number | undefined;
  send(to: NodeId, message: Forward): void;
  /** Does it here, if this node can. `answer` is called once. */
  execute(topic: TopicId, work: Work, origin: Origin, answer: (reply: Reply) => void): void;
  /** Finds out whether there is such a topic. */
  lookUp(topic: string, answer: (reply: Reply) => void): void;
  refusal(code: ErrorCode, topic: string): ErrorReply;
  /** Answers a call that is not in any line any more. */
  finish(call: Call, reply: Reply): void;
}

/** The part of its time that must be left to a call that is handed out: for the way to the owner, and for the answer. */
const LEAST_LEFT = 0.1;
/** Pause before calls that were refused are handed out again, if nothing changes before. */
const RETRY_MS = 50;
/** An owner that says nothing for so long is asked again; then after twice as long, up to so many times as long. */
const REPEAT_MS = 250;
const REPEAT_AFTER_MAX = 8;
/** Forwards that are repeated at a time, and their bytes. */
const REPEAT_MAX = { calls: 256, bytes: 256 * 1024 };
/** A node that stood still itself takes the others for silent at first; so they are looked at so often. */
const SILENCES = 2;
/** Of a topic that is not known here. */
const NO_GRANT = 0 as Epoch;

export class Lines {
  private readonly ports: LinesPorts;
  /** Lines in which somebody waits, by the name that they ask for. */
  private readonly lines: Readonly<Record<Effect['kind'], Map<string, Line>>> = {
    put: new Map(),
    get: new Map(),
  };
  /** Those to other nodes, by number. */
  private readonly lanes = new Map<number, Lane>();
  private readonly silent = new DelayQueue<Lane>(REPEAT_MS);
  private readonly refused = new DelayQueue<Line>(RETRY_MS);
  private nextLane = 1;

  constructor(ports: LinesPorts) {
    this.ports = ports;
  }

  /** Takes a call. It is answered through `finish`. */
  add(call: Call<Effect>): void {
    const { kind, topic } = call.operation;
    let line = this.lines[kind].get(topic);
    if (line === undefined) {
      line = new Line(kind, topic);
      this.lines[kind].set(topic, line);
    }
    const isFirst = line.peek() === undefined;
    line.push(call);
    if (isFirst) this.move(line);
  }

  /** The metadata of a topic has changed. */
  topicChanged({ name }: Pick<TopicRecord, 'name'>): void {
    for (const lines of [this.lines.put, this.lines.get]) {
      const line = lines.get(name);
      if (line !== undefined) this.move(line);
    }
  }

  /** The time of a call is up: it is answered, and not handed out any more. */
  expire(call: Call<Effect>): void {
    const { kind, topic } = call.operation;
    const { lane } = call;
    if (lane === undefined) {
      this.ports.finish(call, this.lines[kind].get(topic)!.refusal);
    } else {
      lane.leave(call);
      this.ports.finish(call, timeout());
      this.goOn(lane);
    }
  }

  handleForwardReply(from: NodeId, { lane: number, next, order, reply }: ForwardReply): void {
    const lane = this.lanes.get(number);
    if (lane?.owner !== from) return;
    lane.taken = Math.max(lane.taken, next);
    lane.waits = 0;
    if (order === lane.unanswered) this.silent.push(lane, this.ports.nowMs());
    this.settle(lane, order, reply);
  }

  handleForwardsTaken(from: NodeId, { lane: number, next }: ForwardsTaken): void {
    const lane = this.lanes.get(number);
    if (lane?.owner === from) lane.taken = Math.max(lane.taken, next);
  }

  tick(nowMs: number): void {
    for (const lane of this.silent.take(nowMs)) {
      if (!this.lanes.has(lane.number)) continue;
      this.silent.push(lane, nowMs);
      if (this.isLost(lane)) this.giveUp(lane);
      else if (isTurn(++lane.waits)) this.repeat(lane);
    }
    for (const line of this.refused.take(nowMs)) this.move(line);
  }

  deadlineMs(): number {
    return Math.min(this.silent.deadlineMs(), this.refused.deadlineMs());
  }

  /** Hands out what can be handed out. */
  private move(line: Line): void {
    if (line.isMoving) return;
    line.isMoving = true;
    const latestMs = this.ports.nowMs() + this.ports.operationTimeoutMs * LEAST_LEFT;
    for (let call = line.peek(); call !== undefined; call = line.peek()) {
      if (call.deadlineMs <= latestMs) {
        this.ports.finish(line.shift(), line.refusal);
        continue;
      }
      const lane = this.laneOf(line);
      if (lane === undefined) break;
      this.handOut(lane, line.shift());
    }
    line.isMoving = false;
    if (line.lane !== undefined || line.isLookedUp) return;
    if (line.peek() === undefined) {
      this.lines[line.kind].delete(line.topic);
      this.refused.delete(line);
    } else if (!this.refused.has(line)) {
      this.refused.push(line, this.ports.nowMs());
    }
  }

  /** The lane that takes the next call; undefined if that has to wait. */
  private laneOf(line: Line): Lane | undefined {
    const { lane, topic } = line;
    const { node, nowMs } = this.ports;
    const record = this.ports.cluster().topicNamed(topic);
    const segment = record?.segments.at(-1);
    if (lane !== undefined) {
      return lane.isOpen && lane.epoch === segment?.epoch && !lane.isFull ? lane : undefined;
    }
    if (this.refused.has(line) && line.refusedUnder === (segment?.epoch ?? NO_GRANT))
      return undefined;
    if (record === undefined || segment === undefined) {
      this.lookUp(line);
      return undefined;
    }
    const obstacle = this.obstacle(segment);
    if (obstacle !== undefined) {
      this.refuse(line, this.ports.refusal(obstacle, topic), segment.epoch);
      return undefined;
    }
    line.lane = new Lane(this.nextLane++, line, record.id, segment);
    if (segment.owner !== node) {
      this.lanes.set(line.lane.number, line.lane);
      this.silent.push(line.lane, nowMs());
    }
    return line.lane;
  }

  /** Why nothing can be handed to the owner of an open segment. */
  private obstacle({ state, owner, boot }: SegmentRecord): ErrorCode | undefined {
    if (state === 'fenced') return 'SegmentSealing';
    if (owner === this.ports.node) return undefined;
    // The grant was made to a life of the owner that is over: another one is on its way.
    if (this.ports.cluster().node(owner)?.boot !== boot) return 'NotOwner';
    const isHeard = this.ports.timeAt(owner, boot, this.ports.nowMs()) !== undefined;
    return isHeard && !this.ports.isLeaving(owner, boot) ? undefined : 'Unavailable';
  }

  private refuse(line: Line, reply: ErrorReply, under: Epoch): void {
    line.refusal = reply;
    line.refusedUnder = under;
    this.refused.push(line, this.ports.nowMs());
  }

  private lookUp(line: Line): void {
    if (line.isLookedUp) return;
    line.isLookedUp = true;
    const { number } = line.last!;
    this.ports.lookUp(line.topic, (reply) => {
      line.isLookedUp = false;
      if (reply.kind === 'error' && !isRefusal(reply)) {
        // Whoever asked after the question was asked is not answered by it.
        for (
          let call = line.peek();
          call !== undefined && call.number <= number;
          call = line.peek()
        ) {
          this.ports.finish(line.shift(), reply);
        }
      } else {
        const refusal = reply.kind === 'error' ? reply : this.ports.refusal('NotOwner', line.topic);
        this.refuse(line, refusal, NO_GRANT);
      }
      this.move(line);
    });
  }

  private handOut(lane: Lane, call: Call<Effect>): void {
    const order = lane.enter(call);
    const { node, boot } = this.ports;
    if (lane.owner === node) {
      const origin = { node, boot, sequence: call.number };
      const answer = (reply: Reply): void => this.settle(lane, order, reply);
      this.ports.execute(lane.topic, call.operation, origin, answer);
    } else {
      this.forward(lane, order, call);
    }
  }

  private forward(
    lane: Lane,
    order: number,
    { operation, number, deadlineMs }: Call<Effect>,
  ): void {
    const { owner, boot: toBoot, topic, epoch, unanswered } = lane;
    this.ports.send(owner, {
      kind: 'Forward',
      toBoot,
      lane: lane.number,
      topic,
      epoch,
      order,
      unanswered,
      call: number,
      deadlineMs: this.ports.timeAt(owner, toBoot, deadlineMs) ?? 0,
      work: operation,
    });
  }

  private settle(lane: Lane, order: number, reply: Reply): void {
    const call = lane.settle(order);
    if (call === undefined) return;
    const { line } = lane;
    if (reply.kind === 'error' && reply.code === 'Expired') {
      // That says nothing of why nobody took it before.
      this.ports.finish(call, line.refusal);
    } else if (!isRefusal(reply)) {
      line.window = Math.min(LANE_MAX, line.window + 1);
      this.ports.finish(call, reply);
    } else {
      if (lane.isOpen && reply.code === 'Overloaded') {
        line.window = Math.max(1, Math.ceil(lane.waiting / 2));
      }
      lane.isOpen = false;
      this.refuse(line, reply, lane.epoch);
      if (this.ports.nowMs() < call.deadlineMs) lane.refused.push(call);
      // The owner does not remember for longer what it did, so what it says now may not be so.
      else this.ports.finish(call, timeout());
    }
    this.goOn(lane);
  }

  /** When nobody waits in the lane any more, another one may take its place. */
  private goOn(lane: Lane): void {
    const { line } = lane;
    if (lane.waiting === 0 && line.lane === lane) {
      this.lanes.delete(lane.number);
      this.silent.delete(lane);
      line.lane = undefined;
      line.putBack(lane.refused);
    }
    this.move(line);
  }

  /** Asks the owner again what it did not answer: the first, and what it may never have heard of. */
  private repeat(lane: Lane): void {
    let { calls, bytes } = REPEAT_MAX;
    for (let order = lane.unanswered; order < lane.nextOrder && calls > 0 && bytes > 0; ) {
      const call = lane.unsettled.get(order);
      if (call !== undefined) {
        this.forward(lane, order, call);
        calls--;
        if (call.operation.kind === 'put') {
          for (const { length } of call.operation.records) bytes -= length;
        }
      }
      order = Math.max(order + 1, lane.taken);
    }
  }

  /** Whether the owner's answers are not to be expected any more. */
  private isLost(lane: Lane): boolean {
    const cluster = this.ports.cluster();
    if (cluster.node(lane.owner)?.boot !== lane.boot) return true;
    const isOver = cluster.currentSegment(lane.topic)?.epoch !== lane.epoch;
    if (!isOver || this.ports.live(lane.owner)) lane.silences = 0;
    else lane.silences++;
    return lane.silences >= SILENCES;
  }

  /** What was handed to a process that is gone may be done or not, and nobody can say. */
  private giveUp(lane: Lane): void {
    const { owner, line } = lane;
    const said = `node ${owner}, which it was handed to, is gone: ${line.topic}`;
    const reply = errorReply('OutcomeUnknown', said);
    lane.isOpen = false;
    for (const order of [...lane.unsettled.keys()]) this.settle(lane, order, reply);
  }
}

/** The first wait and those twice as far, so that an owner that is late is not made later. */
function isTurn(waits: number): boolean {
  return waits % REPEAT_AFTER_MAX === 0 || (waits & (waits - 1)) === 0;
}

function timeout(): ErrorReply {
  return errorReply('Timeout', 'RPC error: Request timeout');
}

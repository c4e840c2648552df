/**
 * The calls of this node's clients that put to one topic, or get from it, in the order of asking; and the lane in which they
 * are handed to the node that can do them.
 */
import { assert } from '../assert.ts';
import type { BootId, Epoch, NodeId, TopicId } from '../ids.ts';
import type { SegmentRecord } from '../metadata/cluster-state.ts';
import {
  type Effect,
  type ErrorReply,
  errorReply,
  type Operation,
  type Question,
  type Reply,
} from './operations.ts';

/** What a client of this node asked, until it is answered. */
export interface Call<Asked extends Operation | Question = Operation> {
  readonly operation: Asked;
  /** Rises from call to call. */
  readonly number: number;
  readonly deadlineMs: number;
  /** What was last heard of a question, if it was asked in vain. */
  last: Reply | undefined;
  readonly answer: (reply: Reply) => void;
  answered: boolean;
  /** Where it was handed out and nothing is known of it yet. */
  lane: Lane | undefined;
}

/** Calls of one lane that may be unsettled at a time, at most: the owner remembers what it answered to so many. */
export const LANE_MAX = 1024;

/**
 * The way of calls to one life of an owner, under one grant. The owner takes them in their order, and once it has refused one it
 * refuses all that come after: so of a lane the first calls are done and the rest are not.
 */
export class Lane {
  readonly number: number;
  readonly line: Line;
  readonly topic: TopicId;
  readonly epoch: Epoch;
  readonly owner: NodeId;
  readonly boot: BootId;
  /** Takes more calls. */
  isOpen = true;
  /** The place of the next call. */
  nextOrder = 1;
  /** Places below it were taken by the owner. */
  taken = 1;
  /** The first place without an answer. */
  unanswered = 1;
  /** By place: no answer has come. The clients of some have been told `Timeout` meanwhile. */
  readonly unsettled: Map<number, Call<Effect>> = new Map();
  /** How many clients still wait. */
  waiting = 0;
  /** Had no effect. */
  readonly refused: Call<Effect>[] = [];
  /** How often in a row the owner was found dead after its grant was over. */
  silences = 0;
  /** How often in a row nothing was heard when it should have been. */
  waits = 0;

  constructor(
    number: number,
    line: Line,
    topic: TopicId,
    { owner, boot, epoch }: Pick<SegmentRecord, 'owner' | 'boot' | 'epoch'>,
  ) {
    this.number = number;
    this.line = line;
    this.topic = topic;
    this.owner = owner;
    this.boot = boot;
    this.epoch = epoch;
  }

  get isFull(): boolean {
    return this.nextOrder - this.unanswered >= this.line.window;
  }

  /** Gives the call the next place. */
  enter(call: Call<Effect>): number {
    call.lane = this;
    this.waiting++;
    this.unsettled.set(this.nextOrder, call);
    return this.nextOrder++;
  }

  /** Its client is not waiting any more. What became of it is still to be heard, but nothing may follow it here. */
  leave(call: Call<Effect>): void {
    call.lane = undefined;
    this.waiting--;
    this.isOpen = false;
  }

  /** There is an answer. Gives the call if its client still waits for it. */
  settle(order: number): Call<Effect> | undefined {
    const call = this.unsettled.get(order);
    this.unsettled.delete(order);
    while (this.unanswered < this.nextOrder && !this.unsettled.has(this.unanswered)) {
      this.unanswered++;
    }
    if (call?.lane !== this) return undefined;
    call.lane = undefined;
    this.waiting--;
    return call;
  }
}

export class Line {
  readonly kind: Effect['kind'];
  /** The name that its calls ask for. */
  readonly topic: string;
  /** One at a time: what was handed out under an older grant is settled before anything is under a newer one. */
  lane: Lane | undefined;
  /** What was last heard; the answer to those that are never handed out. */
  refusal: ErrorReply = errorReply('Expired', 'no node could take it in time');
  /** Calls that may be unsettled at a time: half as many after the owner had too much to do, one more after each answer. */
  window: number = LANE_MAX;
  /** The grant under which that was said; 0 if there was none. */
  refusedUnder = 0 as Epoch;
  /** It is being found out whether there is such a topic. */
  isLookedUp = false;
  isMoving = false;
  private waiting: Call<Effect>[] = [];
  private first = 0;

  constructor(kind: Effect['kind'], topic: string) {
    this.kind = kind;
    this.topic = topic;
  }

  /** The next to be handed out. */
  peek(): Call<Effect> | undefined {
    while (this.waiting[this.first]?.answered === true) this.first++;
    return this.waiting[this.first];
  }

  /** The last that was added. */
  get last(): Call<Effect> | undefined {
    return this.waiting.at(-1);
  }

  push(call: Call<Effect>): void {
    this.waiting.push(call);
  }

  shift(): Call<Effect> {
    const call = this.peek();
    assert(call !== undefined, 'somebody waits');
    this.first++;
    if (this.first * 2 > this.waiting.length) {
      this.waiting.splice(0, this.first);
      this.first = 0;
    }
    return call;
  }

  /** Calls that had been handed out go before those that were not, all in the order of asking. */
  putBack(calls: readonly Call<Effect>[]): void {
    if (calls.length === 0) return;
    const earlier = [...calls].sort((a, b) => a.number - b.number);
    this.waiting = [...earlier, ...this.waiting.slice(this.first)];
    this.first = 0;
  }
}

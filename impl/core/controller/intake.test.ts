/** What one node takes from the lanes of others, and what it answers: what it is to do ends when the test says so. */
import { expect, test } from 'vitest';
import type { BootId, Epoch, Incarnation, NodeId, TopicId } from '../ids.ts';
import { Intake, type Sender } from './intake.ts';
import { LANE_MAX } from './line.ts';
import type { Forward, ForwardReply, ForwardsTaken } from './messages.ts';
import { errorReply, type Reply } from './operations.ts';

const TIMEOUT_MS = 1000;
const TOPIC = 4 as TopicId;
const SENDER: Sender = {
  node: 2 as NodeId,
  incarnation: 102 as Incarnation,
  boot: 20 as BootId,
};
const DONE: Reply = { kind: 'empty' };

interface Begun {
  readonly sequence: number;
  answer(reply: Reply): void;
}

class Bench {
  nowMs = 0;
  /** What the metadata here says. */
  applied = 100;
  epoch = 5;
  readonly begun: Begun[] = [];
  readonly sent: string[] = [];
  readonly intake = new Intake({
    operationTimeoutMs: TIMEOUT_MS,
    cluster: () =>
      ({ appliedIndex: this.applied, currentSegment: () => ({ epoch: this.epoch }) }) as never,
    nowMs: () => this.nowMs,
    send: (_, message) => this.sent.push(said(message)),
    execute: (_, __, { sequence }, answer) => this.begun.push({ sequence, answer }),
  });

  forward(order: number, fields: Partial<Forward> = {}, sender = SENDER): void {
    this.intake.handleForward(sender, {
      kind: 'Forward',
      toBoot: 10 as BootId,
      lane: 1,
      epoch: 5 as Epoch,
      order,
      unanswered: 1,
      call: 1000 + order,
      deadlineMs: TIMEOUT_MS,
      topic: TOPIC,
      work: { kind: 'put', records: [new Uint8Array(1)] },
      ...fields,
    });
  }

  get calls(): number[] {
    return this.begun.map(({ sequence }) => sequence);
  }

  /** What was sent since the last look. */
  heard(): string[] {
    return this.sent.splice(0);
  }
}

/** `lane.order answer`, and below which place all is taken. */
function said(message: ForwardReply | ForwardsTaken): string {
  if (message.kind === 'ForwardsTaken') return `${message.lane} taken below ${message.next}`;
  const { lane, order, reply } = message;
  return `${lane}.${order} ${reply.kind === 'error' ? reply.code : reply.kind}`;
}

test('a lane is taken in its order, whatever order it comes in', () => {
  const bench = new Bench();
  bench.forward(2);
  expect(bench.calls).toEqual([]);
  expect(bench.heard()).toEqual(['1 taken below 1']);
  bench.forward(1);
  bench.forward(3);
  expect(bench.calls).toEqual([1001, 1002, 1003]);
});

test('a forward is done once; who asks again hears the answer again, or that it is under way', () => {
  const bench = new Bench();
  bench.forward(1);
  bench.forward(1);
  expect(bench.heard()).toEqual(['1 taken below 2']);
  bench.begun[0]!.answer(DONE);
  bench.forward(1);
  expect(bench.heard()).toEqual(['1.1 empty', '1.1 empty']);
  expect(bench.calls).toEqual([1001]);
});

test('who asks again for the first that it lacks is told of all after it, too', () => {
  const bench = new Bench();
  for (const order of [1, 2, 3]) bench.forward(order);
  for (const { answer } of bench.begun) answer(DONE);
  bench.heard();
  bench.forward(2, { unanswered: 2 });
  expect(bench.heard()).toEqual(['1.2 empty', '1.3 empty']);
  bench.forward(3, { unanswered: 2 });
  expect(bench.heard()).toEqual(['1.3 empty']);
});

test('once one was refused all that come after it are, also those that came early', () => {
  const bench = new Bench();
  bench.forward(1);
  bench.forward(3);
  bench.heard();
  bench.begun[0]!.answer(errorReply('LeaseExpired', ''));
  bench.forward(2);
  expect(bench.heard()).toEqual(['1.1 LeaseExpired', '1.3 LeaseExpired', '1.2 LeaseExpired']);
  expect(bench.calls).toEqual([1001]);
});

test('what was taken before the refusal is answered as it ended', () => {
  const bench = new Bench();
  bench.forward(1);
  bench.forward(2);
  bench.begun[1]!.answer(errorReply('Overloaded', ''));
  bench.begun[0]!.answer(DONE);
  expect(bench.heard()).toEqual(['1.2 Overloaded', '1.1 empty']);
});

test('what comes when its time is up is not done', () => {
  const bench = new Bench();
  bench.nowMs = TIMEOUT_MS - 1;
  bench.forward(1);
  bench.nowMs = TIMEOUT_MS;
  bench.forward(2);
  expect(bench.calls).toEqual([1001]);
  expect(bench.heard()).toEqual(['1.2 Expired']);
});

test('under a grant that is over nothing is done', () => {
  const bench = new Bench();
  bench.epoch = 6;
  bench.forward(1);
  expect(bench.calls).toEqual([]);
  expect(bench.heard()).toEqual(['1.1 NotOwner']);
});

test('under a grant that has not come here yet a forward waits until it has', () => {
  const bench = new Bench();
  bench.applied = 4;
  bench.forward(1);
  expect(bench.heard()).toEqual(['1 taken below 1']);
  bench.intake.topicChanged(TOPIC);
  expect(bench.calls).toEqual([]);
  bench.applied = 5;
  bench.intake.topicChanged(5 as TopicId);
  expect(bench.calls).toEqual([]);
  bench.intake.topicChanged(TOPIC);
  expect(bench.calls).toEqual([1001]);
});

test('a sender has one lane a topic and kind at a time: of an earlier one nothing is taken any more', () => {
  const bench = new Bench();
  bench.forward(1, { lane: 2 });
  bench.forward(1, { lane: 1, call: 7 });
  expect(bench.calls).toEqual([1001]);
  expect(bench.heard()).toEqual([]);
  bench.forward(1, { lane: 1, call: 8, work: { kind: 'get', group: 'g' } });
  bench.forward(1, { lane: 1, call: 9 }, { ...SENDER, boot: 21 as BootId });
  expect(bench.calls).toEqual([1001, 8, 9]);
});

test('answers are kept until the sender has them', () => {
  const bench = new Bench();
  bench.forward(1);
  bench.begun[0]!.answer(DONE);
  bench.forward(2, { unanswered: 2 });
  bench.heard();
  // Late, from before the sender heard the answer.
  bench.forward(1);
  expect(bench.heard()).toEqual(['1 taken below 3']);
});

test('what lies further ahead than a sender may go is not kept', () => {
  const bench = new Bench();
  bench.forward(1 + LANE_MAX);
  expect(bench.heard()).toEqual([]);
  bench.forward(LANE_MAX);
  expect(bench.heard()).toEqual(['1 taken below 1']);
});

test('a lane is remembered for four times as long as an operation may take, counted from its last forward', () => {
  const bench = new Bench();
  bench.forward(1, { deadlineMs: Infinity });
  bench.nowMs = 3 * TIMEOUT_MS;
  bench.forward(1, { deadlineMs: Infinity });
  bench.nowMs = 7 * TIMEOUT_MS - 1;
  bench.intake.tick(bench.nowMs);
  bench.forward(1, { deadlineMs: Infinity });
  expect(bench.calls).toEqual([1001]);
  bench.nowMs += 4 * TIMEOUT_MS;
  expect(bench.intake.deadlineMs()).toBeLessThanOrEqual(bench.nowMs);
  bench.intake.tick(bench.nowMs);
  bench.forward(1, { deadlineMs: Infinity });
  expect(bench.calls).toEqual([1001, 1001]);
});

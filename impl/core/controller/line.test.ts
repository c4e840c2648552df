import { expect, test } from 'vitest';
import type { BootId, Epoch, NodeId, TopicId } from '../ids.ts';
import { type Call, LANE_MAX, Lane, Line } from './line.ts';
import type { Effect } from './operations.ts';

function call(number: number): Call<Effect> {
  return {
    operation: { kind: 'get', topic: 't', group: 'g' },
    number,
    deadlineMs: 0,
    last: undefined,
    answer: () => {},
    answered: false,
    lane: undefined,
  };
}

function lineOf(...calls: Call<Effect>[]): Line {
  const line = new Line('get', 't');
  for (const each of calls) line.push(each);
  return line;
}

function drain(line: Line): number[] {
  const numbers: number[] = [];
  while (line.peek() !== undefined) numbers.push(line.shift().number);
  return numbers;
}

const laneOf = (line: Line): Lane =>
  new Lane(1, line, 4 as TopicId, { owner: 2 as NodeId, boot: 20 as BootId, epoch: 5 as Epoch });

test('calls leave a line in the order of asking, but for those that were answered meanwhile', () => {
  const calls = [1, 2, 3, 4].map(call);
  const line = lineOf(...calls);
  calls[0]!.answered = true;
  calls[2]!.answered = true;
  expect(line.last).toBe(calls[3]);
  expect(drain(line)).toEqual([2, 4]);
});

test('what comes back goes before what was never handed out, in the order of asking', () => {
  const line = lineOf(...[1, 2, 3, 4, 5].map(call));
  const out = [line.shift(), line.shift(), line.shift()];
  line.putBack([out[2]!, out[0]!]);
  line.push(call(6));
  expect(drain(line)).toEqual([1, 3, 4, 5, 6]);
});

test('places in a lane count from 1, and the first without an answer is known, in whatever order answers come', () => {
  const line = lineOf();
  const lane = laneOf(line);
  const calls = [1, 2, 3].map(call);
  expect(calls.map((each) => lane.enter(each))).toEqual([1, 2, 3]);
  expect(lane.settle(2)).toBe(calls[1]);
  expect(lane.unanswered).toBe(1);
  expect(lane.settle(1)).toBe(calls[0]);
  expect(lane.unanswered).toBe(3);
  expect(lane.waiting).toBe(1);
});

test('an answer counts once', () => {
  const lane = laneOf(lineOf());
  lane.enter(call(1));
  lane.settle(1);
  expect(lane.settle(1)).toBeUndefined();
  expect(lane.waiting).toBe(0);
});

test('a lane whose call was given up takes nothing more, and still hears what became of it', () => {
  const lane = laneOf(lineOf());
  const gone = call(1);
  lane.enter(gone);
  lane.leave(gone);
  expect(lane.isOpen).toBe(false);
  expect(lane.waiting).toBe(0);
  expect(lane.unanswered).toBe(1);
  expect(lane.settle(1)).toBeUndefined();
  expect(lane.unanswered).toBe(2);
});

test('a lane is full when as many calls as its line allows are ahead of the first without an answer', () => {
  const line = lineOf();
  const lane = laneOf(line);
  expect(line.window).toBe(LANE_MAX);
  line.window = 2;
  lane.enter(call(1));
  expect(lane.isFull).toBe(false);
  lane.enter(call(2));
  lane.settle(2);
  expect(lane.isFull).toBe(true);
  lane.settle(1);
  expect(lane.isFull).toBe(false);
});

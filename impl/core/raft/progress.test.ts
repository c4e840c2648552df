import { expect, test } from 'vitest';
import { type LogIndex, nodeId } from '../ids.ts';
import { Progress } from './progress.ts';

const at = (index: number): LogIndex => index as LogIndex;

function replicating(matchIndex: number): Progress {
  const progress = new Progress(nodeId(2), at(matchIndex + 1), 0);
  progress.matched(at(matchIndex));
  return progress;
}

test('probing waits for the answer to each message, or for the next heartbeat', () => {
  const progress = new Progress(nodeId(2), at(7), 0);
  expect(progress.maySend(4)).toBe(true);
  progress.sent(at(9));
  expect(progress.maySend(4)).toBe(false);
  expect(progress.nextIndex).toBe(7);
  progress.heartbeatDue();
  expect(progress.maySend(4)).toBe(true);
  progress.matched(at(9));
  expect(progress).toMatchObject({ mode: 'replicate', matchIndex: 9, nextIndex: 10 });
});

test('a stale answer moves nothing back', () => {
  const progress = replicating(9);
  progress.sent(at(12));
  progress.matched(at(5));
  expect(progress).toMatchObject({ matchIndex: 9, nextIndex: 13 });
  expect(progress.isFreshRejection(at(9))).toBe(false);
  expect(progress.isFreshRejection(at(12))).toBe(true);
});

test('a rejection begins a probe at the hint, but never before what is known to match', () => {
  const progress = replicating(9);
  progress.sent(at(20));
  progress.probe(at(15));
  expect(progress).toMatchObject({ mode: 'probe', nextIndex: 16 });
  expect(progress.isFreshRejection(at(20))).toBe(false);
  progress.probe(at(3));
  expect(progress.nextIndex).toBe(10);
});

test('a member that denies what it confirmed is asked again by heartbeats only', () => {
  const progress = replicating(9);
  progress.sent(at(20));
  progress.probe(at(0));
  expect(progress.maySend(4)).toBe(true);
  progress.sent(at(20));
  progress.probe(at(0));
  expect(progress.maySend(4)).toBe(false);
  progress.heartbeatDue();
  expect(progress.maySend(4)).toBe(true);
});

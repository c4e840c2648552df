import { expect, test } from 'vitest';
import { DelayQueue } from './delay-queue.ts';

test('each is due its time after it was last put in, and taken once', () => {
  const queue = new DelayQueue<string>(100);
  queue.push('a', 0);
  queue.push('b', 10);
  queue.push('c', 20);
  queue.push('a', 30);
  queue.delete('c');
  expect(queue.deadlineMs()).toBe(100);
  expect(queue.take(109)).toEqual([]);
  expect(queue.take(110)).toEqual(['b']);
  expect(queue.deadlineMs()).toBe(130);
  expect(queue.take(500)).toEqual(['a']);
  expect(queue.take(500)).toEqual([]);
  expect(queue.deadlineMs()).toBe(Infinity);
});

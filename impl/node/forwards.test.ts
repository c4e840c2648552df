import { expect, test } from 'vitest';
import type { BootId, NodeId } from '../core/ids.ts';
import { Forwards } from './forwards.ts';

const node = 2 as NodeId;
const boot = 7 as BootId;

test('a request is taken once, in whatever order requests arrive', () => {
  const forwards = new Forwards();
  expect([1, 3, 2, 3, 1].map((each) => forwards.first(node, boot, each))).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});

test('each sender, and each life of a sender, counts anew', () => {
  const forwards = new Forwards();
  expect(forwards.first(node, boot, 1)).toBe(true);
  expect(forwards.first(3 as NodeId, boot, 1)).toBe(true);
  expect(forwards.first(node, 8 as BootId, 1)).toBe(true);
});

test('what is too old to be remembered is refused, not done again', () => {
  const forwards = new Forwards();
  for (let request = 1; request <= 10_000; request++) forwards.first(node, boot, request);
  expect(forwards.first(node, boot, 1)).toBe(false);
  expect(forwards.first(node, boot, 9_999)).toBe(false);
  expect(forwards.first(node, boot, 10_001)).toBe(true);
});

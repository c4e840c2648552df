import { expect, test } from 'vitest';
import type { BootId, NodeId } from '../core/ids.ts';
import { SeenForwards } from './seen-forwards.ts';

const node = 2 as NodeId;
const boot = 7 as BootId;

test('a request is taken once, in whatever order requests arrive', () => {
  const seen = new SeenForwards();
  expect([1, 3, 2, 3, 1].map((each) => seen.first(node, boot, each))).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});

test('each sender, and each life of a sender, counts anew', () => {
  const seen = new SeenForwards();
  expect(seen.first(node, boot, 1)).toBe(true);
  expect(seen.first(3 as NodeId, boot, 1)).toBe(true);
  expect(seen.first(node, 8 as BootId, 1)).toBe(true);
});

test('what is too old to be remembered is refused, not done again', () => {
  const seen = new SeenForwards();
  for (let request = 1; request <= 10_000; request++) seen.first(node, boot, request);
  expect(seen.first(node, boot, 1)).toBe(false);
  expect(seen.first(node, boot, 9_999)).toBe(false);
  expect(seen.first(node, boot, 10_001)).toBe(true);
});

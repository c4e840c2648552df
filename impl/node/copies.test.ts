import { expect, test } from 'vitest';
import { type BootId, nodeId } from '../core/ids.ts';
import { Copies } from './copies.ts';

const two = nodeId(2);
let heardAtMs: number;

/** Whoever has been silent for a second is dead. */
function newCopies(): Copies {
  return new Copies(1000, { heardAtMs: () => heardAtMs });
}

test('a node that starts again takes the place of its earlier life when that has been silent for long enough', () => {
  const copies = newCopies();
  heardAtMs = 10_000;
  expect(copies.judge(two, 7 as BootId, 10_200)).toBe('unknown');
  // What was still under way.
  heardAtMs = 10_300;
  expect(copies.judge(two, 7 as BootId, 11_299)).toBe('unknown');
  expect(copies.judge(two, 7 as BootId, 11_300)).toBe('successor');
});

test('whoever was never heard keeps nobody waiting', () => {
  heardAtMs = -Infinity;
  expect(newCopies().judge(two, 7 as BootId, 0)).toBe('successor');
});

test('a second process is a copy when the first one went on speaking', () => {
  const copies = newCopies();
  const judged = [];
  for (let nowMs = 10_000; nowMs <= 12_000; nowMs += 250) {
    heardAtMs = nowMs;
    judged.push(copies.judge(two, 7 as BootId, nowMs));
  }
  expect(judged).toEqual([...Array(4).fill('unknown'), ...Array(5).fill('copy')]);
  expect(copies.judge(two, 8 as BootId, 12_100), 'another one').toBe('unknown');
});

import { expect, test } from 'vitest';
import { simulate } from './testing.ts';

test('a seed is one run, however often it is played', () => {
  const options = { durationMs: 3000, nodes: 3 };
  const { hash, failure } = simulate(7, options);
  expect(failure).toBeUndefined();
  expect(simulate('7', options).hash).toBe(hash);
  expect(simulate(8, options).hash).not.toBe(hash);
});

test('the story is told as it happens', () => {
  const lines: string[] = [];
  simulate(1, { durationMs: 1000, tell: (line) => lines.push(line) });
  expect(lines.length).toBeGreaterThan(10);
  expect(lines.join('\n')).toMatch(/Phase/);
});

test('without faults there are none', () => {
  for (const seed of [1, 2, 3, 4]) {
    const { faults } = simulate(seed, { durationMs: 3000, faults: false });
    const injected = Object.keys(faults).filter((kind) => /^[A-Z]/.test(kind));
    expect(injected).toEqual([]);
  }
  const seeds = Array.from({ length: 8 }, (_, seed) => simulate(seed, { durationMs: 5000 }));
  expect(seeds.some(({ faults }) => Object.keys(faults).some((kind) => /^[A-Z]/.test(kind)))).toBe(
    true,
  );
});

test('options out of their range are refused', () => {
  expect(() => simulate(1, { durationMs: 0 })).toThrow(RangeError);
  expect(() => simulate(1, { durationMs: Number.NaN })).toThrow(RangeError);
  expect(() => simulate(1, { nodes: 0 })).toThrow(RangeError);
  expect(() => simulate(1, { nodes: 2.5 })).toThrow(RangeError);
});

import { expect, test } from 'vitest';
import { runOfSeed } from './seed.ts';
import { type Outcome, type Run, Simulation } from './simulator.ts';

function traced(run: Run): { lines: string[]; outcome: Outcome } {
  const lines: string[] = [];
  const outcome = new Simulation(run, (event) => lines.push(JSON.stringify(event))).play();
  return { lines, outcome };
}

test.each(['1', '2', '3'])('seed %s played twice gives the same trace, byte for byte', (seed) => {
  const run = runOfSeed(seed, 40_000);
  const first = traced(run);
  const second = traced(run);
  const parting = first.lines.findIndex((line, i) => line !== second.lines[i]);
  // Names the first event that differs, not just that one does.
  expect(second.lines[parting]).toBe(first.lines[parting]);
  expect(second.lines.length).toBe(first.lines.length);
  expect(second.outcome.hash).toBe(first.outcome.hash);
  expect(first.lines.length).toBeGreaterThan(1000);
});

test('the hash tells runs apart, and does not depend on whether somebody writes the trace', () => {
  const run = runOfSeed('1', 10_000);
  const silent = new Simulation(run).play();
  expect(silent.hash).toBe(traced(run).outcome.hash);
  expect(silent.hash).not.toBe(new Simulation(runOfSeed('2', 10_000)).play().hash);
});

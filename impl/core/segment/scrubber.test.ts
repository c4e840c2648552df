import { expect, test } from 'vitest';
import { Bench, SEGMENT, TOPIC } from './data-plane.test-support.ts';

/** A node that holds so many records of a byte each, durably. */
function scrubbed(count: number, bytesPerSecond: number, everyMs = 1000): Bench {
  const bench = new Bench({ quickReads: true, scrub: { everyMs, bytesPerSecond } });
  bench.learn({});
  bench.replicate(0, count, 0);
  bench.sync();
  return bench;
}

/** Lets time pass in small steps, and gives the places at which records were read. */
function readFroms(bench: Bench, ms: number): number[] {
  bench.readRanges.length = 0;
  for (let i = 0; i < ms; i += 10) bench.passes(10);
  return bench.readRanges.map(([from]) => from);
}

test('every record is read, once in each pass', () => {
  const bench = scrubbed(10, 1_000_000);
  expect(readFroms(bench, 900)).toEqual([0]);
  expect(bench.readRanges).toEqual([[0, 10]]);
  expect(readFroms(bench, 2000)).toEqual([0, 0]);
});

test('no more is read than so many bytes a second', () => {
  const bench = scrubbed(100, 1000, 10);
  // A pass of 100 bytes takes 100 ms.
  expect(readFroms(bench, 1000).length).toBeLessThanOrEqual(10);
});

test('what is not durable yet is not read', () => {
  const bench = scrubbed(2, 1_000_000);
  bench.replicate(2, 3, 0);
  readFroms(bench, 900);
  expect(bench.readRanges).toEqual([[0, 2]]);
});

test('no rate, no reading', () => {
  const bench = scrubbed(10, 0);
  expect(readFroms(bench, 3000)).toEqual([]);
  expect(bench.dataPlane.replicas.find(TOPIC, SEGMENT)!.durableEnd).toBe(10);
});

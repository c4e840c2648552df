/** A recoverer: from the fence to the proposal of the end. */
import { expect, test } from 'vitest';
import type { Epoch } from '../ids.ts';
import { Bench, OTHER, records, SEGMENT, THIRD, TOPIC } from './data-plane.test-support.ts';
import { RETRY_MS } from './ports.ts';

const NEXT = 6 as Epoch;

/** A recoverer that holds so many records itself, and whose own promise is not durable yet. */
function recoverer(held: number): Bench {
  const bench = new Bench({ quickReads: true });
  bench.learn({});
  bench.replicate(0, held, 0);
  bench.sync();
  bench.letters.length = 0;
  bench.recover(NEXT);
  bench.passes(0);
  return bench;
}

test('the others are asked to promise, and again until they have', () => {
  const bench = recoverer(2);
  expect(bench.sent('PromiseRequest')).toMatchObject([
    { to: 2, epoch: NEXT },
    { to: 3, epoch: NEXT },
  ]);
  bench.sync();
  bench.hear(THIRD, 'Promise', { epoch: NEXT, durableEnd: 1 });
  // A majority has promised: nobody else is needed.
  bench.passes(RETRY_MS);
  expect(bench.sent('PromiseRequest')).toEqual([]);
});

test('the pauses between questions grow, for who is asked may have thousands to answer', () => {
  const bench = recoverer(0);
  const askedAtMs: number[] = [];
  bench.sent('PromiseRequest');
  for (let i = 0; i < 40; i++) {
    bench.passes(RETRY_MS);
    if (bench.sent('PromiseRequest').length > 0) askedAtMs.push(bench.nowMs);
  }
  expect(askedAtMs).toEqual([100, 300, 700, 1500, 3100]);
});

test('its own promise counts when it is durable', () => {
  const bench = recoverer(2);
  bench.hear(OTHER, 'Promise', { epoch: NEXT, durableEnd: 2 });
  expect(bench.proposed).toEqual([]);
  bench.sync();
  expect(bench.proposed).toMatchObject([{ kind: 'SealSegment', epoch: NEXT, count: 2 }]);
});

test('what the longest of a majority has is copied here first, and durable on a majority before the end is proposed', () => {
  const bench = recoverer(1);
  bench.sync();
  bench.hear(THIRD, 'Promise', { epoch: NEXT, durableEnd: 3 });
  expect(bench.sent('CopyRequest')).toMatchObject([{ to: 3, epoch: NEXT, from: 1 }]);
  bench.hear(THIRD, 'Copy', { epoch: NEXT, from: 1, records: records(1, 1) });
  // The rest is asked for at once.
  expect(bench.sent('CopyRequest')).toMatchObject([{ to: 3, epoch: NEXT, from: 2 }]);
  bench.hear(THIRD, 'Copy', { epoch: NEXT, from: 2, records: records(2, 1) });
  expect(bench.proposed).toEqual([]);
  bench.sync();
  expect(bench.proposed).toMatchObject([{ count: 3 }]);
});

test('a replica that is shorter is filled up, if it is needed for a majority', () => {
  const bench = recoverer(3);
  bench.sync();
  bench.hear(THIRD, 'Promise', { epoch: NEXT, durableEnd: 1 });
  bench.flush();
  expect(bench.proposed).toEqual([]);
  expect(bench.sent('Replicate').filter(({ to }) => to === 3)).toMatchObject([
    { epoch: NEXT, from: 1, records: records(1, 2) },
  ]);
  bench.ack(THIRD, 3, NEXT);
  expect(bench.proposed).toMatchObject([{ count: 3 }]);
});

test('promises and copies of another epoch count for nothing', () => {
  const bench = recoverer(2);
  bench.sync();
  bench.hear(OTHER, 'Promise', { epoch: 5 as Epoch, durableEnd: 2 });
  expect(bench.proposed).toEqual([]);
  bench.hear(OTHER, 'Copy', { epoch: 5 as Epoch, from: 2, records: records(2, 1) });
  expect(bench.dataPlane.replicas.find(TOPIC, SEGMENT)!.end).toBe(2);
});

test('a recoverer that promised a later one proposes nothing more', () => {
  const bench = recoverer(2);
  bench.sync();
  bench.hear(THIRD, 'PromiseRequest', { epoch: 7 as Epoch });
  bench.hear(OTHER, 'Promise', { epoch: NEXT, durableEnd: 2 });
  for (let i = 0; i < 10; i++) bench.passes(RETRY_MS);
  expect(bench.proposed).toEqual([]);
});

test('when the metadata gives the segment to somebody else nothing is asked any more', () => {
  const bench = recoverer(2);
  bench.learn({ state: 'fenced', owner: OTHER.node, epoch: 7 as Epoch });
  bench.sync();
  bench.letters.length = 0;
  for (let i = 0; i < 10; i++) bench.passes(RETRY_MS);
  expect(bench.letters).toEqual([]);
  expect(bench.dataPlane.failover.recovery(TOPIC)).toBeUndefined();
});

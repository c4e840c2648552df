import { expect, test } from 'vitest';
import type { TraceEvent } from '../impl/core/trace.ts';
import { tamper } from './tampering.ts';

const TAKEN_OUT = 0;

const batch = (name: 'Persist' | 'PersistCompleted', number: number): TraceEvent =>
  ({ name, node: 1, incarnation: 11, state: {}, number }) as unknown as TraceEvent;

/** What can be taken out of a trace, each event by its place. */
function takenOut(events: readonly TraceEvent[]): Set<string> {
  const all = Array.from({ length: 50 }, (_, seed) => tamper(events, TAKEN_OUT, seed)?.what);
  return new Set(all.flatMap((what) => (what === undefined ? [] : [what])));
}

test('a batch that is told to be durable is taken out', () => {
  const told = [batch('Persist', 1), batch('PersistCompleted', 1), batch('Persist', 2)];
  expect(takenOut(told)).toEqual(new Set(['event 1 (Persist) was taken out']));
});

test('a batch may have been one with the next, if only that one is told to be durable', () => {
  const told = [batch('Persist', 1), batch('Persist', 2), batch('PersistCompleted', 2)];
  expect(takenOut(told)).toEqual(new Set(['event 2 (Persist) was taken out']));
});

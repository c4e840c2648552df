import { expect, test } from 'vitest';
import { Ledger } from './ledger.ts';

const CLEAN = { missing: 0, repeated: 0, foreign: 0 };

/** Two writers with two records each, acknowledged. */
function written(): { ledger: Ledger; payloads: string[] } {
  const ledger = new Ledger(2, 30);
  const payloads = [0, 1, 0, 1].map((writer) => {
    const { sequence, payload } = ledger.next(writer);
    ledger.told(writer, sequence, 'acknowledged');
    return payload;
  });
  return { ledger, payloads };
}

test('records that are all there, once, agree', () => {
  const { ledger, payloads } = written();
  for (const payload of payloads) {
    expect(payload).toHaveLength(30);
    ledger.seen(payload);
  }
  expect(ledger.disagreement()).toEqual(CLEAN);
  expect(ledger.count('acknowledged')).toBe(4);
});

test('a record that is missing, one that is there twice, one that is not as sent', () => {
  const { ledger, payloads } = written();
  const [first, second, third] = payloads as [string, string, string];
  for (const payload of [first, second, second, third.replace('..', '.x')]) ledger.seen(payload);
  expect(ledger.disagreement()).toEqual({ missing: 2, repeated: 1, foreign: 1 });
});

test('what nobody knows of may be there or not; what was refused may not', () => {
  const ledger = new Ledger(1, 30);
  const [there, , refused] = ['unknown', 'unknown', 'refused'].map((outcome) => {
    const { sequence, payload } = ledger.next(0);
    ledger.told(0, sequence, outcome as 'unknown' | 'refused');
    return payload;
  });
  ledger.seen(there!);
  expect(ledger.disagreement()).toEqual(CLEAN);
  ledger.seen(refused!);
  ledger.seen('no record of ours');
  expect(ledger.disagreement()).toEqual({ missing: 0, repeated: 0, foreign: 2 });
});

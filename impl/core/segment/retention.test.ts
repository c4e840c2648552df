import { expect, test } from 'vitest';
import type { TopicRecord } from '../metadata/cluster-state.ts';
import { NO_POLICY, type TopicPolicy } from '../metadata/policy.ts';
import { retainedStart } from './retention.ts';

/** Three sealed segments of 10 records and 100 bytes, sealed at 1000, 2000, 3000 ms, and an open one. */
function topic(policy: Partial<TopicPolicy>, cursors: readonly number[] = []): TopicRecord {
  const sealed = [0, 1, 2].map((i) => ({
    id: i + 1,
    state: 'sealed',
    baseOffset: 10 * i,
    count: 10,
    bytes: 100,
    sealedAtMs: 1000 * (i + 1),
  }));
  const open = { id: 4, state: 'open', baseOffset: 30, count: 0, bytes: 0, sealedAtMs: 0 };
  return {
    segments: [...sealed, open],
    policy: { ...NO_POLICY, ...policy },
    cursors: new Map(cursors.map((at, i) => [`group-${i}`, at])),
  } as never;
}

test('without a policy all is kept', () => {
  expect(retainedStart(topic({}, [30]), 1000, 1e12)).toBe(0);
});

test('by bytes, as much goes as leaves so many', () => {
  const keep = (retentionBytes: number, openBytes: number): number =>
    retainedStart(topic({ retentionBytes }), openBytes, 0);
  expect([keep(300, 50), keep(250, 50), keep(200, 50), keep(51, 50), keep(50, 50)]).toEqual([
    0, 10, 10, 20, 30,
  ]);
});

test('by age, what was sealed so long ago goes, and a clock that is behind keeps all', () => {
  const keep = (nowMs: number): number => retainedStart(topic({ retentionMs: 1000 }), 0, nowMs);
  expect([keep(0), keep(1999), keep(2000), keep(3500), keep(9000)]).toEqual([0, 0, 10, 20, 30]);
});

test('by consumption, what all groups have read goes; without a group nothing does', () => {
  const keep = (...cursors: number[]): number =>
    retainedStart(topic({ retentionConsumed: true }, cursors), 0, 0);
  expect([keep(), keep(30), keep(30, 19), keep(30, 20), keep(0, 30)]).toEqual([0, 30, 10, 20, 0]);
});

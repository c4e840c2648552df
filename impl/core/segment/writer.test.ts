import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NodeId } from '../ids.ts';
import type { SegmentRecord } from '../metadata/cluster-state.ts';
import { Recovery } from './recovery.ts';
import type { Replica } from './replica.ts';
import { Writer } from './writer.ts';

const self = 1 as NodeId;

function segment(replicas: number): SegmentRecord {
  const records = Array.from({ length: replicas }, (_, i) => ({
    node: i + 1,
    incarnation: 100 + i,
  }));
  return {
    id: 1,
    state: 'open',
    epoch: 5,
    owner: 1,
    boot: 9,
    replicas: records,
    baseOffset: 0,
    count: 0,
  } as never;
}

const replica = (durableEnd: number): Replica => ({ durableEnd, end: 100 }) as Replica;
const follower = (node: number) => ({ node, incarnation: 99 + node }) as never;

test('the high watermark is what a majority holds durably, as counting them one by one says', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 7 }), (ends) => {
      const writer = new Writer(replica(ends[0]!), segment(ends.length), self);
      writer.followers.forEach((each, i) => {
        each.match = ends[i + 1]!;
      });
      const safe = (k: number): boolean => ends.filter((end) => end >= k).length * 2 > ends.length;
      let slow = 0;
      while (safe(slow + 1)) slow++;
      expect(writer.majorityEnd()).toBe(slow);
    }),
  );
});

test('those who wait hear in order, once, and only when their record is below the mark', () => {
  const writer = new Writer(replica(0), segment(3), self);
  const heard: string[] = [];
  for (let i = 0; i < 4; i++) writer.await(i, (outcome) => heard.push(`${i} ${outcome}`));
  writer.settleBelow(2);
  writer.settleBelow(2);
  expect(heard).toEqual(['0 committed', '1 committed']);
  writer.settleSealed(3);
  expect(heard.slice(2)).toEqual(['2 committed', '3 lost']);
  expect(writer.waitingCount).toBe(0);
});

test('a disk that took the place of a replica is not that replica', () => {
  const writer = new Writer(replica(0), segment(3), self);
  expect(writer.follower({ node: 2, incarnation: 101 } as never)).toBeDefined();
  expect(writer.follower({ node: 2, incarnation: 999 } as never)).toBeUndefined();
});

test('a segment ends where the longest of a majority of promises ends', () => {
  const recovery = new Recovery(replica(3), segment(3), self);
  recovery.promise({ node: 1, incarnation: 100 } as never, 3);
  expect(recovery.count).toBeUndefined();
  recovery.promise(follower(3), 5);
  expect(recovery.count).toBe(5);
  expect(recovery.longest()).toMatchObject({ node: 3 });
  recovery.promise(follower(2), 9);
  expect(recovery.count).toBe(5);
});

test('a promise of a stranger disk does not count', () => {
  const recovery = new Recovery(replica(0), segment(3), self);
  recovery.promise({ node: 1, incarnation: 100 } as never, 0);
  recovery.promise({ node: 2, incarnation: 999 } as never, 0);
  expect(recovery.count).toBeUndefined();
});

test('when the longest loses its disk, the rest choose again', () => {
  const recovery = new Recovery(replica(1), segment(5), self);
  recovery.promise({ node: 1, incarnation: 100 } as never, 1);
  recovery.promise(follower(2), 2);
  recovery.promise(follower(3), 7);
  expect(recovery.count).toBe(7);
  recovery.promise(follower(4), 4);
  recovery.forget(follower(3));
  expect(recovery.count).toBe(4);
  recovery.forget(follower(4));
  expect(recovery.count).toBeUndefined();
});

import { expect, test } from 'vitest';
import type { BootId, Incarnation } from '../core/ids.ts';
import { nodeId } from '../core/ids.ts';
import type { Member } from '../core/raft/membership.ts';
import { Peers } from './peers.ts';

const SILENCE_MS = 1000;
const BEGIN_MS = 5000;
const TWO = nodeId(2);

const peers = (): Peers => new Peers(SILENCE_MS, BEGIN_MS);

test('at first everybody has the time to be heard', () => {
  expect(peers().live(TWO, BEGIN_MS + SILENCE_MS - 1)).toBe(true);
  expect(peers().live(TWO, BEGIN_MS + SILENCE_MS)).toBe(false);
});

test('who was heard lives, until it has been silent for too long', () => {
  const each = peers();
  each.heard(TWO, 7000);
  expect(each.live(TWO, 7999)).toBe(true);
  expect(each.live(TWO, 8000)).toBe(false);
  expect(each.live(nodeId(3), 7999)).toBe(false);
});

test('a disk is full as long as its node goes on saying so', () => {
  const each = peers();
  expect(each.hasRoom(TWO, 0)).toBe(true);
  each.reportedFull(TWO, true, 6000);
  expect(each.hasRoom(TWO, 6999)).toBe(false);
  expect(each.hasRoom(TWO, 7000)).toBe(true);
  each.reportedFull(TWO, true, 8000);
  each.reportedFull(TWO, false, 8001);
  expect(each.hasRoom(TWO, 8002)).toBe(true);
});

test('a process that is about to stop is never one that stays; the next one is another', () => {
  const each = peers();
  const [first, second] = [1, 2] as BootId[];
  expect(each.isLeaving(TWO, first!)).toBe(false);
  each.reportedLeaving(TWO, first!);
  expect(each.isLeaving(TWO, first!)).toBe(true);
  expect(each.isLeaving(TWO, second!)).toBe(false);
});

test('who was sent nothing since is to be sent a sign of life', () => {
  const each = peers();
  expect(each.idleSince(TWO, 6000)).toBe(true);
  each.sent(TWO, 6001);
  expect(each.idleSince(TWO, 6000)).toBe(false);
  expect(each.idleSince(TWO, 6001)).toBe(true);
});

test('an answer goes to the disk that asked last', () => {
  const each = peers();
  expect(each.incarnation(TWO)).toBe(0);
  each.asked(TWO, 7 as Incarnation);
  each.asked(TWO, 8 as Incarnation);
  expect(each.incarnation(TWO)).toBe(8);
});

test('members are located when the membership is another one', () => {
  const each = peers();
  const member: Member = { id: TWO, incarnation: 7 as Incarnation, address: 'a', learner: false };
  const located: Member[] = [];
  const membership = [member];
  for (let i = 0; i < 3; i++) each.follow(membership, (found) => located.push(found));
  expect(located).toEqual([member]);
  each.follow([member, member], (found) => located.push(found));
  expect(located).toHaveLength(3);
});

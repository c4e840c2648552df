import { expect, test } from 'vitest';
import { nodeId } from '../core/ids.ts';
import { Handover } from './handover.ts';

/** Node 1, which leads, owns a segment, and has two other members and a learner. */
class Bench {
  owned: string[] = ['t'];
  role = 'leader';
  readonly dead: Set<number> = new Set();
  readonly said: string[] = [];
  isQuiet = true;
  readonly handover: Handover;

  constructor() {
    const raft = {
      membership: [
        { id: 4, learner: true },
        { id: 1, learner: false },
        { id: 2, learner: false },
        { id: 3, learner: false },
      ],
      transferLeadership: (to: number) => this.said.push(`lead, ${to}`),
    };
    Object.defineProperty(raft, 'role', { get: () => this.role });
    this.handover = new Handover({
      config: { id: nodeId(1) },
      raft,
      dataPlane: {
        owner: {
          all: () => this.owned,
          rollOver: (all: boolean) => this.said.push(all ? 'roll over all' : 'roll over'),
        },
      },
      controller: { isQuietSince: () => this.isQuiet },
      stays: (node: number) => !this.dead.has(node),
    } as never);
  }
}

test('segments first, then leadership, and then the node may stop', () => {
  const { handover, said } = new Bench();
  expect(handover.isUnderWay).toBe(false);
  handover.begin(1000);
  expect(handover.isUnderWay).toBe(true);
  expect(handover.advance(1100)).toBe(false);
  // It still owns something, or again.
  expect(handover.advance(1200)).toBe(false);
  expect(said).toEqual(['roll over all', 'roll over all']);
});

test('leadership goes to a voter that lives', () => {
  const bench = new Bench();
  bench.handover.begin(0);
  bench.owned = [];
  bench.dead.add(2);
  expect(bench.handover.advance(100)).toBe(false);
  expect(bench.said).toEqual(['lead, 3']);
  bench.role = 'follower';
  expect(bench.handover.advance(500)).toBe(true);
});

test('nobody is waited for who is not there', () => {
  const bench = new Bench();
  bench.handover.begin(0);
  bench.owned = [];
  for (const node of [2, 3]) bench.dead.add(node);
  expect(bench.handover.advance(500)).toBe(true);
});

test('what it was asked is answered first', () => {
  const bench = new Bench();
  bench.handover.begin(0);
  bench.owned = [];
  bench.role = 'follower';
  bench.isQuiet = false;
  expect(bench.handover.advance(600)).toBe(false);
  bench.isQuiet = true;
  expect(bench.handover.advance(700)).toBe(true);
});

test('others have time to hear that it leaves', () => {
  const bench = new Bench();
  bench.handover.begin(1000);
  bench.owned = [];
  bench.role = 'follower';
  expect(bench.handover.advance(1499)).toBe(false);
  expect(bench.handover.advance(1500)).toBe(true);
});

test('nor for ever: as long as something is taken over, and no longer', () => {
  const bench = new Bench();
  bench.owned = ['t', 'u'];
  bench.handover.begin(1000);
  expect(bench.handover.advance(1100)).toBe(false);
  expect(bench.handover.advance(3099)).toBe(false);
  bench.owned = ['u'];
  expect(bench.handover.advance(3099)).toBe(false);
  expect(bench.handover.advance(5098)).toBe(false);
  expect(bench.handover.advance(5099)).toBe(true);
});

test('and not until the last of thousands', () => {
  const bench = new Bench();
  bench.owned = Array.from({ length: 100 }, (_, i) => `${i}`);
  bench.handover.begin(0);
  for (let nowMs = 100; nowMs < 8000; nowMs += 100) {
    bench.owned.pop();
    expect(bench.handover.advance(nowMs)).toBe(false);
  }
  expect(bench.handover.advance(8000)).toBe(true);
});

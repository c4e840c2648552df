import { expect, test } from 'vitest';
import { nodeId } from '../core/ids.ts';
import { Handover } from './handover.ts';

/** Node 1, which leads, owns a segment, and has two other members and a learner. */
class Bench {
  owned: string[] = ['t'];
  role = 'leader';
  readonly dead: Set<number> = new Set();
  readonly said: string[] = [];
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
      live: (node: number) => !this.dead.has(node),
    } as never);
  }
}

test('segments first, then leadership, and then the node may stop', () => {
  const { handover, said } = new Bench();
  expect(handover.isUnderWay).toBe(false);
  handover.begin(1000);
  expect(handover.isUnderWay).toBe(true);
  expect(said).toEqual(['roll over all']);
  expect(handover.advance(1100)).toBe(false);
  // It still owns something.
  expect(said).toHaveLength(1);
});

test('leadership goes to a voter that lives', () => {
  const bench = new Bench();
  bench.handover.begin(0);
  bench.owned = [];
  bench.dead.add(2);
  expect(bench.handover.advance(100)).toBe(false);
  expect(bench.said.slice(1)).toEqual(['lead, 3']);
  bench.role = 'follower';
  expect(bench.handover.advance(200)).toBe(true);
});

test('nobody is waited for who is not there', () => {
  const bench = new Bench();
  bench.handover.begin(0);
  bench.owned = [];
  for (const node of [2, 3]) bench.dead.add(node);
  expect(bench.handover.advance(100)).toBe(true);
});

test('nor for ever', () => {
  const bench = new Bench();
  bench.handover.begin(1000);
  expect(bench.handover.advance(2999)).toBe(false);
  expect(bench.handover.advance(3000)).toBe(true);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NodeId } from '../ids.ts';
import { place } from './placement.ts';

const ids = (...values: number[]): NodeId[] => values as NodeId[];
const all = () => 0;

test('ownership goes round in a ring', () => {
  expect(place(ids(1, 2, 3), 1 as NodeId, all, 3).owner).toBe(2);
  expect(place(ids(1, 2, 3), 3 as NodeId, all, 3).owner).toBe(1);
  expect(place(ids(2, 5, 9), 4 as NodeId, all, 2)).toEqual({ owner: 5, replicas: [5, 9] });
});

test('a node that does not answer is passed over, but still holds copies if there are not enough', () => {
  const rank = (node: NodeId): number => (node === 2 ? 2 : 0);
  expect(place(ids(1, 2, 3), 1 as NodeId, rank, 3)).toEqual({ owner: 3, replicas: [1, 2, 3] });
  expect(place(ids(1, 2, 3, 4), 1 as NodeId, rank, 3)).toEqual({ owner: 3, replicas: [1, 3, 4] });
});

test('a full node is passed over, and better than one that does not answer', () => {
  const rank = (node: NodeId): number => [0, 2, 1, 1][node - 1]!;
  expect(place(ids(1, 2, 3, 4), 1 as NodeId, rank, 2)).toEqual({ owner: 1, replicas: [1, 3] });
  expect(place(ids(2, 3, 4), 1 as NodeId, rank, 2)).toEqual({ owner: 3, replicas: [3, 4] });
});

test('the owner always holds a copy, nobody holds two, and nobody is left over in vain', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
      fc.nat(9),
      fc.array(fc.integer({ min: 1, max: 9 })),
      fc.integer({ min: 1, max: 5 }),
      (values, after, dead, factor) => {
        const nodes = ids(...values.sort((a, b) => a - b));
        const rank = (node: NodeId): number => (dead.includes(node) ? 2 : 0);
        const { owner, replicas } = place(nodes, after as NodeId, rank, factor);
        expect(replicas).toContain(owner);
        expect(new Set(replicas).size).toBe(Math.min(factor, nodes.length));
        expect(rank(owner)).toBe(Math.min(...nodes.map(rank)));
      },
    ),
  );
});

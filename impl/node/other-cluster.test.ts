import { expect, test } from 'vitest';
import type { Incarnation, NodeId } from '../core/ids.ts';
import type { Raft } from '../core/raft/raft.ts';
import { OtherCluster } from './other-cluster.ts';

test('members of the other cluster that ping in turn are one reason, not several', () => {
  let nowMs = 0;
  const raft = { self: 1, membership: [{ id: 1 }] } as unknown as Raft;
  const other = new OtherCluster({ raft, nowMs: () => nowMs });
  const meant = 7 as Incarnation;
  const reasons = new Set<string | undefined>();
  for (; nowMs < 20_000; nowMs += 500) {
    other.heard((2 + ((nowMs / 500) % 2)) as NodeId, meant);
    reasons.add(other.reason);
  }
  expect([...reasons]).toEqual([expect.stringMatching(/^two clusters: node 2 /)]);
  nowMs += 5_000;
  expect(other.reason).toBeUndefined();
});

/**
 * A leader that removes itself, which no simulated run has, since nodes have no way to be told so: the story is told to bare Rafts,
 * and what they say of it is kept, for TLC to judge with the other golden traces. `npx vitest -u` keeps it anew.
 */
import { expect, test } from 'vitest';
import { nodeId } from '../impl/core/ids.ts';
import type { HostedRaftEvent } from '../impl/core/raft/trace.ts';
import { RaftCluster } from '../properties/raft-cluster.ts';
import { Refinement } from '../properties/refinement.ts';

test('a leader that has committed its removal leaves, and the others go on', async () => {
  const events: HostedRaftEvent[] = [];
  const refinement = new Refinement();
  const trace = {
    emit: (event: HostedRaftEvent): void => {
      refinement.raftStep(event);
      events.push(event);
    },
  };
  const cluster = new RaftCluster([1, 2, 3], { trace });
  cluster.elect(1);
  cluster.propose(1, 'before');
  cluster.deliver();
  cluster.with(1, (raft) => raft.proposeMembership({ kind: 'remove', id: nodeId(1) }));
  expect(cluster.raft(1).role).toBe('leader');
  cluster.deliver();
  expect(cluster.raft(1).role).toBe('learner');
  cluster.elect(2, [2, 3]);
  cluster.propose(2, 'after');
  cluster.deliver();
  expect(cluster.applied(3)).toEqual(['before', 'after']);
  expect(refinement.taken.get('LeaveLeadership')).toBe(1);
  const lines = events.map((event) => `${JSON.stringify(event)}\n`).join('');
  await expect(lines).toMatchFileSnapshot('../traces/golden/leader-removed.ndjson');
});

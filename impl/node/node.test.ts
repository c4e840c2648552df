import { expect, test } from 'vitest';
import { runOfSeed } from '../../sim/seed.ts';
import { Simulation } from '../../sim/simulator.ts';
import { ERRORS } from '../core/errors.ts';
import type { Node } from './node.ts';

/** A node that has only just been started: its store is not open yet. */
function starting(): Node {
  const { cluster } = new Simulation(runOfSeed('1', 1000));
  const machine = cluster.machines[0]!;
  cluster.start(machine);
  return machine.node!;
}

function ask(node: Node): unknown[] {
  const replies: unknown[] = [];
  const operation = { kind: 'register', topic: 't' } as const;
  node.request([{ operation, reply: (reply) => replies.push(reply) }]);
  return replies;
}

test('what comes too early is refused so that a client asks again', () => {
  const node = starting();
  expect(node.status).toBe('starting');
  expect(ask(node)).toMatchObject([{ kind: 'error', code: 'NoLeader' }]);
  expect(ERRORS.NoLeader).toEqual({ retriable: true, committed: 'no' });
});

test('what comes too late for a node that has left is refused so that a client asks another', () => {
  const node = starting();
  node.stop();
  expect(node.status).toBe('stopped');
  expect(ask(node)).toMatchObject([{ kind: 'error', code: 'Unavailable' }]);
  expect(ERRORS.Unavailable).toEqual({ retriable: true, committed: 'no' });
});

test('a node that does not run yet knows nothing, wants nothing, and can be asked all the same', () => {
  const node = starting();
  node.tick();
  expect(node.deadlineMs()).toBe(Infinity);
  expect(node.incarnation).toBe(0);
  expect(node.raft).toBeUndefined();
  expect(node.clusterState).toBeUndefined();
  expect(node.storage).toBeUndefined();
  expect([...node.replicas()]).toEqual([]);
  expect(node.topicState('t')).toBeUndefined();
  expect(node.metrics()).toMatchObject({ running_state: { Err: 'stopped' }, last_applied: null });
});

import { expect, test } from 'vitest';
import { runOfSeed } from '../../sim/seed.ts';
import { Simulation } from '../../sim/simulator.ts';
import { ERRORS } from '../core/errors.ts';

test('what comes too late for a node that has left is refused so that a client asks another', () => {
  const { cluster } = new Simulation(runOfSeed('1', 1000));
  const machine = cluster.machines[0]!;
  cluster.start(machine);
  const { node } = machine;
  node!.stop();
  expect(node!.status).toBe('stopped');
  const replies: unknown[] = [];
  node!.request({ kind: 'register', topic: 't' }, (reply) => replies.push(reply));
  expect(replies).toMatchObject([{ kind: 'error', code: 'Unavailable' }]);
  expect(ERRORS.Unavailable).toEqual({ retriable: true, committed: 'no' });
});

import { expect, test, vi } from 'vitest';
import { AssertionError } from '../core/assert.ts';
import { WalrusError } from '../core/errors.ts';
import { FakeNode } from './fake-node.test-support.ts';
import { Host } from './host.ts';
import { systemClock } from './system-clock.ts';

interface Hosted {
  readonly node: FakeNode;
  readonly host: Host<string>;
  readonly ends: (Error | undefined)[];
  readonly fulls: boolean[];
  readonly exclusions: (string | undefined)[];
}

function hosted(): Hosted {
  const node = new FakeNode();
  const ends: (Error | undefined)[] = [];
  const fulls: boolean[] = [];
  const exclusions: (string | undefined)[] = [];
  const host = new Host<string>(
    systemClock,
    (reason) => ends.push(reason),
    (full) => fulls.push(full),
    (reason) => exclusions.push(reason),
  );
  return { node, host, ends, fulls, exclusions };
}

test('a disk that is full, or has room again, is told of once', async () => {
  const { node, host, fulls } = hosted();
  host.run(node);
  for (const full of [false, true, true, false, false]) {
    node.diskIsFull = full;
    host.receive('something');
    await new Promise(setImmediate);
  }
  expect(fulls).toEqual([true, false]);
});

test('why the cluster takes nothing of the node is told once, and that it does again', async () => {
  const { node, host, exclusions } = hosted();
  host.run(node);
  for (const reason of [undefined, 'refused', 'refused', undefined, undefined]) {
    node.exclusion = reason;
    host.receive('something');
    await new Promise(setImmediate);
  }
  expect(exclusions).toEqual(['refused', undefined]);
});

test('the node is woken at its deadline, once', async () => {
  const { node, host } = hosted();
  node.deadline = systemClock.monotonicMs() + 30;
  host.run(node);
  await vi.waitFor(() => expect(node.ticks).toBe(1), { timeout: 10_000 });
  expect(systemClock.monotonicMs()).toBeGreaterThanOrEqual(30);
});

test('an input that brings the deadline nearer wakes it sooner; one that moves it away does not wake it', async () => {
  const { node, host } = hosted();
  node.deadline = systemClock.monotonicMs() + 3_600_000;
  host.run(node);
  await new Promise(setImmediate);
  node.deadline = systemClock.monotonicMs() + 10;
  host.receive('sooner');
  await new Promise(setImmediate);
  node.deadline = systemClock.monotonicMs() + 150;
  host.receive('later');
  const before = systemClock.monotonicMs();
  await vi.waitFor(() => expect(node.ticks).toBe(1), { timeout: 10_000 });
  expect(systemClock.monotonicMs() - before).toBeGreaterThan(100);
});

test('a deadline long past is one tick a turn, and inputs still get in between', async () => {
  const { node, host } = hosted();
  node.tick = () => {
    node.ticks++;
  };
  node.deadline = 0;
  host.run(node);
  await vi.waitFor(() => expect(node.ticks).toBeGreaterThan(3), { timeout: 10_000 });
  host.receive('still here');
  expect(node.received).toEqual(['still here']);
  host.stop();
});

test('a node that throws is dead: told once, and handed nothing more', async () => {
  const { node, host, ends } = hosted();
  host.run(node);
  node.poison = new AssertionError('two owners');
  host.receive('one');
  host.receive('two');
  expect(ends).toEqual([node.poison]);
  expect(host.status).toBe('stopped');
  const replies: unknown[] = [];
  host.request({ kind: 'register', topic: 't' }, (reply) => replies.push(reply));
  await vi.waitFor(() => expect(replies).toMatchObject([{ kind: 'error', code: 'Unavailable' }]), {
    timeout: 10_000,
  });
});

test('a node that stops by itself says why', async () => {
  const { node, host, ends } = hosted();
  host.run(node);
  node.failure = new WalrusError('StorageFailed', 'EIO');
  node.status = 'stopped';
  host.complete([]);
  await vi.waitFor(() => expect(ends).toEqual([node.failure]), { timeout: 10_000 });
});

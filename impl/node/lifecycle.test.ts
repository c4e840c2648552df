import { expect, test } from 'vitest';
import { WalrusError } from '../core/errors.ts';
import { Lifecycle } from './lifecycle.ts';

test('a node runs when it has started, and for good it stops', () => {
  const lifecycle = new Lifecycle();
  expect(lifecycle.status).toBe('starting');
  lifecycle.run();
  expect(lifecycle.isRunning).toBe(true);
  lifecycle.stop();
  lifecycle.run();
  lifecycle.lapse();
  lifecycle.beginAnew();
  expect(lifecycle.status).toBe('stopped');
  expect(lifecycle.failure).toBeUndefined();
});

test('the first failure is the one that counts', () => {
  const lifecycle = new Lifecycle();
  const first = new WalrusError('StorageFailed', 'first');
  lifecycle.fail(first);
  lifecycle.fail(new WalrusError('Corrupt', 'second'));
  expect(lifecycle).toMatchObject({ status: 'stopped', failure: first });
});

test('a disk that forgot something is left out until it is another one', () => {
  const lifecycle = new Lifecycle();
  lifecycle.run();
  lifecycle.beginAnew();
  expect(lifecycle.status).toBe('running');
  lifecycle.lapse();
  lifecycle.run();
  expect(lifecycle.status).toBe('amnesiac');
  lifecycle.beginAnew();
  expect(lifecycle.status).toBe('starting');
});

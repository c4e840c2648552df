import { expect, test } from 'vitest';
import { Lease } from './lease.ts';

test('a lease lasts from the contact, not from the moment it was noticed', () => {
  const lease = new Lease(100);
  expect(lease.valid(0)).toBe(false);
  expect(lease.renewLease(10, 50)).toBe(true);
  expect(lease.valid(109)).toBe(true);
  expect(lease.valid(110)).toBe(false);
});

test('it is told once that a lease ran out, and once that it is back', () => {
  const lease = new Lease(100);
  lease.renewLease(0, 0);
  expect(lease.expireLease(99)).toBe(false);
  expect(lease.expireLease(100)).toBe(true);
  expect(lease.expireLease(101)).toBe(false);
  expect(lease.deadlineMs()).toBe(Infinity);
  expect(lease.renewLease(120, 120)).toBe(true);
  expect(lease.renewLease(130, 130)).toBe(false);
});

test('news of an old contact gives nothing back, and no contact gives nothing', () => {
  const lease = new Lease(100);
  expect(lease.renewLease(0, 500)).toBe(false);
  expect(lease.renewLease(Number.NEGATIVE_INFINITY, 500)).toBe(false);
  lease.renewLease(500, 500);
  lease.renewLease(450, 510);
  expect(lease.valid(599)).toBe(true);
});

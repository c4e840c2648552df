import { expect, test } from 'vitest';
import { type Incarnation, nodeId } from '../core/ids.ts';
import { Addresses, type Place } from './addresses.ts';

const TWO = nodeId(2);
const DISK = 7 as Incarnation;
const at = (address: string, incarnation = DISK): Place => ({ id: TWO, incarnation, address });

test('what a disk says of itself counts until it is not heard any more', () => {
  const addresses = new Addresses();
  expect(addresses.of(TWO, DISK, 0)).toBeUndefined();
  addresses.told(at('one:1'), 0);
  addresses.told(at('two:1'), 1000);
  expect(addresses.of(TWO, DISK, 3999)).toBe('two:1');
  expect(addresses.of(TWO, DISK, 4000)).toBeUndefined();
});

test('what is passed on does not overrule what the disk itself said, as long as that is fresh', () => {
  const addresses = new Addresses();
  addresses.told(at('one:1'), 0);
  expect(addresses.passedOn(at('stale:1'), 2999)).toBe(false);
  expect(addresses.of(TWO, DISK, 2999)).toBe('one:1');
  expect(addresses.passedOn(at('new:1'), 3000)).toBe(true);
  expect(addresses.of(TWO, DISK, 3000)).toBe('new:1');
});

test('another disk under the same number is somewhere else', () => {
  const addresses = new Addresses();
  addresses.told(at('one:1'), 0);
  expect(addresses.of(TWO, 8 as Incarnation, 1)).toBeUndefined();
});

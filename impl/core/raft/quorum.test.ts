import fc from 'fast-check';
import { expect, test } from 'vitest';
import { majority, quorumValue } from './quorum.ts';

/** Slow and obviously right: tries every value and counts who backs it. */
function slowQuorumValue(values: readonly number[]): number {
  const backed = values.filter(
    (candidate) => values.filter((value) => value >= candidate).length > values.length / 2,
  );
  return Math.max(...backed);
}

test('a quorum value is the largest that more than half of the values reach', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 9 }), (values) => {
      expect(quorumValue([...values])).toBe(slowQuorumValue(values));
    }),
    { numRuns: 2000 },
  );
});

test('any two majorities overlap', () => {
  for (let voters = 1; voters < 20; voters++) expect(2 * majority(voters)).toBeGreaterThan(voters);
});

test('without voters nothing has a quorum', () => {
  expect(() => quorumValue([])).toThrow('a quorum needs voters');
});

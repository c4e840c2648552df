import fc from 'fast-check';
import { expect, test } from 'vitest';
import { minimise } from './shrink.ts';

test('what is left is exactly what the failure needs', () => {
  const sizes = fc.integer({ min: 1, max: 60 });
  fc.assert(
    fc.property(sizes, fc.uniqueArray(fc.nat({ max: 59 }), { maxLength: 5 }), (size, needed) => {
      const items = Array.from({ length: size }, (_, i) => i);
      const need = needed.filter((each) => each < size).sort((a, b) => a - b);
      const fails = (kept: readonly number[]): boolean => need.every((each) => kept.includes(each));
      expect(minimise(items, fails)).toEqual(need.length === 0 ? [] : need);
    }),
  );
});

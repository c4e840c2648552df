import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Queue } from './queue.ts';

test('is an array of which the oldest is taken', () => {
  const steps = fc.array(fc.oneof({ weight: 3, arbitrary: fc.nat(200) }, fc.constant('all')), {
    maxLength: 30,
  });
  fc.assert(
    fc.property(steps, (counts) => {
      const queue = new Queue<number>();
      const model: number[] = [];
      let next = 0;
      for (const count of counts) {
        if (count === 'all') {
          expect(queue.takeAll()).toEqual(model.splice(0));
          continue;
        }
        for (let i = 0; i < (count as number); i++) {
          queue.push(next);
          model.push(next++);
        }
        for (let i = 0; i < (count as number) * 0.8; i++) {
          expect(queue.first).toBe(model[0]);
          expect(queue.shift()).toBe(model.shift());
        }
        expect(queue.length).toBe(model.length);
        expect([...queue]).toEqual(model);
      }
      while (model.length > 0) expect(queue.shift()).toBe(model.shift());
      expect(queue.shift()).toBeUndefined();
      expect(queue.first).toBeUndefined();
    }),
  );
});

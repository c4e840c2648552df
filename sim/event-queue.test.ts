import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventQueue } from './event-queue.ts';

test('events come in order of time, then of scheduling, however pushes and pops mix', () => {
  const step = fc.oneof(fc.record({ push: fc.nat({ max: 20 }) }), fc.constant({ push: undefined }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const queue = new EventQueue();
      const model: { timeUs: number; number: number }[] = [];
      let popped = -1;
      let count = 0;
      for (const { push } of steps) {
        if (push !== undefined) {
          const number = count++;
          queue.push(push, () => {
            popped = number;
          });
          model.push({ timeUs: push, number });
        } else if (model.length > 0) {
          model.sort((a, b) => a.timeUs - b.timeUs || a.number - b.number);
          expect(queue.nextUs).toBe(model[0]!.timeUs);
          queue.pop()();
          expect(popped).toBe(model.shift()!.number);
        }
        expect(queue.length).toBe(model.length);
      }
    }),
  );
});

test('it grows', () => {
  const queue = new EventQueue();
  for (let i = 5000; i > 0; i--) queue.push(i, () => {});
  for (let i = 1; i <= 5000; i++) {
    expect(queue.nextUs).toBe(i);
    queue.pop();
  }
  expect(queue.nextUs).toBe(Infinity);
});

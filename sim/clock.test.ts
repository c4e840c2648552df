import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NodeClock, VirtualTime } from './clock.ts';

test('time goes to the next event, and events at one time keep their order', () => {
  const time = new VirtualTime();
  const done: string[] = [];
  time.after(5, () => done.push('later'));
  time.after(1, () => {
    done.push('first');
    time.after(0, () => done.push('at once, but after'));
  });
  time.after(1, () => done.push('second'));
  while (time.pending > 0) time.step();
  expect(done).toEqual(['first', 'second', 'at once, but after', 'later']);
  expect(time.nowMs).toBe(5);
});

test('a clock drifts, never goes back, and says when it will be what time', () => {
  const drift = fc.double({ min: -0.2, max: 0.2, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 10_000 }), drift), { maxLength: 20 }), (steps) => {
      const time = new VirtualTime();
      const clock = new NodeClock(time, 1000, 0, 0);
      let before = clock.monotonicMs();
      for (const [waitMs, newDrift] of steps) {
        const wakeMs = clock.virtualMsOf(before + waitMs);
        time.at(wakeMs, () => {});
        time.step();
        expect(clock.monotonicMs()).toBeGreaterThanOrEqual(before + waitMs - 1e-6);
        clock.setDrift(newDrift);
        expect(Math.abs(clock.monotonicMs() - before - waitMs)).toBeLessThan(0.01);
        before = clock.monotonicMs();
      }
    }),
  );
});

test('the date may jump, the monotonic time does not', () => {
  const clock = new NodeClock(new VirtualTime(), 0, 0, 1_000_000);
  clock.jumpWall(-5000);
  expect(clock.wallMs()).toBe(995_000);
  expect(clock.monotonicMs()).toBe(0);
});

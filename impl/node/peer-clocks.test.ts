import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BootId, NodeId } from '../core/ids.ts';
import { PeerClocks } from './peer-clocks.ts';

const peer = 2 as NodeId;
const boot = 7 as BootId;

test('the time that is named for another clock has not passed there before it has here', () => {
  const speed = fc.double({ min: 0.75, max: 1.25, noNaN: true });
  const message = fc.record({ sentMs: fc.nat(10_000), underWayMs: fc.nat(5000) });
  const messages = fc.array(message, { minLength: 1, maxLength: 10 });
  fc.assert(
    fc.property(speed, speed, messages, fc.nat(30_000), (ours, theirs, sent, timeMs) => {
      const clocks = new PeerClocks();
      const arrivals = sent.map((each) => ({ ...each, atMs: each.sentMs + each.underWayMs }));
      arrivals.sort((a, b) => a.atMs - b.atMs);
      for (const { sentMs, atMs } of arrivals) {
        clocks.heard(peer, boot, Math.floor(sentMs * theirs), atMs * ours);
      }
      const named = clocks.timeAt(peer, boot, timeMs * ours)!;
      expect(named).toBeLessThanOrEqual(timeMs * theirs + 1e-6);
    }),
  );
});

test('a message that was long under way takes nothing back', () => {
  const clocks = new PeerClocks();
  clocks.heard(peer, boot, 1000, 500);
  clocks.heard(peer, boot, 100, 600);
  expect(clocks.timeAt(peer, boot, 700)).toBe(1100);
});

test('of a life that was not heard nothing is known', () => {
  const clocks = new PeerClocks();
  clocks.heard(peer, boot, 1000, 500);
  expect(clocks.timeAt(peer, 8 as BootId, 600)).toBeUndefined();
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Arena } from './arena.ts';
import { roundUp } from './format.ts';
import type { Frame } from './frame.ts';

const RING_BYTES = 32_768;
const FRAME_BYTES = 8192;
const ALIGNMENT_BYTES = 4096;

/** A small frame that ends where it ends or a large one that ends with a block; and how many are written after it. */
const step = fc.record({
  usedBytes: fc
    .oneof(fc.integer({ min: 1, max: 511 }), fc.integer({ min: 960, max: 1024 }))
    .map((units) => units * 8),
  written: fc.nat({ max: 2 }),
});

test('no frame gets memory of one that is not written', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const arena = new Arena(new Uint8Array(RING_BYTES));
      let unwritten: Frame[] = [];
      let lsn = 0;
      for (const { usedBytes, written } of steps) {
        const frame = arena.open(lsn, FRAME_BYTES, ALIGNMENT_BYTES, false);
        const alignmentBytes = usedBytes < ALIGNMENT_BYTES ? 8 : ALIGNMENT_BYTES;
        frame.length = roundUp(lsn + usedBytes, alignmentBytes) - lsn;
        frame.state = 'queued';
        lsn += frame.length;
        arena.close(frame, alignmentBytes);
        for (const other of unwritten) {
          if (other.bytes !== frame.bytes) continue;
          const isBefore = other.from + other.length <= frame.from;
          expect(isBefore || frame.from + frame.length <= other.from).toBe(true);
        }
        unwritten.push(frame);
        for (const done of unwritten.slice(0, written)) done.state = 'written';
        unwritten = unwritten.slice(written);
      }
    }),
    { numRuns: 1000 },
  );
});

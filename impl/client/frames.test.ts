import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameDecoder, FrameWriter } from './frames.ts';

const LIMITS = { maxFrameBytes: 100, maxSkipBytes: 1000 };

/** What a decoder makes of chunks: frames as hex, invalid lengths as words. */
function decode(chunks: readonly Uint8Array[]): string[] {
  const seen: string[] = [];
  const decoder = new FrameDecoder(LIMITS, {
    onFrame: (bytes) => seen.push(Buffer.from(bytes).toString('hex')),
    onInvalidLength: (length, skipped) => seen.push(`${skipped ? 'skip' : 'broken'} ${length}`),
  });
  for (const chunk of chunks) decoder.push(chunk);
  return seen;
}

function encode(frames: readonly Uint8Array[]): Uint8Array {
  const writer = new FrameWriter();
  for (const frame of frames) writer.frame('', frame);
  return writer.take();
}

function split(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  );
  let from = 0;
  return cuts.map((cut) => {
    const part = bytes.subarray(from, cut);
    from = cut;
    return part;
  });
}

test('any split of the stream gives the same frames', () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 130, size: 'max' }), { maxLength: 12 });
  fc.assert(
    fc.property(frames, fc.array(fc.nat()), (sent, places) => {
      const stream = encode(sent);
      const expected = sent.map((frame) =>
        frame.length === 0 || frame.length > LIMITS.maxFrameBytes
          ? `skip ${frame.length}`
          : Buffer.from(frame).toString('hex'),
      );
      expect(decode([stream])).toEqual(expected);
      expect(decode(split(stream, places))).toEqual(expected);
    }),
  );
});

test('no bytes make it throw, and splitting them changes nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat()), (bytes, places) => {
      expect(decode(split(bytes, places))).toEqual(decode([bytes]));
    }),
  );
});

test('an absurd length ends the stream: nothing after it is read', () => {
  const absurd = Uint8Array.of(0xff, 0xff, 0xff, 0xff);
  const good = encode([Uint8Array.of(7)]);
  expect(decode([good, absurd, good])).toEqual(['07', 'broken 4294967295']);
});

test('a frame handed out stays as it is while the writer and the decoder go on', () => {
  const writer = new FrameWriter();
  writer.frame('first');
  const first = writer.take();
  const before = Buffer.from(first);
  for (let i = 0; i < 500; i++) writer.frame(`later ${i}`);
  expect(first.equals(before)).toBe(true);
  expect(writer.lengthBytes).toBeGreaterThan(5000);
  expect(decode([writer.take()])).toHaveLength(500);
});

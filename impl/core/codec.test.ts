import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteReader, ByteWriter, MalformedError } from './codec.ts';

const whole = fc.maxSafeNat();

test('what was written is read back, whatever its size', () => {
  fc.assert(
    fc.property(
      fc.array(whole),
      fc.uint8Array(),
      fc.string({ unit: 'grapheme' }),
      (numbers, bytes, text) => {
        const out = new ByteWriter();
        out.list(numbers, (each) => out.whole(each));
        const input = new ByteReader(out.bytes(bytes).text(text).bool(true).finish());
        expect(input.list(() => input.whole())).toEqual(numbers);
        expect(input.bytes()).toEqual(bytes);
        expect(input.text()).toBe(text);
        expect(input.bool()).toBe(true);
        input.end();
      },
    ),
  );
});

test('small numbers take one byte', () => {
  expect(new ByteWriter().whole(127).finish()).toHaveLength(1);
  expect(new ByteWriter().whole(128).finish()).toHaveLength(2);
  expect(new ByteWriter().whole(Number.MAX_SAFE_INTEGER).finish()).toHaveLength(8);
});

test('a reader refuses what no writer wrote, and allocates nothing for it', () => {
  const refuses = (bytes: number[], read: (input: ByteReader) => unknown): void =>
    expect(() => read(new ByteReader(Uint8Array.from(bytes)))).toThrow(MalformedError);
  refuses([], (input) => input.byte());
  refuses([0x80], (input) => input.whole());
  refuses([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], (input) => input.whole());
  refuses([5, 1, 2], (input) => input.bytes());
  refuses([0xff, 0xff, 0xff, 0x7f], (input) => input.list(() => input.byte()));
  refuses([2], (input) => input.bool());
  refuses([1, 2], (input) => {
    input.byte();
    input.end();
  });
});

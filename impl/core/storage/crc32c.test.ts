import { expect, test } from 'vitest';
import { utf8Encode } from '../utf8.ts';
import { crc32c } from './crc32c.ts';

/** Bit by bit, straight from the definition. */
function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

test('gives the check value of the standard', () => {
  expect(crc32c(utf8Encode('123456789'), 0, 9, 0)).toBe(0xe3069283);
});

test('equals the definition at every length and start', () => {
  const bytes = Uint8Array.from({ length: 64 }, (_, i) => (i * 151 + 7) & 0xff);
  for (let from = 0; from < 16; from++) {
    for (let to = from; to <= bytes.length; to++) {
      expect(crc32c(bytes, from, to, 0)).toBe(slowCrc32c(bytes.subarray(from, to)));
    }
  }
});

test('goes on from a seed as if the parts were one', () => {
  const bytes = Uint8Array.from({ length: 100 }, (_, i) => (i * 31) & 0xff);
  for (let cut = 0; cut <= 100; cut++) {
    expect(crc32c(bytes, cut, 100, crc32c(bytes, 0, cut, 0))).toBe(crc32c(bytes, 0, 100, 0));
  }
});

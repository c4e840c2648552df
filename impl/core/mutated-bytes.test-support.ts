/**
 * Bytes that are almost what a decoder expects: encodings of real values, in which numbers, lengths and pieces are changed, and what is
 * demanded of whoever reads them: a value or the error that it names, no more values than there are bytes, and no copy of them.
 */
import fc from 'fast-check';

/** Varints that lie at a limit: of one byte, of 32 bits, of a whole number, and beyond. */
const EXTREMES: readonly (readonly number[])[] = [
  [0],
  [0x7f],
  [0xff, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
];

/** Does one thing to the bytes, at a place that is taken modulo their length. */
type Change = (bytes: readonly number[], at: number) => number[];

const byte = fc.integer({ min: 0, max: 255 });
const change: fc.Arbitrary<Change> = fc.oneof(
  byte.map(
    (value): Change =>
      (bytes, at) =>
        bytes.with(at, value),
  ),
  fc.nat(7).map(
    (bit): Change =>
      (bytes, at) =>
        bytes.with(at, bytes[at]! ^ (1 << bit)),
  ),
  fc.constantFrom(...EXTREMES).map(
    (varint): Change =>
      (bytes, at) =>
        bytes.toSpliced(at, 1, ...varint),
  ),
  fc.nat(16).map(
    (count): Change =>
      (bytes, at) =>
        bytes.toSpliced(at, count),
  ),
  fc.array(byte, { maxLength: 8 }).map(
    (more): Change =>
      (bytes, at) =>
        bytes.toSpliced(at, 0, ...more),
  ),
  fc.nat(32).map(
    (count): Change =>
      (bytes, at) =>
        bytes.toSpliced(at, 0, ...bytes.slice(at, at + count)),
  ),
  fc.constant<Change>((bytes, at) => bytes.slice(0, at)),
);

/** Some of `encodings`, with up to four changes; and bytes that were never an encoding. */
export function mutated(encodings: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(fc.tuple(change, fc.nat()), { maxLength: 4 });
  const changed = fc.tuple(fc.constantFrom(...encodings), changes).map(([encoding, all]) => {
    let bytes = [...encoding];
    for (const [apply, place] of all) {
      if (bytes.length > 0) bytes = apply(bytes, place % bytes.length);
    }
    return Uint8Array.from(bytes);
  });
  return fc.oneof({ arbitrary: changed, weight: 9 }, fc.uint8Array({ maxLength: 64 }));
}

/** How many values a decoded one consists of, itself included. Bytes count as one: they are a view of the input. */
export function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return 1;
  const parts = value instanceof Map ? [...value].flat() : Object.values(value);
  return parts.reduce<number>((sum, part) => sum + countValues(part), 1);
}

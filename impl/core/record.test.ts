import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MalformedError } from './codec.ts';
import {
  BATCH_LIMIT,
  batchFault,
  continues,
  decodeRecord,
  encodeRecord,
  type RecordFields,
  wholeBatches,
} from './record.ts';

const bytes = fc.uint8Array({ maxLength: 20 });
const fields: fc.Arbitrary<RecordFields> = fc.record({
  value: bytes,
  key: fc.option(bytes, { nil: undefined }),
  headers: fc.option(fc.array(fc.tuple(fc.string(), bytes), { maxLength: 3 }), { nil: undefined }),
  timestampMs: fc.option(fc.maxSafeNat(), { nil: undefined }),
});

test('a record comes back as it was', () => {
  fc.assert(
    fc.property(fields, fc.boolean(), (each, goesOn) => {
      const record = encodeRecord(each, goesOn);
      expect(decodeRecord(record)).toEqual(each);
      expect(continues(record)).toBe(goesOn);
    }),
  );
});

test('any bytes are a record, or malformed', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (any) => {
      try {
        decodeRecord(any);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedError);
      }
    }),
  );
});

const batch = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, i) =>
    encodeRecord({ value: new Uint8Array(1) }, i < count - 1),
  );

test('a batch is its records, all of which but the last go on', () => {
  expect(batchFault(batch(1))).toBeUndefined();
  expect(batchFault(batch(3))).toBeUndefined();
  expect(batchFault([])).toBe('InvalidArgument');
  expect(batchFault(batch(3).slice(0, 2))).toBe('InvalidArgument');
  expect(batchFault([...batch(1), ...batch(1)])).toBe('InvalidArgument');
  expect(batchFault([new Uint8Array(0)])).toBe('InvalidArgument');
  expect(batchFault([Uint8Array.of(16)])).toBe('InvalidArgument');
});

test('a batch has limits', () => {
  expect(batchFault(batch(BATCH_LIMIT.records))).toBeUndefined();
  expect(batchFault(batch(BATCH_LIMIT.records + 1))).toBe('BatchTooLarge');
  const most = encodeRecord({ value: new Uint8Array(BATCH_LIMIT.bytes - 1) });
  expect(batchFault([most])).toBeUndefined();
  expect(batchFault([encodeRecord({ value: new Uint8Array(BATCH_LIMIT.bytes) })])).toBe(
    'RecordTooLarge',
  );
  expect(batchFault([encodeRecord({ value: new Uint8Array(1) }, true), most])).toBe(
    'BatchTooLarge',
  );
});

test('the whole batches among records end with the last that does not go on', () => {
  expect(wholeBatches([...batch(2), ...batch(3).slice(0, 2)])).toBe(2);
  expect(wholeBatches(batch(3).slice(0, 2))).toBe(0);
  expect(wholeBatches(batch(3))).toBe(3);
});

/**
 * The bytes of a record. They are the same on the wire (v2), between nodes and on disk, so that nothing is encoded again on its way:
 *
 *     flags      one byte: CONTINUES 1, TIMESTAMP 2, KEY 4, HEADERS 8; the other bits are 0
 *     timestamp  if TIMESTAMP: milliseconds since 1970, a varint
 *     key        if KEY: its length, a varint, and its bytes
 *     headers    if HEADERS: how many, a varint; then of each its name (UTF-8) and its value, each with its length before it
 *     value      all that is left
 *
 * CONTINUES says that the next record belongs to the same batch. Of a batch all records but the last have it. The core looks at
 * nothing else in a record.
 */
import { ByteReader, ByteWriter, MalformedError } from './codec.ts';

/** What one batch may hold: records, and bytes of them together. A record is a batch of one, so no record has more bytes. */
export const BATCH_LIMIT: { readonly records: number; readonly bytes: number } = {
  records: 4096,
  bytes: 1024 * 1024,
};

const CONTINUES = 1;
const TIMESTAMP = 2;
const KEY = 4;
const HEADERS = 8;
const KNOWN = CONTINUES | TIMESTAMP | KEY | HEADERS;

/** What a record says. */
export interface RecordFields {
  readonly value: Uint8Array;
  readonly key?: Uint8Array | undefined;
  readonly headers?: readonly (readonly [name: string, value: Uint8Array])[] | undefined;
  /** Whole milliseconds since 1970, as its writer says. */
  readonly timestampMs?: number | undefined;
}

/** One record, as a part of a batch that goes on after it if `continues`. */
export function encodeRecord(fields: RecordFields, continues = false): Uint8Array {
  const { value, key, headers, timestampMs } = fields;
  const flags =
    (continues ? CONTINUES : 0) |
    (timestampMs === undefined ? 0 : TIMESTAMP) |
    (key === undefined ? 0 : KEY) |
    (headers === undefined ? 0 : HEADERS);
  if ((flags & ~CONTINUES) === 0) {
    const record = new Uint8Array(1 + value.length);
    record[0] = flags;
    record.set(value, 1);
    return record;
  }
  const out = new ByteWriter().byte(flags);
  if (timestampMs !== undefined) out.whole(timestampMs);
  if (key !== undefined) out.bytes(key);
  if (headers !== undefined) out.list(headers, ([name, bytes]) => out.text(name).bytes(bytes));
  return out.raw(value).finish();
}

/** Throws `MalformedError` for bytes that are no record. What it gives are views of `record`. */
export function decodeRecord(record: Uint8Array): RecordFields {
  const input = new ByteReader(record);
  const flags = input.byte();
  if ((flags & ~KNOWN) !== 0) throw new MalformedError('unknown flags of a record');
  const timestampMs = (flags & TIMESTAMP) === 0 ? undefined : input.whole();
  const key = (flags & KEY) === 0 ? undefined : input.bytes();
  const headers =
    (flags & HEADERS) === 0
      ? undefined
      : input.list(() => [input.text(), input.bytes()] as readonly [string, Uint8Array]);
  const value = input.rest();
  return { value, key, headers, timestampMs };
}

/** Whether the next record belongs to the same batch. */
export function continues(record: Uint8Array): boolean {
  return (record[0]! & CONTINUES) !== 0;
}

/** How many of the first of these records are whole batches. */
export function wholeBatches(records: readonly Uint8Array[]): number {
  let count = records.length;
  while (count > 0 && continues(records[count - 1]!)) count--;
  return count;
}

/** Why these are not the records of one batch within its limits; undefined if they are. */
export function batchFault(
  records: readonly Uint8Array[],
): 'InvalidArgument' | 'BatchTooLarge' | 'RecordTooLarge' | undefined {
  const { length } = records;
  if (length === 0) return 'InvalidArgument';
  if (length > BATCH_LIMIT.records) return 'BatchTooLarge';
  let bytes = 0;
  for (let i = 0; i < length; i++) {
    const record = records[i]!;
    bytes += record.length;
    if (!isRecord(record)) return 'InvalidArgument';
    if (continues(record) !== i < length - 1) return 'InvalidArgument';
  }
  if (bytes <= BATCH_LIMIT.bytes) return undefined;
  return length === 1 ? 'RecordTooLarge' : 'BatchTooLarge';
}

/** Most are a value and nothing else; the others are read, so that nobody who reads them later finds that they are none. */
function isRecord(record: Uint8Array): boolean {
  if (record.length === 0) return false;
  if ((record[0]! & ~CONTINUES) === 0) return true;
  try {
    decodeRecord(record);
    return true;
  } catch (error) {
    if (error instanceof MalformedError) return false;
    throw error;
  }
}

/** Makes one batch of these records, whose bytes are the caller's alone: all but the last go on. */
export function joinBatch(records: readonly Uint8Array[]): void {
  const last = records.length - 1;
  records.forEach((record, i) => {
    record[0] = i < last ? record[0]! | CONTINUES : record[0]! & ~CONTINUES;
  });
}

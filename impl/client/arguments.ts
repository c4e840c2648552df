/** Looks at what callers hand in before anything is sent: wrong types and numbers are `InvalidArgument`, by name. */
import { WalrusError } from '../core/errors.ts';
import { encodeRecord } from '../core/record.ts';
import { utf8Encode } from '../core/utf8.ts';

/** What one record may say beside its value. Text is UTF-8. */
export interface RecordData {
  readonly value: string | Uint8Array;
  readonly key?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string | Uint8Array>>;
  /** Whole milliseconds since 1970. */
  readonly timestampMs?: number;
}

/** What `append` takes for one record. */
export type Data = string | Uint8Array | RecordData;

/** The bytes of one record, as the last of its batch. They are nobody else's. */
export function recordOf(data: Data): Uint8Array {
  if (isBytes(data)) return encodeRecord({ value: bytesOf(data) });
  if (!isPlain(data)) throw wrong('a record', 'text, a Uint8Array, or { value, … }');
  const { value, key, headers, timestampMs } = data;
  if (!isBytes(value)) throw wrong('value', 'text or a Uint8Array');
  if (key !== undefined && !isBytes(key)) throw wrong('key', 'text or a Uint8Array');
  if (timestampMs !== undefined) checkWhole('timestampMs', timestampMs, 0);
  if (headers !== undefined && !(isPlain(headers) && Object.values(headers).every(isBytes))) {
    throw wrong('headers', 'an object of text or Uint8Arrays');
  }
  return encodeRecord({
    value: bytesOf(value),
    key: key === undefined ? undefined : bytesOf(key),
    headers: headers && Object.entries(headers).map(([name, each]) => [name, bytesOf(each)]),
    timestampMs,
  });
}

export function checkTopic(topic: unknown): void {
  if (typeof topic !== 'string' || topic === '') throw wrong('topic', 'a text');
}

export function checkPayload(payload: unknown): void {
  if (!isBytes(payload)) throw wrong('payload', 'text or a Uint8Array');
}

export function checkOptions(options: unknown): void {
  if (!isPlain(options)) throw wrong('options', 'an object');
}

export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrong('signal', 'an AbortSignal');
  }
}

/** A whole number from `least` on, below 2^53. */
export function checkWhole(name: string, value: unknown, least: number): void {
  if (!Number.isSafeInteger(value) || (value as number) < least) {
    throw wrong(name, `a whole number from ${least} on, not ${String(value)}`);
  }
}

/** Any number from `least` on; `Infinity` is one. */
export function checkNumber(name: string, value: unknown, least: number): void {
  if (typeof value !== 'number' || !(value >= least)) {
    throw wrong(name, `a number from ${least} on, not ${String(value)}`);
  }
}

function wrong(name: string, rule: string): WalrusError {
  return new WalrusError('InvalidArgument', `${name} must be ${rule}`);
}

function isBytes(value: unknown): value is string | Uint8Array {
  return typeof value === 'string' || value instanceof Uint8Array;
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function bytesOf(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? utf8Encode(value) : value;
}

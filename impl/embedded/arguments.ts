/** Looks at what a caller gives, before anything is done with it. What cannot be is told by its name. */
import { isUint8Array } from 'node:util/types';
import { WalrusError } from '../core/errors.ts';
import { isWellFormed } from '../core/utf8.ts';

/** Records in one `appendBatch`, at most. */
export const BATCH_ENTRIES_MAX = 2000;
/** Bytes in one `appendBatch`, at most: 10 GiB. */
export const BATCH_BYTES_MAX: number = 10 * 2 ** 30;
/** Bytes of one record, at most: 1 GiB. */
export const RECORD_BYTES_MAX: number = 2 ** 30;

/** What a record or a change takes in the log beside its bytes, at most. */
export const FRAME_BYTES = 64;
const READ_BYTES_DEFAULT = 2 ** 20;
/** Bytes of UTF-8 that the name of a topic or group may have. */
const NAME_BYTES_MAX = 1024;
const NOTHING = new Uint8Array(0);

/** Whether reading moves the group's cursor. */
export interface ReadOptions {
  /** `true`, the default: the group's cursor moves behind what is returned. `false`: it stays. */
  readonly checkpoint?: boolean;
}

/** How much one read gives. */
export interface BatchLimits {
  /** Payload bytes, 1 MiB by default. One entry is given even if it is larger alone. */
  readonly maxBytes?: number;
  /** 2,000 by default. */
  readonly maxEntries?: number;
}

/** What `readBatch` gives, and from where. */
export interface ReadBatchOptions extends ReadOptions, BatchLimits {
  /** Reads from this offset instead, and no cursor moves. */
  readonly from?: number;
}

/** What a read gives at most. */
export interface Limits {
  readonly entries: number;
  /** Of payload. One entry is given even if it is larger alone. */
  readonly bytes: number;
}

/** A place in a topic: an offset, the earliest entry kept, or behind the last one. */
export type Position = number | 'earliest' | 'latest';

/** What stops an iteration. */
export interface TailOptions {
  /** The loop throws `Aborted` when it says stop. */
  readonly signal?: AbortSignal;
}

/** Where an iteration begins, and what stops it. */
export interface RangeOptions extends TailOptions {
  /** The first entry wanted. `read` begins at `'earliest'`, `tail` at `'latest'` unless told otherwise. */
  readonly from?: Position;
}

/** Any string of up to 1,024 bytes of UTF-8 names a topic. `InvalidTopic` if it does not. */
export function checkTopicName(name: unknown): asserts name is string {
  if (typeof name !== 'string') {
    throw new WalrusError('InvalidTopic', `a topic is named by a string, got ${typeof name}`);
  }
  if (!isName(name)) {
    throw new WalrusError(
      'InvalidTopic',
      `a topic's name is well-formed Unicode of at most ${NAME_BYTES_MAX} bytes`,
    );
  }
}

export function checkGroupName(name: unknown): asserts name is string {
  if (typeof name !== 'string') invalid('a group is named by a string', name);
  if (!isName(name)) {
    invalid(`a group's name is well-formed Unicode of at most ${NAME_BYTES_MAX} bytes`, name);
  }
}

function isName(name: string): boolean {
  return (
    name.length <= NAME_BYTES_MAX &&
    isWellFormed(name) &&
    (name.length * 3 <= NAME_BYTES_MAX || Buffer.byteLength(name) <= NAME_BYTES_MAX)
  );
}

const TYPED_ARRAY = Object.getPrototypeOf(Uint8Array.prototype) as object;
const { get: getLength } = Object.getOwnPropertyDescriptor(TYPED_ARRAY, 'length')!;
const { apply } = Reflect;

/** What the engine itself says, whatever a class, or an array's own property, says in its place. */
function lengthOf(array: Uint8Array): number {
  return apply(getLength!, array, []) as number;
}

/**
 * How many bytes the record has. Its own `length` may be anything: of a class of the caller's, or with V8 of Node 20 the old one of a detached
 * array where the same code has seen resizable ones.
 */
export function recordBytes(data: unknown): number {
  if (!isUint8Array(data)) invalid('a record must be a Uint8Array', data);
  const length = lengthOf(data);
  if (length > RECORD_BYTES_MAX) {
    throw new WalrusError('RecordTooLarge', `a record has at most ${RECORD_BYTES_MAX} bytes`);
  }
  if (length === 0) checkAttached(data);
  return length;
}

/** An array whose buffer was transferred, or cut off before it, looks as if it were empty. */
function checkAttached(data: Uint8Array): void {
  try {
    NOTHING.set(data);
  } catch {
    throw new WalrusError('InvalidArgument', 'the buffer of a record was detached or cut off');
  }
}

/** Records that belong together, and what the engine said of their lengths. */
export interface Batch {
  readonly records: readonly Uint8Array[];
  readonly lengths: readonly number[];
  /** What they take in the log. */
  readonly bytes: number;
}

/** What is in the array now, which the caller may change while the batch waits. */
export function batchOf(records: unknown): Batch {
  const batch = looked('records', () => {
    if (!Array.isArray(records)) invalid('records must be an array', records);
    const { length } = records;
    if (length > BATCH_ENTRIES_MAX) {
      throw new WalrusError('BatchTooLarge', `a batch has at most ${BATCH_ENTRIES_MAX} records`);
    }
    const copy = new Array<Uint8Array>(length);
    for (let i = 0; i < length; i++) copy[i] = records[i];
    return copy;
  });
  // Now that nothing of the caller's own runs any more: it could change what was looked at.
  const lengths = new Array<number>(batch.length);
  let bytes = 0;
  for (let i = 0; i < batch.length; i++) {
    const length = recordBytes(batch[i]);
    lengths[i] = length;
    bytes += length;
  }
  if (bytes > BATCH_BYTES_MAX) {
    throw new WalrusError('BatchTooLarge', `a batch has at most ${BATCH_BYTES_MAX} bytes`);
  }
  return { records: batch, lengths, bytes: bytes + batch.length * FRAME_BYTES };
}

/** Whether the records, which waited, still have their lengths. */
export function isUnchanged({ records, lengths }: Batch): boolean {
  return records.every((record, i) => recordBytes(record) === lengths[i]);
}

export function checkpointOf(options: ReadOptions): boolean {
  const checkpoint = option(options, 'checkpoint', true);
  if (typeof checkpoint !== 'boolean') invalid('checkpoint must be true or false', checkpoint);
  return checkpoint;
}

export function limitsOf(limits: BatchLimits): Limits {
  return {
    entries: wholeNumber('maxEntries', option(limits, 'maxEntries', BATCH_ENTRIES_MAX)),
    bytes: wholeNumber('maxBytes', option(limits, 'maxBytes', READ_BYTES_DEFAULT)),
  };
}

export function signalOf(options: TailOptions): AbortSignal | undefined {
  const signal = option(options, 'signal', undefined);
  if (signal === undefined) return undefined;
  // Not by its class: one of another realm says stop as well.
  const isSignal = looked(
    'signal',
    () =>
      typeof signal === 'object' &&
      signal !== null &&
      typeof signal.aborted === 'boolean' &&
      typeof signal.addEventListener === 'function',
  );
  if (!isSignal) invalid('signal must be an AbortSignal', signal);
  return signal;
}

/** Where an iteration begins. */
export function fromOf(options: RangeOptions, byDefault: Position): Position {
  const from = option(options, 'from', byDefault);
  return from === 'earliest' || from === 'latest' ? from : wholeNumber('from', from);
}

/** One of the options, `otherwise` if it is not given. */
export function option<Options extends object, Name extends keyof Options, Otherwise>(
  options: Options,
  name: Name,
  otherwise: Otherwise,
): Exclude<Options[Name], undefined> | Otherwise {
  if (typeof options !== 'object' || options === null) {
    invalid('options must be an object', options);
  }
  const value = looked(String(name), () => options[name]);
  return value === undefined ? otherwise : (value as Exclude<Options[Name], undefined>);
}

/** What `look` sees, unless the caller's own code stands in the way. */
export function looked<Value>(name: string, look: () => Value): Value {
  try {
    return look();
  } catch (thrown) {
    if (thrown instanceof WalrusError) throw thrown;
    const error = new WalrusError('InvalidArgument', `${name} cannot be looked at`);
    error.cause = thrown;
    throw error;
  }
}

/** A whole number of 0 or more, or `InvalidArgument`. */
export function wholeNumber(name: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    invalid(`${name} must be a whole number of 0 or more`, value);
  }
  return value === 0 ? 0 : value; // and not -0
}

export function invalid(what: string, value: unknown): never {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function';
  const shown = isObject ? 'an object' : String(value);
  throw new WalrusError('InvalidArgument', `${what}, got ${shown}`);
}

import { describe, expect, test } from 'vitest';
import { batchFault, decodeRecord } from '../core/record.ts';
import { recordOf } from './arguments.ts';
import { WalrusClient } from './client.ts';

const INVALID = { name: 'WalrusError', code: 'InvalidArgument', committed: 'no' };
/** Nobody is there: whatever is not refused before is `Unavailable`. */
const client = new WalrusClient({ addresses: ['127.0.0.1:1'], retryForMs: 0 });

describe('a record', () => {
  test.each([0, 1, 1_700_000_000_000, 2 ** 53 - 1])('timestamp %d is kept', (timestampMs) => {
    const { value, timestampMs: read } = decodeRecord(recordOf({ value: 'x', timestampMs }));
    expect([new TextDecoder().decode(value), read]).toEqual(['x', timestampMs]);
  });

  test.each([
    ...[-1, -100, 1.5, 2 ** 53, 1e20, Number.NaN, Number.POSITIVE_INFINITY].map((timestampMs) => ({
      value: 'x',
      timestampMs,
    })),
    ...[undefined, null, 5, ['a'], { length: 3 }, () => 1].map((value) => ({ value })),
    { value: 'x', key: 5 },
    { value: 'x', headers: [['a', 'b']] },
    { value: 'x', headers: { a: 5 } },
    ...[undefined, null, 5, {}, () => 1, new ArrayBuffer(1)],
  ])('%o is none', (data) => {
    expect(() => recordOf(data as never)).toThrow(expect.objectContaining(INVALID));
  });

  test('whose parts do not fit is no batch', () => {
    // A timestamp of more than 53 bits, a key that is longer than all there is.
    expect(batchFault([Uint8Array.of(2, ...Array(9).fill(0xff), 1)])).toBe('InvalidArgument');
    expect(batchFault([Uint8Array.of(4, 100, 1)])).toBe('InvalidArgument');
    expect(batchFault([recordOf({ value: '', key: 'k', timestampMs: 1 })])).toBeUndefined();
  });
});

describe('a call with a wrong argument is refused, and nothing is sent', () => {
  test.each<[string, () => unknown]>([
    ['topic', () => client.append(null as never, 'x')],
    ['topic', () => client.register(undefined as never)],
    ['signal', () => client.append('t', 'x', { signal: {} as never })],
    ['signal', () => client.tail('t', { signal: 5 as never }).next()],
    ['options', () => client.append('t', 'x', null as never)],
    ['expectedOffset', () => client.append('t', 'x', { expectedOffset: -1 })],
    ['expectedOffset', () => client.append('t', 'x', { expectedOffset: Number.NaN })],
    ['deadlineMs', () => client.append('t', 'x', { deadlineMs: 0 })],
    ['from', () => client.read('t', { from: -1 }).next()],
    ['maxBytes', () => client.read('t', { maxBytes: -1 }).next()],
    ['payload', () => client.put('t', null as never)],
    ['offset', () => client.fetch('t', -1)],
    ['node', () => client.canStopNode(0)],
    ['node', () => client.removeNode(1.5)],
  ])('%s', async (name, call) => {
    await expect(call()).rejects.toMatchObject({
      ...INVALID,
      message: expect.stringMatching(new RegExp(`^${name} must be`)),
    });
  });

  test.each([
    undefined,
    null,
    {},
    { addresses: 'h:1' },
    { addresses: [] },
    { addresses: ['h:1'], batchBytes: 0 },
    { addresses: ['h:1'], lingerMs: -1 },
    { addresses: ['h:1'], bufferBytes: Number.NaN },
    { addresses: ['h:1'], retryForMs: 'x' },
  ])('new WalrusClient(%o)', (options) => {
    expect(() => new WalrusClient(options as never)).toThrow(expect.objectContaining(INVALID));
  });
});

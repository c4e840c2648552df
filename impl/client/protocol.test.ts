import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from '../core/errors.ts';
import { FrameDecoder, FrameWriter } from './frames.ts';
import {
  errorFromText,
  errorText,
  parseRequest,
  REQUEST_LIMITS,
  type Request,
  type Response,
  writeRequest,
  writeResponse,
} from './protocol.ts';

const parse = (text: string): Request => parseRequest(Buffer.from(text));
const put = (topic: string, payload: string): Request => ({
  kind: 'put',
  topic,
  payload: Buffer.from(payload),
});
const malformed = (message: string): Request => ({ kind: 'malformed', message });

describe('requests', () => {
  test.each<[string, Request]>([
    ['REGISTER logs', { kind: 'register', topic: 'logs' }],
    ['REGISTER logs extra words', { kind: 'register', topic: 'logs' }],
    ['REGISTER  x', { kind: 'register', topic: '' }],
    ['PUT logs hello', put('logs', 'hello')],
    ['PUT logs  two  spaces ', put('logs', ' two  spaces')],
    ['PUT  x', put('', 'x')],
    ['PUT logs "quoted"\ttab\n\r', put('logs', '"quoted"\ttab')],
    ['PUT logs é\u0085\u00a0\u3000\u2003', put('logs', 'é')],
    ['PUT logs kept\ufeff', put('logs', 'kept\ufeff')],
    ['GET logs now', { kind: 'get', topic: 'logs' }],
    ['STATE logs', { kind: 'state', topic: 'logs' }],
    ['DELETE logs', { kind: 'delete', topic: 'logs' }],
    ['SET logs segment.bytes=5', { kind: 'set', topic: 'logs', policy: { segmentBytes: 5 } }],
    ['CREATE logs', { kind: 'create', topic: 'logs', policy: {} }],
    [
      'SET logs segment.bytes=-5',
      malformed(
        'InvalidArgument: not a setting: segment.bytes=-5; expected a whole number, 0 for no limit',
      ),
    ],
    ['TRIM logs 20', { kind: 'trim', topic: 'logs', before: 20 }],
    ['NODES', { kind: 'nodes' }],
    ['NODE remove 3', { kind: 'node', wish: 'remove', node: 3, dryRun: false }],
    ['NODE can-stop 12 dry-run', { kind: 'node', wish: 'stop', node: 12, dryRun: true }],
    ['NODE', malformed('NODE requires can-stop, drain, cancel-drain, remove and a number')],
    [
      'NODE can-stop 0',
      malformed('NODE requires can-stop, drain, cancel-drain, remove and a number'),
    ],
    ['NODE remove', malformed('NODE requires can-stop, drain, cancel-drain, remove and a number')],
    ['TRIM logs', malformed('TRIM requires an offset')],
    ['TRIM logs -1', malformed('TRIM requires an offset')],
    ['DELETE', malformed('DELETE requires a topic')],
    ['TOPICS', { kind: 'topics' }],
    ['METRICS', { kind: 'metrics' }],
    ['METRICS please', { kind: 'metrics' }],
    ['FETCH logs 1 20', { kind: 'fetch', topic: 'logs', segment: 1, offset: 20 }],
    ['FETCH logs', malformed('FETCH requires a segment and an offset')],
    ['FETCH logs 1', malformed('FETCH requires a segment and an offset')],
    ['FETCH logs 1 -2', malformed('FETCH requires a segment and an offset')],
    ['FETCH', malformed('FETCH requires a topic')],
    ['REGISTER', malformed('REGISTER requires a topic')],
    ['PUT', malformed('PUT requires a topic')],
    ['PUT logs', malformed('PUT requires a payload')],
    ['PUT logs  \t', malformed('PUT requires a payload')],
    ['GET ', malformed('GET requires a topic')],
    ['STATE', malformed('STATE requires a topic')],
    ['put logs x', malformed('unknown command')],
    [' PUT logs x', malformed('unknown command')],
    ['PUT\tlogs x', malformed('unknown command')],
    ['   ', malformed('unknown command')],
    ['HELLO', malformed('unknown command')],
  ])('%j', (text, request) => {
    expect(parse(text)).toEqual(request);
  });

  test('bytes that are not UTF-8 are told so', () => {
    expect(parseRequest(Uint8Array.of(0x50, 0xff))).toEqual(malformed('invalid utf-8'));
  });

  test('trimming is what a regular expression over White_Space does', () => {
    const spaces = fc.constantFrom(
      ...'\t\n\v\f\r \u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000',
    );
    const others = fc.constantFrom(...'aé\ufeff\u200b\u180e\u200d\u2010\u2060\u3001\u{1f9ad}');
    fc.assert(
      fc.property(fc.array(fc.oneof(spaces, others)), (characters) => {
        const payload = `x${characters.join('')}`;
        expect(parse(`PUT t ${payload}`)).toEqual(
          put('t', payload.replace(/\p{White_Space}+$/u, '')),
        );
      }),
    );
  });

  test('no bytes make parsing throw', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => parseRequest(bytes).kind.length > 0));
  });

  test('what is written is what is read', () => {
    const word = fc.stringMatching(/^[a-zé_-]{1,9}$/);
    const request = fc.oneof(
      fc.record({ kind: fc.constantFrom('register', 'get', 'state'), topic: word }),
      fc.record({
        kind: fc.constant('put'),
        topic: word,
        payload: word.map((text) => Buffer.from(text)),
      }),
      fc.record({ kind: fc.constant('fetch'), topic: word, segment: fc.nat(), offset: fc.nat() }),
      fc.constant({ kind: 'metrics' }),
    ) as fc.Arbitrary<Exclude<Request, { kind: 'malformed' }>>;
    fc.assert(
      fc.property(fc.array(request), (requests) => {
        const writer = new FrameWriter();
        for (const each of requests) writeRequest(writer, each);
        const read: Request[] = [];
        new FrameDecoder(REQUEST_LIMITS, {
          onFrame: (bytes) => read.push(parseRequest(bytes)),
          onInvalidLength: () => expect.unreachable(),
        }).push(writer.take());
        expect(read).toEqual(requests);
      }),
    );
  });

  test('what the protocol cannot carry is refused before it is sent', () => {
    const writer = new FrameWriter();
    const payload = new Uint8Array(65536 - 5 - 4);
    writeRequest(writer, { kind: 'put', topic: 'logs', payload });
    const larger = new Uint8Array(payload.length + 1);
    expect(() => writeRequest(writer, { kind: 'put', topic: 'logs', payload: larger })).toThrow(
      expect.objectContaining({ code: 'RecordTooLarge' }),
    );
    expect(() => writeRequest(writer, { kind: 'get', topic: 'a b' })).toThrow(
      expect.objectContaining({ code: 'InvalidTopic' }),
    );
  });
});

describe('responses', () => {
  test.each<[Response, string]>([
    [{ kind: 'ok' }, 'OK'],
    [{ kind: 'payload', payload: Buffer.from('hällo') }, 'OK hällo'],
    [{ kind: 'payload', payload: Uint8Array.of(0x61, 0xff) }, 'OK a\ufffd'],
    [{ kind: 'fetched', next: 5, payload: Buffer.from('x y') }, 'OK 5 x y'],
    [{ kind: 'empty' }, 'EMPTY'],
    [{ kind: 'json', text: '{"a":1}' }, '{"a":1}'],
    [{ kind: 'error', message: 'unknown command' }, 'ERR unknown command'],
  ])('%j', (response, text) => {
    const writer = new FrameWriter();
    writeResponse(writer, response);
    const frame = writer.take();
    expect(frame.readUInt32LE(0)).toBe(Buffer.byteLength(text));
    expect(frame.toString('utf8', 4)).toBe(text);
  });

  test.each<[ErrorCode, string, string]>([
    ['UnknownTopic', 'unknown topic logs', 'unknown topic logs'],
    ['NotOwner', 'NotLeaderForPartition: t_logs_s_3', 'NotLeaderForPartition: t_logs_s_3'],
    ['LeaseExpired', 'NotLeaderForPartition: t_logs_s_3', 'NotLeaderForPartition: t_logs_s_3'],
    ['Timeout', 'RPC error: Request timeout', 'RPC error: Request timeout'],
    // Upstream's text would hide that the record may be there.
    [
      'OutcomeUnknown',
      'NotLeaderForPartition: t_a_s_1',
      'OutcomeUnknown: NotLeaderForPartition: t_a_s_1',
    ],
    ['Overloaded', 'too much', 'Overloaded: too much'],
  ])('%s, %j is told as %j', (code, message, text) => {
    expect(errorText(code, message)).toBe(text);
  });

  test('every code survives the wire in what a caller decides by', () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      for (const message of ['why: so', 'unknown topic a: b', 'NotLeaderForPartition: t_a_s_1']) {
        const { retriable, committed } = errorFromText(errorText(code, message));
        expect({ retriable, committed }).toEqual(ERRORS[code]);
      }
      expect(errorFromText(errorText(code, 'why: so')).code).toBe(code);
    }
    expect(errorFromText('unknown command').code).toBe('InvalidArgument');
    expect(errorFromText('toString: x').code).toBe('InvalidArgument');
  });
});

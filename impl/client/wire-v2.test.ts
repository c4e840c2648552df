import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MalformedError } from '../core/codec.ts';
import { ERRORS, type ErrorCode } from '../core/errors.ts';
import { FrameDecoder, FrameWriter } from './frames.ts';
import {
  ANSWER_LIMITS_V2,
  type AnswerV2,
  type RequestV2,
  readAnswerV2,
  readRequestV2,
  writeAnswerV2,
  writeRequestV2,
} from './wire-v2.ts';

const kind = <Kind extends string>(value: Kind): fc.Arbitrary<Kind> => fc.constant(value);
const id = fc.maxSafeNat();
const bytes = fc.uint8Array({ maxLength: 30 });
const records = fc.array(bytes, { maxLength: 5 });
const topic = fc.string();
const natural = fc.maxSafeNat().map((value) => Math.floor(value / 2));

const request: fc.Arbitrary<RequestV2> = fc.oneof(
  fc.record({ kind: kind('line'), id, line: bytes }),
  fc.record({
    kind: kind('append'),
    id,
    topic,
    expected: fc.option(natural, { nil: undefined }),
    records,
  }),
  fc.record({
    kind: kind('fetch'),
    id,
    topic,
    offset: natural,
    records: natural,
    bytes: natural,
    waitMs: natural,
  }),
);
const answer: fc.Arbitrary<AnswerV2> = fc.oneof(
  fc.record({ kind: kind('line'), id, line: bytes }),
  fc.record({ kind: kind('appended'), id, segment: natural, epoch: natural, offset: natural }),
  fc.record({ kind: kind('records'), id, offset: natural, highWatermark: natural, records }),
  fc.record({ kind: kind('mismatched'), id, end: natural }),
  fc.record({
    kind: kind('error'),
    id,
    code: fc.constantFrom(...(Object.keys(ERRORS) as ErrorCode[])),
    message: topic,
    start: fc.option(natural, { nil: undefined }),
  }),
  fc.constant<AnswerV2>({
    kind: 'greeting',
    id: 0,
    greeting: {
      version: 2,
      node: 3,
      limits: { frameBytes: 1, batchRecords: 2, batchBytes: 3, unanswered: 4 },
    },
  }),
);

/** The frames among these bytes, which come in pieces of such lengths. */
function framesOf(stream: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const frames: Uint8Array[] = [];
  const decoder = new FrameDecoder(ANSWER_LIMITS_V2, {
    onFrame: (frame) => frames.push(Uint8Array.from(frame)),
    onInvalidLength: (length) => expect.fail(`invalid length ${length}`),
  });
  let at = 0;
  for (const length of lengths) {
    decoder.push(stream.slice(at, at + length));
    at += length;
  }
  decoder.push(stream.slice(at));
  return frames;
}

test('what is written is read, however it is cut on its way', () => {
  const lengths = fc.array(fc.nat(20), { maxLength: 40 });
  fc.assert(
    fc.property(fc.array(request), fc.array(answer), lengths, (asked, said, cuts) => {
      const writer = new FrameWriter();
      for (const each of asked) writeRequestV2(writer, each);
      expect(framesOf(writer.take(), cuts).map((frame) => readRequestV2(frame))).toEqual(asked);
      for (const each of said) writeAnswerV2(writer, each);
      expect(framesOf(writer.take(), cuts).map((frame) => readAnswerV2(frame))).toEqual(said);
    }),
  );
});

/** Bytes of a valid frame in which some were changed, added or taken away. */
const spoiled = (written: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  fc
    .tuple(written, fc.array(fc.tuple(fc.nat(), fc.nat(255), fc.nat(2)), { maxLength: 4 }))
    .map(([frame, changes]) => {
      const all = [...frame];
      for (const [place, byte, change] of changes) {
        const at = place % (all.length + 1);
        if (change === 0) all.splice(at, 1);
        else if (change === 1) all.splice(at, 0, byte);
        else all[Math.min(at, all.length - 1)] = byte;
      }
      return Uint8Array.from(all);
    });
function frameOf(write: (writer: FrameWriter) => void): Uint8Array {
  const writer = new FrameWriter();
  write(writer);
  return writer.take().subarray(4);
}

test('spoiled frames are malformed, or say something else; nothing worse', () => {
  const asked = spoiled(request.map((each) => frameOf((writer) => writeRequestV2(writer, each))));
  const said = spoiled(answer.map((each) => frameOf((writer) => writeAnswerV2(writer, each))));
  const reads = (read: (frame: Uint8Array) => unknown, frame: Uint8Array): void => {
    try {
      read(frame);
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedError);
    }
  };
  fc.assert(
    fc.property(asked, (frame) => reads(readRequestV2, frame)),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(said, (frame) => reads(readAnswerV2, frame)),
    { numRuns: 2000 },
  );
});

test('an error of a later version is an unknown outcome', () => {
  const writer = new FrameWriter();
  writer.begin().byte(0x8f).whole(7).text('FromTheFuture').text('why').whole(0).end();
  expect(readAnswerV2(writer.take().subarray(4))).toEqual({
    kind: 'error',
    id: 7,
    code: 'OutcomeUnknown',
    message: 'FromTheFuture: why',
  });
});

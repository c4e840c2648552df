import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MalformedError } from '../core/codec.ts';
import type { Question, Reply, Wish, Work } from '../core/controller/operations.ts';
import { ERRORS, type ErrorCode } from '../core/errors.ts';
import type {
  BootId,
  Epoch,
  Incarnation,
  NodeId,
  Offset,
  SegmentId,
  TopicId,
} from '../core/ids.ts';
import { countValues, mutated } from '../core/mutated-bytes.test-support.ts';
import { MESSAGE_LIMIT } from '../core/segment/ports.ts';
import { decodeEnvelope, encodeEnvelope } from './message-codec.ts';
import type { Envelope, Message } from './messages.ts';

const natural = fc.maxSafeNat();
const text = fc.string({ unit: 'grapheme', maxLength: 8 });
const bytes = fc.uint8Array({ maxLength: 16 });
const records = fc.array(bytes, { maxLength: 4 });
const topic = natural as fc.Arbitrary<TopicId>;
const segment = {
  topic,
  segment: natural as fc.Arbitrary<SegmentId>,
  epoch: natural as fc.Arbitrary<Epoch>,
};
const toBoot = natural as fc.Arbitrary<BootId>;
const kind = <Kind extends string>(value: Kind): fc.Arbitrary<Kind> => fc.constant(value);

const work: fc.Arbitrary<Work> = fc.oneof(
  fc.record({ kind: kind('put'), records }),
  fc.record({ kind: kind('put'), records, expected: natural as fc.Arbitrary<Offset> }),
  fc.record({ kind: kind('get'), group: text }),
);
const question: fc.Arbitrary<Question> = fc.oneof(
  fc.record({ kind: kind('lookup'), topic: text }),
  fc.record({
    kind: kind('fetch'),
    topic,
    offset: natural as fc.Arbitrary<Offset>,
    records: natural,
    bytes: natural,
    waitMs: natural,
  }),
  fc.record({
    kind: kind('wish'),
    node: natural as fc.Arbitrary<NodeId>,
    wish: fc.constantFrom<Wish>('stop', 'drain', 'undrain', 'remove'),
  }),
  fc.record({ kind: kind('promised'), topic, segment: segment.segment, epoch: segment.epoch }),
);
const CODES = Object.keys(ERRORS) as ErrorCode[];
const reply: fc.Arbitrary<Reply> = fc.oneof(
  fc.record({ kind: kind('registered') }),
  fc.record({ kind: kind('deleted') }),
  fc.record({ kind: kind('granted') }),
  fc.record({ kind: kind('empty') }),
  fc.record({ kind: kind('mismatched'), end: natural as fc.Arbitrary<Offset> }),
  fc.record({
    kind: kind('records'),
    offset: natural as fc.Arbitrary<Offset>,
    records,
    highWatermark: natural as fc.Arbitrary<Offset>,
  }),
  fc.record({ kind: kind('record'), offset: natural as fc.Arbitrary<Offset>, record: bytes }),
  fc.record({
    kind: kind('appended'),
    segment: segment.segment,
    epoch: segment.epoch,
    offset: natural as fc.Arbitrary<Offset>,
  }),
  fc.record({
    kind: kind('error'),
    code: fc.constantFrom(...CODES.filter((code) => code !== 'Trimmed')),
    message: text,
  }),
  fc.record({
    kind: kind('error'),
    code: fc.constant<ErrorCode>('Trimmed'),
    message: text,
    start: natural as fc.Arbitrary<Offset>,
  }),
  fc.record({ kind: kind('trimmed'), start: natural as fc.Arbitrary<Offset> }),
);
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    kind: kind('MendRequest'),
    topic,
    segment: segment.segment,
    from: natural,
    to: natural,
  }),
  fc.record({ kind: kind('Mend'), topic, segment: segment.segment, from: natural, records }),
  fc.record({
    kind: kind('Replicate'),
    ...segment,
    from: natural,
    records,
    highWatermark: natural,
  }),
  fc.record({
    kind: kind('ReplicateAck'),
    ...segment,
    end: natural,
    durableEnd: natural,
    gap: fc.boolean(),
  }),
  fc.record({ kind: kind('Refuse'), ...segment, promised: segment.epoch }),
  fc.record({ kind: kind('PromiseRequest'), ...segment }),
  fc.record({ kind: kind('Promise'), ...segment, durableEnd: natural }),
  fc.record({ kind: kind('CopyRequest'), ...segment, from: natural }),
  fc.record({ kind: kind('Copy'), ...segment, from: natural, records }),
  fc.record({
    kind: kind('Forward'),
    toBoot,
    lane: natural,
    topic,
    epoch: segment.epoch,
    order: natural,
    unanswered: natural,
    call: natural,
    deadlineMs: natural,
    work,
  }),
  fc.record({
    kind: kind('ForwardReply'),
    toBoot,
    lane: natural,
    next: natural,
    order: natural,
    reply,
  }),
  fc.record({ kind: kind('ForwardsTaken'), toBoot, lane: natural, next: natural }),
  fc.record({ kind: kind('Ask'), request: natural, question }),
  fc.record({ kind: kind('Answer'), toBoot, request: natural, reply }),
  fc.record({ kind: kind('Propose'), proposal: bytes }),
  fc.record({
    kind: kind('Join'),
    founder: natural as fc.Arbitrary<Incarnation>,
    address: text,
    replace: fc.boolean(),
    amnesiac: fc.boolean(),
  }),
  fc.record({
    kind: kind('JoinReply'),
    outcome: fc.constantFrom(...(['admitted', 'pending', 'refused', 'released'] as const)),
    leaderAddress: text,
    detail: text,
    members: fc.array(
      fc.record({
        id: natural as fc.Arbitrary<NodeId>,
        incarnation: natural as fc.Arbitrary<Incarnation>,
        address: text,
      }),
    ),
  }),
  fc.record({ kind: kind('Ping'), address: text, full: fc.boolean(), leaving: fc.boolean() }),
  fc.record({
    kind: fc.constantFrom(...(['Remind', 'Recall'] as const)),
    boot: natural as fc.Arbitrary<BootId>,
    lsn: natural,
  }),
);
const envelope: fc.Arbitrary<Envelope> = fc.record({
  from: natural as fc.Arbitrary<NodeId>,
  fromIncarnation: natural as fc.Arbitrary<Incarnation>,
  fromBoot: toBoot,
  fromLsn: natural,
  sentAtMs: natural,
  to: natural as fc.Arbitrary<NodeId>,
  toIncarnation: natural as fc.Arbitrary<Incarnation>,
  body: message,
});

test('an envelope survives its bytes', () => {
  fc.assert(
    fc.property(envelope, (original) => {
      expect(decodeEnvelope(encodeEnvelope(original))).toEqual(original);
    }),
    { numRuns: 1000 },
  );
});

test('bytes that are no envelope are refused by name, never by another error', () => {
  const refusedOrRead = (bytes: Uint8Array): void => {
    try {
      decodeEnvelope(bytes);
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedError);
    }
  };
  fc.assert(
    fc.property(envelope, fc.nat(), fc.nat(255), (original, place, value) => {
      const bytes = encodeEnvelope(original);
      bytes[place % bytes.length] = value;
      refusedOrRead(bytes);
      refusedOrRead(bytes.subarray(0, place % bytes.length));
    }),
    { numRuns: 2000 },
  );
});

test('an envelope that ends too early or too late is refused', () => {
  fc.assert(
    fc.property(envelope, (original) => {
      const bytes = encodeEnvelope(original);
      expect(() => decodeEnvelope(bytes.subarray(0, bytes.length - 1))).toThrow(MalformedError);
      expect(() => decodeEnvelope(Uint8Array.of(...bytes, 0))).toThrow(MalformedError);
    }),
  );
});

test('almost an envelope is read or refused by name, and makes no more values than it has bytes', () => {
  const encodings = fc.sample(envelope, { numRuns: 200, seed: 1 }).map(encodeEnvelope);
  fc.assert(
    fc.property(mutated(encodings), (bytes) => {
      try {
        expect(countValues(decodeEnvelope(bytes))).toBeLessThanOrEqual(20 + 10 * bytes.length);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedError);
      }
    }),
    { numRuns: 5000 },
  );
});

test('a message holds no more records than a sender puts into one', () => {
  const holding = (count: number): Envelope => ({
    ...fc.sample(envelope, { numRuns: 1, seed: 1 })[0]!,
    body: {
      kind: 'Copy',
      topic: 4 as TopicId,
      segment: 1 as SegmentId,
      epoch: 1 as Epoch,
      from: 0,
      records: Array.from({ length: count }, () => new Uint8Array()),
    },
  });
  const { records: most } = MESSAGE_LIMIT;
  expect(decodeEnvelope(encodeEnvelope(holding(most)))).toMatchObject({ body: { kind: 'Copy' } });
  expect(() => decodeEnvelope(encodeEnvelope(holding(most + 1)))).toThrow(MalformedError);
});

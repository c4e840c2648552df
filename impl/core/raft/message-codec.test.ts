import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteReader, ByteWriter, MalformedError } from '../codec.ts';
import type { Incarnation, LogIndex, NodeId, Term } from '../ids.ts';
import type { Entry } from './entry.ts';
import { encodeMembership, type Membership } from './membership.ts';
import { decodeRaftMessage, encodeRaftMessage } from './message-codec.ts';
import type { RaftMessage } from './messages.ts';

const whole = fc.oneof(fc.nat(300), fc.maxSafeNat());
const index = whole as fc.Arbitrary<LogIndex>;
const term = fc.integer({ min: 1, max: 1 << 20 }) as fc.Arbitrary<Term>;
const bytes = fc.uint8Array({ maxLength: 40 });

const membership: fc.Arbitrary<Membership> = fc
  .uniqueArray(fc.integer({ min: 1, max: 50 }), { maxLength: 5 })
  .chain((ids) =>
    fc.tuple(
      ...ids
        .sort((a, b) => a - b)
        .map((id) =>
          fc.record({
            id: fc.constant(id as NodeId),
            incarnation: whole as fc.Arbitrary<Incarnation>,
            address: fc.string(),
            learner: fc.boolean(),
          }),
        ),
    ),
  );

const content = fc.oneof(
  fc.record({ kind: fc.constant('command' as const), data: bytes }),
  fc.record({ kind: fc.constant('noop' as const), data: fc.constant(new Uint8Array(0)) }),
  fc.record({ kind: fc.constant('membership' as const), data: membership.map(encodeMembership) }),
);

const append = fc
  .record({
    term,
    prevIndex: fc.nat(1 << 20),
    prevTerm: fc.nat(5),
    contents: fc.array(fc.tuple(content, fc.nat(3)), { maxLength: 6 }),
    commitIndex: index,
    round: whole,
  })
  .map(({ term: leaders, prevIndex, prevTerm, contents, commitIndex, round }): RaftMessage => {
    let at = Math.max(1, prevTerm);
    const entries = contents.map(([{ kind, data }, later], i): Entry => {
      at += later;
      return { index: (prevIndex + 1 + i) as LogIndex, term: at as Term, kind, data };
    });
    return {
      kind: 'AppendEntriesRequest',
      term: (leaders + at) as Term,
      prevIndex: prevIndex as LogIndex,
      prevTerm: prevTerm as Term,
      entries,
      commitIndex,
      round,
    };
  });

const piece = fc
  .record({
    term,
    index,
    membership,
    chunk: bytes,
    before: fc.nat(99),
    after: fc.nat(99),
    round: whole,
  })
  .map(
    ({ chunk, before, after, ...rest }): RaftMessage => ({
      kind: 'InstallSnapshotRequest',
      term: rest.term,
      snapshotIndex: rest.index,
      snapshotTerm: (rest.term - 1) as Term,
      membership: rest.membership,
      sizeBytes: chunk.length === 0 ? 0 : before + chunk.length + after,
      offsetBytes: chunk.length === 0 ? 0 : before,
      chunk,
      round: rest.round,
    }),
  );

const message: fc.Arbitrary<RaftMessage> = fc.oneof(
  fc
    .record({
      kind: fc.constant('RequestVoteRequest' as const),
      term,
      preVote: fc.boolean(),
      transfer: fc.boolean(),
      lastIndex: index,
    })
    .map((request): RaftMessage => ({ ...request, lastTerm: (request.term - 1) as Term })),
  fc.record({
    kind: fc.constant('RequestVoteResponse' as const),
    term,
    preVote: fc.boolean(),
    granted: fc.boolean(),
  }),
  append,
  fc.record({
    kind: fc.constant('AppendEntriesResponse' as const),
    term,
    success: fc.boolean(),
    prevIndex: index,
    matchIndex: index,
    hintIndex: index,
    hintTerm: term,
    round: whole,
  }),
  piece,
  fc.record({
    kind: fc.constant('InstallSnapshotResponse' as const),
    term,
    snapshotIndex: index,
    offsetBytes: whole,
    installed: fc.boolean(),
    round: whole,
  }),
  fc.record({ kind: fc.constant('TimeoutNow' as const), term }),
);

function encode(value: RaftMessage): Uint8Array {
  const out = new ByteWriter();
  encodeRaftMessage(out, value);
  return out.finish();
}

function decode(encoded: Uint8Array): RaftMessage {
  const input = new ByteReader(encoded);
  const value = decodeRaftMessage(input);
  input.end();
  return value;
}

test('every message comes back as it was sent', () => {
  fc.assert(
    fc.property(message, (value) => {
      expect(decode(encode(value))).toEqual(value);
    }),
    { numRuns: 2000 },
  );
});

test('every prefix of a message is malformed', () => {
  fc.assert(
    fc.property(message, (value) => {
      const encoded = encode(value);
      for (let end = 0; end < encoded.length; end++) {
        expect(() => decode(encoded.subarray(0, end))).toThrow(MalformedError);
      }
    }),
  );
});

test('damaged bytes are a message or malformed, and never anything else', () => {
  fc.assert(
    fc.property(message, fc.nat(), fc.nat(255), (value, at, byte) => {
      const encoded = encode(value);
      encoded[at % encoded.length] = byte;
      try {
        decode(encoded);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedError);
      }
    }),
    { numRuns: 5000 },
  );
});

test('terms that fall along the log are malformed', () => {
  const entry = (at: number, of: number): Entry => ({
    index: at as LogIndex,
    term: of as Term,
    kind: 'command',
    data: new Uint8Array(0),
  });
  const request = {
    kind: 'AppendEntriesRequest',
    term: 5 as Term,
    prevIndex: 1 as LogIndex,
    prevTerm: 2 as Term,
    commitIndex: 0 as LogIndex,
    round: 0,
  } as const;
  expect(decode(encode({ ...request, entries: [entry(2, 2), entry(3, 5)] }))).toBeDefined();
  for (const terms of [[3, 2], [1], [6], [0]]) {
    const entries = terms.map((of, i) => entry(2 + i, of));
    expect(() => decode(encode({ ...request, entries }))).toThrow(MalformedError);
  }
});

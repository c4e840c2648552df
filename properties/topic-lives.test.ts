import { expect, test } from 'vitest';
import type { Operation, Reply } from '../impl/core/controller/operations.ts';
import type { Offset, SegmentId } from '../impl/core/ids.ts';
import {
  AckedIsReadableProp,
  type Call,
  NothingInventedProp,
  TopicIsKnownProp,
} from './history.ts';
import { DeletedStaysDeletedProp, tellApart } from './topic-lives.ts';

const bytes = (value: number): Uint8Array => Uint8Array.of(value);

/** Calls that take a millisecond each, one after the other, unless they say when they were asked. */
function calls(...told: (readonly [Operation, Reply, number?])[]): Call[] {
  return told.map(([operation, reply, invokedMs], i) => ({
    id: i + 1,
    client: 1,
    operation,
    invokedMs: invokedMs ?? 2 * i,
    repliedMs: 2 * i + 1,
    reply,
  }));
}

const put = (value: number): Operation => ({ kind: 'put', topic: 't', records: [bytes(value)] });
const get: Operation = { kind: 'get', topic: 't', group: 'g' };
const appended = (offset: number): Reply => ({
  kind: 'appended',
  segment: 1 as SegmentId,
  epoch: 4 as never,
  offset: offset as Offset,
});
const record = (value: number): Reply => ({
  kind: 'record',
  offset: 0 as Offset,
  record: bytes(value),
});
const registration = [{ kind: 'register', topic: 't' }, { kind: 'registered' }] as const;
const deletion = [{ kind: 'delete', topic: 't' }, { kind: 'deleted' }] as const;

const history = calls(registration, [put(1), appended(0)], deletion, registration, [
  put(2),
  appended(0),
]);
const past = [{ name: 't', id: 4, records: [bytes(1)] }];

test('records say which of the topics of one name they were in', () => {
  const apart = tellApart(history, new Map([['t', [bytes(2)]]]), past);
  expect(apart.history.map(({ operation }) => operation.topic)).toEqual([
    't',
    't (4)',
    't',
    't',
    't',
  ]);
  AckedIsReadableProp(apart.history, apart.contents);
  NothingInventedProp(apart.history, apart.contents);
  DeletedStaysDeletedProp(history, apart);
});

test('a record that is acknowledged after the deletion, and is in the topic that was deleted, is lost', () => {
  const lost = calls(registration, [put(1), appended(0)], deletion, [put(2), appended(1)]);
  const apart = tellApart(lost, new Map(), [{ ...past[0]!, records: [bytes(1), bytes(2)] }]);
  expect(() => DeletedStaysDeletedProp(lost, apart)).toThrow('call 3 had deleted');
});

test('a record that is taken after the deletion is given out by a topic that is no more', () => {
  const late = calls(registration, [put(1), appended(0)], deletion, [get, record(1)]);
  const apart = tellApart(late, new Map(), past);
  expect(() => DeletedStaysDeletedProp(late, apart)).toThrow('call 3 had deleted');
  const meanwhile = calls(registration, [put(1), appended(0)], deletion, [get, record(1), 4]);
  DeletedStaysDeletedProp(meanwhile, tellApart(meanwhile, new Map(), past));
});

test('TopicIsKnownProp: a topic may be unknown if it may have been deleted', () => {
  const unknown: Reply = { kind: 'error', code: 'UnknownTopic', message: '' };
  TopicIsKnownProp(calls(registration, deletion, [get, unknown]));
  TopicIsKnownProp(calls(registration, deletion, registration, [get, unknown, 3]));
  expect(() => TopicIsKnownProp(calls(deletion, registration, [get, unknown]))).toThrow(
    'had made it',
  );
});

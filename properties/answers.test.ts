import { expect, test } from 'vitest';
import { ONE_RECORD, type Operation, type Reply } from '../impl/core/controller/operations.ts';
import type { ErrorCode } from '../impl/core/errors.ts';
import type { Offset } from '../impl/core/ids.ts';
import {
  ConnectionOrderProp,
  DamageIsHiddenProp,
  EmptyIsTrueProp,
  NothingSkippedProp,
  RefusedIsAbsentProp,
  type Starts,
  TimeoutIsFinalProp,
  TrimmedIsTrueProp,
} from './answers.ts';
import type { Call } from './history.ts';

const record = (id: number): Uint8Array => Uint8Array.of(id);
const contents = (...ids: number[]): Map<string, Uint8Array[]> => new Map([['t', ids.map(record)]]);
const error = (code: ErrorCode): Reply => ({ kind: 'error', code, message: '' });
const appended = (offset: number): Reply => ({
  kind: 'appended',
  offset: offset as Offset,
  segment: 1 as never,
  epoch: 1 as never,
});
const given = (offset: number): Reply => ({
  kind: 'record',
  offset: offset as Offset,
  record: record(offset),
});
const WHOLE: Starts = new Map();
const EMPTY: Reply = { kind: 'empty' };

let id = 0;
function call(operation: Operation, reply: Reply | undefined, from: number, to: number): Call {
  return { id: ++id, client: 1, operation, invokedMs: from, repliedMs: to, reply };
}
const put = (of: number, reply: Reply | undefined, from: number, to: number): Call =>
  call({ kind: 'put', topic: 't', records: [record(of)] }, reply, from, to);
const get = (reply: Reply | undefined, from: number, to: number): Call =>
  call({ kind: 'get', topic: 't', group: 'g' }, reply, from, to);
const fetch = (offset: number, reply: Reply, from: number, to: number): Call =>
  call({ ...ONE_RECORD, kind: 'fetch', topic: 't', offset: offset as Offset }, reply, from, to);

test('a record whose put was refused for certain must not be there; one of unknown outcome may', () => {
  RefusedIsAbsentProp([put(7, error('NotOwner'), 0, 1)], contents(8));
  RefusedIsAbsentProp([put(7, error('Timeout'), 0, 1)], contents(7));
  const refused = [put(7, error('NotOwner'), 0, 1)];
  expect(() => RefusedIsAbsentProp(refused, contents(7))).toThrow('RefusedIsAbsentProp');
});

test('nobody is told of damage', () => {
  DamageIsHiddenProp([get(error('Unavailable'), 0, 1), get(undefined, 0, 1)]);
  const told = [fetch(3, error('Corrupt'), 0, 1)];
  expect(() => DamageIsHiddenProp(told)).toThrow('DamageIsHiddenProp');
});

test('"empty" is a lie while something acknowledged before is left', () => {
  const puts = [put(7, appended(0), 0, 1), put(8, appended(1), 2, 3)];
  EmptyIsTrueProp([...puts, get(EMPTY, 2, 4), get(given(0), 3, 5)], WHOLE);
  EmptyIsTrueProp([...puts, get(given(0), 4, 5), get(undefined, 4, 5), get(EMPTY, 6, 7)], WHOLE);
  EmptyIsTrueProp([...puts, fetch(2, EMPTY, 6, 7)], WHOLE);
  const left = [...puts, get(given(0), 4, 5), get(EMPTY, 6, 7)];
  expect(() => EmptyIsTrueProp(left, WHOLE)).toThrow('EmptyIsTrueProp');
  const early = [...puts, fetch(1, EMPTY, 6, 7)];
  expect(() => EmptyIsTrueProp(early, WHOLE)).toThrow('EmptyIsTrueProp');
});

test('what was trimmed is not missing to who consumes, and is told to who asks for it', () => {
  const starts: Starts = new Map([['t', 2]]);
  const puts = [0, 1, 2].map((of) => put(of, appended(of), 0, 1));
  EmptyIsTrueProp([...puts, get(given(0), 2, 3), get(given(2), 4, 5), get(EMPTY, 6, 7)], starts);
  const left = [...puts, get(given(0), 2, 3), get(EMPTY, 6, 7)];
  expect(() => EmptyIsTrueProp(left, starts)).toThrow('EmptyIsTrueProp');
  const trimmed = (start: number): Reply =>
    ({ ...error('Trimmed'), start: start as Offset }) as Reply;
  TrimmedIsTrueProp([fetch(1, trimmed(2), 0, 1), fetch(0, trimmed(1), 0, 1)], starts);
  for (const lie of [fetch(2, trimmed(2), 0, 1), fetch(2, trimmed(3), 0, 1)]) {
    expect(() => TrimmedIsTrueProp([lie], starts)).toThrow('TrimmedIsTrueProp');
  }
});

test('a cursor beyond what was given out has skipped something', () => {
  const at = (offset: number, start = 0) => [{ topic: 't', group: 'g', offset, start }];
  const history = [get(given(0), 0, 1), get(error('OutcomeUnknown'), 2, 3), get(EMPTY, 4, 5)];
  NothingSkippedProp(history, at(2));
  NothingSkippedProp(history, at(5, 3));
  expect(() => NothingSkippedProp(history, at(3))).toThrow('NothingSkippedProp');
});

test('what one client asked first stands first, as far as it was acknowledged', () => {
  const lost = put(9, error('OutcomeUnknown'), 0, 9);
  ConnectionOrderProp([put(7, appended(0), 0, 9), lost, put(8, appended(2), 0, 9)]);
  const turned = [put(7, appended(1), 0, 9), put(8, appended(0), 0, 9)];
  expect(() => ConnectionOrderProp(turned)).toThrow('ConnectionOrderProp');
});

test('a put whose time was up does not come behind a later one', () => {
  const late = put(7, error('Timeout'), 0, 5);
  TimeoutIsFinalProp([late, put(8, appended(1), 6, 7)], contents(7, 8));
  TimeoutIsFinalProp([late, put(8, appended(0), 4, 7)], contents(8, 7));
  const after = [late, put(8, appended(0), 6, 7)];
  expect(() => TimeoutIsFinalProp(after, contents(8, 7))).toThrow('TimeoutIsFinalProp');
});

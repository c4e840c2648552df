import { expect, test } from 'vitest';
import { ONE_RECORD } from '../impl/core/controller/operations.ts';
import type { Offset } from '../impl/core/ids.ts';
import {
  AckedIsReadableProp,
  type Call,
  ConsumedOnceProp,
  NothingInventedProp,
  ReadIsTrueProp,
  RealTimeOrderProp,
  TopicIsKnownProp,
} from './history.ts';

const record = (id: number): Uint8Array => Uint8Array.of(id);
const contents = (...ids: number[]): Map<string, Uint8Array[]> => new Map([['t', ids.map(record)]]);

let id = 0;
function put(of: number, offset: number, invokedMs: number, repliedMs: number): Call {
  return {
    id: ++id,
    client: 1,
    operation: { kind: 'put', topic: 't', records: [record(of)] },
    invokedMs,
    repliedMs,
    reply: { kind: 'appended', offset: offset as Offset, segment: 1 as never, epoch: 1 as never },
  };
}
function get(of: number, offset: number, invokedMs: number, repliedMs: number): Call {
  return {
    id: ++id,
    client: 1,
    operation: { kind: 'get', topic: 't', group: 'g' },
    invokedMs,
    repliedMs,
    reply: { kind: 'record', offset: offset as Offset, record: record(of) },
  };
}

test('an acknowledged record that is missing, or elsewhere, is found', () => {
  const history = [put(7, 0, 0, 1), put(8, 1, 2, 3)];
  AckedIsReadableProp(history, contents(7, 8));
  expect(() => AckedIsReadableProp(history, contents(7))).toThrow('AckedIsReadableProp');
  expect(() => AckedIsReadableProp(history, contents(8, 7))).toThrow('AckedIsReadableProp');
});

test('an invented record and a doubled one are found; a record of unknown outcome may be there', () => {
  const unknown: Call = { ...put(9, 0, 0, 1), reply: undefined };
  const history = [put(7, 0, 0, 1), unknown];
  NothingInventedProp(history, contents(7));
  NothingInventedProp(history, contents(7, 9));
  expect(() => NothingInventedProp(history, contents(7, 7))).toThrow('twice');
  expect(() => NothingInventedProp(history, contents(7, 5))).toThrow('never put');
});

test('puts that overlap in time may come in either order, others may not', () => {
  RealTimeOrderProp([put(1, 1, 0, 10), put(2, 0, 5, 15)]);
  expect(() => RealTimeOrderProp([put(1, 1, 0, 10), put(2, 0, 11, 15)])).toThrow('comes after');
});

test('a record consumed twice, or out of order, is found', () => {
  ConsumedOnceProp([get(1, 0, 0, 1), get(2, 1, 2, 3)]);
  expect(() => ConsumedOnceProp([get(1, 0, 0, 1), get(1, 0, 2, 3)])).toThrow('both got');
  expect(() => ConsumedOnceProp([get(2, 1, 0, 1), get(1, 0, 2, 3)])).toThrow('comes after');
});

test('a reader that got another record than stands there is found', () => {
  ReadIsTrueProp([get(1, 0, 0, 1)], contents(1));
  expect(() => ReadIsTrueProp([get(2, 0, 0, 1)], contents(1))).toThrow('ReadIsTrueProp');
});

test('a topic that is denied after it was registered is found; before, or meanwhile, it may be denied', () => {
  const call = (kind: 'register' | 'fetch', invokedMs: number, repliedMs: number): Call => {
    const reply: Call['reply'] =
      kind === 'register'
        ? { kind: 'registered' }
        : { kind: 'error', code: 'UnknownTopic', message: '' };
    const operation: Call['operation'] =
      kind === 'register'
        ? { kind, topic: 't' }
        : { ...ONE_RECORD, kind, topic: 't', offset: 0 as Offset };
    return { id: ++id, client: 1, operation, invokedMs, repliedMs, reply };
  };
  const registered = [call('register', 10, 20), call('register', 30, 40)];
  TopicIsKnownProp([call('fetch', 5, 50), ...registered, call('fetch', 20, 25)]);
  expect(() => TopicIsKnownProp([...registered, call('fetch', 21, 25)])).toThrow(
    'TopicIsKnownProp',
  );
});

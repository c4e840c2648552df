/**
 * What the clients saw, judged at the end by nothing but what they asked and heard, and when. Every record is unique,
 * so that each check takes one pass over calls sorted by offset.
 */
import type { Operation, Reply } from '../impl/core/controller/operations.ts';
import { demand } from './violation.ts';

export interface Call {
  readonly id: number;
  readonly client: number;
  readonly operation: Operation;
  readonly invokedMs: number;
  /** Infinity if no answer came. */
  repliedMs: number;
  /** The last answer; undefined if nobody knows what became of the call. */
  reply: Reply | undefined;
}

/** A call that took or gave the record at `offset`. */
interface Placed {
  readonly offset: number;
  readonly record: Uint8Array;
  readonly call: Call;
}

/** All of a topic as it is read at the end, from offset 0. */
export type Contents = ReadonlyMap<string, readonly Uint8Array[]>;

/** Every acknowledged record is in its topic, exactly once, where its writer was told that it is. */
export function AckedIsReadableProp(history: readonly Call[], contents: Contents): void {
  for (const { offset, record, call } of placed(history, 'put').flat()) {
    const topic = (call.operation as { topic: string }).topic;
    const found = contents.get(topic)?.[offset];
    demand(
      found !== undefined && equal(found, record),
      'AckedIsReadableProp',
      () => `call ${call.id} put a record at offset ${offset} of ${topic}; it is not there`,
    );
  }
}

/** Nothing is in a topic that nobody put there, and nothing twice. */
export function NothingInventedProp(history: readonly Call[], contents: Contents): void {
  const put = new Set<string>();
  for (const { operation } of history) {
    if (operation.kind !== 'put') continue;
    for (const record of operation.records) put.add(identity(operation.topic, record));
  }
  for (const [topic, records] of contents) {
    records.forEach((record, offset) => {
      demand(
        put.delete(identity(topic, record)),
        'NothingInventedProp',
        () => `the record at offset ${offset} of ${topic} was never put, or stands there twice`,
      );
    });
  }
}

/** Of what was put together, either all stands in the topic, in a row, or nothing. */
export function BatchIsWholeProp(history: readonly Call[], contents: Contents): void {
  const places = placesOf(contents);
  for (const { id, operation } of history) {
    if (operation.kind !== 'put') continue;
    const { topic, records } = operation;
    const offsets = records.map((record) => places.get(identity(topic, record)));
    const [first] = offsets;
    demand(
      offsets.every((each, i) => each === (first === undefined ? undefined : first + i)),
      'BatchIsWholeProp',
      () => `the records of call ${id} stand at ${offsets.join(', ')} of ${topic}`,
    );
  }
}

/** If one put was answered before another of its topic was asked, its record comes first. */
export function RealTimeOrderProp(history: readonly Call[]): void {
  for (const calls of placed(history, 'put')) followsRealTime('RealTimeOrderProp', calls);
}

/** A record goes to at most one reader of a group, in the order of the topic. */
export function ConsumedOnceProp(history: readonly Call[]): void {
  for (const calls of placed(history, 'get')) {
    for (let i = 1; i < calls.length; i++) {
      demand(
        calls[i]!.offset > calls[i - 1]!.offset,
        'ConsumedOnceProp',
        () =>
          `calls ${calls[i - 1]!.call.id} and ${calls[i]!.call.id} both got offset ${calls[i]!.offset}`,
      );
    }
    followsRealTime('ConsumedOnceProp', calls);
  }
}

/** Whatever a reader got is what stands at that place of the topic. */
export function ReadIsTrueProp(history: readonly Call[], contents: Contents): void {
  for (const calls of [...placed(history, 'get'), ...placed(history, 'fetch')]) {
    for (const { offset, record, call } of calls) {
      const topic = (call.operation as { topic: string }).topic;
      const found = contents.get(topic)?.[offset];
      demand(
        found !== undefined && equal(found, record),
        'ReadIsTrueProp',
        () =>
          `call ${call.id} read another record at offset ${offset} of ${topic} than stands there`,
      );
    }
  }
}

/** Once a registration was answered, nobody who asks later is told that there is no such topic, unless it may have been deleted. */
export function TopicIsKnownProp(history: readonly Call[]): void {
  const known = new Map<string, Call>();
  for (const call of history) {
    if (call.reply?.kind !== 'registered') continue;
    const earliest = known.get(call.operation.topic);
    if (call.repliedMs < (earliest?.repliedMs ?? Infinity)) known.set(call.operation.topic, call);
  }
  for (const { id, operation, invokedMs, repliedMs, reply } of history) {
    if (reply?.kind !== 'error' || reply.code !== 'UnknownTopic') continue;
    const registered = known.get(operation.topic);
    const isDeleted = history.some(
      (deletion) =>
        deletion.operation.kind === 'delete' &&
        deletion.operation.topic === operation.topic &&
        deletion.invokedMs < repliedMs &&
        deletion.repliedMs > (registered?.invokedMs ?? 0),
    );
    demand(
      registered === undefined || registered.repliedMs >= invokedMs || isDeleted,
      'TopicIsKnownProp',
      () =>
        `call ${id} was told that there is no topic ${operation.topic}, after call ${registered!.id} had made it`,
    );
  }
}

/** Calls with a known place, by topic (and group), each list sorted by offset. */
function placed(history: readonly Call[], kind: 'put' | 'get' | 'fetch'): Placed[][] {
  const lists = new Map<string, Placed[]>();
  for (const call of history) {
    const { operation, reply } = call;
    if (operation.kind !== kind || reply === undefined) continue;
    let records: readonly Uint8Array[];
    if (operation.kind === 'put' && reply.kind === 'appended') records = operation.records;
    else if (operation.kind === 'get' && reply.kind === 'record') records = [reply.record];
    else if (operation.kind === 'fetch' && reply.kind === 'records') ({ records } = reply);
    else continue;
    const key =
      operation.kind === 'get' ? `${operation.topic}/${operation.group}` : operation.topic;
    const list = lists.get(key) ?? [];
    lists.set(key, list);
    records.forEach((record, i) => {
      list.push({ offset: reply.offset + i, record, call });
    });
  }
  for (const list of lists.values()) list.sort((a, b) => a.offset - b.offset);
  return [...lists.values()];
}

/** Going back from the last offset: nothing later in the topic was answered before this was asked. */
function followsRealTime(property: string, calls: readonly Placed[]): void {
  let earliest: Call | undefined;
  for (let i = calls.length - 1; i >= 0; i--) {
    const { call } = calls[i]!;
    demand(
      earliest === undefined || earliest.repliedMs >= call.invokedMs,
      property,
      () =>
        `call ${earliest!.id} was answered before call ${call.id} was asked, but comes after it`,
    );
    if (earliest === undefined || call.repliedMs < earliest.repliedMs) earliest = call;
  }
}

/** Where each record stands. */
export function placesOf(contents: Contents): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  for (const [topic, records] of contents) {
    records.forEach((record, offset) => {
      places.set(identity(topic, record), offset);
    });
  }
  return places;
}

/** Every record is unique in its topic. */
export function identity(topic: string, record: Uint8Array): string {
  return `${topic}/${String.fromCharCode(...record)}`;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

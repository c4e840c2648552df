/** What any call may count on, whatever its caller does: it is answered, in its turn, and what is refused leaves nothing. */
import timers from 'node:timers';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import {
  type Cursor,
  ReadConsistency,
  type Walrus,
  WalrusError,
} from '../../impl/embedded/walrus.ts';
import {
  bytes,
  type Cases,
  drain,
  ENDINGS,
  pattern,
  range,
  sameBytes,
  textOf,
  textsOf,
} from './log-world.ts';

const MEBIBYTE = 2 ** 20;

const numbers = (count: number): Uint8Array[] => range(count).map((i) => bytes(String(i)));

/** Takes the bytes away, as a message to another thread does. */
function transfer(data: Uint8Array): void {
  structuredClone(data.buffer, { transfer: [data.buffer as ArrayBuffer] });
}

function detached(): Uint8Array {
  const data = new Uint8Array(8);
  transfer(data);
  return data;
}

async function codes(calls: Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((one) =>
    one.status === 'fulfilled' ? 'ok' : (one.reason as WalrusError).code,
  );
}

// Younger than the library's types.
const ResizableBuffer = ArrayBuffer as unknown as new (
  bytes: number,
  options: { maxByteLength: number },
) => ArrayBuffer & { resize(bytes: number): void };

/** More than memory takes at once: of these some wait. */
const MANY = 40;

const { proxy: REVOKED, revoke } = Proxy.revocable({}, {});
revoke();

/** What callers pass by mistake, or worse. */
const WRONG: unknown[] = [
  null,
  7,
  -1,
  0.5,
  Number.NaN,
  1n,
  true,
  'no such word',
  Symbol('s'),
  [],
  {},
  () => {},
  new Date(0),
  new ArrayBuffer(8),
  new Uint16Array(2),
  detached(),
  Object.create(null),
  REVOKED,
  new Proxy(new Uint8Array(1), {}),
];

type Kind =
  | 'topic'
  | 'group'
  | 'record'
  | 'records'
  | 'options'
  | 'offset'
  | 'place'
  | 'flag'
  | 'signal';

/** What of the values a kind allows. */
const ALLOWED: Record<Kind, (value: unknown) => boolean> = {
  topic: (value) => typeof value === 'string',
  group: (value) => typeof value === 'string',
  record: () => false,
  records: (value) => value !== REVOKED && Array.isArray(value),
  // A name that means nothing is not looked at.
  options: (value) => typeof value === 'object' && value !== null && value !== REVOKED,
  offset: (value) => value === 7,
  place: (value) => value === 7,
  flag: (value) => typeof value === 'boolean',
  signal: () => false,
};

type Call = (log: Walrus, cursor: Cursor, value: never) => unknown;

/** Every argument of every method. */
const CALLS: [string, Kind, Call][] = [
  ['append', 'topic', (log, _, topic) => log.append(topic, bytes('x'))],
  ['append', 'record', (log, _, data) => log.append('t', data)],
  ['appendBatch', 'topic', (log, _, topic) => log.appendBatch(topic, [bytes('x')])],
  ['appendBatch', 'records', (log, _, records) => log.appendBatch('t', records)],
  ['appendBatch', 'record', (log, _, data) => log.appendBatch('t', [bytes('x'), data])],
  ['stage', 'topic', (log, _, topic) => log.stage(topic, bytes('x'))],
  ['stage', 'record', (log, _, data) => log.stage('t', data)],
  ['readNext', 'topic', (log, _, topic) => log.readNext(topic)],
  ['readNext', 'options', (log, _, options) => log.readNext('t', options)],
  ['readNext', 'flag', (log, _, checkpoint) => log.readNext('t', { checkpoint })],
  ['readBatch', 'topic', (log, _, topic) => log.readBatch(topic)],
  ['readBatch', 'options', (log, _, options) => log.readBatch('t', options)],
  ['readBatch', 'flag', (log, _, checkpoint) => log.readBatch('t', { checkpoint })],
  ['readBatch', 'offset', (log, _, maxBytes) => log.readBatch('t', { maxBytes })],
  ['readBatch', 'offset', (log, _, maxEntries) => log.readBatch('t', { maxEntries })],
  ['readBatch', 'offset', (log, _, from) => log.readBatch('t', { from })],
  ['read', 'topic', (log, _, topic) => log.read(topic)],
  ['read', 'options', (log, _, options) => log.read('t', options)],
  ['read', 'place', (log, _, from) => log.read('t', { from })],
  ['read', 'signal', (log, _, signal) => log.read('t', { signal })],
  ['tail', 'topic', (log, _, topic) => log.tail(topic)],
  ['tail', 'options', (log, _, options) => log.tail('t', options)],
  ['tail', 'place', (log, _, from) => log.tail('t', { from })],
  ['tail', 'signal', (log, _, signal) => log.tail('t', { signal })],
  ['cursor', 'topic', (log, _, topic) => log.cursor(topic)],
  ['cursor', 'group', (log, _, group) => log.cursor('t', group)],
  ['deleteCursor', 'topic', (log, _, topic) => log.deleteCursor(topic)],
  ['deleteCursor', 'group', (log, _, group) => log.deleteCursor('t', group)],
  ['entryCount', 'topic', (log, _, topic) => log.entryCount(topic)],
  ['entryCount', 'group', (log, _, group) => log.entryCount('t', group)],
  ['entryCounts', 'group', (log, _, group) => log.entryCounts(group)],
  ['offsets', 'topic', (log, _, topic) => log.offsets(topic)],
  ['topicSize', 'topic', (log, _, topic) => log.topicSize(topic)],
  ['trim', 'topic', (log, _, topic) => log.trim(topic, 0)],
  ['trim', 'offset', (log, _, offset) => log.trim('t', offset)],
  ['deleteTopic', 'topic', (log, _, topic) => log.deleteTopic(topic)],
  ['markClean', 'topic', (log, _, topic) => log.markClean(topic)],
  ['markDirty', 'topic', (log, _, topic) => log.markDirty(topic)],
  ['isClean', 'topic', (log, _, topic) => log.isClean(topic)],
  ['Cursor.readBatch', 'options', (_log, cursor, limits) => cursor.readBatch(limits)],
  ['Cursor.readBatch', 'offset', (_log, cursor, maxBytes) => cursor.readBatch({ maxBytes })],
  ['Cursor.readBatch', 'offset', (_log, cursor, maxEntries) => cursor.readBatch({ maxEntries })],
  ['Cursor.commit', 'offset', (_log, cursor, offset) => cursor.commit(offset)],
  ['Cursor.seek', 'place', (_log, cursor, place) => cursor.seek(place)],
  ['Cursor.tail', 'options', (_log, cursor, options) => cursor.tail(options)],
  ['Cursor.tail', 'signal', (_log, cursor, signal) => cursor.tail({ signal })],
];

export const callCases: Cases = (world) => {
  test('a buffer that is transferred while its append waits fails that append alone', async () => {
    const log = await world().open();
    const records = range(MANY).map((i) => pattern(MEBIBYTE, i));
    const appended = records.map((record) => log.append('t', record));
    transfer(records[MANY / 2]!);
    const empty = new Uint8Array(0);
    appended.push(log.append('t', empty));
    expect(await codes(appended)).toEqual(
      range(MANY + 1).map((i) => (i === MANY / 2 ? 'InvalidArgument' : 'ok')),
    );
    expect(log.offsets('t').next).toBe(MANY);
    expect(await log.append('t', bytes('after'))).toBe(MANY);
    await log.close();
  });

  test('so does one that is resized, and a batch whose records or list are changed while it waits', async () => {
    const log = await world().open();
    const ballast = range(MANY).map((i) => log.append('t', pattern(MEBIBYTE, i)));
    const buffer = new ResizableBuffer(100, { maxByteLength: 200 });
    const [whole, part] = [new Uint8Array(buffer), new Uint8Array(buffer, 50, 50)];
    const list = [bytes('a'), bytes('b')];
    const gone = pattern(100, 1);
    const waiting = [
      log.append('u', whole),
      log.append('u', part),
      log.appendBatch('u', [bytes('x'), gone, bytes('y')]),
      log.appendBatch('u', list),
    ];
    buffer.resize(60);
    transfer(gone);
    list[1] = bytes('c');
    list.push(bytes('d'));
    expect(await codes(waiting)).toEqual([
      'InvalidArgument',
      'InvalidArgument',
      'InvalidArgument',
      'ok',
    ]);
    await Promise.all(ballast);
    expect(textsOf(await drain(log, 'u'))).toEqual(['a', 'b']);
  });

  test('shared memory is a record like any other', async () => {
    const log = await world().open();
    const shared = new Uint8Array(new SharedArrayBuffer(1000)).fill(7);
    await log.append('t', shared);
    shared.fill(8);
    expect(sameBytes((await log.readNext('t'))?.data, new Uint8Array(1000).fill(7))).toBe(true);
  });

  for (const ending of ENDINGS) {
    test(`a batch that is refused leaves nothing, in memory or in the log (${ending})`, async () => {
      let log = await world().open();
      const bad = [detached(), 'text', undefined, null, new Uint16Array(1), { length: 1 }];
      for (const one of bad) {
        const batch = [bytes('x'), one as Uint8Array, bytes('y')];
        const [code] = await codes([log.appendBatch('t', batch)]);
        expect(code).toBe('InvalidArgument');
      }
      expect(await codes([log.appendBatch('t', new Array(3))])).toEqual(['InvalidArgument']);
      expect(log.topics()).toEqual([]);
      await log.append('u', bytes('x'));
      log = await world().reopen(log, ending);
      expect(log.topics()).toEqual(['u']);
      expect(await log.append('t', bytes('first'))).toBe(0);
    });
  }

  test('every argument of every method: what it cannot be is told by an error with a code, and changes nothing', async () => {
    const log = await world().open();
    await log.appendBatch('t', numbers(3));
    const cursor = log.cursor('t', 'g');
    await log.flush();
    const before = log.stats().store.appendedRecords;
    for (const [name, kind, call] of CALLS) {
      for (const value of WRONG) {
        if (ALLOWED[kind](value)) continue;
        let error: unknown;
        try {
          await call(log, cursor, value as never);
        } catch (thrown) {
          error = thrown;
        }
        const what = `${name} of a ${kind} that is ${typeof value}`;
        expect(error, what).toBeInstanceOf(WalrusError);
        const code = kind === 'topic' ? 'InvalidTopic' : 'InvalidArgument';
        expect((error as WalrusError).code, what).toBe(code);
      }
    }
    expect(log.topics()).toEqual(['t']);
    expect([log.entryCount('t'), log.stats().store.appendedRecords]).toEqual([3, before]);
  });

  test('a caller whose own code throws is told so, and nobody else', async () => {
    const log = await world().open();
    const trap = {
      get checkpoint(): boolean {
        throw new TypeError('mine');
      },
      get signal(): AbortSignal {
        throw new TypeError('mine');
      },
    };
    const records = new Proxy([bytes('x')], {
      get() {
        throw new TypeError('mine');
      },
    });
    const refused = expect.objectContaining({
      code: 'InvalidArgument',
      cause: expect.objectContaining({ message: 'mine' }),
    });
    await log.append('t', bytes('x'));
    await expect(log.readNext('t', trap)).rejects.toEqual(refused);
    await expect(log.appendBatch('t', records)).rejects.toEqual(refused);
    expect(() => log.tail('t', trap)).toThrow(refused);
    expect(await log.append('t', bytes('y'))).toBe(1);
  });

  test('a signal whose own code throws ends its loop, and not the process', async () => {
    const log = await world().open();
    await log.append('t', bytes('x'));
    const boom = (): never => {
      throw new TypeError('mine');
    };
    const deaf = { aborted: false, addEventListener: boom };
    let looks = 0;
    const moody = {
      addEventListener: () => {},
      get aborted() {
        return ++looks > 1 && boom();
      },
    };
    for (const signal of [deaf, moody] as unknown as AbortSignal[]) {
      const tail = log.tail('t', { signal });
      expect(await codes([tail.next()])).toEqual(['InvalidArgument']);
      expect(await tail.next()).toEqual({ done: true, value: undefined });
    }
    expect(await log.append('t', bytes('y'))).toBe(1);
  });

  test('an array that lies about its length is taken at its bytes', async () => {
    const log = await world().open();
    await log.append('secret', pattern(MEBIBYTE, 1));
    const lies: (() => number)[] = [
      () => 100,
      () => 1,
      () => Number.NaN,
      () => {
        throw new TypeError('mine');
      },
    ];
    for (const get of lies) {
      class Liar extends Uint8Array {
        override get length(): number {
          return get();
        }
      }
      const own = Object.defineProperty(new Uint8Array([1, 2, 3]), 'length', { get });
      for (const liar of [Liar.of(1, 2, 3), own, new Liar(new Uint8Array([1, 2, 3]).buffer)]) {
        await log.append('t', liar);
        await log.appendBatch('t', [liar, bytes('x')]);
        log.stage('t', liar);
      }
    }
    await log.acknowledged();
    const read = await log.readBatch('t', { from: 0 });
    expect(read).toHaveLength(4 * 3 * 4);
    for (const { offset, data } of read) {
      expect([...data]).toEqual(offset % 4 === 2 ? [...bytes('x')] : [1, 2, 3]);
    }
  });

  test('calls that nobody awaits are answered in their order, by the hundred thousand', async () => {
    const log = await world().open();
    const count = 100_000;
    let last: Promise<number> | undefined;
    const record = new Uint8Array(200);
    for (let i = 0; i < count; i++) last = log.append('t', record);
    expect(await last).toBe(count - 1);
    const read = range(1000).map(() => log.readNext('t'));
    expect((await Promise.all(read)).map((entry) => entry?.offset)).toEqual(range(1000));
  });

  test('timers and microtasks of the user’s own are the user’s own', async () => {
    const log = await world().open();
    const modules = [globalThis, timers, timers.promises ?? {}] as Record<string, unknown>[];
    const stopped = (): object => ({ unref: () => ({}) });
    const names = ['setImmediate', 'setTimeout', 'setInterval', 'queueMicrotask'];
    const kept = modules.map((module) => ({ ...module }));
    vi.useFakeTimers({ toFake: ['Date', 'performance', 'hrtime', 'setTimeout', 'setImmediate'] });
    for (const module of modules) {
      for (const name of names) if (name in module) module[name] = stopped;
    }
    onTestFinished(() => {
      // First, for it takes away what it does not find as it left it.
      vi.useRealTimers();
      for (const [i, module] of modules.entries()) {
        for (const name of names) if (name in kept[i]!) module[name] = kept[i]![name];
      }
    });
    expect(await log.append('t', bytes('x'))).toBe(0);
    expect(textOf(await log.readNext('t'))).toBe('x');
    expect(await log.readNext('t')).toBeUndefined();
    const tail = log.tail('t');
    const next = tail.next();
    await log.append('t', pattern(2 * MEBIBYTE, 1));
    expect((await next).value?.offset).toBe(1);
    await expect(world().open({ waitMs: 30 })).rejects.toMatchObject({ code: 'Locked' });
    await log.flush();
    await log.close();
  });

  for (const [name, iterate] of [
    ['read', (log: Walrus) => log.read('t')],
    ['tail', (log: Walrus) => log.tail('t', { from: 0 })],
    ['a cursor', (log: Walrus) => log.cursor('t', 'g')[Symbol.asyncIterator]()],
    ['the tail of a cursor', (log: Walrus) => log.cursor('t', 'g').tail()[Symbol.asyncIterator]()],
  ] as const) {
    test(`${name} answers calls of next() that are made at once in their order`, async () => {
      const log = await world().open();
      await log.appendBatch('t', numbers(1000));
      const again = await world().reopen(log, 'closed');
      const entries = iterate(again);
      for (const round of range(5)) {
        const results = await Promise.all(range(200).map(() => entries.next()));
        expect(results.map(({ value }) => value.offset)).toEqual(
          range(200).map((i) => round * 200 + i),
        );
      }
    });

    test(`${name} ends, and answers who waits, on return() and throw()`, async () => {
      const log = await world().open();
      await log.appendBatch('t', numbers(10));
      const again = await world().reopen(log, 'closed');
      for (const how of ['return', 'throw'] as const) {
        const entries = iterate(again);
        expect((await entries.next()).value.offset).toBe(0);
        const calls = range(20).map(() => entries.next());
        const ended = entries[how]?.(new Error('mine'));
        if (how === 'return') expect(await ended).toEqual({ done: true, value: undefined });
        else await expect(ended).rejects.toThrow('mine');
        for (const { done } of await Promise.all(calls.slice(9))) expect(done).toBe(true);
        expect(await entries.next()).toEqual({ done: true, value: undefined });
      }
    });
  }

  test('return() ends a tail that waits at the end, at once', async () => {
    const log = await world().open();
    await log.append('t', bytes('x'));
    for (const entries of [log.tail('t'), log.cursor('t', 'g').tail()[Symbol.asyncIterator]()]) {
      const first = entries.next();
      if ('value' in (await Promise.race([first, turn({ value: undefined })]))) {
        const waiting = entries.next();
        await turn();
        await entries.return!();
        expect((await waiting).done).toBe(true);
      }
    }
  });

  test('a tail that is told to stop, or whose topic or log ends, before it waits, does not wait', async () => {
    const log = await world().open();
    for (const topic of ['stopped', 'deleted', 'closed']) await log.append(topic, bytes('x'));
    const stop = new AbortController();
    const stopped = [
      log.tail('stopped', { signal: stop.signal }).next(),
      log.cursor('stopped', 'g').tail({ signal: stop.signal })[Symbol.asyncIterator](),
    ] as const;
    await stopped[1].next();
    const cursorStopped = stopped[1].next();
    const deleted = log.tail('deleted').next();
    const closed = log.tail('closed').next();
    stop.abort();
    const deletion = log.deleteTopic('deleted');
    expect(await codes([stopped[0], cursorStopped, deleted, deletion])).toEqual([
      'Aborted',
      'Aborted',
      'UnknownTopic',
      'ok',
    ]);
    await log.close();
    expect((await closed).done).toBe(true);
  });

  test('a loop that was left moves a cursor no further', async () => {
    const log = await world().open();
    await log.appendBatch('t', numbers(10));
    const again = await world().reopen(log, 'closed');
    const cursor = again.cursor('t', 'g');
    const entries = cursor[Symbol.asyncIterator]();
    const calls = [entries.next(), entries.next()];
    await entries.return!();
    const given = (await Promise.all(calls)).filter(({ done }) => !done).length;
    expect(cursor.position).toBe(given);
    expect((await cursor.next())?.offset).toBe(given);
  });

  test('trim under a read and a tail: both go on at the new start', async () => {
    const log = await world().open();
    for (const part of range(5)) {
      await log.appendBatch(
        't',
        range(1000).map((i) => pattern(1000, part * 1000 + i)),
      );
    }
    const again = await world().reopen(log, 'closed');
    const iterators = [again.read('t'), again.tail('t', { from: 0 })];
    const cursor = again.cursor('t', 'g');
    for (const entries of iterators) expect((await entries.next()).value.offset).toBe(0);
    expect((await cursor.next())?.offset).toBe(0);
    const waiting = iterators.map((entries) => entries.next());
    await again.trim('t', 4500);
    for (const { value } of await Promise.all(waiting)) expect([1, 4500]).toContain(value.offset);
    for (const entries of iterators) {
      const { value } = await entries.next();
      expect([4500, 4501]).toContain(value.offset);
      let last = value.offset;
      while (last < 4999) expect((await entries.next()).value.offset).toBe(++last);
    }
    expect((await cursor.next())?.offset).toBe(4500);
  });

  test('twenty tails wait for one signal, with one listener', async () => {
    const log = await world().open();
    const warnings: Error[] = [];
    const warn = (warning: Error): void => {
      warnings.push(warning);
    };
    process.on('warning', warn);
    onTestFinished(() => void process.off('warning', warn));
    const stop = new AbortController();
    const add = vi.spyOn(stop.signal, 'addEventListener');
    const tails = range(20).map((i) => log.tail(`t${i}`, { signal: stop.signal }).next());
    await turn();
    await log.append('t3', bytes('x'));
    expect(textOf((await tails[3])?.value)).toBe('x');
    stop.abort();
    expect(await codes(tails)).toEqual(range(20).map((i) => (i === 3 ? 'ok' : 'Aborted')));
    expect(add).toHaveBeenCalledTimes(1);
    await turn();
    expect(warnings).toEqual([]);
  });

  test('a cursor that was deleted begins again, for all who hold it', async () => {
    let log = await world().open();
    await log.appendBatch('t', numbers(10));
    const cursor = log.cursor('t', 'g');
    await cursor.commit(5);
    await log.deleteCursor('t', 'g');
    expect([cursor.committed, log.entryCount('t', 'g')]).toEqual([0, 10]);
    await cursor.commit(3);
    expect(log.cursor('t', 'g').committed).toBe(3);
    log = await world().reopen(log, 'killed');
    expect(log.cursor('t', 'g').committed).toBe(3);
  });

  test('reads that were asked for before deleteCursor move no cursor after it', async () => {
    for (const consistency of [ReadConsistency.StrictlyAtOnce, ReadConsistency.AtLeastOnce(2)]) {
      let log = await world().open({ consistency, namespace: consistency.mode });
      await log.appendBatch('t', numbers(3));
      log = await world().reopen(log, 'closed');
      const reads = [log.readNext('t'), log.readNext('t')];
      const deletion = log.deleteCursor('t');
      const after = log.readNext('t', { checkpoint: false });
      expect((await Promise.all([...reads, after])).map((entry) => entry?.offset)).toEqual([
        0, 1, 0,
      ]);
      await deletion;
      expect(log.entryCount('t')).toBe(3);
    }
  });

  test('a tail of a cursor that waits at the end goes on where the cursor is put back', async () => {
    const log = await world().open();
    await log.appendBatch('t', numbers(3));
    const cursor = log.cursor('t', 'g');
    const tail = cursor.tail();
    for (const i of range(3)) expect((await tail.next()).value?.offset).toBe(i);
    const next = tail.next();
    await turn();
    await cursor.seek(1);
    expect((await next).value?.offset).toBe(1);
  });

  test('an iterator of a topic that did not exist has nothing to give, whatever becomes of the topic', async () => {
    const log = await world().open();
    const before = [log.read('t'), log.read('t')] as const;
    await log.append('t', bytes('x'));
    expect((await before[0].next()).done).toBe(true);
    await log.deleteTopic('t');
    expect((await before[1].next()).done).toBe(true);
    const signal = AbortSignal.abort();
    expect(await codes([log.read('t', { signal }).next()])).toEqual(['Aborted']);
    expect(() => log.read('t', { from: -1 })).toThrow(WalrusError);
  });

  test('topics change in the order of the calls, though some wait for room', async () => {
    let log = await world().open();
    await log.appendBatch('old', numbers(2));
    const fill = range(MANY).map(() => log.append('big', pattern(MEBIBYTE, 1)));
    const calls = [
      log.append('new', bytes('x')),
      log.deleteTopic('new'),
      log.deleteTopic('old'),
      log.trim('old', 1),
      log.append('old', bytes('y')),
      log.trim('old', 1),
    ];
    await Promise.all(fill);
    expect(await codes(calls)).toEqual(['ok', 'ok', 'ok', 'InvalidArgument', 'ok', 'ok']);
    for (const ending of ENDINGS) {
      expect(log.topics()).toEqual(['big', 'old']);
      expect(log.offsets('old')).toEqual({ earliest: 1, next: 1 });
      log = await world().reopen(log, ending);
    }
  });

  test('records may be trimmed before they are acknowledged', async () => {
    let log = await world().open();
    const tail = log.tail('t').next();
    const appended = [log.append('t', bytes('a')), log.append('t', bytes('b'))];
    const trimmed = log.trim('t', 1);
    const { earliest, next } = log.offsets('t');
    expect(next).toBeGreaterThanOrEqual(earliest);
    expect(await codes([...appended, trimmed, log.trim('t', 3)])).toEqual([
      'ok',
      'ok',
      'ok',
      'InvalidArgument',
    ]);
    expect((await tail).value?.offset).toBe(1);
    log = await world().reopen(log, 'killed');
    expect(log.offsets('t')).toEqual({ earliest: 1, next: 2 });
  });

  test('close() answers reads that were asked for before, and what they gave does not come again', async () => {
    for (const consistency of [ReadConsistency.StrictlyAtOnce, ReadConsistency.AtLeastOnce(50)]) {
      let log = await world().open({ consistency, namespace: consistency.mode });
      await log.appendBatch('t', numbers(1000));
      log = await world().reopen(log, 'closed');
      const reads = range(120).map(() => log.readNext('t'));
      const batch = log.cursor('t', 'g').readBatch();
      log = await world().reopen(log, 'closed');
      expect((await Promise.all(reads)).map((entry) => entry?.offset)).toEqual(range(120));
      expect(await batch).toHaveLength(1000);
      expect((await log.readNext('t'))?.offset).toBe(120);
    }
  });

  test('a cursor may be committed behind what AtLeastOnce has given out and not yet stored', async () => {
    let log = await world().open({ consistency: ReadConsistency.AtLeastOnce(100) });
    await log.appendBatch('t', numbers(10));
    for (const _ of range(5)) await log.readNext('t');
    await log.cursor('t').commit(3);
    expect((await log.readNext('t'))?.offset).toBe(5);
    log = await world().reopen(log, 'killed');
    expect((await log.readNext('t'))?.offset).toBe(3);
  });
};

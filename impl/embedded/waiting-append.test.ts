/** Appends that wait for room: in order, each by itself, and no more of them than who makes them wants. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Walrus } from './walrus.ts';

/** More than memory for records holds, so that most of them wait. */
const RECORDS = 200;
const RECORD_BYTES = 100_000;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'walrus-waiting-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const record = (i: number): Uint8Array => new Uint8Array(RECORD_BYTES).fill(i);

test('they take their offsets in the order of the calls, batches and other topics between them', async () => {
  const log = await Walrus.open({ dir });
  const asked: Promise<number>[] = [];
  const expected: number[] = [];
  let [end, otherEnd] = [0, 0];
  for (let i = 0; i < RECORDS; i++) {
    if (i % 7 === 0) {
      asked.push(log.appendBatch('t', [record(i), record(i)]));
      expected.push(end);
      end += 2;
    } else if (i % 5 === 0) {
      asked.push(log.append('other', record(i)));
      expected.push(otherEnd++);
    } else {
      asked.push(log.append('t', record(i)));
      expected.push(end++);
    }
  }
  expect(await Promise.all(asked)).toEqual(expected);
  await log.close();
});

test('one whose buffer is transferred while it waits fails alone', async () => {
  const log = await Walrus.open({ dir });
  const records = Array.from({ length: RECORDS }, (_, i) => record(i));
  const asked = records.map((data) => log.append('t', data));
  const taken = structuredClone(records.at(-2)!, {
    transfer: [records.at(-2)!.buffer as ArrayBuffer],
  });
  expect(taken.length).toBe(RECORD_BYTES);
  const settled = await Promise.allSettled(asked);
  const refused = settled.filter(({ status }) => status === 'rejected');
  expect(refused).toMatchObject([{ reason: { code: 'InvalidArgument' } }]);
  expect(settled.at(-2)).toBe(refused[0]);
  expect(settled.at(-1)).toMatchObject({ value: RECORDS - 2 });
  await log.close();
});

test('with ready before each, only so many are under way', async () => {
  const log = await Walrus.open({ dir });
  let [underWay, most, done] = [0, 0, 0];
  for (let i = 0; i < RECORDS; i++) {
    await log.ready();
    underWay++;
    most = Math.max(most, underWay);
    void log.append('t', record(i)).then(() => {
      underWay--;
      done++;
    });
  }
  await log.acknowledged();
  expect(done).toBe(RECORDS);
  expect(most * RECORD_BYTES).toBeLessThanOrEqual(8 * 2 ** 20);
  await log.close();
  await expect(log.ready()).rejects.toMatchObject({ code: 'Closed' });
});

test('ready waits its turn behind those that wait, and ends with the log', async () => {
  const log = await Walrus.open({ dir });
  const order: string[] = [];
  for (let i = 0; i < RECORDS; i++)
    void log.append('t', record(i)).then(() => order.push('append'));
  const ready = log.ready().then(() => order.push('ready'));
  const closed = log.close();
  await ready;
  await closed;
  expect(order.indexOf('ready')).toBeGreaterThan(RECORDS / 4);
  expect(order.length).toBe(RECORDS + 1);
});

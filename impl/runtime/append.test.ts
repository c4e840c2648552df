/** The client's way to many records, version 2 of the wire, on real processes that are killed. */
import { afterEach, expect, test } from 'vitest';
import { type Entered, OffsetMismatch, type WalrusClient } from '../client/client.ts';
import { WalrusError } from '../core/errors.ts';
import { TestCluster } from './test-cluster.test-support.ts';

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.destroy();
  cluster = undefined;
});

const textOf = ({ value }: { readonly value: Uint8Array }): string => Buffer.from(value).toString();

async function all(client: WalrusClient, topic: string): Promise<Entered[]> {
  const found: Entered[] = [];
  for await (const each of client.read(topic)) found.push(each);
  return found;
}

test('records of any bytes, alone and together, with all that they say; receipts, conditions, reading, waiting', async () => {
  cluster = await TestCluster.start();
  const client = cluster.client();
  await client.register('t');
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  expect(await client.append('t', bytes)).toMatchObject({ offset: 0, count: 1 });
  const said = { value: 'b ', key: 'k', headers: { h: 'v' }, timestampMs: 7 };
  expect(await client.append('t', ['a', said, ''])).toMatchObject({ offset: 1, count: 3 });
  const mismatch = client.append('t', 'c', { expectedOffset: 3 });
  await expect(mismatch).rejects.toBeInstanceOf(OffsetMismatch);
  await expect(mismatch).rejects.toMatchObject({ code: 'OffsetMismatch', end: 4 });
  expect(await client.append('t', 'c', { expectedOffset: 4 })).toMatchObject({ offset: 4 });
  await expect(client.append('t', new Uint8Array(2 ** 20))).rejects.toMatchObject({
    code: 'RecordTooLarge',
  });
  await expect(client.append('nowhere', 'x')).rejects.toMatchObject({ code: 'UnknownTopic' });

  const entered = await all(cluster.client(2), 't');
  expect(entered.map(({ offset }) => offset)).toEqual([0, 1, 2, 3, 4]);
  expect([...entered[0]!.value]).toEqual([...bytes]);
  expect(entered.slice(1).map(textOf)).toEqual(['a', 'b ', '', 'c']);
  expect(entered[2]).toMatchObject({
    key: Buffer.from('k'),
    headers: [['h', Buffer.from('v')]],
    timestampMs: 7,
  });
  expect(await client.fetch('t', 4)).toEqual({ next: 5, payload: 'c' });

  // A tail at a node that owns nothing of it, and a record that comes once it waits.
  const owner = (await client.state('t')).leader_node;
  const tail = cluster.client((owner % 3) + 1).tail('t', { from: 4 });
  expect(textOf((await tail.next()).value as Entered)).toBe('c');
  const next = tail.next();
  await client.append('t', 'd');
  expect(textOf((await next).value as Entered)).toBe('d');
  await tail.return();
});

test('what is appended without waiting stands in the order of the calls, and a slow buffer makes calls wait', async () => {
  cluster = await TestCluster.start();
  const client = cluster.client(1, { bufferBytes: 2000, batchBytes: 500 });
  await client.register('t');
  const texts = Array.from({ length: 1000 }, (_, i) => `record ${i}`);
  const receipts = await Promise.all(texts.map((text) => client.append('t', text)));
  expect(receipts.map(({ offset }) => offset)).toEqual(texts.map((_, i) => i));
  expect((await all(client, 't')).map(textOf)).toEqual(texts);
});

test('close sends what was appended before', async () => {
  cluster = await TestCluster.start();
  const client = cluster.client();
  await client.register('t');
  const last = client.append('t', 'last');
  await client.close();
  expect(await last).toMatchObject({ offset: 0 });
  await expect(client.append('t', 'later')).rejects.toMatchObject({ code: 'Closed' });
});

test('the owner is killed under batches on their way: nothing acknowledged is lost, order holds, batches are whole', async () => {
  cluster = await TestCluster.start({ env: { WALRUS_MAX_SEGMENT_ENTRIES: '5000' } });
  const client = cluster.client();
  await client.register('t');
  const acknowledged = new Map<number, number>();
  const unknown = new Set<number>();
  let number = 0;
  let isOver = false;
  const BATCH = 5;
  const batchOf = (n: number): string[] => Array.from({ length: BATCH }, (_, i) => `${n}.${i}`);
  const write = async (): Promise<void> => {
    while (!isOver) {
      const n = number++;
      try {
        const { offset } = await client.append('t', batchOf(n));
        acknowledged.set(n, offset);
      } catch (error) {
        if (!(error instanceof WalrusError)) throw error;
        if (error.committed === 'unknown') unknown.add(n);
      }
    }
  };
  const writers = Array.from({ length: 64 }, write);
  for (let round = 1; round <= 2; round++) {
    const before = acknowledged.size;
    await cluster.until('batches are taken', async () => acknowledged.size > before + 300);
    const owner = (await client.state('t')).leader_node;
    await cluster.kill(owner);
    const killed = acknowledged.size;
    await cluster.until('another owner takes them', async () => acknowledged.size > killed + 300);
    cluster.launch(owner);
    await cluster.ready();
  }
  isOver = true;
  await Promise.all(writers);

  const texts = (await all(cluster.client(2), 't')).map(textOf);
  for (const [n, offset] of acknowledged) {
    expect(texts.slice(offset, offset + BATCH)).toEqual(batchOf(n));
  }
  const found = new Map<number, string[]>();
  for (const text of texts) {
    const n = Number(text.split('.')[0]);
    found.set(n, [...(found.get(n) ?? []), text]);
  }
  for (const [n, parts] of found) {
    expect(parts).toEqual(batchOf(n));
    expect(acknowledged.has(n) || unknown.has(n)).toBe(true);
  }
  const inOrder = [...acknowledged].sort(([, a], [, b]) => a - b).map(([n]) => n);
  expect(inOrder).toEqual([...inOrder].sort((a, b) => a - b));
});

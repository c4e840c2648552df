/** Real processes, one of which finds a byte on its disk turned over: nobody who reads hears of it, and it is put right. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { fetchAll, TestCluster } from './test-cluster.test-support.ts';

/** More than a checkpoint is apart, so that no start reads the first of them. */
const RECORDS = 1200;
const PADDING = 'x'.repeat(60_000);

let cluster: TestCluster | undefined;
afterEach(async () => {
  await cluster?.destroy();
  cluster = undefined;
});

/** Turns a bit over in the middle of what the log files of a node hold of the record. */
function turnBitOver(directory: string, record: string): void {
  for (const name of readdirSync(directory).filter((each) => each.endsWith('.wal'))) {
    const file = join(directory, name);
    const bytes = readFileSync(file);
    const at = bytes.indexOf(record.slice(0, 1000));
    if (at < 0) continue;
    bytes[at + (record.length >> 1)]! ^= 1;
    writeFileSync(file, bytes);
    return;
  }
  throw new Error('no log file holds the record');
}

const shortened = (records: readonly (string | undefined)[]): (string | undefined)[] =>
  records.map((record) => record?.replace(PADDING, ''));

test('a damaged record is read elsewhere and mended from there', { timeout: 240_000 }, async () => {
  cluster = await TestCluster.start({
    env: { WALRUS_MAX_SEGMENT_ENTRIES: '50', WALRUS_MONITOR_CHECK_MS: '200' },
    // What is found is found by those who read.
    flags: ['--scrub-bytes-per-second', '0'],
  });
  const names = Array.from({ length: RECORDS }, (_, i) => `record ${i} `);
  await cluster.client().register('t');
  const writer = cluster.clientOf(1, { retryForMs: 30_000 });
  for (let i = 0; i < RECORDS; i += 40) {
    const batch = names.slice(i, i + 40);
    await Promise.all(batch.map((name) => writer.put('t', name + PADDING)));
  }

  const damaged = cluster.node(2);
  await cluster.stop(2);
  turnBitOver(join(cluster.directory, 'node_2'), names[3] + PADDING);
  cluster.launch(2);
  await cluster.ready();
  for (const id of [2, 1, 3]) {
    expect(shortened(await fetchAll(cluster.clientOf(id), 't'))).toEqual(names);
  }
  const taken: (string | undefined)[] = [];
  for (let i = 0; i <= RECORDS; i++) taken.push(await cluster.client((i % 3) + 1).get('t'));
  expect(shortened(taken)).toEqual([...names, undefined]);
  expect(damaged.log).toContain('records are damaged');
  await cluster.until('it is mended', async () => damaged.log.includes('records are mended'));

  // With one other node, which only makes the majority.
  await cluster.stop(2);
  await cluster.stop(3);
  damaged.log = '';
  cluster.launch(2);
  const client = cluster.clientOf(2, { retryForMs: 30_000 });
  expect(shortened(await fetchAll(client, 't'))).toEqual(names);
  expect(damaged.log).not.toContain('records are damaged');
});

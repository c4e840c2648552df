/** A slow topic among fast ones, on a real disk. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Walrus } from './walrus.ts';

const FILE_BYTES = 256 * 1024;
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'walrus-cleaning-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function logBytes(): number {
  const names = readdirSync(dir).filter((name) => /\.wal(\.old)?$/.test(name));
  return names.reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
}

/** Fifty rounds of a file's worth in a fast topic, which is trimmed, and a record in a slow one. */
async function churn(log: Walrus): Promise<void> {
  for (let round = 0; round < 50; round++) {
    await log.append('slow', Buffer.from(`slow ${round}`));
    const batch = Array.from({ length: 60 }, (_, i) => Buffer.alloc(4000, i));
    const first = await log.appendBatch('fast', batch);
    await log.trim('fast', first + batch.length);
  }
}

async function slowRecords(log: Walrus): Promise<string[]> {
  const found: string[] = [];
  for await (const { data } of log.read('slow')) found.push(Buffer.from(data).toString());
  return found;
}

const expected = Array.from({ length: 50 }, (_, round) => `slow ${round}`);

test('compact leaves the files that are needed, and every record where it was', async () => {
  let log = await Walrus.open({ dir, fileBytes: FILE_BYTES, cleanBytesPerSecond: 0 });
  await churn(log);
  expect(logBytes()).toBeGreaterThan(20 * FILE_BYTES);
  await Promise.all([log.compact(), log.compact()]);
  expect(logBytes()).toBeLessThanOrEqual(2 * FILE_BYTES);
  expect(log.stats().store.movedRecords).toBeGreaterThan(40);
  expect(await slowRecords(log)).toEqual(expected);
  await log.close();
  log = await Walrus.open({ dir, fileBytes: FILE_BYTES });
  expect(await slowRecords(log)).toEqual(expected);
  await log.close();
});

test('in the background the same is done without being asked', async () => {
  const log = await Walrus.open({ dir, fileBytes: FILE_BYTES });
  await churn(log);
  // What is left when it has caught up: nothing is written any more that would make more of it.
  await expect
    .poll(() => logBytes(), { timeout: 60_000, interval: 50 })
    .toBeLessThanOrEqual(3 * FILE_BYTES);
  expect(log.stats().store.liveBytes).toBeDefined();
  expect(await slowRecords(log)).toEqual(expected);
  await log.close();
});

test('a log that is closed meanwhile says so to who waits, and one to read only refuses', async () => {
  const log = await Walrus.open({ dir, fileBytes: FILE_BYTES, cleanBytesPerSecond: 0 });
  await churn(log);
  const compaction = log.compact();
  const refused = expect(compaction).rejects.toMatchObject({ code: 'Closed' });
  await log.close();
  await refused;
  const reader = await Walrus.open({ dir, readOnly: true });
  await expect(reader.compact()).rejects.toMatchObject({ code: 'InvalidArgument' });
  expect(await slowRecords(reader)).toEqual(expected);
  await reader.close();
});

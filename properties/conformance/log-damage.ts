/** Upstream's tests that reach into the files, on ours: what is damaged is told, never guessed, never given out. */
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FsyncSchedule, type Walrus, WalrusError } from '../../impl/embedded/walrus.ts';
import { bytes, type Cases, type LogWorld, range, textOf, textsOf } from './log-world.ts';

/** A marker that is found in the files, and nowhere else. */
const marked = (i: number): Uint8Array => bytes(`<<entry ${i}>>`.padEnd(200, '.'));
const markOf = (i: number): string => `<<entry ${i}>>`;

/** Ends a log with `count` records, a commit each, and leaves its files. */
async function written(world: LogWorld, count: number): Promise<string> {
  const log = await world.open();
  for (const i of range(count)) await log.append('t', marked(i));
  await log.close();
  return join(world.directory, 'data');
}

async function wals(dir: string): Promise<string[]> {
  const names = await readdir(dir);
  return names
    .filter((name) => name.endsWith('.wal'))
    .sort()
    .map((name) => join(dir, name));
}

/** Changes the one file that holds the text, at its place. */
async function damage(
  dir: string,
  text: string,
  change: (content: Buffer, at: number) => void,
): Promise<void> {
  for (const path of await wals(dir)) {
    const content = await readFile(path);
    const at = content.indexOf(text);
    if (at < 0) continue;
    change(content, at);
    await writeFile(path, content);
    return;
  }
  throw new Error(`no file holds ${text}`);
}

/** What can be read from the start, and the code of the error that ended it. */
async function readAll(log: Walrus): Promise<{ texts: string[]; code: string | undefined }> {
  const texts: string[] = [];
  try {
    for await (const entry of log.read('t')) texts.push(textOf(entry)!.slice(0, 20));
    return { texts, code: undefined };
  } catch (error) {
    return { texts, code: (error as WalrusError).code };
  }
}

const expected = (count: number): string[] =>
  textsOf(range(count).map((i) => ({ offset: i, data: marked(i).subarray(0, 20) })));

export const damageCases: Cases = (world) => {
  test('checksum_corruption_is_detected_via_public_api, integration_corruption_detection_comprehensive', async () => {
    const dir = await written(world(), 10);
    await damage(dir, markOf(4), (content, at) => {
      for (const i of range(5)) content[at + i * 7]! ^= 0x20;
    });
    const log = await world().open();
    const { texts, code } = await readAll(log);
    expect(code).toBe('Corrupt');
    expect(texts).toEqual(expected(4));
    // The same again and again: the cursor does not pass what was not read.
    for (const _ of range(4)) await log.readNext('t');
    for (const _ of range(3)) {
      await expect(log.readNext('t')).rejects.toMatchObject({
        code: 'Corrupt',
        message: expect.stringMatching(/\.wal at byte \d+/),
      });
    }
    expect(log.entryCount('t')).toBe(6);
    // Who wants to go on says so.
    await log.cursor('t').seek(5);
    expect(textOf(await log.readNext('t'))).toMatch(markOf(5));
    expect(await log.append('t', bytes('more'))).toBe(10);
  });

  test('checksum_tests::checksum_detects_corruption: of what was consumed, nothing comes back', async () => {
    const dir = join(world().directory, 'data');
    let log = await world().open();
    for (const i of range(10)) await log.append('t', marked(i));
    for (const _ of range(3)) await log.readNext('t');
    await log.close();
    await damage(dir, markOf(1), (content, at) => {
      content[at] = 0;
    });
    log = await world().open();
    expect(textOf(await log.readNext('t'))).toMatch(markOf(3));
  });

  test('files that are not ours stay where they are, whatever they end in', async () => {
    const dir = await written(world(), 3);
    const foreign = [
      'my-backup.wal.old',
      'mine.checkpoint.tmp',
      '1.wal.old',
      'x000000000001.wal.old',
    ];
    const leftovers = ['000000000090.wal.old', '000000000091.checkpoint.tmp'];
    for (const name of [...foreign, ...leftovers]) await writeFile(join(dir, name), 'precious');
    await (await world().open()).close();
    const names = await readdir(dir);
    expect(names).toEqual(expect.arrayContaining(foreign));
    for (const name of leftovers) expect(names).not.toContain(name);
  });

  test('walrus_handles_invalid_data_gracefully: a file that does not begin as ours is refused by name', async () => {
    const dir = await written(world(), 10);
    for (const path of await wals(dir)) {
      const content = await readFile(path);
      content.fill(0xff, 0, 2);
      await writeFile(path, content);
    }
    await expect(
      world()
        .open()
        .then((log) => log.readNext('t')),
    ).rejects.toMatchObject({ code: expect.stringMatching(/^(Corrupt|UnsupportedVersion)$/) });
  });

  test('test_zeroed_header_stops_block_scanning, test_recovery_preserves_data_before_zeroed_headers, test_batch_read_with_zeroed_headers: a torn tail is cut', async () => {
    // Killed, nothing ever synced: what lies behind the hole may never have reached the disk.
    const before = await world().open();
    for (const i of range(5)) await before.append('t', marked(i));
    const dir = await world().image(before);
    await damage(dir, markOf(2), (content, at) => content.fill(0, at - 60, at));
    const log = await world().open({ dir });
    const { texts, code } = await readAll(log);
    expect(code).toBeUndefined();
    expect(texts).toEqual(expected(2));
    expect(await log.append('t', bytes('new'))).toBe(2);
    expect((await readAll(log)).texts).toEqual([...expected(2), 'new']);
  });

  test('a hole below what was durable is corruption, whatever follows', async () => {
    const log = await world().open({ fsync: FsyncSchedule.SyncEach });
    for (const i of range(8)) await log.append('t', marked(i));
    const dir = await world().image(log);
    await damage(dir, markOf(2), (content, at) => {
      content[at]! ^= 1;
    });
    const { texts, code } = await readAll(await world().open({ dir }));
    expect(texts).toEqual(expected(2));
    expect(code).toBe('Corrupt');
  });

  test('files cut short anywhere: a beginning, or Corrupt', async () => {
    const log = await world().open({ fileBytes: 64 * 1024 });
    for (const i of range(20)) await log.append('t', marked(i));
    const dir = await world().image(log);
    const [path] = await wals(dir);
    const content = await readFile(path!);
    for (let length = 0; length < 16_000; length += 509) {
      await writeFile(path!, content);
      await truncate(path!, length);
      await check(world(), dir);
    }
  });

  test('one bit flipped anywhere in what was synced: Corrupt, or nothing amiss but the last record', async () => {
    const log = await world().open({ fileBytes: 64 * 1024, fsync: FsyncSchedule.SyncEach });
    for (const i of range(20)) await log.append('t', marked(i));
    const dir = await world().image(log);
    for (const name of await readdir(dir)) {
      const path = join(dir, name);
      const content = await readFile(path);
      const end = Math.min(content.length, 14_000);
      for (let at = 0; at < end; at += name.endsWith('.checkpoint') ? 29 : 331) {
        const flipped = Buffer.from(content);
        flipped[at]! ^= 1 << (at % 8);
        await writeFile(path, flipped);
        await check(world(), dir, 19);
      }
      await writeFile(path, content);
    }
  });
};

/** Opens a copy of a damaged log: it says `Corrupt`, or gives a prefix of at least so many records. */
async function check(world: LogWorld, dir: string, atLeast = 0): Promise<void> {
  const copy = await world.copy(dir);
  try {
    const log = await world.open({ dir: copy, fileBytes: 64 * 1024 });
    const { texts, code } = await readAll(log);
    await log.close();
    expect([undefined, 'Corrupt']).toContain(code);
    expect(texts).toEqual(expected(texts.length));
    if (code === undefined) expect(texts.length).toBeGreaterThanOrEqual(atLeast);
  } catch (error) {
    if (!(error instanceof WalrusError)) throw error;
    expect(['Corrupt', 'UnsupportedVersion']).toContain(error.code);
  }
}

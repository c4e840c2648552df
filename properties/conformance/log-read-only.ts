/** A log that is opened to be read only: nothing of it changes, nobody is kept out, and what would change it is refused. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Walrus, WalrusError } from '../../impl/embedded/walrus.ts';
import { bytes, type Cases, ENDINGS, pattern, range, sameBytes, textsOf } from './log-world.ts';

const READ_ONLY = { readOnly: true };

/** Everything in the directory, as it can be seen from outside. */
async function look(dir: string): Promise<string[]> {
  const seen: string[] = [];
  for (const name of (await readdir(dir)).sort()) {
    const { size, mtimeMs } = await stat(join(dir, name));
    const content = await readFile(join(dir, name));
    seen.push(`${name} ${size} ${mtimeMs} ${createHash('sha256').update(content).digest('hex')}`);
  }
  return [`${(await stat(dir)).mtimeMs}`, ...seen];
}

async function offsetsOf(log: Walrus): Promise<number[]> {
  const offsets: number[] = [];
  for await (const { offset, data } of log.read('t')) {
    expect(sameBytes(data, pattern(10_000, offset))).toBe(true);
    offsets.push(offset);
  }
  return offsets;
}

export const readOnlyCases: Cases = (world) => {
  for (const ending of ENDINGS) {
    test(`read only: all is there, and not a byte changes, of a log that was ${ending}`, async () => {
      const written = await world().open();
      for (const i of range(300)) await written.append('t', pattern(10_000, i));
      await written.appendBatch('u', [bytes('a'), bytes('b')]);
      await written.cursor('t', 'g').commit(100);
      const dir = join(world().directory, 'read');
      if (ending === 'killed') await rename(await world().image(written), dir);
      await written.close();
      if (ending === 'closed') await rename(join(world().directory, 'data'), dir);
      const before = await look(dir);
      const logs = await Promise.all(range(2).map(() => world().open({ dir, ...READ_ONLY })));
      for (const log of logs) {
        expect(log.topics()).toEqual(['t', 'u']);
        expect(await offsetsOf(log)).toEqual(range(300));
        expect(log.cursor('t', 'g').lag).toBe(200);
        expect((await log.cursor('t', 'g').next())?.offset).toBe(100);
        expect((await log.readNext('t', { checkpoint: false }))?.offset).toBe(0);
        expect(textsOf(await log.readBatch('u', { from: 0 }))).toEqual(['a', 'b']);
        const tail = log.tail('t').next();
        await log.flush();
        await log.close();
        expect((await tail).done).toBe(true);
      }
      expect(await look(dir)).toEqual(before);
      const again = await world().open({ dir });
      expect(await again.append('t', pattern(10_000, 300))).toBe(300);
    });
  }

  test('read only: whatever would change the log is refused', async () => {
    const written = await world().open();
    await written.append('t', bytes('x'));
    const log = await world().reopen(written, 'closed', READ_ONLY);
    const cursor = log.cursor('t', 'g');
    const calls: (() => unknown)[] = [
      () => log.append('t', bytes('y')),
      () => log.appendBatch('t', [bytes('y')]),
      () => log.stage('t', bytes('y')),
      () => log.readNext('t'),
      () => log.readBatch('t'),
      () => log.trim('t', 1),
      () => log.deleteTopic('t'),
      () => log.deleteCursor('t', 'g'),
      () => log.markClean('t'),
      () => log.markDirty('t'),
      () => cursor.commit(1),
      () => cursor.seek('latest'),
    ];
    for (const call of calls) {
      const error = await (async () => call())().catch((thrown) => thrown);
      expect(error, `${call}`).toBeInstanceOf(WalrusError);
      expect((error as WalrusError).code).toBe('InvalidArgument');
    }
    expect(log.offsets('t')).toEqual({ earliest: 0, next: 1 });
  });

  test('read only: beside a writer it sees a beginning, and neither keeps the other out', async () => {
    const writer = await world().open();
    for (const i of range(50)) await writer.append('t', pattern(10_000, i));
    const reader = await world().open(READ_ONLY);
    for (const i of range(50)) await writer.append('t', pattern(10_000, 50 + i));
    expect(await offsetsOf(reader)).toEqual(range(50));
    await reader.close();
    expect(await writer.append('t', pattern(10_000, 100))).toBe(100);
  });

  test('read only: of what is not there it makes nothing', async () => {
    const dir = join(world().directory, 'nowhere');
    await expect(world().open({ dir, ...READ_ONLY })).rejects.toBeInstanceOf(WalrusError);
    expect(await readdir(world().directory)).toEqual([]);
  });
};

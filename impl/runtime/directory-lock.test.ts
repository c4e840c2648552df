import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DirectoryLock, DirectoryLockedError } from './directory-lock.ts';

const FIXTURE = fileURLToPath(new URL('./directory-lock.fixture.ts', import.meta.url));

let directory: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walrus-lock-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(directory, { recursive: true });
});

/** A process that tries to take the directory, and the first line that it says. */
async function contender(): Promise<{ child: ChildProcess; says: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', FIXTURE, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [says] = await once(createInterface(child.stdout!), 'line');
  return { child, says: String(says) };
}

test('another process is refused while the holder lives, and let in once it was killed', async () => {
  const holder = await contender();
  expect(holder.says).toBe('holding');
  await expect(DirectoryLock.acquire(directory)).rejects.toThrow(
    new RegExp(`locked by process ${holder.child.pid} on host`),
  );
  expect((await contender()).says).toBe('DirectoryLockedError');

  holder.child.kill('SIGKILL');
  await once(holder.child, 'exit');
  const lock = await DirectoryLock.acquire(directory);
  expect(await readdir(directory)).toHaveLength(1);
  await lock.release();
  expect(await readdir(directory)).toEqual([]);
});

test('a holder that is stopped still holds', async () => {
  const holder = await contender();
  holder.child.kill('SIGSTOP');
  await expect(DirectoryLock.acquire(directory)).rejects.toThrow(DirectoryLockedError);
});

test('of many that come at once at most one gets it, again and again', async () => {
  let taken = 0;
  for (let round = 0; round < 30; round++) {
    const answers = await Promise.allSettled(
      Array.from({ length: 5 }, () => DirectoryLock.acquire(directory)),
    );
    const locks = answers.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : []));
    for (const it of answers) {
      if (it.status === 'rejected') expect(it.reason).toBeInstanceOf(DirectoryLockedError);
    }
    expect(locks.length).toBeLessThanOrEqual(1);
    taken += locks.length;
    for (const lock of locks) await lock.release();
  }
  expect(taken).toBeGreaterThan(0);
});

test('a path longer than a socket path may be', async () => {
  directory = join(directory, 'd'.repeat(200));
  await mkdir(directory);
  const lock = await DirectoryLock.acquire(directory);
  await expect(DirectoryLock.acquire(directory)).rejects.toThrow(DirectoryLockedError);
  await lock.release();
  expect(await readdir(directory)).toEqual([]);
  directory = join(directory, '..');
});

test('files of other names and kinds are left alone', async () => {
  await writeFile(join(directory, 'claim-1-notes.txt'), '');
  await writeFile(join(directory, 'data'), '');
  await (await DirectoryLock.acquire(directory)).release();
  expect((await readdir(directory)).sort()).toEqual(['claim-1-notes.txt', 'data']);
});

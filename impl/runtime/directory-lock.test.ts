import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, unlinkSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
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

test('who was taken for dead before it listened does not hold what it cannot be seen in', async () => {
  const acquiring = DirectoryLock.acquire(directory);
  const [name] = readdirSync(directory);
  unlinkSync(join(directory, name!));
  const lock = await acquiring;
  await expect(DirectoryLock.acquire(directory)).rejects.toThrow(DirectoryLockedError);
  await lock.release();
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
  await writeFile(join(directory, 'lock-1-notes.txt'), '');
  await writeFile(join(directory, 'data'), '');
  await (await DirectoryLock.acquire(directory)).release();
  expect((await readdir(directory)).sort()).toEqual(['data', 'lock-1-notes.txt']);
});

test('any user may ask whether the holder lives, so that a dead one is seen to be dead', async () => {
  const lock = await DirectoryLock.acquire(directory);
  const [name] = await readdir(directory);
  expect((await stat(join(directory, name!))).mode & 0o222).toBe(0o222);
  await lock.release();
});

test('a directory that was removed, emptied or replaced is not what was locked', async () => {
  const lock = await DirectoryLock.acquire(directory);
  expect(await lock.isIntact()).toBe(true);
  const [name] = await readdir(directory);
  await rm(join(directory, name!));
  expect(await lock.isIntact()).toBe(false);
  await rm(directory, { recursive: true });
  expect(await lock.isIntact()).toBe(false);
  await mkdir(directory);
  expect(await lock.isIntact()).toBe(false);
  await lock.release();
});

test('a file system without sockets has one without a file', async (context) => {
  const image = join(directory, 'image');
  const mounted = join(directory, 'mounted');
  const unmount: (() => void)[] = [];
  try {
    const run = (command: string, ...args: string[]): string =>
      execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' }).trim();
    try {
      run('truncate', '-s', '16M', image);
      run('mkfs.exfat', image);
      const device = run('losetup', '-f', '--show', image);
      unmount.push(() => run('losetup', '-d', device));
      await mkdir(mounted);
      run('mount.exfat-fuse', device, mounted);
      unmount.push(() => run('umount', mounted));
    } catch (error) {
      context.skip(`an exFAT cannot be mounted here: ${(error as Error).message}`);
    }
    const lock = await DirectoryLock.acquire(mounted);
    await expect(DirectoryLock.acquire(mounted)).rejects.toThrow(DirectoryLockedError);
    expect(await lock.isIntact()).toBe(true);
    expect(await readdir(mounted)).toEqual([]);
    await lock.release();
    await (await DirectoryLock.acquire(mounted)).release();
  } finally {
    for (const undo of unmount.reverse()) undo();
  }
});

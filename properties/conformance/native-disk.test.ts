import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, test } from 'vitest';
import { loadNative, NativeDisk, type NativeOptions } from '../../native/index.ts';
import { type DirectoryWorld, directoryConformance, diskConformance } from './disk.ts';

async function makeWorld(options: Omit<NativeOptions, 'directory'>): Promise<DirectoryWorld> {
  const parent = await mkdtemp(join(tmpdir(), 'walrus-disk-'));
  const directory = join(parent, 'new', 'directory');
  const disks = new Set<NativeDisk>();
  return {
    directory,
    removeDirectory: () => rm(directory, { recursive: true }),
    start(deliver) {
      const disk = new NativeDisk({ ...options, directory }, deliver);
      disks.add(disk);
      return disk;
    },
    async stop(disk) {
      disks.delete(disk as NativeDisk);
      await (disk as NativeDisk).close();
    },
    turn,
    async dispose() {
      for (const disk of disks) await disk.close();
      await rm(parent, { recursive: true });
    },
  };
}

const native = loadNative();
for (const engine of ['io_uring', 'pwrite'] as const) {
  for (const direct of [true, false]) {
    const name = `native ${engine}, ${direct ? 'direct' : 'buffered'},`;
    const refusal = 'unavailable' in native ? native.unavailable : refused({ engine, direct });
    if (refusal === undefined) {
      diskConformance(name, () => makeWorld({ engine, direct }));
      directoryConformance(name, () => makeWorld({ engine, direct }));
      diskConformance(`${name} inline`, () => makeWorld({ engine, direct, inline: true }));
    } else {
      describe(`${name} disk`, () => test(refusal, (context) => context.skip(refusal)));
    }
  }
}

/** Why this way cannot be had on this machine. */
function refused(options: Omit<NativeOptions, 'directory'>): string | undefined {
  try {
    new NativeDisk({ ...options, directory: tmpdir() }, () => {}).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { PortableDisk } from '../../impl/runtime/portable-disk.ts';
import { type DirectoryWorld, directoryConformance, diskConformance } from './disk.ts';

async function makeWorld(): Promise<DirectoryWorld> {
  const parent = await mkdtemp(join(tmpdir(), 'walrus-disk-'));
  const directory = join(parent, 'new', 'directory');
  const disks = new Set<PortableDisk>();
  return {
    directory,
    removeDirectory: () => rm(directory, { recursive: true }),
    start(deliver) {
      const disk = new PortableDisk(directory, deliver);
      disks.add(disk);
      return disk;
    },
    async stop(disk) {
      disks.delete(disk as PortableDisk);
      await (disk as PortableDisk).close();
    },
    turn,
    async dispose() {
      for (const disk of disks) await disk.close();
      await rm(parent, { recursive: true });
    },
  };
}

diskConformance('portable', makeWorld);
directoryConformance('portable', makeWorld);

/** What only this disk has; the rest is `properties/conformance/portable-disk.test.ts`. */
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { withTinyFileSystem } from '../../properties/conformance/tiny-file-system.ts';
import type { DiskCompletion, DiskRequest } from '../ports/disk.ts';
import { PortableDisk } from './portable-disk.ts';

type Run = (request: DiskRequest) => Promise<DiskCompletion>;

async function withDisk(directory: string, use: (run: Run) => Promise<void>): Promise<void> {
  const completions = new Map<number, DiskCompletion>();
  const disk = new PortableDisk(directory, (batch) => {
    for (const completion of batch) completions.set(completion.id, completion);
  });
  const run: Run = async (request) => {
    disk.submit(request);
    while (!completions.has(request.id)) await turn();
    return completions.get(request.id)!;
  };
  await run({ op: 'lock', id: 0 });
  await use(run);
  await disk.close();
}

test('a full file system is NoSpace, and what was written before can be read', async (context) => {
  await withTinyFileSystem(context, 2 ** 20, async (directory) => {
    await withDisk(directory, async (run) => {
      const { file } = await run({ op: 'open', id: 1, name: 'a', create: true });
      const bytes = new Uint8Array(1000).fill(7);
      await run({ op: 'write', id: 2, file: file!, offsetBytes: 0, bytes });
      const full = await run({ op: 'allocate', id: 3, file: file!, sizeBytes: 2 ** 22 });
      expect(full.error).toBe('NoSpace');
      expect(full.detail).toMatch(/ENOSPC/);
      expect((await run({ op: 'list', id: 4 })).files).toEqual([{ name: 'a', sizeBytes: 1000 }]);
      const large = new Uint8Array(2 ** 21);
      const write = { op: 'write', id: 5, file: file!, offsetBytes: 1000, bytes: large } as const;
      expect((await run(write)).error).toBe('NoSpace');
      const into = new Uint8Array(1000);
      await run({ op: 'read', id: 6, file: file!, offsetBytes: 0, into });
      expect(into).toEqual(bytes);
    });
  });
});

test('what the system says beyond the known errors is Io, with its words', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'walrus-disk-'));
  await symlink('loop', join(directory, 'loop'));
  await withDisk(directory, async (run) => {
    const answer = await run({ op: 'open', id: 1, name: 'loop', create: false });
    expect(answer.error).toBe('Io');
    expect(answer.detail).toMatch(/ELOOP/);
  });
  await rm(directory, { recursive: true });
});

test('a name is a name, never a way out of the directory', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'walrus-disk-'));
  await withDisk(directory, async (run) => {
    for (const name of ['../a', '/etc/passwd', '..', '.', '', 'a\0b', 'a/b']) {
      await expect(run({ op: 'open', id: 1, name, create: true })).rejects.toThrow(/plain file/);
    }
  });
  await rm(directory, { recursive: true });
});

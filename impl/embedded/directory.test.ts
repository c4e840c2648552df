/** Paths that can be no directory of a log: each is told at once, by one code, on every way to the disk. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Walrus } from './walrus.ts';

const scratch = mkdtempSync(join(tmpdir(), 'walrus-directory-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const at = (name: string): string => join(scratch, name);
writeFileSync(at('file'), 'something');
symlinkSync('loop', at('loop'));
symlinkSync('nowhere', at('dangling'));
mkdirSync(at('there'));
symlinkSync('there', at('link'));

const UNUSABLE = {
  'a file': at('file'),
  'below a file': join(at('file'), 'below'),
  'a link to itself': at('loop'),
  'a link to nowhere': at('dangling'),
  'a name that is too long': at('a'.repeat(300)),
  ...(existsSync('/proc/self') ? { 'where nobody can make any': '/proc/walrus/data' } : {}),
};

for (const disk of ['auto', 'pwrite', 'portable'] as const) {
  test.each(Object.entries(UNUSABLE))(`%s, ${disk}`, async (_what, dir) => {
    await expect(Walrus.open({ dir, disk })).rejects.toMatchObject({
      code: 'InvalidArgument',
      retriable: false,
      message: expect.stringMatching(/^locking the directory: Unusable \(.+\)$/s),
    });
  });

  test(`a link to a directory, and one that is to be made with those above it, ${disk}`, async () => {
    for (const dir of [at('link'), at(`new-${disk}/a/b`), at(`new-${disk}/a/c`)]) {
      const log = await Walrus.open({ dir, disk });
      expect(await log.append('t', new Uint8Array(1))).toBe(0);
      await log.deleteTopic('t');
      await log.close();
    }
  });
}

test('a directory that is not there, and one that is none, to read only', async () => {
  for (const dir of [at('missing'), at('file')]) {
    await expect(Walrus.open({ dir, readOnly: true })).rejects.toMatchObject({
      code: 'InvalidArgument',
    });
  }
});

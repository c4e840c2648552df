/**
 * What judges of packages say of this one: publint about its manifest, "are the types wrong" about every import under every
 * resolution. `node dist/impl/package/check.js`, after `bundle.js` and `types.js`. Fails if either finds anything.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { ROOT } from './places.ts';

const scratch = mkdtempSync(join(tmpdir(), 'walrus-check-'));
try {
  const told = execFileSync(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch],
    {
      cwd: ROOT,
      encoding: 'utf8',
    },
  );
  const [{ filename }] = JSON.parse(told) as [{ filename: string }];
  const tarball = join(scratch, filename);
  judge('publint', [tarball, '--strict']);
  // The resolution of before Node 12 knows no exports: it finds `walrus` by no way, and is not promised to.
  judge('attw', [
    tarball,
    '--profile',
    'node16',
    '--exclude-entrypoints',
    'walrus.node',
    '--no-emoji',
  ]);
} finally {
  rmSync(scratch, { recursive: true });
}

function judge(name: string, words: readonly string[]): void {
  const { status } = spawnSync(join(ROOT, 'node_modules', '.bin', name), words, {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}

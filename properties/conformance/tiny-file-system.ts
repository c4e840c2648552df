import { execFile } from 'node:child_process';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Runs `use` in a directory that is a file system of `sizeBytes`, so that it can be filled for real. Mounting wants
 * root; where it is refused the test counts as skipped, with the system's reason.
 */
export async function withTinyFileSystem(
  test: { skip(reason: string): void },
  sizeBytes: number,
  use: (directory: string) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'walrus-tiny-'));
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'walrus-test', directory]);
  } catch (error) {
    await rmdir(directory);
    test.skip(`a small file system cannot be mounted here: ${(error as Error).message}`);
  }
  try {
    await use(directory);
  } finally {
    // Lazily: where a test has failed its files may still be open, and it is that failure which counts.
    await run('umount', ['-l', directory]);
    await rmdir(directory);
  }
}

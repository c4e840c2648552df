/** Some file systems refuse a write for room though its blocks were allocated (thin volumes, ZFS, quotas of NFS). */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const FIXTURE = fileURLToPath(new URL('./log-refused-writes.fixture.ts', import.meta.url));
const SOURCE = fileURLToPath(new URL('../../native/test/failing-calls.cc', import.meta.url));

let scratch: string;
let preload: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'walrus-refused-'));
  preload = join(scratch, 'failing-calls.so');
  execFileSync(process.env.CXX ?? 'g++', ['-shared', '-fPIC', SOURCE, '-ldl', '-o', preload]);
});

afterAll(() => rmSync(scratch, { recursive: true }));

test.each(['auto', 'pwrite', 'io_uring', 'portable'])(
  '%s: no call waits for ever, the log goes on, and what was refused is void',
  async (disk) => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', FIXTURE, disk, join(scratch, disk)],
      { env: { ...process.env, LD_PRELOAD: preload } },
    );
    expect(JSON.parse(stdout)).toEqual({
      first: 0,
      settled: 1,
      second: 1,
      stuck: ['OutcomeUnknown', 'OutcomeUnknown'],
      later: 'NoSpace',
      flushed: 'OutcomeUnknown',
      entries: 2,
      kept: 2,
      next: 2,
    });
  },
);

/** `walrus verify`, `inspect` and `salvage` on real directories, with damage of each kind. */
import { execFile, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withTinyFileSystem } from '../../properties/conformance/tiny-file-system.ts';
import { crc32c } from '../core/storage/crc32c.ts';
import { FsyncSchedule, Walrus, WalrusError } from '../embedded/walrus.ts';
import type { Findings } from './findings.ts';
import type { Salvaged } from './salvage.ts';

const MAIN = join(import.meta.dirname, '../../dist/impl/runtime/main.js');
const RECORDS = 200;
const scratch = mkdtempSync(join(tmpdir(), 'walrus-examine-'));
const whole = join(scratch, 'whole');
let copies = 0;

beforeAll(async () => {
  const log = await Walrus.open({ dir: whole, fsync: FsyncSchedule.SyncEach, fileBytes: 1 << 18 });
  for (let i = 0; i < RECORDS; i++) await log.append('orders', recordOf(i));
  await log.append('other "topic"', recordOf(0));
  await log.cursor('orders', 'billing').commit(150);
  await log.markClean('orders');
  await log.close();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function recordOf(index: number): Uint8Array {
  return Buffer.from(`record ${index} `.repeat(300));
}

/** A copy of the log with something done to it. */
function copy(damage: (directory: string, logs: readonly string[]) => void): string {
  const directory = join(scratch, `copy-${++copies}`);
  cpSync(whole, directory, { recursive: true });
  damage(directory, filesOf(directory, '.wal'));
  return directory;
}

function filesOf(directory: string, extension: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(extension))
    .sort();
}

function change(path: string, work: (bytes: Buffer) => void): void {
  const bytes = readFileSync(path);
  work(bytes);
  writeFileSync(path, bytes);
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function walrus(...words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...words], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

async function found(directory: string): Promise<Findings & { readonly exitCode: number }> {
  const { code, stdout } = await walrus('verify', directory, '--json');
  return { ...(JSON.parse(stdout) as Findings), exitCode: code };
}

const DAMAGE: Record<string, (directory: string, logs: readonly string[]) => void> = {
  'a bit turned over': (directory, logs) =>
    change(join(directory, logs[1]!), (bytes) => {
      bytes[9000]! ^= 4;
    }),
  'a file cut short': (directory, logs) => truncateSync(join(directory, logs[1]!), 20_000),
  'a piece zeroed': (directory, logs) =>
    change(join(directory, logs[1]!), (bytes) => bytes.fill(0, 12_288, 40_960)),
  'a file missing': (directory, logs) => rmSync(join(directory, logs[1]!)),
  'a link that leads nowhere': (directory, logs) => {
    rmSync(join(directory, logs[1]!));
    symlinkSync(join(scratch, 'nothing'), join(directory, logs[1]!));
  },
  'the header of the last file': (directory, logs) =>
    change(join(directory, logs.at(-1)!), (bytes) => bytes.fill(0xff, 0, 64)),
  'both checkpoints': (directory) => {
    for (const name of filesOf(directory, '.checkpoint'))
      change(join(directory, name), (bytes) => {
        bytes[70]! ^= 1;
      });
  },
  'checkpoints gone, and a piece zeroed': (directory, logs) => {
    for (const name of filesOf(directory, '.checkpoint')) rmSync(join(directory, name));
    change(join(directory, logs[2]!), (bytes) => bytes.fill(0, 12_288, 40_960));
  },
};

test.each(Object.entries(DAMAGE))('%s: told, and what is whole is salvaged', async (_, damage) => {
  const directory = copy(damage);
  const before = readdirSync(directory).map((name) => [name, sizeOf(join(directory, name))]);
  const findings = await found(directory);
  expect(findings.exitCode).toBe(1);
  expect(findings.isWhole).toBe(false);
  expect(findings.damage.length + findings.lost.length).toBeGreaterThan(0);

  const into = `${directory}-salvaged`;
  const { code, stdout } = await walrus('salvage', directory, into, '--json');
  const { runs, findings: again } = JSON.parse(stdout) as Salvaged;
  expect(code).toBe(1);
  // Nothing was changed where the damage is.
  expect(readdirSync(directory).map((name) => [name, sizeOf(join(directory, name))])).toEqual(
    before,
  );

  const lost = again.lost.filter(({ stream }) => stream === 'topic orders');
  const log = await Walrus.open({ dir: into });
  try {
    let records = 0;
    for (const { stream, topic, from, to } of runs) {
      if (stream !== 'topic orders') continue;
      expect(log.offsets(topic)).toEqual({ earliest: from, next: to });
      for await (const { offset, data } of log.read(topic)) {
        expect(Buffer.compare(data, recordOf(offset))).toBe(0);
        records++;
      }
    }
    const missing = lost.reduce((sum, { from, to }) => sum + to - from, 0);
    expect(records + missing).toBe(RECORDS);
    // The topic goes on where it was, and the cursor with it.
    expect(log.offsets('orders').next).toBe(RECORDS);
    expect(log.cursor('orders', 'billing').committed).toBe(150);
    expect(log.isClean('orders')).toBe(true);
    expect(await log.append('orders', recordOf(RECORDS))).toBe(RECORDS);
  } finally {
    await log.close();
  }
  expect((await found(into)).exitCode).toBe(0);
});

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? -1;
}

test('a directory that opening refuses is salvaged', async () => {
  const directory = copy(DAMAGE['checkpoints gone, and a piece zeroed']!);
  const refused = await Walrus.open({ dir: directory }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(WalrusError);
  expect(refused).toMatchObject({ code: 'Corrupt' });
  expect((await found(directory)).refusal?.code).toBe('Corrupt');
});

test('a whole directory: what it holds, for people and for scripts', async () => {
  const { code, stdout } = await walrus('verify', whole);
  expect(code).toBe(0);
  expect(stdout).toContain(`${whole}: whole, ${RECORDS + 1} records`);
  const inspected = await walrus('inspect', whole);
  expect(inspected.code).toBe(0);
  expect(inspected.stdout).toContain(`topic "orders": offsets 0 to ${RECORDS}, ${RECORDS} records`);
  expect(inspected.stdout).toContain('topic "other \\"topic\\"": offsets 0 to 1, 1 record of');
});

test('a newest file that is emptied is told by who opens the log, and by who looks', async () => {
  const log = await Walrus.open({
    dir: join(scratch, 'running'),
    fsync: FsyncSchedule.SyncEach,
    // No checkpoint knows the newest file: that one would be missed.
    fileBytes: 1 << 20,
  });
  for (let i = 0; i < 50; i++) await log.append('orders', recordOf(i));
  const copies = ['whole', 'zeroed', 'cut to its head', 'cut to nothing'].map((kind) => {
    // As a process leaves it that is killed.
    const directory = join(scratch, `running ${kind}`);
    cpSync(log.stats().directory, directory, {
      recursive: true,
      filter: (path) => !path.endsWith('.sock'),
    });
    return { kind, directory };
  });
  await log.close();
  for (const { kind, directory } of copies) {
    const newest = filesOf(directory, '.wal').findLast(
      (name) => readFileSync(join(directory, name)).toString('latin1', 4096, 4100) === 'WFR2',
    )!;
    const path = join(directory, newest);
    if (kind === 'zeroed') change(path, (bytes) => bytes.fill(0));
    if (kind === 'cut to its head') truncateSync(path, 4096);
    if (kind === 'cut to nothing') truncateSync(path, 0);
    const { stdout } = await walrus('verify', directory);
    const again = await Walrus.open({ dir: directory });
    const { cutAt } = again.stats().store;
    const { next } = again.offsets('orders');
    await again.close();
    if (kind === 'whole') {
      expect({ cutAt, next }).toEqual({ cutAt: undefined, next: 50 });
      expect(stdout).not.toContain('is empty');
    } else {
      expect(next).toBeLessThan(50);
      expect(cutAt).toBe(`${newest} at byte 0`);
      expect(stdout).toContain(`${newest} is empty: it was being made`);
    }
  }
});

test('files that are reached by links are followed', async () => {
  const directory = copy((path, logs) => {
    renameSync(join(path, logs[1]!), join(scratch, 'elsewhere.wal'));
    symlinkSync(join(scratch, 'elsewhere.wal'), join(path, logs[1]!));
  });
  expect((await found(directory)).exitCode).toBe(0);
});

test('what is wrong is said in one line, with its own exit code', async () => {
  const oneLine = /^Error: .*\n$/;
  const linked = join(scratch, 'linked');
  symlinkSync(whole, linked);
  const cases: readonly [number, RegExp, readonly string[]][] = [
    [64, oneLine, ['verify', join(scratch, 'nothing')]],
    [64, oneLine, ['verify', MAIN]],
    [64, /^Error: .* holds no log; there is one in .*copy-1.*\n$/, ['verify', scratch]],
    [64, oneLine, ['salvage', whole, scratch]],
    [64, oneLine, ['salvage', whole, join(whole, 'inside')]],
    [64, oneLine, ['salvage', linked, join(whole, 'inside', 'more')]],
    [64, /missing required argument/, ['verify']],
    [64, /unknown option/, ['inspect', whole, '--nonsense']],
    [64, /^\{"error":\{"code":"ENOENT".*\}\n$/, ['verify', join(scratch, 'nothing'), '--json']],
  ];
  for (const [code, stderr, words] of cases) {
    const ended = await walrus(...words);
    expect([ended.code, words]).toEqual([code, words]);
    expect(ended.stderr).toMatch(stderr);
    expect(ended.stderr).not.toMatch(/^ {4}at /m);
  }
  expect((await walrus('salvage', '--help')).code).toBe(0);
});

test('who has the directory open is named', async () => {
  const log = await Walrus.open({ dir: copy(() => {}) });
  try {
    const { stderr } = await walrus('inspect', log.stats().directory);
    expect(stderr).toContain(`Warning: process ${process.pid}`);
    // What does not verify may be what is being written.
    const { directory } = log.stats();
    const [first] = filesOf(directory, '.wal');
    change(join(directory, first!), (bytes) => bytes.fill(7, 5000, 6000));
    const { code, stdout } = await walrus('verify', directory);
    expect(stdout).toContain(`${directory}: in use by process ${process.pid}`);
    expect(code).toBe(75);
  } finally {
    await log.close();
  }
});

test.runIf(existsSync('/dev/full'))(
  'output that cannot be written is said in one line',
  async () => {
    const full = openSync('/dev/full', 'w');
    try {
      for (const command of ['verify', 'inspect']) {
        const { status, stderr } = spawnSync(process.execPath, [MAIN, command, whole], {
          stdio: ['ignore', full, 'pipe'],
          encoding: 'utf8',
        });
        expect([status, command]).toEqual([74, command]);
        expect(stderr).toMatch(/^error: the output cannot be written: .*ENOSPC.*\n$/);
      }
    } finally {
      closeSync(full);
    }
  },
);

test('a newer version is not called damage', async () => {
  const directory = copy((path, logs) =>
    change(join(path, logs[0]!), (bytes) => {
      bytes.writeUInt32LE(3, 8);
      bytes.writeUInt32LE(crc32c(bytes, 0, 60, 0), 60);
    }),
  );
  for (const name of filesOf(directory, '.checkpoint')) rmSync(join(directory, name));
  const { code, stderr } = await walrus('verify', directory, '--json');
  expect(code).toBe(74);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'UnsupportedVersion' } });
});

test('a copy for which there is no room is refused by name', async (context) => {
  await withTinyFileSystem(context, 2 ** 20, async (path) => {
    const { code, stderr } = await walrus('salvage', whole, join(path, 'out'), '--json');
    expect(code).toBe(74);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'NoSpace' } });
  });
});

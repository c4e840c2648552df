/**
 * What the native disk does beyond what every disk must (properties/conformance/disk.ts): its errors by name, its two ways,
 * its life among threads and processes.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { crc32c } from '../impl/core/storage/crc32c.ts';
import { PortableDisk } from '../impl/runtime/portable-disk.ts';
import { Client } from './client.test-support.ts';
import { loadNative, NativeDisk, type NativeOptions } from './index.ts';

const FIXTURE = fileURLToPath(new URL('./native.fixture.ts', import.meta.url));

const native = loadNative();
const unavailable = 'unavailable' in native ? native.unavailable : undefined;
const ringRefused = unavailable ?? refusalOf('io_uring');

/** Why this engine cannot be had on this machine. */
function refusalOf(engine: 'io_uring'): string | undefined {
  try {
    void new NativeDisk({ directory: tmpdir(), engine }, () => {}).close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

const ENGINES = (['pwrite', 'io_uring'] as const).filter(
  (engine) => engine === 'pwrite' || ringRefused === undefined,
);

let scratch: string;
let directory: string;
const children: ChildProcess[] = [];
const clients: Client[] = [];

beforeEach((context) => {
  if (unavailable !== undefined) context.skip(unavailable);
  scratch = mkdtempSync(join(tmpdir(), 'walrus-native-'));
  directory = join(scratch, 'disk');
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const client of clients.splice(0)) await client.disk.close();
  if (unavailable === undefined) rmSync(scratch, { recursive: true });
});

async function open(options: Partial<NativeOptions> = {}): Promise<Client> {
  const client = new Client({ directory, ...options });
  clients.push(client);
  await client.must({ op: 'lock' });
  return client;
}

interface Told {
  readonly child: ChildProcess;
  /** The first line that the process wrote. */
  readonly says: Record<string, unknown>;
}

/** Runs a scenario in a process of its own, until it says what came of it. */
async function tell(
  scenario: string,
  options: NativeOptions,
  { launcher = [], env = {} }: { launcher?: string[]; env?: NodeJS.ProcessEnv } = {},
): Promise<Told> {
  const command = [...launcher, process.execPath, '--import', 'tsx', FIXTURE, scenario];
  const child = spawn(command[0]!, [...command.slice(1), JSON.stringify(options)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  for await (const line of createInterface(child.stdout!)) {
    return { child, says: JSON.parse(line) };
  }
  throw new Error(`${scenario} said nothing`);
}

function compile(name: string, ...flags: string[]): string {
  const source = fileURLToPath(new URL(`./test/${name}.cc`, import.meta.url));
  const path = join(scratch, name);
  execFileSync(process.env.CXX ?? 'g++', ['-std=c++20', '-O1', source, ...flags, '-o', path]);
  return path;
}

describe.each(ENGINES)('%s', (engine) => {
  test('aligned writes go direct, all others do not, and both are read back', async () => {
    const client = await open({ engine });
    const { disk } = client;
    const file = await client.create('a');
    const arena = disk.alignedArena(1 << 20);
    expect(arena.length).toBe(1 << 20);
    for (let i = 0; i < arena.length; i++) arena[i] = (i * 7 + (i >> 12)) & 0xff;
    const writes = [
      { offsetBytes: 0, bytes: arena.subarray(0, 8192) },
      { offsetBytes: 8192, bytes: arena.subarray(8192, 8192 + 100) },
      { offsetBytes: 12288, bytes: arena.subarray(12288, 12288 + 4096) },
      { offsetBytes: 16384, bytes: arena.slice(16384, 16384 + 4096).subarray(1, 4001) },
    ];
    await Promise.all(writes.map((write) => client.must({ op: 'write', file, ...write })));
    await client.must({ op: 'sync', file });
    for (const { offsetBytes, bytes } of writes) {
      const into = new Uint8Array(bytes.length);
      await client.must({ op: 'read', file, offsetBytes, into });
      expect(into).toEqual(bytes);
    }
    const stats = disk.stats();
    expect(stats.engine).toBe(engine);
    expect(stats.writtenBytes).toBe(8192 + 100 + 4096 + 4000);
    expect(disk.alignmentBytes).toBe(stats.direct ? 4096 : 1);
    if (stats.direct) expect(stats.directWrites).toBe(2);
    expect(stats.directWrites + stats.bufferedWrites).toBe(4);
  });

  test('a buffered write and a direct one in the same pages, thousands of times', async () => {
    const client = await open({ engine });
    const file = await client.create('a');
    const arena = client.disk.alignedArena(64 << 10);
    const model = new Uint8Array(256 << 10);
    await client.must({ op: 'write', file, offsetBytes: 0, bytes: model });
    let state = 1;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state % below;
    };
    for (let round = 0; round < 200; round++) {
      const writes: Promise<unknown>[] = [];
      // Neighbours in flight together: every one in its own 4 KiB, none over another.
      for (let block = 0; block < 16; block++) {
        const aligned = random(2) === 0;
        const bytes = arena.subarray(block * 4096, block * 4096 + (aligned ? 4096 : 1000));
        bytes.fill(random(256));
        const offsetBytes = (random(4) * 16 + block) * 4096;
        model.set(bytes, offsetBytes);
        writes.push(client.must({ op: 'write', file, offsetBytes, bytes }));
      }
      if (round % 8 === 0) writes.push(client.must({ op: 'sync', file }));
      await Promise.all(writes);
      if (round % 20 === 0) {
        const into = new Uint8Array(model.length);
        await client.must({ op: 'read', file, offsetBytes: 0, into });
        expect(Buffer.compare(into, model)).toBe(0);
      }
    }
    await client.must({ op: 'sync', file });
  });

  test('more files than the ring has room for', async () => {
    const client = await open({ engine });
    const files = await Promise.all(
      Array.from({ length: 300 }, (_, i) => client.create(`file-${i}`)),
    );
    const writes = files.map((file, i) =>
      client.must({ op: 'write', file, offsetBytes: 0, bytes: Uint8Array.of(i, i >> 8) }),
    );
    await Promise.all(writes);
    await Promise.all(files.slice(0, 150).map((file) => client.must({ op: 'close', file })));
    for (let i = 0; i < 300; i += 7) {
      const name = `file-${i}`;
      const { file, lengthBytes } = await client.must({ op: 'open', name, create: false });
      const into = new Uint8Array(3);
      expect(
        (await client.must({ op: 'read', file: file!, offsetBytes: 0, into })).lengthBytes,
      ).toBe(2);
      expect(lengthBytes).toBe(2);
      expect([...into]).toEqual([i & 0xff, i >> 8, 0]);
    }
  });

  test('a full device is NoSpace, and space that returns is used', async (context) => {
    const mounted = join(scratch, 'small');
    const mount = `mkdir ${mounted} && mount -t tmpfs -o size=1m walrus ${mounted}`;
    try {
      execFileSync('sh', ['-c', mount], { stdio: 'ignore' });
    } catch {
      context.skip('a small file system takes the right to mount one');
    }
    try {
      const client = await open({ engine, directory: mounted });
      const file = await client.create('a');
      const big = new Uint8Array(900 << 10).fill(1);
      await client.must({ op: 'write', file, offsetBytes: 0, bytes: big });
      const refused = await client.run({ op: 'write', file, offsetBytes: big.length, bytes: big });
      expect(refused.error).toBe('NoSpace');
      expect(refused.detail).toBe(`write a at ${big.length}: ENOSPC: the device is full`);
      const allocation = await client.run({ op: 'allocate', file, sizeBytes: 4 << 20 });
      expect(allocation.error).toBe('NoSpace');
      const other = await client.create('b');
      await client.must({ op: 'close', file });
      await client.must({ op: 'unlink', name: 'a' });
      await client.must({ op: 'write', file: other, offsetBytes: 0, bytes: big });
      await clients.pop()!.disk.close();
    } finally {
      execFileSync('umount', [mounted]);
    }
  });

  test('close carries out what is in flight, and takes nothing after it', async () => {
    const client = await open({ engine });
    const file = await client.create('a');
    const bytes = client.disk.alignedArena(1 << 20).fill(3);
    const answers: Promise<unknown>[] = [];
    for (let i = 0; i < 30; i++) {
      answers.push(client.must({ op: 'write', file, offsetBytes: i << 20, bytes }));
      answers.push(client.must({ op: 'sync', file }));
    }
    await client.disk.close();
    expect(client.waiting).toBe(0);
    await Promise.all(answers);
    expect(readFileSync(join(directory, 'a')).length).toBe(30 << 20);
    expect(() => client.disk.submit({ op: 'list', id: 1 })).toThrow('closed');
    await client.disk.close();
  });

  test('small writes at rest are done at once, told of a turn later, and told before the end', async () => {
    const client = await open({ engine, inline: true });
    const file = await client.create('a');
    const bytes = new Uint8Array(1000).fill(3);
    let submits = 0;
    // Whether one is done in place is the disk's to say: it may have been slow just now.
    for (let done = 0; done === 0; submits++) {
      const written = client.must({ op: 'write', file, offsetBytes: submits * 1000, bytes });
      const told = await Promise.race([written.then(() => true), Promise.resolve(false)]);
      expect(told).toBe(false);
      await written;
      done = client.disk.stats().inlined;
    }
    const last = client.must({ op: 'write', file, offsetBytes: submits * 1000, bytes });
    await client.disk.close();
    expect(client.waiting).toBe(0);
    await last;
    const { failures } = client.disk.stats();
    expect(failures).toBe(0);
    expect(readFileSync(join(directory, 'a'))).toEqual(Buffer.alloc(1000 * (submits + 1), 3));
  });

  test('a process that exits amid writes exits as it wants', async () => {
    const { child } = await tell('exit', { directory, engine });
    expect(await once(child, 'exit')).toEqual([7, null]);
  });

  test('a process lives until its disk is closed', async () => {
    expect((await tell('close', { directory, engine })).says).toBe('closed');
  });

  test('an idle disk keeps no process alive', async () => {
    const { child } = await tell('idle', { directory, engine });
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  test('workers have disks of their own, and one that is terminated gives back its lock', async () => {
    const mine = await open({ engine, directory: join(scratch, 'mine') });
    const source = `import('tsx/esm/api').then(({ register }) => {
      register();
      import(${JSON.stringify(pathToFileURL(FIXTURE).href)});
    });`;
    const workerData = ['exit', { directory, engine }];
    const worker = new Worker(source, { eval: true, workerData, stdout: true });
    await once(worker, 'message');
    const refused = new Client({ directory, engine });
    expect((await refused.run({ op: 'lock' })).error).toBe('Locked');
    await worker.terminate();
    await refused.must({ op: 'lock' });
    await refused.disk.close();
    const file = await mine.create('still-here');
    await mine.must({ op: 'write', file, offsetBytes: 0, bytes: Uint8Array.of(1) });
  });
});

test('auto takes the ring for direct writes, plain calls for buffered or synced ones, and says why', async () => {
  const direct = await open();
  const stats = direct.disk.stats();
  const expected = stats.direct && ringRefused === undefined ? 'io_uring' : 'pwrite';
  expect(stats.engine).toBe(expected);
  expect(stats.engineReason).not.toBe('');
  expect(stats.directReason).not.toBe('');
  const buffered = await open({ directory: join(scratch, 'buffered'), direct: false });
  expect(buffered.disk.stats()).toMatchObject({ engine: 'pwrite', direct: false });
  const synced = await open({ directory: join(scratch, 'synced'), syncsEach: true });
  expect(synced.disk.stats()).toMatchObject({ engine: 'pwrite', direct: stats.direct });
  expect(synced.disk.stats().engineReason).toContain('without io_uring');
  const forced = await open({ directory: join(scratch, 'forced'), engine: 'pwrite' });
  expect(forced.disk.stats()).toMatchObject({ engine: 'pwrite', engineReason: 'asked for' });
});

test('one process has the directory, native or portable, and its death frees it', async () => {
  const holder = await tell('hold', { directory });
  expect(holder.says.error).toBeUndefined();
  const client = new Client({ directory });
  clients.push(client);
  expect(await client.run({ op: 'lock' })).toMatchObject({
    error: 'Locked',
    detail: expect.stringContaining(
      `${directory} is locked by process ${holder.child.pid} on host`,
    ),
  });
  let answer: unknown;
  const portable = new PortableDisk(directory, (completions) => {
    answer = completions[0];
  });
  portable.submit({ op: 'lock', id: 1 });
  await expect.poll(() => answer).toMatchObject({ error: 'Locked' });
  holder.child.kill('SIGKILL');
  await once(holder.child, 'exit');
  portable.submit({ op: 'lock', id: 2 });
  await expect.poll(() => answer).toEqual({ id: 2 });
  expect((await client.run({ op: 'lock' })).error).toBe('Locked');
  await portable.close();
  await client.must({ op: 'lock' });
});

test('a name is a name in the directory, and nothing else', async () => {
  const client = await open();
  writeFileSync(join(scratch, 'outside'), 'precious');
  symlinkSync(join(scratch, 'outside'), join(directory, 'link'));
  for (const name of ['../outside', '/etc/passwd', '', '.', '..', 'a/b', 'a\0b', 'link']) {
    for (const create of [true, false]) {
      const completion = await client.run({ op: 'open', name, create });
      expect(completion.error, name).toBeOneOf(['Io', name === 'link' ? 'Exists' : 'Io']);
    }
    if (name === 'link') continue;
    expect((await client.run({ op: 'unlink', name })).error, name).toBe('Io');
    expect((await client.run({ op: 'rename', from: name, to: 'x' })).error, name).toBe('Io');
  }
  expect(readFileSync(join(scratch, 'outside'), 'utf8')).toBe('precious');
  expect((await client.must({ op: 'list' })).files).toEqual([]);
});

test('a sync that failed fails for ever, by name', async () => {
  const preload = compile('failing-calls', '-shared', '-fPIC', '-ldl');
  const { says } = await tell(
    'failures',
    { directory, engine: 'pwrite' },
    { env: { LD_PRELOAD: preload, FAIL_SYNC: String(constants.errno.EIO) } },
  );
  expect(says.write).toEqual({ id: 3 });
  expect(says.sync).toEqual({
    id: 4,
    error: 'Io',
    detail: 'sync a: EIO: the device failed; what was written may be lost',
  });
  expect(says.again).toMatchObject({ error: 'Io' });
});

test('a short write goes on, and what then stops it is told', async () => {
  const preload = compile('failing-calls', '-shared', '-fPIC', '-ldl');
  const { says } = await tell(
    'failures',
    { directory, engine: 'pwrite', direct: false },
    { env: { LD_PRELOAD: preload, FULL_AT: '1000' } },
  );
  expect(says.write).toMatchObject({ error: 'NoSpace' });
  expect(says.sync).toEqual({ id: 4 });
});

describe('where io_uring is refused', () => {
  const { EPERM, ENOSYS } = constants.errno;
  test.each([
    ['setup', EPERM],
    ['setup', ENOSYS],
    ['enter', EPERM],
    ['enter', ENOSYS],
  ])('%s, errno %i: auto takes pwrite, io_uring says why', async (call, errno) => {
    const launcher = [compile('refuse-io-uring'), call, String(errno)];
    const auto = await tell('choice', { directory }, { launcher });
    expect(auto.says.engine).toBe('pwrite');
    const forced = await tell('choice', { directory, engine: 'io_uring' }, { launcher });
    expect(forced.says.refused).toMatch(/io_uring is refused: E(PERM|NOSYS)/);
  });

  test('what it would register only spares time', async (context) => {
    if (ringRefused !== undefined) context.skip(ringRefused);
    const launcher = [compile('refuse-io-uring'), 'register', String(EPERM)];
    const { says } = await tell('choice', { directory, engine: 'io_uring' }, { launcher });
    expect(says).toMatchObject({ engine: 'io_uring', registeredBytes: 0, failures: 0 });
  });

  test('WALRUS_DISABLE_IO_URING is such a refusal', async () => {
    const env = { WALRUS_DISABLE_IO_URING: '1' };
    const auto = await tell('choice', { directory }, { env });
    expect(auto.says.engine).toBe('pwrite');
    const forced = await tell('choice', { directory, engine: 'io_uring' }, { env });
    expect(forced.says.refused).toBe('io_uring: WALRUS_DISABLE_IO_URING is set');
  });
});

test('a worker may be terminated at any moment, and takes nobody with it', async () => {
  for (const engine of ENGINES) {
    const { child, says } = await tell('terminate', { directory, engine });
    expect(says).toEqual({ terminated: 60 });
    expect(await once(child, 'exit')).toEqual([0, null]);
  }
});

test('an errno means the same on native and portable disks', async () => {
  const preload = compile('failing-calls', '-shared', '-fPIC', '-ldl');
  const { says } = await tell(
    'errnos',
    { directory, engine: 'pwrite' },
    { env: { LD_PRELOAD: preload } },
  );
  expect(Object.keys(says).length).toBeGreaterThan(50);
  for (const [name, meanings] of Object.entries(says)) {
    const [native, portable] = meanings as [string, string];
    expect(native, name).toBe(portable);
  }
  expect(says).toMatchObject({
    ENOSPC: ['NoSpace', 'NoSpace'],
    EDQUOT: ['NoSpace', 'NoSpace'],
    ENOMEM: ['Exhausted', 'Exhausted'],
    EIO: ['Io', 'Io'],
  });
});

test('an exception out of onCompletions is an uncaught exception, as out of a timer', async () => {
  const thrown = new Promise((resolve) =>
    process.prependOnceListener('uncaughtException', resolve),
  );
  const listeners = process.listeners('uncaughtException').slice(1);
  for (const listener of listeners) process.removeListener('uncaughtException', listener);
  const disk = new NativeDisk({ directory }, () => {
    throw new Error('from the listener');
  });
  disk.submit({ op: 'lock', id: 1 });
  expect(await thrown).toMatchObject({ message: 'from the listener' });
  for (const listener of listeners) process.on('uncaughtException', listener);
  await disk.close();
});

test('the checksum is the portable one, bit for bit, and stays inside of the bytes', () => {
  const { checksum } = new Client({ directory }).disk;
  const bytes = fc.uint8Array({ maxLength: 2000 });
  fc.assert(
    fc.property(
      bytes,
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 0, max: 0xffffffff }),
      (array, a, b, seed) => {
        const [from = 0, to = 0] = [a % (array.length + 1), b % (array.length + 1)].sort(
          (x, y) => x - y,
        );
        expect(checksum(array, from, to, seed)).toBe(crc32c(array, from, to, seed));
      },
    ),
  );
  expect(() => checksum(new Uint8Array(10), 0, 11, 0)).toThrow(RangeError);
  expect(() => checksum(new Uint8Array(10), 5, 4, 0)).toThrow(RangeError);
});

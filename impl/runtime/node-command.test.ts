import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WalrusClient } from '../client/client.ts';
import { freePorts } from './free-ports.test-support.ts';

const PROGRAM = new URL('../../dist/impl/runtime/main.js', import.meta.url).pathname;

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'walrus-node-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `walrus node` to its end; `signal` is sent once it listens. */
async function node(flags: readonly string[], signal?: NodeJS.Signals): Promise<Ended> {
  const [raftPort, clientPort] = await freePorts(2);
  const child = spawn(process.execPath, [
    PROGRAM,
    'node',
    ...['--raft-port', `${raftPort}`, '--client-port', `${clientPort}`, '--data-dir', directory],
    ...['--http-port', 'off'],
    ...flags,
  ]);
  let out = '';
  let err = '';
  let sent = signal === undefined;
  child.stdout.on('data', (chunk) => {
    out += chunk;
    if (sent || !out.includes('"listening"')) return;
    sent = true;
    child.kill(signal);
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const [code] = await once(child, 'close');
  return { code: code as number | null, out, err };
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s is a good end', async (signal) => {
  const { code, out, err } = await node([], signal);
  expect(err).toBe('');
  expect(out).toContain('"stopped"');
  expect(code).toBe(0);
});

describe('ends that are not', () => {
  test('flags that are wrong: told all at once, nothing started', async () => {
    const { code, out, err } = await node(['--node-id', 'x', '--join', 'nowhere']);
    expect(err).toMatch(/^error: --node-id: .*\nerror: --join: expected HOST:PORT\n$/);
    expect(out).toBe('');
    expect(code).toBe(64);
  });

  test('a flag that does not exist', async () => {
    const { code, err } = await node(['--fsync', 'never']);
    expect(err).toContain("unknown option '--fsync'");
    expect(code).toBe(64);
  });

  test('a name to tell others that nobody can resolve', async () => {
    const { code, out } = await node(['--raft-advertise-host', 'no.such.host.invalid']);
    expect(out).toContain('--raft-advertise-host');
    expect(code).toBe(64);
  });

  test('a client port that is taken', async () => {
    const [port] = await freePorts(1);
    const holder = createServer().listen(port, '127.0.0.1');
    await once(holder, 'listening');
    const { code, out } = await node(['--client-port', `${port}`]);
    expect(JSON.parse(out.trimEnd().split('\n').at(-1)!).reason).toBe(
      `127.0.0.1:${port}: is in use by another process; choose another --client-port (EADDRINUSE)`,
    );
    expect(code).toBe(75);
    holder.close();
  });

  test.each(['--log-file', '--trace-file'])('a %s in no directory', async (flag) => {
    const { code, out, err } = await node([flag, join(directory, 'no', 'such', 'file')]);
    expect(out + err).toMatch(new RegExp(`${flag}: ENOENT`));
    expect(out + err).not.toMatch(/^ +at /m);
    expect(code).toBe(64);
  });

  test.each([
    ['--raft-host', 'no.such.host.invalid', 64],
    ['--client-host', 'no.such.host.invalid', 64],
    // An address for documents, which no machine has.
    ['--client-host', '192.0.2.1', 75],
  ])('%s %s: it is the host that is to be mended, not the port', async (flag, host, expected) => {
    const { code, out } = await node([flag, host]);
    const { reason } = JSON.parse(out.trimEnd().split('\n').at(-1)!) as { reason: string };
    expect(reason).toContain(host);
    expect(reason).toContain(flag);
    expect(reason).not.toContain('-port');
    expect(code).toBe(expected);
  });

  test.each([join(PROGRAM, 'below-a-file'), '/proc/walrus'])(
    'a data directory that cannot be made: %s',
    async (place) => {
      const { code, out } = await node(['--data-dir', place]);
      expect(out).toMatch(/--data-dir/);
      expect(out).not.toMatch(/\\n +at /);
      expect(code).toBe(64);
    },
  );

  test('a log file takes the place of stdout and is begun anew', async () => {
    const file = join(directory, 'node.txt');
    for (let life = 0; life < 2; life++) {
      expect(await node(['--log-file', file, '--raft-advertise-host', 'x.invalid'])).toEqual({
        code: 64,
        out: '',
        err: '',
      });
    }
    expect(readFileSync(file, 'utf8').trimEnd().split('\n')).toHaveLength(1);
  });
});

test('more clients than descriptors: those that are in go on, and others get in when some leave', async () => {
  const [raftPort, clientPort] = await freePorts(2);
  const program = `ulimit -n 256 && exec "$0" "$@"`;
  const child = spawn('sh', [
    '-c',
    program,
    ...[process.execPath, PROGRAM, 'node', '--data-dir', join(directory, 'few-descriptors')],
    ...['--raft-port', `${raftPort}`, '--client-port', `${clientPort}`, '--http-port', 'off'],
  ]);
  const addresses = [`127.0.0.1:${clientPort}`];
  const first = new WalrusClient({ addresses });
  await first.register('t');
  const crowd = Array.from({ length: 400 }, () =>
    connect(clientPort!, '127.0.0.1').on('error', () => {}),
  );
  await Promise.all(
    crowd.map((socket) => Promise.race([once(socket, 'connect'), once(socket, 'close')])),
  );
  await first.put('t', 'while it is full');
  for (const socket of crowd) socket.destroy();
  const next = new WalrusClient({ addresses });
  expect(await next.get('t')).toBe('while it is full');
  await first.close();
  await next.close();
  child.kill('SIGKILL');
  await once(child, 'close');
});

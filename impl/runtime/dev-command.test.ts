import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { WalrusClient } from '../client/client.ts';
import { freePorts } from './free-ports.test-support.ts';

const PROGRAM = new URL('../../dist/impl/runtime/main.js', import.meta.url).pathname;
const [CLIENT_PORT, , , RAFT_PORT] = (await freePorts(6)) as [number, number, number, number];

let child: ChildProcess | undefined;
let out = '';
const kept = mkdtempSync(join(tmpdir(), 'walrus-dev-test-'));

afterEach(async () => {
  if (child !== undefined && child.exitCode === null) {
    child.kill('SIGTERM');
    await once(child, 'close');
  }
  rmSync(kept, { recursive: true, force: true });
});

function start(...flags: string[]): void {
  out = '';
  const ports = [
    '--client-port',
    `${CLIENT_PORT}`,
    '--raft-port',
    `${RAFT_PORT}`,
    '--http-port',
    'off',
  ];
  child = spawn(process.execPath, [PROGRAM, 'dev', ...ports, ...flags]);
  child.stdout!.on('data', (chunk) => {
    out += chunk;
  });
}

/** Resolves when the cluster says that it is up. */
async function dev(...flags: string[]): Promise<void> {
  start(...flags);
  await vi.waitFor(() => expect(out).toContain('3 nodes are up'), { timeout: 40_000 });
}

async function interrupt(): Promise<number | null> {
  child!.kill('SIGINT');
  const [code] = await once(child!, 'close');
  return code as number | null;
}

test('starts three nodes, ends them on Ctrl-C, and keeps data only where it is told to', async () => {
  await dev();
  const directory = /data in (\S+) \(removed/.exec(out)?.[1];
  expect(existsSync(directory!)).toBe(true);
  expect(out).toMatch(/^node 2 \| .* listening /m);
  // Every command that it names is one.
  const named = [...out.matchAll(/^ {2}walrus (\w+)/gm)].map((match) => match[1]!);
  expect(named).toEqual(['register', 'put', 'get', 'status', 'repl']);
  for (const name of named) {
    expect(spawnSync(process.execPath, [PROGRAM, name, '--help']).status).toBe(0);
  }
  expect(out).toContain(`export WALRUS_ADDR=127.0.0.1:${CLIENT_PORT},127.0.0.1:`);
  const saidBefore = out.length;
  expect(await interrupt()).toBe(0);
  expect(existsSync(directory!)).toBe(false);
  // Who leaves last misses the others, and that is no alarm.
  const said = out.slice(saidBefore).trimEnd().split('\n');
  expect(said.toSorted()).toEqual([1, 2, 3].map((id) => `node ${id} | ended (code 0)`));

  await dev('--data-dir', kept);
  const addresses = [0, 1, 2].map((index) => `127.0.0.1:${CLIENT_PORT + index}`);
  const before = new WalrusClient({ addresses });
  await before.register('t');
  await before.put('t', 'kept');
  await before.close();
  expect(await interrupt()).toBe(0);
  expect(readdirSync(kept)).toEqual(['node_1', 'node_2', 'node_3']);

  await dev('--data-dir', kept);
  const after = new WalrusClient({ addresses });
  expect(await after.fetch('t', 0)).toEqual({ next: 1, payload: 'kept' });
  await after.close();
  expect(await interrupt()).toBe(0);
});

test('ends with an error when a node cannot start', async () => {
  const holder = createServer().listen(CLIENT_PORT + 1, '127.0.0.1');
  await once(holder, 'listening');
  start();
  const [code] = await once(child!, 'close');
  holder.close();
  expect(code).toBe(75);
  expect(out).toMatch(/^node 2 \| .*in use/m);
  expect(out).not.toContain('nodes are up');
});

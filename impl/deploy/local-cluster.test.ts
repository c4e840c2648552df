/** What `make cluster-bootstrap` and `make cluster-down` do, on free ports. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { WalrusClient } from '../client/client.ts';
import { freePorts } from '../runtime/free-ports.test-support.ts';

const directory = join(mkdtempSync(join(tmpdir(), 'walrus-local-')), 'cluster');
const program = new URL('../../dist/impl/deploy/main.js', import.meta.url).pathname;
const [client, , , raft] = (await freePorts(6)) as [number, number, number, number];

function run(...words: string[]): string {
  const args = [program, ...words, '--dir', directory];
  return execFileSync(process.execPath, args, { encoding: 'utf8', stdio: 'pipe' });
}
const bootstrap = (): string =>
  run('bootstrap', '--client-port', `${client}`, '--raft-port', `${raft}`);
const pid = (id: number): number =>
  Number(readFileSync(join(directory, `walrus-${id}.pid`), 'utf8'));

afterAll(() => {
  if (existsSync(directory)) run('down', '--wipe');
  rmSync(join(directory, '..'), { recursive: true });
});

test('a cluster that is started, mended, stopped and started again keeps what it has', async () => {
  expect(bootstrap()).toContain('3 nodes are up');
  const addresses = [0, 1, 2].map((n) => `127.0.0.1:${client + n}`);
  const writer = new WalrusClient({ addresses });
  await writer.register('kept');
  await writer.put('kept', 'here');
  await writer.close();

  const before = [pid(1), pid(2), pid(3)];
  process.kill(before[1]!, 'SIGKILL');
  expect(bootstrap(), 'only what does not run is started').toContain('3 nodes are up');
  expect([pid(1), pid(3)]).toEqual([before[0], before[2]]);
  expect(pid(2)).not.toBe(before[1]);

  expect(run('down')).toContain('3 nodes have left, its data stays');
  expect(existsSync(join(directory, 'node_1'))).toBe(true);
  bootstrap();
  const reader = new WalrusClient({ addresses });
  expect(await reader.get('kept')).toBe('here');
  await reader.close();
  expect(run('down', '--wipe')).toContain('3 nodes have left, its data is gone');
  expect(existsSync(directory)).toBe(false);
});

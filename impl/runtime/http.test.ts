import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Observed, startHttp } from './http.ts';

let server: Server;
let observed: Observed;
beforeEach(async () => {
  observed = {
    status: 'running',
    exclusion: undefined,
    diskIsFull: false,
    storage: { files: 4, writtenBytes: 5000, syncs: 6 },
    damage: { found: 5, mended: 3, standing: 2 },
    metrics: { current_term: 7, current_leader: 2, last_log_index: 40 },
    counts: { connections: 3, requests: 100, errors: 1 },
  };
  server = await startHttp({ host: '127.0.0.1', port: 0 }, () => observed);
});
afterEach(async () => {
  server.close();
  await once(server, 'close');
});

async function get(path: string): Promise<{ status: number; body: string }> {
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { connection: 'close' },
  });
  return { status: response.status, body: await response.text() };
}

test('metrics are read anew for each scrape', async () => {
  expect((await get('/metrics')).body).toContain('\nwalrus_raft_term 7\n');
  observed = { ...observed, metrics: { current_term: 8, current_leader: null } };
  const { body } = await get('/metrics');
  expect(body).toContain('\nwalrus_raft_term 8\n');
  expect(body).toContain('\nwalrus_raft_leader 0\n');
  expect(body).toContain('\nwalrus_client_connections 3\n');
  expect(body).toContain('\nwalrus_log_files 4\n');
  expect(body).toContain('\nwalrus_log_written_bytes 5000\n');
  expect(body).toContain('\nwalrus_log_syncs 6\n');
  expect(body).toContain('process_cpu_seconds_total');
});

test('a node is ready when it runs and knows a leader; alive until it has stopped', async () => {
  expect(await get('/readyz')).toEqual({ status: 200, body: 'ok\n' });
  observed = { ...observed, metrics: { current_leader: null } };
  expect(await get('/readyz')).toEqual({ status: 503, body: 'no Raft leader is known\n' });
  observed = { ...observed, status: 'starting' };
  expect(await get('/readyz')).toEqual({ status: 503, body: 'the node is starting\n' });
  observed = { ...observed, status: 'running', exclusion: 'refused: there is another one' };
  expect(await get('/readyz')).toEqual({ status: 503, body: 'refused: there is another one\n' });
  expect((await get('/livez')).status).toBe(200);
  observed = { ...observed, status: 'stopped' };
  expect((await get('/livez')).status).toBe(503);
});

test('anything else is not there', async () => {
  expect((await get('/')).status).toBe(404);
});

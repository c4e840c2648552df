import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NodeReport } from '../client/status-report.ts';
import { type Observed, startHttp } from './http.ts';

const METRICS = { contentType: 'text/plain', scrape: async () => '\nwalrus_ready 1\n' };

let server: Server;
let observed: Observed;
beforeEach(async () => {
  observed = {
    status: 'running',
    exclusion: undefined,
    diskIsFull: false,
    damagedRecords: 0,
    metrics: { current_leader: 2 },
  };
  server = await startHttp(
    { host: '127.0.0.1', port: 0 },
    { metrics: METRICS, observe: () => observed, report: () => ({ node: 3 }) as NodeReport },
  );
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

test('metrics for Prometheus, and a report as JSON', async () => {
  expect((await get('/metrics')).body).toContain('\nwalrus_ready 1\n');
  expect(JSON.parse((await get('/status')).body)).toEqual({ node: 3 });
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

test('a node whose disk is full or holds damaged records says both', async () => {
  observed = { ...observed, diskIsFull: true, damagedRecords: 3 };
  const body = 'the disk is full\nrecords that are damaged: 3\n';
  expect(await get('/readyz')).toEqual({ status: 503, body });
});

test('anything else is not there', async () => {
  expect((await get('/')).status).toBe(404);
});

/** For operators, over HTTP: `/metrics` for Prometheus, `/livez` and `/readyz` with the reasons. */
import { createServer, type Server } from 'node:http';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { DamageCounts } from '../core/segment/mending.ts';
import type { StoreStats } from '../core/storage/store.ts';

/** What is shown; read anew for each request. */
export interface Observed {
  readonly status: 'starting' | 'running' | 'amnesiac' | 'stopped';
  /** Why the cluster takes nothing of the node although it lives. */
  readonly exclusion: string | undefined;
  readonly diskIsFull: boolean;
  readonly storage: Pick<StoreStats, 'files' | 'writtenBytes' | 'syncs'> | undefined;
  readonly damage: DamageCounts | undefined;
  /** The `METRICS` answer. */
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly counts: Readonly<Record<string, number>>;
}

/** Listens once it resolves; rejects if the address cannot be bound. */
export function startHttp(
  address: { host: string; port: number },
  observe: () => Observed,
): Promise<Server> {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  addGauges(registry, observe);
  const server = createServer((request, response) => {
    const answer = (status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type }).end(body);
    };
    switch (request.url) {
      case '/metrics':
        registry.metrics().then(
          (text) => answer(200, text, registry.contentType),
          (error: Error) => answer(500, error.message),
        );
        break;
      case '/livez':
        if (observe().status === 'stopped') answer(503, 'stopped\n');
        else answer(200, 'ok\n');
        break;
      case '/readyz': {
        const reasons = reasonsNotReady(observe());
        if (reasons.length > 0) answer(503, `${reasons.join('\n')}\n`);
        else answer(200, 'ok\n');
        break;
      }
      default:
        answer(404, 'try /metrics, /livez or /readyz\n');
    }
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => resolve(server));
  });
}

/** Empty if the node takes part: it runs and knows a leader. */
function reasonsNotReady({ status, exclusion, metrics }: Observed): string[] {
  if (exclusion !== undefined) return [exclusion];
  if (status !== 'running') return [`the node is ${status}`];
  if (metrics.current_leader === null) return ['no Raft leader is known'];
  return [];
}

const GAUGES: readonly { name: string; help: string; read(observed: Observed): unknown }[] = [
  {
    name: 'walrus_raft_term',
    help: "Raft's current term",
    read: ({ metrics }) => metrics.current_term,
  },
  {
    name: 'walrus_raft_leader',
    help: 'Id of the Raft leader, 0 if none is known',
    read: ({ metrics }) => metrics.current_leader ?? 0,
  },
  {
    name: 'walrus_raft_last_log_index',
    help: 'Index of the last entry of the Raft log',
    read: ({ metrics }) => metrics.last_log_index ?? 0,
  },
  {
    name: 'walrus_disk_full',
    help: '1 while the disk has no place for more',
    read: ({ diskIsFull }) => Number(diskIsFull),
  },
  {
    name: 'walrus_log_files',
    help: 'Files of the log that something is needed of',
    read: ({ storage }) => storage?.files,
  },
  {
    name: 'walrus_log_written_bytes',
    help: 'Bytes written to the log since the start',
    read: ({ storage }) => storage?.writtenBytes,
  },
  {
    name: 'walrus_log_syncs',
    help: 'Syncs of the log since the start',
    read: ({ storage }) => storage?.syncs,
  },
  {
    name: 'walrus_damaged_records',
    help: 'Records that cannot be read here until they are mended from another node',
    read: ({ damage }) => damage?.standing,
  },
  {
    name: 'walrus_damaged_records_found',
    help: 'Records found damaged since the start',
    read: ({ damage }) => damage?.found,
  },
  {
    name: 'walrus_damaged_records_mended',
    help: 'Records mended since the start',
    read: ({ damage }) => damage?.mended,
  },
  {
    name: 'walrus_client_connections',
    help: 'Client connections that are open',
    read: ({ counts }) => counts.connections,
  },
  {
    name: 'walrus_client_requests',
    help: 'Requests taken since the start',
    read: ({ counts }) => counts.requests,
  },
  {
    name: 'walrus_client_errors',
    help: 'Requests answered with an error since the start',
    read: ({ counts }) => counts.errors,
  },
];

function addGauges(registry: Registry, observe: () => Observed): void {
  for (const { name, help, read } of GAUGES) {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        const value = read(observe());
        if (typeof value === 'number') this.set(value);
      },
    });
  }
}

/** For operators, over HTTP: `/metrics` for Prometheus, `/livez`, `/readyz` with the reasons, `/status` for `walrus status`. */
import { createServer, type Server } from 'node:http';
import type { NodeReport } from '../client/status-report.ts';
import type { Metrics } from './metrics.ts';

/** What is shown; read anew for each request. */
export interface Observed {
  readonly status: 'starting' | 'running' | 'amnesiac' | 'stopped';
  /** Why the cluster takes nothing of the node although it lives. */
  readonly exclusion: string | undefined;
  readonly diskIsFull: boolean;
  /** Records that cannot be read here until they are mended from another node. */
  readonly damagedRecords: number;
  /** The `METRICS` answer. */
  readonly metrics: Readonly<Record<string, unknown>>;
}

/** What the port serves. */
export interface HttpPages {
  readonly metrics: Pick<Metrics, 'contentType' | 'scrape'>;
  observe(): Observed;
  report(): NodeReport;
}

/** Listens once it resolves; rejects if the address cannot be bound. */
export function startHttp(
  address: { host: string; port: number },
  { metrics, observe, report }: HttpPages,
): Promise<Server> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type }).end(body);
    };
    switch (request.url) {
      case '/metrics':
        metrics.scrape().then(
          (text) => answer(200, text, metrics.contentType),
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
      case '/status':
        answer(200, JSON.stringify(report()), 'application/json');
        break;
      default:
        answer(404, 'try /metrics, /livez, /readyz or /status\n');
    }
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => resolve(server));
  });
}

/**
 * Empty if the node takes its full part: it runs, knows a leader, has room, and can read what it holds. One that is cut off from the
 * majority knows no leader any more within two election timeouts.
 */
export function reasonsNotReady(observed: Observed): string[] {
  const { status, exclusion, diskIsFull, damagedRecords, metrics } = observed;
  if (exclusion !== undefined) return [exclusion];
  if (status !== 'running') return [`the node is ${status}`];
  const reasons: string[] = [];
  if (metrics.current_leader === null) reasons.push('no Raft leader is known');
  if (diskIsFull) reasons.push('the disk is full');
  if (damagedRecords > 0) reasons.push(`records that are damaged: ${damagedRecords}`);
  return reasons;
}

/** What a node says of itself over HTTP; `walrus status` puts it together with what the others say. */
import { statfsSync } from 'node:fs';
import type { NodeReport } from '../client/status-report.ts';
import type { NodeView } from '../node/view.ts';
import type { Events } from './events.ts';
import type { Host } from './host.ts';

/** Topics that are shown one by one. */
const TOPICS_MAX = 1_000;

export interface Reported {
  readonly node: number;
  readonly directory: string;
  readonly reasons: readonly string[];
  readonly host: Pick<Host<never>, 'status' | 'diskIsFull' | 'storage' | 'damage' | 'view'>;
  readonly events: Pick<Events, 'last'>;
}

export function reportOf({ node, directory, reasons, host, events }: Reported): NodeReport {
  const view = host.view(TOPICS_MAX);
  return {
    node,
    status: host.status,
    reasons,
    boot: view === undefined ? '' : view.boot.toString(16),
    upSeconds: Math.round(process.uptime()),
    raft: { role: view?.role ?? 'none', term: view?.term ?? 0, leader: view?.leader ?? 0 },
    disk: {
      directory,
      full: host.diskIsFull,
      freeBytes: freeBytes(directory) ?? null,
      logFiles: host.storage?.files ?? 0,
      logBytes: host.storage?.logBytes ?? 0,
      liveBytes: host.storage?.liveBytes ?? null,
      damagedRecords: host.damage?.standing ?? 0,
    },
    members: view?.members ?? [],
    topics: topicsOf(view),
    topicCount: view?.topicCount ?? 0,
    events: events.last,
  };
}

function topicsOf(view: NodeView | undefined): NodeReport['topics'] {
  return (view?.topics ?? []).map(({ records, ...topic }) => ({
    ...topic,
    records: records ?? null,
  }));
}

/** Of the file system; undefined if the system does not say. */
export function freeBytes(directory: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

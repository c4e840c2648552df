import { beforeEach, expect, test } from 'vitest';
import { nodeId, offset } from '../core/ids.ts';
import type { NodeView } from '../node/view.ts';
import { type Measured, Metrics, TOPICS_MAX } from './metrics.ts';

let measured: Measured;
let scrapes: number;
let metrics: Metrics;

const put = { request: 'put', isForwarded: false, seconds: 0.002, bytesIn: 5, bytesOut: 0 };

beforeEach(() => {
  scrapes = 0;
  measured = {
    metrics: { current_term: 7, current_leader: 2, last_log_index: 40 },
    isReady: true,
    diskIsFull: false,
    diskFreeBytes: 1000,
    storage: {
      files: 4,
      writtenBytes: 5000,
      syncs: 6,
      logBytes: 9000,
      liveBytes: 3000,
      movedRecords: 7,
      movedBytes: 700,
    },
    damage: { found: 5, mended: 3, standing: 2 },
    connections: 3,
    underWay: 1,
    view: {
      topicCount: 2,
      shortSegments: 4,
      incompleteSegments: 1,
      members: [
        { node: nodeId(1), voter: true, live: true, owns: 2 },
        { node: nodeId(2), voter: true, live: true, owns: 0 },
        { node: nodeId(3), voter: true, live: false, owns: 0 },
      ],
      topics: [
        {
          topic: 'logs',
          state: 'recovering',
          records: 12,
          groups: [{ group: 'default', offset: offset(9) }],
        },
        { topic: 'elsewhere', state: 'open', records: undefined, groups: [] },
      ],
    } as unknown as NodeView,
  };
  metrics = new Metrics(() => {
    scrapes++;
    return measured;
  });
});

async function scrape(): Promise<string> {
  return metrics.scrape();
}

test('gauges show one moment of each scrape', async () => {
  const text = await scrape();
  expect(scrapes).toBe(1);
  for (const line of [
    'walrus_ready 1',
    'walrus_raft_term 7',
    'walrus_raft_leader 2',
    'walrus_quorum 1',
    'walrus_topics 2',
    'walrus_short_segments 4',
    'walrus_repair_backlog_segments 1',
    'walrus_disk_full 0',
    'walrus_disk_free_bytes 1000',
    'walrus_log_written_bytes_total 5000',
    'walrus_damaged_records 2',
    'walrus_client_connections 3',
    'walrus_requests_under_way 1',
    'walrus_member_up{member="3"} 0',
    'walrus_owned_topics{member="1"} 2',
    'walrus_topic_state{topic="logs"} 1',
    'walrus_topic_records{topic="logs"} 12',
    'walrus_topic_lag_records{topic="logs",group="default"} 3',
  ]) {
    expect(text).toContain(`\n${line}\n`);
  }
  expect(text).not.toContain('walrus_topic_records{topic="elsewhere"}');
  expect(text).toContain('nodejs_eventloop_lag_p99_seconds');
  measured = { ...measured, metrics: {}, view: undefined };
  const later = await scrape();
  expect(later).toContain('\nwalrus_raft_leader 0\n');
  expect(later).toContain('\nwalrus_quorum 0\n');
  expect(later).not.toContain('walrus_topic_state{');
  expect(later).not.toMatch(/^walrus_topics /m);
});

test('requests: how many, how long, how large, and why they were refused', async () => {
  metrics.answered({ ...put, topic: 'logs', refusal: undefined });
  metrics.answered({ ...put, topic: 'logs', isForwarded: true, refusal: undefined });
  metrics.answered({ ...put, topic: 'nope', refusal: 'UnknownTopic' });
  const get = { request: 'get', isForwarded: false, seconds: 0.2, bytesIn: 0, bytesOut: 7 };
  metrics.answered({ ...get, topic: 'logs', refusal: undefined });
  const text = await scrape();
  for (const line of [
    'walrus_requests_total{request="put"} 3',
    'walrus_refusals_total{code="UnknownTopic"} 1',
    'walrus_request_seconds_count{request="put",way="here"} 1',
    'walrus_request_seconds_count{request="put",way="forwarded"} 1',
    'walrus_request_seconds_bucket{le="0.001",request="put",way="here"} 0',
    'walrus_request_seconds_bucket{le="0.0025",request="put",way="here"} 1',
    'walrus_topic_requests_total{topic="logs",request="put"} 2',
    'walrus_topic_bytes_total{topic="logs",direction="in"} 10',
    'walrus_topic_bytes_total{topic="logs",direction="out"} 7',
  ]) {
    expect(text).toContain(`\n${line}\n`);
  }
  expect(text).not.toContain('nope');
});

test('however many topics there are, the series are bounded', async () => {
  for (let i = 0; i < 10 * TOPICS_MAX; i++) {
    metrics.answered({ ...put, topic: `topic-${i}`, refusal: undefined });
  }
  const lines = (await scrape()).split('\n');
  const series = lines.filter((line) => line.startsWith('walrus_topic_requests_total{'));
  expect(series).toHaveLength(TOPICS_MAX + 1);
  expect(series).toContain(
    `walrus_topic_requests_total{topic="other",request="put"} ${9 * TOPICS_MAX}`,
  );
});

test('events and owners are counted, and disks timed', async () => {
  metrics.event('LeaderElected', undefined);
  metrics.event('OwnerChanged', 'failover');
  metrics.disk('sync', 0.003);
  const text = await scrape();
  expect(text).toContain('\nwalrus_events_total{event="LeaderElected"} 1\n');
  expect(text).toContain('\nwalrus_owner_changes_total{reason="failover"} 1\n');
  expect(text).toContain('\nwalrus_disk_seconds_count{op="sync"} 1\n');
});

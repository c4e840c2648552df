/**
 * What a node tells Prometheus. Counters and histograms are fed as things happen; gauges are read anew for each scrape. What is
 * told by topic is bounded: a cluster of a hundred thousand topics does not make a hundred thousand series.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { DamageCounts } from '../core/segment/mending.ts';
import type { StoreStats } from '../core/storage/store.ts';
import type { NodeView } from '../node/view.ts';
import type { TimedOp } from './measured-disk.ts';

/** A request that was answered. */
export interface Answered {
  readonly request: string;
  /** Undefined for requests that are about none. */
  readonly topic: string | undefined;
  /** Whether another node did it. */
  readonly isForwarded: boolean;
  readonly seconds: number;
  /** Payloads. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Of the error that it was answered with; undefined if it was done. */
  readonly refusal: string | undefined;
}

/** What is shown as it is now. */
export interface Measured {
  readonly metrics: Readonly<Record<string, unknown>>;
  readonly isReady: boolean;
  readonly diskIsFull: boolean;
  readonly diskFreeBytes: number | undefined;
  readonly storage:
    | Pick<
        StoreStats,
        | 'files'
        | 'writtenBytes'
        | 'syncs'
        | 'logBytes'
        | 'liveBytes'
        | 'movedRecords'
        | 'movedBytes'
      >
    | undefined;
  readonly damage: DamageCounts | undefined;
  readonly connections: number;
  readonly underWay: number;
  readonly view: NodeView | undefined;
}

/** Topics that are told of by name; the others are told of together, as `other`. */
export const TOPICS_MAX = 100;
const GROUPS_MAX = 10;
/** From what a fast disk needs for a sync to what a client waits for at most. */
const BUCKETS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10,
];

const NOTHING: Measured = {
  metrics: {},
  isReady: false,
  diskIsFull: false,
  diskFreeBytes: undefined,
  storage: undefined,
  damage: undefined,
  connections: 0,
  underWay: 0,
  view: undefined,
};

export class Metrics {
  private readonly registry = new Registry();
  private readonly measure: () => Measured;
  /** As of the last scrape. */
  private measured: Measured;
  private readonly topics = new Set<string>();
  private readonly requests: Counter;
  private readonly refusals: Counter;
  private readonly latency: Histogram;
  private readonly topicRequests: Counter;
  private readonly topicBytes: Counter;
  private readonly diskLatency: Histogram;
  private readonly events: Counter;
  private readonly ownerChanges: Counter;

  /** `measure` is asked once for each scrape. */
  constructor(measure: () => Measured) {
    this.measure = measure;
    this.measured = NOTHING;
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    const counter = (name: string, help: string, labelNames: string[]): Counter =>
      new Counter({ name, help, labelNames, registers });
    const histogram = (name: string, help: string, labelNames: string[]): Histogram =>
      new Histogram({ name, help, labelNames, registers, buckets: BUCKETS });
    this.requests = counter('walrus_requests_total', 'Requests of clients that were answered', [
      'request',
    ]);
    this.refusals = counter('walrus_refusals_total', 'Requests answered with an error', ['code']);
    this.latency = histogram(
      'walrus_request_seconds',
      'From a request to its answer; of a put, until it is durable on a quorum. way: done here, or forwarded to its owner',
      ['request', 'way'],
    );
    this.topicRequests = counter(
      'walrus_topic_requests_total',
      'Requests that were done, by topic',
      ['topic', 'request'],
    );
    this.topicBytes = counter(
      'walrus_topic_bytes_total',
      'Payloads taken from and given to clients, by topic',
      ['topic', 'direction'],
    );
    this.diskLatency = histogram(
      'walrus_disk_seconds',
      'Disk requests, from submission to completion; op sync is fsync',
      ['op'],
    );
    this.events = counter('walrus_events_total', 'Events that the log tells of', ['event']);
    this.ownerChanges = counter(
      'walrus_owner_changes_total',
      'Topics that this node has come to own, by reason',
      ['reason'],
    );
    this.addGauges();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** Everything, in the words of Prometheus; all gauges show one moment. */
  scrape(): Promise<string> {
    this.measured = this.measure();
    return this.registry.metrics();
  }

  answered({ request, topic, isForwarded, seconds, bytesIn, bytesOut, refusal }: Answered): void {
    this.requests.inc({ request });
    if (refusal !== undefined) {
      this.refusals.inc({ code: refusal });
      return;
    }
    this.latency.observe({ request, way: isForwarded ? 'forwarded' : 'here' }, seconds);
    if (topic === undefined) return;
    const label = this.topicLabel(topic);
    this.topicRequests.inc({ topic: label, request });
    if (bytesIn > 0) this.topicBytes.inc({ topic: label, direction: 'in' }, bytesIn);
    if (bytesOut > 0) this.topicBytes.inc({ topic: label, direction: 'out' }, bytesOut);
  }

  disk(op: TimedOp, seconds: number): void {
    this.diskLatency.observe({ op }, seconds);
  }

  event(event: string, reason: string | undefined): void {
    this.events.inc({ event });
    if (event === 'OwnerChanged') this.ownerChanges.inc({ reason });
  }

  private topicLabel(topic: string): string {
    if (this.topics.has(topic)) return topic;
    if (this.topics.size >= TOPICS_MAX) return 'other';
    this.topics.add(topic);
    return topic;
  }

  private addGauges(): void {
    const registers = [this.registry];
    const now = (): Measured => this.measured;
    for (const { name, help, read } of GAUGES) {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          const value = read(now());
          if (value === undefined) this.remove();
          else this.set(value);
        },
      });
    }
    for (const { name, help, read } of TOTALS) {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read(now()) ?? 0);
        },
      });
    }
    for (const { name, help, labelNames, read } of LABELLED) {
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          for (const [labels, value] of read(now().view)) this.set(labels, value);
        },
      });
    }
  }
}

interface Read {
  readonly name: string;
  readonly help: string;
  read(measured: Measured): number | undefined;
}

const numeric = (value: unknown): number => (typeof value === 'number' ? value : 0);

const GAUGES: readonly Read[] = [
  { name: 'walrus_ready', help: '1 if the node can serve', read: ({ isReady }) => Number(isReady) },
  {
    name: 'walrus_raft_term',
    help: "Raft's current term",
    read: ({ metrics }) => numeric(metrics.current_term),
  },
  {
    name: 'walrus_raft_leader',
    help: 'Id of the Raft leader, 0 if none is known',
    read: ({ metrics }) => numeric(metrics.current_leader),
  },
  {
    name: 'walrus_raft_last_log_index',
    help: 'Index of the last entry of the Raft log',
    read: ({ metrics }) => numeric(metrics.last_log_index),
  },
  {
    name: 'walrus_quorum',
    help: '1 if this node hears a majority of the voters',
    read: ({ view }) => quorum(view),
  },
  { name: 'walrus_topics', help: 'Topics of the cluster', read: ({ view }) => view?.topicCount },
  {
    name: 'walrus_short_segments',
    help: 'Segments of the cluster of which a copy is missing or on a silent node',
    read: ({ view }) => view?.shortSegments,
  },
  {
    name: 'walrus_repair_backlog_segments',
    help: 'Sealed segments of which the copy on this node is not whole',
    read: ({ view }) => view?.incompleteSegments,
  },
  {
    name: 'walrus_disk_full',
    help: '1 while the disk has no place for more',
    read: ({ diskIsFull }) => Number(diskIsFull),
  },
  {
    name: 'walrus_disk_free_bytes',
    help: 'Free bytes of the file system of the data directory',
    read: ({ diskFreeBytes }) => diskFreeBytes,
  },
  {
    name: 'walrus_log_files',
    help: 'Files of the log that something is needed of',
    read: ({ storage }) => storage?.files,
  },
  {
    name: 'walrus_log_bytes',
    help: 'What the files of the log take on the disk',
    read: ({ storage }) => storage?.logBytes,
  },
  {
    name: 'walrus_log_live_bytes',
    help: 'How much of the log is needed, as cleaning found it last',
    read: ({ storage }) => storage?.liveBytes,
  },
  {
    name: 'walrus_damaged_records',
    help: 'Records that cannot be read here until they are mended from another node',
    read: ({ damage }) => damage?.standing,
  },
  {
    name: 'walrus_client_connections',
    help: 'Client connections that are open',
    read: ({ connections }) => connections,
  },
  {
    name: 'walrus_requests_under_way',
    help: 'Requests of clients that are not answered yet',
    read: ({ underWay }) => underWay,
  },
];

/** Since the start. */
const TOTALS: readonly Read[] = [
  {
    name: 'walrus_log_written_bytes_total',
    help: 'Bytes written to the log',
    read: ({ storage }) => storage?.writtenBytes,
  },
  {
    name: 'walrus_log_syncs_total',
    help: 'Syncs of the log',
    read: ({ storage }) => storage?.syncs,
  },
  {
    name: 'walrus_log_moved_records_total',
    help: 'Records written again to empty files of the log',
    read: ({ storage }) => storage?.movedRecords,
  },
  {
    name: 'walrus_log_moved_bytes_total',
    help: 'Bytes of records written again to empty files of the log',
    read: ({ storage }) => storage?.movedBytes,
  },
  {
    name: 'walrus_damaged_records_found_total',
    help: 'Records found damaged',
    read: ({ damage }) => damage?.found,
  },
  {
    name: 'walrus_damaged_records_mended_total',
    help: 'Records mended',
    read: ({ damage }) => damage?.mended,
  },
];

type Labels = Record<string, string | number>;

const LABELLED: readonly {
  readonly name: string;
  readonly help: string;
  readonly labelNames: string[];
  read(view: NodeView | undefined): [Labels, number][];
}[] = [
  {
    name: 'walrus_member_up',
    help: '1 if this node hears the member',
    labelNames: ['member'],
    read: (view) => (view?.members ?? []).map(({ node, live }) => [{ member: node }, Number(live)]),
  },
  {
    name: 'walrus_owned_topics',
    help: 'Topics that the member owns, as this node knows',
    labelNames: ['member'],
    read: (view) => (view?.members ?? []).map(({ node, owns }) => [{ member: node }, owns]),
  },
  {
    name: 'walrus_topic_state',
    help: '0 open, 1 recovering, 2 stuck; of at most 100 topics, those with trouble first',
    labelNames: ['topic'],
    read: (view) =>
      (view?.topics ?? []).map(({ topic, state }) => [
        { topic },
        ['open', 'recovering', 'stuck'].indexOf(state),
      ]),
  },
  {
    name: 'walrus_topic_records',
    help: 'High watermark: records of the topic that may be read, as far as this node knows; of at most 100 topics',
    labelNames: ['topic'],
    read: (view) =>
      (view?.topics ?? []).flatMap(({ topic, records }) =>
        records === undefined ? [] : [[{ topic }, records]],
      ),
  },
  {
    name: 'walrus_topic_lag_records',
    help: 'Records that the group has still to take, as far as this node knows; of at most 100 topics and 10 groups of each',
    labelNames: ['topic', 'group'],
    read: (view) =>
      (view?.topics ?? []).flatMap(({ topic, records, groups }) =>
        records === undefined
          ? []
          : groups
              .slice(0, GROUPS_MAX)
              .map(({ group, offset }): [Labels, number] => [
                { topic, group },
                Math.max(0, records - offset),
              ]),
      ),
  },
];

function quorum(view: NodeView | undefined): number {
  const voters = view?.members.filter(({ voter }) => voter) ?? [];
  return Number(voters.filter(({ live }) => live).length * 2 > voters.length);
}

/** What is measured. The names are those of `--only` and of the results. */
export type Schedule = 'none' | '200ms' | 'each';

export interface AppendWorkload {
  readonly kind: 'append';
  readonly schedule: Schedule;
  /** Appends (or batches) in flight at a time. */
  readonly appenders: number;
  /** Records to a call. */
  readonly batch: number;
  /** `staged`: a promise for each thousand records in place of one for each. */
  readonly through: 'append' | 'stage';
  /** Ends after so many bytes, however long it takes, and without a warm-up; absent: after the time of a run. */
  readonly bytes?: number;
  /** The log keeps so many bytes, as one that is consumed does: what is older is trimmed as it goes on. Absent: all of them. */
  readonly keptBytes?: number;
}

export interface ReadWorkload {
  readonly kind: 'read';
  /**
   * `sequential`: all that is there, in batches of 1 MiB, again and again. `entries`: the same, one by one. `strict`: one by one, each
   * behind a cursor that is in the log first. `tail`: what a writer with 100 appends in flight writes.
   */
  readonly how: 'sequential' | 'entries' | 'strict' | 'tail';
  readonly schedule: Schedule;
  readonly readers: number;
}

export interface OpenWorkload {
  readonly kind: 'open';
  /** How the writer of 1.6 GB ended. */
  readonly after: 'close' | 'kill';
}

export type Workload = AppendWorkload | ReadWorkload | OpenWorkload;

export interface Measured {
  readonly name: string;
  readonly title: string;
  readonly workload: Workload;
  /** Names of `subjects.ts`; in the order of the table. */
  readonly subjects: readonly string[];
  /** Part of `--quick`. */
  readonly isSmoke?: boolean;
}

export const WALRUS: readonly string[] = ['walrus io_uring', 'walrus pwrite', 'walrus portable'];
const STORES = [
  'store io_uring direct',
  'store io_uring buffered',
  'store pwrite direct',
  'store pwrite buffered',
];
const DATABASES = ['lmdb', 'classic-level', 'better-sqlite3', 'rocksdb'];
const BUFFERED = ['raw memcpy', 'raw pwrite 256 KiB', 'raw pwrite 1 MiB', 'raw direct 1 MiB'];
const BRIEF = ['raw pwrite 256 KiB', 'raw direct 1 MiB'];
const SYNCED = [
  'raw write+fdatasync',
  'raw direct write+fdatasync',
  'raw direct write+fdatasync, new blocks',
];
const BULK = ['raw direct 256 KiB', 'raw direct 1 MiB', 'raw direct write+fdatasync'];
/** What can be given back as it goes on, and the limits. */
const CONSUMED = ['raw direct 1 MiB', 'raw direct 1 MiB, new blocks', ...WALRUS];
const KEPT_BYTES = 64 * 2 ** 20;
const UPSTREAM_THREADS = ['walrus-rust', 'walrus-rust 2 threads', 'walrus-rust 10 threads'];

function append(
  schedule: Schedule,
  appenders: number,
  subjects: readonly string[],
  more: {
    batch?: number;
    through?: 'stage';
    bytes?: number;
    keptBytes?: number;
    isSmoke?: boolean;
  } = {},
): Measured {
  const { batch = 1, through = 'append', bytes, keptBytes, isSmoke = false } = more;
  const size = bytes === undefined ? '' : `, ${bytes / 1e9} GB`;
  const kept = keptBytes === undefined ? '' : `, the last ${keptBytes / 2 ** 20} MiB kept`;
  const name = [
    schedule,
    bytes !== undefined
      ? 'sustained'
      : through === 'stage'
        ? 'staged'
        : batch > 1
          ? `batch-${batch}`
          : appenders,
    ...(keptBytes === undefined ? [] : ['consumed']),
  ];
  const what =
    through === 'stage'
      ? 'records staged, a promise for each 1,000'
      : batch > 1
        ? `batches of ${batch}, one in flight`
        : `${appenders.toLocaleString('en')} appender${appenders > 1 ? 's' : ''}`;
  const synced = { none: 'no fsync', '200ms': 'fsync every 200 ms', each: 'fsync each' }[schedule];
  return {
    name: name.join('-'),
    title: `${synced}, ${what}${size}${kept}`,
    workload: {
      kind: 'append',
      schedule,
      appenders,
      batch,
      through,
      ...(bytes === undefined ? {} : { bytes }),
      ...(keptBytes === undefined ? {} : { keptBytes }),
    },
    subjects,
    isSmoke,
  };
}

function read(
  how: ReadWorkload['how'],
  schedule: Schedule,
  title: string,
  subjects: readonly string[],
  readers = 1,
): Measured {
  const name = how === 'strict' ? `read-strict-${schedule}-${readers}` : `read-${how}`;
  return { name, title, workload: { kind: 'read', how, schedule, readers }, subjects };
}

export const WORKLOADS: readonly Measured[] = [
  append(
    'none',
    1000,
    [...BUFFERED, ...WALRUS, ...STORES, 'js log', ...DATABASES, ...UPSTREAM_THREADS],
    { isSmoke: true },
  ),
  append(
    'each',
    1000,
    [...BULK, ...WALRUS, ...STORES, 'js log', ...DATABASES, ...UPSTREAM_THREADS],
    { isSmoke: true },
  ),
  append('each', 1, [...SYNCED, ...WALRUS, ...STORES, 'js log', ...DATABASES, 'walrus-rust']),
  append('each', 100, [...BULK, ...WALRUS, 'js log', ...DATABASES, 'walrus-rust 10 threads']),
  append('none', 0, [...BUFFERED, ...WALRUS, 'js log'], { through: 'stage' }),
  append('each', 0, [...BULK, ...WALRUS, 'js log'], { through: 'stage' }),
  append(
    'none',
    0,
    ['raw direct 1 MiB', 'raw direct 1 MiB, new blocks', 'walrus io_uring', 'walrus pwrite'],
    { through: 'stage', bytes: 8e9 },
  ),
  ...(['none', 'each'] as const).flatMap((schedule) => [
    append(schedule, 1000, CONSUMED, { keptBytes: KEPT_BYTES }),
    append(schedule, 0, CONSUMED, { through: 'stage', keptBytes: KEPT_BYTES }),
  ]),
  append('each', 10, [...SYNCED, ...WALRUS, 'js log', 'rocksdb', 'walrus-rust 10 threads']),
  append('none', 1, [...BRIEF, ...WALRUS, 'js log', 'rocksdb', 'walrus-rust']),
  append('none', 100, [...BRIEF, ...WALRUS, 'js log', 'rocksdb']),
  append('200ms', 1000, [...BRIEF, ...WALRUS, 'js log', 'rocksdb', 'walrus-rust 10 threads']),
  append('none', 1, [...BRIEF, ...WALRUS, 'js log', ...DATABASES, 'walrus-rust'], {
    batch: 256,
  }),
  append('none', 1, [...BRIEF, ...WALRUS, 'js log', 'rocksdb', 'walrus-rust'], { batch: 2000 }),
  append('each', 1, [...BULK, ...WALRUS, 'js log', ...DATABASES, 'walrus-rust'], {
    batch: 256,
    isSmoke: true,
  }),
  read('sequential', 'none', 'sequential reads of sealed files in batches of 1 MiB', [
    'raw memcpy',
    ...WALRUS,
    'js log',
    ...DATABASES,
    'walrus-rust',
  ]),
  read('entries', 'none', 'sequential reads of sealed files, one by one', [
    'raw memcpy',
    ...WALRUS,
  ]),
  read('strict', '200ms', 'strict cursor, log at its default of fsync every 200 ms', [
    'raw write+fdatasync',
    ...WALRUS,
    'walrus-rust',
  ]),
  read('strict', 'each', 'strict cursor, fsync each', [
    'raw direct write+fdatasync',
    ...WALRUS,
    'walrus-rust',
  ]),
  read(
    'strict',
    'each',
    'strict cursor, fsync each, 100 reads in flight',
    ['raw direct write+fdatasync', ...WALRUS],
    100,
  ),
  {
    ...read('tail', 'none', 'a reader that keeps pace with 100 appenders', [...WALRUS]),
    isSmoke: true,
  },
  {
    name: 'open-closed',
    title: 'opening 1.6 GB that was closed',
    workload: { kind: 'open', after: 'close' },
    subjects: [...WALRUS, 'lmdb', 'rocksdb', 'walrus-rust'],
    isSmoke: true,
  },
  {
    name: 'open-killed',
    title: 'opening 1.6 GB whose writer was killed',
    workload: { kind: 'open', after: 'kill' },
    subjects: [...WALRUS, 'lmdb', 'rocksdb', 'walrus-rust'],
  },
];

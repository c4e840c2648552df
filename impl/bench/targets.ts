/** What the benchmarks must show, and whether they do. */
import {
  bandwidthOf,
  figuresOf,
  p50Of,
  rateOf,
  ratio,
  type SubjectResult,
  type WorkloadResult,
} from './results.ts';

export interface Verdict {
  readonly what: string;
  readonly target: string;
  readonly found: string;
  readonly verdict: 'met' | 'missed' | 'not measured';
}

/** The better of the two native ways counts. */
const NATIVE = ['walrus io_uring', 'walrus pwrite'];

export function judge(workloads: readonly WorkloadResult[]): Verdict[] {
  const in_ = (workload: string, subject: string) =>
    workloads.find(({ name }) => name === workload)?.subjects.find((it) => it.subject === subject);
  const bestOf = (workload: string, ways: readonly string[] = NATIVE): SubjectResult | undefined =>
    ways.flatMap((way) => in_(workload, way) ?? []).sort((a, b) => rate(b) - rate(a))[0];
  const upstream = (schedule: string): SubjectResult | undefined => {
    const runs = workloads
      .filter(
        ({ name, kind }) =>
          kind === 'append' && name.startsWith(`${schedule}-`) && !name.includes('batch'),
      )
      .flatMap(({ subjects }) =>
        subjects.filter(({ subject }) => subject.startsWith('walrus-rust')),
      );
    return runs.sort((a, b) => rate(b) - rate(a))[0];
  };
  const none = bestOf('none-1000');
  const staged = bestOf('none-staged');
  const raw = in_('none-1000', 'raw pwrite 256 KiB');
  const sustained = bestOf('none-sustained');
  const alone = bestOf('each-1');
  const hundred = in_('each-100', 'raw direct write+fdatasync');
  const thousand = bestOf('each-1000');
  const eachStaged = bestOf('each-staged');
  const stores = ['store io_uring direct', 'store pwrite direct'];
  const reads = bestOf('read-sequential');
  return [
    atLeast(
      'no fsync, 1,000 appenders',
      0.85,
      '× buffered pwrite of 256 KiB',
      ratio(none, raw, bandwidthOf),
    ),
    atLeast(
      'no fsync, staged',
      0.85,
      '× buffered pwrite of 256 KiB',
      ratio(staged, in_('none-staged', 'raw pwrite 256 KiB'), bandwidthOf),
    ),
    atLeast(
      'or: no fsync, staged, 8 GB',
      0.9,
      '× O_DIRECT of 1 MiB onto new blocks',
      ratio(sustained, in_('none-sustained', 'raw direct 1 MiB, new blocks'), bandwidthOf),
    ),
    atLeast(
      'the same',
      0.9,
      '× O_DIRECT of 1 MiB onto written blocks',
      ratio(sustained, in_('none-sustained', 'raw direct 1 MiB'), bandwidthOf),
    ),
    atMost('the same, cores', 0.7, 'cores', sustained && figuresOf(sustained)?.cores),
    atLeast(
      'no fsync, 1,000 appenders',
      5,
      '× the best of walrus-rust',
      ratio(none, upstream('none'), rateOf),
    ),
    atLeast(
      'no fsync, staged',
      5,
      '× the best of walrus-rust',
      ratio(staged, upstream('none'), rateOf),
    ),
    atLeast(
      'no fsync, 1,000 appenders',
      10,
      "× RocksDB's WAL",
      ratio(none, in_('none-1000', 'rocksdb'), rateOf),
    ),
    atLeast(
      'no fsync, 1,000 appenders',
      2.5,
      '× the rival in plain JS',
      ratio(none, in_('none-1000', 'js log'), rateOf),
    ),
    atLeast(
      'no fsync, staged',
      2.5,
      '× the rival in plain JS, staged',
      ratio(staged, in_('none-staged', 'js log'), rateOf),
    ),
    atMost(
      'fsync each, 1 appender, p50',
      1.3,
      '× raw direct write + fdatasync',
      ratio(alone, in_('each-1', 'raw direct write+fdatasync'), p50Of),
    ),
    atMost(
      'fsync each, 1 appender, p50',
      1.3,
      '× raw buffered write + fdatasync',
      ratio(alone, in_('each-1', 'raw write+fdatasync'), p50Of),
    ),
    atLeast(
      'fsync each, 100 in flight',
      20,
      '× the rate of one appender alone',
      ratio(bestOf('each-100'), alone, rateOf),
    ),
    atLeast(
      'fsync each, 100 in flight',
      20,
      '× raw direct write + fdatasync',
      ratio(bestOf('each-100'), hundred, rateOf),
    ),
    atLeast(
      'fsync each, 1,000 in flight',
      0.7,
      '× O_DIRECT of 1 MiB',
      ratio(thousand, in_('each-1000', 'raw direct 1 MiB'), bandwidthOf),
    ),
    atLeast(
      'fsync each, 1,000 in flight',
      20,
      '× the best of walrus-rust',
      ratio(thousand, upstream('each'), rateOf),
    ),
    atLeast(
      'fsync each, 1,000 in flight',
      1.8,
      '× the rival in plain JS',
      ratio(thousand, in_('each-1000', 'js log'), rateOf),
    ),
    atLeast(
      'fsync each, staged',
      0.7,
      '× O_DIRECT of 1 MiB',
      ratio(eachStaged, in_('each-staged', 'raw direct 1 MiB'), bandwidthOf),
    ),
    atLeast(
      'fsync each, staged',
      1.8,
      '× the rival in plain JS, staged',
      ratio(eachStaged, in_('each-staged', 'js log'), rateOf),
    ),
    atLeast(
      'fsync each, 1,000 in flight, consumed',
      0.7,
      '× O_DIRECT of 1 MiB',
      ratio(
        bestOf('each-1000-consumed'),
        in_('each-1000-consumed', 'raw direct 1 MiB'),
        bandwidthOf,
      ),
    ),
    atLeast(
      'fsync each, staged, consumed',
      0.7,
      '× O_DIRECT of 1 MiB',
      ratio(
        bestOf('each-staged-consumed'),
        in_('each-staged-consumed', 'raw direct 1 MiB'),
        bandwidthOf,
      ),
    ),
    atLeast(
      'promise API over the bare engine, no fsync, 1,000',
      0.5,
      '× its rate',
      ratio(none, bestOf('none-1000', stores), rateOf),
    ),
    atLeast(
      'promise API over the bare engine, fsync each, 1,000',
      0.5,
      '× its rate',
      ratio(thousand, bestOf('each-1000', stores), rateOf),
    ),
    atLeast('sequential reads of sealed files', 2e6, 'records/s', reads && rate(reads)),
    atLeast(
      'strict cursor, default schedule',
      20,
      "× upstream's",
      ratio(bestOf('read-strict-200ms-1'), in_('read-strict-200ms-1', 'walrus-rust'), rateOf),
    ),
    atLeast(
      'strict cursor, fsync each, one reader',
      20,
      "× upstream's",
      ratio(bestOf('read-strict-each-1'), in_('read-strict-each-1', 'walrus-rust'), rateOf),
    ),
    atLeast(
      'strict cursor, fsync each, 100 reads in flight',
      20,
      "× upstream's with one",
      ratio(bestOf('read-strict-each-100'), in_('read-strict-each-1', 'walrus-rust'), rateOf),
    ),
    atMost('opening 1.6 GB, closed', 100, 'ms', msOf(bestOf('open-closed'))),
    atMost('opening 1.6 GB, killed', 100, 'ms', msOf(bestOf('open-killed'))),
  ];
}

function rate(result: SubjectResult): number {
  return figuresOf(result)?.entriesPerSecond ?? 0;
}

function msOf(result: SubjectResult | undefined): number | undefined {
  return result && figuresOf(result)?.p50Ms;
}

function atLeast(what: string, least: number, unit: string, found: number | undefined): Verdict {
  return verdictOf(what, `≥ ${least.toLocaleString('en')} ${unit}`, found, (it) => it >= least);
}

function atMost(what: string, most: number, unit: string, found: number | undefined): Verdict {
  return verdictOf(what, `≤ ${most.toLocaleString('en')} ${unit}`, found, (it) => it <= most);
}

function verdictOf(
  what: string,
  target: string,
  found: number | undefined,
  isMet: (found: number) => boolean,
): Verdict {
  if (found === undefined) return { what, target, found: '', verdict: 'not measured' };
  return { what, target, found: format(found), verdict: isMet(found) ? 'met' : 'missed' };
}

function format(found: number): string {
  return found >= 1000 ? Math.round(found).toLocaleString('en') : found.toFixed(2);
}

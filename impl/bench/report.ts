/** The figures as tables: for the terminal and for Markdown. */
import Table from 'cli-table3';
import type { SubjectResult, WorkloadResult } from './results.ts';
import {
  bandwidthOf,
  type Figures,
  figuresOf,
  p50Of,
  type Results,
  rateOf,
  ratio,
} from './results.ts';
import { judge } from './targets.ts';

interface Column {
  readonly title: string;
  readonly text: (figures: Figures, result: SubjectResult) => string;
}

const NONE = '';

/** What a system does by itself. */
const QUIET_CORES = 0.3;

/** A table without lines: it is wide enough. */
const BARE = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left'],
    ...['bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
  ].map((part) => [part, '']),
);

function columnsOf(workload: WorkloadResult): Column[] {
  if (workload.kind === 'open') {
    return [
      { title: 'ms', text: ({ p50Ms }) => milliseconds(p50Ms) },
      {
        title: 'rounds, ms',
        text: (_, { samples }) =>
          samples.map((sample) => milliseconds(sample.latency?.p50)).join(' '),
      },
      {
        title: 'CPU s',
        text: (_, { samples }) =>
          number(samples.reduce((sum, it) => sum + it.cpuSeconds, 0) / samples.length),
      },
    ];
  }
  const raws = workload.subjects.filter(({ subject }) => subject.startsWith('raw '));
  const walrus = best(workload);
  return [
    { title: 'entries/s', text: ({ entriesPerSecond }) => count(entriesPerSecond) },
    { title: 'MB/s', text: ({ megabytesPerSecond }) => number(megabytesPerSecond) },
    ...raws.map((raw): Column => {
      const bySync = raw.subject.includes('fdatasync');
      return {
        title: `× ${raw.subject.slice(4)}`,
        text: (_, result) => number(ratio(result, raw, bySync ? rateOf : bandwidthOf)),
      };
    }),
    {
      title: 'Walrus is faster ×',
      text: (_, result) => (isOther(result.subject) ? number(ratio(walrus, result, rateOf)) : NONE),
    },
    { title: 'p50', text: ({ p50Ms }) => latency(p50Ms) },
    { title: 'p99', text: ({ p99Ms }) => latency(p99Ms) },
    { title: 'p99.9', text: ({ p999Ms }) => latency(p999Ms) },
    {
      title: 'CPU s/M',
      text: (figures, { subject }) =>
        subject.startsWith('raw ') ? NONE : number(figures.cpuSecondsPerMillion),
    },
    { title: 'cores', text: ({ cores }) => number(cores) },
    { title: 'bytes/byte', text: ({ spaceRatio }) => number(spaceRatio) },
    { title: 'spread', text: ({ spread }) => spread.map(number).join('-') },
  ];
}

function isOther(subject: string): boolean {
  return !/^(raw|walrus (io_uring|pwrite|portable)$)/.test(subject);
}

/** The faster of the two native ways: what `auto` should take. */
export function best(workload: WorkloadResult): SubjectResult | undefined {
  const ways = workload.subjects.filter(({ subject }) =>
    /^walrus (io_uring|pwrite)$/.test(subject),
  );
  const rate = (result: SubjectResult) => figuresOf(result)?.entriesPerSecond ?? 0;
  return ways.sort((a, b) => rate(b) - rate(a))[0];
}

function rowsOf(workload: WorkloadResult): { titles: string[]; rows: string[][] } {
  const columns = columnsOf(workload);
  const rows = workload.subjects.map((result) => {
    const figures = figuresOf(result);
    const cells = figures ? columns.map((column) => column.text(figures, result)) : [];
    return [result.subject, ...(figures ? cells : [`no figure: ${result.failure}`])];
  });
  return { titles: ['', ...columns.map(({ title }) => title)], rows };
}

export function terminalTable(workload: WorkloadResult): string {
  const { titles, rows } = rowsOf(workload);
  const table = new Table({
    head: titles,
    chars: BARE,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
    colAligns: titles.map((_, i) => (i === 0 ? 'left' : 'right')),
  });
  for (const row of rows) {
    const [name, reason] = row;
    if (row.length === titles.length) table.push(row);
    else table.push([name, { content: reason, colSpan: titles.length - 1, hAlign: 'left' }]);
  }
  return `\n${workload.name}: ${workload.title}; ${others(workload)}\n${table}`;
}

export function markdown(results: Results, pictureName: string): string {
  const { machine, conditions, workloads } = results;
  const lines = [
    '# Results',
    '',
    'Made by `make bench`; do not edit. What the columns mean and how it is measured: `README.md`. The samples of all rounds: `results.json`.',
    '',
    `![entries per second by workload](${pictureName})`,
    '',
    '## Where',
    '',
    ...Object.entries(machine).map(([name, value]) => `- ${name}: ${value}`),
    ...[...conditions, ...disturbances(workloads)].map((condition) => `- ${condition}`),
    '',
    '## Targets',
    '',
    '| what | target | found | |',
    '| --- | --- | --- | --- |',
    ...judge(workloads).map(
      ({ what, target, found, verdict }) => `| ${what} | ${target} | ${found} | ${verdict} |`,
    ),
    '',
    ...sideBySide(workloads),
  ];
  for (const workload of workloads) {
    const { titles, rows } = rowsOf(workload);
    lines.push(`## ${workload.name}: ${workload.title}`, '');
    lines.push(`${workload.date.slice(0, 16).replace('T', ' ')} UTC; ${others(workload)}.`, '');
    lines.push(`| ${titles.join(' | ')} |`, `| --- |${' ---: |'.repeat(titles.length - 1)}`);
    for (const row of rows) {
      const cells = titles.map((_, i) => row[i] ?? NONE);
      lines.push(`| ${cells.join(' | ')} |`);
    }
    lines.push('');
    const notes = workload.subjects.flatMap(({ subject, samples }) =>
      samples[0]?.note ? [`${subject}: ${samples[0].note}`] : [],
    );
    if (notes.length > 0) lines.push(`${notes.join('; ')}.`, '');
  }
  return lines.join('\n');
}

function others({ others: [before, after] }: WorkloadResult): string {
  const cores = `${before.cores.toFixed(1)} cores busy before, ${after.cores.toFixed(1)} after`;
  return `${cores}; load average ${before.load.toFixed(1)} and ${after.load.toFixed(1)}`;
}

/** Says so if something else ran beside what was measured. */
function disturbances(workloads: readonly WorkloadResult[]): string[] {
  const disturbed = workloads.filter((one) => one.others.some(({ cores }) => cores > QUIET_CORES));
  if (disturbed.length === 0) return [];
  const names = disturbed.map(({ name }) => name).join(', ');
  return [
    `**disturbed**: more than ${QUIET_CORES} cores were busy with something else around these, so they are no measure: ${names}`,
  ];
}

/** The two native ways on every workload. */
function sideBySide(workloads: readonly WorkloadResult[]): string[] {
  const rows = workloads.flatMap((workload) => {
    const way = (name: string) => workload.subjects.find(({ subject }) => subject === name)!;
    const [ring, plain] = [way('walrus io_uring'), way('walrus pwrite')];
    const [first, second] = [figuresOf(ring), figuresOf(plain)];
    if (first === undefined || second === undefined) return [];
    const isOpening = workload.kind === 'open';
    const shown = (of: Figures) => (isOpening ? latency(of.p50Ms) : count(of.entriesPerSecond));
    const quotient = isOpening ? ratio(plain, ring, p50Of) : ratio(ring, plain, rateOf);
    const cpu = (of: Figures) => (isOpening ? NONE : number(of.cpuSecondsPerMillion));
    const p50 = (of: Figures) => latency(of.p50Ms);
    const cells = [shown(first), shown(second), number(quotient), p50(first), p50(second)];
    return [`| ${[workload.name, ...cells, cpu(first), cpu(second)].join(' | ')} |`];
  });
  return [
    '## io_uring and pwrite',
    '',
    'Records per second (of openings the time), how many times faster io_uring is, p50, and seconds of processor time for a million records.',
    '',
    '|  | io_uring | pwrite | io_uring is faster × | p50 io_uring | p50 pwrite | CPU io_uring | CPU pwrite |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows,
    '',
  ];
}

function count(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function number(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return NONE;
  return value >= 100 ? count(value) : value.toFixed(value >= 10 ? 1 : 2);
}

function milliseconds(value: number | undefined): string {
  return number(value);
}

function latency(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return NONE;
  if (milliseconds >= 1) return `${number(milliseconds)} ms`;
  return `${(milliseconds * 1e3).toFixed(milliseconds >= 0.01 ? 0 : 1)} µs`;
}

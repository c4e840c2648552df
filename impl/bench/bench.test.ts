import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadNative } from '../../native/index.ts';
import { drive } from './drive.ts';
import { type Job, quantiles, type Sample } from './job.ts';
import { Payloads } from './payloads.ts';
import { figuresOf, median, type Results, rateOf, ratio } from './results.ts';
import type { Log, Subject } from './subject.ts';
import { jsLog } from './subjects/js-log.ts';
import { judge } from './targets.ts';
import { WORKLOADS } from './workloads.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'walrus-bench-test-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function job(): Job {
  const { workload } = WORKLOADS.find(({ name }) => name === 'none-100')!;
  const sizes = { seconds: 0.02, maxBytes: 1e6, seed: 'test', poolFile: '' };
  return { subject: 'test', workload, directory, phase: 'run', ...sizes };
}

/** The rival, but its reads go through `change`. */
function readingWrong(change: (data: Uint8Array, index: number) => Uint8Array[]): Subject {
  return {
    async open(path, schedule): Promise<Log> {
      const log = await jsLog.open(path, schedule);
      let index = 0;
      return {
        append: (data) => log.append(data),
        appendBatch: (records) => log.appendBatch(records),
        readAll: (visit) =>
          log.readAll((data) => {
            for (const one of change(data, index++)) visit(one);
          }),
        close: () => log.close(),
      };
    },
  };
}

describe('a figure counts only if all that was written is there', () => {
  test('it is', async () => {
    const sample = await drive(jsLog, false, job());
    expect(sample.verified).toBeGreaterThan(sample.entries);
    expect(sample.entries).toBeGreaterThan(0);
  });

  test('a record is missing', async () => {
    const lossy = readingWrong((data, index) => (index === 50 ? [] : [data]));
    await expect(drive(lossy, false, job())).rejects.toThrow('record 50 came back as other bytes');
  });

  test('it is, where staging is refused now and then', async () => {
    const { workload } = WORKLOADS.find(({ name }) => name === 'none-staged')!;
    let calls = 0;
    const refusing: Subject = {
      async open(path, schedule): Promise<Log> {
        const log = await jsLog.open(path, schedule);
        return {
          append: (data) => log.append(data),
          appendBatch: (records) => log.appendBatch(records),
          stage(data) {
            if (++calls % 700 === 0) throw Object.assign(new Error('full'), { code: 'Overloaded' });
            log.stage!(data);
          },
          acknowledged: () => log.acknowledged!(),
          readAll: (visit) => log.readAll(visit),
          close: () => log.close(),
        };
      },
    };
    const sample = await drive(refusing, false, { ...job(), workload });
    expect(calls).toBeGreaterThan(700);
    expect(sample.verified).toBeGreaterThan(700);
  });

  test('the last records are missing', async () => {
    const lossy = readingWrong((data, index) => (index >= 99 ? [] : [data]));
    await expect(drive(lossy, false, job())).rejects.toThrow('were acknowledged and 99 are there');
  });

  test('a bit is other than it was', async () => {
    const flipping = readingWrong((data, index) => {
      const other = data.slice();
      if (index === 7) other[100]! ^= 1;
      return [other];
    });
    await expect(drive(flipping, false, job())).rejects.toThrow(
      'record 7 came back as other bytes',
    );
  });
});

describe('figures', () => {
  const sample = (entries: number, seconds: number): Sample => ({
    entries,
    seconds,
    payloadBytes: entries * 750,
    cpuSeconds: seconds / 2,
    verified: entries,
  });

  test('quantiles are exact', () => {
    const latencies = Array.from({ length: 1000 }, (_, i) => 1000 - i);
    expect(quantiles(latencies)).toEqual({ p50: 501, p99: 991, p999: 1000 });
    expect(quantiles([])).toBeUndefined();
  });

  test('the median of an even number lies between', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([9, 1, 5])).toBe(5);
  });

  test('a ratio is taken within rounds', () => {
    const ours = { subject: 'a', samples: [sample(100, 1), sample(10, 1), sample(1000, 1)] };
    const theirs = { subject: 'b', samples: [sample(50, 1), sample(5, 1), sample(100, 1)] };
    expect(ratio(ours, theirs, rateOf)).toBe(2);
    expect(ratio(ours, undefined, rateOf)).toBeUndefined();
  });

  test('processor time is told for a million records', () => {
    const figures = figuresOf({ subject: 'a', samples: [sample(500_000, 1)] })!;
    expect(figures.cpuSecondsPerMillion).toBe(1);
    expect(figures.cores).toBe(0.5);
  });

  test('what was not measured is not met', () => {
    expect(new Set(judge([]).map(({ verdict }) => verdict))).toEqual(new Set(['not measured']));
  });
});

describe('payloads', () => {
  test('each index has bytes of its own, and the same ones again', () => {
    const payloads = new Payloads('seed');
    const first = Buffer.from(payloads.at(3));
    expect(payloads.at(3 + 4096).equals(first)).toBe(false);
    expect(payloads.at(3).equals(first)).toBe(true);
    expect(() => payloads.check(4096 + 3, first)).toThrow('record 4099');
  });

  test('are between 500 and 1,024 bytes', () => {
    const payloads = new Payloads('seed');
    const lengths = Array.from({ length: 4096 }, (_, i) => payloads.at(i).length);
    expect(Math.min(...lengths)).toBe(500);
    expect(Math.max(...lengths)).toBe(1024);
  });
});

test('the bars of the picture are as long as the figures say', () => {
  const read = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');
  const { workloads } = JSON.parse(read('results.json')) as Results;
  const bars = [
    ...read('results.svg').matchAll(/aria-label="([^"]*)"[^>]* d="M0,[\d.]+h([\d.]+)v/g),
  ];
  const titles = [...read('results.svg').matchAll(/role-title[\s\S]*?<text[^>]*>([^<]+)/g)];
  const rates = titles
    .flatMap(([, title]) => workloads.filter((workload) => workload.title === title))
    .flatMap(({ subjects }) => subjects.filter(({ subject }) => !/^(raw|store) /.test(subject)))
    .flatMap((result) => figuresOf(result)?.entriesPerSecond ?? []);
  expect(rates.length).toBeGreaterThan(30);
  expect(bars).toHaveLength(rates.length);
  // The axis is logarithmic: each factor of ten is as long as any other.
  const lengths = bars.map(([, , length]) => Number(length));
  const [longest, shortest] = [Math.max(...lengths), Math.min(...lengths)];
  const [most, least] = [Math.max(...rates), Math.min(...rates)];
  const decade = (longest - shortest) / Math.log10(most / least);
  expect(decade).toBeGreaterThan(20);
  for (const [i, rate] of rates.entries()) {
    const length = shortest + decade * Math.log10(rate / least);
    expect(Math.abs(lengths[i]! - length), bars[i]![1]).toBeLessThan(0.5);
  }
});

test('a quick run goes from end to end and writes its results', () => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  const options = ['--quick', '--no-peers', '--only', 'none-100,read-tail', '--dir', directory];
  const out = join(directory, 'out');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', main, ...options, '--out', out],
    { encoding: 'utf8' },
  );
  if ('unavailable' in loadNative()) {
    // Then the native ways have no figure, and the run says so.
    expect(stdout).toContain('no figure');
    expect(status).toBe(1);
  } else {
    expect(stderr + stdout).not.toContain('no figure');
    expect(status).toBe(0);
  }
  expect(readFileSync(join(out, 'RESULTS.md'), 'utf8')).toContain('| walrus portable |');
  const results = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')) as Results;
  expect(results.workloads.map(({ name }) => name)).toEqual(['none-100', 'read-tail']);
  // What was written to be measured is gone.
  expect(readdirSync(directory)).toEqual(['out']);
});

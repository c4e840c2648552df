/** `walrus bench`: how fast running nodes take records. What it wrote is read back and compared before a figure is shown. */
import { randomBytes } from 'node:crypto';
import { type Command, Option } from 'commander';
import { formatAddress } from '../client/address.ts';
import { WalrusClient } from '../client/client.ts';
import { addClientFlags, type ClientFlags, fail } from '../client/commands.ts';
import { CLIENT_EXIT } from '../client/exit-code.ts';
import { bytes } from '../client/status.ts';
import { WalrusError } from '../core/errors.ts';
import { Ledger } from './ledger.ts';
import { counted, wholeFrom } from './numbers.ts';
import { Progress } from './progress.ts';

interface BenchFlags extends ClientFlags {
  readonly connections: number;
  readonly depth: number;
  readonly size: number;
  readonly seconds: number;
  readonly keep?: true;
}

interface Figures {
  readonly topic: string;
  readonly connections: number;
  readonly depth: number;
  readonly sizeBytes: number;
  readonly seconds: number;
  readonly acknowledged: number;
  /** Nobody knows whether they were written. */
  readonly unknown: number;
  /** By code. Nothing was written. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly recordsPerSecond: number;
  readonly bytesPerSecond: number;
  /** From call to acknowledgement, in milliseconds. */
  readonly latencyMs: {
    readonly p50: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
  readonly readPerSecond: number;
}

/** Fetches under way while all is read back. */
const AHEAD = 256;

export function addBenchCommand(program: Command): void {
  const number = (
    flags: string,
    what: string,
    least: number,
    most: number,
    value: number,
  ): Option => new Option(flags, what).default(value).argParser(wholeFrom(least, most));
  addClientFlags(program.command('bench'))
    .description('write to a topic of its own, read all back, compare, and show how fast it was')
    .addOption(number('--connections <n>', 'connections, spread over the nodes', 1, 1_000, 16))
    .addOption(number('--depth <n>', 'records under way on each', 1, 1_000, 8))
    .addOption(number('--size <bytes>', 'of a record', 24, 60_000, 100))
    .addOption(number('--seconds <n>', 'how long it writes', 1, 86_400, 10))
    .option('--keep', 'leave the topic there')
    .action(async (flags: BenchFlags) => {
      process.exitCode = await bench(flags);
    });
}

async function bench(flags: BenchFlags): Promise<number> {
  const addresses = flags.addr.map(formatAddress);
  const topic = `bench-${randomBytes(4).toString('hex')}`;
  const client = new WalrusClient({ addresses, requestTimeoutMs: flags.timeout });
  try {
    await client.register(topic);
    const ledger = new Ledger(flags.connections, flags.size);
    const written = await write(topic, addresses, flags, ledger);
    const readPerSecond = await readBack(client, topic, ledger);
    if (!flags.keep) await client.delete(topic);
    const { missing, repeated, foreign } = ledger.disagreement();
    if (missing + repeated + foreign > 0) {
      process.stderr.write(
        `Error: what was read is not what was written, so no figure counts: ${missing} acknowledged and missing, ${repeated} there twice, ${foreign} not as sent\n`,
      );
      return CLIENT_EXIT.bug;
    }
    const figures: Figures = { topic, ...written, readPerSecond };
    process.stdout.write(flags.json ? `${JSON.stringify(figures)}\n` : shown(figures));
    return CLIENT_EXIT.done;
  } catch (error) {
    if (!(error instanceof WalrusError)) throw error;
    fail(flags, error, { kind: 'register', topic });
    return process.exitCode as number;
  } finally {
    await client.close();
  }
}

async function write(
  topic: string,
  addresses: readonly string[],
  { connections, depth, size, seconds, timeout }: BenchFlags,
  ledger: Ledger,
): Promise<Omit<Figures, 'topic' | 'readPerSecond'>> {
  const latenciesMs: number[] = [];
  const refusals: Record<string, number> = {};
  const startMs = performance.now();
  const untilMs = startMs + seconds * 1000;
  const progress = new Progress(
    () =>
      `${counted(latenciesMs.length, 'record')} in ${Math.round((performance.now() - startMs) / 1000)} s of ${seconds}`,
  );
  const clients = Array.from({ length: connections }, (_, index) => {
    const first = index % addresses.length;
    return new WalrusClient({
      addresses: [...addresses.slice(first), ...addresses.slice(0, first)],
      requestTimeoutMs: timeout,
      // Each refusal is counted, and each record is sent once.
      retryForMs: 0,
    });
  });
  const writeAsOne = async (writer: number): Promise<void> => {
    while (performance.now() < untilMs) {
      const { sequence, payload } = ledger.next(writer);
      const sentMs = performance.now();
      try {
        await clients[writer]!.put(topic, payload);
        latenciesMs.push(performance.now() - sentMs);
        ledger.told(writer, sequence, 'acknowledged');
      } catch (error) {
        if (!(error instanceof WalrusError)) throw error;
        const isUnknown = error.committed === 'unknown';
        ledger.told(writer, sequence, isUnknown ? 'unknown' : 'refused');
        if (!isUnknown) refusals[error.code] = (refusals[error.code] ?? 0) + 1;
      }
    }
  };
  await Promise.all(
    Array.from({ length: connections * depth }, (_, index) => writeAsOne(index % connections)),
  );
  const tookSeconds = (performance.now() - startMs) / 1000;
  progress.end();
  for (const each of clients) await each.close();
  latenciesMs.sort((a, b) => a - b);
  const quantile = (share: number): number =>
    latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(latenciesMs.length * share))] ?? 0;
  const acknowledged = ledger.count('acknowledged');
  return {
    ...{ connections, depth, sizeBytes: size, seconds: tookSeconds },
    acknowledged,
    unknown: ledger.count('unknown'),
    refusals,
    recordsPerSecond: acknowledged / tookSeconds,
    bytesPerSecond: (acknowledged * size) / tookSeconds,
    latencyMs: {
      p50: quantile(0.5),
      p99: quantile(0.99),
      p999: quantile(0.999),
      max: quantile(1),
    },
  };
}

/** Shows all records to the ledger; gives how many a second. */
async function readBack(client: WalrusClient, topic: string, ledger: Ledger): Promise<number> {
  const startMs = performance.now();
  let read = 0;
  const progress = new Progress(() => `${counted(read, 'record')} read back`);
  try {
    for (;;) {
      const answers = await Promise.all(
        Array.from({ length: AHEAD }, (_, ahead) => client.fetch(topic, read + ahead)),
      );
      const end = answers.indexOf(undefined);
      const batch = end < 0 ? answers : answers.slice(0, end);
      for (const each of batch) ledger.seen(each!.payload);
      read += batch.length;
      if (end >= 0) return (read / (performance.now() - startMs)) * 1000;
    }
  } finally {
    progress.end();
  }
}

function shown(figures: Figures): string {
  const { connections, depth, sizeBytes, seconds, acknowledged, unknown, refusals } = figures;
  const { p50, p99, p999, max } = figures.latencyMs;
  const ms = (value: number): string => `${value.toFixed(value < 10 ? 2 : 0)} ms`;
  const refused = Object.entries(refusals).map(([code, count]) => `${count} ${code}`);
  const rate = (value: number): string => Math.round(value).toLocaleString('en-US');
  const rows = [
    [
      'load',
      `${counted(connections, 'connection')}, ${depth} records under way on each, ${sizeBytes} bytes a record`,
    ],
    ['written', `${counted(acknowledged, 'record')} in ${seconds.toFixed(1)} s`],
    ['rate', `${rate(figures.recordsPerSecond)} records/s, ${bytes(figures.bytesPerSecond)}/s`],
    ['latency', `p50 ${ms(p50)}, p99 ${ms(p99)}, p99.9 ${ms(p999)}, max ${ms(max)}`],
    ['unknown', counted(unknown, 'record')],
    ['refused', refused.length === 0 ? 'none' : refused.join(', ')],
    ['read back', `all, and as written: ${rate(figures.readPerSecond)} records/s`],
  ];
  return rows.map(([name, value]) => `${name!.padEnd(11)}${value}\n`).join('');
}

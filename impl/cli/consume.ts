/** `walrus consume`: records become lines of stdout. It takes nothing from other readers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { formatAddress } from '../client/address.ts';
import { WalrusClient } from '../client/client.ts';
import { addClientFlags, type ClientFlags, fail } from '../client/commands.ts';
import { CLIENT_EXIT } from '../client/exit-code.ts';
import { WalrusError } from '../core/errors.ts';
import { counted, wholeFrom } from './numbers.ts';
import { Progress } from './progress.ts';

interface ConsumeFlags extends ClientFlags {
  readonly from: number | 'start' | 'end';
  readonly count?: number;
  readonly follow?: true;
}

/** Fetches under way at one time. */
const AHEAD = 64;
/** How long a reader waits at the end of a topic before it asks again. */
const POLL_MS = 100;

export function addConsumeCommand(program: Command): void {
  const from = new Option(
    '--from <offset>',
    'an offset, start (what is kept), or end (what comes from now on)',
  )
    .default('start')
    .argParser((text) => (text === 'start' || text === 'end' ? text : readOffset(text)));
  const count = new Option('--count <n>', 'show so many and end').argParser(
    wholeFrom(1, Number.MAX_SAFE_INTEGER),
  );
  addClientFlags(program.command('consume <topic>'))
    .description('show the records of a topic, one a line; takes nothing from other readers')
    .addOption(from)
    .addOption(count)
    .option('--follow', 'wait for more at the end, until Ctrl-C')
    .action(async (topic: string, flags: ConsumeFlags) => {
      const client = new WalrusClient({
        addresses: flags.addr.map(formatAddress),
        requestTimeoutMs: flags.timeout,
      });
      try {
        await consume(client, topic, flags);
        process.exitCode = CLIENT_EXIT.done;
      } catch (error) {
        if (!(error instanceof WalrusError)) throw error;
        fail(flags, error, { kind: 'fetch', topic, segment: 1, offset: 0 });
      } finally {
        await client.close();
      }
    });
}

function readOffset(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('expected an offset, from 0 on, or: start, end');
}

async function consume(client: WalrusClient, topic: string, flags: ConsumeFlags): Promise<void> {
  let stopped = false;
  const stop = (): void => {
    stopped = true;
  };
  process.once('SIGINT', stop).once('SIGTERM', stop);
  let offset = await placeOf(client, topic, flags.from);
  let left = flags.count ?? Number.POSITIVE_INFINITY;
  let shown = 0;
  const progress = new Progress(() =>
    process.stdout.isTTY === true ? '' : `${counted(shown, 'record')} read`,
  );
  try {
    while (left > 0 && !stopped) {
      const batch = await fetchRun(client, topic, offset, Math.min(left, AHEAD));
      for (const payload of batch) {
        const line = flags.json ? JSON.stringify({ offset, payload }) : payload;
        // A reader that is slower than the cluster is waited for.
        if (!process.stdout.write(`${line}\n`)) await drained();
        offset++;
        left--;
        shown++;
      }
      if (batch.length > 0) continue;
      if (!flags.follow) break;
      await sleep(POLL_MS);
    }
  } finally {
    progress.end();
  }
}

/** The records from `offset` on, so many at most, up to the first that is not there. */
async function fetchRun(
  client: WalrusClient,
  topic: string,
  offset: number,
  count: number,
): Promise<string[]> {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, ahead) => client.fetch(topic, offset + ahead)),
  );
  const end = answers.indexOf(undefined);
  return (end < 0 ? answers : answers.slice(0, end)).map((each) => each!.payload);
}

function drained(): Promise<void> {
  return new Promise((resolve) => process.stdout.once('drain', () => resolve()));
}

async function placeOf(
  client: WalrusClient,
  topic: string,
  from: ConsumeFlags['from'],
): Promise<number> {
  if (from === 'end') return endOf(client, topic);
  return from === 'start' ? startOf(client, topic) : from;
}

/** The offset of the first record that is kept. */
async function startOf(client: WalrusClient, topic: string): Promise<number> {
  try {
    await client.fetch(topic, 0);
    return 0;
  } catch (error) {
    if (error instanceof WalrusError && error.start !== undefined) return error.start;
    throw error;
  }
}

/** The offset that the next record will have: offsets are dense, so it is found by halving. */
async function endOf(client: WalrusClient, topic: string): Promise<number> {
  const start = await startOf(client, topic);
  const isThere = async (offset: number): Promise<boolean> =>
    (await client.fetch(topic, offset)) !== undefined;
  let step = 1;
  while (await isThere(start + step - 1)) step *= 2;
  let low = start + Math.floor(step / 2);
  let high = start + step - 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await isThere(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

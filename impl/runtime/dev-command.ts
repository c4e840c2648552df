/** `walrus dev`: a whole cluster in one terminal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Command, InvalidArgumentError } from 'commander';
import { WalrusClient } from '../client/client.ts';
import { printable } from '../client/printable.ts';

interface DevOptions {
  readonly nodes: number;
  readonly dataDir?: string;
  readonly clientPort: number;
  readonly raftPort: number;
  /** Absent: as the nodes choose it. */
  readonly httpPort?: string;
  readonly logLevel: string;
}

interface DevNode {
  readonly id: number;
  readonly client: string;
  readonly args: readonly string[];
  child: ChildProcess;
  running: boolean;
}

const COLOURS = [36, 33, 35, 32, 34, 31, 37];

export function addDevCommand(program: Command): void {
  program
    .command('dev')
    .description('run a cluster in this terminal; Ctrl-C ends it')
    .option('--nodes <n>', 'how many', wholeFrom(1, 7), 3)
    .option('--data-dir <dir>', 'keep the data here (default: thrown away at the end)')
    .option('--client-port <port>', 'of node 1; the others follow', wholeFrom(1, 65_000), 9091)
    .option('--raft-port <port>', 'of node 1; the others follow', wholeFrom(1, 65_000), 6001)
    .option('--http-port <port>', 'off: no metrics and no status (default: client port + 100)')
    .option('--log-level <level>', "of the nodes' logs", 'info')
    .action(async (options: DevOptions) => {
      process.exitCode = await runDev(options);
    });
}

function wholeFrom(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}`);
  };
}

async function runDev(options: DevOptions): Promise<number> {
  const kept = options.dataDir;
  const dataDir = kept ?? mkdtempSync(join(tmpdir(), 'walrus-dev-'));
  let up = false;
  let leaving = false;
  // While all leave, that each in turn misses the others is no news.
  const hear = (id: number, line: string): void => {
    if (!leaving || isFatal(line)) say(id, readable(line));
  };
  const nodes = Array.from({ length: options.nodes }, (_, index) =>
    startDevNode(index + 1, dataDir, options, hear),
  );
  const leave = (): void => {
    leaving = true;
    for (const node of nodes) node.child.kill('SIGTERM');
  };
  process.on('SIGINT', leave).on('SIGTERM', leave).on('SIGHUP', leave);
  process.stdout.on('error', leave); // Who read this has gone: `walrus dev | head`.
  const ended = Promise.all(
    nodes.map(
      (node) =>
        new Promise<number>((resolve) => {
          node.child.on('close', (code, signal) => {
            node.running = false;
            say(node.id, `ended (${signal ?? `code ${code}`})`);
            // Killed by hand is fine while the others go on; before all were up, nothing is.
            resolve(leaving ? 0 : (code ?? (up ? 0 : 1)));
            if (leaving) return;
            if (up) say(node.id, `to start it again: ${commandLine(node.args)}`);
            else leave(); // A cluster that lacks a node from the beginning is not what was asked for.
          });
        }),
    ),
  );
  const client = new WalrusClient({ addresses: nodes.map((node) => node.client) });
  untilReady(nodes, client).then((ready) => {
    if (!ready) return;
    up = true;
    announce(nodes, dataDir, kept !== undefined);
  });
  const codes = await ended;
  await client.close();
  if (kept === undefined) rmSync(dataDir, { recursive: true, force: true });
  return Math.max(...codes);
}

function startDevNode(
  id: number,
  dataDir: string,
  options: DevOptions,
  hear: (id: number, line: string) => void,
): DevNode {
  const raftPort = options.raftPort + id - 1;
  const clientPort = options.clientPort + id - 1;
  const join = id === 1 ? [] : ['--join', `127.0.0.1:${options.raftPort}`];
  const args = [
    process.argv[1]!,
    'node',
    ...['--node-id', `${id}`, '--data-dir', dataDir, '--log-level', options.logLevel],
    ...['--raft-port', `${raftPort}`, '--client-port', `${clientPort}`, ...join],
    ...(options.httpPort === undefined ? [] : ['--http-port', options.httpPort]),
  ];
  // In a directory that was made just now there is no other cluster that the first node could hear of.
  const found = options.dataDir === undefined ? ['--found-after-ms', '0'] : [];
  // A process group of its own: Ctrl-C reaches the nodes through us, once.
  const child = spawn(process.execPath, [...process.execArgv, ...args, ...found], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  createInterface({ input: child.stdout }).on('line', (line) => hear(id, line));
  createInterface({ input: child.stderr }).on('line', (line) => say(id, line));
  return { id, client: `127.0.0.1:${clientPort}`, args, child, running: true };
}

/** True when all nodes can be given segments, false when one ended before that. */
async function untilReady(nodes: readonly DevNode[], client: WalrusClient): Promise<boolean> {
  while (nodes.every((node) => node.running)) {
    // No answer yet is a node that still starts, however long this machine takes for it.
    const metrics = await client.metrics().catch(() => undefined);
    const holders = (metrics?.segment_holders ?? []) as readonly number[];
    if (metrics?.current_leader !== null && holders.length === nodes.length) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

function announce(nodes: readonly DevNode[], dataDir: string, kept: boolean): void {
  const addresses = nodes.map(({ client }) => client).join(',');
  // The commands ask 9091, 9092 and 9093 unless they are told otherwise.
  const isFoundByDefault = nodes.some(({ client }) => client === '127.0.0.1:9091');
  process.stdout.write(
    [
      '',
      `${nodes.length} nodes are up, data in ${dataDir}${kept ? '' : ' (removed at the end)'}`,
      ...nodes.map(({ id, client: at, child }) => `  node ${id}  clients ${at}  pid ${child.pid}`),
      '',
      'try in another terminal (npx walrus in a checkout):',
      ...(isFoundByDefault ? [] : [`  export WALRUS_ADDR=${addresses}`]),
      '  walrus register logs       make a topic',
      '  walrus put logs hello      append a record',
      '  walrus get logs            take the next one',
      '  walrus status --watch      see that all is right, and what is not',
      '  walrus repl                all of it, line by line; help lists the words',
      `  kill -9 ${String(nodes[0]!.child.pid).padEnd(18)} and see it go on`,
      'Ctrl-C ends all.',
      '',
      '',
    ].join('\n'),
  );
}

function say(id: number, text: string): void {
  const prefix = `node ${id} |`;
  const shown = process.stdout.isTTY
    ? `\u001b[${COLOURS[(id - 1) % COLOURS.length]}m${prefix}\u001b[0m`
    : prefix;
  process.stdout.write(`${shown} ${text}\n`);
}

function entryOf(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined; // Node.js itself says something.
  }
}

function isFatal(line: string): boolean {
  const entry = entryOf(line);
  return entry === undefined || (typeof entry.level === 'number' && entry.level >= 60);
}

/** A line of the node's log for people: time, message, the rest as key=value. */
function readable(line: string): string {
  const entry = entryOf(line);
  if (entry === undefined) return line;
  const { level, time, node: _, msg, event, ...rest } = entry;
  // The sentence of an event has its facts.
  const details = Object.entries(event === undefined ? rest : {}).map(
    ([key, value]) => `${key}=${String(value)}`,
  );
  const urgent = typeof level === 'number' && level >= 40 ? '! ' : '';
  return printable([String(time).slice(11, 23), `${urgent}${String(msg)}`, ...details].join(' '));
}

function commandLine(args: readonly string[]): string {
  return ['node', ...args].join(' ');
}

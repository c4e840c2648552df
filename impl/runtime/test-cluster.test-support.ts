/** A cluster of real processes on this machine, for tests that kill them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClientOptions, type Metrics, WalrusClient } from '../client/client.ts';
import { freePorts } from './free-ports.test-support.ts';

/** The program as it is built. */
export const PROGRAM: string = new URL('../../dist/impl/runtime/main.js', import.meta.url).pathname;

export interface ClusterOptions {
  readonly nodes?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** Each node writes `trace-N.ndjson` in the cluster's directory. */
  readonly trace?: boolean;
  /** Is given the cluster's directory before any node starts. */
  readonly prepare?: (directory: string) => void;
  /** Of node 1; the others follow. Free ones are drawn otherwise. */
  readonly ports?: { readonly client: number; readonly raft: number };
  /** Where each node runs; all on this machine unless told otherwise. */
  readonly machine?: (id: number) => TestMachine;
}

/** A host of its own for a node, such as a network namespace. */
export interface TestMachine {
  readonly host: string;
  /** What a command is put behind so that it runs there. */
  readonly command: readonly string[];
}

export interface TestNode {
  readonly id: number;
  readonly clientPort: number;
  readonly raftPort: number;
  readonly address: string;
  readonly raftAddress: string;
  process: ChildProcess | undefined;
  /** All that it has written to stdout and stderr, in all its lives. */
  log: string;
}

export class TestCluster {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'walrus-cluster-'));
  readonly nodes: TestNode[] = [];
  private readonly options: ClusterOptions;
  private readonly clients: WalrusClient[] = [];

  /** Resolves when all nodes can be given segments and know the leader. */
  static async start(options: ClusterOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster(options);
    const count = options.nodes ?? 3;
    const [drawn] = options.ports === undefined ? await freePorts(count * 2) : [];
    const first = options.ports ?? { client: drawn!, raft: drawn! + count };
    for (let id = 1; id <= count; id++) {
      const host = options.machine?.(id).host ?? '127.0.0.1';
      const clientPort = first.client + id - 1;
      const raftPort = first.raft + id - 1;
      cluster.nodes.push({
        ...{ id, clientPort, raftPort },
        address: `${host}:${clientPort}`,
        raftAddress: `${host}:${raftPort}`,
        process: undefined,
        log: '',
      });
    }
    try {
      options.prepare?.(cluster.directory);
      // There is no other cluster that the first node could hear of.
      for (const { id } of cluster.nodes) cluster.launch(id, ['--found-after-ms', '0']);
      await cluster.ready();
    } catch (error) {
      await cluster.destroy();
      throw error;
    }
    return cluster;
  }

  private constructor(options: ClusterOptions) {
    this.options = options;
  }

  node(id: number): TestNode {
    return this.nodes[id - 1]!;
  }

  traceFile(id: number): string {
    return join(this.directory, `trace-${id}.ndjson`);
  }

  addresses(first = 1): string[] {
    const addresses = this.nodes.map((node) => node.address);
    return [...addresses.slice(first - 1), ...addresses.slice(0, first - 1)];
  }

  /** A client of all nodes that begins with `first`; closed with the cluster. */
  client(first = 1, options: Omit<ClientOptions, 'addresses'> = {}): WalrusClient {
    const client = new WalrusClient({ addresses: this.addresses(first), ...options });
    this.clients.push(client);
    return client;
  }

  /** A client of one node only. */
  clientOf(id: number, options: Omit<ClientOptions, 'addresses'> = {}): WalrusClient {
    const client = new WalrusClient({ addresses: [this.node(id).address], ...options });
    this.clients.push(client);
    return client;
  }

  launch(id: number, flags: readonly string[] = []): ChildProcess {
    const node = this.node(id);
    const seeds = id === 1 ? [] : ['--join', this.node(1).raftAddress];
    const machine = this.options.machine?.(id);
    const hosts =
      machine === undefined ? [] : ['--raft-host', machine.host, '--client-host', '0.0.0.0'];
    const [program, ...behind] = [...(machine?.command ?? []), process.execPath, PROGRAM];
    const trace = this.options.trace ? ['--trace-file', this.traceFile(id)] : [];
    const child = spawn(
      program!,
      [
        ...behind,
        'node',
        ...['--node-id', `${id}`, '--data-dir', this.directory],
        ...['--raft-port', `${node.raftPort}`, '--client-port', `${node.clientPort}`],
        // The system draws a free one.
        ...['--http-port', '0'],
        ...hosts,
        ...seeds,
        ...trace,
        ...(this.options.flags ?? []),
        ...flags,
      ],
      { env: { ...process.env, ...this.options.env }, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const keep = (chunk: Buffer): void => {
      node.log += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    node.process = child;
    return child;
  }

  /** Ends the process without a word, as power loss would but for the page cache. */
  async kill(id: number): Promise<void> {
    await this.end(id, 'SIGKILL');
  }

  /** Asks the process to leave and gives its exit code. */
  async stop(id: number): Promise<number | null> {
    return this.end(id, 'SIGTERM');
  }

  async metrics(id: number): Promise<Metrics> {
    const client = new WalrusClient({ addresses: [this.node(id).address], retryForMs: 0 });
    try {
      return await client.metrics();
    } finally {
      await client.close();
    }
  }

  /** Waits until all know the same living leader, and that every node can be given segments. */
  async ready(): Promise<void> {
    await this.until('the cluster is ready', async () => {
      const running = this.nodes.filter((node) => node.process !== undefined);
      const all = await Promise.all(running.map((node) => this.metrics(node.id)));
      const leader = all[0]!.current_leader;
      return all.every((metrics) => {
        return (
          metrics.current_leader === leader &&
          running.some((node) => node.id === leader) &&
          (metrics.segment_holders as number[]).length === this.nodes.length
        );
      });
    });
  }

  /** Tries until it is true; a failure of `check` is not yet. */
  async until(what: string, check: () => Promise<boolean>): Promise<void> {
    const giveUpMs = performance.now() + 80_000;
    for (;;) {
      const seen = await check().catch((error: Error) => error);
      if (seen === true) return;
      for (const node of this.nodes) {
        if (node.process !== undefined && node.process.exitCode !== null) {
          throw new Error(`node ${node.id} has ended\n${this.logs()}`);
        }
      }
      if (performance.now() > giveUpMs) {
        throw new Error(`not in time: ${what} (${String(seen)})\n${this.logs()}`);
      }
      await sleep(50);
    }
  }

  /** The last lines of each node's log. */
  logs(): string {
    return this.nodes
      .map(({ id, log }) => `--- node ${id}\n${log.split('\n').slice(-15).join('\n')}`)
      .join('\n');
  }

  async destroy(): Promise<void> {
    for (const client of this.clients) await client.close();
    await Promise.all(this.nodes.map((node) => this.end(node.id, 'SIGKILL')));
    rmSync(this.directory, { recursive: true, force: true });
  }

  private async end(id: number, signal: NodeJS.Signals): Promise<number | null> {
    const child = this.node(id).process;
    this.node(id).process = undefined;
    if (child === undefined || child.exitCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'close');
    child.kill(signal);
    const [code] = await ended;
    return code as number | null;
  }
}

/** All records of a topic by `FETCH`, in order. */
export async function fetchAll(client: WalrusClient, topic: string): Promise<string[]> {
  const records: string[] = [];
  for (let offset = 0; ; ) {
    // A few at once: the answers come in order, and one that is empty ends it.
    const batch = await Promise.all(
      Array.from({ length: 64 }, (_, ahead) => client.fetch(topic, offset + ahead)),
    );
    for (const fetched of batch) {
      if (fetched === undefined) return records;
      records.push(fetched.payload);
    }
    offset += batch.length;
  }
}

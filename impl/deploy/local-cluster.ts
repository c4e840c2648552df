/** A cluster of processes on this machine that outlives the terminal: `make cluster-bootstrap`, `make cluster-down`. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WalrusClient } from '../client/client.ts';

const PROGRAM = new URL('../runtime/main.js', import.meta.url).pathname;
const LEAVE_MS = 15_000;

export interface LocalCluster {
  /** Holds `node_N`, and of each node its log `walrus-N.log` and its process's number `walrus-N.pid`. */
  readonly directory: string;
  readonly nodes: number;
  /** Of node 1; the others follow. */
  readonly clientPort: number;
  readonly raftPort: number;
}

/** Starts the nodes that do not run, and resolves when all take their part. Throws if one ends before that. */
export async function bootstrap(cluster: LocalCluster): Promise<string[]> {
  const { directory, nodes, clientPort } = cluster;
  mkdirSync(directory, { recursive: true });
  const ids = Array.from({ length: nodes }, (_, index) => index + 1);
  for (const id of ids) if (pidOf(directory, id) === undefined) start(cluster, id);
  const addresses = ids.map((id) => `127.0.0.1:${clientPort + id - 1}`);
  for (;;) {
    const ended = ids.find((id) => pidOf(directory, id) === undefined);
    if (ended !== undefined) {
      throw new Error(`walrus-${ended} has ended: ${lastLine(directory, ended)}`);
    }
    const ready = await Promise.all(addresses.map((address) => isReady(address, nodes)));
    if (ready.every((each) => each)) return addresses;
    await sleep(100);
  }
}

/** Whether the node there knows a leader, and that so many can be given segments. */
async function isReady(address: string, nodes: number): Promise<boolean> {
  const client = new WalrusClient({ addresses: [address], retryForMs: 0 });
  try {
    const { current_leader, segment_holders } = await client.metrics();
    return current_leader !== null && (segment_holders as readonly number[]).length >= nodes;
  } catch {
    return false; // It still starts.
  } finally {
    await client.close();
  }
}

/** Asks all nodes to leave and waits until they have; gives how many there were. Their data stays unless it is to be wiped. */
export async function down(directory: string, wipe: boolean): Promise<number> {
  const running: number[] = [];
  for (let id = 1; existsSync(pidFile(directory, id)); id++) {
    const pid = pidOf(directory, id);
    if (pid !== undefined) running.push(pid);
    rmSync(pidFile(directory, id));
  }
  for (const pid of running) process.kill(pid, 'SIGTERM');
  const killMs = performance.now() + LEAVE_MS;
  for (let left = running; left.length > 0; left = left.filter(isAlive)) {
    if (performance.now() > killMs) for (const pid of left) process.kill(pid, 'SIGKILL');
    await sleep(50);
  }
  if (wipe) rmSync(directory, { recursive: true, force: true });
  return running.length;
}

function start({ directory, clientPort, raftPort }: LocalCluster, id: number): void {
  const join = id === 1 ? [] : ['--join', `127.0.0.1:${raftPort}`];
  const log = openSync(logFile(directory, id), 'a');
  const flags = [
    ...['--node-id', `${id}`, '--data-dir', directory],
    ...['--raft-port', `${raftPort + id - 1}`, '--client-port', `${clientPort + id - 1}`],
  ];
  const child = spawn(process.execPath, [PROGRAM, 'node', ...flags, ...join], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  child.unref();
  writeFileSync(pidFile(directory, id), `${child.pid}\n`);
}

/** Of the node's process, if it lives: another may have got its number since. */
function pidOf(directory: string, id: number): number | undefined {
  if (!existsSync(pidFile(directory, id))) return undefined;
  const pid = Number(readFileSync(pidFile(directory, id), 'utf8'));
  const { stdout } = spawnSync('ps', ['-o', 'command=', '-p', `${pid}`], { encoding: 'utf8' });
  return stdout.includes(`--node-id ${id} --data-dir ${directory}`) ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

const pidFile = (directory: string, id: number): string => join(directory, `walrus-${id}.pid`);
const logFile = (directory: string, id: number): string => join(directory, `walrus-${id}.log`);

function lastLine(directory: string, id: number): string {
  return readFileSync(logFile(directory, id), 'utf8').trimEnd().split('\n').at(-1)!;
}

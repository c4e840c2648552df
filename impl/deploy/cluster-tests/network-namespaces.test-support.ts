/** Hosts of their own for the nodes of a test, whose cables can be pulled: network namespaces, each on one bridge. */
import { spawnSync } from 'node:child_process';
import type { TestMachine } from '../../runtime/test-cluster.test-support.ts';

/** Names and addresses of one process's hosts; two tests side by side must not meet. */
const MARK = process.pid % 250;
const BRIDGE = `walrus-${MARK}`;
const host = (id: number): string => `10.213.${MARK}.${id}`;
const namespace = (id: number): string => `walrus-${MARK}-${id}`;
const cable = (id: number): string => `wal-${MARK}-${id}`;

export class NetworkNamespaces {
  private readonly count: number;

  /** Undefined if this machine or this user may not have any. */
  static create(count: number): NetworkNamespaces | undefined {
    const created = new NetworkNamespaces(count);
    try {
      created.lay();
      return created;
    } catch {
      created.remove();
      return undefined;
    }
  }

  private constructor(count: number) {
    this.count = count;
  }

  machine(id: number): TestMachine {
    return { host: host(id), command: ['ip', 'netns', 'exec', namespace(id)] };
  }

  /** The host is there and reaches itself alone. */
  pull(id: number): void {
    ip(`link set ${cable(id)} down`);
  }

  plug(id: number): void {
    ip(`link set ${cable(id)} up`);
  }

  remove(): void {
    for (let id = 1; id <= this.count; id++) {
      // Sockets of a dead node keep a namespace for a while, and with it the cable.
      spawnSync('ip', ['link', 'del', cable(id)]);
      spawnSync('ip', ['netns', 'del', namespace(id)]);
    }
    spawnSync('ip', ['link', 'del', BRIDGE]);
  }

  private lay(): void {
    ip(`link add ${BRIDGE} type bridge`);
    ip(`addr add ${host(254)}/24 dev ${BRIDGE}`);
    ip(`link set ${BRIDGE} up`);
    for (let id = 1; id <= this.count; id++) {
      ip(`netns add ${namespace(id)}`);
      ip(`link add ${cable(id)} type veth peer name eth0 netns ${namespace(id)}`);
      ip(`link set ${cable(id)} master ${BRIDGE} up`);
      ip(`-n ${namespace(id)} addr add ${host(id)}/24 dev eth0`);
      ip(`-n ${namespace(id)} link set eth0 up`);
      ip(`-n ${namespace(id)} link set lo up`);
    }
  }
}

function ip(words: string): void {
  const { status, stderr, error } = spawnSync('ip', words.split(' '), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`ip ${words}: ${error?.message ?? stderr}`);
}

import { expect, test } from 'vitest';
import type { Operation } from '../impl/core/controller/operations.ts';
import type { NodeId } from '../impl/core/ids.ts';
import { crc32c } from '../impl/core/storage/crc32c.ts';
import { VirtualTime } from './clock.ts';
import { Cluster, type Machine } from './cluster.ts';
import { FAST_DISK } from './disk.ts';
import { CALM_NETWORK } from './network.ts';
import { Randomness } from './random.ts';

const CONFIG = {
  replicationFactor: 3,
  maxSegmentEntries: 50,
  monitorCheckMs: 500,
  leaseMs: 600,
  failoverMs: 700,
  electionTimeoutMs: 500,
  heartbeatMs: 100,
  operationTimeoutMs: 10_000,
  snapshotEveryEntries: 5000,
  fileBytes: 64 * 2 ** 20,
  batchBytes: 262_144,
  checkpointBytes: 64 * 2 ** 20,
};
/** Questions that a client has under way at a time. */
const PIPELINE = 256;

/** Three nodes on machines on which work takes time, and topics with a record each. */
class World {
  readonly time = new VirtualTime();
  readonly topics: readonly string[];
  readonly cluster: Cluster;
  slowness = 1;
  elections = 0;
  /** What clients were told that is not what they had hoped for. */
  refusals: string[] = [];
  readonly sent = new Map<string, number>();
  /** Of a node that runs: how long it was deaf at most. */
  longestTurnMs = 0;
  private readonly running = new Map<NodeId, number>();

  constructor(topics: number) {
    this.topics = Array.from({ length: topics }, (_, i) => `topic${i}`);
    const world = this;
    this.cluster = new Cluster(
      {
        nodes: 3,
        clockDrift: 0,
        network: CALM_NETWORK,
        disk: FAST_DISK,
        config: CONFIG,
        encode: undefined,
        get slowness() {
          return world.slowness;
        },
      },
      this.time,
      new Randomness('many topics'),
      crc32c,
      {
        traced: () => {},
        raftTraced: ({ name }) => {
          if (name === 'Timeout') this.elections++;
        },
        sent: (_from, _to, { body }) => {
          this.sent.set(body.kind, (this.sent.get(body.kind) ?? 0) + 1);
        },
        afterInput: ({ id, status }) => {
          if (status === 'running') this.worked(this.cluster.machine(id));
        },
        replied: () => {},
        ended: ({ id }, reason) => expect(reason, `node ${id}`).toBeUndefined(),
      },
    );
    for (const machine of this.cluster.machines) this.cluster.start(machine);
    this.until(() =>
      this.cluster.machines.every(({ node }) => node?.clusterState?.nodes.size === 3),
    );
    this.askAll((topic) => ({ kind: 'register', topic }));
    this.putAll();
  }

  /** A record to every topic; gives how long it takes until all are acknowledged. */
  putAll(): number {
    const startMs = this.time.nowMs;
    this.askAll((topic) => ({ kind: 'put', topic, records: [new Uint8Array(8)] }));
    return this.time.nowMs - startMs;
  }

  /** The power of all machines goes and comes back. */
  restartAll(): void {
    this.elections = 0;
    this.longestTurnMs = 0;
    this.refusals = [];
    this.sent.clear();
    for (const machine of this.cluster.machines) this.cluster.crash(machine, true);
    for (const machine of this.cluster.machines) this.cluster.start(machine);
    this.until(() => this.cluster.machines.some(({ node }) => node?.raft?.role === 'leader'));
  }

  /** Asks it of every topic, and again where the answer is an error. */
  private askAll(ask: (topic: string) => Operation): void {
    const left = [...this.topics];
    const machine = this.cluster.machine(2);
    let open = 0;
    const askOne = (topic: string): void => {
      const operation = ask(topic);
      this.cluster.request(machine, operation, (reply) => {
        open--;
        if (reply?.kind === 'error') {
          this.refusals.push(reply.code);
          left.push(topic);
        }
        askMore();
      });
    };
    const askMore = (): void => {
      while (open < PIPELINE && left.length > 0) {
        const topic = left.shift()!;
        open++;
        this.time.after(1, () => askOne(topic));
      }
    };
    askMore();
    this.until(() => open === 0 && left.length === 0);
  }

  private until(holds: () => boolean): void {
    const endMs = this.time.nowMs + 120_000;
    while (!holds()) {
      if (this.time.nowMs > endMs) throw new Error('it did not come about within two minutes');
      this.time.step();
    }
  }

  /** The first input of a running node is the one that made it run. */
  private worked({ id, life, inbox }: Machine): void {
    if (this.running.get(id) === life) {
      this.longestTurnMs = Math.max(this.longestTurnMs, inbox.untilMs - this.time.nowMs);
    }
    this.running.set(id, life);
  }
}

test('thousands of topics can be written again soon after all nodes restarted, and nobody is deaf meanwhile', () => {
  const world = new World(2000);
  for (const round of [1, 2]) {
    world.restartAll();
    expect(world.putAll(), `restart ${round}`).toBeLessThan(2500);
    expect(world.elections).toBe(1);
    expect(world.longestTurnMs).toBeLessThan(10);
  }
});

test('on machines that are busy it takes longer, and that is all', () => {
  const world = new World(1000);
  world.slowness = 15;
  world.restartAll();
  // Some fifteen times as long as if they were not.
  expect(world.putAll()).toBeLessThan(15_000);
  expect(world.elections).toBe(1);
  expect(world.refusals).toEqual([]);
  // Three messages a topic say what its new record is, and that it is safe, to each of two replicas.
  expect(world.sent.get('Replicate')! / world.topics.length).toBeLessThan(12);
});

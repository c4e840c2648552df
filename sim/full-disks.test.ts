import { expect, test } from 'vitest';
import { ONE_RECORD, type Operation, type Reply } from '../impl/core/controller/operations.ts';
import type { Offset } from '../impl/core/ids.ts';
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
  snapshotEveryEntries: 100,
  fileBytes: 2 ** 20,
  batchBytes: 65_536,
  checkpointBytes: 2 ** 20,
};

/** Three nodes whose disks can be filled and emptied. */
class World {
  readonly time = new VirtualTime();
  readonly cluster = new Cluster(
    {
      nodes: 3,
      clockDrift: 0,
      network: CALM_NETWORK,
      disk: FAST_DISK,
      config: CONFIG,
      encode: undefined,
    },
    this.time,
    new Randomness('full disks'),
    crc32c,
    {
      traced: () => {},
      sent: () => {},
      afterInput: () => {},
      replied: () => {},
      ended: ({ id }, reason) => expect(reason, `node ${id}`).toBeUndefined(),
    },
  );

  constructor() {
    for (const machine of this.cluster.machines) this.cluster.start(machine);
    this.until(() => this.leaders().length === 1 && this.voters() === 3);
  }

  /** Lets time pass until something holds, at most for `limitMs`. */
  until(holds: () => boolean, limitMs = 30_000): boolean {
    const endMs = this.time.nowMs + limitMs;
    while (!holds() && this.time.nowMs < endMs) this.time.step();
    return holds();
  }

  pass(ms: number): void {
    this.until(() => false, ms);
  }

  /** The answer of a node, and how long it took. */
  ask(id: number, operation: Operation): { reply: Reply | undefined; tookMs: number } {
    const startMs = this.time.nowMs;
    let reply: Reply | undefined;
    this.cluster.request(this.cluster.machine(id), operation, (heard) => {
      reply = heard;
    });
    this.until(() => reply !== undefined);
    return { reply, tookMs: this.time.nowMs - startMs };
  }

  put(id: number): { reply: Reply | undefined; tookMs: number } {
    return this.ask(id, { kind: 'put', topic: 't', records: [new Uint8Array(1000)] });
  }

  /** Nothing more fits on the disk of a node, however little. */
  fill(id: number): void {
    const { disk } = this.cluster.machine(id);
    disk.faults.capacityBytes = 0;
    this.until(() => this.cluster.machine(id).node!.diskIsFull || !this.putsOne(), 30_000);
    this.pass(1000);
  }

  private putsOne(): boolean {
    this.put(1);
    return true;
  }

  empty(): void {
    for (const { disk } of this.cluster.machines) disk.faults.capacityBytes = Infinity;
  }

  leaders(): Machine[] {
    return this.cluster.machines.filter(({ node }) => node?.raft?.role === 'leader');
  }

  private voters(): number {
    const { membership = [] } = this.leaders()[0]?.node?.raft ?? {};
    return membership.filter(({ learner }) => !learner).length;
  }
}

test('disks fill one after another: a leader stays, writers hear of it at once, readers go on, and room mends all', () => {
  const world = new World();
  expect(world.ask(1, { kind: 'register', topic: 't' }).reply?.kind).toBe('registered');
  world.fill(1);
  world.pass(2000);
  for (let i = 0; i < 10; i++) expect(world.put(1 + (i % 3)).reply?.kind).toBe('appended');
  world.fill(2);
  world.fill(3);
  const { term } = world.leaders()[0]!.node!.raft!;
  for (const id of [1, 2, 3]) {
    const { reply, tookMs } = world.put(id);
    expect(reply).toMatchObject({ code: 'NoSpace' });
    expect(tookMs).toBeLessThan(100);
    const first = { ...ONE_RECORD, kind: 'fetch', topic: 't', offset: 0 as Offset } as const;
    expect(world.ask(id, first).reply).toMatchObject({ kind: 'records', records: [{}] });
    expect(world.ask(id, { kind: 'get', topic: 't', group: 'g' }).reply?.kind).toBe('record');
  }
  world.pass(10_000);
  expect(world.leaders().map(({ node }) => node!.raft!.term)).toEqual([term]);
  const [leader] = world.leaders();
  world.cluster.crash(leader!, true);
  world.cluster.start(leader!);
  expect(world.until(() => world.leaders().length === 1)).toBe(true);
  world.pass(5000);
  expect(world.ask(1, { kind: 'get', topic: 't', group: 'g' }).reply?.kind).toBe('record');
  world.empty();
  expect(world.until(() => world.put(1).reply?.kind === 'appended')).toBe(true);
});

test('a topic that keeps a little fills no disk, however much is written to it', () => {
  const world = new World();
  const keptBytes = 200_000;
  const policy = { retentionBytes: keptBytes };
  const register: Operation = { kind: 'register', topic: 't', policy };
  expect(world.ask(1, register).reply?.kind).toBe('registered');
  const { machines } = world.cluster;
  const peak = { diskBytes: 0, segments: 0 };
  const count = 12_000;
  for (let i = 0; i < count; i++) {
    expect(world.put(1 + (i % 3)).reply?.kind).toBe('appended');
    for (const { disk, node } of i % 50 === 0 ? machines : []) {
      peak.diskBytes = Math.max(peak.diskBytes, disk.usedBytes);
      const segments = node!.clusterState!.topicNamed('t')?.segments.length ?? 0;
      peak.segments = Math.max(peak.segments, segments);
    }
  }
  console.log(`${count} kB written, ${keptBytes / 1000} kB to be kept: at most`, peak);
  // What is kept, in two files, and two that nobody needs and are kept to be written again.
  expect(peak.diskBytes).toBeLessThan(4 * CONFIG.fileBytes);
  expect(peak.segments).toBeLessThan(20);
});

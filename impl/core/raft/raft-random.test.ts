/** Random schedules of everything that can happen to a few Rafts, with all invariants checked on each step. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ACTIONS_OF } from '../../../properties/actions.ts';
import {
  ELECTION_MS,
  HEARTBEAT_MS,
  member,
  type Packet,
  RaftCluster,
} from '../../../properties/raft-cluster.ts';
import { Refinement } from '../../../properties/refinement.ts';
import { nodeId } from '../ids.ts';
import type { Raft } from './raft.ts';
import type { HostedRaftEvent } from './trace.ts';

/** One thing that happens; `a`, `b` choose to whom, taken modulo whatever there is to choose from. */
const STEPS = {
  deliver: 30,
  deliverAll: 3,
  duplicate: 3,
  drop: 3,
  dropAll: 1,
  keepForLater: 2,
  bringBack: 3,
  heartbeat: 8,
  timeout: 4,
  impatience: 3,
  calm: 1,
  propose: 10,
  slowDisk: 2,
  sync: 12,
  syncAll: 4,
  crash: 2,
  restart: 4,
  compact: 3,
  partition: 1,
  heal: 3,
  addLearner: 2,
  promote: 3,
  remove: 2,
  transfer: 4,
  read: 3,
} as const;

type Kind = keyof typeof STEPS;
type Step = readonly [Kind, number, number];

const weighted = (Object.keys(STEPS) as Kind[]).map((kind) => ({
  arbitrary: fc.constant(kind),
  weight: STEPS[kind],
}));
const step = fc.tuple(fc.oneof(...weighted), fc.nat(1000), fc.nat(1000));
const IDS = [1, 2, 3, 4, 5];

class Schedule {
  readonly cluster: RaftCluster;
  private kept: Packet[] = [];
  private commands = 0;
  private readsAsked = 0;
  /** Per read: the highest index that any node had committed when it was asked for. */
  private readonly reads = new Map<number, { at: number; committed: number }>();

  /** Each step is one of the specification. */
  private readonly refinement = new Refinement();

  constructor(seed: number, counts?: Map<string, number>) {
    let state = seed;
    const below = (bound: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return Math.floor((state / 0x80000000) * bound);
    };
    const trace = {
      emit: (event: HostedRaftEvent): void => {
        this.refinement.raftStep(event);
        counts?.set(event.name, (counts.get(event.name) ?? 0) + 1);
      },
    };
    const founders = IDS.slice(0, [3, 3, 4, 5][seed % 4]);
    this.cluster = new RaftCluster(founders, {
      random: { below },
      maxEntryBytesPerMessage: 8,
      trace,
    });
    for (const id of IDS) if (!founders.includes(id)) this.cluster.join(id);
  }

  take([kind, a, b]: Step): void {
    const { cluster } = this;
    const id = IDS[a % IDS.length]!;
    const up = cluster.isUp(id);
    const { packets } = cluster;
    const packet = packets.length === 0 ? undefined : packets[a % packets.length];
    switch (kind) {
      case 'deliver':
        if (packet !== undefined) cluster.deliverAt(b % 2 === 0 ? 0 : a % packets.length);
        break;
      case 'deliverAll':
        cluster.deliver();
        break;
      case 'duplicate':
        if (packet !== undefined) packets.push(packet);
        break;
      case 'drop':
        if (packet !== undefined) packets.splice(a % packets.length, 1);
        break;
      case 'dropAll':
        cluster.drop(({ to }) => to === id);
        break;
      case 'keepForLater':
        if (packet !== undefined) this.kept.push(packet);
        break;
      case 'bringBack':
        if (this.kept.length > 0) cluster.hand(this.kept[a % this.kept.length]!);
        break;
      case 'heartbeat':
        for (const each of IDS) if (this.isLeader(each)) cluster.advance(each, HEARTBEAT_MS);
        break;
      case 'timeout':
        cluster.advance(id, ELECTION_MS + (b % ELECTION_MS));
        break;
      case 'calm':
        this.calm(12);
        break;
      case 'impatience':
        for (const each of IDS) if (each !== id) cluster.advance(each, ELECTION_MS);
        break;
      case 'propose':
        for (const each of IDS) {
          if (this.isLeader(each)) cluster.propose(each, `command ${this.commands++}`);
        }
        break;
      case 'slowDisk':
        if (up) cluster.slowDisk(id);
        break;
      case 'sync':
        cluster.sync(id, 1);
        break;
      case 'syncAll':
        for (const each of IDS) cluster.sync(each);
        break;
      case 'crash':
        if (up) cluster.crash(id);
        break;
      case 'restart':
        for (const each of IDS) if (!cluster.isUp(each)) cluster.restart(each);
        break;
      case 'compact':
        if (up) cluster.compact(id);
        break;
      case 'partition':
        cluster.partition(
          IDS.filter((each) => (b >> each) % 2 === 0),
          IDS.filter((each) => (b >> each) % 2 === 1),
        );
        break;
      case 'heal':
        cluster.heal();
        break;
      case 'addLearner': {
        const { incarnation, address } = member(id);
        this.asLeader((raft) =>
          raft.proposeMembership({ kind: 'addLearner', id: nodeId(id), incarnation, address }),
        );
        break;
      }
      case 'promote':
      case 'remove':
        this.asLeader((raft) => raft.proposeMembership({ kind, id: nodeId(id) }));
        break;
      case 'transfer':
        this.asLeader((raft) => raft.transferLeadership(nodeId(id)));
        break;
      case 'read':
        this.asLeader((raft, at) => {
          const read = this.readsAsked++;
          this.reads.set(read, { at, committed: cluster.checker.committedIndex });
          raft.readIndex(read);
        });
        break;
    }
  }

  /** Every read that was confirmed sees everything that was committed before it was asked for. */
  checkReads(): void {
    for (const [read, { at, committed }] of this.reads) {
      const index = this.cluster.readState(at, read);
      if (index !== undefined) expect(index).toBeGreaterThanOrEqual(committed);
    }
  }

  /** Faults end: within a bounded time there is one leader that commits, and all who belong to it have it all. */
  demandProgress(): void {
    const { cluster } = this;
    cluster.heal();
    for (const id of IDS) {
      if (!cluster.isUp(id)) cluster.restart(id);
      cluster.fastDisk(id);
    }
    this.calm(300);
    const leaders = IDS.filter((id) => this.isLeader(id));
    expect(leaders).toHaveLength(1);
    const [leader] = leaders;
    cluster.propose(leader!, 'last');
    this.calm(5);
    const expected = cluster.applied(leader!);
    expect(expected.at(-1)).toBe('last');
    for (const { id } of cluster.raft(leader!).membership) {
      expect(cluster.applied(id), `node ${id}`).toEqual(expected);
    }
  }

  /** Time passes, and whatever the partition lets through arrives at once. */
  private calm(heartbeats: number): void {
    for (let beat = 0; beat < heartbeats; beat++) {
      this.cluster.advanceAll(HEARTBEAT_MS);
      this.cluster.deliver();
    }
  }

  private isLeader(id: number): boolean {
    return this.cluster.isUp(id) && this.cluster.raft(id).role === 'leader';
  }

  private asLeader(act: (raft: Raft, id: number) => void): void {
    for (const id of IDS) if (this.isLeader(id)) this.cluster.with(id, (raft) => act(raft, id));
  }
}

const SCHEDULES = Number(process.env.SCHEDULES ?? 300);
const steps = fc.array(step, { minLength: 50, maxLength: 1000, size: 'max' });

test('no schedule breaks an invariant, and progress resumes when faults end', () => {
  fc.assert(
    fc.property(fc.nat(), steps, (seed, schedule) => {
      const run = new Schedule(seed);
      for (const each of schedule) {
        run.take(each);
        run.checkReads();
      }
      run.demandProgress();
    }),
    { numRuns: SCHEDULES, interruptAfterTimeLimit: 50_000 },
  );
});

test('the schedules reach every action', () => {
  const counts = new Map<string, number>();
  fc.assert(
    fc.property(fc.nat(), steps, (seed, schedule) => {
      const run = new Schedule(seed, counts);
      for (const each of schedule) run.take(each);
    }),
    { numRuns: 100, seed: 1 },
  );
  expect([...counts.keys()].sort()).toEqual([...ACTIONS_OF.MetadataRaft].sort());
  if (process.env.VERBOSE) console.log([...counts].sort());
});

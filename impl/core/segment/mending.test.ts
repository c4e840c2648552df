/** What a node does about records that it cannot read: over a store that damages what the test says. */
import { expect, test } from 'vitest';
import { WalrusError } from '../errors.ts';
import type { Incarnation, NodeId, SegmentId, TopicId } from '../ids.ts';
import type { ReplicaRecord } from '../metadata/cluster-state.ts';
import { DamagedRecords } from '../storage/damaged-records.ts';
import type { ReadDone, ReadLimit } from '../storage/reader.ts';
import { Mending } from './mending.ts';
import type { DataMessage, Mend } from './messages.ts';
import type { Notice } from './notices.ts';
import { RETRY_MS, type SegmentPorts } from './ports.ts';
import { Replica } from './replica.ts';

const TOPIC = 4 as TopicId;
const SEGMENT = 1 as SegmentId;
const ALL = { records: 100, bytes: 1000 };
const [SELF, OTHER, THIRD] = [1, 2, 3].map((node) => ({
  node: node as NodeId,
  incarnation: (100 + node) as Incarnation,
})) as [ReplicaRecord, ReplicaRecord, ReplicaRecord];

/** A copy of ten records, each of which is its index. */
class Bench {
  readonly sent: { to: number; message: DataMessage }[] = [];
  readonly notices: Notice[] = [];
  /** These do not verify, or cannot be read. */
  rotten: { from: number; to: number } = { from: 0, to: 0 };
  unreadable: number = -1;
  room: 'yes' | 'full' = 'yes';
  nowMs = 1000;
  readonly replica: Replica;
  readonly mending: Mending;

  constructor() {
    const store = {
      stream: () => 7,
      end: () => 10,
      get: () => undefined,
      room: () => this.room,
      read: (_: number, from: number, limit: ReadLimit, done: ReadDone) =>
        this.read(from, limit, done),
      repair: (_: number, from: number, records: readonly Uint8Array[]) => {
        expect(records).toEqual(records.map((_, i) => Uint8Array.of(from + i)));
        const { to } = this.rotten;
        const end = from + records.length;
        this.rotten = end < to ? { from: end, to } : { from: 0, to: 0 };
        this.unreadable = -1;
      },
    };
    const ports = {
      self: SELF,
      store,
      cluster: () => ({ segment: () => ({ replicas: [SELF, OTHER, THIRD] }) }),
      nowMs: () => this.nowMs,
      send: (to: ReplicaRecord, message: DataMessage) => this.sent.push({ to: to.node, message }),
      notice: (notice: Notice) => this.notices.push(notice),
    } as unknown as SegmentPorts;
    this.replica = new Replica(ports.store, TOPIC, SEGMENT);
    this.mending = new Mending(ports);
  }

  /** What a reader hears: an error's code, or the records. */
  heard(from: number): string | number[] {
    let heard: string | number[] = 'nothing';
    this.mending.read(this.replica, from, ALL, (error, records) => {
      heard = error?.code ?? records.map(([byte]) => byte!);
    });
    return heard;
  }

  passes(ms: number): void {
    this.nowMs += ms;
    this.mending.tick(this.nowMs);
  }

  mend(from: number, count: number, sender = OTHER): void {
    const records = Array.from({ length: count }, (_, i) => Uint8Array.of(from + i));
    const message: Mend = { kind: 'Mend', topic: TOPIC, segment: SEGMENT, from, records };
    this.mending.handleMend(sender, message, this.replica);
  }

  private read(from: number, limit: ReadLimit, done: ReadDone): void {
    const { rotten } = this;
    if (from >= rotten.from && from < rotten.to) {
      done(new DamagedRecords('segment/4/1', rotten.from, rotten.to, 'here'), []);
      return;
    }
    const end = Math.min(10, from + limit.records, from < rotten.from ? rotten.from || 10 : 10);
    if (this.unreadable >= from && this.unreadable < end) {
      done(new WalrusError('StorageFailed', 'there'), []);
      return;
    }
    done(
      undefined,
      Array.from({ length: end - from }, (_, i) => Uint8Array.of(from + i)),
    );
  }
}

test('what is damaged is asked of one after another, written again, and told when that is durable', () => {
  const bench = new Bench();
  bench.rotten = { from: 3, to: 6 };
  expect(bench.heard(0)).toEqual([0, 1, 2]);
  expect(bench.heard(4)).toBe('Unavailable');
  expect(bench.heard(3)).toBe('Unavailable');
  expect(bench.heard(6)).toEqual([6, 7, 8, 9]);
  bench.passes(0);
  bench.passes(RETRY_MS);
  const of = { topic: TOPIC, segment: SEGMENT };
  const ask = { kind: 'MendRequest', ...of, from: 3, to: 6 };
  expect(bench.sent).toEqual([
    { to: 2, message: ask },
    { to: 3, message: ask },
  ]);
  bench.mend(3, 2);
  expect(bench.heard(4)).toEqual([4]);
  expect(bench.heard(5)).toBe('Unavailable');
  bench.passes(0);
  expect(bench.sent.at(-1)).toMatchObject({ message: { from: 5, to: 6 } });
  bench.mend(5, 1, THIRD);
  bench.mending.committed(8);
  bench.mending.syncCompleted(7);
  expect(bench.notices).toEqual([
    { kind: 'DamageFound', ...of, from: 3, to: 6, reason: expect.any(String) },
  ]);
  bench.mending.syncCompleted(8);
  expect(bench.notices.slice(1)).toEqual([
    { kind: 'DamageMended', ...of, from: 3, to: 5, source: 2 },
    { kind: 'DamageMended', ...of, from: 5, to: 6, source: 3 },
  ]);
  expect(bench.mending.counts).toEqual({ found: 3, mended: 3, standing: 0 });
  bench.passes(RETRY_MS);
  expect(bench.mending.deadlineMs()).toBe(Infinity);
});

test('damage is told as such when all others have said that they cannot help, until one can', () => {
  const bench = new Bench();
  bench.rotten = { from: 3, to: 6 };
  bench.heard(3);
  bench.mend(3, 0, OTHER);
  expect(bench.heard(3)).toBe('Unavailable');
  bench.mend(3, 0, THIRD);
  expect(bench.heard(3)).toBe('Corrupt');
  bench.mend(3, 3, THIRD);
  expect(bench.heard(3)).toEqual([3, 4, 5, 6, 7, 8, 9]);
});

test('of what cannot be read only the first record is taken for damaged', () => {
  const bench = new Bench();
  bench.unreadable = 4;
  expect(bench.heard(2)).toEqual([2]);
  expect(bench.heard(4)).toBe('Unavailable');
  expect(bench.mending.counts).toEqual({ found: 1, mended: 0, standing: 1 });
});

test('a full disk is not written to; the records are asked for again', () => {
  const bench = new Bench();
  bench.rotten = { from: 3, to: 4 };
  bench.heard(3);
  bench.room = 'full';
  bench.passes(0);
  bench.mend(3, 1);
  expect(bench.heard(3)).toBe('Unavailable');
  bench.room = 'yes';
  bench.passes(RETRY_MS);
  expect(bench.sent).toHaveLength(2);
  bench.mend(3, 1);
  expect(bench.heard(3)).toEqual([3, 4, 5, 6, 7, 8, 9]);
});

test('whoever asks gets what is whole here, and nothing of what is not', () => {
  const bench = new Bench();
  bench.rotten = { from: 3, to: 6 };
  const give = (
    from: number,
    to: number,
    replica: Replica | undefined = bench.replica,
  ): unknown => {
    const of = { topic: TOPIC, segment: SEGMENT };
    bench.mending.handleMendRequest(OTHER, { kind: 'MendRequest', ...of, from, to }, replica);
    return bench.sent.at(-1)!.message;
  };
  const records = (...all: number[]): object => ({
    records: all.map((each) => Uint8Array.of(each)),
  });
  expect(give(7, 9)).toMatchObject(records(7, 8));
  expect(give(2, 5)).toMatchObject(records(2));
  expect(give(4, 5)).toMatchObject(records());
  expect(give(10, 12)).toMatchObject(records());
});

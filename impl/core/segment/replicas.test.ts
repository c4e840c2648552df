/** What one node does with its copies: over a store in memory whose reads come back when the test says so. */
import { expect, test } from 'vitest';
import type { BootId, Epoch, Incarnation, NodeId, SegmentId, TopicId } from '../ids.ts';
import type { ReplicaRecord, SegmentRecord } from '../metadata/cluster-state.ts';
import type { Store } from '../storage/store.ts';
import { DataPlane } from './data-plane.ts';
import type { DataMessage, Replicate } from './messages.ts';
import { MESSAGE_LIMIT } from './ports.ts';

const TOPIC = 4 as TopicId;
const SEGMENT = 1 as SegmentId;
const [SELF, OTHER, THIRD] = [1, 2, 3].map((node) => ({
  node: node as NodeId,
  incarnation: (100 + node) as Incarnation,
})) as [ReplicaRecord, ReplicaRecord, ReplicaRecord];

/** A copy that this node has, and what the metadata says of the segment. */
class Bench {
  readonly sent: DataMessage[] = [];
  readonly dataPlane: DataPlane;
  /** Ends the reads that are under way. */
  readonly reads: (() => void)[] = [];
  private readonly records: Uint8Array[] = [];
  private segments: SegmentRecord[] = [];

  constructor() {
    this.dataPlane = new DataPlane({
      self: SELF,
      boot: 11 as BootId,
      store: this.store(),
      trace: undefined,
      maxSegmentEntries: 100,
      scrub: { everyMs: 0, bytesPerSecond: 0 },
      cluster: () =>
        ({
          segment: (_: string, id: SegmentId) => this.segments[id - 1],
          currentSegment: () => this.segments.at(-1),
          topic: () => ({ segments: this.segments }),
          isGone: () => false,
        }) as never,
      nowMs: () => 0,
      leaseValid: () => true,
      send: (_, message) => this.sent.push(message),
      propose: () => {},
      place: () => ({ owner: OTHER.node, replicas: [1, 2, 3] as NodeId[] }),
      hasRoom: () => true,
      notice: () => {},
      failed: (error) => {
        throw error;
      },
    });
  }

  /** The metadata now says so of the topic's segments. */
  learn(...segments: Partial<SegmentRecord>[]): void {
    this.segments = segments.map(
      (segment, i) =>
        ({
          id: i + 1,
          state: 'open',
          epoch: 5,
          owner: OTHER.node,
          boot: 22,
          replicas: [SELF, OTHER, THIRD],
          baseOffset: 0,
          count: 0,
          ...segment,
        }) as SegmentRecord,
    );
    this.dataPlane.topicChanged(TOPIC);
  }

  replicate(from: number, count: number, highWatermark: number): void {
    const message: Replicate = {
      kind: 'Replicate',
      topic: TOPIC,
      segment: SEGMENT,
      epoch: 5 as Epoch,
      from,
      records: Array.from({ length: count }, (_, i) => Uint8Array.of(from + i)),
      highWatermark,
    };
    this.dataPlane.handle(OTHER, message);
  }

  get readable(): number {
    return this.dataPlane.readableEnd(TOPIC, SEGMENT);
  }

  private store(): Store {
    const { records, reads } = this;
    const store = {
      streams: () => [],
      keys: () => [],
      stream: () => 1,
      end: () => records.length,
      get: () => undefined,
      put: () => {},
      room: () => 'enough',
      append: (_: number, __: number, record: Uint8Array) => records.push(record) - 1,
      truncate: (_: number, end: number) => records.splice(end),
      read: (
        _: number,
        from: number,
        limit: { records: number },
        done: (...all: unknown[]) => void,
      ) => reads.push(() => done(undefined, records.slice(from, from + limit.records))),
    };
    return store as never;
  }
}

test('all of a sealed segment that is here may be read, whichever way it came and whenever', () => {
  const bench = new Bench();
  bench.learn({});
  bench.replicate(0, 2, 1);
  expect(bench.readable).toBe(1);
  bench.learn({ state: 'sealed', count: 3 }, {});
  expect(bench.readable).toBe(2);
  bench.replicate(2, 1, 1);
  expect(bench.readable).toBe(3);
});

test('a copy that was asked for under an epoch is not sent once a higher one is promised', () => {
  const bench = new Bench();
  bench.learn({});
  bench.replicate(0, 2, 0);
  const of = { topic: TOPIC, segment: SEGMENT };
  const ask = (epoch: number): void =>
    bench.dataPlane.handle(THIRD, { kind: 'CopyRequest', ...of, epoch: epoch as Epoch, from: 0 });
  const promise = (epoch: number): void =>
    bench.dataPlane.handle(THIRD, { kind: 'PromiseRequest', ...of, epoch: epoch as Epoch });
  const copies = (): DataMessage[] => bench.sent.filter(({ kind }) => kind === 'Copy');
  promise(7);
  ask(7);
  promise(8);
  bench.reads.shift()!();
  expect(copies()).toEqual([]);
  ask(8);
  bench.reads.shift()!();
  expect(copies()).toMatchObject([{ epoch: 8, records: [Uint8Array.of(0), Uint8Array.of(1)] }]);
});

test('an owner sends nothing that was read before it promised a higher epoch', () => {
  const bench = new Bench();
  bench.learn({ owner: SELF.node, boot: 11 as BootId });
  const request = { node: SELF.node, boot: 11 as BootId, sequence: 1 };
  bench.dataPlane.owner.appendRecord(TOPIC, Uint8Array.of(0), request, () => {});
  bench.dataPlane.flush();
  expect(bench.reads).toHaveLength(2);
  bench.reads.shift()!();
  expect(bench.sent).toMatchObject([{ kind: 'Replicate', records: [Uint8Array.of(0)] }]);
  const of = { topic: TOPIC, segment: SEGMENT };
  bench.dataPlane.handle(THIRD, { kind: 'PromiseRequest', ...of, epoch: 6 as Epoch });
  bench.reads.shift()!();
  expect(bench.sent.filter(({ kind }) => kind === 'Replicate')).toHaveLength(1);
});

test('a read ends where what may be read ends', () => {
  const bench = new Bench();
  bench.learn({});
  bench.replicate(0, 3, 2);
  const heard: number[] = [];
  const segment = { id: SEGMENT } as SegmentRecord;
  bench.dataPlane.read(TOPIC, segment, 0, MESSAGE_LIMIT, (_, records) =>
    heard.push(records.length),
  );
  bench.reads.shift()!();
  expect(heard).toEqual([2]);
});

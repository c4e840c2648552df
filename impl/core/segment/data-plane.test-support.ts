/**
 * One node's data plane, number 1 of three: metadata that the test says, messages that it hands in and looks at, a store in memory
 * whose reads come back, and whose commits become durable, when the test says so.
 */
import type { WalrusError } from '../errors.ts';
import type { BootId, Epoch, Incarnation, NodeId, SegmentId, TopicId } from '../ids.ts';
import type { ReplicaRecord, SegmentRecord } from '../metadata/cluster-state.ts';
import type { Command } from '../metadata/commands.ts';
import { NO_POLICY } from '../metadata/policy.ts';
import type { Store } from '../storage/store.ts';
import { DataPlane } from './data-plane.ts';
import type { DataMessage } from './messages.ts';
import type { ScrubOptions } from './ports.ts';

export const TOPIC: TopicId = 4 as TopicId;
export const SEGMENT = 1 as SegmentId;
export const EPOCH = 5 as Epoch;
export const BOOT = 11 as BootId;
export const MAX_ENTRIES = 100;
export const SELF: ReplicaRecord = disk(1);
export const OTHER: ReplicaRecord = disk(2);
export const THIRD: ReplicaRecord = disk(3);

export type Kind = DataMessage['kind'];
export type Of<K extends Kind> = Extract<DataMessage, { readonly kind: K }>;
/** `DataMessage` of a kind without what the bench fills in. */
type Fields<K extends Kind> = Omit<Of<K>, 'kind' | 'topic' | 'segment'>;

export interface Letter {
  readonly to: NodeId;
  readonly message: DataMessage;
}

export interface BenchOptions {
  readonly scrub?: ScrubOptions;
  /** Reads end at once. */
  readonly quickReads?: boolean;
}

export class Bench {
  nowMs = 0;
  leaseValid = true;
  room: 'yes' | 'busy' | 'full' = 'yes';
  /** Nodes whose disks are full. */
  readonly full: Set<number> = new Set();
  readonly letters: Letter[] = [];
  readonly proposed: Command[] = [];
  readonly failures: WalrusError[] = [];
  /** Ends the reads that are under way. */
  readonly reads: (() => void)[] = [];
  /** Of each read: where it begins, and how many records it may give. */
  /** A read gives no more at a time. */
  recordsPerRead: number = Infinity;
  readonly readRanges: (readonly [number, number])[] = [];
  /** Error of every read, if there is one. */
  readError: WalrusError | undefined;
  readonly dataPlane: DataPlane;
  private readonly streams = new Map<string, Uint8Array[]>();
  private readonly names: string[] = [];
  private readonly pairs = new Map<string, Uint8Array>();
  private segments: SegmentRecord[] = [];
  private lsn = 0;
  /** Index of the metadata as it is known here. */
  appliedIndex = 0;

  constructor({
    scrub = { everyMs: 0, bytesPerSecond: 0 },
    quickReads = false,
  }: BenchOptions = {}) {
    this.dataPlane = new DataPlane({
      self: SELF,
      boot: BOOT,
      store: this.store(quickReads),
      trace: undefined,
      maxSegmentEntries: MAX_ENTRIES,
      scrub,
      repairBytesPerSecond: 1_000_000,
      cluster: () =>
        ({
          segment: (_: string, id: SegmentId) => this.segments.find((each) => each.id === id),
          start: () => this.segments[0]!.baseOffset,
          currentSegment: () => this.segments.at(-1),
          topic: () => ({ segments: this.segments, policy: NO_POLICY, cursors: new Map() }),
          topicNames: () => [TOPIC],
          isGone: () => false,
          isStray: (_: string, id: SegmentId, node: NodeId) => this.isStray(id, node),
          appliedIndex: this.appliedIndex,
          isPresent: () => true,
          node: (id: NodeId) => ({ incarnation: 100 + id }),
        }) as never,
      nowMs: () => this.nowMs,
      wallMs: () => this.nowMs,
      leaseValid: () => this.leaseValid,
      send: ({ node }, message) => this.letters.push({ to: node, message }),
      propose: (command) => this.proposed.push(command),
      place: () => ({ owner: OTHER.node, replicas: [1, 2, 3] as NodeId[] }),
      advanced: () => {},
      hasRoom: (node) => !this.full.has(node),
      notice: () => {},
      failed: (error) => this.failures.push(error),
    });
  }

  /** The metadata now says so of the topic's segments. */
  learn(...segments: Partial<SegmentRecord>[]): void {
    this.segments = segments.map(
      (segment, i) =>
        ({
          id: i + 1,
          state: 'open',
          epoch: EPOCH,
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

  private isStray(id: SegmentId, node: NodeId): boolean {
    const segment = this.segments[id - 1];
    if (segment?.state !== 'sealed' || segment.move?.to.node === node) return false;
    return segment.replicas.every((each) => each.node !== node);
  }

  /** This process owns the topic's open segment. */
  own(): void {
    this.learn({ owner: SELF.node, boot: BOOT });
  }

  /** This process is to end the topic's segment, under the next epoch. */
  recover(epoch: number = EPOCH + 1): void {
    this.learn({ state: 'fenced', owner: SELF.node, boot: BOOT, epoch: epoch as Epoch });
  }

  /** A client's record: gives its index or why it was not taken, and what becomes of it. */
  append(byte: number): { readonly taken: number | string; readonly heard: string[] } {
    const heard: string[] = [];
    const origin = { node: SELF.node, boot: BOOT, sequence: byte };
    const { owner } = this.dataPlane;
    const taken = owner.appendBatch(TOPIC, [Uint8Array.of(0, byte)], origin, (outcome) =>
      heard.push(outcome),
    );
    return { taken, heard };
  }

  /** A client's batch of so many records. */
  appendBatch(count: number, byte = 0): number | string {
    const batch = Array.from({ length: count }, (_, i) =>
      Uint8Array.of(i < count - 1 ? 1 : 0, byte + i),
    );
    const origin = { node: SELF.node, boot: BOOT, sequence: byte };
    return this.dataPlane.owner.appendBatch(TOPIC, batch, origin, () => {});
  }

  /** A message about the first segment arrives. */
  hear<K extends Kind>(sender: ReplicaRecord, kind: K, fields: Fields<K>): void {
    const message = { kind, topic: TOPIC, segment: SEGMENT, ...fields } as unknown as Of<K>;
    this.dataPlane.handle(sender, message);
  }

  replicate(from: number, count: number, highWatermark: number, epoch: Epoch = EPOCH): void {
    this.hear(OTHER, 'Replicate', { epoch, from, records: records(from, count), highWatermark });
  }

  /** A replica says what it has, all of it durably. */
  ack(sender: ReplicaRecord, end: number, epoch: Epoch = EPOCH): void {
    this.hear(sender, 'ReplicateAck', { epoch, end, durableEnd: end, gap: false });
  }

  /** The end of an input, and all reads that it began. */
  flush(): void {
    this.dataPlane.flush();
    while (this.reads.length > 0) this.reads.shift()!();
  }

  /** What was staged so far is committed, and durable. */
  sync(): void {
    this.dataPlane.committed(++this.lsn);
    this.dataPlane.durable(this.lsn);
  }

  passes(ms: number): void {
    this.nowMs += ms;
    this.dataPlane.tick(this.nowMs);
    this.flush();
  }

  /** What was sent since the last look, of one kind. */
  sent<K extends Kind>(kind: K): (Of<K> & { readonly to: NodeId })[] {
    const taken = this.letters.filter(({ message }) => message.kind === kind);
    for (const each of taken) this.letters.splice(this.letters.indexOf(each), 1);
    return taken.map(({ to, message }) => ({ to, ...(message as Of<K>) }));
  }

  get readable(): number {
    return this.dataPlane.readableEnd(TOPIC, SEGMENT);
  }

  private store(quickReads: boolean): Store {
    const of = (stream: number): Uint8Array[] => this.streams.get(this.names[stream]!)!;
    const store = {
      streams: () => [],
      keys: () => [],
      stream: (name: string) => {
        if (!this.streams.has(name)) {
          this.streams.set(name, []);
          this.names.push(name);
        }
        return this.names.indexOf(name);
      },
      end: (stream: number) => of(stream).length,
      bytes: (stream: number) => of(stream).reduce((sum, { length }) => sum + length, 0),
      get: (key: string) => this.pairs.get(key),
      put: (key: string, value: Uint8Array | undefined) =>
        value === undefined ? this.pairs.delete(key) : this.pairs.set(key, value),
      drop: (stream: number) => {
        this.streams.delete(this.names[stream]!);
        this.names[stream] = '';
      },
      room: () => this.room,
      append: (stream: number, _: number, record: Uint8Array) => of(stream).push(record) - 1,
      truncate: (stream: number, end: number) => of(stream).splice(end),
      read: (
        stream: number,
        from: number,
        limit: { records: number },
        done: (...all: unknown[]) => void,
      ) => {
        this.readRanges.push([from, limit.records]);
        const error = this.readError;
        const end = (): void =>
          error === undefined
            ? done(
                undefined,
                of(stream).slice(from, from + Math.min(limit.records, this.recordsPerRead)),
              )
            : done(error, []);
        if (quickReads) end();
        else this.reads.push(end);
      },
    };
    return store as never;
  }
}

/** Records that hold their index. */
export function records(from: number, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => Uint8Array.of(0, from + i));
}

function disk(node: number): ReplicaRecord {
  return { node: node as NodeId, incarnation: (100 + node) as Incarnation };
}

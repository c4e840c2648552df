/** What of Raft is written, and read back, over a store in memory. */
import { expect, test } from 'vitest';
import { WalrusError } from '../core/errors.ts';
import type { Incarnation, LogIndex, NodeId, Term } from '../core/ids.ts';
import type { Entry, Restored, Snapshot } from '../core/raft/entry.ts';
import type { Ready } from '../core/raft/ready.ts';
import { RaftStorage } from './raft-storage.ts';

/** One stream and some pairs. */
class MemoryStore {
  readonly pairs: Map<string, Uint8Array> = new Map();
  start = 0;
  records: Uint8Array[] = [];
  readError: WalrusError | undefined;

  stream(): number {
    return 1;
  }
  end(): number {
    return this.start + this.records.length;
  }
  get(key: string): Uint8Array | undefined {
    return this.pairs.get(key);
  }
  put(key: string, value: Uint8Array): void {
    this.pairs.set(key, value);
  }
  append(_: number, __: number, record: Uint8Array): void {
    this.records.push(record);
  }
  truncate(_: number, end: number): void {
    this.records.length = end - this.start;
  }
  reset(_: number, start: number): void {
    this.start = start;
    this.records = [];
  }
  trim(_: number, start: number): void {
    this.records.splice(0, start - this.start);
    this.start = start;
  }
  read(_: number, from: number, __: unknown, done: (...all: unknown[]) => void): void {
    // Two at a time: who reads goes on.
    const at = from - this.start;
    done(this.readError, this.records.slice(at, at + 2));
  }
}

const NOTHING: Ready = {
  number: 1,
  hardState: undefined,
  snapshot: undefined,
  truncateFrom: undefined,
  entries: [],
  messages: [],
  messagesAfterPersist: [],
  committed: [],
  readStates: [],
};

function entry(index: number, term: number, kind: Entry['kind'] = 'command'): Entry {
  return {
    index: index as LogIndex,
    term: term as Term,
    kind,
    data: Uint8Array.of(index, term),
  };
}

function snapshot(index: number): Snapshot {
  const member = { id: 1 as NodeId, incarnation: 101 as Incarnation, address: 'a', learner: false };
  return {
    index: index as LogIndex,
    term: 2 as Term,
    membership: [member],
    data: Uint8Array.of(index),
  };
}

class Bench {
  readonly store = new MemoryStore();
  private readonly storage = new RaftStorage(this.store as never);

  constructor() {
    this.storage.begin({ term: 1 as Term, vote: 0, snapshot: undefined, entries: [] });
  }

  persist(ready: Partial<Ready>): void {
    this.storage.persist({ ...NOTHING, ...ready });
  }

  compact(index: number): void {
    this.storage.compact(snapshot(index));
  }

  /** What the next life of the process finds. */
  restored(): Restored {
    const { error, restored } = this.restore();
    expect(error).toBeUndefined();
    return restored;
  }

  /** Why it finds nothing. */
  failure(): string | undefined {
    return this.restore().error?.code;
  }

  private restore(): { error: WalrusError | undefined; restored: Restored } {
    const told: { error: WalrusError | undefined; restored: Restored }[] = [];
    new RaftStorage(this.store as never).restore((error, restored) =>
      told.push({ error, restored }),
    );
    expect(told).toHaveLength(1);
    return told[0]!;
  }
}

test('term, vote and log come back', () => {
  const bench = new Bench();
  const entries = [entry(1, 1, 'noop'), entry(2, 1), entry(3, 2, 'membership')];
  bench.persist({ entries, hardState: { term: 2 as Term, vote: 3 as NodeId } });
  expect(bench.restored()).toEqual({ term: 2, vote: 3, snapshot: undefined, entries });
});

test('a log that is cut goes on from there', () => {
  const bench = new Bench();
  bench.persist({ entries: [entry(1, 1), entry(2, 1), entry(3, 1)] });
  bench.persist({ truncateFrom: 2 as LogIndex, entries: [entry(2, 2)] });
  expect(bench.restored().entries).toEqual([entry(1, 1), entry(2, 2)]);
});

test('a snapshot from the leader takes the place of all of the log, and what comes with it follows', () => {
  const bench = new Bench();
  bench.persist({ entries: [entry(1, 1), entry(2, 1)] });
  bench.persist({ snapshot: snapshot(7), entries: [entry(8, 3)] });
  expect(bench.restored()).toMatchObject({ snapshot: snapshot(7), entries: [entry(8, 3)] });
});

test('a snapshot of its own takes the place of the beginning', () => {
  const bench = new Bench();
  bench.persist({ entries: [entry(1, 1), entry(2, 2), entry(3, 2)] });
  bench.compact(2);
  expect(bench.restored()).toMatchObject({ snapshot: snapshot(2), entries: [entry(3, 2)] });
});

test('what cannot be read is told', () => {
  const bench = new Bench();
  bench.persist({ entries: [entry(1, 1)] });
  bench.store.readError = new WalrusError('StorageFailed', 'here');
  expect(bench.failure()).toBe('StorageFailed');
});

test('what this node cannot have written is told by name', () => {
  const bench = new Bench();
  bench.persist({ entries: [entry(1, 1)] });
  for (const bytes of [[1, 9, 0], [0xff], []]) {
    bench.store.records[0] = Uint8Array.from(bytes);
    expect(bench.failure()).toBe('Corrupt');
  }
  bench.compact(1);
  for (const key of ['raft/hard', 'raft/snapshot']) {
    const kept = bench.store.pairs.get(key)!;
    bench.store.pairs.set(key, Uint8Array.of(0x80));
    expect(bench.failure()).toBe('Corrupt');
    bench.store.pairs.set(key, kept);
  }
});

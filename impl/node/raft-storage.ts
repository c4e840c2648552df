/** Where Raft stood when the process ended: its term and vote, its snapshot, and its log, in the store. */
import { ByteReader, ByteWriter, MalformedError } from '../core/codec.ts';
import { WalrusError } from '../core/errors.ts';
import type { LogIndex, NodeId, Term } from '../core/ids.ts';
import { EMPTY, type Entry, type Restored, type Snapshot } from '../core/raft/entry.ts';
import { readMembership, writeMembership } from '../core/raft/membership.ts';
import type { HardState, Ready } from '../core/raft/ready.ts';
import type { StreamId } from '../core/storage/ids.ts';
import type { Store } from '../core/storage/store.ts';

const HARD_STATE = 'raft/hard';
const SNAPSHOT = 'raft/snapshot';
const LOG = 'raft/log';
const KINDS: readonly Entry['kind'][] = ['noop', 'command', 'membership'];
const READ_LIMIT = { records: 4096, bytes: 1024 * 1024 };

/** Everything that it stages goes into the store's next commit. */
export class RaftStorage {
  private readonly store: Store;
  private readonly log: StreamId;

  constructor(store: Store) {
    this.store = store;
    this.log = store.stream(LOG);
  }

  /** Reads everything back. `Corrupt` if what was written cannot be read. */
  restore(done: (error: WalrusError | undefined, restored: Restored) => void): void {
    const begin = readBack(() => {
      const snapshot = this.readSnapshot();
      return { ...this.readHardState(snapshot), snapshot };
    });
    if (begin instanceof WalrusError) return done(begin, EMPTY);
    const entries: Entry[] = [];
    const first = begin.snapshot === undefined ? 1 : begin.snapshot.index + 1;
    const finish = (error: WalrusError | undefined): void => done(error, { ...begin, entries });
    const readOn = (): void => {
      const from = first + entries.length;
      if (from >= this.store.end(this.log)) return finish(undefined);
      this.store.read(this.log, from, READ_LIMIT, (error, records) => {
        if (error !== undefined) return finish(error);
        const more = readBack(() =>
          records.map((record, i) => decodeEntry((from + i) as LogIndex, record)),
        );
        if (more instanceof WalrusError) return finish(more);
        entries.push(...more);
        readOn();
      });
    };
    readOn();
  }

  /** Stages what `ready` wants to be durable. */
  persist(ready: Ready): void {
    if (ready.snapshot !== undefined) {
      this.writeSnapshot(ready.snapshot);
      this.store.reset(this.log, ready.snapshot.index + 1);
    }
    if (ready.truncateFrom !== undefined) this.store.truncate(this.log, ready.truncateFrom);
    for (const entry of ready.entries) this.store.append(this.log, entry.term, encodeEntry(entry));
    if (ready.hardState !== undefined) this.writeHardState(ready.hardState);
  }

  /** Stages a new cluster's beginning, or a state that replaces a part of the log. */
  begin({ term, vote, snapshot }: Restored): void {
    if (snapshot !== undefined) this.writeSnapshot(snapshot);
    this.store.reset(this.log, snapshot === undefined ? 1 : snapshot.index + 1);
    this.writeHardState({ term, vote });
  }

  /** Stages a snapshot that stands for the log up to its index from now on. */
  compact(snapshot: Snapshot): void {
    this.writeSnapshot(snapshot);
    this.store.trim(this.log, snapshot.index + 1);
  }

  private readHardState(snapshot: Snapshot | undefined): HardState {
    const bytes = this.store.get(HARD_STATE);
    if (bytes === undefined) return { term: snapshot?.term ?? (0 as Term), vote: 0 };
    const input = new ByteReader(bytes);
    return { term: input.whole() as Term, vote: input.whole() as NodeId | 0 };
  }

  private writeHardState({ term, vote }: HardState): void {
    this.store.put(HARD_STATE, new ByteWriter().whole(term).whole(vote).finish());
  }

  private readSnapshot(): Snapshot | undefined {
    const bytes = this.store.get(SNAPSHOT);
    if (bytes === undefined) return undefined;
    const input = new ByteReader(bytes);
    const index = input.whole() as LogIndex;
    const term = input.whole() as Term;
    const membership = readMembership(input);
    return { index, term, membership, data: input.bytes() };
  }

  private writeSnapshot({ index, term, membership, data }: Snapshot): void {
    const out = new ByteWriter().whole(index).whole(term);
    writeMembership(out, membership);
    this.store.put(SNAPSHOT, out.bytes(data).finish());
  }
}

/** What bytes that this node wrote mean; `Corrupt` if it cannot have written them. */
function readBack<Value>(read: () => Value): Value | WalrusError {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return new WalrusError('Corrupt', `what was kept of raft cannot be read: ${error.message}`);
  }
}

function encodeEntry({ term, kind, data }: Entry): Uint8Array {
  return new ByteWriter().whole(term).byte(KINDS.indexOf(kind)).bytes(data).finish();
}

function decodeEntry(index: LogIndex, record: Uint8Array): Entry {
  const input = new ByteReader(record);
  const term = input.whole() as Term;
  const kind = KINDS[input.byte()];
  if (kind === undefined) throw new MalformedError(`entry ${index} is of no kind`);
  return { index, term, kind, data: input.bytes() };
}

/**
 * A store on a simulated disk under virtual time, and the simplest model of it: for tests of the storage engine. The
 * model keeps the state after each commit; after a crash the store has to be in one of them, none older than what it had
 * called durable.
 */
import type { WalrusError } from '../impl/core/errors.ts';
import { crc32c } from '../impl/core/storage/crc32c.ts';
import type { Lsn, StreamId } from '../impl/core/storage/ids.ts';
import { Store } from '../impl/core/storage/store.ts';
import { utf8Decode } from '../impl/core/utf8.ts';
import type { DiskCompletions } from '../impl/ports/disk.ts';
import { VirtualTime } from './clock.ts';
import { SimDisk } from './disk.ts';
import { Randomness } from './random.ts';

export interface StoreWorldOptions {
  readonly seed: string;
  readonly fileBytes: number;
  readonly batchBytes: number;
  readonly checkpointBytes: number;
  readonly syncOnCommit: boolean;
  readonly alignmentBytes: number;
  readonly files?: ReadonlyMap<string, Uint8Array>;
}

interface StreamModel {
  readonly start: number;
  readonly records: readonly Uint8Array[];
}

/** What a store holds, as values that never change. */
export interface StoreState {
  readonly streams: ReadonlyMap<string, StreamModel>;
  readonly pairs: ReadonlyMap<string, Uint8Array>;
}

const EMPTY: StoreState = { streams: new Map(), pairs: new Map() };

export class StoreWorld {
  readonly time: VirtualTime = new VirtualTime();
  readonly machine: SimDisk;
  readonly options: StoreWorldOptions;
  store!: Store;
  /** Why the store failed. */
  failure: WalrusError | undefined = undefined;
  /** With all that is staged. */
  state: StoreState = EMPTY;
  /** States after commits, oldest first; the first one is durable. */
  private commits: { lsn: Lsn; state: StoreState }[] = [{ lsn: 0, state: EMPTY }];
  private readonly randomness: Randomness;
  private opened = false;
  private isCleaning = false;
  /** The last bit of cleaning found nothing more to be done. */
  private isClean = false;
  private openError: WalrusError | undefined = undefined;

  constructor(options: StoreWorldOptions) {
    this.options = options;
    this.randomness = new Randomness(options.seed);
    this.machine = new SimDisk({
      random: this.randomness.stream('disk'),
      schedule: (delayMs, task) => this.time.after(delayMs, task),
      alignmentBytes: options.alignmentBytes,
      ...(options.files === undefined ? {} : { files: options.files }),
    });
  }

  /** Begins to open a store; `step` until `isOpen` or `error`. */
  start(): void {
    this.opened = false;
    this.openError = undefined;
    this.failure = undefined;
    this.isCleaning = false;
    const { options } = this;
    const deliver: DiskCompletions = (completions) => store.complete(completions);
    const store = new Store(this.machine.start(deliver), {
      ...options,
      checksum: crc32c,
      random: this.randomness.stream('store'),
      onProgress: () => {
        if (store === this.store) this.forgetDurable();
      },
      onFailed: (error) => {
        this.failure = error;
      },
    });
    this.store = store;
    store.open((error) => {
      if (store !== this.store) return;
      this.opened = true;
      this.openError = error;
    });
  }

  get isOpen(): boolean {
    return this.opened && this.openError === undefined;
  }

  get error(): WalrusError | undefined {
    return this.openError;
  }

  /** Opens a store; the error if it cannot be. */
  open(): WalrusError | undefined {
    this.start();
    while (!this.opened) this.step();
    return this.openError;
  }

  step(): void {
    if (this.time.pending === 0) throw new Error('nothing is going to happen any more');
    this.time.step();
  }

  /** Until nothing is under way. */
  settle(): void {
    while (this.time.pending > 0) this.step();
  }

  until(condition: () => boolean): void {
    while (!condition()) this.step();
  }

  append(name: string, epoch: number, record: Uint8Array): void {
    const index = this.store.append(this.store.stream(name), epoch, record);
    const { start, records } = this.streamOf(name);
    if (index !== start + records.length) throw new Error(`index ${index} given to ${name}`);
    this.setStream(name, { start, records: [...records, record] });
  }

  truncate(name: string, end: number): void {
    this.store.truncate(this.store.stream(name), end);
    const { start, records } = this.streamOf(name);
    this.setStream(name, { start, records: records.slice(0, end - start) });
  }

  /** Writes records again that are there: what the stream holds stays the same. */
  repair(name: string, from: number, count: number): void {
    const { start, records } = this.streamOf(name);
    this.store.repair(
      this.store.stream(name),
      from,
      records.slice(from - start, from - start + count),
    );
  }

  /** Lets the store do a bit of cleaning in the background, if it is at none: what the streams hold stays the same. */
  clean(bytes: number, isThorough: boolean): void {
    if (this.isCleaning) return;
    const { store } = this;
    this.isCleaning = true;
    store.clean(bytes, isThorough, (_error, { isEnd }) => {
      if (store !== this.store) return;
      this.isCleaning = false;
      this.isClean = isEnd;
    });
  }

  /** Cleans all there is to be cleaned, a bit at a time, as long as `isOver` does not end it. */
  cleanAll(bytes: number, isThorough: boolean, isOver: () => boolean = () => false): void {
    const stops = (): boolean => isOver() || this.failure !== undefined;
    do {
      this.clean(bytes, isThorough);
      while (this.isCleaning && !stops()) this.step();
      // What goes behind a checkpoint goes when that is written.
      for (let steps = 0; steps < 8 && this.time.pending > 0 && !stops(); steps++) this.step();
    } while (!this.isClean && !stops());
  }

  trim(name: string, start: number): void {
    this.store.trim(this.store.stream(name), start);
    const before = this.streamOf(name);
    this.setStream(name, { start, records: before.records.slice(start - before.start) });
  }

  reset(name: string, start: number): void {
    this.store.reset(this.store.stream(name), start);
    this.setStream(name, { start, records: [] });
  }

  drop(name: string): void {
    this.store.drop(this.store.stream(name));
    const streams = new Map(this.state.streams);
    streams.delete(name);
    this.state = { ...this.state, streams };
  }

  put(key: string, value: Uint8Array | undefined): void {
    this.store.put(key, value);
    const pairs = new Map(this.state.pairs);
    if (value === undefined) pairs.delete(key);
    else pairs.set(key, value);
    this.state = { ...this.state, pairs };
  }

  commit(): Lsn {
    const lsn = this.store.commit();
    this.commits.push({ lsn, state: this.state });
    return lsn;
  }

  /** Makes all commits durable. */
  sync(): void {
    const lsn = this.commit();
    this.store.sync();
    this.until(() => this.store.durableLsn >= lsn || this.failure !== undefined);
  }

  close(): WalrusError | undefined {
    let closed = false;
    let failed: WalrusError | undefined;
    this.store.close((error) => {
      closed = true;
      failed = error;
    });
    this.until(() => closed);
    return failed;
  }

  streamOf(name: string): StreamModel {
    return this.state.streams.get(name) ?? { start: 0, records: [] };
  }

  /**
   * After an opening: reads everything and finds the commit that it shows. That and what came before it is then the
   * past. Throws if there is no such commit.
   */
  adopt(): void {
    const found = this.readAll();
    const candidates = this.commits;
    const at = candidates.findLastIndex(({ state }) => sameState(state, found));
    if (at < 0)
      throw new Error(
        `no commit left this state:\n${tell(found)}\nlast commit:\n${tell(candidates.at(-1)!.state)}\ndurable:\n${tell(candidates[0]!.state)}`,
      );
    this.state = candidates[at]!.state;
    this.commits = [{ lsn: this.store.durableLsn, state: this.state }];
  }

  /** Throws if the open store does not show all that was staged. */
  check(): void {
    const found = this.readAll();
    if (!sameState(found, this.state)) {
      throw new Error(`expected:\n${tell(this.state)}\nfound:\n${tell(found)}`);
    }
  }

  /** Every stream and key as the open store gives them. */
  readAll(): StoreState {
    const { store } = this;
    const streams = new Map<string, StreamModel>();
    for (const name of store.streams()) {
      const id = store.stream(name);
      streams.set(name, { start: store.start(id), records: this.readStream(id) });
    }
    const pairs = new Map(store.keys('').map((key) => [key, store.get(key)!] as const));
    return { streams, pairs };
  }

  /** All records of a stream, a few at a time. Throws what the store reports. */
  readStream(id: StreamId): Uint8Array[] {
    const { store } = this;
    const records: Uint8Array[] = [];
    let next = store.start(id);
    while (next < store.end(id)) {
      const got = this.read(id, next, { records: 7, bytes: 5000 });
      if (got.length === 0) throw new Error(`nothing read at ${next}`);
      records.push(...got);
      next += got.length;
    }
    return records;
  }

  read(
    id: StreamId,
    from: number,
    limit: { records: number; bytes: number },
  ): readonly Uint8Array[] {
    let answer: { error: WalrusError | undefined; records: readonly Uint8Array[] } | undefined;
    this.store.read(id, from, limit, (error, records) => {
      answer = { error, records };
    });
    while (answer === undefined) this.step();
    if (answer.error !== undefined) throw answer.error;
    return answer.records;
  }

  private setStream(name: string, stream: StreamModel): void {
    this.state = { ...this.state, streams: new Map(this.state.streams).set(name, stream) };
  }

  private forgetDurable(): void {
    const durable = this.store.durableLsn;
    let last = 0;
    for (let i = 1; i < this.commits.length; i++) if (this.commits[i]!.lsn <= durable) last = i;
    this.commits.splice(0, last);
  }
}

function sameState(a: StoreState, b: StoreState): boolean {
  if (a.streams.size !== b.streams.size || a.pairs.size !== b.pairs.size) return false;
  for (const [name, stream] of a.streams) {
    const other = b.streams.get(name);
    if (other === undefined || other.start !== stream.start) return false;
    if (other.records.length !== stream.records.length) return false;
    if (!stream.records.every((record, i) => sameBytes(record, other.records[i]!))) return false;
  }
  for (const [key, value] of a.pairs) {
    const other = b.pairs.get(key);
    if (other === undefined || !sameBytes(value, other)) return false;
  }
  return true;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

function tell(state: StoreState): string {
  const streams = [...state.streams].map(
    ([name, { start, records }]) =>
      `${name} from ${start}: ${records.map((record) => utf8Decode(record.subarray(0, 8))).join(' ')}`,
  );
  return [...streams, `keys ${[...state.pairs.keys()].join(' ')}`].join('\n');
}

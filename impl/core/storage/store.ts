/**
 * A directory of streams of records and a map of small keys, made durable by one write-ahead log.
 * Synchronous: what the disk does comes back through `complete`.
 */
import type { Checksum, Disk, DiskCompletion, DiskRequest } from '../../ports/disk.ts';
import type { Random } from '../../ports/random.ts';
import { assert } from '../assert.ts';
import { ByteReader, ByteWriter } from '../codec.ts';
import { WalrusError } from '../errors.ts';

/** Place in the sequence of all bytes ever committed to this directory. Monotone. */
export type Lsn = number;
/** Small integer that stands for a stream's name while the store is open. */
export type StreamId = number;

export interface StoreOptions {
  readonly checksum: Checksum;
  readonly random: Random;
  /** Size of one log file; a batch that is larger gets a larger file. */
  readonly fileBytes: number;
  /** A batch of this size is written without waiting for more. */
  readonly batchBytes: number;
  /** A checkpoint is written after so many bytes of log. */
  readonly checkpointBytes: number;
  /** Every group of commits is followed by a sync. */
  readonly syncOnCommit: boolean;
  /** Memory to frame batches in; best if the disk can write from it without copying. */
  readonly arena?: Uint8Array;
  /** `writtenLsn`, `durableLsn` or the answer of `room` may have changed. Called from `complete`. */
  onProgress(): void;
  /** The store has failed for good: it accepts and promises nothing more. Called once, with `StorageFailed`. */
  onFailed(error: WalrusError): void;
}

/** What `room` answers: take it, wait for `onProgress`, or refuse with `NoSpace`. */
export type Room = 'yes' | 'busy' | 'full';

export interface StoreStats {
  readonly writtenBytes: number;
}

type Done = (error: WalrusError | undefined) => void;
type ReadDone = (error: WalrusError | undefined, records: readonly Uint8Array[]) => void;

interface Stream {
  readonly name: string;
  defined: boolean;
  start: number;
  records: Uint8Array[];
}

const DEFINE = 1;
const APPEND = 2;
const TRUNCATE = 3;
const TRIM = 4;
const RESET = 5;
const PUT = 6;
const REMOVE = 7;
const DROP = 8;

export class Store {
  private readonly disk: Disk;
  private readonly options: StoreOptions;
  private readonly waiting = new Map<number, (completion: DiskCompletion) => void>();
  private nextRequest = 1;
  private readonly byName = new Map<string, StreamId>();
  private readonly table = new Map<StreamId, Stream>();
  private nextStream = 1;
  private readonly pairs = new Map<string, Uint8Array>();
  private staged = new ByteWriter();
  private stagedCount = 0;
  private file = 0;
  private state: 'new' | 'open' | 'failed' | 'closed' = 'new';
  private committed: Lsn = 0;
  private written: Lsn = 0;
  private durable: Lsn = 0;
  private writing = 0;
  private syncing = false;
  private syncWanted = false;

  constructor(disk: Disk, options: StoreOptions) {
    this.disk = disk;
    this.options = options;
  }

  /** Everything before this place has been handed to the disk and taken. */
  get writtenLsn(): Lsn {
    return this.written;
  }

  /** Everything before this place survives power loss. */
  get durableLsn(): Lsn {
    return this.durable;
  }

  get stats(): StoreStats {
    return { writtenBytes: this.written };
  }

  /** `Locked`, `Corrupt`, `UnsupportedVersion` or `StorageFailed` if it cannot be opened. */
  open(done: Done): void {
    const fail = (completion: DiskCompletion): boolean => {
      if (completion.error === undefined) return false;
      const locked = completion.error === 'Locked';
      done(
        new WalrusError(locked ? 'Locked' : 'StorageFailed', completion.detail ?? 'open failed'),
      );
      return true;
    };
    this.submit({ op: 'lock' }, (locked) => {
      if (fail(locked)) return;
      this.submit({ op: 'list' }, (listed) => {
        if (fail(listed)) return;
        const create = !listed.files!.some((file) => file.name === 'log');
        this.submit({ op: 'open', name: 'log', create }, (opened) => {
          if (fail(opened)) return;
          this.file = opened.file!;
          const into = new Uint8Array(opened.lengthBytes ?? 0);
          this.submit({ op: 'read', file: this.file, offsetBytes: 0, into }, (read) => {
            if (fail(read)) return;
            this.recover(into);
            this.submit({ op: 'sync', file: this.file }, (synced) => {
              if (fail(synced)) return;
              this.submit({ op: 'syncDirectory' }, (directory) => {
                if (fail(directory)) return;
                this.state = 'open';
                done(undefined);
              });
            });
          });
        });
      });
    });
  }

  /** Takes what the disk completed. */
  complete(completions: readonly DiskCompletion[]): void {
    for (const completion of completions) {
      const handle = this.waiting.get(completion.id);
      assert(handle !== undefined, 'a completion answers one request');
      this.waiting.delete(completion.id);
      handle(completion);
    }
  }

  /** The same name gives the same id. Costs nothing until something is appended. */
  stream(name: string): StreamId {
    const known = this.byName.get(name);
    if (known !== undefined) return known;
    const id = this.nextStream++;
    this.byName.set(name, id);
    this.table.set(id, { name, defined: false, start: 0, records: [] });
    return id;
  }

  /** Whether `bytes` more can be appended now without more memory than the arena and with a place on the disk. */
  room(_bytes: number): Room {
    return 'yes';
  }

  /** Stages one record and returns its index. The bytes are copied. */
  append(stream: StreamId, epoch: number, record: Uint8Array): number {
    this.define(stream);
    this.staged.byte(APPEND).whole(stream).whole(epoch).bytes(record);
    const { start, records } = this.table.get(stream)!;
    records.push(record.slice());
    return start + records.length - 1;
  }

  /** Forgets the records at and after `end`, in `[start, end]` of the stream. */
  truncate(stream: StreamId, end: number): void {
    this.define(stream);
    this.staged.byte(TRUNCATE).whole(stream).whole(end);
    const it = this.table.get(stream)!;
    assert(
      end >= it.start && end <= it.start + it.records.length,
      'truncate to a place in the stream',
    );
    it.records.length = end - it.start;
  }

  /** Forgets the records before `start`, in `[start, end]` of the stream. */
  trim(stream: StreamId, start: number): void {
    this.define(stream);
    this.staged.byte(TRIM).whole(stream).whole(start);
    const it = this.table.get(stream)!;
    assert(
      start >= it.start && start <= it.start + it.records.length,
      'trim to a place in the stream',
    );
    it.records.splice(0, start - it.start);
    it.start = start;
  }

  /** Empties the stream; the next record gets `start`. */
  reset(stream: StreamId, start: number): void {
    this.define(stream);
    this.staged.byte(RESET).whole(stream).whole(start);
    const it = this.table.get(stream)!;
    it.start = start;
    it.records = [];
  }

  /** Forgets the stream and its name; the id stands for nothing any more. */
  drop(stream: StreamId): void {
    const it = this.table.get(stream)!;
    if (it.defined) this.stage(DROP).whole(stream);
    this.table.delete(stream);
    this.byName.delete(it.name);
  }

  /** Sets a small durable value; the last one wins, `undefined` removes. The bytes are copied. */
  put(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) {
      this.stage(REMOVE).text(key);
      this.pairs.delete(key);
    } else {
      this.stage(PUT).text(key).bytes(value);
      this.pairs.set(key, value.slice());
    }
  }

  /**
   * Ends what was staged since the last commit: after a crash all of it is there or nothing.
   * Returns the place that `durableLsn` has to reach for it to be durable.
   */
  commit(): Lsn {
    this.assertOpen();
    if (this.stagedCount === 0) return this.committed;
    const body = this.staged.finish();
    this.staged = new ByteWriter();
    const count = this.stagedCount;
    this.stagedCount = 0;
    const bytes = new Uint8Array(12 + body.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(8, count);
    view.setUint32(0, body.length);
    view.setUint32(4, this.options.checksum(body, 0, body.length, this.committed % 2 ** 32));
    bytes.set(body, 12);
    const offsetBytes = this.committed;
    this.committed += bytes.length;
    this.writing++;
    this.submit({ op: 'write', file: this.file, offsetBytes, bytes }, (completion) => {
      if (completion.error !== undefined) return this.fail(completion);
      this.writing--;
      if (this.writing === 0) this.written = this.committed;
      if (this.options.syncOnCommit) this.sync();
      this.options.onProgress();
    });
    return this.committed;
  }

  /** Makes everything committed so far durable; `durableLsn` tells when. */
  sync(): void {
    if (this.state !== 'open' || this.durable === this.committed) return;
    if (this.syncing || this.written < this.committed) {
      this.syncWanted = true;
      return;
    }
    this.syncing = true;
    const upTo = this.written;
    this.submit({ op: 'sync', file: this.file }, (completion) => {
      if (completion.error !== undefined) return this.fail(completion);
      this.syncing = false;
      this.durable = upTo;
      if (this.syncWanted) {
        this.syncWanted = false;
        this.sync();
      }
      this.options.onProgress();
    });
  }

  /** Index of the first record kept. */
  start(stream: StreamId): number {
    return this.table.get(stream)!.start;
  }

  /** Index that the next record gets. */
  end(stream: StreamId): number {
    const { start, records } = this.table.get(stream)!;
    return start + records.length;
  }

  get(key: string): Uint8Array | undefined {
    return this.pairs.get(key);
  }

  /** Keys that begin with `prefix`, sorted. */
  keys(prefix: string): string[] {
    return [...this.pairs.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  /** Names of all streams that hold anything durable or staged, sorted. */
  streams(): readonly string[] {
    return [...this.table.values()]
      .filter((stream) => stream.defined)
      .map((stream) => stream.name)
      .sort();
  }

  /**
   * Gives records from index `from` on: at least one if there is one, never more than the limits allow
   * unless the first alone is larger. `InvalidArgument` if `from` lies before `start`; `Corrupt` if bytes do not verify.
   */
  read(
    stream: StreamId,
    from: number,
    limit: { records: number; bytes: number },
    done: ReadDone,
  ): void {
    const { start, records } = this.table.get(stream)!;
    if (from < start)
      return done(new WalrusError('InvalidArgument', `record ${from} was trimmed`), []);
    const found: Uint8Array[] = [];
    let bytes = 0;
    for (let i = from - start; i < records.length && found.length < limit.records; i++) {
      bytes += records[i]!.length;
      if (found.length > 0 && bytes > limit.bytes) break;
      found.push(records[i]!);
    }
    done(undefined, found);
  }

  /** Makes everything committed durable and lets go of the directory. */
  close(done: Done): void {
    if (this.state === 'failed') return done(undefined);
    this.submit({ op: 'sync', file: this.file }, () => {
      this.state = 'closed';
      this.submit({ op: 'close', file: this.file }, () => done(undefined));
    });
  }

  private assertOpen(): void {
    if (this.state === 'failed') throw new WalrusError('StorageFailed', 'the store has failed');
    if (this.state !== 'open') throw new WalrusError('Closed', 'the store is not open');
  }

  private stage(kind: number): ByteWriter {
    this.assertOpen();
    this.stagedCount++;
    return this.staged.byte(kind);
  }

  private define(id: StreamId): void {
    this.assertOpen();
    this.stagedCount++;
    const stream = this.table.get(id);
    assert(stream !== undefined, 'the stream exists');
    if (stream.defined) return;
    stream.defined = true;
    this.stagedCount++;
    this.staged.byte(DEFINE).whole(id).text(stream.name);
  }

  private recover(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer);
    for (let at = 0; at + 12 <= bytes.length; ) {
      const length = view.getUint32(at);
      const to = at + 12 + length;
      if (length === 0 || to > bytes.length) break;
      if (
        this.options.checksum(bytes.subarray(at + 12, to), 0, length, at % 2 ** 32) !==
        view.getUint32(at + 4)
      )
        break;
      this.replay(new ByteReader(bytes.slice(at + 12, to)), view.getUint32(at + 8));
      at = to;
      this.committed = at;
    }
    this.written = this.committed;
    this.durable = this.committed;
  }

  private replay(reader: ByteReader, count: number): void {
    for (let i = 0; i < count; i++) {
      const kind = reader.byte();
      if (kind === PUT) {
        const key = reader.text();
        this.pairs.set(key, reader.bytes().slice());
      } else if (kind === REMOVE) {
        this.pairs.delete(reader.text());
      } else {
        const id = reader.whole();
        if (kind === DEFINE) {
          const name = reader.text();
          this.byName.set(name, id);
          this.table.set(id, { name, defined: true, start: 0, records: [] });
          this.nextStream = Math.max(this.nextStream, id + 1);
        } else if (kind === DROP) {
          this.byName.delete(this.table.get(id)!.name);
          this.table.delete(id);
        } else {
          const stream = this.table.get(id)!;
          const value = reader.whole();
          if (kind === APPEND) stream.records.push(reader.bytes().slice());
          else if (kind === TRUNCATE) stream.records.length = value - stream.start;
          else {
            stream.records.splice(0, kind === RESET ? stream.records.length : value - stream.start);
            stream.start = value;
          }
        }
      }
    }
  }

  private fail(completion: DiskCompletion): void {
    if (this.state === 'failed') return;
    this.state = 'failed';
    this.options.onFailed(
      new WalrusError('StorageFailed', `${completion.error} ${completion.detail ?? ''}`),
    );
  }

  private submit(
    request: WithoutId<DiskRequest>,
    handle: (completion: DiskCompletion) => void,
  ): void {
    const id = this.nextRequest++;
    this.waiting.set(id, handle);
    this.disk.submit({ ...request, id } as DiskRequest);
  }
}

type WithoutId<Request> = Request extends DiskRequest ? Omit<Request, 'id'> : never;

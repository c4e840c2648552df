/**
 * Reads records back: from memory as long as their frame is there, else from the disk in large chunks, the next one while
 * the last is being looked at. A frame is verified in full, against the place where it lies, before a record of it is given out.
 */
import type { Checksum, DiskCompletion } from '../../ports/disk.ts';
import { MalformedError } from '../codec.ts';
import { WalrusError } from '../errors.ts';
import type { Arena } from './arena.ts';
import { RecordTable } from './body.ts';
import { claimedFrameBytes, decodeFrame, FRAME_HEADER_BYTES } from './format.ts';
import type { Lsn } from './ids.ts';
import type { LogFile } from './log-file.ts';
import type { LogFiles } from './log-files.ts';
import { describe, isRefused, type Requests } from './requests.ts';
import type { StreamIndex } from './stream-index.ts';

export interface ReadLimit {
  readonly records: number;
  readonly bytes: number;
}

export type ReadDone = (error: WalrusError | undefined, records: readonly Uint8Array[]) => void;

/** A first read of a place, and a read that goes on where the last one ended. */
const RANDOM_READ_BYTES = 128 * 1024;
const SEQUENTIAL_READ_BYTES = 1024 * 1024;
const CHUNKS_MAX = 8;
const NOTHING = new Uint8Array(0);
const TABLES_MAX = 16;

/** Part of a file, as it was on the disk. */
interface Chunk {
  readonly file: number;
  readonly from: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** A chunk that nobody has asked for yet, on its way here. */
interface Ahead {
  readonly file: number;
  readonly from: number;
  /** Those who have asked for it since. */
  readonly waiting: (() => void)[];
}

interface Table {
  readonly lsn: Lsn;
  readonly records: RecordTable;
  readonly isInMemory: boolean;
}

export class Reader {
  chunksRead = 0;
  private readonly requests: Requests;
  private readonly files: LogFiles;
  private readonly arena: Arena;
  private readonly checksum: Checksum;
  private readonly unfinished: ReadonlyMap<Lsn, number>;
  private readonly written: () => Lsn;
  private readonly chunks: Chunk[] = [];
  private ahead: Ahead | undefined = undefined;
  /** The last chunk that was read for somebody who goes on and on, until it is looked at: then the next one is due. */
  private unseen: Chunk | undefined = undefined;
  private readonly tables: Table[] = [];

  constructor(
    requests: Requests,
    files: LogFiles,
    arena: Arena,
    checksum: Checksum,
    unfinished: ReadonlyMap<Lsn, number>,
    written: () => Lsn,
  ) {
    this.requests = requests;
    this.files = files;
    this.arena = arena;
    this.checksum = checksum;
    this.unfinished = unfinished;
    this.written = written;
  }

  /** `from` is in the stream. */
  read(stream: StreamIndex, from: number, limit: ReadLimit, done: ReadDone): void {
    const found: Uint8Array[] = [];
    let left = limit.bytes;
    let next = from;
    let extent = stream.find(from);
    while (next < stream.end && found.length < limit.records) {
      const lsn = stream.lsnOf(extent);
      const table = this.table(stream, lsn);
      if (typeof table === 'string') {
        if (found.length > 0) break;
        if (table === 'absent') this.fetch(stream, from, limit, lsn, done);
        else done(new WalrusError('Corrupt', table), []);
        return;
      }
      const end = Math.min(stream.endOf(extent), next + limit.records - found.length);
      const { records } = table;
      if (next < records.first || end > records.end) {
        done(this.corrupt(lsn, `records ${next} to ${end - 1} are not in their frame`), []);
        return;
      }
      for (; next < end; next++) {
        left -= records.lengthOf(next);
        if (left < 0 && found.length > 0) {
          done(undefined, found);
          return;
        }
        found.push(table.isInMemory ? records.copy(next) : records.view(next));
      }
      extent++;
    }
    done(undefined, found);
  }

  /** Where the stream's records are in the frame at `lsn`; `absent` if it has to be read, else what is wrong. */
  private table(stream: StreamIndex, lsn: Lsn): Table | string {
    const frame = this.arena.at(lsn);
    const isInMemory = frame !== undefined;
    let at = this.tables.findIndex(
      (one) => one.lsn === lsn && one.records.stream === stream.id && one.isInMemory === isInMemory,
    );
    if (at < 0) {
      let records: RecordTable;
      if (frame !== undefined) {
        records = new RecordTable(stream.id, frame.bytes, frame.from + FRAME_HEADER_BYTES);
      } else {
        const verified = this.verified(stream, lsn);
        if (!(verified instanceof RecordTable)) return verified;
        records = verified;
      }
      this.tables.push({ lsn, records, isInMemory });
      if (this.tables.length > TABLES_MAX) this.tables.shift();
      at = this.tables.length - 1;
    }
    const table = this.tables[at]!;
    if (frame !== undefined) table.records.walkTo(frame.at);
    return table;
  }

  private verified(stream: StreamIndex, lsn: Lsn): RecordTable | string {
    const file = this.files.at(lsn);
    const offset = file.offsetOf(lsn);
    const chunk = this.chunks.find((one) => holds(one, file.number, offset, FRAME_HEADER_BYTES));
    if (chunk === undefined) return 'absent';
    if (chunk === this.unseen && this.ahead === undefined) {
      this.unseen = undefined;
      this.readAhead(file, chunk);
    }
    const at = offset - chunk.from;
    const frame = decodeFrame(chunk.bytes, chunk.view, at, this.checksum);
    if (frame === 'more') return 'absent';
    const { identity } = this.files;
    const isRight =
      frame !== 'invalid' &&
      frame.lsn === lsn &&
      frame.file === file.number &&
      frame.identity === identity;
    if (!isRight)
      return `${file.name} at byte ${offset}: the frame with lsn ${lsn} does not verify`;
    const records = new RecordTable(stream.id, chunk.bytes, at + FRAME_HEADER_BYTES);
    const counts = this.unfinished.get(lsn) ?? FRAME_HEADER_BYTES + frame.bodyBytes;
    try {
      records.walkTo(at + counts);
    } catch (error) {
      if (error instanceof MalformedError)
        return `${file.name} at byte ${offset}: ${error.message}`;
      throw error;
    }
    return records;
  }

  /** Reads the frame at `lsn` and what follows it, then begins again. */
  private fetch(
    stream: StreamIndex,
    from: number,
    limit: ReadLimit,
    lsn: Lsn,
    done: ReadDone,
  ): void {
    const file = this.files.at(lsn);
    const offset = file.offsetOf(lsn);
    const { ahead } = this;
    if (ahead?.file === file.number && ahead.from === offset) {
      ahead.waiting.push(() => this.resume(stream, from, limit, lsn, false, done));
      return;
    }
    const length = this.fetchLength(file, offset);
    if (length === 0) {
      done(this.corrupt(lsn, 'the frame is longer than its file'), []);
      return;
    }
    this.load(file, offset, length, (error, bytes) => {
      if (error !== undefined) {
        done(error, []);
        return;
      }
      const chunk = this.keep(file, offset, bytes);
      if (length >= SEQUENTIAL_READ_BYTES) this.unseen = chunk;
      this.resume(stream, from, limit, lsn, length > bytes.length, done);
    });
  }

  /** Begins to read what follows the last frame that is whole in the chunk. If that fails, whoever needs it will be told. */
  private readAhead(file: LogFile, { from, bytes, view }: Chunk): void {
    let at = 0;
    let claimed = 0;
    while (at + FRAME_HEADER_BYTES <= bytes.length) {
      claimed = claimedFrameBytes(view, at);
      if (claimed < FRAME_HEADER_BYTES || at + claimed > bytes.length) break;
      at += claimed;
    }
    const offset = from + at;
    const rest = Math.min(file.sizeBytes, file.offsetOf(this.written())) - offset;
    // Nothing there is verified yet: what claims to be larger may be damaged.
    if (at === 0 || rest < FRAME_HEADER_BYTES || claimed > SEQUENTIAL_READ_BYTES) return;
    const ahead: Ahead = { file: file.number, from: offset, waiting: [] };
    this.ahead = ahead;
    this.load(file, offset, Math.min(rest, SEQUENTIAL_READ_BYTES), (error, bytes) => {
      this.ahead = undefined;
      if (error === undefined) this.unseen = this.keep(file, offset, bytes);
      for (const goOn of ahead.waiting) goOn();
    });
  }

  /** Reads up to `length` bytes of a file, which is open then; or says why it cannot. */
  private load(
    file: LogFile,
    offset: number,
    length: number,
    then: (error: WalrusError | undefined, bytes: Uint8Array) => void,
  ): void {
    const fail = (doing: string, completion: DiskCompletion): void => {
      const code = isRefused(completion) ? 'Exhausted' : 'StorageFailed';
      then(new WalrusError(code, describe(`${doing} ${file.name}`, completion)), NOTHING);
    };
    file.pins++;
    this.files.open(file, (handle, opened) => {
      if (handle === undefined) {
        this.files.unpin(file);
        fail('opening', opened!);
        return;
      }
      const into = new Uint8Array(length);
      const request = { op: 'read', file: handle, offsetBytes: offset, into } as const;
      this.requests.send(request, (completion) => {
        this.files.unpin(file);
        if (completion.error === undefined)
          then(undefined, into.subarray(0, completion.lengthBytes));
        else fail(`reading at byte ${offset} of`, completion);
      });
    });
  }

  /** After a fetch: the stream may have been changed meanwhile, and the frame may be longer than what was read. */
  private resume(
    stream: StreamIndex,
    from: number,
    limit: ReadLimit,
    lsn: Lsn,
    isShort: boolean,
    done: ReadDone,
  ): void {
    if (from < stream.start || from >= stream.end || stream.lsnOf(stream.find(from)) !== lsn) {
      if (from < stream.start) done(trimmed(stream, from), []);
      else if (from >= stream.end) done(undefined, []);
      else this.read(stream, from, limit, done);
      return;
    }
    if (isShort && this.arena.at(lsn) === undefined && this.verified(stream, lsn) === 'absent') {
      done(this.corrupt(lsn, 'the file ends inside the frame'), []);
      return;
    }
    this.read(stream, from, limit, done);
  }

  /** Much if this goes on where a chunk ends, all of the frame if its length is known; 0 if that cannot be. */
  private fetchLength(file: LogFile, offset: number): number {
    // What lies behind the last complete write will still change.
    const rest = Math.min(file.sizeBytes, file.offsetOf(this.written())) - offset;
    if (rest < FRAME_HEADER_BYTES) return 0;
    const head = this.chunks.find((one) => holds(one, file.number, offset, FRAME_HEADER_BYTES));
    if (head !== undefined && this.frameIsCut(head, offset)) {
      const claimed = claimedFrameBytes(head.view, offset - head.from);
      return claimed > rest ? 0 : Math.min(rest, Math.max(claimed, SEQUENTIAL_READ_BYTES));
    }
    const goesOn = this.chunks.some(
      (one) =>
        one.file === file.number && one.from < offset && offset <= one.from + one.bytes.length,
    );
    return Math.min(rest, goesOn ? SEQUENTIAL_READ_BYTES : RANDOM_READ_BYTES);
  }

  private frameIsCut(chunk: Chunk, offset: number): boolean {
    return (
      offset - chunk.from + claimedFrameBytes(chunk.view, offset - chunk.from) > chunk.bytes.length
    );
  }

  private keep(file: LogFile, from: number, bytes: Uint8Array): Chunk {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const same = this.chunks.findIndex((one) => one.file === file.number && one.from === from);
    if (same >= 0) this.chunks.splice(same, 1);
    const chunk = { file: file.number, from, bytes, view };
    this.chunks.unshift(chunk);
    if (this.chunks.length > CHUNKS_MAX) this.chunks.pop();
    this.chunksRead++;
    return chunk;
  }

  private corrupt(lsn: Lsn, reason: string): WalrusError {
    const file = this.files.at(lsn);
    return new WalrusError('Corrupt', `${file.name} at byte ${file.offsetOf(lsn)}: ${reason}`);
  }
}

export function trimmed(stream: StreamIndex, index: number): WalrusError {
  const reason = `stream ${JSON.stringify(stream.name)} begins at ${stream.start}, after ${index}`;
  return new WalrusError('InvalidArgument', reason);
}

function holds(chunk: Chunk, file: number, offset: number, length: number): boolean {
  if (chunk.file !== file || offset < chunk.from) return false;
  return offset + length <= chunk.from + chunk.bytes.length;
}

/**
 * Reads records back: from memory as long as their frame is there, else from the disk, and then no more than what was asked for:
 * the index tells where a section is and how long, the end of a section where its chunks are. A chunk is verified in full, against the
 * place where it lies, before a record of it is given out. For a reader who goes on, what comes next is read while the last is looked at.
 */
import type { Checksum, DiskCompletion } from '../../ports/disk.ts';
import { WalrusError } from '../errors.ts';
import type { Arena } from './arena.ts';
import { DamagedRecords } from './damaged-records.ts';
import { BLOCK_BYTES, FRAME_HEADER_BYTES } from './format.ts';
import type { Frame } from './frame.ts';
import type { Lsn } from './ids.ts';
import type { LogFile } from './log-file.ts';
import type { LogFiles } from './log-files.ts';
import { type ReadRun, SHARE } from './read-run.ts';
import { ReaderV1 } from './reader-v1.ts';
import { describe, isRefused, type Requests } from './requests.ts';
import { type Piece, placeChecksum, SectionTable, tableBytesMax } from './section.ts';
import { SectionCache } from './section-cache.ts';
import type { StreamIndex } from './stream-index.ts';
import { Cursor } from './varint.ts';

export interface ReadLimit {
  readonly records: number;
  readonly bytes: number;
}

export type ReadDone = (error: WalrusError | undefined, records: readonly Uint8Array[]) => void;

/** A section no longer than this is read in one piece, whatever is wanted of it. */
const WHOLE_BYTES_MAX = 8192;
/** What is asked of the disk for one call, but for a single record that is longer. */
const FETCH_BYTES_MAX = 2 ** 20;
/** In so many reads, each of a place of its own. */
const BATCHES_MAX = 8;
const NOTHING = new Uint8Array(0);

/** Something to be read of one section: all of it, where its chunks are, or some chunks in a row. */
interface Unit {
  readonly stream: number;
  readonly section: Lsn;
  readonly sectionBytes: number;
  /** Undefined if it has yet to be read, at the end of all this. */
  readonly table: SectionTable | undefined;
  /** The first chunk that is in it, and the first behind it that is not. */
  readonly chunk: number;
  chunkEnd: number;
  readonly from: Lsn;
  to: Lsn;
  /** The first record behind it. */
  end: number;
}

/** Units that are read together. */
interface Batch {
  readonly file: LogFile;
  readonly units: Unit[];
  /** Of the units alone. */
  usefulBytes: number;
  to: Lsn;
}

export class Reader {
  chunksRead = 0;
  readBytes = 0;
  private readonly requests: Requests;
  private readonly files: LogFiles;
  private readonly arena: Arena;
  private readonly checksum: Checksum;
  private readonly version1: ReaderV1;
  private readonly cache = new SectionCache();
  /** What is on its way, by where it begins (of a section of which nothing is known yet, by where that does), and who else has asked for it since. */
  private readonly loading = new Map<Lsn, (() => void)[]>();
  /** Chunks, or sections, that did not verify and of which nobody was told yet. */
  private readonly damaged = new Set<Lsn>();

  constructor(
    requests: Requests,
    files: LogFiles,
    arena: Arena,
    checksum: Checksum,
    unfinished: ReadonlyMap<Lsn, number>,
  ) {
    this.requests = requests;
    this.files = files;
    this.arena = arena;
    this.checksum = checksum;
    this.version1 = new ReaderV1(files, checksum, unfinished);
  }

  /** `from` is in the stream. Whoever reads beside the stream's readers brings a run of its own. */
  read(
    stream: StreamIndex,
    from: number,
    limit: ReadLimit,
    done: ReadDone,
    run: ReadRun = stream.run,
  ): void {
    this.readAhead(stream, from, run);
    const found: Uint8Array[] = [];
    let left = limit.bytes;
    let next = from;
    let extent = stream.find(from);
    while (next < stream.end && found.length < limit.records && left >= 0) {
      const piece = this.piece(stream, extent, next);
      if (piece === undefined || piece instanceof WalrusError) {
        if (found.length > 0) break;
        if (piece === undefined) this.fetch(stream, from, limit, done, run);
        else done(piece, []);
        return;
      }
      const wanted = next + limit.records - found.length;
      const end = Math.min(stream.endOf(extent), piece.first + piece.records, wanted);
      const cursor = new Cursor(piece.bytes, 0, piece.bytes.length);
      for (let index = piece.first; index < next; index++) cursor.skip(cursor.varint());
      for (; next < end; next++) {
        const length = cursor.varint();
        left -= length;
        if (left < 0 && found.length > 0) break;
        const at = cursor.skip(length);
        found.push(piece.bytes.subarray(at, at + length));
      }
      if (next === stream.endOf(extent)) extent++;
    }
    run.took(from, next, limit.bytes - Math.max(0, left));
    done(undefined, found);
  }

  /** Records of the stream with that of `index`, which is in the extent, among them; undefined if they have to be read. */
  private piece(
    stream: StreamIndex,
    extent: number,
    index: number,
  ): Piece | WalrusError | undefined {
    const lsn = stream.lsnOf(extent);
    const frame = this.arena.at(lsn);
    if (frame !== undefined) return this.pieceInMemory(frame, stream, extent, index);
    if (stream.bytesOf(extent) === 0) {
      const piece = this.version1.piece(stream.id, lsn);
      if (piece === undefined) return this.takeDamage(stream, extent, lsn);
      const isIn = index >= piece.first && index < piece.first + piece.records;
      return isIn ? piece : this.damage(stream, extent, lsn, 0, Infinity);
    }
    const cached = this.cache.get(lsn);
    if (cached === undefined) return this.takeDamage(stream, extent, lsn);
    const { table } = cached;
    const first = table.firstBefore(stream.firstOf(extent));
    if (index - first >= table.records) return this.damage(stream, extent, lsn, 0, Infinity);
    const chunk = table.find(index - first);
    const from = table.startOf(chunk);
    const before = table.recordsBefore(chunk);
    const run = cached.runWith(chunk);
    if (run !== undefined) {
      const records = table.recordsBefore(run.end) - before;
      return { bytes: run.bytes.subarray(from - run.from), first: first + before, records };
    }
    const end = first + table.recordsBefore(chunk + 1);
    return this.takeDamage(stream, extent, lsn + from, first + before, end);
  }

  private pieceInMemory(frame: Frame, stream: StreamIndex, extent: number, index: number): Piece {
    const first = stream.firstOf(extent);
    if (frame.state === 'open') {
      return frame.openSection(stream, first)!.copyFrom(index, frame.bytes);
    }
    const at = frame.from + stream.lsnOf(extent) - frame.lsn;
    const sectionBytes = stream.bytesOf(extent);
    const section = frame.bytes.subarray(at, at + sectionBytes);
    const table = SectionTable.at(section, sectionBytes, undefined)!;
    const sectionFirst = table.firstBefore(first);
    const chunk = table.find(index - sectionFirst);
    const before = table.recordsBefore(chunk);
    return {
      bytes: section.slice(table.startOf(chunk), table.startOf(chunk + 1)),
      first: sectionFirst + before,
      records: table.recordsBefore(chunk + 1) - before,
    };
  }

  /** Reads what is wanted, then begins again. */
  private fetch(
    stream: StreamIndex,
    from: number,
    limit: ReadLimit,
    done: ReadDone,
    run: ReadRun,
  ): void {
    const resume = (): void => {
      // The stream may have been changed meanwhile.
      if (from < stream.start) done(trimmed(stream, from), []);
      else if (from >= stream.end) done(undefined, []);
      else this.read(stream, from, limit, done, run);
    };
    const extent = stream.find(from);
    const lsn = stream.lsnOf(extent);
    /** What cannot be read where it was may be elsewhere by now. */
    const fail = (error: WalrusError): void => {
      const isThere = from >= stream.start && from < stream.end;
      if (isThere && stream.lsnOf(stream.find(from)) === lsn) done(error, []);
      else resume();
    };
    if (stream.bytesOf(extent) === 0) {
      this.fetchV1(stream, lsn, resume, fail);
      return;
    }
    const waiting = this.loading.get(this.placeOf(stream, extent, from));
    if (waiting !== undefined) {
      waiting.push(resume);
      return;
    }
    const spareBytes = run.goesOn(from) ? run.spareBytes : 0;
    const batches = this.plan(stream, from, limit.records, limit.bytes, spareBytes);
    let left = batches.length;
    let failure: WalrusError | undefined;
    for (const batch of batches) {
      this.loadBatch(batch, (error) => {
        // Without the others there is still something to give out.
        if (batch === batches[0]) failure = error;
        left--;
        if (left > 0) return;
        if (failure === undefined) resume();
        else fail(failure);
      });
    }
  }

  /** Begins to read what comes next, for one who goes on. If that fails, whoever needs it will be told. */
  private readAhead(stream: StreamIndex, from: number, run: ReadRun): void {
    const begin = run.aheadOf(from);
    if (begin === undefined || begin >= stream.end) return;
    const batches = this.plan(stream, begin, Infinity, run.spareBytes, run.spareBytes);
    const last = batches.at(-1);
    if (last === undefined) return;
    run.askedAhead(begin, last.units.at(-1)!.end);
    for (const batch of batches) this.loadBatch(batch, () => {});
  }

  /** Under which the record of `index` is loaded. */
  private placeOf(stream: StreamIndex, extent: number, index: number): Lsn {
    const lsn = stream.lsnOf(extent);
    const cached = this.cache.get(lsn);
    if (cached === undefined) return lsn;
    const { table } = cached;
    return lsn + table.startOf(table.find(index - table.firstBefore(stream.firstOf(extent))));
  }

  /** What has to be read for so much from `from` on, as far as it is known; something if that record is not at hand. */
  private plan(
    stream: StreamIndex,
    from: number,
    records: number,
    bytes: number,
    spareBytes: number,
  ): Batch[] {
    const units: Unit[] = [];
    /** Where records were repaired, what is left of a section may lie on both sides of them. */
    const planned = new Set<Lsn>();
    const isDue = (place: Lsn): boolean => this.loading.has(place) || planned.has(place);
    let leftBytes = Math.max(1, Math.min(bytes, FETCH_BYTES_MAX));
    let leftRecords = records;
    let next = from;
    for (let extent = stream.find(from); next < stream.end; extent++) {
      if (leftBytes <= 0 || leftRecords <= 0) break;
      const section = stream.lsnOf(extent);
      const sectionBytes = stream.bytesOf(extent);
      if (sectionBytes === 0 || this.arena.at(section) !== undefined) break;
      const end = stream.endOf(extent);
      const wanted = Math.min(end - next, leftRecords);
      const cached = this.cache.get(section);
      const unit = { stream: stream.id, section, sectionBytes, chunk: 0 };
      if (cached === undefined) {
        if (isDue(section)) break;
        planned.add(section);
        const to = section + sectionBytes;
        const share = wanted / (end - stream.firstOf(extent));
        const wantedBytes = Math.min(share * sectionBytes, leftBytes) + spareBytes;
        if (sectionBytes > WHOLE_BYTES_MAX && wantedBytes < sectionBytes * (1 - SHARE)) {
          const place = to - tableBytesMax(sectionBytes);
          units.push({ ...unit, table: undefined, chunkEnd: 0, from: place, to, end: next });
          break;
        }
        units.push({ ...unit, table: undefined, chunkEnd: Infinity, from: section, to, end });
        leftBytes -= sectionBytes;
      } else {
        const { table } = cached;
        const first = table.firstBefore(stream.firstOf(extent));
        let chunk = table.find(next - first);
        let run: Unit | undefined;
        for (; chunk < table.chunks && leftBytes > 0; chunk++) {
          if (first + table.recordsBefore(chunk) >= next + wanted) break;
          const place = section + table.startOf(chunk);
          const to = section + table.startOf(chunk + 1);
          leftBytes -= to - place;
          if (cached.runWith(chunk) !== undefined || isDue(place)) {
            run = undefined;
            continue;
          }
          planned.add(place);
          if (run === undefined) {
            run = { ...unit, table, chunk, chunkEnd: chunk, from: place, to, end };
            units.push(run);
          }
          run.chunkEnd = chunk + 1;
          run.to = to;
          run.end = first + table.recordsBefore(chunk + 1);
        }
      }
      leftRecords -= wanted;
      next = end;
    }
    return this.join(units);
  }

  /** What lies close together is read together: no block for nothing, or few of many. */
  private join(units: readonly Unit[]): Batch[] {
    const batches: Batch[] = [];
    for (const unit of units) {
      const file = this.files.at(unit.from);
      const length = unit.to - unit.from;
      const last = batches.at(-1);
      if (last?.file === file && unit.from >= last.to) {
        const blocksEnd = Math.floor(file.offsetOf(unit.from) / BLOCK_BYTES) * BLOCK_BYTES;
        const hasBlock = blocksEnd - file.offsetOf(last.to) >= BLOCK_BYTES;
        const useful = last.usefulBytes + length;
        if (!hasBlock || unit.to - last.units[0]!.from <= useful * (1 + SHARE)) {
          last.units.push(unit);
          last.usefulBytes = useful;
          last.to = unit.to;
          continue;
        }
      }
      if (batches.length === BATCHES_MAX) break;
      batches.push({ file, units: [unit], usefulBytes: length, to: unit.to });
    }
    return batches;
  }

  private loadBatch(
    { file, units, to }: Batch,
    then: (error: WalrusError | undefined) => void,
  ): void {
    const { from } = units[0]!;
    const places = units.flatMap(placesOf);
    const waiting: (() => void)[] = [];
    for (const place of places) this.loading.set(place, waiting);
    this.load(file, from, to - from, (error, bytes) => {
      this.cache.evict();
      for (const place of places) this.loading.delete(place);
      if (error === undefined) {
        for (const unit of units) this.take(unit, bytes.subarray(unit.from - from, unit.to - from));
      }
      then(error);
      for (const goOn of waiting.splice(0)) goOn();
    });
  }

  /** Verifies what was read, and keeps it. */
  private take(unit: Unit, bytes: Uint8Array): void {
    const { checksum } = this;
    let { table } = unit;
    if (table === undefined && bytes.length === unit.to - unit.from) {
      const seed = placeChecksum(this.files.identity, unit.section, unit.stream);
      table = SectionTable.at(bytes, unit.sectionBytes, { checksum, seed });
    }
    if (table === undefined) {
      this.damaged.add(unit.section);
      return;
    }
    const section = this.cache.add(unit.section, table);
    const base = unit.from - unit.section;
    const end = Math.min(unit.chunkEnd, table.chunks);
    const keep = (chunk: number, end: number): void => {
      if (chunk === end) return;
      const from = table.startOf(chunk);
      const kept = bytes.subarray(from - base, table.startOf(end) - base);
      this.cache.addRun(section, chunk, { bytes: kept, from, end });
    };
    let first = unit.chunk;
    for (let chunk = first; chunk < end; chunk++) {
      const from = table.startOf(chunk) - base;
      const to = table.startOf(chunk + 1) - base;
      if (to <= bytes.length && checksum(bytes, from, to, 0) === table.checksumOf(chunk)) continue;
      this.damaged.add(unit.section + table.startOf(chunk));
      keep(first, chunk);
      first = chunk + 1;
    }
    keep(first, end);
  }

  /** A frame of version 1 says itself how long it is. */
  private fetchV1(
    stream: StreamIndex,
    lsn: Lsn,
    resume: () => void,
    fail: (error: WalrusError) => void,
  ): void {
    const file = this.files.at(lsn);
    this.load(file, lsn, FRAME_HEADER_BYTES, (error, header) => {
      if (error !== undefined) return fail(error);
      const length = this.version1.frameBytes(file, lsn, header);
      if (length === undefined) {
        this.damaged.add(lsn);
        return resume();
      }
      this.load(file, lsn, length, (error, bytes) => {
        if (error !== undefined) return fail(error);
        if (!this.version1.take(file, stream.id, lsn, bytes)) this.damaged.add(lsn);
        resume();
      });
    });
  }

  /** Reads up to `length` bytes of a file, which is open then; or says why it cannot: `Exhausted`, `StorageFailed`. */
  load(
    file: LogFile,
    from: Lsn,
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
      const offsetBytes = file.offsetOf(from);
      const into = new Uint8Array(length);
      this.requests.send({ op: 'read', file: handle, offsetBytes, into }, (completion) => {
        this.files.unpin(file);
        if (completion.error !== undefined) {
          fail(`reading at byte ${offsetBytes} of`, completion);
          return;
        }
        this.chunksRead++;
        this.readBytes += completion.lengthBytes!;
        then(undefined, into.subarray(0, completion.lengthBytes));
      });
    });
  }

  /** If what begins at `lsn` did not verify, says so, once: the next one who asks will have it read again. */
  private takeDamage(
    stream: StreamIndex,
    extent: number,
    lsn: Lsn,
    from = 0,
    to = Infinity,
  ): WalrusError | undefined {
    return this.damaged.delete(lsn) ? this.damage(stream, extent, lsn, from, to) : undefined;
  }

  private damage(
    stream: StreamIndex,
    extent: number,
    lsn: Lsn,
    from: number,
    to: number,
  ): WalrusError {
    const file = this.files.at(lsn);
    const first = Math.max(from, stream.start, stream.firstOf(extent));
    const end = Math.min(to, stream.endOf(extent));
    return new DamagedRecords(
      stream.name,
      first,
      end,
      `${file.name} at byte ${file.offsetOf(lsn)}`,
    );
  }
}

export function trimmed(stream: StreamIndex, index: number): WalrusError {
  const reason = `stream ${JSON.stringify(stream.name)} begins at ${stream.start}, after ${index}`;
  return new WalrusError('InvalidArgument', reason);
}

/** By what it is known to be on its way: where each of its chunks begins, or the section if they are not known. */
function placesOf({ table, section, chunk, chunkEnd }: Unit): Lsn[] {
  if (table === undefined) return [section];
  return Array.from({ length: chunkEnd - chunk }, (_, i) => section + table.startOf(chunk + i));
}

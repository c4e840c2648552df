/**
 * Reads back what the streams hold and verifies it, a part at a time: damage is found while other copies are whole, and not by the
 * reader who needs it. One pass goes over the streams in the order of their ids, over each from its start to its end.
 */
import type { Checksum } from '../../ports/disk.ts';
import { assert } from '../assert.ts';
import type { WalrusError } from '../errors.ts';
import type { Arena } from './arena.ts';
import { DamagedRecords } from './damaged-records.ts';
import { FRAME_HEADER_BYTES } from './format.ts';
import type { Lsn } from './ids.ts';
import type { LogFiles } from './log-files.ts';
import type { Reader } from './reader.ts';
import { ReaderV1 } from './reader-v1.ts';
import { placeChecksum, SectionTable } from './section.ts';
import type { StreamIndex } from './stream-index.ts';

export interface Scrubbed {
  /** Records that do not verify or that the disk does not read, with their stream; of one stream in their order. */
  readonly damaged: readonly DamagedRecords[];
  readonly readBytes: number;
  /** The pass is over: all that was on the disk when it came by was read. The next call begins another. */
  readonly isEnd: boolean;
}

export type ScrubDone = (error: WalrusError | undefined, scrubbed: Scrubbed) => void;

/** What was read for an extent of a stream. */
interface Part {
  readonly stream: StreamIndex;
  readonly lsn: Lsn;
  readonly first: number;
  readonly end: number;
}

export class Scrubber {
  private readonly files: LogFiles;
  private readonly arena: Arena;
  private readonly reader: Reader;
  private readonly checksum: Checksum;
  private readonly version1: ReaderV1;
  private readonly streams: readonly (StreamIndex | undefined)[];
  /** Where the pass goes on: a stream, and a record of it. */
  private id = 0;
  private index = 0;
  private isRunning = false;
  private damaged: DamagedRecords[] = [];
  private readBytes = 0;

  constructor(
    files: LogFiles,
    arena: Arena,
    reader: Reader,
    checksum: Checksum,
    unfinished: ReadonlyMap<Lsn, number>,
    streams: readonly (StreamIndex | undefined)[],
  ) {
    this.files = files;
    this.arena = arena;
    this.reader = reader;
    this.checksum = checksum;
    this.version1 = new ReaderV1(files, checksum, unfinished);
    this.streams = streams;
  }

  /** Goes on until so many bytes were read, or a section more. `Exhausted` if the system lacks something: the next call goes on there. */
  scrub(bytes: number, done: ScrubDone): void {
    assert(!this.isRunning, 'one part is scrubbed at a time');
    this.isRunning = true;
    this.damaged = [];
    this.readBytes = 0;
    this.goOn(bytes, done);
  }

  private goOn(bytes: number, done: ScrubDone): void {
    const part = this.readBytes < bytes ? this.next() : undefined;
    if (part === undefined) {
      const isEnd = this.id === this.streams.length;
      if (isEnd) this.id = 0;
      this.finish(undefined, isEnd, done);
      return;
    }
    this.verify(part, (error) => {
      if (error?.code === 'Exhausted') {
        this.finish(error, false, done);
        return;
      }
      if (error !== undefined) this.damage(part, 0, Infinity);
      this.index = part.end;
      this.goOn(bytes, done);
    });
  }

  private finish(error: WalrusError | undefined, isEnd: boolean, done: ScrubDone): void {
    const { damaged, readBytes } = this;
    this.isRunning = false;
    done(error, { damaged, readBytes, isEnd });
  }

  /** What comes next of what was written; undefined at the end of the pass. */
  private next(): Part | undefined {
    for (; this.id < this.streams.length; this.id++, this.index = 0) {
      const stream = this.streams[this.id];
      if (stream === undefined) continue;
      this.index = Math.max(this.index, stream.start);
      while (this.index < stream.end) {
        const extent = stream.find(this.index);
        const lsn = stream.lsnOf(extent);
        const end = stream.endOf(extent);
        const frame = this.arena.at(lsn);
        if (frame === undefined || frame.state === 'written') {
          return { stream, lsn, first: stream.firstOf(extent), end };
        }
        this.index = end;
      }
    }
    return undefined;
  }

  private verify(part: Part, then: (error: WalrusError | undefined) => void): void {
    const { stream, lsn, first } = part;
    const sectionBytes = stream.bytesOf(stream.find(first));
    if (sectionBytes === 0) {
      this.verifyV1(part, then);
      return;
    }
    this.load(lsn, sectionBytes, (error, bytes) => {
      if (error !== undefined) return then(error);
      const { checksum } = this;
      const seed = placeChecksum(this.files.identity, lsn, stream.id);
      const isShort = bytes.length < sectionBytes;
      const table = isShort ? undefined : SectionTable.at(bytes, sectionBytes, { checksum, seed });
      if (table === undefined) {
        this.damage(part, 0, Infinity);
        return then(undefined);
      }
      const sectionFirst = table.firstBefore(first);
      for (let chunk = 0; chunk < table.chunks; chunk++) {
        const sum = checksum(bytes, table.startOf(chunk), table.startOf(chunk + 1), 0);
        if (sum === table.checksumOf(chunk)) continue;
        const from = sectionFirst + table.recordsBefore(chunk);
        this.damage(part, from, sectionFirst + table.recordsBefore(chunk + 1));
      }
      then(undefined);
    });
  }

  private verifyV1(part: Part, then: (error: WalrusError | undefined) => void): void {
    const { stream, lsn } = part;
    const file = this.files.at(lsn);
    this.load(lsn, FRAME_HEADER_BYTES, (error, header) => {
      if (error !== undefined) return then(error);
      const length = this.version1.frameBytes(file, lsn, header);
      if (length === undefined) {
        this.damage(part, 0, Infinity);
        return then(undefined);
      }
      this.load(lsn, length, (error, bytes) => {
        if (error !== undefined) return then(error);
        if (!this.version1.take(file, stream.id, lsn, bytes)) this.damage(part, 0, Infinity);
        then(undefined);
      });
    });
  }

  private load(
    lsn: Lsn,
    length: number,
    then: (error: WalrusError | undefined, bytes: Uint8Array) => void,
  ): void {
    this.reader.load(this.files.at(lsn), lsn, length, (error, bytes) => {
      this.readBytes += bytes.length;
      then(error, bytes);
    });
  }

  /** Of the part, if the stream still has it there. */
  private damage({ stream, lsn, first, end }: Part, from: number, to: number): void {
    const begin = Math.max(from, first, stream.start);
    const behind = Math.min(to, end, stream.end);
    if (this.streams[stream.id] !== stream || begin >= behind) return;
    if (stream.lsnOf(stream.find(begin)) !== lsn) return;
    const file = this.files.at(lsn);
    const place = `${file.name} at byte ${file.offsetOf(lsn)}`;
    this.damaged.push(new DamagedRecords(stream.name, begin, behind, place));
  }
}

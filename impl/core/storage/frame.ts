/** A frame in memory: being filled, waiting for its write, being written, or kept for readers of the tail. */
import type { Checksum } from '../../ports/disk.ts';
import { encodeFrameHeader, FRAME_HEADER_BYTES, roundUp } from './format.ts';
import type { Lsn } from './ids.ts';
import type { LogFile } from './log-file.ts';

export type FrameState = 'open' | 'queued' | 'writing' | 'written';

export class Frame {
  readonly lsn: Lsn;
  /** The frame is at `bytes[from, from + length)`; what is around it belongs to others. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly from: number;
  readonly inArena: boolean;
  readonly continues: boolean;
  /** Where the body may grow to. */
  readonly limit: number;
  /** Where the next record goes. */
  at: number;
  committedAt: number;
  records = 0;
  /** Extents of streams that point here. Moves on to the file when the frame is closed. */
  extents = 0;
  length = 0;
  state: FrameState = 'open';
  file: LogFile | undefined = undefined;

  constructor(
    lsn: Lsn,
    bytes: Uint8Array,
    view: DataView,
    from: number,
    limit: number,
    inArena: boolean,
    continues: boolean,
  ) {
    this.lsn = lsn;
    this.bytes = bytes;
    this.view = view;
    this.from = from;
    this.limit = limit;
    this.inArena = inArena;
    this.continues = continues;
    this.at = from + FRAME_HEADER_BYTES;
    this.committedAt = this.at;
  }

  /** Place of the next record. */
  get endLsn(): Lsn {
    return this.state === 'open' ? this.lsn + this.at - this.from : this.lsn + this.length;
  }

  hasRoomFor(bytes: number): boolean {
    return this.at + bytes <= this.limit;
  }

  get isEmpty(): boolean {
    return this.at === this.from + FRAME_HEADER_BYTES;
  }

  /** Pads, so that it ends at a multiple of the alignment in its file; the length is final. */
  pad(file: LogFile, alignmentBytes: number): void {
    const begin = file.offsetOf(this.lsn);
    this.file = file;
    this.length = roundUp(begin + this.at - this.from, alignmentBytes) - begin;
    this.bytes.fill(0, this.at, this.from + this.length);
    this.state = 'queued';
  }

  /** Writes header and checksum: the bytes are final. */
  seal(identity: number, file: LogFile, durable: Lsn, checksum: Checksum): void {
    const start = this.from + FRAME_HEADER_BYTES;
    const header = {
      identity,
      lsn: this.lsn,
      durable,
      file: file.number,
      bodyBytes: this.at - start,
      committedBytes: this.committedAt - start,
      records: this.records,
      frameBytes: this.length,
      continues: this.continues,
    };
    encodeFrameHeader(this.bytes, this.view, this.from, header, checksum);
  }
}

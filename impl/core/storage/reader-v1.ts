/** Reads frames of version 1: all of a frame, whose one checksum covers the records of all streams. */
import type { Checksum } from '../../ports/disk.ts';
import { MalformedError } from '../codec.ts';
import { pieceOf } from './body-v1.ts';
import { claimedFrameBytes, decodeFrame, FRAME_HEADER_BYTES } from './format.ts';
import type { Lsn } from './ids.ts';
import type { LogFile } from './log-file.ts';
import type { LogFiles } from './log-files.ts';
import type { Piece } from './section.ts';

const PIECES_MAX = 16;

interface CachedPiece {
  readonly lsn: Lsn;
  readonly stream: number;
  readonly piece: Piece;
}

export class ReaderV1 {
  private readonly files: LogFiles;
  private readonly checksum: Checksum;
  /** Of frames that end in a transaction that was never finished: how many bytes count. */
  private readonly unfinished: ReadonlyMap<Lsn, number>;
  private readonly pieces: CachedPiece[] = [];

  constructor(files: LogFiles, checksum: Checksum, unfinished: ReadonlyMap<Lsn, number>) {
    this.files = files;
    this.checksum = checksum;
    this.unfinished = unfinished;
  }

  /** What the frame at `lsn` has of the stream, if that was read lately. */
  piece(stream: number, lsn: Lsn): Piece | undefined {
    return this.pieces.find((one) => one.lsn === lsn && one.stream === stream)?.piece;
  }

  /** How long the frame says it is whose header was read; undefined if there is none, or not in this file. */
  frameBytes(file: LogFile, lsn: Lsn, header: Uint8Array): number | undefined {
    if (header.length < FRAME_HEADER_BYTES) return undefined;
    const claimed = claimedFrameBytes(viewOf(header), 0);
    const isIn = claimed >= FRAME_HEADER_BYTES && file.offsetOf(lsn) + claimed <= file.sizeBytes;
    return isIn ? claimed : undefined;
  }

  /** Takes the frame that was read. False if it does not verify. */
  take(file: LogFile, stream: number, lsn: Lsn, bytes: Uint8Array): boolean {
    const frame = decodeFrame(bytes, viewOf(bytes), 0, this.checksum);
    if (typeof frame === 'string' || frame.lsn !== lsn || frame.file !== file.number) return false;
    if (frame.version !== 1 || frame.identity !== this.files.identity) return false;
    const end = this.unfinished.get(lsn) ?? FRAME_HEADER_BYTES + frame.sectionBytes;
    try {
      this.pieces.push({ lsn, stream, piece: pieceOf(stream, bytes, FRAME_HEADER_BYTES, end) });
    } catch (error) {
      if (error instanceof MalformedError) return false;
      throw error;
    }
    if (this.pieces.length > PIECES_MAX) this.pieces.shift();
    return true;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** One file of the log, as the store knows it. */
import type { FileHandle } from '../../ports/disk.ts';
import { FILE_HEAD_BYTES, fileName } from './format.ts';
import type { Lsn } from './ids.ts';

export class LogFile {
  readonly number: number;
  /** What it is called on the disk; while it is being made of an older file, as that one was. */
  name: string;
  /** Lsn of the first frame; Infinity until there is one. */
  begin: Lsn = Infinity;
  /** How long it is to be. */
  sizeBytes: number;
  /** How much of that the disk has set aside. */
  allocatedBytes = 0;
  /** How much of that frames have been given. */
  placedBytes: number = FILE_HEAD_BYTES;
  hasHeader = false;
  /** The disk had no room to make it so long. */
  refusedBytes: number = Infinity;
  /** Undefined while it is not open. */
  handle: FileHandle | undefined = undefined;
  /** `ready` takes writes. `noSpace` was refused its room and may be tried again. */
  state: 'preparing' | 'ready' | 'noSpace' = 'ready';
  /** A write to it was submitted since its last sync was. */
  isDirty = false;
  /** Frames that do not end where a block ends. */
  raggedFrames = 0;
  /** Frames were written to the end of it, so that all its blocks are. */
  isFilled = false;
  /** Extents of streams that point into it; with none it can go. */
  extents = 0;
  /** Frames to be written, syncs and reads under way; while there are any the file stays open. */
  pins = 0;
  isRemoved = false;

  constructor(number: number, sizeBytes: number) {
    this.number = number;
    this.name = fileName('log', number);
    this.sizeBytes = sizeBytes;
  }

  offsetOf(lsn: Lsn): number {
    return FILE_HEAD_BYTES + lsn - this.begin;
  }

  /** Where in the log its last byte lies, if frames fill it. */
  get capacityLsn(): Lsn {
    return this.begin + this.sizeBytes - FILE_HEAD_BYTES;
  }
}

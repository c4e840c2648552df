/**
 * The memory of frames: a ring that frames are taken from in order, and given back in order once they are written
 * and their room is wanted. Until then readers of the tail find them here. If the ring has no room a frame gets
 * memory of its own, so that nothing that has to be written waits for room; `Store.room` is what bounds memory.
 */
import { roundUp } from './format.ts';
import { Frame } from './frame.ts';
import type { Lsn } from './ids.ts';

export class Arena {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  /** All frames kept, by lsn; the ones before `first` are gone. */
  private frames: Frame[] = [];
  private first = 0;
  private head = 0;
  private outsideBytes = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = viewOf(bytes);
  }

  /** Bytes of frames that did not fit in the ring. */
  get spilledBytes(): number {
    return this.outsideBytes;
  }

  /** Gives written frames up until `size` bytes in a row are free. False if they cannot be. */
  hasRoom(size: number): boolean {
    return this.find(size) >= 0;
  }

  /** A frame with room for `size` bytes, header included, and for so much padding. */
  open(lsn: Lsn, size: number, paddingBytes: number, continues: boolean): Frame {
    const from = this.find(size + paddingBytes);
    let frame: Frame;
    if (from >= 0) {
      frame = new Frame(lsn, this.bytes, this.view, from, from + size, true, continues);
      this.head = from + size + paddingBytes;
    } else {
      const bytes = new Uint8Array(size + paddingBytes);
      this.outsideBytes += bytes.length;
      frame = new Frame(lsn, bytes, viewOf(bytes), 0, size, false, continues);
    }
    this.frames.push(frame);
    return frame;
  }

  /** Takes back what the newest frame did not need. The next one begins at the alignment, if that lies within what this one was given. */
  close(frame: Frame, alignmentBytes: number): void {
    if (!frame.inArena) return;
    this.head = Math.min(this.head, roundUp(frame.from + frame.length, alignmentBytes));
  }

  /** Gives the frame that was just opened, and holds nothing, back. */
  discard(frame: Frame): void {
    this.frames.pop();
    if (frame.inArena) this.head = frame.from;
    else this.outsideBytes -= frame.bytes.length;
  }

  /** The frame that holds the place `lsn`, if it is still in memory. */
  at(lsn: Lsn): Frame | undefined {
    let low = this.first;
    let high = this.frames.length - 1;
    if (high < low || lsn < this.frames[low]!.lsn) return undefined;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.frames[middle]!.lsn <= lsn) low = middle;
      else high = middle - 1;
    }
    return this.frames[low];
  }

  /** Gives up written frames outside the ring. */
  release(): void {
    while (this.outsideBytes > 0) {
      const oldest = this.frames[this.first];
      if (oldest === undefined || oldest.state !== 'written') return;
      this.evict();
    }
  }

  /** Where `size` bytes in a row are free, -1 if that cannot be. Written frames make way, oldest first. */
  private find(size: number): number {
    if (size > this.bytes.length) return -1;
    for (;;) {
      const oldest = this.oldestInRing();
      if (oldest === undefined) return 0;
      if (this.head > oldest.from) {
        if (this.bytes.length - this.head >= size) return this.head;
        if (oldest.from >= size) return 0;
      } else if (oldest.from - this.head >= size) {
        return this.head;
      }
      if (this.frames[this.first]!.state !== 'written') return -1;
      this.evict();
    }
  }

  private oldestInRing(): Frame | undefined {
    for (let i = this.first; i < this.frames.length; i++) {
      if (this.frames[i]!.inArena) return this.frames[i];
    }
    return undefined;
  }

  private evict(): void {
    const frame = this.frames[this.first++]!;
    if (!frame.inArena) this.outsideBytes -= frame.bytes.length;
    if (this.first * 2 > this.frames.length && this.first > 64) {
      this.frames = this.frames.slice(this.first);
      this.first = 0;
    }
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Of one stream: whether its reader goes on where it was, and how far ahead of it to read. */

/** So much of what was read in a row may be read ahead; so much may be read for nothing between two sections. */
export const SHARE: number = 1 / 8;

export class ReadRun {
  /** What was taken last. */
  private from = -1;
  private end = -1;
  /** The most that was taken at once, and all together since the reader goes on. */
  private bytesMax = 0;
  private bytes = 0;
  /** What was asked for ahead last. */
  private aheadFrom = -1;
  private aheadEnd = -1;

  /** Whether a read from there on follows the last one. It may begin with what that ended with: who had no use for it asks again. */
  goesOn(from: number): boolean {
    return from >= this.from && from <= this.end;
  }

  took(from: number, end: number, bytes: number): void {
    if (!this.goesOn(from)) {
      this.bytesMax = bytes;
      this.bytes = 0;
      this.aheadFrom = -1;
      this.aheadEnd = -1;
    } else if (end > this.end) {
      this.bytesMax = Math.max(this.bytesMax, bytes);
      this.bytes += bytes;
    }
    this.from = from;
    this.end = end;
  }

  /** How much may be read for one who goes on, whether he comes to take it or not. */
  get spareBytes(): number {
    return Math.max(this.bytesMax, this.bytes * SHARE);
  }

  /** From where on to read ahead, now that a read begins at `from`: if it goes on, and has come to what was asked for ahead last. */
  aheadOf(from: number): number | undefined {
    if (!this.goesOn(from) || from < this.aheadFrom) return undefined;
    return Math.max(from, this.aheadEnd);
  }

  askedAhead(from: number, end: number): void {
    this.aheadFrom = from;
    this.aheadEnd = end;
  }
}

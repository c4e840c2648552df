/**
 * Files that nobody needs any more, kept to make the next ones of: blocks that were written once take writes faster, and
 * to sync them changes no metadata. While it is kept a file has a name that counts for nothing, so that what it held cannot
 * come back.
 */
import { keptName } from './format.ts';
import type { LogFile } from './log-file.ts';
import { describe, isRefused, type Requests } from './requests.ts';

const KEPT_MAX = 2;
/**
 * A write of a part of a block waits, in the page cache, until the rest of the block has been read, if anything was ever written
 * to it. With more such frames than this in a file, new files are the faster ones.
 */
const RAGGED_FRAMES_MAX = 256;

export class OldFiles {
  private readonly requests: Requests;
  private readonly fileBytes: number;
  private readonly onFailed: (reason: string) => void;
  private names: string[] = [];
  private keeping = 0;
  private isWanted = true;

  constructor(requests: Requests, fileBytes: number, onFailed: (reason: string) => void) {
    this.requests = requests;
    this.fileBytes = fileBytes;
    this.onFailed = onFailed;
  }

  /** Learns from a file that was filled just now what is written these days. */
  judge(filled: LogFile): void {
    this.isWanted = filled.raggedFrames <= RAGGED_FRAMES_MAX;
    if (!this.isWanted) this.removeAll();
  }

  /** Keeps a file that nobody needs, if there still is room for it when that is done. False if it is of no use, and to be removed. */
  keep(file: LogFile, hasRoom: () => boolean): boolean {
    const isWritten = file.isFilled && file.sizeBytes === this.fileBytes;
    if (!isWritten || !this.hasUse || !hasRoom()) return false;
    const from = file.name;
    const to = keptName(file.number);
    this.keeping++;
    this.requests.send({ op: 'rename', from, to }, (renamed) => {
      this.keeping--;
      if (isRefused(renamed)) this.remove(from);
      else if (renamed.error !== undefined) this.onFailed(describe(`renaming ${from}`, renamed));
      else if (this.hasUse && hasRoom()) this.names.push(to);
      else this.remove(to);
    });
    return true;
  }

  /** With those on their way. */
  get count(): number {
    return this.names.length + this.keeping;
  }

  /** Takes one back that could not be used. */
  giveBack(name: string): void {
    this.names.push(name);
  }

  /** Name of one, which is the caller's from now on. */
  take(): string | undefined {
    return this.names.pop();
  }

  /** Gives back the room that they take. */
  removeAll(): void {
    this.removeBeyond(0);
  }

  /** Gives back the room of all but so many. */
  removeBeyond(kept: number): void {
    for (const name of this.names.splice(kept)) this.remove(name);
  }

  /** Keeps none from now on. */
  stop(): void {
    this.isWanted = false;
    this.removeAll();
  }

  private get hasUse(): boolean {
    return this.isWanted && this.count < KEPT_MAX;
  }

  /** If it cannot be removed, the next opening will. */
  remove(name: string): void {
    this.requests.send({ op: 'unlink', name }, () => {});
  }
}

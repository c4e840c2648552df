/**
 * Room that records never get: a few small files, set aside when the directory is founded, of which log files are made when the disk
 * has no room for others. What has to be written then, and what gives room back, goes there. Nothing is in them, and their names
 * count for nothing; records are refused until all of them are there again.
 */
import type { DiskCompletion, DiskFile } from '../../ports/disk.ts';
import { parseReserveName, reserveName } from './format.ts';
import { describe, isRefused, type Requests } from './requests.ts';

const PIECES = 4;

/** What asks for room: records; what a log has to remember; what gives room back. */
export type Purpose = 'record' | 'control' | 'reclaim';

export interface ReserveEvents {
  onRefused(refusal: DiskCompletion): void;
  onFailed(reason: string): void;
}

export class Reserve {
  readonly pieceBytes: number;
  /** The disk had no room for what is missing, when it was asked last. */
  isRefused = false;
  private readonly requests: Requests;
  private readonly events: ReserveEvents;
  /** Pieces that are there. */
  private readonly names: string[] = [];
  /** Pieces that are there and have no room yet. */
  private readonly torn: string[] = [];
  /** No name is used again: the piece that had it may not have become a log file yet. */
  private lastNumber = 0;
  private isFilling = false;

  constructor(
    requests: Requests,
    pieceBytes: number,
    found: readonly DiskFile[],
    events: ReserveEvents,
  ) {
    this.requests = requests;
    this.pieceBytes = pieceBytes;
    this.events = events;
    for (const { name, sizeBytes } of found) {
      if (sizeBytes >= pieceBytes) this.names.push(name);
      else this.torn.push(name);
      this.lastNumber = Math.max(this.lastNumber, parseReserveName(name)!);
    }
  }

  get isWhole(): boolean {
    return this.names.length >= PIECES;
  }

  get isEmpty(): boolean {
    return this.names.length === 0;
  }

  /** A piece, which is the caller's from now on. What gives no room back leaves half of them. */
  take(purpose: Purpose): string | undefined {
    const kept = { record: PIECES, control: PIECES / 2, reclaim: 0 }[purpose];
    if (this.names.length <= kept) return undefined;
    this.isRefused = true;
    return this.names.pop();
  }

  /** Takes one back that could not be used. */
  giveBack(name: string): void {
    this.names.push(name);
  }

  /** Makes the pieces that are missing; `then` hears when that is done, or the disk has no room for it. */
  fill(then: () => void): void {
    if (this.isFilling) return;
    if (this.isWhole) {
      this.isRefused = false;
      then();
      return;
    }
    this.isFilling = true;
    const torn = this.torn.pop();
    const name = torn ?? reserveName(++this.lastNumber);
    this.make(name, torn === undefined, (isMade) => {
      this.isFilling = false;
      if (isMade) {
        this.names.push(name);
        this.fill(then);
        return;
      }
      this.isRefused = true;
      then();
    });
  }

  private make(name: string, create: boolean, then: (isMade: boolean) => void): void {
    const { requests, pieceBytes: sizeBytes } = this;
    requests.send({ op: 'open', name, create }, (opened) => {
      if (opened.error !== undefined) {
        if (!create) this.torn.push(name);
        this.fail(name, opened, then);
        return;
      }
      const file = opened.file!;
      requests.send({ op: 'allocate', file, sizeBytes }, (allocated) => {
        const end = (completion: DiskCompletion): void =>
          requests.send({ op: 'close', file }, () => {
            if (completion.error === undefined) then(true);
            else this.discard(name, () => this.fail(name, completion, then));
          });
        // Room that a power loss takes back is none when it is needed: at the next start.
        if (allocated.error === undefined) requests.send({ op: 'sync', file }, end);
        else end(allocated);
      });
    });
  }

  /** It may have got some of its room, which others can use. */
  private discard(name: string, then: () => void): void {
    this.requests.send({ op: 'unlink', name }, (unlinked) => {
      if (unlinked.error !== undefined) this.torn.push(name);
      then();
    });
  }

  private fail(name: string, completion: DiskCompletion, then: (isMade: boolean) => void): void {
    if (!isRefused(completion)) {
      this.events.onFailed(describe(`making ${name}`, completion));
      return;
    }
    this.events.onRefused(completion);
    then(false);
  }
}

/**
 * Puts checkpoints on the disk, one at a time, and keeps the newest two. The one before them lends its room to the next:
 * on a disk that is full of dead files a checkpoint is what frees them, and it must not need room itself.
 */
import type { DiskCompletion, FileHandle } from '../../ports/disk.ts';
import { BLOCK_BYTES, fileName, roundUp } from './format.ts';
import type { Lsn } from './ids.ts';
import { describe, isRefused, type Requests } from './requests.ts';

/** Recovery removes it, as it does all unfinished checkpoints. */
const RESERVE = 'reserve.checkpoint.tmp';
/** Room for the index to grow until the room is used again. */
const SPARE_FACTOR = 2;

export interface CheckpointerEvents {
  onFailed(reason: string): void;
}

export class Checkpointer {
  /** Of the newest one that is durable. */
  lsn: Lsn;
  /** Of the one before it: recovery may have to begin there. */
  previousLsn: Lsn;
  isRunning = false;
  written = 0;
  private readonly requests: Requests;
  private readonly events: CheckpointerEvents;
  private numbers: number[];
  private lastNumber: number;
  private hasReserve = false;

  constructor(
    requests: Requests,
    newest: { number: number; lsn: Lsn; previousLsn: Lsn },
    numbers: readonly number[],
    events: CheckpointerEvents,
  ) {
    this.requests = requests;
    this.lsn = newest.lsn;
    this.previousLsn = newest.previousLsn;
    this.numbers = [...numbers];
    this.lastNumber = Math.max(newest.number, numbers.at(-1) ?? 0);
    this.events = events;
  }

  /** Number of the checkpoint to be written next; each attempt takes one. */
  nextNumber(): number {
    return ++this.lastNumber;
  }

  /**
   * Writes the checkpoint of that number, which says all that precedes `lsn`; all that must be durable
   * already. `then` hears whether it is durable; `false` means that the disk had no room for it.
   */
  write(number: number, lsn: Lsn, bytes: Uint8Array, then: (isDurable: boolean) => void): void {
    const name = fileName('checkpoint', number);
    const { requests, hasReserve } = this;
    const from = hasReserve ? RESERVE : `${name}.tmp`;
    this.hasReserve = false;
    requests.send({ op: 'open', name: from, create: !hasReserve }, (opened) => {
      if (isRefused(opened)) {
        this.hasReserve = hasReserve;
        then(false);
        return;
      }
      if (this.hasFailed(name, opened)) return;
      const file = opened.file!;
      const sizeBytes = roundUp(bytes.length * SPARE_FACTOR, BLOCK_BYTES);
      requests.send({ op: 'allocate', file, sizeBytes }, (allocated) => {
        // Without the room to grow it may still do.
        if (!isRefused(allocated) && this.hasFailed(name, allocated)) return;
        requests.send({ op: 'write', file, offsetBytes: 0, bytes }, (written) => {
          if (isRefused(written)) {
            requests.send({ op: 'close', file }, () => this.giveUp(from, then));
            return;
          }
          if (this.hasFailed(name, written)) return;
          this.publish(file, from, number, (isDurable) => {
            if (!isDurable) {
              this.giveUp(from, then);
              return;
            }
            this.previousLsn = this.lsn;
            this.lsn = lsn;
            this.written++;
            then(true);
          });
        });
      });
    });
  }

  private publish(
    file: FileHandle,
    from: string,
    number: number,
    then: (isDurable: boolean) => void,
  ): void {
    const name = fileName('checkpoint', number);
    const { requests } = this;
    requests.send({ op: 'sync', file }, (synced) => {
      if (this.hasFailed(name, synced)) return;
      requests.send({ op: 'close', file }, () => {
        requests.send({ op: 'rename', from, to: name }, (renamed) => {
          if (isRefused(renamed)) {
            then(false);
            return;
          }
          if (this.hasFailed(name, renamed)) return;
          requests.send({ op: 'syncDirectory' }, (directory) => {
            if (this.hasFailed(name, directory)) return;
            this.numbers.push(number);
            this.removeOld();
            then(true);
          });
        });
      });
    });
  }

  private giveUp(from: string, then: (isDurable: boolean) => void): void {
    if (from === RESERVE) {
      this.hasReserve = true;
      then(false);
      return;
    }
    // If it cannot be removed, the next opening will.
    this.requests.send({ op: 'unlink', name: from }, () => then(false));
  }

  private removeOld(): void {
    while (this.numbers.length > 2) {
      const number = this.numbers.shift()!;
      const name = fileName('checkpoint', number);
      const request = { op: 'rename', from: name, to: RESERVE } as const;
      this.requests.send(request, (renamed) => {
        if (isRefused(renamed)) this.numbers.unshift(number);
        else if (!this.hasFailed(name, renamed)) this.hasReserve = true;
      });
    }
  }

  private hasFailed(name: string, completion: DiskCompletion): boolean {
    if (completion.error === undefined) return false;
    this.events.onFailed(describe(`writing ${name}`, completion));
    return true;
  }
}

/**
 * Puts checkpoints on the disk, one at a time, and keeps the newest two. The one before them lends its room to the next:
 * on a disk that is full of dead files a checkpoint is what frees them, and it must not need room itself.
 */
import type { DiskCompletion, FileHandle } from '../../ports/disk.ts';
import { BLOCK_BYTES, CHECKPOINT_RESERVE, fileName, roundUp } from './format.ts';
import type { Lsn } from './ids.ts';
import { describe, isRefused, type Requests } from './requests.ts';

/** Of the reserve, before there is an old checkpoint to make it of. */
const FIRST_RESERVE_BYTES = 2 * BLOCK_BYTES;
/** Room for the index to grow until the room is used again. */
const SPARE_FACTOR = 2;

/** What there is already. */
export interface KeptCheckpoints {
  /** Of the newest; 0 if there is none. */
  readonly number: number;
  readonly lsn: Lsn;
  readonly previousLsn: Lsn;
  readonly numbers: readonly number[];
  readonly hasReserve: boolean;
}

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
  private hasReserve: boolean;
  /** How many are under way to be the reserve: as long as one is, it may take the place of the one that is used meanwhile. */
  private coming = 0;

  constructor(requests: Requests, kept: KeptCheckpoints, events: CheckpointerEvents) {
    this.requests = requests;
    this.lsn = kept.lsn;
    this.previousLsn = kept.previousLsn;
    this.numbers = [...kept.numbers];
    this.lastNumber = Math.max(kept.number, kept.numbers.at(-1) ?? 0);
    this.hasReserve = kept.hasReserve;
    this.events = events;
  }

  /** Sets room aside for a checkpoint if there is none; without room for that the next one will have to find its own. */
  begin(then: () => void): void {
    if (this.hasReserve || this.coming > 0) {
      then();
      return;
    }
    const { requests } = this;
    const name = CHECKPOINT_RESERVE;
    this.coming++;
    requests.send({ op: 'open', name, create: true }, (opened) => {
      if (isRefused(opened)) {
        this.coming--;
        then();
        return;
      }
      if (this.hasFailed(name, opened)) return;
      const file = opened.file!;
      const sizeBytes = FIRST_RESERVE_BYTES;
      requests.send({ op: 'allocate', file, sizeBytes }, (allocated) => {
        if (!isRefused(allocated) && this.hasFailed(name, allocated)) return;
        this.hasReserve = true;
        this.coming--;
        requests.send({ op: 'close', file }, then);
      });
    });
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
    // Before there are two, no old one will take its place as the reserve.
    const isSpare = this.canUseReserve && this.numbers.length >= 2;
    this.attempt(isSpare, number, lsn, bytes, (isDurable) => {
      if (isDurable || isSpare || !this.canUseReserve) then(isDurable);
      else this.attempt(true, number, lsn, bytes, then);
    });
  }

  private get canUseReserve(): boolean {
    return this.hasReserve && this.coming === 0;
  }

  private attempt(
    useReserve: boolean,
    number: number,
    lsn: Lsn,
    bytes: Uint8Array,
    then: (isDurable: boolean) => void,
  ): void {
    const name = fileName('checkpoint', number);
    const { requests } = this;
    const from = useReserve ? CHECKPOINT_RESERVE : `${name}.tmp`;
    if (useReserve) this.hasReserve = false;
    requests.send({ op: 'open', name: from, create: !useReserve }, (opened) => {
      if (isRefused(opened)) {
        this.hasReserve ||= useReserve;
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
    if (from === CHECKPOINT_RESERVE) {
      this.hasReserve = true;
      then(false);
      return;
    }
    // If it cannot be removed, the next opening will.
    this.requests.send({ op: 'unlink', name: from }, () => then(false));
  }

  private removeOld(): void {
    if (this.numbers.length <= 2) this.begin(() => {});
    while (this.numbers.length > 2) {
      const number = this.numbers.shift()!;
      const name = fileName('checkpoint', number);
      const request = { op: 'rename', from: name, to: CHECKPOINT_RESERVE } as const;
      this.coming++;
      this.requests.send(request, (renamed) => {
        this.coming--;
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

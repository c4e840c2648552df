import type { WalrusError } from '../core/errors.ts';
import { Store } from '../core/storage/store.ts';
import type { DiskCompletion } from '../ports/disk.ts';
import type { OpenedDisk } from '../runtime/open-disk.ts';
import { systemRandom } from '../runtime/system-random.ts';
import { toWalrusError } from './errors.ts';
import type { Settings } from './options.ts';

const BATCH_BYTES = 256 * 1024;
const ARENA_BYTES = 8 * 2 ** 20;
/** What opening reads after a crash, at most: some 10 ms. */
const CHECKPOINT_BYTES = 16 * 2 ** 20;

/** The store and the disk below it, joined; what the store tells goes to the log once that is there. */
export class StoreLink {
  readonly store: Store;
  onProgress: () => void = () => {};
  onFailed: (error: WalrusError) => void = () => {};

  constructor(disk: OpenedDisk, settings: Settings) {
    this.store = new Store(disk.disk, {
      checksum: disk.checksum,
      random: systemRandom,
      fileBytes: settings.fileBytes,
      batchBytes: BATCH_BYTES,
      // A file can go when a checkpoint no longer needs it.
      checkpointBytes: Math.min(settings.fileBytes, CHECKPOINT_BYTES),
      syncOnCommit: settings.fsync.mode === 'SyncEach',
      arena: disk.arena(ARENA_BYTES),
      onProgress: () => this.onProgress(),
      onFailed: (error) => this.onFailed(error),
    });
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.onFailed = reject;
      this.store.open((error) => (error ? reject(error) : resolve()));
    });
  }

  /** A bug of the store must not end the process of its user, but the log; who waits for other completions hears of them. */
  complete(completions: readonly DiskCompletion[]): void {
    for (const completion of completions) {
      try {
        this.store.complete([completion]);
      } catch (bug) {
        this.onFailed(toWalrusError(bug));
      }
    }
  }
}

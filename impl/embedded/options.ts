/** What a user can choose when a log is opened, and what the environment chooses for those who do not. */
import { join } from 'node:path';
import { isWellFormed } from '../core/utf8.ts';
import type { DiskChoice } from '../runtime/open-disk.ts';
import { invalid, looked, wholeNumber } from './arguments.ts';
import { namespaceDirectory } from './namespace.ts';

/** What a checkpointed read promises over crashes. */
export type ReadConsistency =
  | { readonly mode: 'StrictlyAtOnce' }
  | { readonly mode: 'AtLeastOnce'; readonly persistEvery: number };

/** Makes them. */
export const ReadConsistency: {
  /** The cursor is in the log before the entry is given out: none is delivered twice. */
  readonly StrictlyAtOnce: ReadConsistency;
  /**
   * The log knows the cursor behind what was given out, `persistEvery - 1` entries at most: so many may be delivered again
   * after a crash, and none is lost. With 1 (or 0) it is the last one that may come again.
   */
  AtLeastOnce(persistEvery: number): ReadConsistency;
} = {
  StrictlyAtOnce: { mode: 'StrictlyAtOnce' },
  AtLeastOnce: (persistEvery) => ({ mode: 'AtLeastOnce', persistEvery }),
};

/** When what was written is made to survive power loss. A crash of the process alone loses nothing under any of them. */
export type FsyncSchedule =
  | { readonly mode: 'SyncEach' }
  | { readonly mode: 'Milliseconds'; readonly intervalMs: number }
  | { readonly mode: 'NoFsync' };

/** Makes them. */
export const FsyncSchedule: {
  /** Before it is acknowledged. Calls that are made together share one sync. */
  readonly SyncEach: FsyncSchedule;
  /** At most so many milliseconds after it was acknowledged, if the disk keeps up. 0 counts as 1. */
  Milliseconds(intervalMs: number): FsyncSchedule;
  /** When the operating system pleases, at `flush()` and at `close()`. */
  readonly NoFsync: FsyncSchedule;
} = {
  SyncEach: { mode: 'SyncEach' },
  Milliseconds: (intervalMs) => ({ mode: 'Milliseconds', intervalMs }),
  NoFsync: { mode: 'NoFsync' },
};

/** What a log is opened with. */
export interface WalrusOptions {
  /** Root of all data. Else `WALRUS_DATA_DIR`, else `./wal_files`. */
  readonly dir?: string;
  /**
   * Logs of different namespaces under one root know nothing of each other. Any string will do. Else
   * `WALRUS_INSTANCE_KEY`, which is not looked at where `dir` is given.
   */
  readonly namespace?: string;
  /** Of checkpointed reads: `StrictlyAtOnce` by default. */
  readonly consistency?: ReadConsistency;
  /** `Milliseconds(200)` by default. */
  readonly fsync?: FsyncSchedule;
  /** The way to the disk: `auto` by default. `stats().disk` tells what was taken and why. */
  readonly disk?: DiskChoice;
  /**
   * `false`, the default: reading destroys nothing, records stay until `trim` or `deleteTopic`. `true`: the space of records
   * that all cursors of their topic have passed is used again; records of a topic without cursors stay.
   */
  readonly reclaim?: boolean;
  /**
   * `true`: not a byte of the directory is changed, no lock is taken, and what would change something is refused; entries are read
   * without moving a cursor. The log is seen as it was when it was opened. Meant for a directory that nobody writes to: beside a
   * live writer nothing wrong is given out, but opening and reading may meet files that are just being made anew, and fail with
   * `Corrupt` or `StorageFailed`. `false` by default.
   */
  readonly readOnly?: boolean;
  /** Size of one log file, 64 MiB by default, 64 KiB at least. Space is used again a file at a time. */
  readonly fileBytes?: number;
  /**
   * Files of which little is needed any more are emptied by writing that again, so that a slow topic keeps no disk from being used again:
   * beyond two files the log takes twice what its records need, if so many bytes a second are enough for it. 64 MiB by default; 0: only
   * `compact()` does it.
   */
  readonly cleanBytesPerSecond?: number;
  /** How long to wait for another process that has the log and is leaving: 0 by default, then it is `Locked` at once. */
  readonly waitMs?: number;
}

export interface Settings {
  readonly directory: string;
  readonly persistEvery: number;
  readonly strict: boolean;
  readonly fsync: FsyncSchedule;
  readonly disk: DiskChoice;
  readonly reclaimsConsumed: boolean;
  readonly readOnly: boolean;
  readonly fileBytes: number;
  readonly cleanBytesPerSecond: number;
  readonly waitMs: number;
  readonly quiet: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Checks the options and fills in the rest. `InvalidArgument` names what is wrong. */
export function settle(options: WalrusOptions, environment: Environment): Settings {
  return looked('options', () => check(options, environment));
}

function check(options: WalrusOptions, environment: Environment): Settings {
  if (options === null || typeof options !== 'object')
    invalid('options must be an object', options);
  const { dir, namespace, disk = 'auto', reclaim = false, readOnly = false } = options;
  const { consistency = ReadConsistency.StrictlyAtOnce } = options;
  const { fsync = FsyncSchedule.Milliseconds(200) } = options;
  const { fileBytes = FILE_BYTES_DEFAULT, waitMs = 0 } = options;
  const { cleanBytesPerSecond = CLEAN_BYTES_DEFAULT } = options;
  for (const name of Object.keys(options)) {
    if (!OPTION_NAMES.includes(name)) invalid(`the options are ${OPTION_NAMES.join(', ')}`, name);
  }
  if (dir !== undefined && !isPath(dir)) {
    invalid('dir must be a path', dir);
  }
  if (namespace !== undefined && typeof namespace !== 'string') {
    invalid('namespace must be a string', namespace);
  }
  if (!['auto', 'io_uring', 'pwrite', 'portable'].includes(disk)) {
    invalid("disk must be 'auto', 'io_uring', 'pwrite' or 'portable'", disk);
  }
  if (typeof reclaim !== 'boolean') invalid('reclaim must be true or false', reclaim);
  if (typeof readOnly !== 'boolean') invalid('readOnly must be true or false', readOnly);
  if (wholeNumber('fileBytes', fileBytes) < FILE_BYTES_MIN) {
    invalid(`fileBytes must be ${FILE_BYTES_MIN} or more`, fileBytes);
  }
  const key = namespace ?? (dir === undefined ? environment.WALRUS_INSTANCE_KEY : undefined);
  const root = dir ?? (environment.WALRUS_DATA_DIR || 'wal_files');
  return {
    directory: key === undefined ? root : join(root, 'namespaces', namespaceDirectory(key)),
    persistEvery: persistEveryOf(consistency),
    strict: consistency.mode === 'StrictlyAtOnce',
    fsync: checkFsync(fsync),
    disk,
    reclaimsConsumed: reclaim,
    readOnly,
    fileBytes,
    cleanBytesPerSecond: wholeNumber('cleanBytesPerSecond', cleanBytesPerSecond),
    waitMs: wholeNumber('waitMs', waitMs),
    quiet: environment.WALRUS_QUIET !== undefined,
  };
}

/** The system would take half a surrogate pair for another character, and two such paths for one. */
function isPath(dir: unknown): boolean {
  return typeof dir === 'string' && dir !== '' && !dir.includes('\0') && isWellFormed(dir);
}

const OPTION_NAMES = [
  'dir',
  'namespace',
  'consistency',
  'fsync',
  'disk',
  'reclaim',
  'readOnly',
  'fileBytes',
  'cleanBytesPerSecond',
  'waitMs',
];
const FILE_BYTES_DEFAULT = 64 * 2 ** 20;
const CLEAN_BYTES_DEFAULT = 64 * 2 ** 20;
const FILE_BYTES_MIN = 64 * 2 ** 10;

function persistEveryOf(consistency: ReadConsistency): number {
  switch (consistency?.mode) {
    case 'StrictlyAtOnce':
      return 1;
    case 'AtLeastOnce':
      return Math.max(1, wholeNumber('persistEvery', consistency.persistEvery));
    default:
      return invalid(
        'consistency must be StrictlyAtOnce or AtLeastOnce(persistEvery)',
        consistency,
      );
  }
}

function checkFsync(fsync: FsyncSchedule): FsyncSchedule {
  switch (fsync?.mode) {
    case 'SyncEach':
    case 'NoFsync':
      return fsync;
    case 'Milliseconds':
      // Timers of Node.js end at 2^31.
      if (wholeNumber('intervalMs', fsync.intervalMs) >= 2 ** 31) {
        invalid('intervalMs must be below 2^31', fsync.intervalMs);
      }
      return { mode: 'Milliseconds', intervalMs: Math.max(1, fsync.intervalMs) };
    default:
      return invalid('fsync must be SyncEach, Milliseconds(n) or NoFsync', fsync);
  }
}

/** What an error of the system means to the core, for the disks that stand on `node:fs`. */
import { constants } from 'node:os';
import type { DiskError } from '../ports/disk.ts';
import { DirectoryLockedError } from './directory-lock.ts';

/** As native/src/failure.cc has it. Node.js does not know every error of the system by name, so the number counts, too. */
const ERROR_NAMES: Readonly<Record<string, DiskError>> = {
  EEXIST: 'Exists',
  ENOENT: 'NotFound',
  ENOSPC: 'NoSpace',
  EDQUOT: 'NoSpace',
  // A limit on the size of files, which like a full disk harms nothing and may be raised.
  EFBIG: 'NoSpace',
  EMFILE: 'Exhausted',
  ENFILE: 'Exhausted',
  ENOMEM: 'Exhausted',
  ENOBUFS: 'Exhausted',
  EAGAIN: 'Exhausted',
  EBUSY: 'Exhausted',
};

/** What the system says to a path that can be no directory of ours, as `Disk::lock` of native/src/disk.cc has it. */
const UNUSABLE = new Set([
  'ENOENT',
  'EEXIST',
  'ENOTDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'EACCES',
  'EPERM',
  'EROFS',
]);

/** Of taking a directory. */
export function lockErrorOf(error: NodeJS.ErrnoException): DiskError {
  return UNUSABLE.has(error.code ?? '') ? 'Unusable' : diskErrorOf(error);
}

export function diskErrorOf(error: NodeJS.ErrnoException): DiskError {
  if (error instanceof DirectoryLockedError) return 'Locked';
  const numbers: Readonly<Record<string, number>> = constants.errno;
  for (const [name, meaning] of Object.entries(ERROR_NAMES)) {
    if (error.code === name || error.errno === -numbers[name]!) return meaning;
  }
  return 'Io';
}

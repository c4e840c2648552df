/** Chooses the way to the disk. */
import { resolve } from 'node:path';
import { loadNative, NativeDisk, type NativeStats } from '../../native/index.ts';
import { WalrusError } from '../core/errors.ts';
import { crc32c } from '../core/storage/crc32c.ts';
import type { Checksum, Disk, DiskCompletions } from '../ports/disk.ts';
import { createDirectory } from './directory.ts';
import { DirectoryLock, DirectoryLockedError } from './directory-lock.ts';
import { PortableDisk } from './portable-disk.ts';

/**
 * `auto`: native if the addon loads, with what it finds faster of its two engines, else portable. The others are taken, or
 * opening fails.
 */
export type DiskChoice = 'auto' | 'io_uring' | 'pwrite' | 'portable';

export interface OpenedDisk {
  readonly disk: Disk;
  readonly way: Exclude<DiskChoice, 'auto'>;
  /** Why this way, in words for people. */
  readonly reason: string;
  readonly checksum: Checksum;
  /** Memory that the disk can write from without copying. */
  arena(sizeBytes: number): Uint8Array;
  /** Present for the native ways. */
  nativeStats?(): NativeStats;
  /** Gives the directory back. Nothing may be in flight, nothing may follow. */
  close(): Promise<void>;
}

/**
 * Takes the directory, made if need be, for this process. `Locked` while another has it; `InvalidArgument`
 * if the way that was asked for cannot be had here.
 */
export async function openDisk(
  directory: string,
  choice: DiskChoice,
  deliver: DiskCompletions,
): Promise<OpenedDisk> {
  const path = resolve(directory);
  const native = loadNative();
  if (choice === 'portable') return portable(path, 'asked for', deliver);
  if ('unavailable' in native) {
    if (choice === 'auto') return portable(path, native.unavailable, deliver);
    throw new WalrusError('InvalidArgument', `no ${choice} here: ${native.unavailable}`);
  }
  const lock = await claim(path);
  try {
    return nativeDisk(path, choice, deliver, lock);
  } catch (error) {
    await lock.release();
    throw new WalrusError('InvalidArgument', `no ${choice} here: ${(error as Error).message}`);
  }
}

function portable(path: string, reason: string, deliver: DiskCompletions): OpenedDisk {
  const disk = new PortableDisk(path, deliver);
  return {
    disk,
    way: 'portable',
    reason,
    checksum: crc32c,
    arena: (sizeBytes) => new Uint8Array(sizeBytes),
    close: () => disk.close(),
  };
}

function nativeDisk(
  path: string,
  engine: 'auto' | 'io_uring' | 'pwrite',
  deliver: DiskCompletions,
  lock: DirectoryLock,
): OpenedDisk {
  const disk = new NativeDisk({ directory: path, engine }, deliver);
  const { engine: way, engineReason } = disk.stats();
  return {
    disk,
    way,
    reason: engineReason,
    checksum: disk.checksum,
    arena: (sizeBytes) => disk.alignedArena(sizeBytes),
    nativeStats: () => disk.stats(),
    async close() {
      await disk.close();
      await lock.release();
    },
  };
}

/** The native disk locks by `flock`, which Node.js cannot see; so it takes the portable disk's lock as well. */
async function claim(path: string): Promise<DirectoryLock> {
  await createDirectory(path);
  try {
    return await DirectoryLock.acquire(path);
  } catch (error) {
    if (error instanceof DirectoryLockedError) throw new WalrusError('Locked', error.message);
    throw error;
  }
}

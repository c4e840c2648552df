/** Chooses the way to the disk. */
import { closeSync, fdatasyncSync, openSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  loadNative,
  NativeDisk,
  type NativeOptions,
  type NativeStats,
} from '../../native/index.ts';
import { WalrusError } from '../core/errors.ts';
import { crc32c } from '../core/storage/crc32c.ts';
import type { Checksum, Disk, DiskCompletions } from '../ports/disk.ts';
import { diskErrorOf } from './disk-error.ts';
import { PortableDisk } from './portable-disk.ts';
import { ReadOnlyDisk } from './read-only-disk.ts';

/** A descriptor that every process has; whether it can be synced does not matter. */
const STDERR = 2;
/** What an open log has at least: its directory, its lock, and a file. */
const DESCRIPTORS_MIN = 4;

/**
 * `auto`: native if the addon loads, with what it finds faster of its two engines, else portable. The others are taken, or
 * opening fails.
 */
export type DiskChoice = 'auto' | 'io_uring' | 'pwrite' | 'portable';

/** What it is for: options of the native disk of these names. */
export type DiskUse = Required<Pick<NativeOptions, 'inline' | 'syncsEach'>>;

export interface OpenedDisk {
  readonly disk: Disk;
  readonly way: Exclude<DiskChoice, 'auto'>;
  /** Why this way, in words for people. Both may change: the kernel may permit io_uring and refuse it later. */
  readonly reason: string;
  readonly checksum: Checksum;
  /** Memory that the disk can write from without copying. */
  arena(sizeBytes: number): Uint8Array;
  /** Present for the native ways. */
  nativeStats?(): NativeStats;
  /** Waits for what is in flight, then gives the directory back. Nothing may follow. */
  close(): Promise<void>;
}

/**
 * Gives a disk that touches nothing before its `lock`. Throws `InvalidArgument` if the way that was asked for cannot
 * be had here. Native and portable disks exclude each other.
 */
export function openDisk(
  directory: string,
  choice: DiskChoice,
  deliver: DiskCompletions,
  use: DiskUse,
): OpenedDisk {
  const path = resolve(directory);
  if (choice === 'portable') return portable(path, 'asked for', deliver);
  const native = loadNative();
  const without = (reason: string): OpenedDisk => {
    if (lacksDescriptors()) throw new WalrusError('Exhausted', `no descriptors: ${reason}`);
    if (choice === 'auto') return portable(path, reason, deliver);
    throw new WalrusError('InvalidArgument', `no ${choice} here: ${reason}`);
  };
  if ('unavailable' in native) return without(native.unavailable);
  try {
    return nativeDisk(path, choice, deliver, use);
  } catch (error) {
    return without((error as Error).message);
  }
}

/** Whether the process, or the system, is out of what any way to a disk needs: that passes, and is no reason to take another way. */
function lacksDescriptors(): boolean {
  const opened: number[] = [];
  try {
    while (opened.length < DESCRIPTORS_MIN) opened.push(openSync('/', 'r'));
    return false;
  } catch (error) {
    return diskErrorOf(error as NodeJS.ErrnoException) === 'Exhausted';
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** Gives a disk that changes nothing in the directory, and keeps nobody out of it. */
export function openReadOnly(directory: string, deliver: DiskCompletions): OpenedDisk {
  const disk = new ReadOnlyDisk(resolve(directory), deliver);
  return {
    disk,
    way: 'portable',
    reason: 'opened to be read only',
    checksum: crc32c,
    arena: (sizeBytes) => new Uint8Array(sizeBytes),
    close: () => disk.close(),
  };
}

function portable(path: string, reason: string, deliver: DiskCompletions): OpenedDisk {
  if (!canSync()) {
    const why =
      'the permission model of this Node.js disables fsync, and with it the portable disk';
    throw new WalrusError(
      'InvalidArgument',
      `no disk here: ${why}; the native one needs --allow-addons`,
    );
  }
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

/** From version 22 on Node.js keeps `fsync` from a program under its permission model, whatever files that may write. */
function canSync(): boolean {
  if (process.permission === undefined) return true;
  try {
    fdatasyncSync(STDERR);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ERR_ACCESS_DENIED';
  }
  return true;
}

function nativeDisk(
  path: string,
  engine: 'auto' | 'io_uring' | 'pwrite',
  deliver: DiskCompletions,
  use: DiskUse,
): OpenedDisk {
  const disk = new NativeDisk({ directory: path, engine, ...use }, deliver);
  return {
    disk,
    get way() {
      return disk.stats().engine;
    },
    get reason() {
      return disk.stats().engineReason;
    },
    checksum: disk.checksum,
    arena: (sizeBytes) => disk.alignedArena(sizeBytes),
    nativeStats: () => disk.stats(),
    close: () => disk.close(),
  };
}

import { crc32c } from '../core/storage/crc32c.ts';
import type { Checksum, Disk, DiskCompletions } from '../ports/disk.ts';
import type { DiskKind } from './config.ts';
import { PortableDisk } from './portable-disk.ts';

export interface ChosenDisk {
  readonly disk: Disk & { close(): Promise<void> };
  readonly checksum: Checksum;
  /** What was chosen, and why if it is not what was asked for: for the log. */
  readonly description: string;
}

/** The fastest disk that works here, or the one that is asked for. Touches nothing on it. */
export function chooseDisk(
  _kind: DiskKind,
  directory: string,
  deliver: DiskCompletions,
): ChosenDisk {
  const disk = new PortableDisk(directory, deliver);
  return { disk, checksum: crc32c, description: 'portable (node:fs)' };
}

/**
 * A directory of files, used as io_uring is used: requests are submitted, completions come later, each
 * exactly once, in any order. A disk never completes a request inside `submit`.
 *
 * What a disk promises, and no more:
 * - A write that completed is seen by later reads of the same process. It survives power loss only if a `sync` of the same
 *   handle was submitted after the write, and both have succeeded. Neither need have completed when the other is
 *   submitted, and they complete in any order: whoever waits for durability waits for both.
 * - Writes in flight at power loss, or completed but not synced, are kept, lost, or torn: any subset of their
 *   512-byte sectors may remain. Bytes once synced stay, even if a later write of equal bytes to them is torn.
 * - `open` with create, `rename` and `unlink` survive power loss only after `syncDirectory` succeeded.
 * - A `sync` tells what the device did, not what became of the writes before it: one that was refused, for want of room
 *   perhaps, says so itself, and the sync makes the others durable.
 * - A `sync` that failed says nothing about any earlier write, and must not be tried again on that file.
 *
 * Every disk passes `properties/conformance/disk.ts`.
 */
export interface Disk {
  /** Where a write must begin and end if it is to be fastest: 1 if that does not matter, else a power of two. */
  readonly alignmentBytes: number;
  /**
   * Starts one request. `request.id` is the caller's and comes back in the completion. Buffers in the
   * request belong to the disk until then: the caller neither changes nor reuses them.
   */
  submit(request: DiskRequest): void;
}

/** Names a file that is open. Given by the completion of `open`; never reused while the disk lives. */
export type FileHandle = number;

export type DiskRequest =
  /** Takes the directory for this process, creating it if need be. Anything else waits for its completion. */
  | { readonly op: 'lock'; readonly id: number }
  /** Names of all files with their sizes, in code-unit order. */
  | { readonly op: 'list'; readonly id: number }
  /** Opens for reading and writing. With `create` the file must not exist, else it must. */
  | { readonly op: 'open'; readonly id: number; readonly name: string; readonly create: boolean }
  /** Makes the file at least this long and reserves its blocks; new bytes read as zero. */
  | {
      readonly op: 'allocate';
      readonly id: number;
      readonly file: FileHandle;
      readonly sizeBytes: number;
    }
  /** Writes all of `bytes` at the offset, extending the file if need be. Short writes are the disk's affair. */
  | {
      readonly op: 'write';
      readonly id: number;
      readonly file: FileHandle;
      readonly offsetBytes: number;
      readonly bytes: Uint8Array;
    }
  /** Fills `into` from the offset; `lengthBytes` of the completion is smaller only at the end of the file. */
  | {
      readonly op: 'read';
      readonly id: number;
      readonly file: FileHandle;
      readonly offsetBytes: number;
      readonly into: Uint8Array;
    }
  /**
   * Finds what was ever written, at `offsetBytes` or behind it. `offsetBytes` of the completion is not before the one asked for, and all
   * bytes between the two are zeros; it is the end of the file if nothing else follows. A disk that cannot tell gives back what it
   * was asked.
   */
  | {
      readonly op: 'seekData';
      readonly id: number;
      readonly file: FileHandle;
      readonly offsetBytes: number;
    }
  /** Makes the data (and length) of every write to `file` submitted before this one durable: it waits for them. */
  | { readonly op: 'sync'; readonly id: number; readonly file: FileHandle }
  | { readonly op: 'close'; readonly id: number; readonly file: FileHandle }
  /** Renames over whatever has the new name. */
  | { readonly op: 'rename'; readonly id: number; readonly from: string; readonly to: string }
  | { readonly op: 'unlink'; readonly id: number; readonly name: string }
  /** Makes creations, renames and removals that completed before this submit durable. */
  | { readonly op: 'syncDirectory'; readonly id: number };

/**
 * Why a request failed. `Locked`: another live process has the directory. `Unusable`, of `lock`: what the path leads to is no directory, and none can be
 * made of it, or not by this user. `Exists`/`NotFound`: of `open`,
 * `rename`, `unlink`. `NoSpace`: nothing of this write may be relied on. `Exhausted`: the system is short of descriptors or memory, or the
 * device is busy; nothing was done, or of a write nothing that may be relied on, and the same request may succeed later. Never
 * of a `sync`. `Io`: the device failed, or the directory is no longer the one that was locked.
 */
export type DiskError =
  | 'Locked'
  | 'Unusable'
  | 'Exists'
  | 'NotFound'
  | 'NoSpace'
  | 'Exhausted'
  | 'Io';

export interface DiskCompletion {
  readonly id: number;
  /** Absent on success. */
  readonly error?: DiskError;
  /** What the system said, for people. */
  readonly detail?: string;
  /** Of `open`. */
  readonly file?: FileHandle;
  /** Of `open` (the file's size) and `read` (bytes filled). */
  readonly lengthBytes?: number;
  /** Of `seekData`. */
  readonly offsetBytes?: number;
  /** Of `list`. */
  readonly files?: readonly DiskFile[];
}

export interface DiskFile {
  readonly name: string;
  readonly sizeBytes: number;
}

/** Where a disk delivers completions: one call for all that are ready. */
export type DiskCompletions = (completions: readonly DiskCompletion[]) => void;

/**
 * CRC-32C (Castagnoli) of `bytes[from, to)`, continued from `seed` (0 to begin). Unsigned 32 bits.
 * Production passes a hardware one; `impl/core/storage/crc32c.ts` is the portable one. Equal bit for bit.
 */
export interface Checksum {
  (bytes: Uint8Array, from: number, to: number, seed: number): number;
  /**
   * Many at one call, where calls are what costs. `bytes[table, tableEnd)` is entries of 12 bytes: a u32 where a part ends, counted from `from`,
   * where the first begins; 4 bytes of the caller's; a u32 that becomes the checksum of the part.
   */
  readonly fillTable?: (bytes: Uint8Array, from: number, table: number, tableEnd: number) => void;
}

/** The files of a directory that nobody has open, to be read where one stands: for tools that look at it and change nothing. */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Damage, ReadableFiles } from '../core/storage/survey.ts';
import type { DiskFile } from '../ports/disk.ts';

/** What a disk refuses to read in one piece is tried in pieces of so many bytes. */
const SECTOR_BYTES = 4096;
const OPEN_MAX = 32;

export class OfflineFiles implements ReadableFiles {
  readonly files: readonly DiskFile[];
  /** What the disk refused to read. */
  readonly unreadable: Damage[] = [];
  readonly #directory: string;
  readonly #sizes: ReadonlyMap<string, number>;
  readonly #onRead: (bytes: number) => void;
  /** The longest unused first. */
  readonly #open = new Map<string, number>();

  /** Throws what the system says if the directory cannot be read. `onRead` hears how much was read. */
  constructor(directory: string, onRead: (bytes: number) => void) {
    this.#directory = directory;
    this.#onRead = onRead;
    const files: DiskFile[] = [];
    for (const name of readdirSync(directory).sort()) {
      // What a link leads to is meant; one that leads nowhere is a file that is missing.
      const found = statSync(join(directory, name), { throwIfNoEntry: false });
      if (found?.isFile()) files.push({ name, sizeBytes: found.size });
    }
    this.files = files;
    this.#sizes = new Map(files.map(({ name, sizeBytes }) => [name, sizeBytes]));
  }

  read(name: string, offsetBytes: number, length: number): Uint8Array {
    const sizeBytes = this.#sizes.get(name) ?? 0;
    const bytes = new Uint8Array(Math.max(0, Math.min(length, sizeBytes - offsetBytes)));
    this.#fill(name, offsetBytes, bytes);
    this.#onRead(bytes.length);
    return bytes;
  }

  close(): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
  }

  #fill(name: string, offsetBytes: number, bytes: Uint8Array): void {
    for (let filled = 0; filled < bytes.length; ) {
      const length = Math.min(2 ** 30, bytes.length - filled);
      try {
        const read = readSync(this.#descriptor(name), bytes, filled, length, offsetBytes + filled);
        if (read === 0) return;
        filled += read;
      } catch (error) {
        if (bytes.length <= SECTOR_BYTES) {
          this.#refused(name, offsetBytes, bytes.length, error as Error);
          return;
        }
        const sector = Math.min(SECTOR_BYTES, bytes.length - filled);
        this.#fill(name, offsetBytes + filled, bytes.subarray(filled, filled + sector));
        filled += sector;
      }
    }
  }

  #refused(file: string, offsetBytes: number, lengthBytes: number, { message }: Error): void {
    const last = this.unreadable.at(-1);
    if (this.unreadable.some((one) => one.file === file && one.offsetBytes === offsetBytes)) return;
    if (last?.file === file && last.offsetBytes + last.lengthBytes === offsetBytes) {
      this.unreadable[this.unreadable.length - 1] = {
        ...last,
        lengthBytes: last.lengthBytes + lengthBytes,
      };
      return;
    }
    this.unreadable.push({ file, offsetBytes, lengthBytes, what: `cannot be read: ${message}` });
  }

  #descriptor(name: string): number {
    const open = this.#open.get(name);
    if (open !== undefined) {
      this.#open.delete(name);
      this.#open.set(name, open);
      return open;
    }
    for (const [oldest, descriptor] of this.#open) {
      if (this.#open.size < OPEN_MAX) break;
      closeSync(descriptor);
      this.#open.delete(oldest);
    }
    const descriptor = openSync(join(this.#directory, name), 'r');
    this.#open.set(name, descriptor);
    return descriptor;
  }
}

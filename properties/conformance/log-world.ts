/** Where logs live that are being tested, and how they end. */
import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type DiskChoice,
  type Entry,
  FsyncSchedule,
  Walrus,
  type WalrusOptions,
} from '../../impl/embedded/walrus.ts';

/** Upstream's blocks have 10 MiB; here an eighth of that, in files of 1 MiB, unless the full size is asked for. */
const FULL = process.env.WALRUS_TEST_SCALE === 'full';
export const MEBIBYTE: number = FULL ? 2 ** 20 : 2 ** 20 / 8;
export const FILE_BYTES: number = FULL ? 64 * 2 ** 20 : 2 ** 20;

/** How a log ends before it is opened again: in good order, or as `kill -9` leaves it. */
export type Ending = 'closed' | 'killed';
export const ENDINGS: readonly Ending[] = ['closed', 'killed'];

/** A directory of its own for each test, and the logs that were opened there. */
export class LogWorld {
  readonly directory: string;
  readonly #disk: DiskChoice;
  readonly #open = new Map<Walrus, WalrusOptions>();
  #copies = 0;

  constructor(directory: string, disk: DiskChoice) {
    this.directory = directory;
    this.#disk = disk;
  }

  async open(options: WalrusOptions = {}): Promise<Walrus> {
    const all = {
      dir: join(this.directory, 'data'),
      disk: this.#disk,
      fsync: FsyncSchedule.NoFsync,
      fileBytes: FILE_BYTES,
      ...options,
    };
    const log = await Walrus.open(all);
    this.#open.set(log, all);
    return log;
  }

  /** Opens anew what `log` wrote, perhaps with other options. */
  async reopen(log: Walrus, ending: Ending, options: WalrusOptions = {}): Promise<Walrus> {
    const before = { ...this.#open.get(log)!, ...options };
    if (ending === 'closed') {
      await log.close();
      return this.open(before);
    }
    const dir = await this.image(log);
    await log.close();
    return this.open({ ...before, dir });
  }

  /**
   * A copy of the files of an open log, as `kill -9` would leave them: what the operating system was given is all
   * that remains, and it is what a copy holds.
   */
  image(log: Walrus): Promise<string> {
    return this.copy(this.#open.get(log)!.dir!);
  }

  /** Of a moment when no file comes or goes: a copy takes a while, and the log tidies up behind its appends. */
  async copy(from: string): Promise<string> {
    for (;;) {
      const dir = join(this.directory, `copy-${++this.#copies}`);
      const before = await listing(from);
      try {
        await cp(from, dir, { recursive: true, filter: (path) => !path.endsWith('.sock') });
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
      if (!/\d\.checkpoint\.tmp/.test(before) && (await listing(from)) === before) return dir;
      await rm(dir, { recursive: true });
    }
  }

  async dispose(): Promise<void> {
    for (const log of this.#open.keys()) await log.close().catch(() => {});
    await rm(this.directory, { recursive: true });
  }
}

async function listing(directory: string): Promise<string> {
  return (await readdir(directory)).sort().join(' ');
}

/** Test cases that want a fresh world each. */
export type Cases = (world: () => LogWorld) => void;

export function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

export function textOf(entry: Entry | undefined): string | undefined {
  return entry && Buffer.from(entry.data).toString();
}

export function textsOf(entries: readonly Entry[]): string[] {
  return entries.map((entry) => textOf(entry)!);
}

/** Reads with the shared cursor until nothing is left. */
export async function drain(log: Walrus, topic: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  for (let entry = await log.readNext(topic); entry; entry = await log.readNext(topic)) {
    entries.push(entry);
  }
  return entries;
}

/** Bytes that tell their seed and their place. */
export function pattern(length: number, seed: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < words.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** As `toEqual`, but quick on megabytes. */
export function sameBytes(one: Uint8Array | undefined, other: Uint8Array): boolean {
  return one !== undefined && Buffer.compare(one, other) === 0;
}

export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/**
 * The native disk as the disk port sees it. What it is made of is C++ (see README.md); here it gets its types, and
 * numbers become requests and completions.
 */
import Module from 'node:module';
import { isAbsolute } from 'node:path';
import process from 'node:process';
import * as timers from 'node:timers';
import type {
  Checksum,
  Disk,
  DiskCompletion,
  DiskCompletions,
  DiskError,
  DiskFile,
  DiskRequest,
  FileHandle,
} from '../impl/ports/disk.ts';

export interface NativeOptions {
  readonly directory: string;
  /** The I/O engine. `auto`, the default, takes what measured faster (README.md); the others are taken or it throws. */
  readonly engine?: 'auto' | 'io_uring' | 'pwrite';
  /** Whether aligned writes go past the page cache. `auto`, the default, if the file system takes them. */
  readonly direct?: 'auto' | boolean;
  /**
   * Whether small writes and syncs of a disk that is quick and at rest are carried out on the caller's thread: on such a disk
   * that takes no longer than to wake another one. `false`, the default, is for who has others to answer meanwhile.
   */
  readonly inline?: boolean;
  /** Whether each write is followed by a sync that somebody waits for, which is for `auto` to know. `false` is the default. */
  readonly syncsEach?: boolean;
}

/** What was chosen and why, and what happened since the disk was opened. */
export interface NativeStats {
  readonly engine: 'io_uring' | 'pwrite';
  readonly engineReason: string;
  readonly direct: boolean;
  readonly directReason: string;
  readonly checksum: 'hardware' | 'table';
  readonly directWrites: number;
  /** Those that were not aligned, all if `direct` is false. */
  readonly bufferedWrites: number;
  readonly writtenBytes: number;
  /** Zeros written ahead of small durable writes, onto blocks that were only reserved. */
  readonly zeroFilledBytes: number;
  readonly reads: number;
  readonly readBytes: number;
  readonly syncs: number;
  /** Of the writes and syncs, those carried out on JavaScript's own thread (`inline`). */
  readonly inlined: number;
  readonly failures: number;
  readonly completions: number;
  /** How often JavaScript was called for those completions. */
  readonly deliveries: number;
  readonly inFlightMax: number;
  readonly shortTransfers: number;
  readonly interruptions: number;
  /** Of arenas, how much the ring has registered with the kernel; its limit of locked memory bounds it. */
  readonly registeredBytes: number;
  /** The file that the addon was loaded from. */
  readonly addon: string;
}

/** What the addon exports. */
interface Addon {
  readonly Disk: new (
    options: {
      directory: string;
      engine: number;
      direct: number;
      inline: boolean;
      syncsEach: boolean;
      ringForbidden: string;
    },
    completions: Float64Array,
    pinned: unknown[],
    onCompletions: (count: number, extras: readonly unknown[] | undefined) => void,
    onClosed: () => void,
  ) => NativeHandle;
  readonly checksum: Checksum;
  readonly bytesToAlignment: (bytes: Uint8Array) => number;
  readonly directAlignment: number;
}

export interface Native extends Addon {
  /** Where it was found. */
  readonly path: string;
}

interface NativeHandle {
  submit(
    op: number,
    slot: number,
    file: FileHandle,
    offset: number,
    argument: Uint8Array | string | undefined,
    newName: string | undefined,
  ): boolean;
  addArena(memory: Uint8Array): void;
  close(): void;
  stats(): Omit<NativeStats, 'addon'>;
}

/** As it was at import: a user's fake timers must not keep completions back. */
const setImmediate: (task: () => void) => void = timers.setImmediate;

// As the enums in disk.h and failure.h.
const OPS: readonly DiskRequest['op'][] = [
  'lock',
  'list',
  'open',
  'allocate',
  'write',
  'read',
  'sync',
  'close',
  'rename',
  'unlink',
  'syncDirectory',
  'seekData',
];
const OP_CODES: ReadonlyMap<DiskRequest['op'], number> = new Map(OPS.map((op, code) => [op, code]));
const ERRORS: readonly (DiskError | undefined)[] = [
  undefined,
  'Locked',
  'Exists',
  'NotFound',
  'NoSpace',
  'Io',
  'Exhausted',
  'Unusable',
];
const ENGINES = { auto: 0, io_uring: 1, pwrite: 2 } as const;

/** Numbers of one completion in the array that the addon fills: slot, error, file, length. */
const COMPLETION_FIELDS = 4;
/** In place of a slot: another engine is used from now on. */
const ENGINE_CHANGED = 2 ** 32 - 1;
/** Completions in one call; more come in further calls. */
const COMPLETIONS_MAX = 256;

/** The C libraries that Linux has an addon for; the wrong one's does not load. */
const LIBCS = ['gnu', 'musl'];

/**
 * Names of the addon, as `require` takes them: what was built on this machine, by whoever built it or installed from a
 * checkout; what was built for many and is a package of its own; a file that lies beside a bundle.
 */
const ADDON_NAMES: readonly string[] = [
  'walrus/walrus.node',
  ...LIBCS.map((libc) => `walrus-${process.platform}-${process.arch}-${libc}`),
  './walrus.node',
];
/** How `require` says that there is nothing of that name. */
const NOT_THERE = new Set(['MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED']);

let loaded: Native | { readonly unavailable: string } | undefined;

/**
 * Loads the addon once, or says why there is none: it was not built, not installed, or not for this system. What refuses to load is
 * tried again at each call: a process may be out of descriptors.
 */
export function loadNative(): Native | { readonly unavailable: string } {
  if (loaded === undefined || 'unavailable' in loaded) loaded = load();
  return loaded;
}

function load(): Native | { readonly unavailable: string } {
  let refusal: string | undefined;
  for (const place of places()) {
    // By this name, for webpack makes something of its own of the other.
    const require = Module.createRequire(place);
    for (const name of ADDON_NAMES) {
      try {
        const path = require.resolve(name);
        return { ...(require(path) as Addon), path };
      } catch (error) {
        if (NOT_THERE.has((error as NodeJS.ErrnoException).code ?? '')) continue;
        refusal ??= (error as Error).message;
      }
    }
  }
  return {
    unavailable: refusal === undefined ? absence() : `the native disk does not load: ${refusal}`,
  };
}

/**
 * Whence names are looked up: this file, or the bundle that it has become a part of; and the program that runs, because
 * some bundlers write down where this file was on the machine that they ran on.
 */
function places(): (string | URL)[] {
  // A bundle that is CommonJS has no `import.meta.url`, whatever its type says.
  const here = import.meta.url ?? __filename;
  const program = process.argv[1];
  return program !== undefined && isAbsolute(program) ? [here, program] : [here];
}

function absence(): string {
  const { platform, arch } = process;
  if (platform !== 'linux') return `the native disk is for Linux, and this is ${platform}`;
  const packages = LIBCS.map((libc) => `walrus-linux-${arch}-${libc}`).join(' or ');
  return `the native disk was not found: the optional package ${packages} is not installed, nothing was built here (make native), and no walrus.node lies beside the program`;
}

/**
 * A directory on a disk, reached by a thread of its own through io_uring or plain system calls.
 * Completions arrive between turns of the event loop, all that are ready in one call. While a
 * request is under way the process stays alive.
 */
export class NativeDisk implements Disk {
  /** 4096 where aligned writes from aligned memory (`alignedArena`) go past the page cache, else 1. */
  readonly alignmentBytes: number;
  readonly checksum: Checksum;
  readonly #native: Native;
  readonly #handle: NativeHandle;
  readonly #onCompletions: DiskCompletions;
  // A request under way has a slot: its id and operation here, and the memory that it pins there.
  readonly #ids: number[] = [];
  readonly #ops: DiskRequest['op'][] = [];
  readonly #pinned: unknown[] = [];
  readonly #freeSlots: number[] = [];
  /** Completed within `submit`, to be told of after this turn. */
  #done: DiskCompletion[] = [];
  readonly #tellDone = (): void => {
    const done = this.#done;
    this.#done = [];
    this.#onCompletions(done);
  };
  readonly #records: Float64Array = new Float64Array(COMPLETION_FIELDS * COMPLETIONS_MAX);
  #closing: Promise<void> | undefined;
  #closed: () => void = () => {};

  /** Throws if there is no addon, or if an engine or direct writes are demanded that cannot be had. */
  constructor(options: NativeOptions, onCompletions: DiskCompletions) {
    const native = loadNative();
    if ('unavailable' in native) throw new Error(native.unavailable);
    const { engine = 'auto', direct = 'auto', inline = false, syncsEach = false } = options;
    this.#native = native;
    this.#onCompletions = onCompletions;
    this.#handle = new native.Disk(
      {
        directory: options.directory,
        engine: ENGINES[engine],
        direct: direct === 'auto' ? 0 : direct ? 1 : 2,
        inline,
        syncsEach,
        ringForbidden: isSet(process.env.WALRUS_DISABLE_IO_URING)
          ? 'WALRUS_DISABLE_IO_URING is set'
          : '',
      },
      this.#records,
      this.#pinned,
      (count, extras) => this.#complete(count, extras),
      () => this.#closed(),
    );
    this.alignmentBytes = this.#handle.stats().direct ? native.directAlignment : 1;
    this.checksum = native.checksum;
  }

  submit(request: DiskRequest): void {
    if (this.#closing !== undefined) throw new Error('the disk is closed');
    const slot = this.#freeSlots.pop() ?? this.#ids.length;
    const { op } = request;
    let file: FileHandle = 0;
    let offset = 0;
    let argument: Uint8Array | string | undefined;
    let newName: string | undefined;
    switch (op) {
      case 'write':
        ({ file, offsetBytes: offset, bytes: argument } = request);
        break;
      case 'read':
        ({ file, offsetBytes: offset, into: argument } = request);
        break;
      case 'seekData':
        ({ file, offsetBytes: offset } = request);
        break;
      case 'sync':
      case 'close':
        ({ file } = request);
        break;
      case 'allocate':
        ({ file, sizeBytes: offset } = request);
        break;
      case 'open':
        argument = request.name;
        offset = request.create ? 1 : 0;
        break;
      case 'rename':
        argument = request.from;
        newName = request.to;
        break;
      case 'unlink':
        argument = request.name;
        break;
      case 'lock':
      case 'list':
      case 'syncDirectory':
        break;
    }
    this.#ids[slot] = request.id;
    this.#ops[slot] = op;
    this.#pinned[slot] = argument;
    if (!this.#handle.submit(OP_CODES.get(op)!, slot, file, offset, argument, newName)) return;
    this.#release(slot);
    if (this.#done.length === 0) setImmediate(this.#tellDone);
    this.#done.push({ id: request.id });
  }

  /**
   * Memory that direct writes take as it is: begins at a multiple of `alignmentBytes`. Writes from other memory are
   * right as well, and go through the page cache.
   */
  alignedArena(sizeBytes: number): Uint8Array {
    if (this.#closing !== undefined) throw new Error('the disk is closed');
    const room = new Uint8Array(sizeBytes + this.#native.directAlignment);
    const from = this.#native.bytesToAlignment(room);
    const arena = room.subarray(from, from + sizeBytes);
    // In a slot that is never given back: the addon may use the arena until it has stopped.
    const slot = this.#ids.push(-1) - 1;
    this.#pinned[slot] = arena;
    this.#handle.addArena(arena);
    return arena;
  }

  stats(): NativeStats {
    return { ...this.#handle.stats(), addon: this.#native.path };
  }

  /**
   * Carries out what was submitted, delivers the completions, then releases the directory. Nothing may be submitted
   * after it. A worker that ends, or a process, does without: its disks stop as soon as the kernel is
   * done with what it has begun.
   */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#closed = resolve;
      // Behind what is done and not told.
      setImmediate(() => this.#handle.close());
    });
    return this.#closing;
  }

  #release(slot: number): void {
    this.#pinned[slot] = undefined;
    this.#freeSlots.push(slot);
  }

  #complete(count: number, extras: readonly unknown[] | undefined): void {
    const completions: DiskCompletion[] = [];
    let extrasTaken = 0;
    for (let i = 0; i < count; i++) {
      const at = i * COMPLETION_FIELDS;
      const slot = this.#records[at]!;
      if (slot === ENGINE_CHANGED) {
        warn(`${extras![extrasTaken++]}; plain calls are used from now on`);
        continue;
      }
      const error = ERRORS[this.#records[at + 1]!];
      const id = this.#ids[slot]!;
      const op = this.#ops[slot]!;
      this.#release(slot);
      if (error !== undefined) {
        completions.push({ id, error, detail: extras![extrasTaken++] as string });
      } else if (op === 'read') {
        completions.push({ id, lengthBytes: this.#records[at + 3]! });
      } else if (op === 'seekData') {
        completions.push({ id, offsetBytes: this.#records[at + 3]! });
      } else if (op === 'open') {
        const file = this.#records[at + 2]!;
        completions.push({ id, file, lengthBytes: this.#records[at + 3]! });
      } else if (op === 'list') {
        completions.push({ id, files: filesOf(extras![extrasTaken++] as (string | number)[]) });
      } else {
        completions.push({ id });
      }
    }
    if (completions.length > 0) this.#onCompletions(completions);
  }
}

function warn(message: string): void {
  if (process.env.WALRUS_QUIET === undefined) process.emitWarning(message, 'WalrusWarning');
}

function isSet(variable: string | undefined): boolean {
  return variable !== undefined && variable !== '' && variable !== '0' && variable !== 'false';
}

/** From name, size, name, size, … in any order to files in code-unit order. */
function filesOf(flat: readonly (string | number)[]): DiskFile[] {
  const files: DiskFile[] = [];
  for (let i = 0; i < flat.length; i += 2) {
    files.push({ name: flat[i] as string, sizeBytes: flat[i + 1] as number });
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

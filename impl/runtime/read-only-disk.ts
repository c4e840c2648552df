/**
 * The disk port over a directory in which nothing may be changed: what is written is kept in memory, over what the
 * files hold, and forgotten with the disk. Takes no lock and leaves no trace.
 */
import type { Stats } from 'node:fs';
import { type FileHandle as NodeFile, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../core/assert.ts';
import type {
  Disk,
  DiskCompletion,
  DiskCompletions,
  DiskRequest,
  FileHandle,
} from '../ports/disk.ts';
import { diskErrorOf, lockErrorOf } from './disk-error.ts';
import { setImmediate } from './timers.ts';

type Result = Omit<DiskCompletion, 'id'>;

interface Written {
  readonly offsetBytes: number;
  readonly bytes: Uint8Array;
}

interface File {
  /** Absent if it is only in memory. */
  readonly path: string | undefined;
  sizeBytes: number;
  /** In the order of the writes. */
  readonly written: Written[];
}

interface OpenFile {
  readonly file: File;
  readonly node: NodeFile | undefined;
}

export class ReadOnlyDisk implements Disk {
  readonly alignmentBytes = 1;
  readonly #directory: string;
  readonly #deliver: DiskCompletions;
  readonly #names = new Map<string, File>();
  readonly #open = new Map<FileHandle, OpenFile>();
  #lastHandle: FileHandle = 0;
  #completed: DiskCompletion[] = [];
  readonly #inFlight = new Set<Promise<void>>();

  constructor(directory: string, deliver: DiskCompletions) {
    this.#directory = directory;
    this.#deliver = deliver;
  }

  submit(request: DiskRequest): void {
    const work = this.#carryOut(request).then(
      (result) => this.#complete({ id: request.id, ...result }),
      (error: NodeJS.ErrnoException) => {
        const meaningOf = request.op === 'lock' ? lockErrorOf : diskErrorOf;
        this.#complete({ id: request.id, error: meaningOf(error), detail: error.message });
      },
    );
    this.#inFlight.add(work);
    void work.then(() => this.#inFlight.delete(work));
  }

  /** Waits for what is in flight. Nothing may follow. */
  async close(): Promise<void> {
    await Promise.all(this.#inFlight);
    for (const { node } of this.#open.values()) await node?.close();
    this.#open.clear();
  }

  async #carryOut(request: DiskRequest): Promise<Result> {
    switch (request.op) {
      case 'lock':
        await this.#look();
        return {};
      case 'list': {
        const names = [...this.#names.keys()].sort();
        return {
          files: names.map((name) => ({ name, sizeBytes: this.#names.get(name)!.sizeBytes })),
        };
      }
      case 'open':
        return this.#openFile(request.name, request.create);
      case 'allocate': {
        const { file } = this.#opened(request.file);
        file.sizeBytes = Math.max(file.sizeBytes, request.sizeBytes);
        return {};
      }
      case 'write': {
        const { file } = this.#opened(request.file);
        const { offsetBytes, bytes } = request;
        file.written.push({ offsetBytes, bytes: bytes.slice() });
        file.sizeBytes = Math.max(file.sizeBytes, offsetBytes + bytes.length);
        return {};
      }
      case 'read':
        return this.#read(this.#opened(request.file), request.offsetBytes, request.into);
      case 'seekData':
        return { offsetBytes: request.offsetBytes };
      case 'close': {
        const { node } = this.#opened(request.file);
        this.#open.delete(request.file);
        await node?.close();
        return {};
      }
      case 'rename': {
        const file = this.#names.get(request.from);
        if (file === undefined) return { error: 'NotFound' };
        this.#names.delete(request.from);
        this.#names.set(request.to, file);
        return {};
      }
      case 'unlink':
        return this.#names.delete(request.name) ? {} : { error: 'NotFound' };
      case 'sync':
      case 'syncDirectory':
        return {};
    }
  }

  async #look(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      const found = await follow(path);
      if (found?.isFile()) this.#names.set(name, { path, sizeBytes: found.size, written: [] });
    }
  }

  async #openFile(name: string, create: boolean): Promise<Result> {
    let file = this.#names.get(name);
    if (create && file !== undefined) return { error: 'Exists' };
    if (!create && file === undefined) return { error: 'NotFound' };
    if (file === undefined) {
      file = { path: undefined, sizeBytes: 0, written: [] };
      this.#names.set(name, file);
    }
    const node = file.path === undefined ? undefined : await open(file.path, 'r');
    const handle = ++this.#lastHandle;
    this.#open.set(handle, { file, node });
    return { file: handle, lengthBytes: file.sizeBytes };
  }

  async #read({ file, node }: OpenFile, from: number, into: Uint8Array): Promise<Result> {
    const lengthBytes = Math.max(0, Math.min(into.length, file.sizeBytes - from));
    into.fill(0, 0, lengthBytes);
    for (let filled = 0; node !== undefined && filled < lengthBytes; ) {
      const { bytesRead } = await node.read(into, filled, lengthBytes - filled, from + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    for (const { offsetBytes, bytes } of file.written) {
      const begin = Math.max(from, offsetBytes);
      const end = Math.min(from + lengthBytes, offsetBytes + bytes.length);
      if (begin < end)
        into.set(bytes.subarray(begin - offsetBytes, end - offsetBytes), begin - from);
    }
    return { lengthBytes };
  }

  #opened(handle: FileHandle): OpenFile {
    const opened = this.#open.get(handle);
    assert(opened !== undefined, 'a file is opened before it is used');
    return opened;
  }

  #complete(completion: DiskCompletion): void {
    this.#completed.push(completion);
    if (this.#completed.length > 1) return;
    setImmediate(() => {
      const completions = this.#completed;
      this.#completed = [];
      this.#deliver(completions);
    });
  }
}

/** What is there; undefined if it is a link that leads nowhere, or was removed meanwhile: then the file is missing. */
async function follow(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (diskErrorOf(error as NodeJS.ErrnoException) === 'NotFound') return undefined;
    throw error;
  }
}

/**
 * The rival in plain JavaScript: no native code of its own, but the same good ideas. Records are framed in an arena, a batch is checksummed
 * (CRC-32C) and written when it is full or its turn is over, several batches are in flight, one `fdatasync` serves all that was
 * written before it, and all appends of a batch share one promise. It only appends to one file and cannot recover from a torn tail,
 * reclaim, or serve several topics: what it leaves out makes it faster.
 */
import { fdatasync, write } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '../../core/storage/crc32c.ts';
import type { Log, Subject } from '../subject.ts';
import type { Schedule } from '../workloads.ts';

const BATCH_BYTES = 256 * 1024;
const BATCHES = 32;
const WRITES_MAX = 4;
/** Length of the body, its checksum. */
const HEADER_BYTES = 8;
/** Filled with zeros beforehand if syncs are waited for: a sync onto written blocks costs half. */
const PREPARED_BYTES = 64 * 2 ** 20;

interface Batch {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  at: number;
  fileOffset: number;
  state: 'free' | 'open' | 'queued' | 'writing' | 'written';
  promise: Promise<void> | undefined;
  resolve: () => void;
  reject: (error: Error) => void;
}

class JsLog implements Log {
  readonly #file: FileHandle;
  readonly #schedule: Schedule;
  readonly #free: Batch[] = [];
  #open: Batch | undefined;
  readonly #queue: Batch[] = [];
  /** In order of the file: being written, or written and not yet acknowledged. */
  readonly #unacknowledged: Batch[] = [];
  #endBytes = 0;
  #writing = 0;
  #isSyncing = false;
  #hasUnsynced = false;
  #roomWaiters: (() => void)[] = [];
  readonly #timer: NodeJS.Timeout | undefined;

  constructor(file: FileHandle, schedule: Schedule) {
    this.#file = file;
    this.#schedule = schedule;
    const arena = new ArrayBuffer(BATCHES * BATCH_BYTES);
    for (let i = 0; i < BATCHES; i++) {
      const bytes = new Uint8Array(arena, i * BATCH_BYTES, BATCH_BYTES);
      const view = new DataView(arena, i * BATCH_BYTES, BATCH_BYTES);
      const nothing = () => {};
      this.#free.push({
        bytes,
        view,
        at: HEADER_BYTES,
        fileOffset: 0,
        state: 'free',
        promise: undefined,
        resolve: nothing,
        reject: nothing,
      });
    }
    if (schedule === '200ms') this.#timer = setInterval(() => this.#syncLater(), 200);
  }

  append(data: Uint8Array): Promise<void> {
    const batch = this.#batchFor(data.length);
    if (batch === undefined) return this.#room().then(() => this.append(data));
    put(batch, data);
    return batch.promise!;
  }

  async appendBatch(records: readonly Uint8Array[]): Promise<void> {
    let last: Promise<void> | undefined;
    for (const data of records) {
      let batch = this.#batchFor(data.length);
      while (batch === undefined) {
        await this.#room();
        batch = this.#batchFor(data.length);
      }
      put(batch, data);
      last = batch.promise;
    }
    await last;
  }

  stage(data: Uint8Array): void {
    put(this.#batchFor(data.length)!, data);
  }

  acknowledged(): Promise<void> {
    return this.#open?.promise ?? this.#unacknowledged.at(-1)?.promise ?? Promise.resolve();
  }

  async readAll(visit: (data: Uint8Array) => void): Promise<void> {
    const chunk = new Uint8Array(2 ** 20);
    const view = new DataView(chunk.buffer);
    let kept = 0;
    for (let offset = 0; ; ) {
      const { bytesRead } = await this.#file.read(chunk, kept, chunk.length - kept, offset);
      const filled = kept + bytesRead;
      offset += bytesRead;
      let at = 0;
      while (at + HEADER_BYTES <= filled) {
        const length = view.getUint32(at, true);
        if (length === 0) return;
        const from = at + HEADER_BYTES;
        if (from + length > filled) break;
        if (crc32c(chunk, from, from + length, 0) !== view.getUint32(at + 4, true)) return;
        at = from + length;
        for (let record = from; record < at; ) {
          const end = record + 4 + view.getUint32(record, true);
          visit(chunk.subarray(record + 4, end));
          record = end;
        }
      }
      if (bytesRead === 0) return;
      chunk.copyWithin(0, at, filled);
      kept = filled - at;
    }
  }

  writtenBytes(): number {
    return this.#endBytes;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.acknowledged();
    await this.#file.close();
  }

  /** The open batch, if need be a new one; none if all memory is in flight. */
  #batchFor(length: number): Batch | undefined {
    const open = this.#open;
    if (open !== undefined) {
      if (open.at + 4 + length <= BATCH_BYTES) return open;
      this.#close(open);
    }
    const batch = this.#free.pop();
    if (batch === undefined) return undefined;
    batch.state = 'open';
    batch.at = HEADER_BYTES;
    batch.promise = new Promise((resolve, reject) => {
      batch.resolve = resolve;
      batch.reject = reject;
    });
    this.#open = batch;
    queueMicrotask(() => {
      // While the disk is busy anyway, what comes in the meantime goes into the same batch.
      if (batch.state === 'open' && !this.#isBusy()) this.#close(batch);
    });
    return batch;
  }

  #isBusy(): boolean {
    return this.#writing > 0 || this.#isSyncing;
  }

  #room(): Promise<void> {
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  #close(batch: Batch): void {
    if (this.#open === batch) this.#open = undefined;
    batch.state = 'queued';
    const length = batch.at - HEADER_BYTES;
    batch.view.setUint32(0, length, true);
    batch.view.setUint32(4, crc32c(batch.bytes, HEADER_BYTES, batch.at, 0), true);
    batch.fileOffset = this.#endBytes;
    this.#endBytes += batch.at;
    this.#queue.push(batch);
    this.#unacknowledged.push(batch);
    this.#pump();
  }

  #pump(): void {
    while (this.#writing < WRITES_MAX && this.#queue.length > 0)
      this.#write(this.#queue.shift()!, 0);
  }

  #write(batch: Batch, done: number): void {
    if (done === 0) {
      batch.state = 'writing';
      this.#writing++;
    }
    const left = batch.at - done;
    write(this.#file.fd, batch.bytes, done, left, batch.fileOffset + done, (error, written) => {
      if (error) return batch.reject(error);
      if (written < left) return this.#write(batch, done + written);
      this.#writing--;
      batch.state = 'written';
      this.#hasUnsynced = true;
      if (this.#schedule === 'each') this.#sync();
      else this.#acknowledge(this.#unacknowledged.length);
      this.#goOn();
    });
  }

  #sync(): void {
    if (this.#isSyncing) return;
    let covered = 0;
    while (this.#unacknowledged[covered]?.state === 'written') covered++;
    if (covered === 0) return;
    this.#isSyncing = true;
    fdatasync(this.#file.fd, (error) => {
      this.#isSyncing = false;
      if (error) for (const batch of this.#unacknowledged) batch.reject(error);
      else this.#acknowledge(covered);
      this.#sync();
      this.#goOn();
    });
  }

  #syncLater(): void {
    if (!this.#hasUnsynced) return;
    this.#hasUnsynced = false;
    fdatasync(this.#file.fd, () => {});
  }

  #acknowledge(most: number): void {
    let count = 0;
    while (count < most && this.#unacknowledged[count]?.state === 'written') count++;
    for (const batch of this.#unacknowledged.splice(0, count)) {
      batch.resolve();
      batch.state = 'free';
      this.#free.push(batch);
    }
    for (const waiter of this.#roomWaiters.splice(0)) waiter();
  }

  #goOn(): void {
    this.#pump();
    if (this.#open !== undefined && !this.#isBusy()) this.#close(this.#open);
  }
}

function put(batch: Batch, data: Uint8Array): void {
  batch.view.setUint32(batch.at, data.length, true);
  batch.bytes.set(data, batch.at + 4);
  batch.at += 4 + data.length;
}

export const jsLog: Subject = {
  async open(directory: string, schedule: Schedule): Promise<Log> {
    const path = join(directory, 'log');
    const file = await open(path, 'r+').catch(() => open(path, 'w+'));
    const { size } = await file.stat();
    if (size === 0 && schedule === 'each') {
      await file.write(new Uint8Array(PREPARED_BYTES));
      await file.sync();
    }
    return new JsLog(file, schedule);
  },
};

/**
 * What a client appends to one topic: gathered into batches, several of which may be on their way, in the order of asking. What is
 * acknowledged stands in that order. A batch that was refused, and so is nowhere, is sent again, unless a later one is in the topic
 * already; what nobody knows the outcome of is never sent again.
 */
import { WalrusError } from '../core/errors.ts';
import { BATCH_LIMIT, joinBatch } from '../core/record.ts';

/** Where records stand. */
export interface Receipt {
  /** Of the first record; the others follow it. */
  readonly offset: number;
  readonly count: number;
  /** The grant under which they were taken. */
  readonly epoch: number;
}

/** One call of `append`. */
export interface Entry {
  /** Their bytes are the appender's alone. */
  readonly records: readonly Uint8Array[];
  readonly bytes: number;
  readonly expected: number | undefined;
  readonly deadlineMs: number;
  resolve(receipt: Receipt): void;
  reject(error: WalrusError): void;
}

export interface AppenderPorts {
  /** Most bytes of a batch that has several entries. */
  readonly batchBytes: number;
  /** How long a batch waits for more, if it is not full. */
  readonly lingerMs: number;
  /** Puts one batch. Gives its first offset. */
  send(
    records: readonly Uint8Array[],
    expected: number | undefined,
    deadlineMs: number,
  ): Promise<{ readonly offset: number; readonly epoch: number }>;
}

interface Batch {
  readonly number: number;
  readonly entries: readonly Entry[];
}

/** Batches of one topic that are on their way at a time. */
const UNDER_WAY_MAX = 8;
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 500;

export class Appender {
  private readonly ports: AppenderPorts;
  private queue: Entry[] = [];
  private underWay = 0;
  private nextNumber = 1;
  /** The latest batch that is in the topic. */
  private lastDone = 0;
  private refused: { readonly batch: Batch; readonly error: WalrusError }[] = [];
  private pauseMs = FIRST_PAUSE_MS;
  private isPausing = false;
  private isScheduled = false;

  constructor(ports: AppenderPorts) {
    this.ports = ports;
  }

  get isIdle(): boolean {
    return this.queue.length === 0 && this.underWay === 0 && this.refused.length === 0;
  }

  add(entry: Entry): void {
    this.queue.push(entry);
    this.schedule();
  }

  /** Takes it back if it was not sent. */
  remove(entry: Entry): boolean {
    const at = this.queue.indexOf(entry);
    if (at >= 0) this.queue.splice(at, 1);
    return at >= 0;
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    const go = (): void => {
      this.isScheduled = false;
      this.sendSome();
    };
    if (this.ports.lingerMs === 0) setImmediate(go);
    else setTimeout(go, this.ports.lingerMs);
  }

  private sendSome(): void {
    while (!this.isPausing && this.refused.length === 0 && this.underWay < UNDER_WAY_MAX) {
      const entries = this.takeBatch();
      if (entries.length === 0) return;
      void this.put({ number: this.nextNumber++, entries });
    }
  }

  private takeBatch(): Entry[] {
    let count = 0;
    let records = 0;
    let bytes = 0;
    for (const entry of this.queue) {
      records += entry.records.length;
      bytes += entry.bytes;
      const fits = records <= BATCH_LIMIT.records && bytes <= this.ports.batchBytes;
      // Whoever names an offset shares its fate with nobody.
      if (count > 0 && (!fits || entry.expected !== undefined)) break;
      count++;
      if (entry.expected !== undefined) break;
    }
    return this.queue.splice(0, count);
  }

  private async put(batch: Batch): Promise<void> {
    const { number, entries } = batch;
    const records = entries.flatMap((entry) => entry.records);
    joinBatch(records);
    const deadlineMs = Math.min(...entries.map((entry) => entry.deadlineMs));
    this.underWay++;
    try {
      const { offset, epoch } = await this.ports.send(records, entries[0]!.expected, deadlineMs);
      this.lastDone = Math.max(this.lastDone, number);
      this.pauseMs = FIRST_PAUSE_MS;
      let at = offset;
      for (const { records, resolve } of entries) {
        resolve({ offset: at, count: records.length, epoch });
        at += records.length;
      }
    } catch (error) {
      if (!(error instanceof WalrusError)) throw error;
      if (error.retriable && error.committed === 'no') this.refused.push({ batch, error });
      else for (const entry of entries) entry.reject(error);
    } finally {
      this.underWay--;
      if (this.underWay === 0 && this.refused.length > 0) this.putBack();
      this.sendSome();
    }
  }

  /** All that was on its way is settled: what was refused goes before everything that was not sent yet, after a pause. */
  private putBack(): void {
    const refused = this.refused.sort((a, b) => a.batch.number - b.batch.number);
    this.refused = [];
    const again: Entry[] = [];
    for (const { batch, error } of refused) {
      for (const entry of batch.entries) {
        const isLate = performance.now() + this.pauseMs > entry.deadlineMs;
        if (isLate || this.lastDone > batch.number) entry.reject(error);
        else again.push(entry);
      }
    }
    this.queue = [...again, ...this.queue];
    this.isPausing = true;
    setTimeout(
      () => {
        this.isPausing = false;
        this.sendSome();
      },
      this.pauseMs * (0.5 + Math.random()),
    );
    this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS);
  }
}

/** A log under test, as the driver sees it. All that a peer can do better in its own way is its own affair. */
import type { Schedule } from './workloads.ts';

export interface Log {
  /** Resolves when the record is acknowledged. */
  append(data: Uint8Array): Promise<unknown>;
  appendBatch(records: readonly Uint8Array[]): Promise<unknown>;
  /** Appends without a promise; `acknowledged` tells of all so far. */
  stage?(data: Uint8Array): unknown;
  acknowledged?(): Promise<void>;
  /** Forgets the records before this one, counted from the first that was ever written. */
  trim?(before: number): Promise<void>;
  /** Gives all records that are kept, in order. */
  readAll(visit: (data: Uint8Array) => void): Promise<void>;
  /** The same through the API that gives one at a time. */
  readEntries?(visit: (data: Uint8Array) => void): Promise<void>;
  /** The next record at a durable cursor. */
  readNext?(): Promise<Uint8Array | undefined>;
  /** Records from the first on, for ever. */
  tail?(signal: AbortSignal): AsyncIterable<{ readonly data: Uint8Array }>;
  /** What was chosen, for people. */
  note?(): string;
  /** Bytes written to the log so far; else what its files occupy counts. */
  writtenBytes?(): number;
  close(): Promise<void>;
}

export interface Subject {
  open(directory: string, schedule: Schedule): Promise<Log>;
}

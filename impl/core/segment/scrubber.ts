/**
 * Reads every record of every copy once in a while, so that damage is found while other copies are whole. Slowly: it reads a
 * little, then waits until that much is due.
 */
import type { ScrubOptions } from './ports.ts';
import type { Replica } from './replica.ts';
import type { Replicas } from './replicas.ts';

/** Read at a time. */
const STEP_BYTES = 64 * 1024;
const STEP_RECORDS = 4096;

export class Scrubber {
  private readonly replicas: Replicas;
  private readonly options: ScrubOptions;
  /** What the present pass reads: the copies that there were when it began, and how far it is. */
  private pass: readonly Replica[] = [];
  private position = 0;
  private from = 0;
  private reading = false;
  private nextPassAtMs: number;
  private dueAtMs: number;

  constructor(replicas: Replicas, options: ScrubOptions, nowMs: number) {
    this.replicas = replicas;
    this.options = options;
    this.nextPassAtMs = nowMs;
    this.dueAtMs = options.bytesPerSecond > 0 ? nowMs : Infinity;
  }

  tick(nowMs: number): void {
    if (this.reading || nowMs < this.dueAtMs) return;
    const replica = this.nextReplica();
    if (replica !== undefined) {
      this.read(replica, nowMs);
    } else if (nowMs < this.nextPassAtMs) {
      this.dueAtMs = this.nextPassAtMs;
    } else {
      this.nextPassAtMs = nowMs + this.options.everyMs;
      this.pass = [...this.replicas.all()];
      this.position = 0;
      this.from = 0;
    }
  }

  deadlineMs(): number {
    return this.reading ? Infinity : this.dueAtMs;
  }

  /** The copy of which there is more to be read; undefined at the end of the pass. */
  private nextReplica(): Replica | undefined {
    for (; this.position < this.pass.length; this.position++) {
      const replica = this.pass[this.position]!;
      if (this.from < replica.durableEnd) return replica;
      this.from = 0;
    }
    return undefined;
  }

  private read(replica: Replica, nowMs: number): void {
    const { from } = this;
    const records = Math.min(STEP_RECORDS, replica.durableEnd - from);
    this.reading = true;
    this.replicas.mending.read(replica, from, { records, bytes: STEP_BYTES }, (_, found) => {
      this.reading = false;
      const bytes = found.reduce((sum, { length }) => sum + length, 0);
      // What is damaged is passed over: it is known now.
      this.from =
        found.length > 0
          ? from + found.length
          : (this.replicas.mending.damageEnd(replica, from) ?? from + 1);
      this.dueAtMs = nowMs + Math.max(1, (bytes * 1000) / this.options.bytesPerSecond);
    });
  }
}

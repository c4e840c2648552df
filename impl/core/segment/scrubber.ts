/**
 * Reads every record of every copy once in a while, so that damage is found while other copies are whole. Slowly: it reads a
 * little, then waits until that much is due.
 */
import type { Notice } from './notices.ts';
import type { ScrubOptions } from './ports.ts';
import type { Replica } from './replica.ts';
import type { Replicas } from './replicas.ts';

/** Read at a time. */
const STEP_BYTES = 64 * 1024;
const STEP_RECORDS = 4096;

export class Scrubber {
  private readonly replicas: Replicas;
  private readonly options: ScrubOptions;
  private readonly notice: (notice: Notice) => void;
  /** What the present pass reads: the copies that there were when it began, and how far it is. */
  private pass: readonly Replica[] = [];
  private position = 0;
  private from = 0;
  private records = 0;
  /** When the present pass began; undefined if there is none that was told of. */
  private beganAtMs: number | undefined;
  private reading = false;
  private nextPassAtMs: number;
  private dueAtMs: number;

  constructor(
    replicas: Replicas,
    options: ScrubOptions,
    notice: (notice: Notice) => void,
    nowMs: number,
  ) {
    this.replicas = replicas;
    this.options = options;
    this.notice = notice;
    this.nextPassAtMs = nowMs;
    this.dueAtMs = options.bytesPerSecond > 0 ? nowMs : Infinity;
  }

  tick(nowMs: number): void {
    if (this.reading || nowMs < this.dueAtMs) return;
    const replica = this.nextReplica();
    if (replica !== undefined) {
      this.read(replica, nowMs);
      return;
    }
    this.endPass(nowMs);
    if (nowMs < this.nextPassAtMs) this.dueAtMs = this.nextPassAtMs;
    else this.beginPass(nowMs);
  }

  deadlineMs(): number {
    return this.reading ? Infinity : this.dueAtMs;
  }

  private beginPass(nowMs: number): void {
    this.nextPassAtMs = nowMs + this.options.everyMs;
    this.pass = [...this.replicas.all()];
    this.position = 0;
    this.from = 0;
    this.records = 0;
    const segments = this.pass.filter(({ durableEnd }) => durableEnd > 0).length;
    if (segments === 0) return;
    this.beganAtMs = nowMs;
    this.notice({ kind: 'ScrubBegun', segments });
  }

  private endPass(nowMs: number): void {
    if (this.beganAtMs === undefined) return;
    const tookMs = nowMs - this.beganAtMs;
    this.beganAtMs = undefined;
    this.notice({ kind: 'ScrubDone', records: this.records, tookMs });
  }

  /** The copy of which there is more to be read; undefined at the end of the pass. */
  private nextReplica(): Replica | undefined {
    for (; this.position < this.pass.length; this.position++) {
      const replica = this.pass[this.position]!;
      if (!replica.isForgotten && this.from < replica.durableEnd) return replica;
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
      this.records += found.length;
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

import type { Disk, DiskCompletion, DiskRequest } from '../ports/disk.ts';

/** What is timed: the work that makes records durable, and the reads of them. */
export type TimedOp = 'sync' | 'write' | 'read';

/** Tells how long each sync, write and read took, from its submission to its completion. */
export class MeasuredDisk implements Disk {
  private readonly disk: Disk;
  private readonly took: (op: TimedOp, seconds: number) => void;
  private readonly underWay = new Map<number, { readonly op: TimedOp; readonly sinceMs: number }>();

  constructor(disk: Disk, took: (op: TimedOp, seconds: number) => void) {
    this.disk = disk;
    this.took = took;
  }

  get alignmentBytes(): number {
    return this.disk.alignmentBytes;
  }

  submit(request: DiskRequest): void {
    const { id, op } = request;
    if (op === 'sync' || op === 'write' || op === 'read') {
      this.underWay.set(id, { op, sinceMs: performance.now() });
    }
    this.disk.submit(request);
  }

  /** To be called with what the disk delivers, before anybody else gets it. */
  completed(completions: readonly DiskCompletion[]): void {
    const nowMs = performance.now();
    for (const { id } of completions) {
      const timed = this.underWay.get(id);
      if (timed === undefined) continue;
      this.underWay.delete(id);
      this.took(timed.op, (nowMs - timed.sinceMs) / 1000);
    }
  }
}

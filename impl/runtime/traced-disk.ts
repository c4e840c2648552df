import type { Disk, DiskRequest } from '../ports/disk.ts';

/**
 * Hands requests on once the trace has all that led to them: `before` is called first, at the end of the input that
 * made the requests. Otherwise a process killed in between could leave records on its disk that its trace knows nothing of.
 */
export class TracedDisk implements Disk {
  private readonly disk: Disk;
  private readonly before: () => void;
  private waiting: DiskRequest[] = [];

  constructor(disk: Disk, before: () => void) {
    this.disk = disk;
    this.before = before;
  }

  get alignmentBytes(): number {
    return this.disk.alignmentBytes;
  }

  submit(request: DiskRequest): void {
    if (this.waiting.length === 0) queueMicrotask(() => this.handOn());
    this.waiting.push(request);
  }

  private handOn(): void {
    this.before();
    for (const request of this.waiting.splice(0)) this.disk.submit(request);
  }
}

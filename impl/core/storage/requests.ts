/** Pairs each request to the disk with what is to be done when it completes. */
import type { Disk, DiskCompletion, DiskRequest } from '../../ports/disk.ts';
import { assert } from '../assert.ts';

type WithoutId<Request> = Request extends DiskRequest ? Omit<Request, 'id'> : never;

export class Requests {
  readonly alignmentBytes: number;
  private readonly disk: Disk;
  /** By id. Ids are used again. */
  private readonly waiting: (((completion: DiskCompletion) => void) | undefined)[] = [];
  private readonly freeIds: number[] = [];
  private whenIdle: (() => void) | undefined = undefined;

  constructor(disk: Disk) {
    this.disk = disk;
    this.alignmentBytes = disk.alignmentBytes;
  }

  send(request: WithoutId<DiskRequest>, then: (completion: DiskCompletion) => void): void {
    const id = this.freeIds.pop() ?? this.waiting.length;
    this.waiting[id] = then;
    this.disk.submit({ ...request, id } as DiskRequest);
  }

  complete(completions: readonly DiskCompletion[]): void {
    for (const completion of completions) {
      const { id } = completion;
      const then = this.waiting[id];
      assert(then !== undefined, 'a completion answers one request, once');
      this.waiting[id] = undefined;
      this.freeIds.push(id);
      then(completion);
    }
    this.tellIdle();
  }

  /** Does `then` once no request is under way: files may be closed. */
  idle(then: () => void): void {
    this.whenIdle = then;
    this.tellIdle();
  }

  private tellIdle(): void {
    const then = this.whenIdle;
    if (then === undefined || this.waiting.length > this.freeIds.length) return;
    this.whenIdle = undefined;
    then();
  }
}

/** Nothing was done, for want of something that may come back: room, descriptors, memory. */
export function isRefused({ error }: DiskCompletion): boolean {
  return error === 'NoSpace' || error === 'Exhausted';
}

/** What went wrong, for people. */
export function describe(what: string, completion: DiskCompletion): string {
  const { error, detail } = completion;
  return `${what}: ${error}${detail === undefined ? '' : ` (${detail})`}`;
}

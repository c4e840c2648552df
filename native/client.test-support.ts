/** The disk with a promise for each request, which checks that each completes once. */
import type { DiskCompletion, DiskRequest } from '../impl/ports/disk.ts';
import { NativeDisk, type NativeOptions } from './index.ts';

type WithoutId<Request> = Request extends DiskRequest ? Omit<Request, 'id'> : never;

export class Client {
  readonly disk: NativeDisk;
  readonly #waiting = new Map<number, (completion: DiskCompletion) => void>();
  #lastId = 0;

  constructor(options: NativeOptions) {
    this.disk = new NativeDisk(options, (completions) => {
      for (const completion of completions) {
        const settle = this.#waiting.get(completion.id);
        if (settle === undefined) throw new Error(`a completion too many: ${completion.id}`);
        this.#waiting.delete(completion.id);
        settle(completion);
      }
    });
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  run(wish: WithoutId<DiskRequest>): Promise<DiskCompletion> {
    const id = ++this.#lastId;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.disk.submit({ ...wish, id } as DiskRequest);
    });
  }

  /** Runs what has to succeed. */
  async must(wish: WithoutId<DiskRequest>): Promise<DiskCompletion> {
    const completion = await this.run(wish);
    if (completion.error) throw new Error(completion.detail);
    return completion;
  }

  async create(name: string): Promise<number> {
    return (await this.must({ op: 'open', name, create: true })).file!;
  }
}

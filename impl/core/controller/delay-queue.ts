/**
 * Things that are due one and the same time after each was put in. They fall due in the order in which they came, so that
 * finding them takes no search.
 */
export class DelayQueue<Item> {
  private readonly delayMs: number;
  private readonly dueAt = new Map<Item, number>();
  private wakeAtMs = Infinity;

  constructor(delayMs: number) {
    this.delayMs = delayMs;
  }

  get size(): number {
    return this.dueAt.size;
  }

  has(item: Item): boolean {
    return this.dueAt.has(item);
  }

  /** Puts it in; if it is in already, its time begins anew. */
  push(item: Item, nowMs: number): void {
    const dueAtMs = nowMs + this.delayMs;
    this.dueAt.delete(item);
    this.dueAt.set(item, dueAtMs);
    this.wakeAtMs = Math.min(this.wakeAtMs, dueAtMs);
  }

  delete(item: Item): void {
    this.dueAt.delete(item);
  }

  /** Takes out what is due. */
  take(nowMs: number): Item[] {
    const due: Item[] = [];
    if (nowMs < this.wakeAtMs) return due;
    this.wakeAtMs = Infinity;
    for (const [item, dueAtMs] of this.dueAt) {
      if (nowMs < dueAtMs) {
        this.wakeAtMs = dueAtMs;
        break;
      }
      due.push(item);
    }
    for (const item of due) this.dueAt.delete(item);
    return due;
  }

  /** When to look again. Never too late; too early if what was due then has left. */
  deadlineMs(): number {
    return this.wakeAtMs;
  }
}

/** So many free places at the front are not worth a new array. */
const HEAD_MAX = 32;

/**
 * First in, first out. To take one costs the same however many wait behind it: an array's `shift` and `splice` move all of them
 * once they are some ten thousands.
 */
export class Queue<Item> {
  private items: (Item | undefined)[] = [];
  /** Place of the oldest; what was before it is gone. */
  private head = 0;

  get length(): number {
    return this.items.length - this.head;
  }

  /** The oldest, which stays. */
  get first(): Item | undefined {
    return this.items[this.head];
  }

  push(item: Item): void {
    this.items.push(item);
  }

  /** Takes the oldest. */
  shift(): Item | undefined {
    if (this.head === this.items.length) return undefined;
    const item = this.items[this.head];
    // What was taken can be forgotten before its place is.
    this.items[this.head++] = undefined;
    if (this.head === this.items.length) {
      this.items.length = 0;
      this.head = 0;
    } else if (this.head >= HEAD_MAX && this.head * 2 >= this.items.length) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }

  /** All, oldest first; they stay. */
  *[Symbol.iterator](): Generator<Item, undefined> {
    for (let i = this.head; i < this.items.length; i++) yield this.items[i] as Item;
  }

  /** Takes all, oldest first. */
  takeAll(): Item[] {
    const items = this.items.slice(this.head) as Item[];
    this.items = [];
    this.head = 0;
    return items;
  }
}

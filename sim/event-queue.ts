/**
 * What will happen, in the order of virtual time; of two events at one time the one scheduled first. A 4-ary heap over
 * typed arrays: the simulator does little else as often as this.
 */
export class EventQueue {
  private timesUs = new Float64Array(1024);
  private sequences = new Float64Array(1024);
  private readonly tasks: (() => void)[] = [];
  private size = 0;
  private nextSequence = 0;

  get length(): number {
    return this.size;
  }

  /** Time of the next event; Infinity if there is none. */
  get nextUs(): number {
    return this.size === 0 ? Infinity : this.timesUs[0]!;
  }

  push(timeUs: number, task: () => void): void {
    if (this.size === this.timesUs.length) this.grow();
    const sequence = this.nextSequence++;
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >> 2;
      // The new one has the highest sequence: it passes only what is strictly later.
      if (this.timesUs[parent]! <= timeUs) break;
      this.move(parent, at);
      at = parent;
    }
    this.put(at, timeUs, sequence, task);
  }

  /** Takes out the next event and returns what it does. The queue must not be empty. */
  pop(): () => void {
    const task = this.tasks[0]!;
    const last = --this.size;
    const timeUs = this.timesUs[last]!;
    const sequence = this.sequences[last]!;
    const moved = this.tasks[last]!;
    this.tasks.length = last;
    if (last > 0) {
      let at = 0;
      for (;;) {
        const child = this.leastChild(at);
        if (child === -1 || this.before(timeUs, sequence, child)) break;
        this.move(child, at);
        at = child;
      }
      this.put(at, timeUs, sequence, moved);
    }
    return task;
  }

  private leastChild(at: number): number {
    const first = at * 4 + 1;
    if (first >= this.size) return -1;
    const end = Math.min(first + 4, this.size);
    let least = first;
    for (let child = first + 1; child < end; child++) {
      if (this.before(this.timesUs[child]!, this.sequences[child]!, least)) least = child;
    }
    return least;
  }

  private before(timeUs: number, sequence: number, other: number): boolean {
    const otherUs = this.timesUs[other]!;
    return timeUs < otherUs || (timeUs === otherUs && sequence < this.sequences[other]!);
  }

  private move(from: number, to: number): void {
    this.put(to, this.timesUs[from]!, this.sequences[from]!, this.tasks[from]!);
  }

  private put(at: number, timeUs: number, sequence: number, task: () => void): void {
    this.timesUs[at] = timeUs;
    this.sequences[at] = sequence;
    this.tasks[at] = task;
  }

  private grow(): void {
    const timesUs = new Float64Array(this.timesUs.length * 2);
    const sequences = new Float64Array(this.sequences.length * 2);
    timesUs.set(this.timesUs);
    sequences.set(this.sequences);
    this.timesUs = timesUs;
    this.sequences = sequences;
  }
}

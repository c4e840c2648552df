/**
 * Virtual time, and each node's own idea of it. Virtual time is counted in whole microseconds from 0 and jumps from
 * event to event, so idle time costs nothing.
 */
import type { Clock } from '../impl/ports/clock.ts';
import { EventQueue } from './event-queue.ts';

export class VirtualTime {
  private us = 0;
  private readonly queue = new EventQueue();

  get nowMs(): number {
    return this.us / 1000;
  }

  get nowUs(): number {
    return this.us;
  }

  get pending(): number {
    return this.queue.length;
  }

  /** Time of the next event, Infinity if there is none. */
  get nextMs(): number {
    return this.queue.nextUs / 1000;
  }

  /** Does `task` so much later; never within this call. */
  after(delayMs: number, task: () => void): void {
    this.queue.push(this.us + Math.max(0, Math.round(delayMs * 1000)), task);
  }

  at(timeMs: number, task: () => void): void {
    this.queue.push(Math.max(this.us, Math.ceil(timeMs * 1000)), task);
  }

  /** Moves to the next event and does it. Something must be pending. */
  step(): void {
    this.us = this.queue.nextUs;
    this.queue.pop()();
  }
}

/**
 * The clock of one machine. Its monotonic time runs too fast or too slow by `drift` (0.001: a millisecond too much in
 * each second) and starts anywhere; its wall time may be set to anything.
 */
export class NodeClock implements Clock {
  private readonly time: VirtualTime;
  private drift = 0;
  private anchorVirtualMs = 0;
  private anchorMonotonicMs: number;
  private wallOffsetMs: number;

  constructor(time: VirtualTime, startMs: number, drift: number, wallOffsetMs: number) {
    this.time = time;
    this.anchorVirtualMs = time.nowMs;
    this.anchorMonotonicMs = startMs;
    this.drift = drift;
    this.wallOffsetMs = wallOffsetMs;
  }

  monotonicMs(): number {
    return this.anchorMonotonicMs + (this.time.nowMs - this.anchorVirtualMs) * (1 + this.drift);
  }

  wallMs(): number {
    return this.time.nowMs + this.wallOffsetMs;
  }

  /** From now on; the monotonic time does not jump. */
  setDrift(drift: number): void {
    this.anchorMonotonicMs = this.monotonicMs();
    this.anchorVirtualMs = this.time.nowMs;
    this.drift = drift;
  }

  jumpWall(byMs: number): void {
    this.wallOffsetMs += byMs;
  }

  /** The first virtual time at which the monotonic time is at least `monotonicMs`; Infinity stays Infinity. */
  virtualMsOf(monotonicMs: number): number {
    const elapsedMs = (monotonicMs - this.anchorMonotonicMs) / (1 + this.drift);
    return this.anchorVirtualMs + elapsedMs;
  }
}

/**
 * Has the store empty the files of which little is needed any more: a bit, then a pause as long as that bit is worth, so that it takes no
 * more of the disk than it may.
 */
import type { Store } from '../core/storage/store.ts';
import type { NodeConfig } from './config.ts';

/** Written again at a time. */
const STEP_BYTES = 256 * 1024;
/** Whether there is something to be done is looked at so often. */
const IDLE_MS = 1000;

export interface CleaningPorts {
  readonly config: NodeConfig;
  readonly store: Store;
  nowMs(): number;
}

export class Cleaning {
  private readonly ports: CleaningPorts;
  private dueAtMs: number;

  constructor(ports: CleaningPorts) {
    this.ports = ports;
    this.dueAtMs = ports.config.cleanBytesPerSecond > 0 ? ports.nowMs() + IDLE_MS : Infinity;
  }

  tick(nowMs: number): void {
    if (nowMs < this.dueAtMs) return;
    const { config, store } = this.ports;
    // That of a member that this one took the place of may be under way.
    if (store.isCleaning || store.failure !== undefined) {
      this.dueAtMs = nowMs + IDLE_MS;
      return;
    }
    this.dueAtMs = Infinity;
    store.clean(STEP_BYTES, false, (_, { bytes, isEnd }) => {
      const pauseMs = (bytes * 1000) / config.cleanBytesPerSecond;
      // What took longer than it is worth is made up for.
      this.dueAtMs = isEnd
        ? this.ports.nowMs() + Math.max(IDLE_MS, pauseMs)
        : Math.max(this.ports.nowMs(), nowMs + pauseMs);
    });
  }

  deadlineMs(): number {
    return this.dueAtMs;
  }
}

/** Whether a node runs, and why it ended. */
import type { WalrusError } from '../core/errors.ts';

export type Status = 'starting' | 'running' | 'stopped';

export class Lifecycle {
  private current: Status = 'starting';
  private reason: WalrusError | undefined;

  get status(): Status {
    return this.current;
  }

  get isRunning(): boolean {
    return this.current === 'running';
  }

  /** Why the node stopped, if it did not stop because it was asked to. */
  get failure(): WalrusError | undefined {
    return this.reason;
  }

  run(): void {
    if (this.current === 'starting') this.current = 'running';
  }

  /** For good: a node that has stopped never runs again. */
  stop(): void {
    this.current = 'stopped';
  }

  /** The first failure is the one that counts. */
  fail(error: WalrusError): void {
    this.current = 'stopped';
    this.reason ??= error;
  }
}

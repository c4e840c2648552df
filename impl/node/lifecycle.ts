/** Whether a node takes part, and why it ended. */
import type { WalrusError } from '../core/errors.ts';

export type Status = 'starting' | 'running' | 'amnesiac' | 'stopped';

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

  /** Its disk has forgotten something; it lives, and takes part in nothing. */
  lapse(): void {
    if (this.current !== 'stopped') this.current = 'amnesiac';
  }

  /** Its disk is another, empty one now. */
  beginAnew(): void {
    if (this.current === 'amnesiac') this.current = 'starting';
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

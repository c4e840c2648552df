/**
 * Reads of the metadata that must not be behind. Only a leader that proves that it still leads can serve them, once it
 * has applied all that was committed when it was asked (Raft thesis, section 6.4).
 */
import type { Raft } from '../core/raft/raft.ts';
import type { ReadState } from '../core/raft/ready.ts';

export class LinearizableReads {
  /** By id; all were asked for in one term. */
  private readonly waiting = new Map<number, (confirmed: boolean) => void>();
  private term = 0;
  private nextId = 1;

  /** Calls `done` once: with true as soon as the metadata as applied here is current, with false if this node does not lead. */
  ask(raft: Raft, done: (confirmed: boolean) => void): void {
    const id = this.nextId++;
    if (!raft.readIndex(id)) {
      done(false);
      return;
    }
    this.term = raft.term;
    this.waiting.set(id, done);
  }

  /** A majority has confirmed them, and what they have to wait for is applied. */
  serve(states: readonly ReadState[]): void {
    for (const { id } of states) {
      const done = this.waiting.get(id);
      this.waiting.delete(id);
      done?.(true);
    }
  }

  /** Nobody confirms what was asked of an earlier leadership. */
  follow({ role, term }: Raft): void {
    if (this.waiting.size === 0 || (role === 'leader' && term === this.term)) return;
    const abandoned = [...this.waiting.values()];
    this.waiting.clear();
    for (const done of abandoned) done(false);
  }
}

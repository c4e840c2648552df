/**
 * Reads of the metadata that must not be behind. Only a leader that proves that it still leads can serve them, once it
 * has applied all that was committed when it was asked (Raft thesis, section 6.4).
 */
import type { LogIndex } from '../core/ids.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { ReadState } from '../core/raft/ready.ts';

export class LinearizableReads {
  /** By id; all were asked for in one term. */
  private readonly waiting = new Map<number, (confirmed: boolean) => void>();
  /** Confirmed, and what they have to wait for is not applied yet. */
  private unserved: ReadState[] = [];
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

  /** A majority has confirmed them. */
  confirmed(states: readonly ReadState[]): void {
    for (const state of states) this.unserved.push(state);
  }

  /** What is applied here reaches up to `index`. */
  serve(index: LogIndex): void {
    if (this.unserved.length === 0) return;
    const served = this.unserved.filter((state) => state.index <= index);
    this.unserved = this.unserved.filter((state) => state.index > index);
    for (const { id } of served) {
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
    this.unserved = [];
    for (const done of abandoned) done(false);
  }
}

/**
 * The log of one node: a snapshot, and all entries after it in memory. Keeps apart how far the log goes
 * (`lastIndex`), what was given to the disk (`handedIndex`), what is safe there (`durableIndex`), what is
 * committed and what was given out to be applied. Decides nothing: that is Raft's.
 *
 *     snapshotIndex <= appliedIndex <= commitIndex <= lastIndex
 *     durableIndex <= handedIndex <= lastIndex
 */
import { assert } from '../assert.ts';
import type { LogIndex, Term } from '../ids.ts';
import { Queue } from '../queue.ts';
import { type Entry, NO_ENTRIES, type Restored, type Snapshot } from './entry.ts';
import { decodeMembership, type Membership } from './membership.ts';

/** What one batch on its way to the disk will make durable. */
interface Batch {
  readonly number: number;
  lastIndex: LogIndex;
}

interface MembershipAt {
  readonly index: LogIndex;
  readonly membership: Membership;
}

export class RaftLog {
  /** Undefined before the first one, which is the same as an empty one at index 0. */
  snapshot: Snapshot | undefined;
  commitIndex: LogIndex;
  appliedIndex: LogIndex;
  handedIndex: LogIndex;
  durableIndex: LogIndex;
  /** The snapshot and the cut that the disk does not know of yet. */
  private installed: Snapshot | undefined;
  private truncatedFrom: LogIndex | undefined;

  private readonly batches = new Queue<Batch>();

  private entries: Entry[];
  /** The snapshot's membership and those of the log after it, oldest first. */
  private memberships: MembershipAt[];

  constructor(restored: Restored) {
    this.snapshot = restored.snapshot;
    this.entries = [];
    this.memberships = [
      { index: this.snapshotIndex, membership: restored.snapshot?.membership ?? [] },
    ];
    this.commitIndex = this.snapshotIndex;
    this.appliedIndex = this.snapshotIndex;
    for (const entry of restored.entries) this.append(entry);
    this.handedIndex = this.lastIndex;
    this.durableIndex = this.lastIndex;
  }

  get snapshotIndex(): LogIndex {
    return this.snapshot === undefined ? (0 as LogIndex) : this.snapshot.index;
  }

  get snapshotTerm(): Term {
    return this.snapshot === undefined ? (0 as Term) : this.snapshot.term;
  }

  get firstIndex(): LogIndex {
    return (this.snapshotIndex + 1) as LogIndex;
  }

  get lastIndex(): LogIndex {
    return (this.snapshotIndex + this.entries.length) as LogIndex;
  }

  get lastTerm(): Term {
    const last = this.entries[this.entries.length - 1];
    return last === undefined ? this.snapshotTerm : last.term;
  }

  /** The latest in the log, committed or not. */
  get membership(): Membership {
    return this.memberships[this.memberships.length - 1]!.membership;
  }

  /** Where the latest membership stands. */
  get membershipIndex(): LogIndex {
    return this.memberships[this.memberships.length - 1]!.index;
  }

  membershipAt(index: LogIndex): Membership {
    return this.memberships.findLast((at) => at.index <= index)!.membership;
  }

  entry(index: LogIndex): Entry | undefined {
    return this.entries[index - this.firstIndex];
  }

  /** The term of the entry at `index`, undefined if the log does not know it (any more). */
  term(index: LogIndex): Term | undefined {
    if (index === this.snapshotIndex) return this.snapshotTerm;
    return this.entry(index)?.term;
  }

  /** Thesis 3.6.1: whether a log that ends so has at least everything that may be committed here. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /**
   * The highest index up to `index` whose term is `term` or less: beyond it a log that has `term` at `index`
   * cannot agree with this one. Of what lies before the snapshot nothing is known: there every index may agree.
   */
  lastIndexUpToTerm(index: LogIndex, term: Term): LogIndex {
    let at = Math.min(index, this.lastIndex);
    while (at >= this.snapshotIndex && this.term(at as LogIndex)! > term) at--;
    return at as LogIndex;
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, 'the log has no gaps');
    assert(entry.term >= this.lastTerm, 'terms never fall along the log');
    this.entries.push(entry);
    if (entry.kind === 'membership') {
      this.memberships.push({ index: entry.index, membership: decodeMembership(entry.data) });
    }
  }

  /** Forgets the entries at and after `index`, which was never committed. */
  truncate(index: LogIndex): void {
    assert(index > this.commitIndex, 'what is committed is never truncated');
    assert(index <= this.lastIndex, 'only what is there can be truncated');
    this.entries.length = index - this.firstIndex;
    while (this.membershipIndex >= index) this.memberships.pop();
    if (index <= this.handedIndex) {
      this.truncatedFrom = Math.min(index, this.truncatedFrom ?? index) as LogIndex;
      this.handedIndex = (index - 1) as LogIndex;
    }
    this.limitDurable((index - 1) as LogIndex);
  }

  commitTo(index: LogIndex): void {
    assert(index >= this.commitIndex, 'the commit index never moves back');
    assert(index <= this.lastIndex, 'only what is in the log can be committed');
    this.commitIndex = index;
  }

  /** Replaces the whole log by a snapshot that came from the leader. */
  install(snapshot: Snapshot): void {
    assert(snapshot.index > this.commitIndex, 'a snapshot never takes back what is committed');
    this.snapshot = snapshot;
    this.entries = [];
    this.memberships = [{ index: snapshot.index, membership: snapshot.membership }];
    this.commitIndex = snapshot.index;
    this.appliedIndex = snapshot.index;
    this.handedIndex = snapshot.index;
    this.limitDurable(0 as LogIndex);
    this.installed = snapshot;
    this.truncatedFrom = undefined;
  }

  /** Drops the entries that `snapshot`, which is durable, stands for. */
  compact(snapshot: Snapshot): void {
    assert(snapshot.index > this.snapshotIndex, 'snapshots move forward');
    assert(snapshot.index <= this.appliedIndex, 'only what was applied can be in a snapshot');
    assert(snapshot.term === this.term(snapshot.index), 'the snapshot is of this log');
    const later = this.memberships.filter((at) => at.index > snapshot.index);
    this.memberships = [{ index: snapshot.index, membership: snapshot.membership }, ...later];
    this.entries.splice(0, snapshot.index - this.snapshotIndex);
    this.snapshot = snapshot;
    this.durableIndex = Math.max(this.durableIndex, snapshot.index) as LogIndex;
  }

  /** Entries from `from` on: one at least if there is one, no more once their data reach `maxBytes`. */
  slice(from: LogIndex, maxBytes: number): readonly Entry[] {
    const start = from - this.firstIndex;
    let end = start;
    let bytes = 0;
    while (end < this.entries.length && bytes < maxBytes) bytes += this.entries[end++]!.data.length;
    return start === end ? NO_ENTRIES : this.entries.slice(start, end);
  }

  /** Whether the disk or the state machine has not been given everything. */
  hasReady(): boolean {
    return this.appliedIndex < this.commitIndex || this.hasUnpersisted();
  }

  hasUnpersisted(): boolean {
    return (
      this.handedIndex < this.lastIndex ||
      this.truncatedFrom !== undefined ||
      this.installed !== undefined
    );
  }

  takeInstalled(): Snapshot | undefined {
    const snapshot = this.installed;
    this.installed = undefined;
    return snapshot;
  }

  takeTruncatedFrom(): LogIndex | undefined {
    const index = this.truncatedFrom;
    this.truncatedFrom = undefined;
    return index;
  }

  /** The entries of batch `number`. */
  takeUnpersisted(number: number): readonly Entry[] {
    const entries =
      this.handedIndex === this.lastIndex
        ? NO_ENTRIES
        : this.entries.slice(this.handedIndex - this.snapshotIndex);
    this.handedIndex = this.lastIndex;
    if (this.durableIndex < this.lastIndex)
      this.batches.push({ number, lastIndex: this.lastIndex });
    return entries;
  }

  /** Batch `number` and all before it are durable. */
  persisted(number: number): void {
    while (this.batches.length > 0 && this.batches.first!.number <= number) {
      const { lastIndex } = this.batches.shift()!;
      this.durableIndex = Math.max(this.durableIndex, lastIndex) as LogIndex;
    }
  }

  takeCommitted(): readonly Entry[] {
    if (this.appliedIndex === this.commitIndex) return NO_ENTRIES;
    const from = this.appliedIndex - this.snapshotIndex;
    const entries = this.entries.slice(from, this.commitIndex - this.snapshotIndex);
    this.appliedIndex = this.commitIndex;
    return entries;
  }

  /** Of batches on their way nothing beyond `index` counts: it is not what the log holds there now. */
  private limitDurable(index: LogIndex): void {
    this.durableIndex = Math.min(this.durableIndex, index) as LogIndex;
    for (const batch of this.batches)
      batch.lastIndex = Math.min(batch.lastIndex, index) as LogIndex;
  }
}

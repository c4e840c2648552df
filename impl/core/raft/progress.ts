/**
 * What a leader knows of one other member, and in which of three ways it sends to it:
 *
 * - `probe`: it does not know where the logs agree, and tries one message at a time;
 * - `replicate`: it sends on without waiting, up to a number of messages in flight;
 * - `snapshot`: the entries that the member needs are compacted away, and it sends the snapshot piece by piece.
 *
 * `matchIndex < nextIndex` always. Both are about this term only.
 */
import { assert } from '../assert.ts';
import type { LogIndex, NodeId } from '../ids.ts';
import type { Snapshot } from './entry.ts';

export class Progress {
  readonly id: NodeId;
  mode: 'probe' | 'replicate' | 'snapshot' = 'probe';
  /** Equal to the leader's log, and durable there, up to here. Never moves back. */
  matchIndex: LogIndex = 0 as LogIndex;
  /** The next entry to send. */
  nextIndex: LogIndex;
  /** The highest commit index that it was told. */
  sentCommitIndex: LogIndex = 0 as LogIndex;
  /** When it last answered; at first, when the leader began to listen. */
  heardMs: number;
  /** The latest heartbeat round that it answered. */
  ackedRound = 0;
  /** In `probe`: an answer is awaited. */
  private probing = false;
  /** In `replicate`: the last index of each message in flight, oldest first. */
  private readonly inflight: LogIndex[] = [];
  /** In `snapshot`: what is being sent, and where the member's copy ends. */
  snapshot: Snapshot | undefined;
  offsetBytes = 0;
  chunkSentMs: number = Number.NEGATIVE_INFINITY;

  constructor(id: NodeId, nextIndex: LogIndex, nowMs: number) {
    this.id = id;
    this.nextIndex = nextIndex;
    this.heardMs = nowMs;
  }

  /** Whether entries may be sent now. */
  maySend(maxInflightMessages: number): boolean {
    if (this.mode === 'probe') return !this.probing;
    return this.mode === 'replicate' && this.inflight.length < maxInflightMessages;
  }

  /** Entries up to `lastIndex` were sent. */
  sent(lastIndex: LogIndex): void {
    if (this.mode === 'probe') {
      this.probing = true;
      return;
    }
    this.nextIndex = (lastIndex + 1) as LogIndex;
    this.inflight.push(lastIndex);
  }

  /** The member agrees up to `matchIndex`. */
  matched(matchIndex: LogIndex): void {
    this.matchIndex = Math.max(this.matchIndex, matchIndex) as LogIndex;
    if (this.snapshot !== undefined) {
      if (this.matchIndex < this.snapshot.index) return;
      this.replicate();
    } else if (this.mode === 'probe') {
      this.replicate();
    }
    this.nextIndex = Math.max(this.nextIndex, this.matchIndex + 1) as LogIndex;
    while (this.inflight.length > 0 && this.inflight[0]! <= this.matchIndex) this.inflight.shift();
  }

  /** Whether a rejection of a message that followed `prevIndex` tells anything new. */
  isFreshRejection(prevIndex: LogIndex): boolean {
    if (this.mode === 'probe') return prevIndex === this.nextIndex - 1;
    return this.mode === 'replicate' && prevIndex > this.matchIndex;
  }

  /**
   * The logs may agree at `lastIndex` at most: try there. A member that denies what it once confirmed is not asked the
   * same again before the next heartbeat.
   */
  probe(lastIndex: LogIndex): void {
    const nextIndex = (Math.max(this.matchIndex, lastIndex) + 1) as LogIndex;
    this.probing = this.mode === 'probe' && nextIndex === this.nextIndex;
    this.mode = 'probe';
    this.inflight.length = 0;
    this.nextIndex = nextIndex;
  }

  /** The answer to a probe may be lost: the next heartbeat tries again. */
  heartbeatDue(): void {
    this.probing = false;
  }

  sendSnapshot(snapshot: Snapshot): void {
    assert(snapshot.index > this.matchIndex, 'a snapshot brings something new');
    this.mode = 'snapshot';
    this.inflight.length = 0;
    this.snapshot = snapshot;
    this.offsetBytes = 0;
    this.chunkSentMs = Number.NEGATIVE_INFINITY;
  }

  private replicate(): void {
    this.mode = 'replicate';
    this.probing = false;
    this.snapshot = undefined;
    this.nextIndex = (this.matchIndex + 1) as LogIndex;
  }
}

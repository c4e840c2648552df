/** What a Raft node wants done, handed out by value: the only way in which it acts on the world. */
import type { LogIndex, NodeId, Term } from '../ids.ts';
import type { Entry, Snapshot } from './entry.ts';
import type { Outgoing } from './messages.ts';

/**
 * Everything since the last call of `ready()`. The host persists `snapshot`, `truncateFrom`, `entries` and
 * `hardState` as one batch, all or nothing, batches in the order of their numbers, and calls `persisted(number)`.
 */
export interface Ready {
  /** One more than the last one; the same if there is nothing to persist, and nothing that waits for that. */
  readonly number: number;
  /** Present if term or vote changed. */
  readonly hardState: HardState | undefined;
  /** Replaces the whole log and the state machine. Comes before `truncateFrom` and `entries`, always. */
  readonly snapshot: Snapshot | undefined;
  /** Forget entries at and after this index before appending `entries`. */
  readonly truncateFrom: LogIndex | undefined;
  /** To be appended after what is left; contiguous. */
  readonly entries: readonly Entry[];
  /** May leave at once: what they rest on, this node's disk has. */
  readonly messages: readonly Outgoing[];
  /** Leave when this Ready and all before it are durable, not earlier; also if this one persists nothing. */
  readonly messagesAfterPersist: readonly Outgoing[];
  /** To be applied in this order, after `snapshot`; may be applied before they are durable here. */
  readonly committed: readonly Entry[];
  /** Reads that may be served once everything up to `index` is applied. */
  readonly readStates: readonly ReadState[];
}

export interface HardState {
  readonly term: Term;
  readonly vote: NodeId | 0;
}

export interface ReadState {
  readonly id: number;
  readonly index: LogIndex;
}

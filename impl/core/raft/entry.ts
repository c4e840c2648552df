/** What a Raft log is made of. All values are immutable: log, messages and host share them. */
import type { LogIndex, NodeId, Term } from '../ids.ts';
import type { Membership } from './membership.ts';

/**
 * `noop`: a new leader's first entry. `command`: the host's bytes. `membership`: the whole membership from
 * this entry on (`decodeMembership`), in force as soon as it is in a log, committed or not.
 */
export type EntryKind = 'noop' | 'command' | 'membership';

export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

export const NO_ENTRIES: readonly Entry[] = [];

/** Stands for all entries up to `index`, whose term was `term`. `data` is the host's state machine. */
export interface Snapshot {
  readonly index: LogIndex;
  readonly term: Term;
  readonly membership: Membership;
  readonly data: Uint8Array;
}

/** What a node finds on its disk; `entries` follow the snapshot without a gap. */
export interface Restored {
  readonly term: Term;
  readonly vote: NodeId | 0;
  readonly snapshot: Snapshot | undefined;
  readonly entries: readonly Entry[];
}

/** What a node that waits to be added begins with: it belongs to no cluster and never stands for election. */
export const EMPTY: Restored = {
  term: 0 as Term,
  vote: 0,
  snapshot: undefined,
  entries: [],
};

/**
 * What each founding member of a new cluster begins with. All of them must be given the same `membership` and
 * `data`: the founding is a snapshot at index 1 of term 1, so that a member added later receives it as one.
 */
export function bootstrap(membership: Membership, data: Uint8Array): Restored {
  const snapshot = { index: 1 as LogIndex, term: 1 as Term, membership, data };
  return { term: snapshot.term, vote: 0, snapshot, entries: [] };
}

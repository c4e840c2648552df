import type { Random } from '../../ports/random.ts';
import type { TraceSink } from '../../ports/trace-sink.ts';
import type { Peer } from './membership.ts';
import type { RaftEvent } from './trace.ts';

/** `id` and `incarnation` are this node's own. */
export interface RaftOptions extends Peer {
  readonly random: Random;
  /**
   * Each timeout is drawn from `[electionTimeoutMs, 2 * electionTimeoutMs)`; a leader that has not heard a majority
   * for `electionTimeoutMs` steps down.
   */
  readonly electionTimeoutMs: number;
  /** Several of these must fit into `electionTimeoutMs`. */
  readonly heartbeatMs: number;
  /** A message carries at least one entry, and no more once their data reaches this. */
  readonly maxEntryBytesPerMessage: number;
  /** AppendEntries with entries that may be on their way to one follower at a time. */
  readonly maxInflightMessages: number;
  readonly snapshotChunkBytes: number;
  readonly trace?: TraceSink<RaftEvent> | undefined;
}

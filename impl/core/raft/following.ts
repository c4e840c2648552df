/**
 * What a node does with what a leader sends it: entries, and snapshots in pieces. Whether the sender is the leader of
 * this term is settled before; a request of an earlier term is refused here, so that its sender learns of this one.
 */
import { assert } from '../assert.ts';
import type { LogIndex, Term } from '../ids.ts';
import { IncomingSnapshot } from './incoming-snapshot.ts';
import type {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
} from './messages.ts';
import type { RaftState } from './state.ts';

/**
 * What an answer to a request of an earlier term repeats of it. Who sent that may lead again, in the term of the answer: it would take a
 * round of its earlier leadership for one that it has yet to begin, and its reads would be confirmed by nobody.
 */
const OUTDATED = { prevIndex: 0 as LogIndex, round: 0 };

export class Following {
  private readonly state: RaftState;
  private incoming: IncomingSnapshot | undefined;

  constructor(state: RaftState) {
    this.state = state;
  }

  /** Makes the log equal to the leader's up to the last entry of the request, if it can be told that it is (thesis 3.5). */
  appendEntries(request: AppendEntriesRequest): AppendEntriesResponse {
    const { log, term } = this.state;
    const { prevIndex, entries, round } = request;
    if (request.term < term) return this.rejection(OUTDATED, 0 as LogIndex);
    // The leader's log holds all that is committed here (thesis 3.6.3), so that only what follows is compared.
    if (prevIndex > log.commitIndex && log.term(prevIndex) !== request.prevTerm) {
      return this.rejection(request, log.lastIndexUpToTerm(prevIndex, request.prevTerm));
    }
    for (const entry of entries) {
      const own = log.term(entry.index);
      if (own === entry.term || entry.index <= log.commitIndex) {
        assert(
          own === entry.term || own === undefined,
          'what is committed is in every later leader',
        );
        continue;
      }
      if (own !== undefined) log.truncate(entry.index);
      log.append(entry);
    }
    const last = (prevIndex + entries.length) as LogIndex;
    const commitIndex = Math.min(request.commitIndex, last) as LogIndex;
    if (commitIndex > log.commitIndex) log.commitTo(commitIndex);
    return {
      kind: 'AppendEntriesResponse',
      term,
      success: true,
      prevIndex,
      matchIndex: Math.max(last, log.commitIndex) as LogIndex,
      hintIndex: 0 as LogIndex,
      hintTerm: 0 as Term,
      round,
    };
  }

  /** Takes a piece of a snapshot, and replaces the log by it once it is whole (thesis 5). */
  installSnapshot(request: InstallSnapshotRequest): InstallSnapshotResponse {
    const { term } = this.state;
    const { snapshotIndex, sizeBytes } = request;
    const round = request.term === term ? request.round : OUTDATED.round;
    const installed = request.term === term && this.receivePiece(request);
    const offsetBytes = installed ? sizeBytes : (this.incoming?.offsetBytes ?? 0);
    return { kind: 'InstallSnapshotResponse', term, snapshotIndex, offsetBytes, installed, round };
  }

  private rejection(
    { prevIndex, round }: Pick<AppendEntriesRequest, 'prevIndex' | 'round'>,
    hintIndex: LogIndex,
  ): AppendEntriesResponse {
    const { term, log } = this.state;
    return {
      kind: 'AppendEntriesResponse',
      term,
      success: false,
      prevIndex,
      matchIndex: 0 as LogIndex,
      hintIndex,
      hintTerm: log.term(hintIndex) ?? (0 as Term),
      round,
    };
  }

  /** Whether this node now has everything up to the snapshot's index. */
  private receivePiece(request: InstallSnapshotRequest): boolean {
    const { log } = this.state;
    const { snapshotIndex, snapshotTerm } = request;
    if (snapshotIndex <= log.commitIndex) return true;
    if (log.term(snapshotIndex) === snapshotTerm) {
      // The entries are here already; by Log Matching they are the snapshot's, which are committed.
      log.commitTo(snapshotIndex);
      return true;
    }
    if (this.incoming?.isOf(request) !== true) this.incoming = new IncomingSnapshot(request);
    const snapshot = this.incoming.receive(request);
    if (snapshot === undefined) return false;
    this.incoming = undefined;
    log.install(snapshot);
    return true;
  }
}

/**
 * The metadata as this node has applied it, and what a snapshot of it has to name: the term and the membership as of
 * the last applied entry, which lag behind Raft's own.
 */
import { assert } from '../core/assert.ts';
import { MalformedError } from '../core/codec.ts';
import type { LogIndex, Term } from '../core/ids.ts';
import {
  ClusterState,
  type Outcome,
  type SegmentRecord,
  type TopicRecord,
} from '../core/metadata/cluster-state.ts';
import { decodeProposal, type Proposal } from '../core/metadata/commands.ts';
import type { SnapshotWriter } from '../core/metadata/snapshot-writer.ts';
import type { Entry, Snapshot } from '../core/raft/entry.ts';
import { decodeMembership, type Membership } from '../core/raft/membership.ts';
import type { Tracer } from '../core/tracer.ts';

export interface Applied {
  readonly proposal: Proposal;
  readonly outcome: Outcome;
  /** What was the current segment of the topic that the proposal is about. */
  readonly before: SegmentRecord | undefined;
}

/** Of a snapshot, topics that are written in one go. */
const TOPICS_AT_A_TIME = 500;

export class MetadataLog {
  private readonly trace: Tracer | undefined;
  private state = new ClusterState();
  private term = 0 as Term;
  private membership: Membership = [];
  private latest: Snapshot | undefined;
  /** Bytes of the entries that were applied since. */
  private sinceBytes = 0;
  private writing:
    | (Omit<Snapshot, 'data'> & { readonly writer: SnapshotWriter<TopicRecord> })
    | undefined;

  constructor(trace: Tracer | undefined) {
    this.trace = trace;
  }

  /** Replaced as a whole when a snapshot is installed: ask each time. */
  get cluster(): ClusterState {
    return this.state;
  }

  get applied(): { readonly index: LogIndex; readonly term: Term } {
    return { index: this.state.appliedIndex, term: this.term };
  }

  /** The snapshot that the log begins with. */
  get snapshot(): Snapshot | undefined {
    return this.latest;
  }

  /**
   * Applies a committed entry. Gives what became of the proposal in it; undefined if there is none, or none
   * that can be read: every node passes such bytes over alike.
   */
  apply(entry: Entry): Applied | undefined {
    const { index } = entry;
    const proposal = entry.kind === 'command' ? (parseProposal(entry.data) ?? null) : null;
    this.trace?.commitCommand(index, proposal);
    const topic =
      proposal !== null && 'topic' in proposal.command ? proposal.command.topic : undefined;
    const before = topic && this.state.currentSegment(topic);
    const outcome = this.state.applyCommand(index, proposal?.command ?? null);
    this.trace?.applyCommand(index, outcome.applied);
    this.term = entry.term;
    this.sinceBytes += entry.data.length;
    if (entry.kind === 'membership') this.membership = decodeMembership(entry.data);
    return proposal === null ? undefined : { proposal, outcome, before };
  }

  /** Goes on from a snapshot instead of what led to it. */
  restore(snapshot: Snapshot): void {
    this.state = ClusterState.restore(snapshot.data);
    assert(this.state.appliedIndex === snapshot.index, 'a snapshot holds the state it names');
    this.term = snapshot.term;
    this.membership = snapshot.membership;
    this.latest = snapshot;
    this.sinceBytes = 0;
    this.writing = undefined;
  }

  /** A snapshot has been begun. */
  get isWriting(): boolean {
    return this.writing !== undefined;
  }

  /**
   * Begins a snapshot of what is applied, if the log has grown by so many entries since the last one, and by as many bytes as
   * that one has: so what snapshots cost stays in proportion to what is logged, however much there is. Each call goes on with
   * it; the last one gives it. One that is wanted is begun as soon as there is anything new.
   */
  snapshotEvery(entries: number, isWanted: boolean): Snapshot | undefined {
    if (this.writing === undefined && this.isDue(isWanted ? 1 : entries, isWanted)) {
      const { term, membership } = this;
      const writer = this.state.beginSnapshot();
      this.writing = { index: writer.index, term, membership, writer };
      this.sinceBytes = 0;
    }
    if (!this.writing?.writer.write(TOPICS_AT_A_TIME)) return undefined;
    const { writer, ...place } = this.writing;
    this.writing = undefined;
    this.latest = { ...place, data: writer.finish() };
    return this.latest;
  }

  private isDue(entries: number, isWanted: boolean): boolean {
    if (this.state.appliedIndex - (this.latest?.index ?? 0) < entries) return false;
    return isWanted || this.sinceBytes >= (this.latest?.data.length ?? 0);
  }
}

/** The proposal in these bytes; undefined if there is none. */
export function parseProposal(bytes: Uint8Array): Proposal | undefined {
  try {
    return decodeProposal(bytes);
  } catch (error) {
    if (error instanceof MalformedError) return undefined;
    throw error;
  }
}

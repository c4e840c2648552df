/** A behaviour told step by step, as data: `traces/counterexamples/*.json`. */
import type { RaftEvent } from '../impl/core/raft/trace.ts';
import type { DataEvent } from '../impl/core/trace.ts';

export type Scenario = LogScenario | RaftScenario;

interface Found {
  /** The model in which TLC found it, and what that leaves out. */
  readonly model: string;
  readonly about: string;
  /** The invariant that does not hold at the end. */
  readonly breaks: string;
  /** What the constants of the model were: bounds, and definitions that stand in place of others. */
  readonly constants: Readonly<Record<string, string>>;
}

/** Of the data plane. */
export interface LogScenario extends Found {
  readonly spec: 'DistributedLog';
  /** Nodes that apply the metadata when the scenario says so, and not before. */
  readonly laggards: readonly number[];
  /** Nodes whose disks sync when the scenario says so. */
  readonly crashers: readonly number[];
  /** Of the grant of segment 1, as the steps count: an epoch is the index of its grant in the metadata log. */
  readonly epoch: number;
  readonly steps: readonly Step[];
}

/**
 * An event of the trace, as far as the scenario speaks of it. Nodes are numbered as in the model: 1 owns the first segment,
 * 2 recovers it, 3 is the other replica. All is about one topic and one group.
 */
export interface Step {
  readonly name: DataEvent['name'];
  readonly node?: number;
  readonly index?: number;
  /** Of `CommitCommand`: its kind, and those of its other fields that matter. */
  readonly command?: Readonly<Record<string, unknown>> & { readonly kind: string };
  readonly sender?: number;
  readonly segment?: number;
  readonly epoch?: number;
  /** Of `AppendRecord`: which one. One that comes twice is one request that came twice. */
  readonly record?: number;
  readonly end?: number;
  readonly promised?: number;
  readonly durableEnd?: number;
  readonly highWatermark?: number;
  readonly offset?: number;
  /** Of `Crash`: whether what was not synced survives it. */
  readonly spared?: boolean;
}

export interface RaftScenario extends Found {
  readonly spec: 'MetadataRaft';
  readonly steps: readonly RaftStep[];
}

/**
 * An event of Raft, as far as the scenario speaks of it. Three nodes, numbered from 1; terms and indexes count from 1, where
 * there is one entry, which all have. `Persist` is durable when it is over.
 */
export interface RaftStep {
  readonly name: RaftEvent['name'];
  readonly node: number;
  /** Of the node, after the step. */
  readonly term?: number;
  readonly sender?: number;
  /** Of the answer. */
  readonly granted?: boolean;
  /** Of `HandleAppendEntriesRequest`: the last entry that the request speaks of. */
  readonly end?: number;
  /** Last index of the node, after the step. */
  readonly last?: number;
  /** Commit index of the node, after the step; of `AdvanceCommitIndex` at least. */
  readonly commit?: number;
  /** Of `HandleAppendEntriesResponse`: what the leader knows of the sender, after the step. */
  readonly match?: number;
  /** Of `ProposeMembership`. */
  readonly voters?: readonly number[];
  /** Of `ConfirmReadIndex`. */
  readonly index?: number;
}

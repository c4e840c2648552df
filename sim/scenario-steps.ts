/** A behaviour told step by step, as data: `traces/counterexamples/*.json`. */
import type { DataEvent } from '../impl/core/trace.ts';

export interface Scenario {
  /** The model in which TLC found it, and what that leaves out. */
  readonly model: string;
  readonly about: string;
  /** The invariant that does not hold at the end. */
  readonly breaks: string;
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

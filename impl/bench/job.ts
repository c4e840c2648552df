/** What the runner asks of one process, and what that process answers. Drivers in other languages speak the same JSON. */
import type { Workload } from './workloads.ts';

export interface Job {
  readonly subject: string;
  readonly workload: Workload;
  /** An empty directory, or for `open` one that `fill` has filled. */
  readonly directory: string;
  /** `fill` writes what is to be opened, and ends as the workload says. */
  readonly phase: 'run' | 'fill';
  /** The timed part ends at the first of the two. */
  readonly seconds: number;
  readonly maxBytes: number;
  /** Of the payloads; and where they lie as a file. */
  readonly seed: string;
  readonly poolFile: string;
}

export interface Sample {
  readonly entries: number;
  readonly payloadBytes: number;
  readonly seconds: number;
  /** Of all threads of the process, in the timed part. */
  readonly cpuSeconds: number;
  /** Of one call, in milliseconds; absent where none was timed. */
  readonly latency?: Quantiles | undefined;
  /** Bytes that the log has for a byte of payload. */
  readonly spaceRatio?: number | undefined;
  /** Records that were read back and equal, bit by bit, what was written: all that the log kept, or there is no sample. */
  readonly verified: number;
  /** How this was done, where there is something to tell. */
  readonly note?: string | undefined;
}

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** Exact: of all latencies, not of a histogram. */
export function quantiles(latencies: readonly number[]): Quantiles | undefined {
  if (latencies.length === 0) return undefined;
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}

/** What a run of the benchmarks leaves behind, and the figures that are read off it. */
import type { Sample } from './job.ts';

export interface SubjectResult {
  readonly subject: string;
  /** One for each round, in order. */
  readonly samples: readonly Sample[];
  /** Why there are none. */
  readonly failure?: string | undefined;
}

export interface Others {
  /** Cores that were busy while nothing was measured. */
  readonly cores: number;
  /** Load average of the minute, which counts what was measured itself, too. */
  readonly load: number;
}

export interface WorkloadResult {
  readonly name: string;
  readonly title: string;
  readonly kind: 'append' | 'read' | 'open';
  readonly date: string;
  /** What else the machine did, right before and right after. */
  readonly others: readonly [before: Others, after: Others];
  readonly subjects: readonly SubjectResult[];
}

export interface Results {
  readonly machine: Readonly<Record<string, string>>;
  /** How the run was set, the last one if there were several. */
  readonly conditions: readonly string[];
  readonly workloads: readonly WorkloadResult[];
}

export interface Figures {
  readonly entriesPerSecond: number;
  readonly megabytesPerSecond: number;
  /** Slowest and fastest round, over the median. */
  readonly spread: readonly [number, number];
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly p999Ms: number | undefined;
  readonly cpuSecondsPerMillion: number;
  readonly cores: number;
  readonly spaceRatio: number | undefined;
}

export function figuresOf(result: SubjectResult): Figures | undefined {
  const { samples } = result;
  if (samples.length === 0) return undefined;
  const of = (value: (sample: Sample) => number) => median(samples.map(value));
  const latency = (name: 'p50' | 'p99' | 'p999') =>
    samples.every((sample) => sample.latency) ? of((sample) => sample.latency![name]) : undefined;
  const entriesPerSecond = of(rateOf);
  const rates = samples.map(rateOf);
  return {
    entriesPerSecond,
    megabytesPerSecond: of(bandwidthOf) / 1e6,
    spread: [Math.min(...rates) / entriesPerSecond, Math.max(...rates) / entriesPerSecond],
    p50Ms: latency('p50'),
    p99Ms: latency('p99'),
    p999Ms: latency('p999'),
    cpuSecondsPerMillion: of((sample) => (sample.cpuSeconds / sample.entries) * 1e6),
    cores: of((sample) => sample.cpuSeconds / sample.seconds),
    spaceRatio: samples.every((sample) => sample.spaceRatio !== undefined)
      ? of((sample) => sample.spaceRatio!)
      : undefined,
  };
}

export const rateOf = (sample: Sample): number => sample.entries / sample.seconds;
export const bandwidthOf = (sample: Sample): number => sample.payloadBytes / sample.seconds;
export const p50Of = (sample: Sample): number => sample.latency?.p50 ?? Number.NaN;

/** Each round's ratio to the same round of the other, so that a disk that drifts takes both along; the median of these. */
export function ratio(
  of: SubjectResult | undefined,
  to: SubjectResult | undefined,
  value: (sample: Sample) => number,
): number | undefined {
  if (of === undefined || to === undefined) return undefined;
  const rounds = Math.min(of.samples.length, to.samples.length);
  if (rounds === 0) return undefined;
  return median(
    Array.from({ length: rounds }, (_, i) => value(of.samples[i]!) / value(to.samples[i]!)),
  );
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

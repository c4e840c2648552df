/**
 * Randomness of a run. Every concern draws from a stream of its own, keyed by the seed and a name, so that one more
 * draw in one place reshuffles nothing elsewhere. A run can be replayed with single draws overridden by index.
 */
import alea from 'seedrandom/lib/alea.js';
import type { Random } from '../impl/ports/random.ts';

/** Draws that replace the seed's, by stream name, then by the draw's number in that stream. Values in [0, 1). */
export type Overrides = Readonly<Record<string, Readonly<Record<number, number>>>>;

export class RandomStream implements Random {
  readonly name: string;
  /** How many draws were made. */
  drawn = 0;
  private readonly generator: () => number;
  private readonly overrides: Readonly<Record<number, number>> | undefined;
  private readonly record: number[] | undefined;

  constructor(
    seed: string,
    name: string,
    overrides: Readonly<Record<number, number>> | undefined,
    record: number[] | undefined,
  ) {
    this.name = name;
    this.generator = alea(`${seed}/${name}`);
    this.overrides = overrides;
    this.record = record;
  }

  /** In [0, 1), 32 bits. All other draws are made of one of these. */
  unit(): number {
    let value = this.generator();
    if (this.overrides !== undefined) value = this.overrides[this.drawn] ?? value;
    this.drawn++;
    this.record?.push(value);
    return value;
  }

  below(bound: number): number {
    return Math.floor(this.unit() * bound);
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  /** In [least, most). */
  between(least: number, most: number): number {
    return least + this.unit() * (most - least);
  }

  /** Exponentially distributed; at most 9 times the mean. */
  exponential(mean: number): number {
    return mean * QUANTILES[Math.floor(this.unit() * QUANTILES.length)]!;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }

  /** Another order of the same items. */
  shuffle<Item>(items: readonly Item[]): Item[] {
    const shuffled = [...items];
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!];
    }
    return shuffled;
  }
}

export class Randomness {
  readonly seed: string;
  private readonly overrides: Overrides;
  private readonly recording: boolean;
  private readonly streams = new Map<string, RandomStream>();
  private readonly records = new Map<string, number[]>();

  constructor(seed: string, overrides: Overrides = {}, recording = false) {
    this.seed = seed;
    this.overrides = overrides;
    this.recording = recording;
  }

  /** The stream of that name; the same one each time it is asked for. */
  stream(name: string): RandomStream {
    let stream = this.streams.get(name);
    if (stream === undefined) {
      const record = this.recording ? [] : undefined;
      if (record !== undefined) this.records.set(name, record);
      stream = new RandomStream(this.seed, name, this.overrides[name], record);
      this.streams.set(name, stream);
    }
    return stream;
  }

  /** Every draw so far, if recording. */
  drawn(): ReadonlyMap<string, readonly number[]> {
    return this.records;
  }
}

/**
 * Quantiles of the exponential distribution with mean 1. Rounded, because `Math.log` may differ in its last bit from
 * one engine to the next and a run must not.
 */
const QUANTILES: Float64Array = Float64Array.from(
  { length: 4096 },
  (_, i) => Math.round(-Math.log(1 - (i + 0.5) / 4096) * 1e6) / 1e6,
);

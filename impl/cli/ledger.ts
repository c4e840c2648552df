/**
 * What writers were told of each record that they sent, and whether the topic agrees. A record is known by its writer and its
 * number, and its content follows from both, so that a hundred bytes need one byte here.
 */
const SENT = 0;
const ACKNOWLEDGED = 1;
const UNKNOWN = 2;
const REFUSED = 3;
const SEEN = 16;

export interface Disagreement {
  /** Acknowledged and not there. */
  readonly missing: number;
  /** There more than once. */
  readonly repeated: number;
  /** There, and never sent, refused, or with another content. */
  readonly foreign: number;
}

export class Ledger {
  private readonly sizeBytes: number;
  /** By writer, by number. */
  private readonly states: number[][];
  private repeated = 0;
  private foreign = 0;

  constructor(writers: number, sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.states = Array.from({ length: writers }, () => []);
  }

  /** The content of the writer's next record, and its number. */
  next(writer: number): { readonly sequence: number; readonly payload: string } {
    const sequence = this.states[writer]!.push(SENT) - 1;
    return { sequence, payload: this.payload(writer, sequence) };
  }

  told(writer: number, sequence: number, outcome: 'acknowledged' | 'unknown' | 'refused'): void {
    const states = { acknowledged: ACKNOWLEDGED, unknown: UNKNOWN, refused: REFUSED };
    this.states[writer]![sequence] = states[outcome];
  }

  /** A record that the topic has. */
  seen(payload: string): void {
    const [, writer, sequence] = /^(\d+) (\d+)/.exec(payload) ?? [];
    const states = this.states[Number(writer)];
    const state = states?.[Number(sequence)];
    if (state === undefined || payload !== this.payload(Number(writer), Number(sequence))) {
      this.foreign++;
    } else if (state >= SEEN) this.repeated++;
    else {
      if (state === REFUSED) this.foreign++;
      states![Number(sequence)] = state + SEEN;
    }
  }

  count(outcome: 'acknowledged' | 'unknown'): number {
    const wanted = outcome === 'acknowledged' ? ACKNOWLEDGED : UNKNOWN;
    return this.states.reduce(
      (sum, states) => sum + states.filter((state) => state % SEEN === wanted).length,
      0,
    );
  }

  /** Once all was seen. */
  disagreement(): Disagreement {
    const missing = this.states.reduce(
      (sum, states) => sum + states.filter((state) => state === ACKNOWLEDGED).length,
      0,
    );
    return { missing, repeated: this.repeated, foreign: this.foreign };
  }

  private payload(writer: number, sequence: number): string {
    return `${writer} ${sequence}`.padEnd(this.sizeBytes - 1, '.').concat('.');
  }
}

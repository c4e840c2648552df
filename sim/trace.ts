/**
 * The event stream of a run: hashed always, given out on demand. Two runs are the same run if their
 * streams are; the hash tells at no cost, the lines tell where they part.
 */
import type { NodeId } from '../impl/core/ids.ts';
import type { TraceEvent } from '../impl/core/trace.ts';
import type { VirtualTime } from './clock.ts';

/** What the simulator itself does, besides the actions that the specification knows. */
export interface SimEvent {
  readonly name: 'Fault' | 'Ended' | 'Phase';
  readonly node: number;
  readonly detail: string;
}

/** An event with the virtual time, in microseconds, at which it happened: a line of a trace. */
export type Noted = { readonly atUs: number } & (TraceEvent | SimEvent);

export class Trace {
  private readonly time: VirtualTime;
  private readonly sink: ((event: Noted) => void) | undefined;
  private readonly names = new Map<string, number>();
  private low = 0x811c9dc5;
  private high = 0x1b873593;

  constructor(time: VirtualTime, sink: ((event: Noted) => void) | undefined) {
    this.time = time;
    this.sink = sink;
  }

  note(event: TraceEvent | SimEvent): void {
    let name = this.names.get(event.name);
    if (name === undefined) {
      name = this.names.size + 1;
      this.names.set(event.name, name);
    }
    this.mix(this.time.nowUs | 0);
    this.mix((name << 8) ^ event.node);
    this.write(event);
  }

  /** Writes it without mixing it into the hash. */
  write(event: TraceEvent | SimEvent): void {
    this.sink?.({ atUs: this.time.nowUs, ...event });
  }

  /** Mixes in any number that a rerun has to come to again. */
  mix(value: number): void {
    this.low = Math.imul(this.low ^ value, 0x01000193);
    this.high = Math.imul((this.high << 5) ^ (this.high >>> 27) ^ value, 0x9e3779b1);
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
    return hex(this.low) + hex(this.high);
  }
}

/** The actions in the lines of a trace. A process that ended by itself counts as crashed; faults are no actions. */
export function eventsOf(lines: Iterable<string>): TraceEvent[] {
  return Array.from(lines, eventOf).filter((event) => event !== undefined);
}

/** The action in a line of a trace; undefined if it tells of none. */
export function eventOf(line: string): TraceEvent | undefined {
  return line === '' ? undefined : actionOf(JSON.parse(line) as Noted);
}

/** The action that the event is; undefined if it is none. */
export function actionOf(event: Noted): TraceEvent | undefined {
  if (event.name === 'Ended') return { name: 'Crash', node: event.node as NodeId };
  return event.name === 'Fault' || event.name === 'Phase' ? undefined : (event as TraceEvent);
}

import { closeSync, openSync, writeSync } from 'node:fs';

/** What TraceReader.java turns into values of TLC: whole numbers, strings without escapes, arrays, objects. */
export type Value =
  | number
  | string
  | boolean
  | readonly Value[]
  | { readonly [name: string]: Value };

/** One event. An object with the one name `set` is a set. */
export type Line = { readonly [name: string]: Value };

/** How many nodes, topics and so on a trace has. */
export type Sizes = { readonly [name: string]: number };

/** A trace in the words of a specification. */
export interface Projected {
  readonly sizes: Sizes;
  readonly lines: readonly Line[];
  /** Of each line, which of the events it tells of; -1 for what nobody told. */
  readonly origins: readonly number[];
}

/** A trace in a file, as TraceReader.java reads it. */
export interface Written {
  readonly sizes: Sizes;
  readonly events: number;
  /** The names of those. */
  readonly actions: ReadonlySet<string>;
  readonly file: string;
}

/** Takes a trace line by line, each with the number of the event that it tells of; -1 for what nobody told. */
export type Tell = (line: Line, origin: number) => void;

/** Tells a trace, and how many nodes and so on turned out to be in it. */
export type Teller = (tell: Tell) => Sizes;

export function collect(teller: Teller): Projected {
  const lines: Line[] = [];
  const origins: number[] = [];
  const sizes = teller((line, origin) => {
    lines.push(line);
    origins.push(origin);
  });
  return { sizes, lines, origins };
}

/** Lines that are written at once: as text they are small enough for memory that is used again and again. */
const PIECE_LINES = 1000;

/** Keeps none of the lines. */
export function write(teller: Teller, file: string): Written {
  const descriptor = openSync(file, 'w');
  const actions = new Set<string>();
  let events = 0;
  let piece = '';
  try {
    const sizes = teller((line) => {
      piece += `${JSON.stringify(line)}\n`;
      actions.add(String(line.e));
      events++;
      if (events % PIECE_LINES > 0) return;
      writeSync(descriptor, piece);
      piece = '';
    });
    writeSync(descriptor, piece);
    return { sizes, events, actions, file };
  } finally {
    closeSync(descriptor);
  }
}

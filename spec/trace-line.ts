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

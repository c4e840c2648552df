/** Time as one node sees it. Each node has its own clock; clocks of two nodes never agree. */
export interface Clock {
  /** Milliseconds since an arbitrary start. Never goes back while the process lives; survives no restart. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch. May jump either way: for display, and for how long records are kept; for no other decision. */
  wallMs(): number;
}

/** Randomness that the host can seed. */
export interface Random {
  /** A whole number in `[0, bound)`; `bound` is a positive integer up to 2^31. */
  below(bound: number): number;
}

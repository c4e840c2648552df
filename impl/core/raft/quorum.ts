/** Majorities, in one pure function: what an index, a round or a time is backed by. */
import { assert } from '../assert.ts';

/**
 * The largest value that a majority of `values` reaches or passes. Sorts `values` in place; they are few (one
 * for each voter) and often in order already, so insertion is the cheapest way.
 */
export function quorumValue(values: number[]): number {
  assert(values.length > 0, 'a quorum needs voters');
  for (let i = 1; i < values.length; i++) {
    const value = values[i]!;
    let hole = i;
    while (hole > 0 && values[hole - 1]! > value) {
      values[hole] = values[hole - 1]!;
      hole--;
    }
    values[hole] = value;
  }
  return values[values.length - majority(values.length)]!;
}

/** How many of `voters` are a majority. */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

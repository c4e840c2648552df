/** Assertions are part of the product: they are never stripped, and a failed one stops the node with its reason. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

export function assert(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new AssertionError(reason);
}

/** Marks the branch that no input may reach; with a `never` argument the compiler checks it too. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${JSON.stringify(value)}`);
}

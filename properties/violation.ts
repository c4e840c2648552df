/** A property does not hold. Never an operating error: the cluster, or the check, is wrong. */
export class Violation extends Error {
  override readonly name = 'Violation';
  /** The spec's name of the property. */
  readonly property: string;

  constructor(property: string, message: string) {
    super(`${property}: ${message}`);
    this.property = property;
  }
}

/** Throws unless `condition`. The message is built by the caller only where it is cheap: pass a function. */
export function demand(
  condition: boolean,
  property: string,
  message: () => string,
): asserts condition {
  if (!condition) throw new Violation(property, message());
}

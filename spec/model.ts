/** A model is a module, sizes for its constants, and what is expected of it: that all holds, or that a certain invariant fails. */
export interface Model {
  readonly name: string;
  /** One sentence: what it is about, or what is left out. */
  readonly about: string;
  readonly module: string;
  /** quick: in `make tlc`. full: in `make tlc-full` as well. nightly: by name only, hours. */
  readonly kind: 'quick' | 'full' | 'nightly';
  /** Constants as TLC's configuration has them: `{n1, n2}`, `2`; `<- X` puts definition X in place of one. */
  readonly constants: Readonly<Record<string, string>>;
  readonly specification: string;
  readonly symmetry?: string;
  readonly constraint?: string;
  /** Steps that it refuses are not taken. */
  readonly actionConstraint?: string;
  readonly invariants?: readonly string[];
  /** Temporal properties: action properties, refinements, liveness. */
  readonly properties?: readonly string[];
  /**
   * Pass: distinct states there are; absent where only a part is looked at. Fails: the invariant or property that
   * is found violated. TLC does not name a violated liveness property or refinement, so such a model has only one.
   */
  readonly expect: { readonly states?: number } | { readonly fails: string };
  /** Names of states of interest (`Reached` in the module) that must be found. */
  readonly reaches?: readonly string[];
  /** Random walks instead of all states. */
  readonly simulate?: { readonly walks: number; readonly depth: number };
}

/** The configuration file that TLC reads. */
export function configuration(model: Model): string {
  const lines = ['CONSTANTS'];
  for (const [name, value] of Object.entries(model.constants)) {
    lines.push(value.startsWith('<-') ? `  ${name} ${value}` : `  ${name} = ${value}`);
  }
  lines.push(`SPECIFICATION ${model.specification}`, 'CHECK_DEADLOCK FALSE');
  if (model.symmetry !== undefined) lines.push(`SYMMETRY ${model.symmetry}`);
  if (model.constraint !== undefined) lines.push(`CONSTRAINT ${model.constraint}`);
  if (model.actionConstraint !== undefined) {
    lines.push(`ACTION_CONSTRAINT ${model.actionConstraint}`);
  }
  for (const invariant of model.invariants ?? []) lines.push(`INVARIANT ${invariant}`);
  for (const property of model.properties ?? []) lines.push(`PROPERTY ${property}`);
  return `${lines.join('\n')}\n`;
}

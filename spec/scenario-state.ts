/** States of TLC as plain objects. */
import { parseTla, type TlaValue } from './tla-value.ts';
import type { TlcState } from './tlc-output.ts';

/** A state with what TLC calls functions and records as objects, tuples and sets as arrays. */
// biome-ignore lint/suspicious/noExplicitAny: its shape is that of the variables of the module.
export type State = Record<string, any>;

export function stateOf({ variables }: TlcState): State {
  return Object.fromEntries([...variables].map(([name, text]) => [name, plain(parseTla(text))]));
}

/** Nodes become numbers; a segment stays the text of its pair, `<<1, 1>>`. */
// biome-ignore lint/suspicious/noExplicitAny: as above.
export function plain(value: TlaValue): any {
  if (typeof value === 'string') {
    if (/^n?\d+$|^-\d+$/.test(value)) return Number(value.replace('n', ''));
    return value.startsWith('"') ? value.slice(1, -1) : value;
  }
  if (value.kind !== 'function') return value.items.map(plain);
  const named = [...value.entries].map(([key, item]) => [
    key.startsWith('.') ? key.slice(1) : key.slice(1, -1).replace(/^n(\d+)$/, '$1'),
    plain(item),
  ]);
  return Object.fromEntries(named);
}

export function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

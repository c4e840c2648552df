/** Values as TLC prints them, read back so that two states can be compared piece by piece. */

export type TlaValue =
  | string
  | { readonly kind: 'set'; readonly items: readonly TlaValue[] }
  | { readonly kind: 'tuple'; readonly items: readonly TlaValue[] }
  | { readonly kind: 'function'; readonly entries: ReadonlyMap<string, TlaValue> };

/** Reads one value. Throws `SyntaxError` for what TLC would not print. */
export function parseTla(text: string): TlaValue {
  const tokens =
    text.match(/"(?:[^"\\]|\\.)*"|<<|>>|\|->|:>|@@|[{}[\](),]|[^\s{}[\](),<>@:|"]+/g) ?? [];
  let at = 0;
  const take = (token?: string): string => {
    const found = tokens[at++];
    if (found === undefined || (token !== undefined && found !== token)) {
      throw new SyntaxError(`expected ${token ?? 'a value'}, found ${found ?? 'the end'}`);
    }
    return found;
  };
  const list = (end: string): TlaValue[] => {
    const items: TlaValue[] = [];
    if (tokens[at] !== end) {
      items.push(value());
      while (tokens[at] === ',') {
        take();
        items.push(value());
      }
    }
    take(end);
    return items;
  };
  const value = (): TlaValue => {
    const token = take();
    if (token === '{') return { kind: 'set', items: list('}') };
    if (token === '<<') return { kind: 'tuple', items: list('>>') };
    if (token === '[') {
      const entries = new Map<string, TlaValue>();
      do {
        const name = take();
        take('|->');
        entries.set(`.${name}`, value());
      } while (tokens[at] === ',' && take());
      take(']');
      return { kind: 'function', entries };
    }
    if (token === '(') {
      const entries = new Map<string, TlaValue>();
      do {
        const key = value();
        take(':>');
        entries.set(`[${printTla(key)}]`, value());
      } while (tokens[at] === '@@' && take());
      take(')');
      return { kind: 'function', entries };
    }
    return token;
  };
  const result = value();
  if (at !== tokens.length) throw new SyntaxError(`unexpected ${tokens[at]}`);
  return result;
}

export function printTla(value: TlaValue): string {
  if (typeof value === 'string') return value;
  if (value.kind === 'set') return `{${value.items.map(printTla).join(', ')}}`;
  if (value.kind === 'tuple') return `<<${value.items.map(printTla).join(', ')}>>`;
  const entries = [...value.entries].map(([key, item]) =>
    key.startsWith('.')
      ? `${key.slice(1)}: ${printTla(item)}`
      : `${key.slice(1, -1)} -> ${printTla(item)}`,
  );
  return `[${entries.join(', ')}]`;
}

/** What changed from one value to another, one line each, with the place before it. */
export function differences(name: string, before: TlaValue, after: TlaValue): string[] {
  if (printTla(before) === printTla(after)) return [];
  if (typeof before !== 'string' && typeof after !== 'string') {
    if (before.kind === 'function' && after.kind === 'function') {
      const had = before.entries;
      const has = [...after.entries];
      if (has.length === had.size && has.every(([key]) => had.has(key))) {
        return has.flatMap(([key, item]) => differences(`${name}${key}`, had.get(key)!, item));
      }
    }
    if (before.kind === 'set' && after.kind === 'set') {
      const had = new Set(before.items.map(printTla));
      const has = new Set(after.items.map(printTla));
      return [
        ...[...has].filter((item) => !had.has(item)).map((item) => `${name} gains ${item}`),
        ...[...had].filter((item) => !has.has(item)).map((item) => `${name} loses ${item}`),
      ];
    }
  }
  return [`${name}: ${printTla(before)} -> ${printTla(after)}`];
}

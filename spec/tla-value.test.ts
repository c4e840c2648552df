import { describe, expect, it } from 'vitest';
import { differences, parseTla, printTla } from './tla-value.ts';

describe('values as TLC prints them', () => {
  it('come back as they were printed', () => {
    for (const text of [
      '3',
      '-1',
      'TRUE',
      'n1',
      '"t"',
      '{}',
      '<<>>',
      '{1, 2}',
      '<<"t", 1>>',
      '{<<"t", 1>>, <<>>}',
    ]) {
      expect(printTla(parseTla(text))).toBe(text);
    }
    expect(printTla(parseTla('[a |-> 1, b |-> {<<2>>}]'))).toBe('[a: 1, b: {<<2>>}]');
    expect(printTla(parseTla('(n1 :> [x |-> 0] @@ <<"t", 1>> :> {})'))).toBe(
      '[n1 -> [x: 0], <<"t", 1>> -> {}]',
    );
  });

  it('are refused if TLC would not print them', () => {
    for (const text of ['', '{1', '<<1, >>', '[a |-> ]', '1 2', '(n1 :> )']) {
      expect(() => parseTla(text), text).toThrow(SyntaxError);
    }
  });

  it('differ where they differ, and nowhere else', () => {
    const before = parseTla('(n1 :> (<<"t", 1>> :> <<>>) @@ n2 :> (<<"t", 1>> :> <<>>))');
    const after = parseTla('(n1 :> (<<"t", 1>> :> <<7>>) @@ n2 :> (<<"t", 1>> :> <<>>))');
    expect(differences('records', before, after)).toEqual([
      'records[n1][<<"t", 1>>]: <<>> -> <<7>>',
    ]);
    expect(differences('records', after, after)).toEqual([]);
    expect(differences('acked', parseTla('{1, 2}'), parseTla('{2, 3}'))).toEqual([
      'acked gains 3',
      'acked loses 1',
    ]);
  });
});

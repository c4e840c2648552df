import { describe, expect, it } from 'vitest';
import { mutantsOf, mutated } from './mutate.ts';

/** What becomes of the text by each rule. */
function changes(source: string): string[] {
  return mutantsOf('x.ts', source).map((mutant) => `${mutant.rule}: ${mutated(source, mutant)}`);
}

describe('mutants', () => {
  it('negate and drop guards', () => {
    expect(changes('if (ready) go();')).toEqual([
      'guard negated: if (!(ready)) go();',
      'guard dropped: if ((ready) && false) go();',
      'step left out: if (ready) ;',
    ]);
    expect(changes('const isOpen = a || b;')).toEqual([
      'guard dropped: const isOpen = a;',
      'guard dropped: const isOpen = b;',
    ]);
  });

  it('move bounds and sums by one', () => {
    expect(changes('const next = last < end ? last + 1 : end;')).toEqual([
      'guard negated: const next = !(last < end) ? last + 1 : end;',
      'bound: const next = last <= end ? last + 1 : end;',
      'sum: const next = last < end ? last : end;',
    ]);
  });

  it('say one less in a message', () => {
    expect(changes('const vote = { kind, term: now, lastIndex };')).toEqual([
      'field: const vote = { kind, term: (now) - 1, lastIndex };',
      'field: const vote = { kind, term: now, lastIndex: (lastIndex) - 1 };',
    ]);
  });

  it('leave alone what tells of the protocol or checks it, types and patterns', () => {
    expect(changes("assert(a === b, 'equal'); this.trace.becomeLeader(1);")).toEqual([]);
    expect(changes('const { term, index } = state; type T = { readonly end: 1 };')).toEqual([]);
  });
});

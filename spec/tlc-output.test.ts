import { describe, expect, it } from 'vitest';
import { actionsOf, readProgress, readTlcOutput, tellTrace } from './tlc-output.ts';

const message = (code: number, severity: number, body: string): string =>
  `@!@!@STARTMSG ${code}:${severity} @!@!@\n${body}\n@!@!@ENDMSG ${code} @!@!@\n`;

const counts = message(
  2199,
  0,
  '1,234 states generated, 567 distinct states found, 0 states left on queue.',
);

describe('what TLC says', () => {
  it('of a model that holds', () => {
    const output = [
      '<<"reached", "sealed">>\n',
      message(2193, 0, 'Model checking completed. No error has been found.'),
      message(2772, 0, '<MCAppendRecord line 1, col 1 to line 2, col 2 of module M>: 3:40'),
      message(2772, 0, '<MCCrash line 3, col 1 to line 3, col 9 of module M>: 0:0'),
      counts,
      message(2194, 0, 'The depth of the complete state graph search is 21.'),
    ].join('');
    const result = readTlcOutput(output, []);
    expect(result).toMatchObject({ complete: true, distinct: 567, generated: 1234, depth: 21 });
    expect(result.violated).toBeUndefined();
    expect(result.error).toBeUndefined();
    expect(result.reached).toEqual(['sealed']);
    expect([...result.actions]).toEqual([
      ['AppendRecord', 40],
      ['Crash', 0],
    ]);
  });

  it('of a violated invariant, with the steps that lead there', () => {
    const output = [
      message(2110, 1, 'Invariant SealedExactInv is violated.'),
      message(2121, 1, 'The behavior up to this point is:'),
      message(2217, 4, '1: <Initial predicate>\n/\\ durable = (n1 :> 0)\n/\\ up = (n1 :> TRUE)'),
      message(
        2217,
        4,
        '2: <MCSyncCompleted line 9, col 1 to line 9, col 2 of module M>\n/\\ durable = (n1 :> 1)\n/\\ up = (n1 :> TRUE)',
      ),
      counts,
    ].join('');
    const result = readTlcOutput(output, []);
    expect(result.violated).toBe('SealedExactInv');
    expect(result.error).toBeUndefined();
    expect(tellTrace(result.trace).split('\n').slice(-2)).toEqual([
      '  2 SyncCompleted',
      '      durable[n1]: 0 -> 1',
    ]);
  });

  it('of a property that it does not name', () => {
    const output = message(2116, 1, 'Temporal properties were violated.');
    expect(readTlcOutput(output, ['FailoverProgress']).violated).toBe('FailoverProgress');
  });

  it('of a model that cannot be read', () => {
    const output = `***Parse Error***\nWas expecting "=="\n\n\n${message(1000, 1, 'Parsing or semantic analysis failed.')}`;
    const result = readTlcOutput(output, []);
    expect(result.error).toContain('Was expecting');
    expect(result.complete).toBe(false);
  });

  it('of actions, which have the names of those that they bound', () => {
    const next =
      'MCNext ==\n  \\/ MCCrash \\/ AnyTimeout\n  \\/ MCPersist_atOnce\n\nMCSpec == Init\n';
    expect(actionsOf(`Init == x = 0 \\/ y\n\n${next}`)).toEqual(['Crash', 'Timeout', 'Persist']);
  });

  it('of how far it is', () => {
    const search = 'Progress(9) at 12:00:00: 5,001 states generated (1 s/min), 402 distinct states';
    const seen = readProgress(message(2200, 0, `${search} found (1 ds/min), 37 states left.`));
    expect(seen).toEqual({ states: '402', left: '37' });
    const walks = readProgress(message(2209, 0, 'Progress: 61,234 states checked.'));
    expect(walks).toEqual({ states: '61,234', left: undefined });
    expect(readProgress(message(2185, 0, 'Starting...'))).toBeUndefined();
  });
});

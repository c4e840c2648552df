import { expect, test } from 'vitest';
import type { Model } from './models.ts';
import { scenarioOf } from './scenario.ts';
import type { TlcState } from './tlc-output.ts';

const MODEL = {
  name: 'MCSome',
  about: 'something is left out',
  constants: { Laggards: '{n1}', Crashers: '{n1, n3}' },
  expect: { fails: 'SomeInv' },
} as unknown as Model;

/** A state of two nodes and one segment, as TLC prints it; what is not given is as it was at first. */
function state(action: string, changes: Record<string, string> = {}): TlcState {
  const perNode = (value: string): string => `(n1 :> ${value} @@ n2 :> ${value})`;
  const perSegment = (value: string): string => perNode(`(<<"t", 1>> :> ${value})`);
  const variables = {
    log: '<<"a", "b", "c", "d">>',
    messages: '{}',
    up: perNode('TRUE'),
    records: perSegment('<<>>'),
    durable: perSegment('0'),
    promised: perSegment('0'),
    durablePromise: perSegment('0'),
    watermark: perSegment('0'),
    view: perNode('[segments |-> (<<"t", 1>> :> [epoch |-> 4, state |-> "open"])]'),
    ...changes,
  };
  return { action, variables: new Map(Object.entries(variables)) };
}

const appended = {
  records: '(n1 :> (<<"t", 1>> :> <<7>>) @@ n2 :> (<<"t", 1>> :> <<>>))',
  messages:
    '{[to |-> n2, epoch |-> 4, segment |-> <<"t", 1>>, records |-> <<7>>, type |-> "Replicate", sender |-> n1, from |-> 0]}',
};
const replicated = {
  ...appended,
  records: '(n1 :> (<<"t", 1>> :> <<7>>) @@ n2 :> (<<"t", 1>> :> <<7>>))',
  promised: '(n1 :> (<<"t", 1>> :> 0) @@ n2 :> (<<"t", 1>> :> 4))',
};

test('what changed between two states becomes the event of the action', () => {
  const scenario = scenarioOf(MODEL, [
    state('Init'),
    state('RenewLease'),
    state('AppendRecord', appended),
    state('HandleReplicate', replicated),
    state('Crash', { ...replicated, up: '(n1 :> TRUE @@ n2 :> FALSE)' }),
    state('Restart', appended),
  ]);
  expect(scenario).toEqual({
    model: 'MCSome',
    about: 'something is left out',
    breaks: 'SomeInv',
    laggards: [1],
    crashers: [1, 3],
    epoch: 4,
    steps: [
      { name: 'AppendRecord', node: 1, segment: 1, epoch: 4, index: 0, record: 7 },
      { name: 'HandleReplicate', node: 2, sender: 1, segment: 1, epoch: 4, end: 1 },
      { name: 'Crash', node: 2, spared: false },
      { name: 'Restart', node: 2 },
    ],
  });
});

test('an action without a step is told, not left out', () => {
  expect(() => scenarioOf(MODEL, [state('Init'), state('Stumble')])).toThrow(/Stumble/);
});

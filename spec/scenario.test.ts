import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { RaftScenario, Scenario } from '../sim/scenario-steps.ts';
import type { Model } from './model.ts';
import { MODELS } from './models.ts';
import { foundIn, scenarioOf } from './scenario.ts';
import type { TlcState } from './tlc-output.ts';

const FILES = fileURLToPath(new URL('../traces/counterexamples', import.meta.url));

const MODEL = {
  name: 'MCSome',
  about: 'something is left out',
  constants: { Laggards: '{n1}', Crashers: '{n1, n3}' },
  expect: { fails: 'SomeInv' },
} as unknown as Model;

/** A state of two nodes and one segment, as TLC prints it; what is not given is as it was at first. */
function state(action: string, changes: Record<string, string> = {}): TlcState {
  const perNode = (value: string): string => `(n1 :> ${value} @@ n2 :> ${value})`;
  const perSegment = (value: string): string => perNode(`(<<1, 1>> :> ${value})`);
  const variables = {
    log: '<<"a", "b", "c", "d">>',
    messages: '{}',
    up: perNode('TRUE'),
    records: perSegment('<<>>'),
    durable: perSegment('0'),
    promised: perSegment('0'),
    durablePromise: perSegment('0'),
    watermark: perSegment('0'),
    view: perNode('[segments |-> (<<1, 1>> :> [epoch |-> 4, state |-> "open"])]'),
    ...changes,
  };
  return { action, variables: new Map(Object.entries(variables)) };
}

const appended = {
  records: '(n1 :> (<<1, 1>> :> <<7>>) @@ n2 :> (<<1, 1>> :> <<>>))',
  messages:
    '{[to |-> n2, epoch |-> 4, segment |-> <<1, 1>>, records |-> <<7>>, type |-> "Replicate", sender |-> n1, from |-> 0]}',
};
const replicated = {
  ...appended,
  records: '(n1 :> (<<1, 1>> :> <<7>>) @@ n2 :> (<<1, 1>> :> <<7>>))',
  promised: '(n1 :> (<<1, 1>> :> 0) @@ n2 :> (<<1, 1>> :> 4))',
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
    spec: 'DistributedLog',
    model: 'MCSome',
    about: 'something is left out',
    breaks: 'SomeInv',
    constants: MODEL.constants,
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

const RAFT_MODEL = {
  ...MODEL,
  module: 'MCMetadataRaft',
  constants: { Init: '<- InitLed' },
} as unknown as Model;

/** A state of two nodes whose logs are as long as is said. */
function raftState(action: string, changes: Record<string, string> = {}): TlcState {
  const perNode = (value: string): string => `(n1 :> ${value} @@ n2 :> ${value})`;
  const variables = {
    messages: '{}',
    role: perNode('"follower"'),
    term: perNode('2'),
    vote: perNode('0'),
    log: perNode('<<"a">>'),
    commit: perNode('1'),
    votes: perNode('{}'),
    match: perNode('(n1 :> 0 @@ n2 :> 0)'),
    reads: perNode('{}'),
    outbox: perNode('{}'),
    disk: perNode('<<"a">>'),
    ...changes,
  };
  return { action, variables: new Map(Object.entries(variables)) };
}

test('steps of Raft follow what leads to the place where the model begins', () => {
  const sent = {
    messages:
      '{[type |-> "AppendRequest", from |-> n1, term |-> 2, prevIndex |-> 1, entries |-> <<"b">>, commit |-> 2]}',
  };
  const { spec, steps } = scenarioOf(RAFT_MODEL, [
    raftState('Init'),
    raftState('AppendEntries', sent),
    raftState('HandleAppendEntriesRequest', {
      ...sent,
      log: '(n1 :> <<"a">> @@ n2 :> <<"a", "b">>)',
      commit: '(n1 :> 1 @@ n2 :> 2)',
    }),
  ]) as RaftScenario;
  expect(spec).toBe('MetadataRaft');
  expect(steps[0]).toEqual({ name: 'Timeout', node: 1, term: 2 });
  expect(steps.at(-2)?.name).toBe('AdvanceCommitIndex');
  const name = 'HandleAppendEntriesRequest';
  expect(steps.at(-1)).toEqual({ name, node: 2, sender: 1, term: 2, end: 2, last: 2, commit: 2 });
});

describe('kept scenarios', () => {
  const kept = readdirSync(FILES).filter((file) => file.endsWith('.json'));
  const read = (file: string): Scenario =>
    JSON.parse(readFileSync(join(FILES, file), 'utf8')) as Scenario;

  test.each(kept)('%s is of its model as that is now', (file) => {
    const scenario = read(file);
    const model = MODELS.find(({ name }) => name === basename(file, '.json'));
    expect(model, 'there is no such model').toBeDefined();
    expect(scenario).toMatchObject(foundIn(model!));
    expect(Object.keys(scenario.constants).sort()).toEqual(Object.keys(model!.constants).sort());
    expect(beyondBounds(scenario)).toEqual([]);
  });

  test('what goes beyond the bounds of the model is seen', () => {
    const raft = read('MCVoteTwice.json') as RaftScenario;
    const later = raft.steps.map((step) => ({ ...step, term: 3 }));
    expect(beyondBounds({ ...raft, steps: later })).not.toEqual([]);
    const log = read('MCNoFencing.json');
    expect(beyondBounds({ ...log, constants: { ...log.constants, Records: '{}' } })).not.toEqual(
      [],
    );
    expect(beyondBounds({ ...log, constants: { ...log.constants, MaxCommits: '0' } })).not.toEqual(
      [],
    );
  });
});

/** The steps that the bounds of the model do not allow. */
function beyondBounds({ spec, steps, constants }: Scenario): object[] {
  const most = (name: string): number => Number(constants[name]);
  if (spec === 'MetadataRaft') {
    const [terms, entries] = [most('MaxTerm'), most('MaxLog')];
    // A new leader may append its first entry beyond MaxLog, and clients may not follow.
    return steps.filter(({ term = 0, last = 0 }) => term > terms || last > entries + terms - 1);
  }
  const nodes = namesIn(constants.Nodes).map((name) => Number(name.slice(1)));
  const records = namesIn(constants.Records).map(Number);
  const segments = namesIn(constants.SegmentIds).map(Number);
  const crashes = steps.filter(({ name }) => name === 'Crash');
  const commits = steps.filter(({ name }) => name === 'CommitCommand');
  return [
    ...commits.slice(most('MaxCommits')),
    ...crashes.slice(most('MaxCrashes')),
    ...steps.filter(({ name }) => name === 'ReplaceDisk').slice(most('MaxReplacements')),
    ...steps.filter(
      ({ node, sender, segment, record }) =>
        [node, sender].some((each) => each !== undefined && !nodes.includes(each)) ||
        (segment !== undefined && !segments.includes(segment)) ||
        (record !== undefined && !records.includes(record)),
    ),
  ];
}

/** The elements of a set of names or numbers, as a configuration writes it. */
function namesIn(set = '{}'): string[] {
  return [...set.matchAll(/\w+/g)].map(([name]) => name);
}

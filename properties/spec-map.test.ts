/**
 * One name for one thing: an action of the specification, the event that tells of it, and the function tagged with it;
 * an invariant of the specification, and the function that checks it. Whatever stands alone is listed here, with why.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .filter((file) => !file.includes('node_modules') && !file.includes('build'))
    .map((file) => join(folder, file));
}

interface Spec {
  readonly module: string;
  /** Definitions that together are the next-state relation. */
  readonly next: readonly string[];
  readonly events: string;
}

const SPECS: readonly Spec[] = [
  { module: 'DistributedLog', next: ['Step', 'Send'], events: 'impl/core/trace.ts' },
  { module: 'MetadataRaft', next: ['Next'], events: 'impl/core/raft/trace.ts' },
];

/** Called in the next-state relation, but to choose an argument. */
const CHOICES = new Set(['SyncChoices', 'KeptChoices']);

/** Actions that no function of the node performs. */
const NOT_OF_THE_NODE: Readonly<Record<string, string>> = {
  CommitCommand: 'Raft commits; each node tells of what it finds committed',
  RestoreMetadata: 'part of starting from, and installing, a snapshot',
  Crash: 'the end of a process',
  Restart: 'the beginning of a process',
  ReplaceDisk: 'what happens to a machine',
};

/** Properties of the specification alone. */
const SPEC_ONLY: Readonly<Record<string, string>> = {
  AbstractLogProp: 'a refinement; histories of clients are its counterpart (history.ts)',
  TypeInv: 'the compiler',
  ViewIsPastInv: 'ApplyCommandProp: each node is compared with the model',
  DeliveredOnceInv: 'ConsumedOnceProp, over what clients heard',
  SealedForeverProp: 'SealedExactInv, SealedCutProp',
  EpochsRiseProp: 'MonotonicPromiseProp, DurableSurvivesProp',
  DurablePromiseInv: 'OneVoteInTermProp, and the assertions of Raft',
  LeaderAppendOnlyProp: 'LogMatchingInv over all that was ever seen at an index',
  CommittedLogAppendOnlyProp: 'StateMachineSafetyInv over all that was ever committed',
  CommitMonotoneProp: 'MonotonicCommitProp',
  ReadIndexInv: 'raft-random.test.ts, for each read',
  FailoverProgress: 'failoverProgress, after healing, within bounded time',
  ReadProgress: 'the end of a run: all that was acknowledged is read',
};

/** Properties of the code alone: of single steps of a node, and of what clients hear. */
const CODE_ONLY: Readonly<Record<string, string>> = {
  ApplyCommandProp: 'ViewIsPastInv',
  FencedEpochProp: 'the guard of HandleReplicate',
  MonotonicPromiseProp: 'EpochsRiseProp',
  MonotonicHighWatermarkProp: 'the guard of AdvanceHighWatermark',
  PersistThenSpeakProp: 'the guards of SendReplicateAck and SendPromise',
  SealedCutProp: 'the definition of End',
  DurableSurvivesProp: 'the guard of Restart',
  MonotonicCommitProp: 'CommitMonotoneProp',
  OneVoteInTermProp: 'MayVote',
  AckedIsReadableProp: 'AbstractLogProp',
  NothingInventedProp: 'AbstractLogProp',
  RealTimeOrderProp: 'AbstractLogProp',
  ConsumedOnceProp: 'DeliveredOnceInv',
  ReadIsTrueProp: 'AbstractLogProp',
};

function actionsOf({ module, next }: Spec): Set<string> {
  const text = read(`spec/${module}.tla`);
  const defined = new Set([...text.matchAll(/^(\w+)\([^)]*\) ==/gm)].map((match) => match[1]!));
  const actions = new Set<string>();
  for (const name of next) {
    const body = new RegExp(`^${name} ==\\n([\\s\\S]*?)(?=\\n\\S)`, 'm').exec(text)?.[1];
    if (body === undefined) throw new Error(`${module}.tla has no ${name}`);
    for (const [, called] of body.matchAll(/\b([A-Z]\w+)\(/g)) {
      if (defined.has(called!) && !CHOICES.has(called!)) actions.add(called!);
    }
  }
  return actions;
}

function eventsOf({ events }: Spec): Set<string> {
  return new Set([...read(events).matchAll(/readonly name: '(\w+)'/g)].map((match) => match[1]!));
}

/** Where each `@spec module!action` stands. */
function tags(): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const file of sources('impl')) {
    for (const [, tag] of read(file).matchAll(/@spec (\w+!\w+)/g)) {
      found.set(tag!, [...(found.get(tag!) ?? []), file]);
    }
  }
  return found;
}

const only = (a: Iterable<string>, b: ReadonlySet<string>): string[] =>
  [...a].filter((name) => !b.has(name)).sort();

describe.each(SPECS)('$module', (spec) => {
  const actions = actionsOf(spec);

  test('each action has its event, and each event its action', () => {
    const events = eventsOf(spec);
    expect(actions.size).toBeGreaterThan(20);
    expect(only(actions, events), 'actions without an event').toEqual([]);
    expect(only(events, actions), 'events without an action').toEqual([]);
  });

  test('each action has one function, and each tag its action', () => {
    const found = tags();
    const tagged = [...found.keys()]
      .filter((tag) => tag.startsWith(`${spec.module}!`))
      .map((tag) => tag.slice(spec.module.length + 1));
    expect(only(tagged, actions), 'tags of what is no action').toEqual([]);
    const missing = only(actions, new Set([...tagged, ...Object.keys(NOT_OF_THE_NODE)]));
    expect(missing, 'actions that no function is tagged with').toEqual([]);
    const twice = [...found].filter(([tag, files]) => {
      return tag.startsWith(`${spec.module}!`) && files.length > 1;
    });
    expect(twice, 'actions with several functions').toEqual([]);
  });
});

describe('properties', () => {
  const PROPERTY = '(\\w+(?:Inv|Prop|Progress))';
  const inSpec = new Set(
    SPECS.flatMap(({ module }) =>
      [...read(`spec/${module}.tla`).matchAll(new RegExp(`^${PROPERTY} ==`, 'gm'))].map(
        (match) => match[1]!,
      ),
    ),
  );
  const inCode = new Set(
    sources('properties').flatMap((file) =>
      [
        ...read(file).matchAll(new RegExp(`export function ([A-Z]${PROPERTY.slice(1)}\\b`, 'g')),
      ].map((match) => match[1]!),
    ),
  );

  test('each invariant of the specification is checked in runs under its name', () => {
    const explained = new Set([...inCode, ...Object.keys(SPEC_ONLY)]);
    expect(only(inSpec, explained)).toEqual([]);
  });

  test('each property of the code is one of the specification', () => {
    const explained = new Set([...inSpec, ...Object.keys(CODE_ONLY)]);
    expect(only(inCode, explained)).toEqual([]);
  });

  test('nothing is excused that does not exist', () => {
    expect(only(Object.keys(SPEC_ONLY), inSpec)).toEqual([]);
    expect(only(Object.keys(CODE_ONLY), inCode)).toEqual([]);
  });

  test('trace-check asks for the invariants that there are', () => {
    const asked = [...read('spec/trace-tlc.ts').matchAll(/'(\w+Inv)'/g)].map((match) => match[1]!);
    expect(asked.length).toBeGreaterThan(10);
    expect(only(asked, inSpec)).toEqual([]);
  });
});

/**
 * One name for one thing: an action of the specification, the event that tells of it, and the function tagged with it;
 * an invariant of the specification, and the function that checks it. Whatever stands alone is listed here, with why.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { BootId, Epoch, Incarnation, NodeId, SegmentId } from '../impl/core/ids.ts';
import { majority } from '../impl/core/raft/quorum.ts';
import { Recovery } from '../impl/core/segment/recovery.ts';
import type { Replica } from '../impl/core/segment/replica.ts';
import { MODELS } from '../spec/models.ts';
import { ACTIONS_OF } from './actions.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .filter((file) => !file.includes('node_modules') && !file.includes('build'))
    .map((file) => join(folder, file));
}

interface Spec {
  readonly module: keyof typeof ACTIONS_OF;
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
  LoseTail: 'what happens to a machine',
  ReplaceDisk: 'what happens to a machine',
};

/** What is a pure function has no trace: whoever calls it tells, in this file. */
const TOLD_ELSEWHERE: Readonly<Record<string, string>> = {
  ApplyCommand: 'impl/node/metadata-log.ts',
  RenewLease: 'impl/node/member.ts',
  ExpireLease: 'impl/node/member.ts',
};

/** What else tells of an action: a recoverer asks itself for a promise, without a message. */
const TOLD_TOO: Readonly<Record<string, string>> = {
  HandlePromiseRequest: 'impl/core/segment/failover.ts',
};

/** Properties of the specification alone. */
const SPEC_ONLY: Readonly<Record<string, string>> = {
  AbstractLogProp: 'a refinement; histories of clients are its counterpart (history.ts)',
  TypeInv: 'the compiler',
  RemovedIsSpareInv: 'LastCopyProp, when a disk is removed',
  ViewIsPastInv: 'ApplyCommandProp: each node is compared with the model',
  DeliveredOnceInv: 'ConsumedOnceProp, over what clients heard',
  SealedForeverProp: 'SealedExactInv, SealedCutProp',
  EpochsRiseProp: 'MonotonicPromiseProp, DurableSurvivesProp',
  DurablePromiseInv: 'OneVoteInTermProp, and the assertions of Raft',
  LeaderAppendOnlyProp: 'LogMatchingInv over all that was ever seen at an index',
  CommittedLogAppendOnlyProp: 'StateMachineSafetyInv over all that was ever committed',
  CommitMonotoneProp: 'MonotonicCommitProp',
  FailoverProgress: 'failoverProgress, after healing, within bounded time',
  DeletionProgress: 'deletionProgress, after healing, within bounded time',
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
  LastCopyProp: 'when a disk is given up is not modelled: there it is lost for good',
  MonotonicCommitProp: 'CommitMonotoneProp',
  OneVoteInTermProp: 'MayVote',
  LeaderIsKeptProp: 'elections may come at any time',
  LeaderIsHeardProp: 'CheckQuorum may come at any time',
  LogsMeetProp: 'messages may be sent as often as one likes',
  AckedIsReadableProp: 'AbstractLogProp',
  NothingInventedProp: 'AbstractLogProp',
  RealTimeOrderProp: 'AbstractLogProp',
  ConsumedOnceProp: 'DeliveredOnceInv',
  ReadIsTrueProp: 'AbstractLogProp',
  TopicIsKnownProp: 'ReadIndexInv',
  DeletedStaysDeletedProp: 'AbstractLogProp',
  DamageIsHiddenProp: 'over what clients heard',
  BatchIsWholeInv:
    'a batch is one step for each of its records there: nothing speaks of what stands between',
  BatchIsWholeProp: 'over what clients heard',
  RefusedIsAbsentProp: 'over what clients heard',
  TrimmedIsTrueProp: 'the guard of ReadRecord',
  HighWatermarkIsTrueProp: 'over what clients heard',
  ConditionHeldProp: 'over what clients heard',
  EmptyIsTrueProp: 'over what clients heard',
  NothingSkippedProp: 'over what clients heard, and the cursors',
  ConnectionOrderProp: 'over what clients heard',
  TimeoutIsFinalProp: 'over what clients heard',
  FewInVainProp: 'over the whole log: what it costs, not what it says',
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

/** Where an action is tagged or told of. */
interface Place {
  readonly action: string;
  readonly file: string;
  /** In the text of the file: of a tag, its function to the end; of an event, where it is emitted. */
  readonly from: number;
  readonly to: number;
}

function placesOf(pattern: RegExp, action: (match: RegExpExecArray) => string): Place[] {
  return sources('impl').flatMap((file) =>
    [...read(file).matchAll(pattern)].map((match) => {
      const from = match.index;
      return { action: action(match), file, from, to: from + match[0].length };
    }),
  );
}

/** The functions tagged `@spec module!action`: each ends at the brace that stands as far left as it begins. */
function taggedWith(module: string): Place[] {
  const inComment = '(?:(?!\\*/)[\\s\\S])*';
  const tag = `/\\*\\*${inComment}@spec ${module}!(\\w+)${inComment}\\*/`;
  const pattern = new RegExp(`^( *)${tag}\\n[\\s\\S]*?\\n\\1\\}`, 'gm');
  return placesOf(pattern, (match) => match[2]!);
}

const capitalized = (name: string): string => name[0]!.toUpperCase() + name.slice(1);

/** Where the code tells of an action: by name, or by the method of `Tracer` that has its name. */
const TOLD = placesOf(
  /\btrace\?\.(?:emit\(\{\s*name: '(\w+)'|(?!emit\b)(\w+)\()|this\.answer\('(\w+)'/g,
  ([, event, method, answer]) => event ?? answer ?? capitalized(method!),
);

const only = (a: Iterable<string>, b: ReadonlySet<string>): string[] =>
  [...a].filter((name) => !b.has(name)).sort();

describe.each(SPECS)('$module', (spec) => {
  const actions = actionsOf(spec);

  test('each action has its event, and each event its action', () => {
    const events = eventsOf(spec);
    expect(actions.size).toBeGreaterThan(20);
    expect(only(actions, events), 'actions without an event').toEqual([]);
    expect(only(events, actions), 'events without an action').toEqual([]);
    expect([...ACTIONS_OF[spec.module]].sort(), 'what runs count').toEqual([...actions].sort());
  });

  test('each action has one function, and each tag its action', () => {
    const tagged = taggedWith(spec.module).map(({ action }) => action);
    const written = sources('impl').flatMap((file) => [
      ...read(file).matchAll(new RegExp(`@spec ${spec.module}!`, 'g')),
    ]);
    expect(tagged.length, 'each tag stands above a function').toBe(written.length);
    expect(only(tagged, actions), 'tags of what is no action').toEqual([]);
    const missing = only(actions, new Set([...tagged, ...Object.keys(NOT_OF_THE_NODE)]));
    expect(missing, 'actions that no function is tagged with').toEqual([]);
    const twice = tagged.filter((action, i) => tagged.indexOf(action) !== i);
    expect(twice, 'actions with several functions').toEqual([]);
  });

  test('the function with the tag of an action emits its event, and no other does', () => {
    const tagged = taggedWith(spec.module);
    const tells = (place: Place, { action, file, from }: Place): boolean =>
      action === place.action &&
      (file === place.file
        ? place.from < from && from < place.to
        : file === TOLD_ELSEWHERE[action]);
    const silent = tagged.filter((place) => !TOLD.some((told) => tells(place, told)));
    expect(silent, 'functions that do not tell').toEqual([]);
    const stray = TOLD.filter(
      (told) =>
        actions.has(told.action) &&
        !(told.action in NOT_OF_THE_NODE) &&
        told.file !== TOLD_TOO[told.action] &&
        !tagged.some((place) => tells(place, told)),
    );
    expect(stray, 'events of functions without the tag').toEqual([]);
  });
});

test('a method of Tracer emits the event that has its name, and no other', () => {
  const methods = read('impl/core/tracer.ts').matchAll(/^ {2}(\w+)\(.*\n([\s\S]*?)^ {2}\}/gm);
  const emitted = [...methods].flatMap(([, method, body]) =>
    [...body!.matchAll(/\bname: '(\w+)'/g)].map(([, name]) => [capitalized(method!), name]),
  );
  expect(emitted.length).toBeGreaterThan(20);
  for (const [method, name] of emitted) expect(name).toBe(method);
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
    const asked = SPECS.flatMap(({ module }) => [
      ...read(`spec/Trace${module}.tla`).matchAll(/\b([A-Z]\w+Inv)\b/g),
      ...read('spec/trace-tlc.ts').matchAll(/'(\w+Inv)'/g),
    ]).map((match) => match[1]!);
    expect(asked.length).toBeGreaterThan(10);
    expect(only(asked, inSpec)).toEqual([]);
  });
});

/** The strings that stand in double quotes on those lines of a module that `about` is on. */
function stringsOn(about: RegExp, module: string): Set<string> {
  const lines = read(`spec/${module}.tla`)
    .split('\n')
    .filter((line) => about.test(line));
  return new Set(lines.flatMap((line) => [...line.matchAll(/"(\w+)"/g)].map(([, word]) => word!)));
}

/** The members of `type name = 'a' | 'b';`. */
function unionOf(name: string, file: string): Set<string> {
  const body = new RegExp(`type ${name} =([^;]*);`).exec(read(file))?.[1];
  if (body === undefined) throw new Error(`${file} has no ${name}`);
  return new Set([...body.matchAll(/'(\w+)'/g)].map(([, word]) => word!));
}

/** By kind, the names of the fields, in order. */
function fieldsByKind(text: string, record: RegExp, field: RegExp): [string, string[]][] {
  return [...text.matchAll(record)]
    .map(([, kind, rest]): [string, string[]] => [
      kind!,
      [...rest!.matchAll(field)].map(([, name]) => name!).sort(),
    ])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

describe('words', () => {
  test('commands of the metadata have the same kinds and fields', () => {
    /** How a node is reached, and what is kept how long: no promise depends on it. */
    const unsaid = new Set(['raftAddress', 'clientAddress', 'policy', 'bytes', 'atMs']);
    const inSpec = fieldsByKind(
      /^Commands ==\n([\s\S]*?)\n\n/m.exec(read('spec/DistributedLog.tla'))![1]!,
      /\[kind : \{"(\w+)"\},([^\]]*)\]/g,
      /(\w+) :/g,
    );
    const inCode = fieldsByKind(
      /^export type Command =\n([\s\S]*?\});$/m.exec(read('impl/core/metadata/commands.ts'))![1]!,
      /kind: '(\w+)';([^}]*)\}/g,
      /readonly (\w+):/g,
    );
    const said = inCode.map(([kind, names]) => [kind, names.filter((name) => !unsaid.has(name))]);
    expect(inSpec.length).toBe(14);
    expect(said).toEqual(inSpec);
  });

  test('a segment has the same states', () => {
    const states = stringsOn(/[.]state\b.*"|\[state \|->.*"/, 'DistributedLog');
    const inCode = unionOf('SegmentState', 'impl/core/metadata/cluster-state.ts');
    // What is not there has no record in the code.
    expect(states).toEqual(new Set([...inCode, 'none']));
  });

  test('a node has the same states', () => {
    const standings = stringsOn(/\bstanding (=|#|\|->)/, 'DistributedLog');
    expect(standings).toEqual(new Set(unionOf('NodeState', 'impl/core/metadata/cluster-state.ts')));
  });

  test('a node has the same roles in Raft', () => {
    const inCode = unionOf('Role', 'impl/core/raft/trace.ts');
    // A learner follows; that it has no vote is in the membership.
    expect(new Set([...stringsOn(/\brole\b/, 'MetadataRaft'), 'learner'])).toEqual(inCode);
  });

  test('the data plane has the same messages', () => {
    const inSpec = new Set(
      [...read('spec/DistributedLog.tla').matchAll(/\[type \|-> "(\w+)"/g)].map(
        ([, type]) => type!,
      ),
    );
    const inCode = new Set(
      [...read('impl/core/segment/messages.ts').matchAll(/readonly kind: '(\w+)'/g)].map(
        ([, kind]) => kind!,
      ),
    );
    // `Refuse` only makes a deposed owner give up sooner: to the specification the message it answers was lost.
    // Mending changes no end, and bytes are not modelled.
    expect(new Set([...inSpec, 'Refuse', 'MendRequest', 'Mend'])).toEqual(inCode);
  });
});

describe('rules and bounds', () => {
  test('a majority is the same everywhere', () => {
    expect(read('spec/DistributedLog.tla')).toContain(
      '\nIsMajority(Q, S) == 2 * Cardinality(Q) > Cardinality(S)\n',
    );
    expect(read('spec/MetadataRaft.tla')).toContain(
      '\nIsQuorum(set, voters) == 2 * Cardinality(set \\cap voters) > Cardinality(voters)\n',
    );
    for (let nodes = 1; nodes <= 7; nodes++) {
      for (let some = 1; some <= nodes; some++) {
        const is = 2 * some > nodes;
        expect(some >= majority(nodes), `${some} of ${nodes} voters`).toBe(is);
        const { count, writer } = recoveryWith(some, nodes);
        expect(count !== undefined, `${some} of ${nodes} promises`).toBe(is);
        expect(writer.majorityEnd() > 0, `${some} of ${nodes} copies`).toBe(is);
      }
    }
  });

  test('only the models have bounds, and each has all that its module asks for', () => {
    const configurations = readdirSync(join(ROOT, 'spec')).filter((file) => file.endsWith('.cfg'));
    for (const file of configurations) expect(read(`spec/${file}`), file).not.toMatch(/=/);
    for (const { name, module, constants } of MODELS) {
      const given = new Set(Object.keys(constants));
      expect(only(constantsOf(module), given), `${name} (${module})`).toEqual([]);
    }
  });
});

/** A recovery of a segment of so many replicas, some of which have promised and hold one record durably. */
function recoveryWith(some: number, nodes: number): Recovery {
  const replicas = Array.from({ length: nodes }, (_, i) => ({
    node: (i + 1) as NodeId,
    incarnation: 1 as Incarnation,
  }));
  const segment = {
    id: 1 as SegmentId,
    state: 'fenced',
    epoch: 2 as Epoch,
    owner: replicas[0]!.node,
    boot: 1 as BootId,
    replicas,
    baseOffset: 0,
    count: 0,
  } as const;
  const replica = { durableEnd: 1 } as Replica;
  const recovery = new Recovery(replica, segment as never, replicas[0]!.node);
  for (const record of replicas.slice(0, some)) recovery.promise(record, 1);
  return recovery;
}

/** The constants of a module and of those that it extends. */
function constantsOf(module: string): string[] {
  let text: string;
  try {
    text = read(`spec/${module}.tla`);
  } catch {
    return []; // one of TLA+'s own
  }
  const declared = /^CONSTANTS?\b([\s\S]*?)\n\n/m.exec(text)?.[1] ?? '';
  const names = declared
    .replace(/\\\*.*|\(\*[\s\S]*?\*\)/g, '')
    .split(',')
    .map((name) => name.trim());
  const extended = /^EXTENDS (.*)$/m.exec(text)?.[1]?.split(',') ?? [];
  return [...names.filter(Boolean), ...extended.flatMap((name) => constantsOf(name.trim()))];
}

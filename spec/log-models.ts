/** The models of DistributedLog: what holds, and what each of its guards is there for. */
import type { Model } from './model.ts';

/** Three nodes, one topic, two segments; n1 owns the first. Nothing goes wrong unless a model says so. */
const base = {
  Nodes: '{n1, n2, n3}',
  Holders: '{n1, n2, n3}',
  Names: '{"t"}',
  Topics: '{1}',
  Groups: '{"g"}',
  SegmentIds: '{1, 2}',
  Records: '{1, 2}',
  InitialLogs: '<- MCInitialLogs',
  ToldWatermark: '<- ToldIfRead',
  None: 'None',
  First: 'n1',
  Recoverers: '{}',
  NextOwners: '{n2}',
  Laggards: '{n1}',
  Crashers: '{}',
  Cut: '{}',
  Written: '{1, 2}',
  MaxCommits: '1',
  MaxFences: '0',
  MaxCrashes: '0',
  MaxReplacements: '0',
  MaxCount: '2',
  Features: '{}',
};

const invariants = [
  'TypeInv',
  'AckedIsDurableInv',
  'SealedExactInv',
  'DeletedStaysDeletedInv',
  'TrimmedPrefixInv',
  'SingleWriterInv',
  'NoWritesPastOpenInv',
  'SequentialOrderInv',
  'CursorBoundsInv',
  'DeliveredOnceInv',
  'DomainConsistencyInv',
  'ViewIsPastInv',
  'Reached',
];

const properties = [
  'SealedForeverProp',
  'EpochsRiseProp',
  'MonotonicCursorProp',
  'AbstractLogProp',
];

const safe = {
  module: 'MCDistributedLog',
  specification: 'MCSpec',
  invariants,
  properties,
} as const;

/** One record, one recoverer: enough for an owner to be deposed. */
const failover = {
  ...base,
  Records: '{1}',
  MaxCount: '1',
  Recoverers: '{n2}',
  Written: '{1}',
  MaxCommits: '2',
  MaxFences: '1',
} as const;

/** The owner and its recoverer only have the third node in common: what it takes to go wrong, and little else. */
const torn = { ...failover, Cut: '{{n1, n2}}' } as const;

/** The cursor moves; who cannot hear the owner reads nothing. */
const reading = {
  ...base,
  Features: '{"move"}',
  Cut: '{{n1, n3}}',
  MaxCommits: '2',
} as const;

/** A replica loses its disk, and gets back what a sealed segment had. */
const restore = {
  ...base,
  Records: '{1}',
  Written: '{1}',
  Laggards: '{}',
  Crashers: '{n3}',
  MaxCrashes: '1',
  MaxReplacements: '1',
  MaxCommits: '3',
  Features: '{"roll", "restore"}',
} as const;

/** The third node forgets what it told the other two. */
const amnesia = {
  ...torn,
  Laggards: '{}',
  Crashers: '{n3}',
  MaxCrashes: '1',
  MaxReplacements: '1',
  MaxCommits: '2',
  Features: '{"lapse"}',
} as const;

/** Two recoverers, of which the first is slow to hear of the second, and an owner that hears only one of them. */
const race = {
  ...failover,
  Recoverers: '{n2, n3}',
  Laggards: '{n2}',
  Cut: '{{n1, n2}}',
  MaxCommits: '3',
  MaxFences: '2',
} as const;

/** Topics have one segment, are deleted, and made again under their name. */
const deletion = {
  ...base,
  Topics: '{1, 2}',
  SegmentIds: '{1}',
  Written: '{1}',
  MaxCount: '1',
  MaxCommits: '3',
  Features: '{"delete"}',
} as const;

/** The owner does not hear that its topic is to end, and is fenced by one that it does not hear. */
const deletionByOthers = {
  ...deletion,
  Topics: '{1}',
  Records: '{1}',
  Recoverers: '{n2}',
  MaxFences: '1',
  Cut: '{{n1, n2}}',
} as const;

/** The first segment is sealed and forgotten; the first owner is late to hear of it. */
const trimming = {
  ...base,
  Records: '{1}',
  Written: '{1}',
  MaxCount: '1',
  Cut: '{{n1, n3}}',
  MaxCommits: '3',
  Features: '{"roll", "move", "trim"}',
} as const;

/** It has come so far, and the third node forgets what it promised. */
const release = {
  ...deletionByOthers,
  InitKnowledge: '<- LateKnowledge',
  Laggards: '{n1, n3}',
  Crashers: '{n3}',
  MaxCrashes: '1',
  Features: '{"delete", "rewind"}',
} as const;

/** Two nodes hold a segment. A copy is made on the third, who goes back to before it was. */
const relocation = {
  ...base,
  Holders: '{n1, n2}',
  Records: '{1}',
  Written: '{1}',
  MaxCount: '1',
  Laggards: '{}',
  Crashers: '{n3}',
  MaxCrashes: '1',
  MaxCommits: '4',
  Features: '{"roll", "relocate", "rewind"}',
} as const;

/** A model that leaves something out, and shows what happens then. */
function mustFail(
  name: string,
  about: string,
  fails: string,
  constants: Readonly<Record<string, string>>,
  more: Partial<Model> = {},
): Model {
  return {
    ...safe,
    name,
    about,
    kind: 'quick',
    constants,
    invariants: [fails],
    properties: [],
    expect: { fails },
    ...more,
  };
}

export const logModels: readonly Model[] = [
  {
    ...safe,
    name: 'MCRollover',
    about: 'a full segment is sealed by its owner, without faults',
    kind: 'quick',
    constants: { ...base, Features: '{"roll"}', Laggards: '{n1, n2}' },
    expect: { states: 1332 },
    reaches: ['acknowledged', 'sealed', 'writes in the next segment'],
  },
  {
    ...safe,
    name: 'MCFailover',
    about: 'an owner is fenced, rightly or not, and its segment recovered',
    kind: 'quick',
    constants: failover,
    expect: { states: 7710 },
    reaches: ['acknowledged', 'recovered', 'deposed and unaware', 'cut'],
  },
  {
    ...safe,
    name: 'MCOwnerCrash',
    about: 'an owner cut off from its recoverer crashes, loses what it had not synced, and returns',
    kind: 'quick',
    constants: { ...torn, Laggards: '{}', Crashers: '{n1}', MaxCrashes: '1', MaxCommits: '2' },
    expect: { states: 2395 },
    reaches: ['acknowledged', 'recovered', 'lost records at a crash', 'restarted owner'],
  },
  {
    ...safe,
    name: 'MCReplicaCrash',
    about: 'a replica crashes, forgets what it had not synced, and keeps its promise',
    kind: 'quick',
    constants: { ...torn, Crashers: '{n3}', MaxCrashes: '1' },
    expect: { states: 3511 },
    reaches: ['acknowledged', 'recovered', 'lost records at a crash'],
  },
  {
    ...safe,
    name: 'MCDiskLoss',
    about: 'a replica comes back with an empty disk, and is not believed',
    kind: 'quick',
    constants: {
      ...torn,
      Laggards: '{}',
      Crashers: '{n3}',
      MaxCrashes: '1',
      MaxReplacements: '1',
      MaxCommits: '2',
    },
    expect: { states: 6599 },
    reaches: ['acknowledged', 'recovered', 'replaced disk'],
  },
  {
    ...safe,
    name: 'MCAmnesia',
    about: 'a replica comes back with less than it said it had, is not believed, and starts anew',
    kind: 'quick',
    constants: amnesia,
    expect: { states: 11692 },
    reaches: [
      'acknowledged',
      'recovered',
      'lost what it said it had',
      'broke a promise and is not believed',
      'replaced disk',
    ],
  },
  {
    ...safe,
    name: 'MCReading',
    about: 'the shared cursor moves over what is safe, and each record is delivered once',
    kind: 'quick',
    constants: { ...reading, Features: '{"move", "read"}' },
    expect: { states: 899 },
    reaches: ['acknowledged', 'delivered'],
  },
  {
    ...safe,
    name: 'MCRestore',
    about: 'an empty disk fetches what it lacks of a sealed segment, and counts again',
    kind: 'quick',
    constants: restore,
    expect: { states: 2659 },
    reaches: ['acknowledged', 'sealed', 'replaced disk', 'restored replica'],
  },
  {
    ...safe,
    name: 'MCLeases',
    about: 'leases come and go as they please',
    kind: 'quick',
    constants: { ...torn, Features: '{"lease"}' },
    expect: { states: 2237 },
    reaches: ['acknowledged', 'recovered'],
  },
  {
    ...safe,
    name: 'MCForget',
    about: 'a restarted node knows the metadata only as it was some time ago, or takes a snapshot',
    kind: 'quick',
    constants: {
      ...torn,
      Crashers: '{n3}',
      MaxCrashes: '1',
      Laggards: '{n3}',
      Features: '{"forget"}',
    },
    expect: { states: 2598 },
    reaches: ['acknowledged', 'recovered', 'lost records at a crash'],
  },
  {
    ...safe,
    name: 'MCMove',
    about: 'a copy of a sealed segment is moved to a node that crashes, and the old one dropped',
    kind: 'quick',
    constants: relocation,
    expect: { states: 1881 },
    reaches: ['acknowledged', 'sealed', 'moved', 'dropped', 'gone back to before a move'],
  },
  {
    ...safe,
    name: 'MCMoveBack',
    about: 'a copy is moved, and moved back to the node that had it first, which crashes',
    kind: 'nightly',
    constants: { ...relocation, Crashers: '{n2}', MaxCommits: '6' },
    expect: {},
    reaches: ['acknowledged', 'sealed', 'moved', 'dropped'],
  },
  {
    ...safe,
    name: 'MCDelete',
    about:
      'a topic is deleted, and another one has its name; the first owner is late to hear of it',
    kind: 'quick',
    constants: deletion,
    expect: { states: 645 },
    reaches: ['acknowledged', 'deleted', 'made again'],
  },
  {
    ...safe,
    name: 'MCDeleteByOthers',
    about: 'a topic is deleted while its owner is cut off: it is fenced first',
    kind: 'quick',
    constants: { ...deletionByOthers, Topics: '{1, 2}', MaxCommits: '4' },
    expect: { states: 1131 },
    reaches: ['acknowledged', 'deleted', 'owns what is deleted'],
  },
  {
    ...safe,
    name: 'MCRelease',
    about: 'what is deleted goes from the disk with the metadata in which it is',
    kind: 'quick',
    constants: { ...release, Laggards: '{n1}' },
    expect: { states: 9949 },
    reaches: ['acknowledged', 'deleted', 'released'],
  },
  {
    ...safe,
    name: 'MCTrim',
    about:
      'a topic forgets its first segment, and cursors move up; the first owner is late to hear of it',
    kind: 'quick',
    constants: trimming,
    expect: { states: 156 },
    reaches: ['acknowledged', 'sealed', 'trimmed', 'moved up', 'delivered'],
  },
  {
    ...safe,
    name: 'MCDeleteLiveness',
    about: 'a topic that is to be deleted is, also if its owner dies',
    kind: 'quick',
    specification: 'FairSpec',
    constants: {
      ...deletionByOthers,
      MaxCommits: '4',
      Crashers: '{n1}',
      MaxCrashes: '1',
      Laggards: '{}',
    },
    invariants: [],
    properties: ['DeletionProgress'],
    expect: { states: 8283 },
  },
  {
    ...safe,
    name: 'MCFailoverLiveness',
    about: 'a dead owner is replaced',
    kind: 'quick',
    specification: 'FairSpec',
    constants: { ...torn, MaxCommits: '3', Crashers: '{n1}', MaxCrashes: '1', Laggards: '{}' },
    invariants: [],
    properties: ['FailoverProgress'],
    expect: { states: 2785 },
  },
  {
    ...safe,
    name: 'MCProgress',
    about: 'full segments roll, fenced ones too, and what is safe is read',
    kind: 'quick',
    specification: 'FairSpec',
    constants: { ...torn, Features: '{"roll", "move"}', Laggards: '{}', MaxCommits: '3' },
    invariants: [],
    properties: ['FullRolls', 'ReadProgress'],
    expect: { states: 710 },
  },
  {
    ...safe,
    name: 'MCOwnerCrashWide',
    about: 'as MCOwnerCrash, and all nodes hear of each other',
    kind: 'full',
    constants: { ...failover, Laggards: '{}', Crashers: '{n1}', MaxCrashes: '1' },
    expect: { states: 31110 },
    reaches: ['acknowledged', 'recovered', 'lost records at a crash', 'restarted owner'],
  },
  {
    ...safe,
    name: 'MCReplicaCrashWide',
    about: 'as MCReplicaCrash, and all nodes hear of each other',
    kind: 'nightly',
    constants: { ...failover, Crashers: '{n3}', MaxCrashes: '1' },
    expect: {},
    reaches: ['acknowledged', 'recovered', 'lost records at a crash'],
  },
  {
    ...safe,
    name: 'MCDiskLossWide',
    about: 'as MCDiskLoss, and all nodes hear of each other',
    kind: 'nightly',
    constants: {
      ...failover,
      Laggards: '{}',
      Crashers: '{n3}',
      MaxCrashes: '1',
      MaxReplacements: '1',
    },
    expect: {},
    reaches: ['acknowledged', 'recovered', 'replaced disk'],
  },
  {
    ...safe,
    name: 'MCRecovererRace',
    about: 'two recoverers race, of which the first learns late of the second',
    kind: 'full',
    constants: race,
    expect: { states: 31621 },
    reaches: ['acknowledged', 'recovered', 'two recoverers', 'cut'],
  },
  {
    ...safe,
    name: 'MCAnyFence',
    about: 'two recoverers, and a fence for whatever epoch the segment has: no promise is broken',
    kind: 'full',
    constants: { ...race, Laggards: '{}', Fits: '<- FitsAnyFence' },
    expect: { states: 45376 },
    reaches: ['acknowledged', 'recovered', 'cut'],
  },
  {
    ...safe,
    name: 'MCRecovererRaceUnaware',
    about: 'as MCRecovererRace, and the owner learns late of both',
    kind: 'nightly',
    constants: { ...race, Laggards: '{n1, n2}' },
    expect: {},
    reaches: ['acknowledged', 'recovered', 'two recoverers', 'cut', 'deposed and unaware'],
  },
  {
    ...safe,
    name: 'MCRecovererRaceWide',
    about: 'as MCRecovererRace, everybody late, all nodes hear of each other: random walks',
    kind: 'full',
    constants: { ...race, Laggards: '{n1, n2, n3}', Cut: '{}' },
    expect: {},
    constraint: 'Solid',
    simulate: { walks: 400, depth: 80 },
    reaches: ['acknowledged', 'recovered', 'two recoverers', 'cut'],
  },
  {
    ...safe,
    name: 'MCEverything',
    about: 'all faults and features together, two records a segment, random walks',
    kind: 'full',
    constants: {
      ...base,
      SegmentIds: '{1, 2, 3}',
      Records: '{1, 2, 3, 4}',
      Recoverers: '{n1, n2, n3}',
      NextOwners: '{n1, n2, n3}',
      Laggards: '{n1, n2, n3}',
      Crashers: '{n1, n2, n3}',
      Written: '{1, 2, 3}',
      MaxCommits: '12',
      MaxFences: '3',
      MaxCrashes: '3',
      MaxReplacements: '1',
      Features: '{"roll", "restore", "read", "move", "again", "lease", "forget"}',
    },
    expect: {},
    constraint: 'Solid',
    simulate: { walks: 200, depth: 150 },
    reaches: ['acknowledged', 'sealed', 'recovered', 'delivered', 'writes in the next segment'],
  },
  mustFail(
    'MCNobodyFences',
    'an owner dies and nobody fences its segment',
    'FailoverProgress',
    { ...torn, MaxFences: '0', Crashers: '{n1}', MaxCrashes: '1' },
    { specification: 'FairSpec', invariants: [], properties: ['FailoverProgress'] },
  ),
  mustFail(
    'MCMoveUnsynced',
    'a copy takes the place of another before it is durable',
    'SealedExactInv',
    { ...relocation, IsCopied: '<- IsCopiedInMemory' },
  ),
  mustFail('MCMoveCounted', 'a copy that is being made counts', 'SealedExactInv', {
    ...relocation,
    ApplyTo: '<- CountedAtOnce',
  }),
  mustFail(
    'MCDropAsKnown',
    'a copy is dropped because a node that went back does not know yet that it was begun',
    'SealedExactInv',
    { ...relocation, Released: '<- ReleasedAsKnown' },
  ),
  mustFail(
    'MCDeleteByName',
    'a topic is what has its name: the next one has what is left of the one before',
    'DeletedStaysDeletedInv',
    { ...deletion, NewTopic: '<- NewTopicByName' },
  ),
  mustFail(
    'MCTrimOpen',
    'a topic is trimmed in the midst of a segment that is open',
    'TrimmedPrefixInv',
    { ...trimming, MaxCommits: '1', Fits: '<- FitsAnyTrim' },
  ),
  mustFail(
    'MCTrimByName',
    'a trim that is late reaches the topic that has the name by then',
    'TrimmedPrefixInv',
    {
      ...trimming,
      Records: '{1, 2}',
      Topics: '{1, 2}',
      MaxCommits: '6',
      Features: '{"roll", "delete", "trim"}',
      Laggards: '{}',
      Fits: '<- FitsByName',
      ApplyTo: '<- ApplyByName',
    },
  ),
  mustFail(
    'MCReleaseAtOnce',
    'promises for what is deleted are forgotten, and a restart goes back to before',
    'SealedExactInv',
    { ...release, Released: '<- ReleasedAtOnce' },
  ),
  mustFail(
    'MCServeGone',
    'what is deleted is served by who has forgotten its promise',
    'SealedExactInv',
    {
      ...release,
      Serves: '<- ServesAll',
    },
  ),
  mustFail('MCNoFencing', 'replicas promise an epoch and obey lower ones', 'SealedExactInv', {
    ...torn,
    Obeys: '<- ObeysAnyone',
    DurablyPromised: '<- PromisedThat',
  }),
  mustFail('MCNoPromise', 'the recoverer asks for ends and not for promises', 'SealedExactInv', {
    ...torn,
    Raised: '<- NotRaised',
    DurablyPromised: '<- Anything',
  }),
  mustFail(
    'MCStaleAck',
    'a replica acknowledges for an epoch lower than it promised',
    'SealedExactInv',
    { ...failover, Cut: '{{n1, n3}}', DurablyPromised: '<- PromisedThat' },
  ),
  mustFail('MCOwnerBreaksPromise', 'an owner that promised appends', 'SealedExactInv', {
    ...failover,
    Cut: '{{n2, n3}}',
    KeepsPromise: '<- KeepsNoPromise',
  }),
  mustFail(
    'MCUpstreamRollover',
    'the count to seal is read, and appending goes on',
    'SealedExactInv',
    {
      ...base,
      Features: '{"roll"}',
      MayAppend: '<- MayAppendAlways',
    },
  ),
  mustFail('MCAckBeforeSync', 'a replica acknowledges what it has written', 'AckedIsDurableInv', {
    ...base,
    Crashers: '{n3}',
    AckedEnd: '<- WrittenEnd',
  }),
  mustFail(
    'MCAckBeforeQuorum',
    'the client is told OK when the owner has the record',
    'AckedIsDurableInv',
    {
      ...base,
      Records: '{1}',
      HeldByMajority: '<- HeldByOne',
    },
  ),
  mustFail('MCResumeEpoch', 'a restarted owner goes on under its old epoch', 'SingleWriterInv', {
    ...base,
    Crashers: '{n1}',
    MaxCrashes: '1',
    GrantedTo: '<- GrantedToNode',
  }),
  mustFail(
    'MCFirstPromise',
    'the segment is sealed at the end of any replica that promised',
    'SealedExactInv',
    {
      ...torn,
      RecoveredCounts: '<- AnyPromisedCount',
    },
  ),
  mustFail('MCForgetPromise', 'a promise is given before it is on disk', 'SealedExactInv', {
    ...torn,
    Crashers: '{n3}',
    MaxCrashes: '1',
    DurablyPromised: '<- PromisedInMemory',
  }),
  mustFail('MCRestartForgetsPromise', 'a promise on disk is not read again', 'SealedExactInv', {
    ...torn,
    Crashers: '{n3}',
    MaxCrashes: '1',
    KeptPromise: '<- NoPromise',
  }),
  mustFail('MCOnePromise', 'one promise decides where the segment ends', 'SealedExactInv', {
    ...torn,
    RecoveredCounts: '<- AnyHeldCount',
  }),
  mustFail('MCSealUncopied', 'a recoverer seals what a minority holds', 'SealedExactInv', {
    ...torn,
    Crashers: '{n1}',
    RecoveredCounts: '<- LongestCount',
  }),
  mustFail('MCSealUnsafe', 'an owner seals what a minority holds', 'SealedExactInv', {
    ...base,
    Features: '{"roll"}',
    MayPropose: '<- MayProposeUnsafe',
  }),
  mustFail('MCRestoreUnsynced', 'a copy counts before it is durable', 'SealedExactInv', {
    ...restore,
    MayPropose: '<- MayProposeUnsynced',
  }),
  mustFail('MCAnySegment', 'a seal is for whatever segment is open', 'SealedExactInv', {
    ...base,
    SegmentIds: '{1, 2, 3}',
    Records: '{1}',
    MaxCommits: '2',
    Features: '{"roll"}',
    Fits: '<- FitsOpen',
    ApplyTo: '<- ApplyToOpen',
  }),
  mustFail(
    'MCAnyCursor',
    'a cursor goes where the command says, wherever it stands',
    'MonotonicCursorProp',
    { ...reading, MaxCommits: '3', Fits: '<- FitsAnyCursor' },
    { invariants: [], properties: ['MonotonicCursorProp'] },
  ),
  mustFail('MCEmptyDiskVotes', 'an empty disk under an old name counts', 'SealedExactInv', {
    ...torn,
    Laggards: '{}',
    Crashers: '{n3}',
    MaxCrashes: '1',
    MaxReplacements: '1',
    Counts: '<- CountsAnyDisk',
  }),
  mustFail('MCAmnesiacCounts', 'a disk that lost what it said it had counts', 'SealedExactInv', {
    ...amnesia,
    MaxReplacements: '0',
    Believes: '<- BelievesAnyone',
  }),
  mustFail(
    'MCNobodyRemembers',
    'it counts with those who never heard of it, while those who did are cut off',
    'SealedExactInv',
    { ...amnesia, MaxReplacements: '0', Believes: '<- BelievesUntold' },
  ),
  mustFail('MCRecovererAdvances', 'a recoverer moves the high watermark', 'SealedExactInv', {
    ...failover,
    Cut: '{{n1, n3}}',
    MayAdvance: '<- Writes',
  }),
  mustFail('MCRecovererUnsynced', 'a recoverer counts what it has only written', 'SealedExactInv', {
    ...torn,
    Crashers: '{n1, n2}',
    OwnEnd: '<- WrittenEnd',
  }),
  mustFail('MCDeliverTwice', 'whoever sees the cursor move delivers', 'DeliveredOnceInv', {
    ...base,
    Records: '{1}',
    Features: '{"move"}',
    Asked: '<- AskedBySomebody',
  }),
  mustFail('MCReadUnsafe', 'the cursor moves over records that are not safe', 'CursorBoundsInv', {
    ...base,
    Records: '{1}',
    Features: '{"move"}',
    KnownEnd: '<- WrittenTopicEnd',
  }),
  mustFail(
    'MCRepeatedRequest',
    'a request that the network repeats is done twice',
    'SequentialOrderInv',
    {
      ...base,
      IsNew: '<- Repeatable',
    },
  ),
];

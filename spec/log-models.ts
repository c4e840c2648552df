/** The models of DistributedLog: what holds, and what each of its guards is there for. */
import type { Model } from './models.ts';

/** Three nodes, one topic, two segments; n1 owns the first. Nothing goes wrong unless a model says so. */
const base = {
  Nodes: '{n1, n2, n3}',
  Topics: '{"t"}',
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
    expect: {},
    reaches: ['acknowledged', 'sealed', 'writes in the next segment'],
  },
  {
    ...safe,
    name: 'MCFailover',
    about: 'an owner is fenced, rightly or not, and its segment recovered',
    kind: 'quick',
    constants: failover,
    expect: {},
    reaches: ['acknowledged', 'recovered', 'deposed and unaware', 'cut'],
  },
  {
    ...safe,
    name: 'MCOwnerCrash',
    about: 'an owner crashes, loses what it had not synced, returns, and is recovered from',
    kind: 'quick',
    constants: { ...failover, Laggards: '{}', Crashers: '{n1}', MaxCrashes: '1', MaxCommits: '2' },
    expect: {},
    reaches: ['acknowledged', 'recovered', 'lost records at a crash', 'restarted owner'],
  },
  {
    ...safe,
    name: 'MCReplicaCrash',
    about: 'a replica crashes, forgets what it had not synced, and keeps its promise',
    kind: 'quick',
    constants: { ...failover, Crashers: '{n3}', MaxCrashes: '1' },
    expect: {},
    reaches: ['acknowledged', 'recovered', 'lost records at a crash'],
  },
  {
    ...safe,
    name: 'MCDiskLoss',
    about: 'a replica comes back with an empty disk, and is not believed',
    kind: 'quick',
    constants: {
      ...failover,
      Laggards: '{}',
      Crashers: '{n3}',
      MaxCrashes: '1',
      MaxReplacements: '1',
      MaxCommits: '2',
    },
    expect: {},
    reaches: ['acknowledged', 'recovered', 'replaced disk'],
  },
  {
    ...safe,
    name: 'MCReading',
    about: 'the shared cursor moves over what is safe, and each record is delivered once',
    kind: 'quick',
    constants: {
      ...base,
      Features: '{"move", "read"}',
      Laggards: '{n1, n2}',
      MaxCommits: '2',
      Records: '{1, 2}',
    },
    expect: {},
    reaches: ['acknowledged', 'delivered'],
  },
  {
    ...safe,
    name: 'MCRestore',
    about: 'an empty disk fetches what it lacks of a sealed segment, and counts again',
    kind: 'quick',
    constants: {
      ...base,
      Records: '{1}',
      Written: '{1}',
      Laggards: '{}',
      Crashers: '{n3}',
      MaxCrashes: '1',
      MaxReplacements: '1',
      MaxCommits: '3',
      Features: '{"roll", "restore"}',
    },
    expect: {},
    reaches: ['acknowledged', 'sealed', 'replaced disk', 'restored replica'],
  },
  {
    ...safe,
    name: 'MCLeases',
    about: 'leases come and go as they please',
    kind: 'quick',
    constants: { ...torn, Features: '{"lease"}' },
    expect: {},
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
    expect: {},
    reaches: ['acknowledged', 'recovered', 'lost records at a crash'],
  },
  {
    ...safe,
    name: 'MCLiveness',
    about: 'full segments roll and dead owners are replaced',
    kind: 'quick',
    specification: 'FairSpec',
    constants: { ...torn, Features: '{"roll"}', Crashers: '{n1}', MaxCrashes: '1', Laggards: '{}' },
    invariants: [],
    properties: ['FullRolls', 'FailoverProgress'],
    expect: {},
  },
  {
    ...safe,
    name: 'MCReadLiveness',
    about: 'what is safe is read',
    kind: 'quick',
    specification: 'FairSpec',
    constants: { ...torn, Features: '{"roll", "move"}', Laggards: '{}', MaxCommits: '3' },
    invariants: [],
    properties: ['ReadProgress'],
    expect: {},
  },
  mustFail(
    'MCNobodyFences',
    'an owner dies and nobody fences its segment',
    'FailoverProgress',
    { ...torn, MaxFences: '0', Crashers: '{n1}', MaxCrashes: '1' },
    { specification: 'FairSpec', invariants: [], properties: ['FailoverProgress'] },
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
    {
      ...failover,
      Nodes: '{n1, n2, n3, n4, n5}',
      Cut: '{{n1, n5}, {n3, n4}, {n3, n5}, {n4, n5}}',
      DurablyPromised: '<- PromisedThat',
    },
    { kind: 'full', constraint: 'StaleAckPath' },
  ),
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
    Records: '{1}',
    Crashers: '{n3}',
    AckedEnd: '<- WrittenEnd',
    DurablyPromised: '<- PromisedInMemory',
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
  mustFail('MCEmptyDiskVotes', 'an empty disk under an old name counts', 'SealedExactInv', {
    ...torn,
    Laggards: '{}',
    Crashers: '{n3}',
    MaxCrashes: '1',
    MaxReplacements: '1',
    Counts: '<- CountsAnyDisk',
  }),
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

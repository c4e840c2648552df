/** The models of MetadataRaft. */
import type { Model } from './model.ts';

const INVARIANTS = [
  'ElectionSafetyInv',
  'LogMatchingInv',
  'LeaderCompletenessInv',
  'StateMachineSafetyInv',
  'DurablePromiseInv',
  'ReadIndexInv',
];
const PROPERTIES = [
  'CommittedLogAppendOnlyProp',
  'MonotonicTermProp',
  'CommitMonotoneProp',
  'LeaderAppendOnlyProp',
];

/** What is left out unless a model asks for it, and how the rest is bounded (MCMetadataRaft). */
const BOUNDS = {
  StartPreVote: '<- Never',
  RequestPreVote: '<- Never',
  PreVoteWon: '<- Always',
  Timeout: '<- MCTimeout_anyTime',
  TransferLeadership: '<- NeverWith',
  RequestReadIndex: '<- NeverWith',
  ProposeMembership: '<- NeverWith',
  Compact: '<- NeverWith',
  InstallSnapshot: '<- NeverWithThree',
  ClientRequest: '<- MCClientRequest',
  AppendEntries: '<- MCAppendEntries',
  Persist: '<- MCPersist_atOnce',
  Recover: '<- MCRecover',
  HandlePreVoteRequest: '<- MCHandlePreVoteRequest',
  HandleRequestVoteRequest: '<- MCHandleRequestVoteRequest',
  HandleAppendEntriesRequest: '<- MCHandleAppendEntriesRequest',
};
type Bound = keyof typeof BOUNDS;

interface Sizes {
  readonly terms: number;
  readonly entries: number;
  readonly batches?: number;
}

function constants(
  { terms, entries, batches = 1 }: Sizes,
  unbounded: readonly Bound[] = [],
  replaced: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const kept = Object.entries(BOUNDS).filter(([name]) => !unbounded.includes(name as Bound));
  return {
    n1: 'n1',
    n2: 'n2',
    n3: 'n3',
    Nodes: '{n1, n2, n3}',
    Founders: '{n1, n2, n3}',
    MaxTerm: `${terms}`,
    MaxLog: `${entries}`,
    MaxBatches: `${batches}`,
    ...Object.fromEntries(kept),
    ...replaced,
  };
}

const COMMON = {
  module: 'MCMetadataRaft',
  specification: 'MCSpec',
  actionConstraint: 'SpeakFirst',
};

/** Founders are alike as long as none of them has a part to play at the beginning. */
function symmetryOf(constantsOf: Record<string, string>): Pick<Model, 'symmetry'> {
  return 'Init' in constantsOf ? {} : { symmetry: 'Symmetry' };
}

const PRE_VOTE: readonly Bound[] = ['RequestPreVote', 'PreVoteWon'];
const WITH_PRE_VOTE = {
  StartPreVote: '<- MCStartPreVote',
  Timeout: '<- MCTimeout',
  TransferLeadership: '<- MCTransferLeadership',
};
const LED = { Init: '<- InitLed' };
const BATCHES = { Persist: '<- MCPersist' };
const READS = { ...LED, RequestReadIndex: '<- MCRequestReadIndex' };
const SNAPSHOTS = { ...LED, InstallSnapshot: '<- MCInstallSnapshot' };
const MEMBERSHIP = { ...LED, ProposeMembership: '<- MCProposeMembership' };
const PRE_VOTE_LED = { ...LED, ...WITH_PRE_VOTE };
const NOOPS_ONLY = { ClientRequest: '<- Never', Recover: '<- NeverWith' };
/** A leader leads until it crashes or hears of a later term. */
const STEADY = { CheckQuorum: '<- Never' };
const TWO_NODES = { Nodes: '{n1, n2}', Founders: '{n1, n2}' };
/** Neither crashes nor clients. */
const CALM = { ...NOOPS_ONLY, ...STEADY };
const ONE_BY_ONE = { AppendEntries: '<- MCAppendEntries_oneByOne' };
/** Nobody else stands for election. */
const ONE_TERM = { Timeout: '<- Never' };
const FIGURE_8 = {
  ...CALM,
  Init: '<- InitFigure8',
  ...ONE_BY_ONE,
};

/** What a model has whatever is expected of it. */
function common(
  name: string,
  kind: Model['kind'],
  about: string,
  constantsOf: Record<string, string>,
): Omit<Model, 'expect'> {
  return { ...COMMON, ...symmetryOf(constantsOf), name, about, kind, constants: constantsOf };
}

function fails(
  name: string,
  about: string,
  invariant: string,
  constantsOf: Record<string, string>,
  kind: Model['kind'] = 'quick',
): Model {
  return {
    ...common(name, kind, about, constantsOf),
    invariants: [invariant],
    expect: { fails: invariant },
  };
}

/** All of the invariants and properties hold. */
function holds(
  name: string,
  kind: Model['kind'],
  about: string,
  constantsOf: Record<string, string>,
  states?: number,
): Model {
  return {
    ...common(name, kind, about, constantsOf),
    invariants: INVARIANTS,
    properties: PROPERTIES,
    expect: states === undefined ? {} : { states },
  };
}

export const raftModels: readonly Model[] = [
  {
    ...holds(
      'MCRaft',
      'quick',
      'one election with crashes; the refinement of the committed log',
      constants({ terms: 2, entries: 2 }),
      2488,
    ),
    properties: [...PROPERTIES, 'RefinesCommittedLog'],
  },
  holds(
    'MCRaftBatches',
    'quick',
    'two batches at a time on their way to each of two disks, and crashes, under one leader',
    constants({ terms: 2, entries: 3, batches: 2 }, [], {
      ...BATCHES,
      ...LED,
      ...ONE_TERM,
      ...TWO_NODES,
    }),
    10635,
  ),
  holds(
    'MCRaftPreVote',
    'quick',
    'two nodes hand over leadership, and ask whether they would be voted for',
    constants({ terms: 3, entries: 2 }, PRE_VOTE, { ...PRE_VOTE_LED, ...CALM, ...TWO_NODES }),
    1784,
  ),
  holds(
    'MCRaftReads',
    'quick',
    'reads by read index',
    constants({ terms: 2, entries: 2 }, [], { ...READS, ...CALM, ...ONE_TERM, ...ONE_BY_ONE }),
    206,
  ),
  holds(
    'MCRaftSnapshot',
    'quick',
    'logs are compacted and snapshots installed',
    constants({ terms: 2, entries: 2 }, ['Compact'], {
      ...SNAPSHOTS,
      ...CALM,
      ...ONE_TERM,
      ...ONE_BY_ONE,
    }),
    492,
  ),
  holds(
    'MCRaftMembership',
    'quick',
    'members are removed, one at a time',
    constants({ terms: 2, entries: 3 }, [], { ...MEMBERSHIP, ...CALM, ...ONE_TERM, ...ONE_BY_ONE }),
    507,
  ),
  holds(
    'MCRaftFigure8',
    'nightly',
    'figure 8 of the Raft paper, from (c) on, without crashes',
    constants({ terms: 5, entries: 3 }, [], FIGURE_8),
  ),
  holds(
    'MCRaftTerms',
    'full',
    'a leader is followed by another, without crashes',
    constants({ terms: 3, entries: 2 }, [], { ...LED, ...CALM, ...ONE_BY_ONE }),
    18408,
  ),
  holds(
    'MCRaftReadsDeposed',
    'nightly',
    'reads by read index, from a leader that may be deposed, without crashes',
    constants({ terms: 3, entries: 2 }, [], { ...READS, ...CALM, ...ONE_BY_ONE }),
  ),
  holds(
    'MCRaftSnapshotDeposed',
    'nightly',
    'snapshots from a leader that may be deposed, without crashes',
    constants({ terms: 3, entries: 2 }, ['Compact'], { ...SNAPSHOTS, ...CALM, ...ONE_BY_ONE }),
  ),
  holds(
    'MCRaftMembershipDeposed',
    'nightly',
    'members are removed by leaders that may be deposed, without crashes',
    constants({ terms: 3, entries: 3 }, [], { ...MEMBERSHIP, ...CALM, ...ONE_BY_ONE }),
  ),
  holds(
    'MCRaftBatchesElection',
    'nightly',
    'two batches at a time on their way to each disk, from the first election on',
    constants({ terms: 2, entries: 2, batches: 2 }, [], BATCHES),
  ),
  holds(
    'MCRaftPreVoteElection',
    'nightly',
    'as MCRaftPreVote, from the first election on, with crashes and entries of clients',
    constants({ terms: 2, entries: 2 }, PRE_VOTE, WITH_PRE_VOTE),
  ),
  holds(
    'MCRaftTermsCrashes',
    'nightly',
    'a leader is followed by another, with crashes',
    constants({ terms: 3, entries: 2 }, [], { ...LED, ...STEADY }),
  ),
  holds(
    'MCRaftTwoElections',
    'nightly',
    'two elections from the very beginning',
    constants({ terms: 3, entries: 2 }),
  ),
  holds(
    'MCRaftEntries',
    'nightly',
    'as MCRaftTwoElections, an entry more',
    constants({ terms: 3, entries: 3 }),
  ),
  fails(
    'MCVoteTwice',
    'a vote is not remembered: a node that restarts gives a second one in the same term',
    'ElectionSafetyInv',
    constants({ terms: 2, entries: 2 }, [], { VoteIn: '<- NoVoteIn' }),
  ),
  fails(
    'MCAckBeforePersist',
    'answers leave before the disk has what they say',
    'ElectionSafetyInv',
    constants({ terms: 2, entries: 2 }, [], { SendWhenDurable: '<- SendBeforePersist' }),
  ),
  fails(
    'MCNoLogCheck',
    'votes go to candidates whose log lacks what is decided',
    'LeaderCompletenessInv',
    constants({ terms: 3, entries: 2 }, [], { ...LED, UpToDate: '<- AnyLog' }),
  ),
  fails(
    'MCCountOldTerm',
    'an entry of an earlier term is taken for decided because a majority has it (figure 8)',
    'StateMachineSafetyInv',
    constants({ terms: 5, entries: 3 }, [], {
      ...FIGURE_8,
      MayCount: '<- CountAnyTerm',
    }),
  ),
  fails(
    'MCOverlappingChange',
    'a membership is changed while an earlier change is not decided',
    'LeaderCompletenessInv',
    constants({ terms: 3, entries: 4 }, [], {
      ...MEMBERSHIP,
      ...NOOPS_ONLY,
      AppendEntries: '<- NeverWithFour',
      MayChangeMembership: '<- Always',
    }),
  ),
  fails(
    'MCTwoChanges',
    'more than one voter is changed at a time',
    'LeaderCompletenessInv',
    constants({ terms: 3, entries: 3 }, [], {
      ...MEMBERSHIP,
      ...NOOPS_ONLY,
      AppendEntries: '<- NeverWithFour',
      OneChange: '<- AnyChange',
    }),
  ),
  fails(
    'MCStaleTruncate',
    'an old request cuts off what was appended after it',
    'StateMachineSafetyInv',
    constants({ terms: 2, entries: 3 }, [], { Merge: '<- CutAfter' }),
  ),
  fails(
    'MCStaleRead',
    'a leader answers reads without proof that it still leads',
    'ReadIndexInv',
    constants({ terms: 3, entries: 2 }, [], {
      ...READS,
      ...CALM,
      IsProven: '<- ProvenByItself',
    }),
    'full',
  ),
  fails(
    'MCReachesTwoLeaders',
    'probe: leaders of two terms',
    'OneIsElectedProbe',
    constants({ terms: 3, entries: 2 }, [], LED),
  ),
  fails(
    'MCReachesMembership',
    'probe: a change of members is decided',
    'NoMembershipIsDecidedProbe',
    constants({ terms: 2, entries: 3 }, [], MEMBERSHIP),
  ),
  fails(
    'MCReachesSnapshot',
    'probe: a snapshot is installed',
    'NoSnapshotIsInstalledProbe',
    constants({ terms: 2, entries: 2 }, ['Compact'], SNAPSHOTS),
  ),
  fails(
    'MCReachesRead',
    'probe: a read is served',
    'NoReadIsServedProbe',
    constants({ terms: 2, entries: 2 }, [], READS),
  ),
  fails(
    'MCReachesTransfer',
    'probe: a leader asks another to take over',
    'NobodyIsUrgedProbe',
    constants({ terms: 2, entries: 2 }, PRE_VOTE, PRE_VOTE_LED),
  ),
  fails(
    'MCReachesCut',
    'probe: entries that were durable are cut off',
    'NoSuffixIsCutProbe',
    constants({ terms: 4, entries: 3 }, [], { Init: '<- InitFigure8', ...NOOPS_ONLY }),
  ),
];

/** The models of MetadataRaft. */
import type { Model } from './models.ts';

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
  Timeout: '<- MCTimeoutAnyTime',
  TransferLeadership: '<- NeverWith',
  RequestReadIndex: '<- NeverWith',
  ProposeMembership: '<- NeverWith',
  Compact: '<- NeverWith',
  InstallSnapshot: '<- NeverWithThree',
  IgnoreMessage: '<- NeverWith',
  ClientRequest: '<- MCClientRequest',
  AppendEntries: '<- MCAppendEntries',
  Persist: '<- MCPersistAtOnce',
  Recover: '<- MCRecover',
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
  specification: 'Spec',
  symmetry: 'Symmetry',
  actionConstraint: 'SpeakFirst',
};
const HOLDS = { ...COMMON, invariants: INVARIANTS };

const PRE_VOTE: readonly Bound[] = ['StartPreVote', 'RequestPreVote', 'PreVoteWon'];
const WITH_PRE_VOTE = { Timeout: '<- MCTimeout', TransferLeadership: '<- MCTransferLeadership' };
const LED = { Init: '<- InitLed' };
const READS = { ...LED, RequestReadIndex: '<- MCRequestReadIndex' };
const SNAPSHOTS = { ...LED, InstallSnapshot: '<- MCInstallSnapshot' };
const MEMBERSHIP = { ...LED, ProposeMembership: '<- MCProposeMembership' };
const PRE_VOTE_LED = { ...LED, ...WITH_PRE_VOTE };
const NOOPS_ONLY = { ClientRequest: '<- Never', Recover: '<- NeverWith' };
const FIGURE_8 = {
  Init: '<- InitFigure8',
  AppendEntries: '<- MCAppendOneEntry',
  ...NOOPS_ONLY,
};

function fails(
  name: string,
  about: string,
  invariant: string,
  constantsOf: Record<string, string>,
  kind: Model['kind'] = 'quick',
): Model {
  return {
    ...COMMON,
    name,
    about,
    kind,
    constants: constantsOf,
    invariants: [invariant],
    expect: { fails: invariant },
  };
}

export const raftModels: readonly Model[] = [
  {
    ...HOLDS,
    name: 'MCRaft',
    about: 'One election with crashes; the refinement of the committed log.',
    kind: 'quick',
    constants: constants({ terms: 2, entries: 2 }),
    properties: [...PROPERTIES, 'RefinesCommittedLog'],
    expect: { states: 5050 },
  },
  {
    ...HOLDS,
    name: 'MCRaftBatches',
    about: 'Two batches at a time on their way to each disk.',
    kind: 'full',
    constants: constants({ terms: 2, entries: 2, batches: 2 }, [], { Persist: '<- MCPersist' }),
    properties: PROPERTIES,
    expect: {},
  },
  {
    ...HOLDS,
    name: 'MCRaftPreVote',
    about: 'Pre-votes, and leadership handed over.',
    kind: 'full',
    constants: constants({ terms: 2, entries: 2 }, PRE_VOTE, WITH_PRE_VOTE),
    properties: PROPERTIES,
    expect: {},
  },
  {
    ...HOLDS,
    name: 'MCRaftReads',
    about: 'Reads by read index, from a leader that may be deposed.',
    kind: 'full',
    constants: constants({ terms: 3, entries: 2 }, [], READS),
    properties: PROPERTIES,
    expect: {},
  },
  {
    ...HOLDS,
    name: 'MCRaftSnapshot',
    about: 'Logs are compacted and snapshots installed.',
    kind: 'full',
    constants: constants({ terms: 3, entries: 2 }, ['Compact'], SNAPSHOTS),
    properties: PROPERTIES,
    expect: {},
  },
  {
    ...HOLDS,
    name: 'MCRaftMembership',
    about: 'Members are removed, one at a time.',
    kind: 'full',
    constants: constants({ terms: 3, entries: 3 }, [], MEMBERSHIP),
    properties: PROPERTIES,
    expect: {},
  },
  {
    ...HOLDS,
    name: 'MCRaftFigure8',
    about: 'Figure 8 of the Raft paper, from (b) on, without crashes.',
    kind: 'full',
    constants: constants({ terms: 5, entries: 3 }, [], FIGURE_8),
    properties: PROPERTIES,
    expect: {},
  },
  {
    ...HOLDS,
    name: 'MCRaftTerms',
    about: 'Two elections.',
    kind: 'full',
    constants: constants({ terms: 3, entries: 2 }),
    properties: PROPERTIES,
    expect: {},
  },
  {
    ...HOLDS,
    name: 'MCRaftEntries',
    about: 'Two elections, an entry more.',
    kind: 'nightly',
    constants: constants({ terms: 3, entries: 3 }),
    properties: PROPERTIES,
    expect: {},
  },
  fails(
    'MCVoteTwice',
    'A vote is not written down: a node that restarts gives a second one in the same term.',
    'ElectionSafetyInv',
    constants({ terms: 2, entries: 2 }, [], {
      Image: '<- ImageWithoutVote',
      OwnVoteIsDurable: '<- Always',
    }),
  ),
  fails(
    'MCAckBeforePersist',
    'Answers leave before the disk has what they say.',
    'ElectionSafetyInv',
    constants({ terms: 2, entries: 2 }, [], { SendAfterPersist: '<- SendBeforePersist' }),
  ),
  fails(
    'MCNoLogCheck',
    'Votes go to candidates whose log lacks what is decided.',
    'LeaderCompletenessInv',
    constants({ terms: 3, entries: 2 }, [], { ...LED, UpToDate: '<- AnyLog' }),
  ),
  fails(
    'MCCountOldTerm',
    'An entry of an earlier term is taken for decided because a majority has it (figure 8).',
    'StateMachineSafetyInv',
    constants({ terms: 5, entries: 3 }, [], {
      ...FIGURE_8,
      MayCount: '<- CountAnyTerm',
    }),
    'full',
  ),
  fails(
    'MCOverlappingChange',
    'A membership is changed while an earlier change is not decided.',
    'LeaderCompletenessInv',
    constants({ terms: 3, entries: 4 }, [], {
      ...MEMBERSHIP,
      ...NOOPS_ONLY,
      AppendEntries: '<- NeverWithFour',
      MayChangeMembership: '<- Always',
    }),
  ),
  fails(
    'MCStaleTruncate',
    'An old request cuts off what was appended after it.',
    'StateMachineSafetyInv',
    constants({ terms: 2, entries: 3 }, [], { Merge: '<- CutAfter' }),
  ),
  fails(
    'MCStaleRead',
    'A leader answers reads without proof that it still leads.',
    'ReadIndexInv',
    constants({ terms: 3, entries: 2 }, [], {
      ...READS,
      ...NOOPS_ONLY,
      IsProven: '<- ProvenByItself',
    }),
    'full',
  ),
  fails(
    'MCReachesTwoLeaders',
    'Probe: leaders of two terms.',
    'OneIsElectedProbe',
    constants({ terms: 3, entries: 2 }, [], LED),
  ),
  fails(
    'MCReachesMembership',
    'Probe: a change of members is decided.',
    'NoMembershipIsDecidedProbe',
    constants({ terms: 2, entries: 3 }, [], MEMBERSHIP),
  ),
  fails(
    'MCReachesSnapshot',
    'Probe: a snapshot is installed.',
    'NoSnapshotIsInstalledProbe',
    constants({ terms: 2, entries: 2 }, ['Compact'], SNAPSHOTS),
  ),
  fails(
    'MCReachesRead',
    'Probe: a read is served.',
    'NoReadIsServedProbe',
    constants({ terms: 2, entries: 2 }, [], READS),
  ),
  fails(
    'MCReachesTransfer',
    'Probe: a leader asks another to take over.',
    'NobodyIsUrgedProbe',
    constants({ terms: 2, entries: 2 }, PRE_VOTE, PRE_VOTE_LED),
  ),
  fails(
    'MCReachesCut',
    'Probe: entries that were durable are cut off.',
    'NoSuffixIsCutProbe',
    constants({ terms: 4, entries: 3 }, [], { Init: '<- InitFigure8', ...NOOPS_ONLY }),
  ),
];

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
  ToldWatermark: '<- Nothing',
  None: 'None',
  First: 'n1',
  Recoverers: '{}',
  NextOwners: '{n2}',
  Laggards: '{n1}',
  Crashers: '{}',
  MaxCommits: '1',
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

const safe = { module: 'MCDistributedLog', specification: 'MCSpec', invariants } as const;

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
    constants: { ...base, Records: '{1}', MaxCount: '1', Recoverers: '{n2}', MaxCommits: '2' },
    expect: {},
    reaches: ['acknowledged', 'recovered', 'deposed and unaware', 'cut'],
  },
];

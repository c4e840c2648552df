import { expect, test } from 'vitest';
import type { BootId, Incarnation, LogIndex, NodeId, Term } from '../core/ids.ts';
import { encodeProposal } from '../core/metadata/commands.ts';
import type { Entry } from '../core/raft/entry.ts';
import { encodeMembership } from '../core/raft/membership.ts';
import { MetadataLog, parseProposal } from './metadata-log.ts';

const ORIGIN = { node: 1 as NodeId, boot: 10 as BootId, sequence: 1 };
const MEMBERS = [
  { id: 1 as NodeId, incarnation: 100 as Incarnation, address: 'host:1', learner: false },
];

function entry(index: number, kind: Entry['kind'], data: Uint8Array, term = 3): Entry {
  return { index: index as LogIndex, term: term as Term, kind, data };
}

/** Registers a node under an address of so many letters. */
function registers(index: number, letters = 1): Entry {
  const data = encodeProposal({
    origin: ORIGIN,
    command: {
      kind: 'RegisterNode',
      node: index as NodeId,
      boot: (10 * index) as BootId,
      incarnation: (100 * index) as Incarnation,
      raftAddress: 'r'.repeat(letters),
      clientAddress: '',
    },
  });
  return entry(index, 'command', data);
}

test('an entry is applied, and whoever proposed it can be told what became of it', () => {
  const log = new MetadataLog(undefined);
  expect(log.apply(registers(1))).toMatchObject({
    proposal: { origin: ORIGIN },
    outcome: { applied: true },
  });
  expect(log.applied).toEqual({ index: 1, term: 3 });
  expect(log.cluster.node(1 as NodeId)).toMatchObject({ boot: 10 });
});

test('what is no command, or cannot be read, is passed over by every node alike', () => {
  const log = new MetadataLog(undefined);
  expect(log.apply(entry(1, 'noop', new Uint8Array()))).toBeUndefined();
  expect(log.apply(entry(2, 'command', Uint8Array.of(255, 255)))).toBeUndefined();
  expect(log.apply(entry(3, 'membership', encodeMembership(MEMBERS)))).toBeUndefined();
  expect(log.applied.index).toBe(3);
  expect(parseProposal(new Uint8Array())).toBeUndefined();
});

test('a snapshot names the term and the membership as of the last entry in it', () => {
  const log = new MetadataLog(undefined);
  log.apply(entry(1, 'membership', encodeMembership(MEMBERS)));
  log.apply(registers(2));
  const snapshot = log.snapshotEvery(2, false)!;
  expect(snapshot).toMatchObject({ index: 2, term: 3, membership: MEMBERS });
  const other = new MetadataLog(undefined);
  other.restore(snapshot);
  expect(other.applied).toEqual(log.applied);
  expect(other.cluster.snapshot()).toEqual(log.cluster.snapshot());
  expect(other.apply(registers(3))).toMatchObject({ outcome: { applied: true } });
});

test('snapshots come after so many entries, and as many bytes as the last one has', () => {
  const log = new MetadataLog(undefined);
  log.apply(registers(1, 1000));
  expect(log.snapshotEvery(2, false)).toBeUndefined();
  log.apply(registers(2));
  expect(log.snapshotEvery(2, false)).toBeDefined();
  for (const index of [3, 4, 5]) log.apply(registers(index));
  expect(log.snapshotEvery(2, false)).toBeUndefined();
  log.apply(registers(6, 1000));
  expect(log.snapshotEvery(2, false)).toMatchObject({ index: 6 });
  expect(log.snapshot).toMatchObject({ index: 6 });
});

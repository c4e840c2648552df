/** Decoders of the core, given bytes that are almost right. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter, MalformedError } from './codec.ts';
import type {
  BootId,
  Epoch,
  Incarnation,
  LogIndex,
  NodeId,
  Offset,
  SegmentId,
  Term,
  TopicId,
} from './ids.ts';
import { ClusterState } from './metadata/cluster-state.ts';
import { type Command, decodeProposal, encodeProposal } from './metadata/commands.ts';
import { NO_POLICY } from './metadata/policy.ts';
import { countValues, mutated } from './mutated-bytes.test-support.ts';
import { decodeMembership, encodeMembership, type Membership } from './raft/membership.ts';
import { decodeRaftMessage, encodeRaftMessage } from './raft/message-codec.ts';
import type { RaftMessage } from './raft/messages.ts';

const NODES = [1, 2, 3] as NodeId[];
const [topic, group] = [4 as TopicId, 'g'];
const [segment, epoch] = [1 as SegmentId, 4 as Epoch];
const SPARE = 4 as NodeId;
const register = (node: NodeId): Command => ({
  kind: 'RegisterNode',
  node,
  boot: (10 * node) as BootId,
  incarnation: (100 * node) as Incarnation,
  raftAddress: 'host:1',
  clientAddress: 'host:2',
});
const COMMANDS: readonly Command[] = [
  ...NODES.map(register),
  { kind: 'CreateTopic', policy: NO_POLICY, name: 'tôpic', owner: NODES[0]!, replicas: NODES },
  {
    kind: 'SealSegment',
    topic,
    segment,
    epoch,
    count: 300,
    bytes: 0,
    atMs: 0,
    nextOwner: NODES[1]!,
    nextReplicas: NODES,
  },
  { kind: 'AdvanceCursor', topic, group, expected: 0 as Offset, next: 200 as Offset },
  {
    kind: 'FenceSegment',
    topic,
    segment: 2 as SegmentId,
    expectedEpoch: 5 as Epoch,
    recoverer: NODES[2]!,
  },
  { kind: 'RestoreReplica', topic, segment, node: NODES[0]!, incarnation: 101 as Incarnation },
  register(SPARE),
  { kind: 'BeginMove', topic, segment, from: NODES[0]!, to: SPARE },
  { kind: 'MoveReplica', topic, segment, epoch: 10 as Epoch },
  { kind: 'BeginMove', topic, segment, from: SPARE, to: NODES[0]! },
  { kind: 'CancelMove', topic, segment, epoch: 12 as Epoch },
  { kind: 'TrimTopic', topic, expectedStart: 0 as Offset, start: 300 as Offset },
  {
    kind: 'SetTopicPolicy',
    topic,
    expected: 4 as LogIndex,
    policy: { ...NO_POLICY, retentionBytes: 1e9, retentionConsumed: true },
  },
  { kind: 'DrainNode', node: SPARE, incarnation: 400 as Incarnation, isDraining: true },
  { kind: 'RemoveNode', node: SPARE, incarnation: 400 as Incarnation },
];
const MEMBERSHIP: Membership = NODES.map((id) => ({
  id,
  incarnation: (2 ** 50 + id) as Incarnation,
  address: `host:${id}`,
  learner: id === 3,
}));
const RAFT: readonly RaftMessage[] = [
  {
    kind: 'AppendEntriesRequest',
    term: 300 as Term,
    prevIndex: 7 as LogIndex,
    prevTerm: 2 as Term,
    commitIndex: 7 as LogIndex,
    round: 1,
    entries: [
      { index: 8 as LogIndex, term: 2 as Term, kind: 'noop', data: new Uint8Array() },
      { index: 9 as LogIndex, term: 3 as Term, kind: 'command', data: Uint8Array.of(1, 2, 3) },
      {
        index: 10 as LogIndex,
        term: 3 as Term,
        kind: 'membership',
        data: encodeMembership(MEMBERSHIP),
      },
    ],
  },
  {
    kind: 'InstallSnapshotRequest',
    term: 300 as Term,
    snapshotIndex: 7 as LogIndex,
    snapshotTerm: 2 as Term,
    membership: MEMBERSHIP,
    sizeBytes: 300,
    offsetBytes: 200,
    chunk: new Uint8Array(100),
    round: 1,
  },
];

interface Decoder {
  readonly name: string;
  readonly encodings: readonly Uint8Array[];
  decode(bytes: Uint8Array): unknown;
}

const DECODERS: readonly Decoder[] = [
  {
    name: 'a proposal',
    encodings: COMMANDS.map((command) =>
      encodeProposal({ origin: { node: NODES[0]!, boot: 10 as BootId, sequence: 300 }, command }),
    ),
    decode: decodeProposal,
  },
  {
    name: 'a snapshot of the metadata',
    encodings: snapshots(),
    decode: (bytes) => ClusterState.restore(bytes).topics,
  },
  { name: 'a membership', encodings: [encodeMembership(MEMBERSHIP)], decode: decodeMembership },
  {
    name: 'a message of Raft',
    encodings: RAFT.map((message) => {
      const out = new ByteWriter();
      encodeRaftMessage(out, message);
      return out.finish();
    }),
    decode: (bytes) => decodeRaftMessage(new ByteReader(bytes)),
  },
];

/** The metadata after each of the commands. */
function snapshots(): Uint8Array[] {
  const state = new ClusterState();
  return COMMANDS.map((command, i) => {
    const { applied } = state.applyCommand((i + 1) as LogIndex, command);
    // Node 1 has its first disk: there is nothing to restore.
    expect(applied, command.kind).toBe(command.kind !== 'RestoreReplica');
    return state.snapshot();
  });
}

describe.each(DECODERS)('$name', ({ encodings, decode }) => {
  test('that is right is read', () => {
    for (const bytes of encodings) expect(decode(bytes)).toBeDefined();
  });

  test('that is almost right is read or refused by name, and makes no more values than it has bytes', () => {
    fc.assert(
      fc.property(mutated(encodings), (bytes) => {
        try {
          // A list of nothing is a value, too, and so is what holds them.
          expect(countValues(decode(bytes))).toBeLessThanOrEqual(10 + 10 * bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

test('metadata that was read can be gone on with: each topic has a segment, and it is written as it was read', () => {
  fc.assert(
    fc.property(mutated(snapshots()), (bytes) => {
      let state: ClusterState;
      try {
        state = ClusterState.restore(bytes);
      } catch {
        return;
      }
      for (const name of state.topics.keys()) expect(state.currentSegment(name)).toBeDefined();
      const written = state.snapshot();
      expect(ClusterState.restore(written).snapshot()).toEqual(written);
    }),
    { numRuns: 3000 },
  );
});

test('a topic without a segment is no metadata', () => {
  const bytes = new ByteWriter()
    .whole(7)
    .whole(0)
    .whole(1)
    .whole(4)
    .text('t')
    .whole(0)
    .whole(0)
    .finish();
  expect(() => ClusterState.restore(bytes)).toThrow(MalformedError);
});

import { beforeEach, expect, test } from 'vitest';
import { type BootId, type Incarnation, type LogIndex, nodeId } from '../core/ids.ts';
import { ClusterState } from '../core/metadata/cluster-state.ts';
import {
  changeMembership,
  type Membership,
  type MembershipChange,
} from '../core/raft/membership.ts';
import type { Raft } from '../core/raft/raft.ts';
import { Admission } from './admission.ts';
import type { LinearizableReads } from './linearizable-reads.ts';

const three = nodeId(3);
const FOUNDER = 10 as Incarnation;
const [old, renewed, double] = [30, 31, 32] as Incarnation[];

let nowMs: number;
let isCommitted: boolean;
let membership: Membership;
let admission: Admission;

beforeEach(() => {
  nowMs = 0;
  isCommitted = true;
  membership = [1, 2, 3].map((id) => {
    const incarnation = (10 * id) as Incarnation;
    return { id: nodeId(id), incarnation, address: `node-${id}`, learner: false };
  });
  const raft: Pick<
    Raft,
    'membership' | 'role' | 'leader' | 'isMembershipCommitted' | 'proposeMembership'
  > = {
    get membership() {
      return membership;
    },
    get isMembershipCommitted() {
      return isCommitted;
    },
    role: 'leader',
    leader: nodeId(1),
    proposeMembership: (change: MembershipChange) => {
      membership = changeMembership(membership, change) as Membership;
      return { index: 9 as LogIndex, term: 1 as never };
    },
  };
  cluster = ClusterState.bootstrap(FOUNDER);
  const linearizableReads = {
    ask: (_: unknown, done: (confirmed: boolean) => void) => done(true),
  } as LinearizableReads;
  admission = new Admission({
    raft: raft as Raft,
    cluster,
    linearizableReads,
    live: (node) => node !== three,
    heardMembers: () => membership,
    addressOf: ({ address }) => address,
    nowMs: () => nowMs,
  });
});

let cluster: ClusterState;

/** What a disk is told that asks for number 3. */
function ask(
  incarnation: Incarnation,
  address: string,
  { replace = false, amnesiac = false, founder = FOUNDER as Incarnation | 0 } = {},
) {
  let told = 'nothing';
  const join = { kind: 'Join', address, replace, amnesiac, founder } as const;
  admission.admit(three, incarnation, join, ({ outcome, detail }) => {
    told = `${outcome}: ${detail}`;
  });
  return told;
}

const bearer = (): Incarnation | undefined =>
  membership.find(({ id }) => id === three)?.incarnation;

test('a number that was freed for a disk is kept for it', () => {
  ask(renewed!, 'node-3', { replace: true });
  expect(bearer()).toBeUndefined();
  expect(ask(double!, 'elsewhere')).toBe('pending: the number is kept for another');
  expect(bearer()).toBeUndefined();
  ask(renewed!, 'node-3', { replace: true });
  expect(bearer()).toBe(renewed);
});

test('it is kept for a while, and then given to whoever asks', () => {
  ask(renewed!, 'node-3', { replace: true });
  nowMs = 9_999;
  ask(double!, 'elsewhere');
  expect(bearer()).toBeUndefined();
  nowMs = 10_000;
  ask(double!, 'elsewhere');
  expect(bearer()).toBe(double);
});

test('a disk that forgot something keeps its number when it comes back as another', () => {
  ask(old!, 'node-3', { amnesiac: true });
  expect(ask(double!, 'elsewhere')).toBe('pending: the number is kept for another');
  expect(ask(old!, 'node-3', { amnesiac: true })).toBe('released: no member');
  ask(renewed!, 'node-3');
  expect(bearer()).toBe(renewed);
});

test('a disk that forgot something is released though another one has its number', () => {
  membership = membership.map((each) =>
    each.id === three ? { ...each, incarnation: double! } : each,
  );
  isCommitted = false;
  expect(ask(old!, 'node-3', { amnesiac: true })).toBe('pending: its removal is not committed');
  isCommitted = true;
  expect(ask(old!, 'node-3', { amnesiac: true })).toBe('released: no member');
  expect(bearer()).toBe(double);
});

test('a disk of another cluster of this name is not taken in, whatever it is told to say', () => {
  membership = membership.filter(({ id }) => id !== three);
  const refused = 'refused: its disk is of another cluster of this name';
  expect(ask(old!, 'node-3', { founder: 99 as Incarnation })).toBe(refused);
  expect(ask(old!, 'node-3', { founder: 99 as Incarnation, replace: true })).toBe(refused);
  expect(bearer()).toBeUndefined();
  ask(old!, 'node-3', { founder: 0 });
  expect(bearer()).toBe(old);
});

test('a disk that was removed is told so; another one under its number is let in', () => {
  membership = membership.filter(({ id }) => id !== three);
  const boot = 1 as BootId;
  const registration = { boot, raftAddress: '', clientAddress: '' };
  const node = three;
  const disk = { node, incarnation: old! };
  cluster.applyCommand(2 as LogIndex, { kind: 'RegisterNode', ...disk, ...registration });
  cluster.applyCommand(3 as LogIndex, { kind: 'RemoveNode', ...disk });
  expect(ask(old!, 'node-3')).toMatch('refused: node 3 was removed from the cluster');
  expect(bearer()).toBeUndefined();
  ask(renewed!, 'node-3');
  expect(bearer()).toBe(renewed);
});

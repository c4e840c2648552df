/** Who belongs to the cluster, and the changes of one member at a time (Raft thesis, section 4.1). */
import { ByteReader, ByteWriter, MalformedError } from '../codec.ts';
import type { Incarnation, NodeId } from '../ids.ts';

/** A disk, under the number of a node. One that takes the place of another has promised nothing of what that one did. */
export interface Peer {
  readonly id: NodeId;
  readonly incarnation: Incarnation;
}

export interface Member extends Peer {
  readonly address: string;
  /** Receives the log, but has no vote and counts in no quorum. */
  readonly learner: boolean;
}

/** Sorted by id, each id once. */
export type Membership = readonly Member[];

/** Any two of these in a row leave majorities that overlap, because each changes at most one voter. */
export type MembershipChange =
  | {
      readonly kind: 'addLearner';
      readonly id: NodeId;
      readonly incarnation: Incarnation;
      readonly address: string;
    }
  | { readonly kind: 'promote'; readonly id: NodeId }
  | { readonly kind: 'remove'; readonly id: NodeId };

/**
 * `NotLeader`: ask another. `TooEarly`: this leader has not committed an entry of its term yet. `Pending`: an
 * earlier change is not committed yet. `NotCaughtUp`: the learner lacks entries; these four may succeed later.
 * `Exists`, `Unknown`, `LastVoter`: the change makes no sense for this membership.
 */
export type MembershipRefusal =
  | 'NotLeader'
  | 'TooEarly'
  | 'Pending'
  | 'NotCaughtUp'
  | 'Exists'
  | 'Unknown'
  | 'LastVoter';

/** The place of this very disk; undefined if it has none, though another one may bear its number. */
export function memberOf(membership: Membership, { id, incarnation }: Peer): Member | undefined {
  return membership.find((each) => each.id === id && each.incarnation === incarnation);
}

export function isVoter(membership: Membership, peer: Peer): boolean {
  return memberOf(membership, peer)?.learner === false;
}

/** The membership after `change`, or why there is none. */
export function changeMembership(
  membership: Membership,
  change: MembershipChange,
): Membership | MembershipRefusal {
  const member = membership.find(({ id }) => id === change.id);
  switch (change.kind) {
    case 'addLearner': {
      if (member !== undefined) return 'Exists';
      const { id, incarnation, address } = change;
      const learner: Member = { id, incarnation, address, learner: true };
      return [...membership, learner].sort((a, b) => a.id - b.id);
    }
    case 'promote':
      if (member === undefined) return 'Unknown';
      if (!member.learner) return 'Exists';
      return membership.map((other) => (other === member ? { ...member, learner: false } : other));
    case 'remove': {
      if (member === undefined) return 'Unknown';
      const rest = membership.filter((other) => other !== member);
      return rest.some(({ learner }) => !learner) ? rest : 'LastVoter';
    }
  }
}

export function encodeMembership(membership: Membership): Uint8Array {
  const out = new ByteWriter();
  writeMembership(out, membership);
  return out.finish();
}

/** Throws `MalformedError` for bytes that `encodeMembership` does not write. */
export function decodeMembership(bytes: Uint8Array): Membership {
  const input = new ByteReader(bytes);
  const membership = readMembership(input);
  input.end();
  return membership;
}

export function writeMembership(out: ByteWriter, membership: Membership): void {
  out.list(membership, ({ id, incarnation, address, learner }) =>
    out.whole(id).whole(incarnation).text(address).bool(learner),
  );
}

export function readMembership(input: ByteReader): Membership {
  let previous = 0;
  return input.list(() => {
    const id = input.whole() as NodeId;
    if (id <= previous) throw new MalformedError('members out of order');
    previous = id;
    const incarnation = input.whole() as Incarnation;
    return { id, incarnation, address: input.text(), learner: input.bool() };
  });
}

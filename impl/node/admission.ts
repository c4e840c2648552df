/** The cluster's side of joining: whether a disk that asks gets a place, keeps the one it has, or gives it up. */
import type { Incarnation, NodeId } from '../core/ids.ts';
import type { ClusterState } from '../core/metadata/cluster-state.ts';
import type { Member, MembershipChange } from '../core/raft/membership.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { Place } from './addresses.ts';
import { atStake } from './at-stake.ts';
import type { LinearizableReads } from './linearizable-reads.ts';
import type { JoinMessage } from './messages.ts';

type Join = Extract<JoinMessage, { kind: 'Join' }>;
type JoinReply = Extract<JoinMessage, { kind: 'JoinReply' }>;

/** For so long a number that was freed waits for whom it was freed for, in milliseconds: many times as long as that takes to ask again. */
const KEPT_FOR_MS = 10_000;

/** For whom a number was freed: the process at that address, whatever disk it has by the time it asks. */
interface Heir {
  readonly address: string;
  readonly untilMs: number;
}

export interface AdmissionPorts {
  readonly raft: Raft;
  readonly linearizableReads: LinearizableReads;
  readonly cluster: ClusterState;
  /** Whether the member of that number was heard lately. */
  live(node: NodeId): boolean;
  nowMs(): number;
  /** The members that are heard, and this node: where each says that it is. */
  heardMembers(): readonly Place[];
  addressOf(member: Member): string;
}

export class Admission {
  private readonly ports: AdmissionPorts;
  /** Of the numbers that this leader has freed. */
  private readonly heirs = new Map<NodeId, Heir>();

  constructor(ports: AdmissionPorts) {
    this.ports = ports;
  }

  /**
   * Calls `reply` once or never. Who stands in the membership is told so by any node; all else is the Raft leader's to
   * say. It adds a disk as a learner. A number that another disk bears is given to this one only if the operator says
   * that the other is gone, and nothing is heard of it: then that one is removed first, and nobody else who comes meanwhile
   * gets the number. A disk that has forgotten something is released once the number is no longer its own, whosever it is.
   * A disk of another cluster of this name is refused by anybody: what it holds would be cut off for what this one has.
   */
  admit(
    id: NodeId,
    incarnation: Incarnation,
    { address, replace, amnesiac, founder }: Join,
    reply: (reply: JoinReply) => void,
  ): void {
    const { raft, cluster } = this.ports;
    const answer = (outcome: JoinReply['outcome'], detail: string, leaderAddress = ''): void => {
      reply({
        kind: 'JoinReply',
        outcome,
        leaderAddress,
        detail,
        members: this.ports.heardMembers(),
      });
    };
    const propose = (change: MembershipChange): void => {
      const result = raft.proposeMembership(change);
      answer('pending', typeof result === 'string' ? result : 'proposed');
    };
    const member = raft.membership.find((each) => each.id === id);
    const hasPlace = member?.incarnation === incarnation;
    if (hasPlace && !amnesiac) {
      answer('admitted', 'a member already');
    } else if (founder !== 0 && cluster.founder !== 0 && founder !== cluster.founder) {
      answer('refused', 'its disk is of another cluster of this name');
    } else if (raft.role !== 'leader') {
      const leader = raft.membership.find((each) => each.id === raft.leader);
      answer('pending', 'not the leader', leader && this.ports.addressOf(leader));
    } else if (!amnesiac && this.isRemoved(id, incarnation)) {
      this.refuse(
        answer,
        `node ${id} was removed from the cluster; start it on an empty directory`,
      );
    } else if (amnesiac && !hasPlace) {
      if (raft.isMembershipCommitted) answer('released', 'no member');
      else answer('pending', 'its removal is not committed');
    } else if (member === undefined) {
      if (this.isKeptFromOthers(id, address)) answer('pending', 'the number is kept for another');
      else propose({ kind: 'addLearner', id, incarnation, address });
    } else {
      const objection = this.objection(id, member.incarnation, incarnation, replace);
      if (objection === undefined) {
        propose({ kind: 'remove', id });
        this.heirs.set(id, { address, untilMs: this.ports.nowMs() + KEPT_FOR_MS });
      } else this.refuse(answer, objection);
    }
  }

  /** What anybody may say. */
  refusal(detail: string): JoinReply {
    const members = this.ports.heardMembers();
    return { kind: 'JoinReply', outcome: 'refused', leaderAddress: '', detail, members };
  }

  /** A leader that was deposed and does not know it may object to what another has long agreed to. */
  private refuse(
    answer: (outcome: JoinReply['outcome'], detail: string) => void,
    reason: string,
  ): void {
    const { raft, linearizableReads } = this.ports;
    linearizableReads.ask(raft, (confirmed) => {
      if (confirmed) answer('refused', reason);
    });
  }

  private isRemoved(id: NodeId, incarnation: Incarnation): boolean {
    const known = this.ports.cluster.node(id);
    return known?.incarnation === incarnation && known.state === 'gone';
  }

  /** Whether the number was freed for whoever is at another address, and that one may still come. */
  private isKeptFromOthers(id: NodeId, address: string): boolean {
    const heir = this.heirs.get(id);
    return heir !== undefined && heir.address !== address && this.ports.nowMs() < heir.untilMs;
  }

  /** Why the member must not be removed in favour of the disk that asks, which is its own if that forgot something. */
  private objection(
    id: NodeId,
    member: Incarnation,
    asking: Incarnation,
    replace: boolean,
  ): string | undefined {
    const isLive = this.ports.live(id);
    if (member === asking) {
      if (isLive) return `node ${id} was heard a moment ago from another process`;
      const { raft } = this.ports;
      return atStake(id, asking, this.ports.cluster, raft.membership, (node) =>
        this.ports.live(node),
      );
    }
    if (!replace) {
      return `node ${id} is a member with another disk; start it with --replace if that is lost`;
    }
    return isLive
      ? `node ${id} lives, with another disk; stop it before it is replaced`
      : undefined;
  }
}

/** How a node comes into a cluster: it asks for admission until it finds itself in the Raft log. */
import type { Incarnation, NodeId } from '../core/ids.ts';
import type { MembershipChange } from '../core/raft/membership.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { Network } from '../ports/network.ts';
import type { NodeConfig } from './config.ts';
import type { Envelope, JoinMessage } from './messages.ts';
import type { Sender } from './sender.ts';

type JoinReply = Extract<JoinMessage, { kind: 'JoinReply' }>;

/** Pause between two requests for admission, in milliseconds. */
const ASK_AGAIN_MS = 500;
/** A member that hears no leader for so long asks whether it still is one, in milliseconds. */
const FORGOTTEN_MS = 3_000;

export interface JoiningPorts {
  readonly config: NodeConfig;
  readonly network: Network<Envelope>;
  readonly raft: Raft;
  readonly sender: Sender;
  nowMs(): number;
}

export class Joining {
  private readonly ports: JoiningPorts;
  private asked = 0;
  private askAtMs = 0;
  /** Where the last answer said that the leader is. */
  private leaderAddress = '';

  constructor(ports: JoiningPorts) {
    this.ports = ports;
  }

  /**
   * True while it is time to ask: in no cluster, or not heard by the one that this node believes to be in. Its
   * admission may have stood in a log that lost, and then nobody else knows of it.
   */
  due(): boolean {
    const { config, raft } = this.ports;
    const nowMs = this.ports.nowMs();
    if (config.join.length === 0 || nowMs < this.askAtMs) return false;
    if (raft.self === undefined) return true;
    return nowMs - raft.leaderContactMs > FORGOTTEN_MS;
  }

  /** Asks the leader if one was named, else each known address in turn. */
  ask(): void {
    const { config, sender } = this.ports;
    const { join, replace, raftAddress } = config;
    const address = this.leaderAddress || join[this.asked++ % join.length]!;
    this.leaderAddress = '';
    this.askAtMs = this.ports.nowMs() + ASK_AGAIN_MS;
    sender.sendToAddress(address, 0, 0, { kind: 'Join', address: raftAddress, replace });
  }

  /** Learns where the members are, since the log will come from one of them and wants an answer. */
  handleReply({ outcome, leaderAddress, members }: JoinReply): void {
    if (outcome === 'pending') this.leaderAddress = leaderAddress;
    for (const { id, address } of members) this.ports.network.locate(id, address);
  }

  /**
   * Answers a node that asks. The leader adds it as a learner; a disk under a number that another disk bears is
   * refused, unless the operator said that the other one is gone: then that one is removed first.
   */
  admit(id: NodeId, incarnation: Incarnation, address: string, replace: boolean): JoinReply {
    const { raft } = this.ports;
    const members = raft.membership.map((each) => ({ id: each.id, address: each.address }));
    const reply = (
      outcome: JoinReply['outcome'],
      leaderAddress: string,
      detail: string,
    ): JoinReply => ({ kind: 'JoinReply', outcome, leaderAddress, detail, members });
    const member = raft.membership.find((each) => each.id === id);
    if (member?.incarnation === incarnation) return reply('admitted', '', 'a member already');
    if (member !== undefined && !replace) {
      const detail = `node ${id} is a member with another disk; start it with --replace if that is lost`;
      return reply('refused', '', detail);
    }
    if (raft.role !== 'leader') {
      const leader = raft.membership.find((each) => each.id === raft.leader);
      return reply('pending', leader?.address ?? '', 'not the leader');
    }
    const change: MembershipChange =
      member === undefined
        ? { kind: 'addLearner', id, incarnation, address }
        : { kind: 'remove', id };
    const result = raft.proposeMembership(change);
    return reply('pending', '', typeof result === 'string' ? result : 'proposed');
  }
}

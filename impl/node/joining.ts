/** How a node comes into a cluster: it asks for admission until it finds itself in the Raft log. */
import type { ClusterState } from '../core/metadata/cluster-state.ts';
import type { Member } from '../core/raft/membership.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { Place } from './addresses.ts';
import type { NodeConfig } from './config.ts';
import type { JoinMessage } from './messages.ts';
import type { Sender } from './sender.ts';

type JoinReply = Extract<JoinMessage, { kind: 'JoinReply' }>;

/** Pause between two requests for admission, in milliseconds. */
const ASK_AGAIN_MS = 500;
/** The same, for who was refused: an operator has to do something first. */
const REFUSED_ASK_AGAIN_MS = 5_000;
/** A member that hears no leader for so long asks whether it still is one, in milliseconds. */
const FORGOTTEN_MS = 3_000;

export interface JoiningPorts {
  readonly config: NodeConfig;
  readonly raft: Raft;
  readonly cluster: ClusterState;
  readonly sender: Sender;
  /** Addresses to ask, besides those in the configuration. */
  readonly seeds: readonly string[];
  nowMs(): number;
  addressOf(member: Member): string;
  /** A disk that somebody hears is there. */
  passedOn(place: Place): void;
}

export class Joining {
  private readonly ports: JoiningPorts;
  private asked = 0;
  private askAtMs = 0;
  /** Where the last answer said that the leader is. */
  private leaderAddress = '';
  private refusedBecause: string | undefined;
  /** A node that lives is there, and is in a cluster in which this number is a member. */
  private heardAddress: string | undefined;

  constructor(ports: JoiningPorts) {
    this.ports = ports;
  }

  /** Why the cluster takes nothing of this node; undefined unless its leader said that it does not. */
  get refusal(): string | undefined {
    return this.hasPlace() ? undefined : this.refusedBecause;
  }

  /** True while it is time to ask. */
  due(): boolean {
    return this.ports.nowMs() >= this.askAtMs && !this.hasPlace();
  }

  /** Asks the leader if one was named, else each known address in turn. */
  ask(): void {
    const addresses = this.addresses();
    const address = this.leaderAddress || addresses[this.asked++ % addresses.length];
    this.leaderAddress = '';
    const pauseMs = this.refusedBecause === undefined ? ASK_AGAIN_MS : REFUSED_ASK_AGAIN_MS;
    this.askAtMs = this.ports.nowMs() + pauseMs;
    if (address !== undefined) this.introduce(address);
  }

  /** Asks one node for a place. If it knows that this disk has one, it compares what it remembers of the disk. */
  introduce(address: string): void {
    const { replace, raftAddress: own } = this.ports.config;
    const { founder } = this.ports.cluster;
    const join = { kind: 'Join', address: own, replace, amnesiac: false, founder } as const;
    this.ports.sender.sendToAddress(address, 0, 0, join);
  }

  /** Somebody tells another disk of this number where he is. */
  heardOf(address: string): void {
    this.heardAddress = address;
  }

  /** Learns where members are, since the log will come from one of them and wants an answer. */
  handleReply({ outcome, leaderAddress, detail, members }: JoinReply): void {
    if (outcome === 'pending') {
      this.leaderAddress = leaderAddress;
      // There is more to it than an operator's word: also for whoever was refused before.
      this.askAtMs = Math.min(this.askAtMs, this.ports.nowMs() + ASK_AGAIN_MS);
    } else this.refusedBecause = outcome === 'refused' ? detail : undefined;
    for (const member of members) this.ports.passedOn(member);
  }

  /**
   * Whether this node is in a cluster that knows of it. Its admission may have stood in a log that lost, or another disk may
   * have its number now: then no leader sends it anything.
   */
  private hasPlace(): boolean {
    const { raft } = this.ports;
    return raft.self !== undefined && this.ports.nowMs() - raft.leaderContactMs <= FORGOTTEN_MS;
  }

  /** Those that were given, and the members that it knew: of either some may have moved. */
  private addresses(): readonly string[] {
    const { config, raft, seeds, addressOf } = this.ports;
    const others = raft.membership.filter(({ id }) => id !== config.id);
    const heard = this.heardAddress === undefined ? [] : [this.heardAddress];
    const known = [...config.join, ...seeds, ...heard, ...others.map(addressOf)];
    return [...new Set(known)].filter((address) => address !== config.raftAddress);
  }
}

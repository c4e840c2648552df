/**
 * A node whose disk has less than others were told. Whatever it says, votes or acknowledges would rest on what it does not
 * know any more, so it takes part in nothing. It asks the leader to do without this disk; once that is agreed, the
 * disk may be emptied.
 */
import type { BootId } from '../core/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { Network } from '../ports/network.ts';
import type { Amnesia } from './amnesia.ts';
import type { NodeConfig } from './config.ts';
import type { Identity } from './identity.ts';
import { type Envelope, isForNumber } from './messages.ts';

/** Pause between two requests, in milliseconds. */
const ASK_AGAIN_MS = 1000;

export interface AmnesiacPorts {
  readonly config: NodeConfig;
  readonly identity: Identity;
  readonly boot: BootId;
  readonly clock: Clock;
  readonly network: Network<Envelope>;
  readonly amnesia: Amnesia;
  /** Addresses to ask, besides those in the configuration. */
  readonly seeds: readonly string[];
  /** The cluster does without this disk. Called once. */
  released(): void;
}

export class Amnesiac {
  private readonly ports: AmnesiacPorts;
  private readonly addresses: Set<string>;
  private asked = 0;
  private askAtMs: number;
  private leaderAddress = '';
  private refusal: string | undefined;

  constructor(ports: AmnesiacPorts) {
    const { config, seeds, clock } = ports;
    const others = (address: string): boolean => address !== config.raftAddress;
    this.ports = ports;
    this.addresses = new Set([...config.join, ...seeds].filter(others));
    this.askAtMs = clock.monotonicMs();
  }

  /** Why this node takes no part. */
  get reason(): string {
    const { amnesia, identity } = this.ports;
    const { toldBy } = amnesia;
    const told =
      toldBy === identity.node
        ? 'amnesiac: what the disk kept of raft cannot be read'
        : `amnesiac: the disk has less than it told node ${toldBy} it had`;
    return this.refusal === undefined
      ? `${told}; it is to be made anew from the others`
      : `${told}; it is not made anew yet: ${this.refusal}`;
  }

  deadlineMs(): number {
    return this.askAtMs;
  }

  tick(): void {
    const nowMs = this.ports.clock.monotonicMs();
    if (nowMs < this.askAtMs) return;
    this.askAtMs = nowMs + ASK_AGAIN_MS;
    const known = [...this.addresses];
    const address = this.leaderAddress || known[this.asked++ % known.length];
    this.leaderAddress = '';
    if (address !== undefined) this.ask(address);
  }

  receive(envelope: Envelope): void {
    const { toIncarnation, body } = envelope;
    // Whoever founded the cluster may remember nobody to ask.
    if (body.kind === 'Ping' && isForNumber(envelope, this.ports.identity.node)) {
      this.addresses.add(body.address);
    }
    if (body.kind !== 'JoinReply' || toIncarnation !== this.ports.identity.incarnation) return;
    if (body.outcome === 'released') this.ports.released();
    else if (body.outcome === 'refused') this.refusal = body.detail;
    else this.leaderAddress = body.leaderAddress;
  }

  private ask(address: string): void {
    const { config, identity, boot, network } = this.ports;
    network.sendToAddress(address, {
      from: identity.node,
      fromIncarnation: identity.incarnation,
      fromBoot: boot,
      fromLsn: 0,
      sentAtMs: Math.floor(this.ports.clock.monotonicMs()),
      to: 0,
      toIncarnation: 0,
      // Another disk may have its number by now: it may have forgotten even that it was emptied once.
      body: {
        kind: 'Join',
        address: config.raftAddress,
        replace: config.replace,
        amnesiac: true,
        founder: 0,
      },
    });
  }
}

/** Puts messages into envelopes, which say who sends, and for which disk a message is meant. */
import type { BootId, Incarnation, NodeId } from '../core/ids.ts';
import type { Membership } from '../core/raft/membership.ts';
import type { Outgoing } from '../core/raft/messages.ts';
import type { Lsn } from '../core/storage/ids.ts';
import type { Network } from '../ports/network.ts';
import type { Identity } from './identity.ts';
import type { Envelope, Message } from './messages.ts';
import type { Peers } from './peers.ts';

export interface SenderPorts {
  readonly identity: Identity;
  readonly boot: BootId;
  readonly network: Network<Envelope>;
  readonly peers: Peers;
  nowMs(): number;
  /** Before it lies everything that this node has promised, and may promise now. */
  durableLsn(): Lsn;
}

export class Sender {
  private readonly ports: SenderPorts;

  constructor(ports: SenderPorts) {
    this.ports = ports;
  }

  send(to: NodeId, toIncarnation: Incarnation | 0, body: Message): void {
    const { network, peers } = this.ports;
    peers.sent(to, this.ports.nowMs());
    network.send(to, this.wrap(to, toIncarnation, body));
  }

  sendToAddress(
    address: string,
    to: NodeId | 0,
    toIncarnation: Incarnation | 0,
    body: Message,
  ): void {
    this.ports.network.sendToAddress(address, this.wrap(to, toIncarnation, body));
  }

  /** A question goes to the member, an answer to the disk that asked, which may be newer than the membership here. */
  sendRaft({ to, asker, message }: Outgoing, membership: Membership): void {
    const member = membership.find(({ id }) => id === to);
    this.send(to, asker ?? member?.incarnation ?? 0, message);
  }

  private wrap(to: NodeId | 0, toIncarnation: Incarnation | 0, body: Message): Envelope {
    const { identity, boot: fromBoot } = this.ports;
    const { node: from, incarnation: fromIncarnation } = identity;
    const fromLsn = this.ports.durableLsn();
    const sentAtMs = Math.floor(this.ports.nowMs());
    return { from, fromIncarnation, fromBoot, fromLsn, sentAtMs, to, toIncarnation, body };
  }
}

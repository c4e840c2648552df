/** Takes messages out of their envelopes, and hands each to the part of the node that it is for. */
import type { Controller } from '../core/controller/controller.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { DataPlane } from '../core/segment/data-plane.ts';
import type { Network } from '../ports/network.ts';
import type { Identity } from './identity.ts';
import type { Joining } from './joining.ts';
import type { Envelope, Message } from './messages.ts';
import { parseProposal } from './metadata-log.ts';
import type { PeerClocks } from './peer-clocks.ts';
import type { Peers } from './peers.ts';
import type { Sender } from './sender.ts';

export interface ReceiverPorts {
  readonly identity: Identity;
  readonly network: Network<Envelope>;
  readonly peers: Peers;
  readonly peerClocks: PeerClocks;
  readonly sender: Sender;
  readonly raft: Raft;
  readonly dataPlane: DataPlane;
  readonly controller: Controller;
  readonly joining: Joining;
  nowMs(): number;
}

export class Receiver {
  private readonly ports: ReceiverPorts;

  constructor(ports: ReceiverPorts) {
    this.ports = ports;
  }

  /** False if it is not for this node on this disk, as far as the sender knew: then it has no effect at all. */
  receive(envelope: Envelope): boolean {
    if (!this.isForMe(envelope)) return false;
    const { peers, peerClocks, raft, dataPlane, controller, joining } = this.ports;
    const { from, fromIncarnation, fromBoot, sentAtMs, body } = envelope;
    const nowMs = this.ports.nowMs();
    peers.heard(from, fromIncarnation, nowMs);
    peerClocks.heard(from, fromBoot, sentAtMs, nowMs);
    switch (body.kind) {
      case 'Ping':
        peers.reportedFull(from, body.full, nowMs);
        break;
      case 'Join':
        this.handleJoin(envelope, body);
        break;
      case 'JoinReply':
        joining.handleReply(body);
        break;
      case 'Forward':
      case 'ForwardReply':
      case 'ForwardsTaken':
      case 'Ask':
      case 'Answer':
        controller.handle({ node: from, incarnation: fromIncarnation, boot: fromBoot }, body);
        break;
      case 'Propose':
        if (raft.role === 'leader' && parseProposal(body.proposal) !== undefined) {
          raft.propose(body.proposal);
        }
        break;
      case 'Replicate':
      case 'ReplicateAck':
      case 'Refuse':
      case 'PromiseRequest':
      case 'Promise':
      case 'CopyRequest':
      case 'Copy':
        dataPlane.handle({ node: from, incarnation: fromIncarnation }, body);
        break;
      default:
        raft.step({ id: from, incarnation: fromIncarnation }, body, nowMs);
    }
    return true;
  }

  private isForMe({ from, to, toIncarnation }: Envelope): boolean {
    const { node, incarnation } = this.ports.identity;
    if (from === node || (to !== 0 && to !== node)) return false;
    return toIncarnation === 0 || toIncarnation === incarnation;
  }

  private handleJoin(
    { from, fromIncarnation }: Envelope,
    { address, replace }: Extract<Message, { kind: 'Join' }>,
  ): void {
    const { joining, network, sender } = this.ports;
    const reply = joining.admit(from, fromIncarnation, address, replace);
    if (reply.outcome === 'admitted') network.locate(from, address);
    sender.sendToAddress(address, from, fromIncarnation, reply);
  }
}

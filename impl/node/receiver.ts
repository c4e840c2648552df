/** Takes messages out of their envelopes, and hands each to the part of the node that it is for. */
import type { Controller } from '../core/controller/controller.ts';
import type { BootId } from '../core/ids.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { DataPlane } from '../core/segment/data-plane.ts';
import type { Network } from '../ports/network.ts';
import type { Identity } from './identity.ts';
import type { Joining } from './joining.ts';
import type { Envelope, Message } from './messages.ts';
import { parseProposal } from './metadata-log.ts';
import type { Peers } from './peers.ts';
import { SeenForwards } from './seen-forwards.ts';
import type { Sender } from './sender.ts';

export interface ReceiverPorts {
  readonly identity: Identity;
  readonly boot: BootId;
  readonly network: Network<Envelope>;
  readonly peers: Peers;
  readonly sender: Sender;
  readonly raft: Raft;
  readonly dataPlane: DataPlane;
  readonly controller: Controller;
  readonly joining: Joining;
  nowMs(): number;
}

export class Receiver {
  private readonly ports: ReceiverPorts;
  private readonly seenForwards = new SeenForwards();

  constructor(ports: ReceiverPorts) {
    this.ports = ports;
  }

  /** False if it is not for this node on this disk, as far as the sender knew: then it has no effect at all. */
  receive(envelope: Envelope): boolean {
    if (!this.isForMe(envelope)) return false;
    const { peers, raft, dataPlane, controller, joining } = this.ports;
    const { from, fromIncarnation, body } = envelope;
    const nowMs = this.ports.nowMs();
    peers.heard(from, fromIncarnation, nowMs);
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
        this.handleForward(envelope, body);
        break;
      case 'ForwardReply':
        if (body.toBoot === this.ports.boot) {
          controller.handleForwardReply(body.request, body.reply);
        }
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

  private handleForward(
    { from, fromIncarnation, fromBoot }: Envelope,
    { request, call, toBoot, operation }: Extract<Message, { kind: 'Forward' }>,
  ): void {
    const { boot, controller, sender } = this.ports;
    // What has an effect is for the life that it was meant for; a read may be answered by any.
    if (toBoot !== boot && operation.kind !== 'fetch') return;
    if (!this.seenForwards.first(from, fromBoot, request)) return;
    const origin = { node: from, boot: fromBoot, sequence: call };
    controller.serve(operation, origin, (reply) =>
      sender.send(from, fromIncarnation, {
        kind: 'ForwardReply',
        request,
        toBoot: fromBoot,
        reply,
      }),
    );
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

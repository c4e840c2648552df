/**
 * Takes messages out of their envelopes, and hands each to the part of the node that it is for.
 *
 * A number has one disk at a time, and a disk one life: nothing that another one says has any effect here, and that it speaks
 * is no sign of life. There are two exceptions. Whoever has no place may ask for one; and a request of Raft's is
 * answered, for the membership here may be older than the sender's place in it.
 */
import type { Controller } from '../core/controller/controller.ts';
import { memberOf } from '../core/raft/membership.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { DataPlane } from '../core/segment/data-plane.ts';
import type { Place } from './addresses.ts';
import type { Admission } from './admission.ts';
import type { Amnesia } from './amnesia.ts';
import type { Copies } from './copies.ts';
import type { Identity } from './identity.ts';
import type { Joining } from './joining.ts';
import type { KnownDisks } from './known-disks.ts';
import { hasKept, type Life, type Reach } from './lives.ts';
import {
  type Envelope,
  isForNumber,
  type JoinMessage,
  type MemoryMessage,
  type Message,
} from './messages.ts';
import { parseProposal } from './metadata-log.ts';
import type { OtherCluster } from './other-cluster.ts';
import type { PeerClocks } from './peer-clocks.ts';
import type { Peers } from './peers.ts';
import type { Sender } from './sender.ts';
import type { Watch } from './watch.ts';

/** What only members say to each other. */
type AmongMembers = Exclude<Message, JoinMessage | MemoryMessage>;

export interface ReceiverPorts {
  readonly identity: Identity;
  readonly peers: Peers;
  readonly peerClocks: PeerClocks;
  readonly sender: Sender;
  readonly raft: Raft;
  readonly dataPlane: DataPlane;
  readonly controller: Controller;
  readonly joining: Joining;
  readonly admission: Admission;
  readonly otherCluster: OtherCluster;
  readonly lives: readonly Life[];
  readonly knownDisks: KnownDisks;
  readonly copies: Copies;
  /** Absent if nobody listens. */
  readonly watch: Watch | undefined;
  nowMs(): number;
  /** A member said where it is. */
  told(place: Place): void;
  /** This disk has less than it told that node it had. */
  lapsed(amnesia: Amnesia): void;
}

export class Receiver {
  private readonly ports: ReceiverPorts;

  constructor(ports: ReceiverPorts) {
    this.ports = ports;
  }

  /** False if it had no effect. */
  receive(envelope: Envelope): boolean {
    if (!this.isForMe(envelope)) return this.receiveForNumber(envelope);
    const { joining, knownDisks } = this.ports;
    const { body } = envelope;
    switch (body.kind) {
      case 'Join':
        return this.handleJoin(envelope, body);
      case 'JoinReply':
        joining.handleReply(body);
        return true;
      case 'Remind':
        this.handleRemind(envelope, body);
        return true;
      case 'Recall':
        if (this.judge(envelope) !== 'successor') return false;
        knownDisks.recalled(envelope, body);
        return true;
      default:
        return this.receiveFrom(envelope, body);
    }
  }

  private receiveFrom(envelope: Envelope, body: AmongMembers): boolean {
    const { peers, peerClocks, raft, dataPlane, controller } = this.ports;
    const { from, fromIncarnation, fromBoot, sentAtMs } = envelope;
    const nowMs = this.ports.nowMs();
    if (this.isMember(envelope)) {
      const forgotten = this.ports.knownDisks.hear(envelope);
      if (forgotten !== undefined) {
        if (this.judge(envelope) !== 'successor') return false;
        this.remind(envelope, forgotten);
        return true;
      }
      if (body.kind === 'Ping') this.ports.told(placeOf(envelope, body.address));
      peers.heard(from, nowMs);
      peerClocks.heard(from, fromBoot, sentAtMs, nowMs);
    } else if (!isRaftRequest(body)) {
      // A member of this disk's cluster whom it does not know: it is behind, or it is an older copy of itself and will be told so.
      if (body.kind === 'Ping') this.ports.joining.introduce(body.address);
      return false;
    }
    peers.asked(from, fromIncarnation);
    switch (body.kind) {
      case 'Ping':
        peers.reportedFull(from, body.full, nowMs);
        if (body.leaving) peers.reportedLeaving(from, fromBoot);
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
      case 'MendRequest':
      case 'Mend':
        dataPlane.handle({ node: from, incarnation: fromIncarnation }, body);
        break;
      default:
        raft.step({ id: from, incarnation: fromIncarnation }, body, nowMs);
        if (body.kind === 'InstallSnapshotResponse' && body.installed) {
          this.ports.watch?.snapshotInstalled(from, body.snapshotIndex);
        }
    }
    return true;
  }

  /** It is for another disk: whoever has no place learns whom to ask, whoever has one that there is another cluster. */
  private receiveForNumber(envelope: Envelope): boolean {
    const { identity, joining, otherCluster } = this.ports;
    const { from, toIncarnation, body } = envelope;
    if (!isForNumber(envelope, identity.node) || body.kind !== 'Ping') return false;
    joining.heardOf(body.address);
    otherCluster.heard(from, toIncarnation);
    return true;
  }

  private isForMe({ from, to, toIncarnation }: Envelope): boolean {
    const { node, incarnation } = this.ports.identity;
    if (from === node || (to !== 0 && to !== node)) return false;
    return toIncarnation === 0 || toIncarnation === incarnation;
  }

  private isMember({ from, fromIncarnation }: Envelope): boolean {
    const sender = { id: from, incarnation: fromIncarnation };
    return memberOf(this.ports.raft.membership, sender) !== undefined;
  }

  private judge({ from, fromBoot }: Envelope): ReturnType<Copies['judge']> {
    return this.ports.copies.judge(from, fromBoot, this.ports.nowMs());
  }

  /** It has the disk of a node that lives. What it did would be done twice. */
  private refuseCopy({ from, fromIncarnation }: Envelope, address: string): void {
    const { admission, sender, watch } = this.ports;
    const detail = `its disk is a copy: node ${from} lives, with the same one`;
    watch?.joinRefused(from, fromIncarnation, detail);
    sender.sendToAddress(address, from, fromIncarnation, admission.refusal(detail));
  }

  /** Where the sender is to be found is known only if it says so: it may be another life of its disk because it moved. */
  private remind({ from, fromIncarnation, body }: Envelope, { boot, lsn }: Reach): void {
    const { sender } = this.ports;
    const remind = { kind: 'Remind', boot, lsn } as const;
    if ('address' in body) sender.sendToAddress(body.address, from, fromIncarnation, remind);
    else sender.send(from, fromIncarnation, remind);
  }

  private handleRemind({ from, fromIncarnation }: Envelope, { boot, lsn }: Reach): void {
    const { lives, sender } = this.ports;
    if (hasKept(lives, { boot, lsn })) {
      sender.send(from, fromIncarnation, { kind: 'Recall', boot, lsn });
    } else this.ports.lapsed({ boot, lsn, toldBy: from });
  }

  private handleJoin(envelope: Envelope, join: Extract<Message, { kind: 'Join' }>): boolean {
    const { admission, knownDisks, sender } = this.ports;
    const { from, fromIncarnation } = envelope;
    const { address, amnesiac } = join;
    if (!amnesiac && this.isMember(envelope)) {
      const forgotten = knownDisks.hear(envelope);
      const what = forgotten === undefined ? 'successor' : this.judge(envelope);
      if (what === 'unknown') return false;
      if (what === 'copy') {
        this.refuseCopy(envelope, address);
        return true;
      }
      if (forgotten === undefined) this.ports.told(placeOf(envelope, address));
      else this.remind(envelope, forgotten);
    }
    // Who has to recall something first is answered, too: it may not know where this node is, and has to tell it.
    admission.admit(from, fromIncarnation, join, (reply) => {
      if (reply.outcome === 'refused') {
        this.ports.watch?.joinRefused(from, fromIncarnation, reply.detail);
      }
      sender.sendToAddress(address, from, fromIncarnation, reply);
    });
    return true;
  }
}

function placeOf({ from, fromIncarnation }: Envelope, address: string): Place {
  return { id: from, incarnation: fromIncarnation, address };
}

function isRaftRequest({ kind }: AmongMembers): boolean {
  switch (kind) {
    case 'RequestVoteRequest':
    case 'AppendEntriesRequest':
    case 'InstallSnapshotRequest':
    case 'TimeoutNow':
      return true;
    default:
      return false;
  }
}

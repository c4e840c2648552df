/**
 * A node that runs: its store is open, it knows who it is and where its Raft stood. Here its parts are put together,
 * and inputs reach them; each input ends in `flush`.
 */
import { Controller } from '../core/controller/controller.ts';
import {
  type ClientRequest,
  errorReply,
  type NodeWish,
  type Reply,
} from '../core/controller/operations.ts';
import { Repair } from '../core/controller/repair.ts';
import { Supervisor } from '../core/controller/supervisor.ts';
import type { BootId, NodeId } from '../core/ids.ts';
import { Lease } from '../core/lease/lease.ts';
import type { ClusterState } from '../core/metadata/cluster-state.ts';
import { Proposals } from '../core/metadata/proposals.ts';
import type { Restored } from '../core/raft/entry.ts';
import type { Member as RaftMember } from '../core/raft/membership.ts';
import { Raft } from '../core/raft/raft.ts';
import type { HostedRaftEvent, RaftEvent } from '../core/raft/trace.ts';
import { DataPlane } from '../core/segment/data-plane.ts';
import type { Lsn } from '../core/storage/ids.ts';
import type { Store } from '../core/storage/store.ts';
import { Tracer } from '../core/tracer.ts';
import type { Network } from '../ports/network.ts';
import type { TraceSink } from '../ports/trace-sink.ts';
import { Addresses, type Place } from './addresses.ts';
import { Admission } from './admission.ts';
import { type Amnesia, readSeeds } from './amnesia.ts';
import { Applier } from './applier.ts';
import { Cleaning } from './cleaning.ts';
import type { NodeConfig } from './config.ts';
import { Copies } from './copies.ts';
import { Handover } from './handover.ts';
import type { Identity } from './identity.ts';
import { Joining } from './joining.ts';
import { KnownDisks } from './known-disks.ts';
import type { Lifecycle } from './lifecycle.ts';
import { LinearizableReads } from './linearizable-reads.ts';
import type { Life } from './lives.ts';
import type { Envelope } from './messages.ts';
import { MetadataLog } from './metadata-log.ts';
import { judge } from './node-wishes.ts';
import { type Notice, named } from './notices.ts';
import { OtherCluster } from './other-cluster.ts';
import { Ownership } from './ownership.ts';
import { PeerClocks } from './peer-clocks.ts';
import { Peers } from './peers.ts';
import { PeriodicWork } from './periodic-work.ts';
import { Placement } from './placement.ts';
import type { NodePorts } from './ports.ts';
import type { RaftStorage } from './raft-storage.ts';
import { ReadyLoop } from './ready-loop.ts';
import { Receiver } from './receiver.ts';
import { Registration } from './registration.ts';
import { Sender } from './sender.ts';
import type { Recovered } from './startup.ts';
import { Watch } from './watch.ts';

/** What the node had before it became a member. */
export interface MemberOptions {
  readonly config: NodeConfig;
  readonly ports: NodePorts;
  readonly boot: BootId;
  readonly store: Store;
  readonly lifecycle: Lifecycle;
  readonly recovered: Recovered;
  /** This disk has less than it told somebody it had: the member is to end. */
  readonly lapsed: (amnesia: Amnesia) => void;
}

/** Its parts are given the member itself; each sees of it, and so of the others, what its ports name. */
export class Member {
  readonly config: NodeConfig;
  readonly identity: Identity;
  readonly boot: BootId;
  readonly store: Store;
  readonly lifecycle: Lifecycle;
  readonly network: Network<Envelope>;
  readonly trace: Tracer | undefined;
  readonly lease: Lease;
  readonly peers: Peers;
  readonly addresses: Addresses;
  readonly peerClocks: PeerClocks;
  readonly sender: Sender;
  readonly metadata: MetadataLog;
  readonly proposals: Proposals;
  readonly raft: Raft;
  readonly raftStorage: RaftStorage;
  readonly placement: Placement;
  readonly dataPlane: DataPlane;
  readonly linearizableReads: LinearizableReads;
  readonly controller: Controller;
  readonly supervisor: Supervisor;
  readonly repair: Repair;
  readonly lives: readonly Life[];
  readonly knownDisks: KnownDisks;
  readonly copies: Copies;
  readonly seeds: readonly string[];
  readonly joining: Joining;
  readonly otherCluster: OtherCluster;
  readonly admission: Admission;
  readonly registration: Registration;
  readonly handover: Handover;
  /** Both are absent if nobody listens to what they tell. */
  readonly watch: Watch | undefined;
  readonly ownership: Ownership | undefined;
  readonly receiver: Receiver;
  readonly applier: Applier;
  readonly periodicWork: PeriodicWork;
  readonly cleaning: Cleaning;
  readonly readyLoop: ReadyLoop;
  readonly lapsed: (amnesia: Amnesia) => void;
  private readonly ports: NodePorts;

  constructor(options: MemberOptions) {
    const { config, ports, boot, store, lifecycle, recovered, lapsed } = options;
    const { identity, lives, raftStorage, restored } = recovered;
    this.config = config;
    this.ports = ports;
    this.identity = identity;
    this.boot = boot;
    this.store = store;
    this.lifecycle = lifecycle;
    this.network = ports.network;
    this.trace = this.newTracer();
    this.lives = lives;
    this.lapsed = lapsed;
    this.knownDisks = new KnownDisks(store);
    this.seeds = readSeeds(store);
    this.lease = new Lease(config.leaseMs);
    this.peers = new Peers(config.failoverMs, this.nowMs());
    this.copies = new Copies(config.failoverMs, this.peers);
    this.addresses = new Addresses();
    this.peerClocks = new PeerClocks();
    this.sender = new Sender(this);
    this.metadata = new MetadataLog(this.trace);
    if (restored.snapshot !== undefined) this.metadata.restore(restored.snapshot);
    this.proposals = this.newProposals();
    this.raft = this.newRaft(restored);
    this.raftStorage = raftStorage;
    this.placement = new Placement(this);
    this.dataPlane = this.newDataPlane();
    this.linearizableReads = new LinearizableReads();
    this.controller = this.newController();
    this.supervisor = this.newSupervisor();
    this.repair = this.newRepair();
    this.joining = new Joining(this);
    this.otherCluster = new OtherCluster(this);
    this.admission = new Admission(this);
    this.registration = new Registration(this);
    this.handover = new Handover(this);
    this.watch = ports.notice && new Watch(this);
    this.ownership = ports.notice && new Ownership(this);
    this.receiver = new Receiver(this);
    this.applier = new Applier(this);
    this.periodicWork = new PeriodicWork(this);
    this.cleaning = new Cleaning(this);
    this.readyLoop = new ReadyLoop(this);
  }

  /** Tells what the disk had kept, and acts on the grants in it. Called once, before anything else. */
  start(): void {
    const { boot, identity, cluster, dataPlane } = this;
    this.trace?.restart(boot, identity.incarnation, cluster.appliedIndex, dataPlane.replicas.all());
    dataPlane.everythingChanged();
  }

  // ---- inputs

  receive(envelope: Envelope): void {
    if (this.receiver.receive(envelope)) this.flush();
  }

  tick(): void {
    const nowMs = this.nowMs();
    this.raft.tick(nowMs);
    if (this.lease.expireLease(nowMs)) this.trace?.expireLease();
    // Whose life is over is not known before all that is committed has been applied.
    if (!this.applier.isBehind) {
      this.supervisor.tick(nowMs);
      this.repair.tick(nowMs);
    }
    this.dataPlane.tick(nowMs);
    this.proposals.tick(nowMs);
    this.controller.tick(nowMs);
    this.periodicWork.tick(nowMs);
    this.cleaning.tick(nowMs);
    this.watch?.tick(nowMs);
    this.flush();
  }

  deadlineMs(): number {
    if (this.readyLoop.hasMore) return this.nowMs();
    return Math.min(
      this.raft.deadlineMs(),
      this.lease.deadlineMs(),
      this.supervisor.deadlineMs(),
      this.repair.deadlineMs(),
      this.dataPlane.deadlineMs(),
      this.proposals.deadlineMs(),
      this.controller.deadlineMs(),
      this.periodicWork.deadlineMs(),
      this.cleaning.deadlineMs(),
    );
  }

  /** What they append to one topic is replicated together. */
  request(requests: readonly ClientRequest[]): void {
    for (const { operation, reply } of requests) {
      if (this.handover.isUnderWay) reply(errorReply('Unavailable', 'the node is about to stop'));
      else this.controller.request(operation, reply);
    }
    this.flush();
  }

  /** See `Controller.changeNode`. */
  changeNode(wish: NodeWish, dryRun: boolean, reply: (reply: Reply) => void): void {
    this.controller.changeNode(wish, dryRun, reply);
    this.flush();
  }

  /** Begins to hand over what this node owns and leads. Once that is done it stops. */
  stop(): void {
    if (this.handover.isUnderWay) return;
    this.handover.begin(this.nowMs());
    this.periodicWork.hasten();
    this.flush();
  }

  /** The end of each input; also of one to the store alone. */
  flush(): void {
    this.readyLoop.flush();
  }

  // ---- what the parts ask for

  /** The metadata as applied here. Replaced as a whole when a snapshot is installed: ask each time. */
  get cluster(): ClusterState {
    return this.metadata.cluster;
  }

  /** Whatever hangs on who leads Raft, and on who is a member, follows. */
  followRaft(): void {
    const { raft } = this;
    if (this.lease.renewLease(raft.leaderContactMs, this.nowMs())) this.trace?.renewLease();
    // What earlier leaders have begun is known once an entry of this leadership is applied; sooner it would be begun again.
    const isCurrent = raft.role === 'leader' && this.metadata.applied.term === raft.term;
    this.supervisor.watch(isCurrent);
    this.repair.watch(isCurrent);
    this.linearizableReads.follow(raft);
    this.peers.follow(raft.membership, (member) => this.locate(member));
    this.watch?.follow();
  }

  locate(member: RaftMember): void {
    this.network.locate(member.id, this.addressOf(member));
  }

  /** Where it said lately that it is; else where it was when it registered last; else where it was when it was let in. */
  addressOf = ({ id, incarnation, address }: RaftMember): string => {
    if (id === this.config.id) return this.config.raftAddress;
    const known = this.cluster.node(id);
    const registered = known?.incarnation === incarnation ? known.raftAddress : undefined;
    return this.addresses.of(id, incarnation, this.nowMs()) ?? registered ?? address;
  };

  told(place: Place): void {
    this.addresses.told(place, this.nowMs());
    this.network.locate(place.id, place.address);
  }

  passedOn(place: Place): void {
    if (place.id === this.config.id || !this.addresses.passedOn(place, this.nowMs())) return;
    this.network.locate(place.id, place.address);
  }

  heardMembers(): readonly Place[] {
    return this.raft.membership.flatMap(({ id, incarnation }) => {
      const isSelf = id === this.config.id;
      const address = isSelf
        ? this.config.raftAddress
        : this.addresses.of(id, incarnation, this.nowMs());
      return address === undefined ? [] : [{ id, incarnation, address }];
    });
  }

  /** Whether the node was heard of lately. A node that is about to stop does not count itself. */
  live(node: NodeId): boolean {
    if (node === this.config.id) return !this.handover.isUnderWay;
    return this.peers.live(node, this.nowMs());
  }

  /** Whether it will be there in a moment, as far as this node can tell: who leaves comes back with the life that it registers next. */
  stays(node: NodeId): boolean {
    if (node === this.config.id) return !this.handover.isUnderWay;
    const boot = this.cluster.node(node)?.boot;
    return this.peers.live(node, this.nowMs()) && (!boot || !this.peers.isLeaving(node, boot));
  }

  hasRoom(node: NodeId): boolean {
    if (node === this.config.id) return !this.store.stats.isFull;
    return this.peers.hasRoom(node, this.nowMs());
  }

  private submit(proposal: Uint8Array): void {
    const { raft } = this;
    if (raft.role === 'leader') raft.propose(proposal);
    else if (raft.leader !== 0) {
      const incarnation = this.cluster.node(raft.leader)?.incarnation ?? 0;
      this.sender.send(raft.leader, incarnation, { kind: 'Propose', proposal });
    }
  }

  /** Something that the operator should hear of. */
  readonly notice = (notice: Notice): void => this.ports.notice?.(notice);

  durableLsn(): Lsn {
    return this.readyLoop.durableLsn;
  }

  nowMs(): number {
    return this.ports.clock.monotonicMs();
  }

  // ---- the parts from the core

  private newTracer(): Tracer | undefined {
    const { trace, checksum } = this.ports;
    if (trace === undefined) return undefined;
    return new Tracer(trace, this.config.id, (record) => checksum(record, 0, record.length, 0));
  }

  private newProposals(): Proposals {
    const { config, boot, trace } = this;
    return new Proposals({
      node: config.id,
      boot,
      trace,
      nowMs: () => this.nowMs(),
      submit: (proposal) => this.submit(proposal),
    });
  }

  private newRaft(restored: Restored): Raft {
    const { config, identity, ports } = this;
    return new Raft(
      {
        id: config.id,
        incarnation: identity.incarnation,
        random: ports.random,
        electionTimeoutMs: config.electionTimeoutMs,
        heartbeatMs: config.heartbeatMs,
        maxEntryBytesPerMessage: 256 * 1024,
        maxInflightMessages: 8,
        snapshotChunkBytes: 256 * 1024,
        trace: ports.raftTrace && this.newRaftTrace(ports.raftTrace),
      },
      restored,
      this.nowMs(),
    );
  }

  /** Adds to what Raft tells whose disks it is about: the sender's was heard just now. The event is nobody else's yet. */
  private newRaftTrace(sink: TraceSink<HostedRaftEvent>): TraceSink<RaftEvent> {
    const emit = (event: RaftEvent): void => {
      const hosted = event as { -readonly [Key in keyof HostedRaftEvent]: HostedRaftEvent[Key] };
      hosted.incarnation = this.identity.incarnation;
      if ('from' in event) hosted.peer = this.peers.incarnation(event.from);
      else if ('to' in event) {
        const member = this.raft.membership.find(({ id }) => id === event.to);
        hosted.peer = member?.incarnation ?? 0;
      }
      sink.emit(hosted as HostedRaftEvent);
    };
    return { emit };
  }

  private newDataPlane(): DataPlane {
    const { config, identity, boot, store, trace, lifecycle } = this;
    return new DataPlane({
      self: identity,
      boot,
      store,
      trace,
      maxSegmentEntries: config.maxSegmentEntries,
      repairBytesPerSecond: config.repairBytesPerSecond,
      scrub: { everyMs: config.scrubEveryMs, bytesPerSecond: config.scrubBytesPerSecond },
      cluster: () => this.cluster,
      nowMs: () => this.nowMs(),
      wallMs: () => Math.floor(this.ports.clock.wallMs()),
      leaseValid: () => this.lease.valid(this.nowMs()),
      send: (to, body) => this.sender.send(to.node, to.incarnation, body),
      propose: (command) => this.proposals.proposeCommand(command),
      place: (owner) => this.placement.next(owner),
      hasRoom: (node) => this.hasRoom(node),
      advanced: (topic) => this.controller.advanced(topic),
      notice: (notice) =>
        this.notice(named(notice, (topic) => this.cluster.topic(topic)?.name ?? `${topic}`)),
      failed: (error) => lifecycle.fail(error),
    });
  }

  private newController(): Controller {
    const { config, boot, trace } = this;
    return new Controller(
      {
        node: config.id,
        boot,
        trace,
        operationTimeoutMs: config.operationTimeoutMs,
        cluster: () => this.cluster,
        nowMs: () => this.nowMs(),
        leaseValid: () => this.lease.valid(this.nowMs()),
        live: (node) => this.live(node),
        isLeaving: (node, boot) => this.peers.isLeaving(node, boot),
        leader: () => this.raft.leader,
        confirm: (done) => this.linearizableReads.ask(this.raft, done),
        judge: (wish) => judge(this, wish),
        placeTopic: (topic) => this.placement.first(topic),
        timeAt: (node, boot, timeMs) => this.peerClocks.timeAt(node, boot, timeMs),
        send: (to, incarnation, message) => this.sender.send(to, incarnation, message),
      },
      this.dataPlane,
      this.proposals,
    );
  }

  private newSupervisor(): Supervisor {
    return new Supervisor(
      {
        cluster: () => this.cluster,
        nowMs: () => this.nowMs(),
        live: (node) => this.live(node),
        propose: (command) => this.proposals.proposeCommand(command),
      },
      this.config.heartbeatMs,
    );
  }

  private newRepair(): Repair {
    return new Repair({
      repairAfterMs: this.config.repairAfterMs,
      cluster: () => this.cluster,
      nowMs: () => this.nowMs(),
      live: (node) => this.live(node),
      hasRoom: (node) => this.hasRoom(node),
      holders: () => this.placement.holders(),
      propose: (command) => this.proposals.proposeCommand(command),
    });
  }
}

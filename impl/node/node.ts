/**
 * One member of a cluster. It is driven from outside: messages, disk completions, client operations and the clock come
 * in as calls that run to their end; what it wants done leaves through its ports. It never waits.
 *
 * Each input ends in `flush`: what the input changed is put into the store as one batch, what may leave at once
 * leaves, and what promises something waits in `pendingCommits` until that batch is durable.
 */
import { Controller } from '../core/controller/controller.ts';
import type { Operation, Reply, TopicState } from '../core/controller/operations.ts';
import { Supervisor } from '../core/controller/supervisor.ts';
import { WalrusError } from '../core/errors.ts';
import { type BootId, drawId, type Incarnation, type NodeId, type SegmentId } from '../core/ids.ts';
import { Lease } from '../core/lease/lease.ts';
import { ClusterState } from '../core/metadata/cluster-state.ts';
import type { Proposal } from '../core/metadata/commands.ts';
import { place } from '../core/metadata/placement.ts';
import { Proposals } from '../core/metadata/proposals.ts';
import { bootstrap, EMPTY, type Entry, type Restored, type Snapshot } from '../core/raft/entry.ts';
import type { Member } from '../core/raft/membership.ts';
import type { Outgoing } from '../core/raft/messages.ts';
import { Raft } from '../core/raft/raft.ts';
import type { HostedRaftEvent, RaftEvent } from '../core/raft/trace.ts';
import { DataPlane } from '../core/segment/data-plane.ts';
import type { Replica } from '../core/segment/replica.ts';
import type { Writer } from '../core/segment/writer.ts';
import type { Lsn } from '../core/storage/ids.ts';
import { Store, type StoreStats } from '../core/storage/store.ts';
import type { DataEvent } from '../core/trace.ts';
import type { Clock } from '../ports/clock.ts';
import type { Checksum, Disk, DiskCompletion } from '../ports/disk.ts';
import type { Network } from '../ports/network.ts';
import type { Random } from '../ports/random.ts';
import type { TraceSink } from '../ports/trace-sink.ts';
import type { NodeConfig } from './config.ts';
import { Joining } from './joining.ts';
import { LinearizableReads } from './linearizable-reads.ts';
import type { Envelope, Message } from './messages.ts';
import { MetadataLog, parseProposal } from './metadata-log.ts';
import { raftMetrics } from './metrics.ts';
import { Peers } from './peers.ts';
import { type Identity, RaftStorage, readIdentity, writeIdentity } from './raft-storage.ts';
import { SeenForwards } from './seen-forwards.ts';
import { Sender } from './sender.ts';

export interface NodePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network<Envelope>;
  readonly disk: Disk;
  readonly checksum: Checksum;
  /** Memory that the disk can write from without copying. */
  readonly arena?: Uint8Array | undefined;
  readonly trace?: TraceSink<DataEvent> | undefined;
  /** Raft's part of the trace: it has several events to each message, so whoever does not read it may leave it out. */
  readonly raftTrace?: TraceSink<HostedRaftEvent> | undefined;
}

/** How often a node does its periodic work: pings, registration, admission, full segments. */
const PERIOD_MS = 250;
/** How long a node that stops waits for others to take over, in milliseconds. */
const HANDOVER_MS = 2_000;
/** Memory for batches that are being written. */
const ARENA_BATCHES = 16;

/** What waits for one commit of the store to become durable. */
interface PendingCommit {
  readonly lsn: Lsn;
  readonly readies: readonly number[];
  readonly messages: readonly Outgoing[];
  readonly compaction: Snapshot | undefined;
}

export class Node {
  readonly id: NodeId;
  readonly boot: BootId;
  private readonly config: NodeConfig;
  private readonly ports: NodePorts;
  private readonly store: Store;
  private readonly lease: Lease;
  private readonly metadata: MetadataLog;
  private readonly sender: Sender;
  private readonly seenForwards = new SeenForwards();
  private readonly linearizableReads = new LinearizableReads();
  private readonly peers: Peers;
  private readonly joining: Joining;
  private readonly supervisor: Supervisor;
  private readonly proposals: Proposals;
  private readonly pendingCommits: PendingCommit[] = [];
  private currentStatus: 'starting' | 'running' | 'stopped' = 'starting';
  private currentFailure: WalrusError | undefined;
  private identity: Identity | undefined;
  private raftNode: Raft | undefined;
  private raftStorage: RaftStorage | undefined;
  private dataPlane: DataPlane | undefined;
  private controller: Controller | undefined;
  /** Who this node is, is durable from here on; nobody hears of it before. */
  private identityLsn: Lsn = Infinity;
  private periodicWorkAtMs = Infinity;
  private monitorAtMs = 0;
  private registering = false;
  private stopByMs = Infinity;

  constructor(config: NodeConfig, ports: NodePorts) {
    this.id = config.id;
    this.boot = drawId(ports.random) as BootId;
    this.config = config;
    this.ports = ports;
    const nowMs = (): number => ports.clock.monotonicMs();
    this.lease = new Lease(config.leaseMs);
    this.peers = new Peers(config.failoverMs);
    this.store = new Store(ports.disk, {
      checksum: ports.checksum,
      random: ports.random,
      fileBytes: config.fileBytes,
      batchBytes: config.batchBytes,
      checkpointBytes: config.checkpointBytes,
      syncOnCommit: true,
      arena: ports.arena ?? new Uint8Array(config.batchBytes * ARENA_BATCHES),
      onProgress: () => {},
      onFailed: (error) => this.fail(error),
    });
    this.metadata = new MetadataLog(this.id, ports.trace);
    this.sender = new Sender({
      node: this.id,
      boot: this.boot,
      network: ports.network,
      peers: this.peers,
      nowMs,
      incarnation: () => this.identity!.incarnation,
    });
    this.proposals = new Proposals({
      node: this.id,
      boot: this.boot,
      trace: ports.trace,
      nowMs,
      submit: (bytes) => this.submit(bytes),
    });
    this.supervisor = new Supervisor(
      {
        cluster: () => this.cluster,
        nowMs,
        live: (node) => this.live(node),
        propose: (command) => this.proposals.proposeCommand(command),
      },
      config.heartbeatMs,
    );
    this.joining = new Joining(config, {
      nowMs,
      raft: () => this.raftNode,
      sendToAddress: (address, body) => this.sender.sendToAddress(address, 0, 0, body),
      locate: (node, address) => ports.network.locate(node, address),
    });
  }

  get status(): 'starting' | 'running' | 'stopped' {
    return this.currentStatus;
  }

  /** Why the node stopped, if it did not stop because it was asked to. */
  get failure(): WalrusError | undefined {
    return this.currentFailure;
  }

  /** The disk has no place for more; what it has can be read. */
  get diskIsFull(): boolean {
    return this.storage?.isFull ?? false;
  }

  /** What the store did and how; undefined unless the node runs. */
  get storage(): StoreStats | undefined {
    return this.currentStatus === 'running' ? this.store.stats : undefined;
  }

  /** 0 until the store is open. */
  get incarnation(): Incarnation | 0 {
    return this.identity?.incarnation ?? 0;
  }

  get raft(): Raft | undefined {
    return this.raftNode;
  }

  /** The metadata as applied here; absent until the store is open. */
  get clusterState(): ClusterState | undefined {
    return this.raftNode === undefined ? undefined : this.cluster;
  }

  replica(topic: string, segment: SegmentId): Replica | undefined {
    return this.dataPlane?.replicas.find(topic, segment);
  }

  replicas(): Iterable<Replica> {
    return this.dataPlane?.replicas.all() ?? [];
  }

  /** The grant under which this node writes to the segment, as its owner or its recoverer. */
  writer(topic: string, segment: SegmentId): Writer | undefined {
    const owned = this.dataPlane?.owner.writer(topic);
    if (owned?.replica.segment === segment) return owned;
    const recovery = this.dataPlane?.failover.recovery(topic);
    return recovery?.segment.id === segment ? recovery.writer : undefined;
  }

  /** Opens the store, then takes part. Called once. */
  start(): void {
    this.store.open((error) => {
      if (error !== undefined) this.fail(error);
      else this.identify();
    });
  }

  receive(envelope: Envelope): void {
    if (this.currentStatus !== 'running' || !this.sender.isForMe(envelope)) return;
    const { from, fromIncarnation, body } = envelope;
    this.peers.heard(from, fromIncarnation, this.nowMs());
    switch (body.kind) {
      case 'Ping':
        this.peers.reportedFull(from, body.full, this.nowMs());
        break;
      case 'Join':
        this.answerJoin(envelope, body.address, body.replace);
        break;
      case 'JoinReply':
        this.joining.handleReply(body);
        break;
      case 'Forward':
        this.handleForward(envelope, body);
        break;
      case 'ForwardReply':
        if (body.toBoot === this.boot) {
          this.controller!.handleForwardReply(body.request, body.reply);
        }
        break;
      case 'Propose':
        if (this.raftNode!.role === 'leader' && parseProposal(body.proposal) !== undefined) {
          this.raftNode!.propose(body.proposal);
        }
        break;
      case 'Replicate':
      case 'ReplicateAck':
      case 'Refuse':
      case 'PromiseRequest':
      case 'Promise':
      case 'CopyRequest':
      case 'Copy':
        this.dataPlane!.handle({ node: from, incarnation: fromIncarnation }, body);
        break;
      case 'RequestVoteResponse':
      case 'AppendEntriesResponse':
      case 'InstallSnapshotResponse': {
        // What a disk has promised dies with it; the one that took its place has promised nothing of it. Requests
        // need no such check: this node's membership may be older than the sender's place in it.
        const member = this.raftNode!.membership.find(({ id }) => id === from);
        if (member?.incarnation === fromIncarnation) {
          this.raftNode!.step(from, body, this.nowMs());
        }
        break;
      }
      default:
        this.raftNode!.step(from, body, this.nowMs());
    }
    this.flush();
  }

  complete(completions: readonly DiskCompletion[]): void {
    if (this.currentStatus === 'stopped') return;
    this.store.complete(completions);
    if (this.store.durableLsn >= this.identityLsn) {
      this.identityLsn = Infinity;
      this.restore();
    }
    this.flush();
  }

  tick(): void {
    if (this.currentStatus !== 'running') return;
    const nowMs = this.nowMs();
    this.raftNode!.tick(nowMs);
    if (this.lease.expireLease(nowMs)) {
      this.ports.trace?.emit({ name: 'ExpireLease', node: this.id });
    }
    this.supervisor.tick(nowMs);
    this.dataPlane!.tick(nowMs);
    this.proposals.tick(nowMs);
    this.controller!.tick(nowMs);
    if (nowMs >= this.periodicWorkAtMs) this.doPeriodicWork(nowMs);
    this.flush();
  }

  /** When `tick` wants to be called, on this node's monotonic clock. Changes with every input. */
  deadlineMs(): number {
    if (this.currentStatus !== 'running') return Infinity;
    return Math.min(
      this.raftNode!.deadlineMs(),
      this.lease.deadlineMs(),
      this.supervisor.deadlineMs(),
      this.dataPlane!.deadlineMs(),
      this.proposals.deadlineMs(),
      this.controller!.deadlineMs(),
      this.periodicWorkAtMs,
    );
  }

  /** Does what a client asks. `reply` is called once, now or later, at the latest when the operation's time is up. */
  request(operation: Operation, reply: (reply: Reply) => void): void {
    if (this.currentStatus !== 'running') {
      // Another node may do it, so a client is to go on.
      const code = this.currentStatus === 'stopped' ? 'Unavailable' : 'NoLeader';
      reply({ kind: 'error', code, message: `node ${this.id} is ${this.currentStatus}` });
      return;
    }
    this.controller!.request(operation, reply);
    this.flush();
  }

  /** What this node knows of a topic, which may be behind; undefined if it knows none. */
  topicState(topic: string): TopicState | undefined {
    const segments = this.cluster.topic(topic)?.segments;
    if (segments === undefined) return undefined;
    const current = segments.at(-1)!;
    const sealed = segments.slice(0, -1);
    return {
      currentSegment: current.id,
      owner: current.owner,
      lastSealedOffset: current.baseOffset,
      sealedSegments: new Map(sealed.map(({ id, count }) => [id, count])),
      segmentOwners: new Map(segments.map(({ id, owner }) => [id, owner])),
    };
  }

  metrics(): object {
    return raftMetrics({
      id: this.id,
      running: this.currentStatus === 'running',
      raft: this.raftNode,
      applied: this.metadata.applied,
      snapshot: this.metadata.snapshot,
      holders: this.raftNode === undefined ? [] : this.holders(),
      nowMs: this.nowMs(),
      wallMs: this.ports.clock.wallMs(),
    });
  }

  /** Hands its segments and its leadership over, then stops; `status` tells when. */
  stop(): void {
    if (this.currentStatus === 'starting') this.currentStatus = 'stopped';
    if (this.currentStatus !== 'running' || this.stopByMs < Infinity) return;
    this.stopByMs = this.nowMs() + HANDOVER_MS;
    this.dataPlane!.owner.rollOver(true);
    this.periodicWorkAtMs = this.nowMs();
    this.flush();
  }

  // ---- start

  /** Learns who this node is; on an empty disk, decides it. */
  private identify(): void {
    const known = readIdentity(this.store);
    if (known !== undefined && known.node !== this.id) {
      this.fail(
        new WalrusError(
          'InvalidArgument',
          `the directory is node ${known.node}'s, not ${this.id}'s`,
        ),
      );
      return;
    }
    this.raftStorage = new RaftStorage(this.store);
    if (known === undefined) {
      const incarnation = drawId(this.ports.random) as Incarnation;
      this.identity = { node: this.id, incarnation };
      writeIdentity(this.store, this.identity);
      this.raftStorage.begin(this.config.bootstrap ? this.newCluster(incarnation) : EMPTY);
      this.identityLsn = this.store.commit();
    } else {
      this.identity = known;
      this.restore();
    }
  }

  private restore(): void {
    this.raftStorage!.restore((error, restored) => {
      if (error !== undefined) this.fail(error);
      else this.run(restored);
    });
  }

  /** Adds to what Raft tells whose disks it is about: the sender's was heard just now. The event is nobody else's yet. */
  private traceRaft(event: RaftEvent): void {
    const hosted = event as { -readonly [Field in keyof HostedRaftEvent]: HostedRaftEvent[Field] };
    hosted.incarnation = this.identity!.incarnation;
    if ('from' in event) hosted.peer = this.peers.incarnation(event.from);
    else if ('to' in event) {
      const member = this.raftNode!.membership.find(({ id }) => id === event.to);
      hosted.peer = member?.incarnation ?? 0;
    }
    this.ports.raftTrace!.emit(hosted as HostedRaftEvent);
  }

  private newCluster(incarnation: Incarnation): Restored {
    const self = { id: this.id, incarnation, address: this.config.raftAddress, learner: false };
    return bootstrap([self], ClusterState.bootstrap().snapshot());
  }

  private run(restored: Restored): void {
    const { config, ports } = this;
    const nowMs = this.nowMs();
    const { snapshot } = restored;
    if (snapshot !== undefined) this.metadata.restore(snapshot);
    this.raftNode = new Raft(
      {
        id: this.id,
        incarnation: this.identity!.incarnation,
        random: ports.random,
        electionTimeoutMs: config.electionTimeoutMs,
        heartbeatMs: config.heartbeatMs,
        maxEntryBytesPerMessage: 256 * 1024,
        maxInflightMessages: 8,
        snapshotChunkBytes: 256 * 1024,
        trace: ports.raftTrace && { emit: (event) => this.traceRaft(event) },
      },
      restored,
      nowMs,
    );
    const digest = (record: Uint8Array): number => ports.checksum(record, 0, record.length, 0);
    this.dataPlane = new DataPlane({
      self: { node: this.id, incarnation: this.identity!.incarnation },
      boot: this.boot,
      store: this.store,
      trace: ports.trace,
      digest,
      maxSegmentEntries: config.maxSegmentEntries,
      cluster: () => this.cluster,
      nowMs: () => this.nowMs(),
      leaseValid: () => this.lease.valid(this.nowMs()),
      send: (to, body) => this.sender.send(to.node, to.incarnation, body),
      propose: (command) => this.proposals.proposeCommand(command),
      place: (owner) => this.place(owner),
      hasRoom: (node) => this.hasRoom(node),
      failed: (error) => this.fail(error),
    });
    this.controller = new Controller(
      {
        node: this.id,
        boot: this.boot,
        trace: ports.trace,
        operationTimeoutMs: config.operationTimeoutMs,
        cluster: () => this.cluster,
        nowMs: () => this.nowMs(),
        leaseValid: () => this.lease.valid(this.nowMs()),
        live: (node) => this.live(node),
        leader: () => this.raftNode!.leader,
        confirm: (done) => this.linearizableReads.ask(this.raftNode!, done),
        placeTopic: (topic) => {
          const nodes = this.holders();
          return this.place(nodes[hash(topic) % nodes.length]!);
        },
        forward: (to, request, call, operation) => {
          const toBoot = this.cluster.node(to)?.boot ?? (0 as BootId);
          this.sendTo(to, { kind: 'Forward', request, call, toBoot, operation });
        },
      },
      this.dataPlane,
      this.proposals,
    );
    this.currentStatus = 'running';
    this.peers.listen(nowMs);
    this.periodicWorkAtMs = nowMs;
    this.ports.trace?.emit({
      name: 'Restart',
      node: this.id,
      boot: this.boot,
      incarnation: this.identity!.incarnation,
      applied: this.cluster.appliedIndex,
      ends: [...this.dataPlane.replicas.all()].map(({ topic, segment, end, promised }) => ({
        topic,
        segment,
        end,
        promised,
      })),
    });
    this.dataPlane.everythingChanged();
  }

  // ---- the end of each input

  /** Persists, then sends; applies what is committed; until there is nothing more to do. */
  private flush(): void {
    if (this.currentStatus !== 'running') return;
    this.syncCompleted();
    const readies: number[] = [];
    const messages: Outgoing[] = [];
    for (;;) {
      this.dataPlane!.flush();
      const ready = this.raftNode!.ready();
      if (ready === undefined) break;
      this.raftStorage!.persist(ready);
      readies.push(ready.number);
      for (const each of ready.messages) this.sender.sendRaft(each, this.raftNode!.membership);
      messages.push(...ready.messagesAfterPersist);
      if (ready.snapshot !== undefined) this.installSnapshot(ready.snapshot);
      for (const entry of ready.committed) this.apply(entry);
      this.linearizableReads.serve(ready.readStates);
    }
    this.followRaft();
    const compaction = this.compact();
    const lsn = this.store.commit();
    this.dataPlane!.committed(lsn);
    if (readies.length === 0 && compaction === undefined) return;
    this.pendingCommits.push({ lsn, readies, messages, compaction });
    if (this.store.durableLsn >= lsn) this.flush();
  }

  /** Sends what has waited for the disk. */
  private syncCompleted(): void {
    const { durableLsn } = this.store;
    this.dataPlane!.durable(durableLsn);
    while (this.pendingCommits.length > 0 && this.pendingCommits[0]!.lsn <= durableLsn) {
      const { readies, messages, compaction } = this.pendingCommits.shift()!;
      for (const number of readies) this.raftNode!.persisted(number);
      for (const each of messages) this.sender.sendRaft(each, this.raftNode!.membership);
      if (compaction !== undefined) this.raftNode!.compact(compaction);
    }
  }

  /** Raft's state moved: whatever hangs on who leads, and on who is a member, follows. */
  private followRaft(): void {
    const raft = this.raftNode!;
    const nowMs = this.nowMs();
    if (this.lease.renewLease(raft.leaderContactMs, nowMs)) {
      this.ports.trace?.emit({ name: 'RenewLease', node: this.id });
    }
    this.supervisor.watch(raft.role === 'leader');
    this.linearizableReads.follow(raft);
    this.peers.follow(raft.membership, (member) => this.locate(member));
  }

  private apply(entry: Entry): void {
    const result = this.metadata.apply(entry);
    if (result === undefined) return;
    const { proposal, outcome } = result;
    if (outcome.applied) this.applied(proposal);
    this.proposals.applied(proposal.origin, outcome);
  }

  private applied({ command }: Proposal): void {
    switch (command.kind) {
      case 'CreateTopic':
      case 'SealSegment':
      case 'FenceSegment':
        this.dataPlane!.topicChanged(command.topic);
        this.controller!.topicChanged(command.topic);
        break;
      case 'RestoreReplica':
        this.dataPlane!.replicaRestored(command.topic, command.segment);
        break;
      case 'RegisterNode': {
        const member = this.raftNode!.membership.find(({ id }) => id === command.node);
        if (member !== undefined) this.locate(member);
        break;
      }
      case 'AdvanceCursor':
        break;
    }
  }

  /** A node that came back under another address says so when it registers; the membership keeps the first one. */
  private locate({ id, incarnation, address }: Member): void {
    const known = this.cluster.node(id);
    const moved = known?.incarnation === incarnation ? known.raftAddress : undefined;
    this.ports.network.locate(id, moved ?? address);
  }

  private installSnapshot(snapshot: Snapshot): void {
    this.metadata.restore(snapshot);
    this.ports.trace?.emit({ name: 'RestoreMetadata', node: this.id, index: snapshot.index });
    this.dataPlane!.everythingChanged();
    for (const topic of this.cluster.topicNames()) this.controller!.topicChanged(topic);
    this.proposals.skipped();
  }

  /** Replaces a long log by the state that it led to; one such replacement is under way at a time. */
  private compact(): Snapshot | undefined {
    if (this.pendingCommits.some(({ compaction }) => compaction !== undefined)) return undefined;
    const snapshot = this.metadata.snapshotEvery(this.config.snapshotEveryEntries);
    if (snapshot !== undefined) this.raftStorage!.compact(snapshot);
    return snapshot;
  }

  // ---- what nobody asks for

  private doPeriodicWork(nowMs: number): void {
    this.periodicWorkAtMs = nowMs + PERIOD_MS;
    const raft = this.raftNode!;
    const full = this.diskIsFull;
    for (const member of raft.membership) {
      if (member.id === this.id) continue;
      if (!full && !this.peers.idleSince(member.id, nowMs - PERIOD_MS)) continue;
      this.sender.send(member.id, member.incarnation, { kind: 'Ping', full });
    }
    if (this.joining.due()) this.joining.ask();
    this.register();
    this.controller!.retrySilentReads();
    // A full disk is asked again by commits, and by this where nothing is committed.
    if (full) this.store.room(0);
    if (nowMs >= this.monitorAtMs) {
      this.monitorAtMs = nowMs + this.config.monitorCheckMs;
      this.dataPlane!.owner.rollOver(false);
    }
    if (raft.role === 'leader') {
      const caughtUp = ({ id, learner }: Member): boolean =>
        learner && typeof raft.proposeMembership({ kind: 'promote', id }) !== 'string';
      raft.membership.some(caughtUp);
    }
    if (this.stopByMs < Infinity) this.handOver(nowMs);
  }

  /** Makes this life of the process known, so that segments can be granted to it. */
  private register(): void {
    const raft = this.raftNode!;
    if (this.registering || this.stopByMs < Infinity || raft.leader === 0) return;
    if (raft.self === undefined) return;
    const { boot, config } = this;
    const { incarnation } = this.identity!;
    const known = this.cluster.node(this.id);
    if (known?.boot === boot && known.incarnation === incarnation) return;
    this.registering = true;
    const { raftAddress, clientAddress } = config;
    this.proposals.pursue(
      { kind: 'RegisterNode', node: this.id, boot, incarnation, raftAddress, clientAddress },
      this.nowMs() + config.operationTimeoutMs,
      () => {
        this.registering = false;
      },
    );
  }

  private handOver(nowMs: number): void {
    const raft = this.raftNode!;
    const owns = [...this.dataPlane!.owner.all()].length > 0;
    if (!owns && raft.role === 'leader') {
      const successor = raft.membership.find(
        ({ id, learner }) => id !== this.id && !learner && this.live(id),
      );
      if (successor !== undefined) raft.transferLeadership(successor.id);
      else this.stopByMs = nowMs;
    }
    if ((!owns && raft.role !== 'leader') || nowMs >= this.stopByMs) this.currentStatus = 'stopped';
  }

  private fail(error: WalrusError): void {
    this.currentStatus = 'stopped';
    this.currentFailure ??= error;
  }

  // ---- other nodes

  private handleForward(
    { from, fromIncarnation, fromBoot }: Envelope,
    { request, call, toBoot, operation }: Extract<Message, { kind: 'Forward' }>,
  ): void {
    // What has an effect is for the life that it was meant for; a read may be answered by any.
    if (toBoot !== this.boot && operation.kind !== 'fetch') return;
    if (!this.seenForwards.first(from, fromBoot, request)) return;
    const origin = { node: from, boot: fromBoot, sequence: call };
    this.controller!.serve(operation, origin, (reply) =>
      this.sender.send(from, fromIncarnation, {
        kind: 'ForwardReply',
        request,
        toBoot: fromBoot,
        reply,
      }),
    );
  }

  private answerJoin(envelope: Envelope, address: string, replace: boolean): void {
    const { from, fromIncarnation } = envelope;
    const reply = this.joining.admit(from, fromIncarnation, address, replace);
    if (reply.outcome === 'admitted') this.ports.network.locate(from, address);
    this.sender.sendToAddress(address, from, fromIncarnation, reply);
  }

  private submit(bytes: Uint8Array): void {
    const raft = this.raftNode;
    if (raft === undefined) return;
    if (raft.role === 'leader') raft.propose(bytes);
    else if (raft.leader !== 0) this.sendTo(raft.leader, { kind: 'Propose', proposal: bytes });
  }

  private place(after: NodeId | 0): { owner: NodeId; replicas: readonly NodeId[] } {
    const { replicationFactor } = this.config;
    const rank = (node: NodeId): number => {
      if (!this.live(node)) return 2;
      return this.hasRoom(node) ? 0 : 1;
    };
    return place(this.holders(), after, rank, replicationFactor);
  }

  /** The nodes to which a segment can be granted: voters whose present disk is registered. */
  private holders(): readonly NodeId[] {
    const nodes = this.raftNode!.membership.filter(
      ({ id, learner, incarnation }) =>
        !learner && this.cluster.node(id)?.incarnation === incarnation,
    ).map(({ id }) => id);
    return nodes.length > 0 ? nodes : [this.id];
  }

  /** Whether the node was heard of lately. A node that is about to stop does not count itself. */
  private live(node: NodeId): boolean {
    if (node === this.id) return this.stopByMs === Infinity;
    return this.peers.live(node, this.nowMs());
  }

  private hasRoom(node: NodeId): boolean {
    return node === this.id ? !this.diskIsFull : this.peers.hasRoom(node, this.nowMs());
  }

  /** To a node as the metadata knows it. */
  private sendTo(to: NodeId, body: Message): void {
    this.sender.send(to, this.cluster.node(to)?.incarnation ?? 0, body);
  }

  private get cluster(): ClusterState {
    return this.metadata.cluster;
  }

  private nowMs(): number {
    return this.ports.clock.monotonicMs();
  }
}

/** Spreads topics over nodes by name. */
function hash(name: string): number {
  let value = 2166136261;
  for (let i = 0; i < name.length; i++) value = Math.imul(value ^ name.charCodeAt(i), 16777619);
  return value >>> 0;
}

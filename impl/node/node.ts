/**
 * One member of a cluster, as the outside drives it. Messages, disk completions, client operations and the clock come
 * in as calls that run to their end; what it wants done leaves through its ports. It never waits.
 *
 * It starts with a closed store and becomes a `Member` once that is open and read back; before, and after it has
 * stopped, it takes part in nothing. If it learns that its disk has forgotten something it becomes an `Amnesiac`, until the
 * others can do without that disk; then it starts anew, with an empty one.
 */
import type { ClientRequest, NodeWish, Reply, TopicState } from '../core/controller/operations.ts';
import type { WalrusError } from '../core/errors.ts';
import {
  type BootId,
  drawId,
  type Incarnation,
  type NodeId,
  type SegmentId,
  type TopicId,
} from '../core/ids.ts';
import type { ClusterState } from '../core/metadata/cluster-state.ts';
import type { Membership } from '../core/raft/membership.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { DamageCounts } from '../core/segment/mending.ts';
import type { Replica } from '../core/segment/replica.ts';
import type { Writer } from '../core/segment/writer.ts';
import type { ReadDone } from '../core/storage/reader.ts';
import { Store, type StoreStats } from '../core/storage/store.ts';
import type { DiskCompletion } from '../ports/disk.ts';
import { type Amnesia, readSeeds, writeAmnesia } from './amnesia.ts';
import { Amnesiac } from './amnesiac.ts';
import type { NodeConfig } from './config.ts';
import type { Identity } from './identity.ts';
import { Lifecycle, type Status } from './lifecycle.ts';
import type { Reach } from './lives.ts';
import { Member } from './member.ts';
import { type Envelope, isForNumber } from './messages.ts';
import { raftMetrics } from './metrics.ts';
import type { NodePorts } from './ports.ts';
import { type Recovered, Startup } from './startup.ts';
import { type DiskView, disksOf, type NodeView, viewOf } from './view.ts';

/** Memory for batches that are being written. */
const ARENA_BATCHES = 16;

export class Node {
  readonly id: NodeId;
  /** This life of the process; another one begins when the disk does. */
  boot: BootId;
  private readonly config: NodeConfig;
  private readonly ports: NodePorts;
  private readonly lifecycle = new Lifecycle();
  private readonly store: Store;
  private readonly startup: Startup;
  /** Present from when the node first runs; stays, to be asked, when it has stopped. */
  private member: Member | undefined;
  /** Present while the status is `amnesiac`. */
  private amnesiac: Amnesiac | undefined;

  constructor(config: NodeConfig, ports: NodePorts) {
    const { lifecycle } = this;
    this.id = config.id;
    this.boot = drawId(ports.random) as BootId;
    this.config = config;
    this.ports = ports;
    this.store = new Store(ports.disk, {
      checksum: ports.checksum,
      random: ports.random,
      fileBytes: config.fileBytes,
      batchBytes: config.batchBytes,
      checkpointBytes: config.checkpointBytes,
      syncOnCommit: true,
      arena: ports.arena ?? new Uint8Array(config.batchBytes * ARENA_BATCHES),
      onProgress: () => {},
      onFailed: (error) => lifecycle.fail(error),
    });
    this.startup = new Startup(config, {
      random: ports.random,
      store: this.store,
      nowMs: () => ports.clock.monotonicMs(),
      recovered: (recovered) => this.becomeMember(recovered),
      amnesiac: (identity, amnesia) => this.becomeAmnesiac(identity, amnesia),
      failed: (error) => lifecycle.fail(error),
    });
  }

  get status(): Status {
    return this.lifecycle.status;
  }

  /** Why the node stopped, if it did not stop because it was asked to. */
  get failure(): WalrusError | undefined {
    return this.lifecycle.failure;
  }

  /**
   * Why the cluster takes nothing of this node although it lives: it was refused, or its disk has forgotten something, or there is
   * another cluster of this name in which its number is a member.
   */
  get exclusion(): string | undefined {
    const refusal = this.running?.joining.refusal;
    const other = this.running?.otherCluster.reason;
    return this.amnesiac?.reason ?? other ?? (refusal && `refused: ${refusal}`);
  }

  /** Opens the store, then takes part. Called once. */
  start(): void {
    this.startup.begin(this.boot);
  }

  /** Hands its segments and its leadership over, then stops; `status` tells when. */
  stop(): void {
    if (this.running === undefined) this.lifecycle.stop();
    else this.running.stop();
  }

  receive(envelope: Envelope): void {
    if (this.status === 'starting' && isForNumber(envelope, this.id)) this.startup.known();
    this.running?.receive(envelope);
    this.amnesiac?.receive(envelope);
  }

  complete(completions: readonly DiskCompletion[]): void {
    if (this.status === 'stopped') return;
    this.store.complete(completions);
    this.startup.completed();
    this.running?.flush();
  }

  tick(): void {
    this.running?.tick();
    this.amnesiac?.tick();
    if (this.status === 'starting') this.startup.tick();
  }

  /** When `tick` wants to be called, on this node's monotonic clock. Changes with every input. */
  deadlineMs(): number {
    if (this.status === 'starting') return this.startup.deadlineMs();
    return this.running?.deadlineMs() ?? this.amnesiac?.deadlineMs() ?? Infinity;
  }

  /** Does what clients ask. Each is answered once, now or later, at the latest when the operation's time is up. */
  request(requests: readonly ClientRequest[]): void {
    const { running, status, exclusion } = this;
    if (running !== undefined && exclusion === undefined) {
      running.request(requests);
      return;
    }
    // Another node may do it, so a client is to go on.
    const code = status === 'starting' ? 'NoLeader' : 'Unavailable';
    const message = `node ${this.id} is ${exclusion ?? status}`;
    for (const { reply } of requests) reply({ kind: 'error', code, message });
  }

  /**
   * Does what an operator wants of a node, this one or another, or only says whether it could be done (`dryRun`, or to `stop` one).
   * `reply` is called once: `granted`, `WouldLose` with what would be lost, or another error.
   */
  changeNode(wish: NodeWish, dryRun: boolean, reply: (reply: Reply) => void): void {
    const { running, status, exclusion } = this;
    if (running !== undefined && exclusion === undefined) running.changeNode(wish, dryRun, reply);
    else {
      const message = `node ${this.id} is ${exclusion ?? status}`;
      reply({ kind: 'error', code: 'Unavailable', message });
    }
  }

  // ---- queries

  /** The disk has no place for more; what it has can be read. */
  get diskIsFull(): boolean {
    return this.storage?.isFull ?? false;
  }

  /** What the store did and how; undefined unless the node runs. */
  get storage(): StoreStats | undefined {
    return this.lifecycle.isRunning ? this.store.stats : undefined;
  }

  /** Records that did not verify, and what became of them; undefined unless the node runs. */
  get damage(): DamageCounts | undefined {
    return this.running?.dataPlane.replicas.mending.counts;
  }

  /** Of the disk; 0 until the node runs. */
  get incarnation(): Incarnation | 0 {
    return this.member?.identity.incarnation ?? 0;
  }

  get raft(): Raft | undefined {
    return this.member?.raft;
  }

  /** The metadata as applied here; undefined until the node runs. */
  get clusterState(): ClusterState | undefined {
    return this.member?.cluster;
  }

  /** How far another node's disk reached, as this one was told. */
  reachOf(node: NodeId): Reach | undefined {
    return this.running?.knownDisks.reachOf(node);
  }

  replica(topic: TopicId, segment: SegmentId): Replica | undefined {
    return this.member?.dataPlane.replicas.find(topic, segment);
  }

  replicas(): Iterable<Replica> {
    return this.member?.dataPlane.replicas.all() ?? [];
  }

  /** Reads the record at `index` from this node's own copy. */
  readCopy(replica: Replica, index: number, done: ReadDone): void {
    const { mending } = this.member!.dataPlane.replicas;
    mending.read(replica, index, { records: 1, bytes: Infinity }, done);
  }

  /** The grant under which this node writes to the segment, as its owner or its recoverer. */
  writer(topic: TopicId, segment: SegmentId): Writer | undefined {
    const owned = this.member?.dataPlane.owner.writer(topic);
    if (owned?.replica.segment === segment) return owned;
    const recovery = this.member?.dataPlane.failover.recovery(topic);
    return recovery?.segment.id === segment ? recovery.writer : undefined;
  }

  /** What this node knows of a topic, which may be behind; undefined if it knows none. */
  topicState(topic: string): TopicState | undefined {
    const record = this.clusterState?.topicNamed(topic);
    if (record === undefined) return undefined;
    const { segments, policy } = record;
    const current = segments.at(-1)!;
    const sealed = segments.slice(0, -1);
    return {
      firstOffset: segments[0]!.baseOffset,
      policy,
      currentSegment: current.id,
      owner: current.owner,
      lastSealedOffset: current.baseOffset,
      sealedSegments: new Map(sealed.map(({ id, count }) => [id, count])),
      segmentOwners: new Map(segments.map(({ id, owner }) => [id, owner])),
    };
  }

  /** Who owns the topic's open segment, as far as this node knows; undefined if it knows no such topic. */
  ownerOf(topic: string): NodeId | undefined {
    return this.clusterState?.topicNamed(topic)?.segments.at(-1)?.owner;
  }

  /** The cluster as this node sees it; undefined unless it runs. Looks at every segment. */
  disks(): readonly DiskView[] | undefined {
    return this.running && disksOf(this.running);
  }

  view(topicsMax: number): NodeView | undefined {
    return this.running && viewOf(this.running, topicsMax);
  }

  metrics(): object {
    const { member } = this;
    const { clock } = this.ports;
    return raftMetrics({
      id: this.id,
      running: this.lifecycle.isRunning,
      raft: member?.raft,
      applied: member?.metadata.applied,
      snapshot: member?.metadata.snapshot,
      holders: member?.placement.holders() ?? [],
      nowMs: clock.monotonicMs(),
      wallMs: clock.wallMs(),
    });
  }

  // ---- from one state to the next

  private becomeMember(recovered: Recovered): void {
    const { config, ports, boot, store, lifecycle } = this;
    if (lifecycle.status === 'stopped') return;
    lifecycle.run();
    const lapsed = (amnesia: Amnesia): void => this.leave(amnesia);
    this.member = new Member({ config, ports, boot, store, lifecycle, recovered, lapsed });
    this.member.start();
  }

  /** What the member knew in memory is void from here on, as after a crash. */
  private leave(amnesia: Amnesia): void {
    const { identity, raft } = this.member!;
    writeAmnesia(this.store, amnesia, addressesOf(raft.membership));
    this.store.commit();
    this.becomeAmnesiac(identity, amnesia);
    this.ports.trace?.emit({ name: 'Crash', node: this.id });
    this.member!.controller.abandon();
    this.member = undefined;
  }

  private becomeAmnesiac(identity: Identity, amnesia: Amnesia): void {
    const { config, ports, boot, lifecycle } = this;
    if (lifecycle.status === 'stopped') return;
    lifecycle.lapse();
    const seeds = readSeeds(this.store);
    const released = (): void => this.beginAnew();
    this.amnesiac = new Amnesiac({ config, identity, boot, ...ports, amnesia, seeds, released });
  }

  private beginAnew(): void {
    this.amnesiac = undefined;
    this.lifecycle.beginAnew();
    this.boot = drawId(this.ports.random) as BootId;
    this.startup.beginAnew(this.boot);
    this.ports.trace?.emit({ name: 'ReplaceDisk', node: this.id });
  }

  private get running(): Member | undefined {
    return this.lifecycle.isRunning ? this.member : undefined;
  }
}

function addressesOf(membership: Membership): string[] {
  return membership.map(({ address }) => address);
}

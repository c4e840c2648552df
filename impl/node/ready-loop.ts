/**
 * The end of each input: persist, then send. What the input changed goes into the store as one batch, what may leave at
 * once leaves, what is committed is applied, and what promises something waits until the batch is durable.
 */
import { Queue } from '../core/queue.ts';
import type { Snapshot } from '../core/raft/entry.ts';
import type { Outgoing } from '../core/raft/messages.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { DataPlane } from '../core/segment/data-plane.ts';
import type { Lsn } from '../core/storage/ids.ts';
import type { Store } from '../core/storage/store.ts';
import type { Applier } from './applier.ts';
import type { NodeConfig } from './config.ts';
import type { KnownDisks } from './known-disks.ts';
import type { Lifecycle } from './lifecycle.ts';
import type { LinearizableReads } from './linearizable-reads.ts';
import type { MetadataLog } from './metadata-log.ts';
import type { RaftStorage } from './raft-storage.ts';
import type { Sender } from './sender.ts';

export interface ReadyLoopPorts {
  readonly config: NodeConfig;
  readonly lifecycle: Lifecycle;
  readonly store: Store;
  readonly raft: Raft;
  readonly raftStorage: RaftStorage;
  readonly metadata: MetadataLog;
  readonly dataPlane: DataPlane;
  readonly applier: Applier;
  readonly sender: Sender;
  readonly linearizableReads: LinearizableReads;
  readonly knownDisks: KnownDisks;
  nowMs(): number;
  /** Raft's state may have moved. */
  followRaft(): void;
}

/** Pause between snapshots that are taken for the sake of what they release. */
const RELEASE_MS = 1000;

/** What waits for one commit of the store to become durable. */
interface PendingCommit {
  readonly lsn: Lsn;
  readonly readies: readonly number[];
  readonly messages: readonly Outgoing[];
  readonly compaction: Snapshot | undefined;
}

export class ReadyLoop {
  private readonly ports: ReadyLoopPorts;
  /** In the order of their `lsn`. */
  private readonly pendingCommits = new Queue<PendingCommit>();
  /** One of them is of a log that was replaced. */
  private isCompacting = false;
  private promisedLsn: Lsn;
  private releaseAtMs = 0;

  constructor(ports: ReadyLoopPorts) {
    this.ports = ports;
    this.promisedLsn = ports.store.durableLsn;
  }

  /** Before it lies everything that a message of this node may promise now. */
  get durableLsn(): Lsn {
    return Math.min(this.promisedLsn, this.ports.store.durableLsn);
  }

  /** Something waits for the next input that is not to wait for long. */
  get hasMore(): boolean {
    return this.ports.applier.isBehind || this.ports.metadata.isWriting;
  }

  /**
   * Goes on until there is nothing more to do, but for what is too long for one go: `hasMore` tells of that. A node that has
   * stopped does nothing more.
   */
  flush(): void {
    if (!this.ports.lifecycle.isRunning) return;
    const { store, raft, raftStorage, metadata, dataPlane, applier, linearizableReads } =
      this.ports;
    this.syncCompleted();
    applier.applySome();
    const readies: number[] = [];
    const messages: Outgoing[] = [];
    for (;;) {
      dataPlane.flush();
      const ready = raft.ready();
      if (ready === undefined) break;
      raftStorage.persist(ready);
      readies.push(ready.number);
      this.send(ready.messages);
      messages.push(...ready.messagesAfterPersist);
      if (ready.snapshot !== undefined) applier.install(ready.snapshot);
      const wasBehind = applier.isBehind;
      applier.committed(ready.committed);
      if (!wasBehind) applier.applySome();
      linearizableReads.confirmed(ready.readStates);
    }
    linearizableReads.serve(metadata.applied.index);
    this.ports.followRaft();
    const compaction = this.compact();
    const lsn = this.commit();
    dataPlane.committed(lsn);
    if (readies.length === 0 && compaction === undefined) return;
    this.pendingCommits.push({ lsn, readies, messages, compaction });
    if (store.durableLsn >= lsn) this.flush();
  }

  /**
   * What is known of other disks goes along. A commit of that alone promises nothing, so nobody is told of it: they would
   * take note of it, commit that, and so on for ever.
   */
  private commit(): Lsn {
    const { store, knownDisks } = this.ports;
    const isPromising = store.hasUncommitted;
    knownDisks.stage(isPromising, this.ports.nowMs());
    const lsn = store.commit();
    if (isPromising) this.promisedLsn = lsn;
    return lsn;
  }

  /** Does what has waited for the disk. */
  private syncCompleted(): void {
    const { store, raft, dataPlane } = this.ports;
    const { durableLsn } = store;
    dataPlane.durable(durableLsn);
    while (this.pendingCommits.length > 0 && this.pendingCommits.first!.lsn <= durableLsn) {
      const { readies, messages, compaction } = this.pendingCommits.shift()!;
      for (const number of readies) raft.persisted(number);
      this.send(messages);
      if (compaction === undefined) continue;
      this.isCompacting = false;
      raft.compact(compaction);
    }
  }

  /**
   * Replaces a log by the state that it led to, if it is long, or if what was deleted, trimmed or moved away is only kept for the sake of a restart that
   * would go back to before that. One such replacement is under way at a time.
   */
  private compact(): Snapshot | undefined {
    if (this.isCompacting) return undefined;
    const { config, metadata, raftStorage, dataPlane } = this.ports;
    const nowMs = this.ports.nowMs();
    const isWanted = dataPlane.replicas.holdsReleased && nowMs >= this.releaseAtMs;
    const snapshot = metadata.snapshotEvery(config.snapshotEveryEntries, isWanted);
    if (snapshot === undefined) return undefined;
    this.isCompacting = true;
    this.releaseAtMs = nowMs + RELEASE_MS;
    raftStorage.compact(snapshot);
    dataPlane.metadataKept(snapshot.index);
    return snapshot;
  }

  private send(messages: readonly Outgoing[]): void {
    const { sender, raft } = this.ports;
    for (const each of messages) sender.sendRaft(each, raft.membership);
  }
}

/**
 * All segments of which this node has a copy, and the passive side of replication: take records, promise epochs, and
 * answer once that is durable. Knows nothing of ownership; whoever comes with a high enough epoch is obeyed.
 */
import { assert } from '../assert.ts';
import type { Epoch, LogIndex, SegmentId, TopicId } from '../ids.ts';
import { isSameDisk, type ReplicaRecord, type SegmentRecord } from '../metadata/cluster-state.ts';
import { Queue } from '../queue.ts';
import type { Lsn } from '../storage/ids.ts';
import { readBatches } from './batches.ts';
import { Mending } from './mending.ts';
import type {
  Copy,
  CopyRequest,
  PromiseRequest,
  PromiseResponse,
  Replicate,
  ReplicateAck,
} from './messages.ts';
import { MESSAGE_LIMIT, RETRY_MS, type SegmentPorts } from './ports.ts';
import { encodeEpoch, parseStreamName, promiseKey, Replica } from './replica.ts';

/** Pause before the metadata is told again that a copy is whole. */
const RESTORE_AGAIN_MS = 1000;
/** Segments that are caught up at a time. */
const CATCH_UP_MAX = 16;

export class Replicas {
  readonly mending: Mending;
  private readonly ports: SegmentPorts;
  private readonly byTopic = new Map<TopicId, Map<SegmentId, Replica>>();
  /** Changed since the last commit. */
  private readonly staged = new Set<Replica>();
  /** Committed to the store and not yet durable, oldest first. */
  private readonly unsynced = new Queue<Unsynced>();
  /** Sealed segments of which records are missing here. */
  private readonly lagging = new Map<Replica, { restoreAtMs: number }>();
  /** Over, and nothing is kept of them, as of that entry of the metadata's log. */
  private readonly goneSince = new Map<Replica, LogIndex>();
  /** Stray, as of that entry of the metadata's log: sealed, and neither a copy that is listed nor one that is being made. */
  private readonly strays = new Map<Replica, LogIndex>();
  /** Strays that are staged to go, with the metadata as of that index. */
  private readonly leaving: Leaving[] = [];
  /** Likewise, in a commit that is not durable yet, oldest first. */
  private readonly dropping = new Queue<Leaving & { readonly lsn: Lsn }>();
  /** There is something here of a topic that was deleted, or of what one forgot at its front. */
  private holdsForgotten = false;
  private lastPeer = 0;
  private copyAgainAtMs = Infinity;
  /** No record of a copy that is being made is asked for before. */
  private nextCopyAtMs = 0;

  constructor(ports: SegmentPorts) {
    this.ports = ports;
    this.mending = new Mending(ports);
    for (const name of ports.store.streams()) {
      const parsed = parseStreamName(name);
      if (parsed !== undefined) this.open(parsed.topic, parsed.segment);
    }
    for (const key of ports.store.keys('promise/')) {
      const parsed = parseStreamName(key.replace('promise/', 'segment/'));
      if (parsed !== undefined) this.open(parsed.topic, parsed.segment);
    }
  }

  /** Sealed segments of which the copy here is not whole, or not known to the metadata to be. */
  get incompleteCount(): number {
    return this.lagging.size;
  }

  /** There is something here that nobody needs but for a restart that would go back to before it was over, or was moved away. */
  get holdsReleased(): boolean {
    if (this.holdsForgotten) return true;
    for (const replica of this.strays.keys()) if (this.isHeldElsewhere(replica)) return true;
    return false;
  }

  find(topic: TopicId, segment: SegmentId): Replica | undefined {
    const replica = this.byTopic.get(topic)?.get(segment);
    return replica?.isForgotten ? undefined : replica;
  }

  /** The copy of this segment, empty if there was none. */
  open(topic: TopicId, segment: SegmentId): Replica {
    let ofTopic = this.byTopic.get(topic);
    if (ofTopic === undefined) {
      ofTopic = new Map();
      this.byTopic.set(topic, ofTopic);
    }
    let replica = ofTopic.get(segment);
    if (replica === undefined) {
      replica = new Replica(this.ports.store, topic, segment);
      ofTopic.set(segment, replica);
    }
    return replica;
  }

  *all(): Iterable<Replica> {
    for (const ofTopic of this.byTopic.values()) {
      for (const replica of ofTopic.values()) if (!replica.isForgotten) yield replica;
    }
  }

  /** Adds a record at the replica's end. Durable when a later `synced` says so. */
  append(replica: Replica, epoch: Epoch, record: Uint8Array): number {
    const index = this.ports.store.append(replica.stream, epoch, record);
    assert(index === replica.end, 'the store and the replica agree on the end');
    replica.end = index + 1;
    this.staged.add(replica);
    return index;
  }

  /** From here on nothing is taken from epochs lower than `epoch`. */
  promise(replica: Replica, epoch: Epoch): void {
    if (epoch <= replica.promised) return;
    replica.promised = epoch;
    // An older writer must not count what this replica told a recoverer it may do without.
    replica.owesAck = undefined;
    this.ports.store.put(promiseKey(replica.topic, replica.segment), encodeEpoch(epoch));
    this.staged.add(replica);
  }

  /**
   * Records from a writer. Taken if the epoch is not lower than the promised one and they join on to what is here;
   * records that are here already are skipped, and none is taken beyond the end of a sealed segment.
   * @spec DistributedLog!HandleReplicate
   */
  handleReplicate(sender: ReplicaRecord, message: Replicate): void {
    const { topic, segment, epoch } = message;
    if (!this.serves(topic, segment)) return;
    const replica = this.open(topic, segment);
    if (epoch < replica.promised) {
      this.refuse(sender, message, replica.promised);
      return;
    }
    if (this.lacksRoomFor(replica, message)) return;
    this.promise(replica, epoch);
    const gap = message.from > replica.end;
    if (!gap) this.take(replica, epoch, message.from, message.records);
    replica.highWatermark = Math.max(
      replica.highWatermark,
      Math.min(message.highWatermark, replica.end),
    );
    this.ports.trace?.handleReplicate(sender, message, replica);
    if (gap && replica.durablePromise === epoch) {
      this.sendReplicateAck(replica, sender, epoch, true);
    } else {
      replica.owesAck = { to: sender, epoch };
      this.answer(replica);
    }
  }

  /**
   * A recoverer asks for a promise. The answer leaves when promise and records are durable.
   * @spec DistributedLog!HandlePromiseRequest
   */
  handlePromiseRequest(sender: ReplicaRecord, message: PromiseRequest): void {
    const { topic, segment, epoch } = message;
    if (!this.serves(topic, segment)) return;
    const replica = this.open(topic, segment);
    if (epoch < replica.promised) {
      this.refuse(sender, message, replica.promised);
      return;
    }
    this.promise(replica, epoch);
    replica.owesPromise = { to: sender, epoch };
    this.ports.trace?.handlePromiseRequest(sender, message);
    this.answer(replica);
  }

  /**
   * Hands out records: to a recoverer under the epoch promised to it, or of a sealed segment to anybody.
   * @spec DistributedLog!SendCopy
   */
  sendCopy(to: ReplicaRecord, request: CopyRequest): void {
    const { topic, segment, epoch, from } = request;
    const replica = this.find(topic, segment);
    if (replica === undefined || from >= replica.end || !this.mayCopy(replica, epoch)) return;
    readBatches(this.mending, replica, from, MESSAGE_LIMIT, (error, records) => {
      // A copy that cannot be read is a copy that this node does not have: another one must serve.
      if (error !== undefined || records.length === 0) return;
      // While they were read a higher epoch may have been promised, or the end cut.
      if (!this.mayCopy(replica, epoch) || from + records.length > replica.end) return;
      const message: Copy = { kind: 'Copy', topic, segment, epoch, from, records };
      this.ports.send(to, message);
      this.ports.trace?.sendCopy(to, message);
    });
  }

  /**
   * Nothing is taken or promised of what is over, or stray here: what this node promised of it may be forgotten. Nor of what is
   * about to go.
   */
  private serves(topic: TopicId, segment: SegmentId): boolean {
    const cluster = this.ports.cluster();
    if (cluster.isGone(topic, segment)) return false;
    if (cluster.isStray(topic, segment, this.ports.self.node)) return false;
    return this.byTopic.get(topic)?.get(segment)?.isForgotten !== true;
  }

  private mayCopy({ topic, segment, promised }: Replica, epoch: Epoch): boolean {
    if (epoch !== 0) return epoch === promised;
    return this.ports.cluster().segment(topic, segment)?.state === 'sealed';
  }

  /**
   * Asks for what `replica` lacks: under the epoch that a recovery was granted, or under 0 if the segment is sealed.
   * @spec DistributedLog!SendCopyRequest
   */
  sendCopyRequest(to: ReplicaRecord, { topic, segment, end: from }: Replica, epoch: Epoch): void {
    const request: CopyRequest = { kind: 'CopyRequest', topic, segment, epoch, from };
    this.ports.send(to, request);
    this.ports.trace?.sendCopyRequest(to, request);
  }

  /**
   * Records that this node asked for. `epoch` was checked by the recovery it belongs to, or is 0.
   * @spec DistributedLog!HandleCopy
   */
  handleCopy(sender: ReplicaRecord, message: Copy): void {
    const { topic, segment, epoch } = message;
    const replica = this.find(topic, segment);
    if (replica === undefined || message.from > replica.end) return;
    if (epoch === 0 && !this.lagging.has(replica)) return;
    if (epoch !== 0 && epoch !== replica.promised) return;
    if (this.lacksRoomFor(replica, message)) return;
    this.take(replica, replica.promised, message.from, message.records);
    this.ports.trace?.handleCopy(sender, message, replica);
    if (epoch !== 0) return;
    const nowMs = this.ports.nowMs();
    this.copyAgainAtMs = nowMs;
    if (this.isBeingMade(replica)) this.paceCopies(message, nowMs);
  }

  /** Copies that are made leave the rest of the bandwidth to those who write. */
  private paceCopies({ records }: Copy, nowMs: number): void {
    const { repairBytesPerSecond } = this.ports;
    const bytes = records.reduce((sum, { length }) => sum + length, 0);
    const tookMs = Math.ceil((bytes * 1000) / repairBytesPerSecond);
    this.nextCopyAtMs = Math.max(nowMs, this.nextCopyAtMs) + tookMs;
  }

  /**
   * The metadata says that the segment ended at `count`, and where its copies are. What lies beyond was never acknowledged and is cut;
   * what is missing is fetched in the background. A copy that is neither listed nor being made is stray, and will go.
   */
  seal(topic: TopicId, segment: SegmentRecord): void {
    const { count, replicas, move } = segment;
    const { self } = this.ports;
    if (this.byTopic.get(topic)?.get(segment.id)?.isForgotten) return;
    const listed = replicas.find((each) => each.node === self.node);
    const isBeingMade = isSameDisk(move?.to, self);
    const isWanted = listed !== undefined || isBeingMade;
    const replica = isWanted ? this.open(topic, segment.id) : this.find(topic, segment.id);
    if (replica === undefined) return;
    this.cut(replica, count);
    if (!isWanted) {
      this.lagging.delete(replica);
      this.strayed(replica);
      return;
    }
    this.strays.delete(replica);
    if (isBeingMade) this.beginCopy(replica, move!.epoch);
    const isWhole = replica.end >= count && isSameDisk(listed, self);
    if (isWhole) {
      this.lagging.delete(replica);
      return;
    }
    if (!this.lagging.has(replica)) this.lagging.set(replica, { restoreAtMs: 0 });
    this.copyAgainAtMs = Math.min(this.copyAgainAtMs, this.ports.nowMs());
  }

  /**
   * A copy is to be made here. It has an epoch, that of the move, which it promises: so a node that goes back to before the move tells
   * it from one that was moved away by then.
   * @spec DistributedLog!BeginCopy
   */
  private beginCopy(replica: Replica, epoch: Epoch): void {
    if (replica.promised >= epoch) return;
    this.promise(replica, epoch);
    this.ports.trace?.beginCopy(replica);
  }

  /** One that was begun later than what is applied here is no stray: this node has gone back, and will hear of it again. */
  private strayed(replica: Replica): void {
    const { appliedIndex } = this.ports.cluster();
    if (replica.promised > appliedIndex || this.strays.has(replica)) return;
    if (this.ports.cluster().isStray(replica.topic, replica.segment, this.ports.self.node)) {
      this.strays.set(replica, appliedIndex);
    }
  }

  /** Whether a majority of the copies are on the disks that their nodes have now. */
  private isHeldElsewhere({ topic, segment }: Replica): boolean {
    const cluster = this.ports.cluster();
    const replicas = cluster.segment(topic, segment)?.replicas ?? [];
    const present = replicas.filter((each) => cluster.isPresent(each));
    return present.length * 2 > replicas.length;
  }

  private isBeingMade({ topic, segment }: Replica): boolean {
    const move = this.ports.cluster().segment(topic, segment)?.move;
    return isSameDisk(move?.to, this.ports.self);
  }

  /**
   * The segment ended without a record. The promise stays: a restart may take this node back to where it does not know of the
   * end, and then nothing else keeps an owner from before it from being believed.
   */
  empty(topic: TopicId, segment: SegmentId): void {
    const replica = this.find(topic, segment);
    if (replica === undefined) return;
    this.cut(replica, 0);
    this.goneSince.set(replica, this.ports.cluster().appliedIndex);
  }

  /**
   * The topic was deleted, or has forgotten its front. What is here of that stays until `forgetGone`, for the same reason as a
   * promise does.
   */
  forgotten(topic: TopicId): void {
    const cluster = this.ports.cluster();
    for (const replica of this.byTopic.get(topic)?.values() ?? []) {
      if (!cluster.isGone(topic, replica.segment)) continue;
      if (replica.isForgotten) continue;
      this.strays.delete(replica);
      this.lagging.delete(replica);
      if (!this.goneSince.has(replica)) this.goneSince.set(replica, cluster.appliedIndex);
      this.holdsForgotten = true;
    }
  }

  /** Looks for copies of segments that were over, with nothing kept of them, before this node learned anything at all. */
  findGone(): void {
    const cluster = this.ports.cluster();
    for (const replica of this.all()) {
      const { topic, segment } = replica;
      if (cluster.isGone(topic, segment)) this.goneSince.set(replica, cluster.appliedIndex);
    }
  }

  /**
   * Forgets copies of segments of which the metadata as of log entry `index` keeps nothing, and promises; and those that were stray by
   * then, if others have enough. No restart takes this node back to before that.
   */
  forgetGone(index: LogIndex): void {
    const gone = new Set<Replica>();
    for (const [replica, since] of this.goneSince) if (since <= index) gone.add(replica);
    this.holdsForgotten &&= gone.size < this.goneSince.size;
    for (const { topic, segment } of gone) {
      const ofTopic = this.byTopic.get(topic)!;
      ofTopic.delete(segment);
      if (ofTopic.size === 0) this.byTopic.delete(topic);
    }
    for (const [replica, since] of this.strays) {
      if (since > index || !this.isHeldElsewhere(replica)) continue;
      gone.add(replica);
      this.leaving.push({ replica, index });
    }
    if (gone.size > 0) this.release(gone);
  }

  /** The store is to have nothing of them any more. */
  private release(gone: ReadonlySet<Replica>): void {
    const { store } = this.ports;
    for (const replica of gone) {
      const { topic, segment, stream } = replica;
      replica.isForgotten = true;
      this.goneSince.delete(replica);
      this.strays.delete(replica);
      this.lagging.delete(replica);
      this.staged.delete(replica);
      store.drop(stream);
      store.put(promiseKey(topic, segment), undefined);
    }
    this.mending.forget(gone);
    for (const each of this.unsynced.takeAll()) {
      if (!gone.has(each.replica)) this.unsynced.push(each);
    }
  }

  /**
   * A stray has gone from the disk: only now may another copy be begun here.
   * @spec DistributedLog!DropReplica
   */
  private dropReplica({ replica, index }: Leaving): void {
    const { topic, segment } = replica;
    const ofTopic = this.byTopic.get(topic)!;
    ofTopic.delete(segment);
    if (ofTopic.size === 0) this.byTopic.delete(topic);
    this.ports.trace?.dropReplica(replica, index);
    const record = this.ports.cluster().segment(topic, segment);
    if (record?.state === 'sealed') this.seal(topic, record);
  }

  /** Everything staged so far becomes durable when the store's durable end reaches `lsn`. */
  committed(lsn: Lsn): void {
    for (const replica of this.staged) {
      this.unsynced.push({ lsn, replica, end: replica.end, promised: replica.promised });
    }
    this.staged.clear();
    for (const each of this.leaving) this.dropping.push({ ...each, lsn });
    this.leaving.length = 0;
  }

  /**
   * The store is durable up to `lsn`. Returns the replicas of which more is durable now, each once; answers
   * that waited for it have left.
   * @spec DistributedLog!SyncCompleted
   */
  syncCompleted(lsn: Lsn): readonly Replica[] {
    while (this.dropping.length > 0 && this.dropping.first!.lsn <= lsn) {
      this.dropReplica(this.dropping.shift()!);
    }
    const changed = new Set<Replica>();
    while (this.unsynced.length > 0 && this.unsynced.first!.lsn <= lsn) {
      const { replica, end, promised } = this.unsynced.shift()!;
      // A cut may have come after: what was cut is not durable, it is gone.
      replica.durableEnd = Math.max(replica.durableEnd, Math.min(end, replica.end));
      replica.durablePromise = promised;
      changed.add(replica);
    }
    if (changed.size === 0) return [];
    const replicas = [...changed];
    this.ports.trace?.syncCompleted(replicas);
    for (const replica of replicas) this.answer(replica);
    return replicas;
  }

  tick(nowMs: number): void {
    if (nowMs < this.copyAgainAtMs) return;
    this.copyAgainAtMs = this.lagging.size === 0 ? Infinity : nowMs + RETRY_MS;
    const first: [Replica, { restoreAtMs: number }][] = [];
    for (const each of this.lagging) {
      if (first.push(each) === CATCH_UP_MAX) break;
    }
    for (const [replica, progress] of first) {
      // Whoever cannot be helped now waits behind all others.
      this.lagging.delete(replica);
      this.lagging.set(replica, progress);
      this.catchUp(replica, progress, nowMs);
    }
  }

  deadlineMs(): number {
    return this.copyAgainAtMs;
  }

  /** Fetches what a sealed segment lacks here, or says that nothing is lacking any more. */
  private catchUp(replica: Replica, progress: { restoreAtMs: number }, nowMs: number): void {
    const { topic, segment } = replica;
    const record = this.ports.cluster().segment(topic, segment)!;
    const { self } = this.ports;
    const { move } = record;
    if (replica.durableEnd >= record.count) {
      const listed = record.replicas.find((each) => each.node === self.node);
      if (isSameDisk(listed, self)) this.lagging.delete(replica);
      else if (nowMs >= progress.restoreAtMs) {
        progress.restoreAtMs = nowMs + RESTORE_AGAIN_MS;
        if (listed !== undefined) {
          this.ports.propose({ kind: 'RestoreReplica', topic, segment, ...self });
        } else if (replica.durablePromise >= move!.epoch) {
          this.ports.propose({ kind: 'MoveReplica', topic, segment, epoch: move!.epoch });
        }
      }
      return;
    }
    if (replica.end >= record.count) return;
    if (isSameDisk(move?.to, self) && nowMs < this.nextCopyAtMs) return;
    const others = record.replicas.filter((each) => each.node !== this.ports.self.node);
    if (others.length === 0) return;
    this.sendCopyRequest(others[this.lastPeer++ % others.length]!, replica, 0 as Epoch);
  }

  /** Whether the message has records that a full disk must not take: the room that is left is for what is not records. */
  private lacksRoomFor({ end }: Replica, { from, records }: Replicate | Copy): boolean {
    if (from > end || from + records.length <= end) return false;
    let largest = 0;
    for (const { length } of records) largest = Math.max(largest, length);
    return this.ports.store.room(largest) === 'full';
  }

  /** Appends those of `records`, the first of which has index `from`, that are new and inside the segment. */
  private take(replica: Replica, epoch: Epoch, from: number, records: readonly Uint8Array[]): void {
    const record = this.ports.cluster().segment(replica.topic, replica.segment);
    const limit = record?.state === 'sealed' ? record.count : Infinity;
    for (let i = replica.end - from; i < records.length && from + i < limit; i++) {
      this.append(replica, epoch, records[i]!);
    }
  }

  private cut(replica: Replica, count: number): void {
    if (replica.end <= count) return;
    this.ports.store.truncate(replica.stream, count);
    replica.end = count;
    replica.durableEnd = Math.min(replica.durableEnd, count);
    this.staged.add(replica);
  }

  /** Sends the answers that this replica owes, if what they say is durable. */
  private answer(replica: Replica): void {
    const { owesAck, owesPromise } = replica;
    if (replica.durablePromise !== replica.promised) return;
    const settled = replica.durableEnd === replica.end;
    if (owesAck !== undefined) {
      if (settled) replica.owesAck = undefined;
      this.sendReplicateAck(replica, owesAck.to, owesAck.epoch, false);
    }
    if (owesPromise !== undefined && settled) {
      replica.owesPromise = undefined;
      if (owesPromise.epoch === replica.promised) this.sendPromise(replica, owesPromise.to);
    }
  }

  /** @spec DistributedLog!SendReplicateAck */
  private sendReplicateAck(replica: Replica, to: ReplicaRecord, epoch: Epoch, gap: boolean): void {
    const { topic, segment, end, durableEnd } = replica;
    const kind = 'ReplicateAck';
    const message: ReplicateAck = { kind, topic, segment, epoch, end, durableEnd, gap };
    this.ports.send(to, message);
    this.ports.trace?.sendReplicateAck(to, message);
  }

  /** @spec DistributedLog!SendPromise */
  private sendPromise(replica: Replica, to: ReplicaRecord): void {
    const { topic, segment, promised: epoch, durableEnd } = replica;
    const message: PromiseResponse = { kind: 'Promise', topic, segment, epoch, durableEnd };
    this.ports.send(to, message);
    this.ports.trace?.sendPromise(to, message);
  }

  private refuse(
    to: ReplicaRecord,
    { topic, segment, epoch }: Replicate | PromiseRequest,
    promised: Epoch,
  ): void {
    this.ports.send(to, { kind: 'Refuse', topic, segment, epoch, promised });
  }
}

/** A stray that goes, and the metadata as of which it was stray. */
interface Leaving {
  readonly replica: Replica;
  readonly index: LogIndex;
}

interface Unsynced {
  readonly lsn: Lsn;
  readonly replica: Replica;
  readonly end: number;
  readonly promised: Epoch;
}

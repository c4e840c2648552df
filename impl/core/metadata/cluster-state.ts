/**
 * The metadata state machine: what all nodes agree on once they have applied the same prefix of the log.
 *
 * It knows who may write which segment, not what is in it. It never fails: a command that does not find what it
 * expects is a no-op with a reason, so one bad proposal cannot stop the log. Values in it are replaced, never
 * changed, so a reader may keep one.
 */
import { assert, unreachable } from '../assert.ts';
import { ByteReader, ByteWriter, MalformedError } from '../codec.ts';
import type {
  BootId,
  Epoch,
  Incarnation,
  LogIndex,
  NodeId,
  Offset,
  SegmentId,
  TopicId,
} from '../ids.ts';
import type { Command } from './commands.ts';
import { readPolicy, type TopicPolicy, writePolicy } from './policy.ts';
import { SnapshotWriter } from './snapshot-writer.ts';

/** `draining`: nothing new is placed on it, and what it has moves to others. `gone`: its disk was removed for ever. */
export type NodeState = 'active' | 'draining' | 'gone';

export interface NodeRecord {
  readonly id: NodeId;
  readonly boot: BootId;
  readonly incarnation: Incarnation;
  readonly raftAddress: string;
  readonly clientAddress: string;
  readonly state: NodeState;
}

/** A copy of a segment is promised by one disk, not by whoever comes to bear the node's number. */
export interface ReplicaRecord {
  readonly node: NodeId;
  readonly incarnation: Incarnation;
}

/** A copy that is being made. It counts for nothing, and is read by nobody, before it takes the place of the one on `from`. */
export interface Move {
  readonly from: NodeId;
  readonly to: ReplicaRecord;
  /** Raft index of the command that began it. */
  readonly epoch: Epoch;
}

export type SegmentState = 'open' | 'fenced' | 'sealed';

export interface SegmentRecord {
  readonly id: SegmentId;
  readonly state: SegmentState;
  /** Raft index of the latest grant: to the owner while open, to the recoverer while fenced. */
  readonly epoch: Epoch;
  /** Who holds that grant; of a sealed segment, who held the last one. */
  readonly owner: NodeId;
  /** The life of the owner's process to which the grant was made. Any other life has no right from it. */
  readonly boot: BootId;
  /** Sorted by node. */
  readonly replicas: readonly ReplicaRecord[];
  /** Only of a sealed segment. */
  readonly move: Move | undefined;
  /** Offset in the topic of the segment's first record. */
  readonly baseOffset: Offset;
  /** Records in it, for ever, once sealed; 0 before. */
  readonly count: number;
  /** About so many bytes are they; 0 before it is sealed. */
  readonly bytes: number;
  /** By the wall clock of who sealed it; 0 before. */
  readonly sealedAtMs: number;
}

export interface TopicRecord {
  readonly id: TopicId;
  /** What people call it. Nothing but their questions is answered by it. */
  readonly name: string;
  /**
   * By rising id; all but the last are sealed. Ids are given once, and one that is missing is of a segment that ended without a
   * record, or was trimmed: nothing is kept of it. The topic begins where the first one does.
   */
  readonly segments: readonly SegmentRecord[];
  readonly cursors: ReadonlyMap<string, Offset>;
  /** It ends with its current segment. Until then it has its name. */
  readonly isDeleting: boolean;
  readonly policy: TopicPolicy;
  /** Index of the command that gave it its policy. */
  readonly policyIndex: LogIndex;
}

/** One life of a process, and what is granted to it now. */
export interface Holder {
  readonly node: NodeId;
  readonly boot: BootId;
  /** The topics whose current segment it owns, or is to recover. */
  readonly topics: ReadonlySet<TopicId>;
}

/** Why a command changed nothing. `LastCopy`: too few of the copies of some segment would be left. `Deleting`: the topic, or the one that still has its name, is being deleted. */
type Reason = 'Exists' | 'UnknownTopic' | 'UnknownNode' | 'Stale' | 'Deleting' | 'LastCopy';

export type Outcome =
  /** `ended` is a topic that is no more; `trimmed` is one as it was before it forgot its front. */
  | { readonly applied: true; readonly ended?: TopicRecord; readonly trimmed?: TopicRecord }
  | { readonly applied: false; readonly reason: Reason };

const APPLIED: Outcome = { applied: true };
const refused = (reason: Reason): Outcome => ({ applied: false, reason });

export class ClusterState {
  private readonly nodeRecords = new Map<NodeId, NodeRecord>();
  private readonly topicRecords = new Map<TopicId, TopicRecord>();
  private readonly byName = new Map<string, TopicRecord>();
  private readonly heldBy = new Map<BootId, Holder & { readonly topics: Set<TopicId> }>();
  private readonly fencedTopics = new Set<TopicId>();
  private lastApplied = 0 as LogIndex;
  private foundedBy: Incarnation | 0 = 0;

  /** Index of the last log entry that this state contains. */
  get appliedIndex(): LogIndex {
    return this.lastApplied;
  }

  /** What a new cluster begins with: nothing, as of its first log entry, which is the founding itself. */
  static bootstrap(founder: Incarnation | 0 = 0): ClusterState {
    const state = new ClusterState();
    state.lastApplied = 1 as LogIndex;
    state.foundedBy = founder;
    return state;
  }

  /** The disk that founded the cluster, which tells apart two of one name; 0 as long as nothing was heard of it. */
  get founder(): Incarnation | 0 {
    return this.foundedBy;
  }

  get nodes(): ReadonlyMap<NodeId, NodeRecord> {
    return this.nodeRecords;
  }

  /** By rising id. */
  get topics(): ReadonlyMap<TopicId, TopicRecord> {
    return this.topicRecords;
  }

  node(id: NodeId): NodeRecord | undefined {
    return this.nodeRecords.get(id);
  }

  topic(id: TopicId): TopicRecord | undefined {
    return this.topicRecords.get(id);
  }

  /** The topic that is called so now. */
  topicNamed(name: string): TopicRecord | undefined {
    return this.byName.get(name);
  }

  /** Every life to which something is granted now, whether it lasts or is over. */
  holders(): Iterable<Holder> {
    return this.heldBy.values();
  }

  /** The topics whose current segment waits to be recovered. */
  get fenced(): ReadonlySet<TopicId> {
    return this.fencedTopics;
  }

  /** The segment that takes records, or waits to be recovered. */
  currentSegment(topic: TopicId): SegmentRecord | undefined {
    return this.topicRecords.get(topic)?.segments.at(-1);
  }

  segment(topic: TopicId, id: SegmentId): SegmentRecord | undefined {
    const segment = lastOf(this.topicRecords.get(topic)?.segments, (each) => each.id <= id);
    return segment?.id === id ? segment : undefined;
  }

  /** Offset of the first record that the topic still has, or will have. */
  start(topic: TopicId): Offset {
    return this.topicRecords.get(topic)?.segments[0]?.baseOffset ?? (0 as Offset);
  }

  /** The segment that holds, or will hold, the record at `offset`; undefined if that was trimmed. */
  segmentAt(topic: TopicId, offset: Offset): SegmentRecord | undefined {
    return lastOf(this.topicRecords.get(topic)?.segments, (each) => each.baseOffset <= offset);
  }

  /** Whether the segment is over and nothing is kept of it: it ended without a record, it was trimmed, or its topic was deleted. */
  isGone(topic: TopicId, id: SegmentId): boolean {
    const current = this.currentSegment(topic);
    if (current === undefined) return topic <= this.lastApplied;
    return id < current.id && this.segment(topic, id) === undefined;
  }

  /** Whether the segment is sealed, and the copy on that node neither one of its copies nor one that is being made. */
  isStray(topic: TopicId, id: SegmentId, node: NodeId): boolean {
    const segment = this.segment(topic, id);
    if (segment?.state !== 'sealed' || segment.move?.to.node === node) return false;
    return segment.replicas.every((each) => each.node !== node);
  }

  /** The next offset that the group has not been given; where the topic begins if it never read. */
  cursor(topic: TopicId, group: string): Offset {
    return this.topicRecords.get(topic)?.cursors.get(group) ?? this.start(topic);
  }

  /**
   * Applies the log entry at `index`; `command` is null for Raft's own entries.
   * Grants in it take `index` as their epoch, so epochs are unique and rise.
   * @spec DistributedLog!ApplyCommand
   */
  applyCommand(index: LogIndex, command: Command | null): Outcome {
    assert(index === this.lastApplied + 1, 'log entries are applied one after another');
    this.lastApplied = index;
    if (command === null) return APPLIED;
    switch (command.kind) {
      case 'RegisterNode': {
        const { kind: _, node, ...record } = command;
        const known = this.nodeRecords.get(node);
        const isSameDisk = known?.incarnation === command.incarnation;
        if (isSameDisk && known.state === 'gone') return refused('Stale');
        const state = isSameDisk ? known.state : 'active';
        this.nodeRecords.set(node, { id: node, ...record, state });
        return APPLIED;
      }
      case 'DrainNode': {
        const known = this.nodeRecords.get(command.node);
        if (known === undefined) return refused('UnknownNode');
        const state = command.isDraining ? 'draining' : 'active';
        if (!this.isPresent(command) || known.state === state) return refused('Stale');
        const isOther = ({ id, state }: NodeRecord): boolean =>
          id !== command.node && state === 'active';
        const isLast = ![...this.nodeRecords.values()].some(isOther);
        if (command.isDraining && isLast) return refused('LastCopy');
        this.nodeRecords.set(command.node, { ...known, state });
        return APPLIED;
      }
      case 'RemoveNode': {
        const known = this.nodeRecords.get(command.node);
        if (known === undefined) return refused('UnknownNode');
        if (!this.isPresent(command)) return refused('Stale');
        if (!this.isSpare(command)) return refused('LastCopy');
        this.nodeRecords.set(command.node, { ...known, state: 'gone' });
        return APPLIED;
      }
      case 'CreateTopic': {
        const namesake = this.byName.get(command.name);
        if (namesake !== undefined) return refused(namesake.isDeleting ? 'Deleting' : 'Exists');
        const grant = this.grant(index, command.owner, command.replicas);
        if (grant === undefined) return refused('UnknownNode');
        const first = opened(1 as SegmentId, grant, 0 as Offset);
        const id = index as number as TopicId;
        const { name, policy } = command;
        this.setTopic({
          id,
          name,
          segments: [first],
          cursors: new Map(),
          isDeleting: false,
          policy,
          policyIndex: index,
        });
        return APPLIED;
      }
      case 'SealSegment': {
        const topic = this.topicRecords.get(command.topic);
        if (topic === undefined) return refused('UnknownTopic');
        const current = topic.segments.at(-1)!;
        if (current.id !== command.segment || current.epoch !== command.epoch) {
          return refused('Stale');
        }
        if (topic.isDeleting) {
          this.removeTopic(topic);
          return { applied: true, ended: topic };
        }
        const grant = this.grant(index, command.nextOwner, command.nextReplicas);
        if (grant === undefined) return refused('UnknownNode');
        const { count, bytes, atMs: sealedAtMs } = command;
        const sealed: SegmentRecord[] =
          count === 0 ? [] : [{ ...current, state: 'sealed', count, bytes, sealedAtMs }];
        const next = opened(
          (current.id + 1) as SegmentId,
          grant,
          (current.baseOffset + count) as Offset,
        );
        this.setTopic({ ...topic, segments: [...topic.segments.slice(0, -1), ...sealed, next] });
        return APPLIED;
      }
      case 'FenceSegment': {
        const topic = this.topicRecords.get(command.topic);
        if (topic === undefined) return refused('UnknownTopic');
        const current = topic.segments.at(-1)!;
        if (current.id !== command.segment || current.epoch !== command.expectedEpoch) {
          return refused('Stale');
        }
        const recoverer = this.nodeRecords.get(command.recoverer);
        if (recoverer === undefined || recoverer.state === 'gone') return refused('UnknownNode');
        const fenced: SegmentRecord = {
          ...current,
          state: 'fenced',
          epoch: index as number as Epoch,
          owner: recoverer.id,
          boot: recoverer.boot,
        };
        this.setTopic({ ...topic, segments: [...topic.segments.slice(0, -1), fenced] });
        return APPLIED;
      }
      case 'AdvanceCursor': {
        const topic = this.topicRecords.get(command.topic);
        if (topic === undefined) return refused('UnknownTopic');
        if (this.cursor(command.topic, command.group) !== command.expected) return refused('Stale');
        const cursors = new Map(topic.cursors).set(command.group, command.next);
        this.setTopic({ ...topic, cursors });
        return APPLIED;
      }
      case 'RestoreReplica': {
        const { node, incarnation } = command;
        return this.changeSealed(command, (segment) => {
          const isListed = segment.replicas.some((each) => each.node === node);
          // A late one names a disk that has been replaced since.
          if (!isListed || !this.isPresent({ node, incarnation })) return undefined;
          const replicas = segment.replicas.map((each) =>
            each.node === node ? { node, incarnation } : each,
          );
          return { ...segment, replicas };
        });
      }
      case 'BeginMove': {
        const { from, to } = command;
        const node = this.nodeRecords.get(to);
        if (node === undefined || node.state === 'gone') return refused('UnknownNode');
        const { incarnation } = node;
        return this.changeSealed(command, (segment) => {
          const holds = (id: NodeId): boolean => segment.replicas.some(({ node }) => node === id);
          if (segment.move !== undefined || !holds(from) || holds(to)) return undefined;
          const epoch = index as number as Epoch;
          return { ...segment, move: { from, to: { node: to, incarnation }, epoch } };
        });
      }
      case 'MoveReplica':
        return this.changeSealed(command, (segment) => {
          const { move } = segment;
          if (move?.epoch !== command.epoch || !this.isPresent(move.to)) return undefined;
          const others = segment.replicas.filter(({ node }) => node !== move.from);
          const replicas = sortedBy([...others, move.to], (each) => each.node);
          return { ...segment, replicas, move: undefined };
        });
      case 'CancelMove':
        return this.changeSealed(command, (segment) =>
          segment.move?.epoch === command.epoch ? { ...segment, move: undefined } : undefined,
        );
      case 'DeleteTopic': {
        const topic = this.topicRecords.get(command.topic);
        if (topic === undefined) return refused('UnknownTopic');
        if (topic.isDeleting) return refused('Deleting');
        this.setTopic({ ...topic, isDeleting: true });
        return APPLIED;
      }
      case 'TrimTopic': {
        const { start } = command;
        const topic = this.topicRecords.get(command.topic);
        if (topic === undefined) return refused('UnknownTopic');
        const began = this.start(topic.id);
        if (began !== command.expectedStart || start <= began) return refused('Stale');
        const segments = topic.segments.filter(({ baseOffset }) => baseOffset >= start);
        // The first that stays begins there, so all that go are whole, and sealed.
        if (segments[0]?.baseOffset !== start) return refused('Stale');
        const cursors = new Map<string, Offset>();
        for (const [group, at] of topic.cursors) cursors.set(group, at < start ? start : at);
        this.setTopic({ ...topic, segments, cursors });
        return { applied: true, trimmed: topic };
      }
      case 'SetTopicPolicy': {
        const { expected, policy } = command;
        const topic = this.topicRecords.get(command.topic);
        if (topic === undefined) return refused('UnknownTopic');
        if (topic.policyIndex !== expected) return refused('Stale');
        this.setTopic({ ...topic, policy, policyIndex: index });
        return APPLIED;
      }
      default:
        return unreachable(command);
    }
  }

  /** All of the state as bytes; equal states give equal bytes. */
  snapshot(): Uint8Array {
    const writer = this.beginSnapshot();
    writer.write(Infinity);
    return writer.finish();
  }

  /** The state as it is now: records are replaced, never changed, so it may be written while more is applied. */
  beginSnapshot(): SnapshotWriter<TopicRecord> {
    const out = new ByteWriter().whole(this.lastApplied).whole(this.foundedBy);
    out.list(
      sortedBy([...this.nodeRecords.values()], (each) => each.id),
      (each) => {
        out.whole(each.id).whole(each.boot).whole(each.incarnation);
        out.text(each.raftAddress).text(each.clientAddress);
        out.byte(NODE_STATES.indexOf(each.state));
      },
    );
    return new SnapshotWriter(this.lastApplied, out, [...this.topicRecords.values()], writeTopic);
  }

  /** The state that `snapshot` wrote. Throws `MalformedError` for bytes that are none. */
  static restore(snapshot: Uint8Array): ClusterState {
    const state = new ClusterState();
    const input = new ByteReader(snapshot);
    state.lastApplied = input.whole() as LogIndex;
    state.foundedBy = input.whole() as Incarnation | 0;
    input.list(() => {
      const id = input.whole() as NodeId;
      state.nodeRecords.set(id, {
        id,
        boot: input.whole() as BootId,
        incarnation: input.whole() as Incarnation,
        raftAddress: input.text(),
        clientAddress: input.text(),
        state: readNodeState(input),
      });
    });
    input.list(() => {
      const id = input.whole() as TopicId;
      const name = input.text();
      const isDeleting = input.bool();
      const segments = input.list(() => readSegment(input));
      if (segments.length === 0) throw new MalformedError('a topic without a segment');
      const cursors = new Map(input.list(() => [input.text(), input.whole() as Offset] as const));
      const policyIndex = input.whole() as LogIndex;
      const policy = readPolicy(input);
      state.setTopic({ id, name, segments, cursors, isDeleting, policy, policyIndex });
    });
    input.end();
    return state;
  }

  /** Whether that is the disk that the node registered last, and it was not removed. */
  isPresent({ node, incarnation }: ReplicaRecord): boolean {
    const record = this.nodeRecords.get(node);
    return record?.incarnation === incarnation && record.state !== 'gone';
  }

  /**
   * Whether of every segment of which the disk has a copy at least half of the replicas are on other disks that are present: then one of
   * these is in every majority, and has a part in all that was ever acknowledged.
   */
  private isSpare(disk: ReplicaRecord): boolean {
    const isSpared = ({ replicas }: SegmentRecord): boolean => {
      const isListed = replicas.some((each) => isSameDisk(each, disk));
      const others = replicas.filter((each) => !isSameDisk(each, disk) && this.isPresent(each));
      return !isListed || others.length * 2 >= replicas.length;
    };
    for (const { segments } of this.topicRecords.values()) {
      if (!segments.every(isSpared)) return false;
    }
    return true;
  }

  /** Puts in the place of a sealed segment what `change` makes of it; `Stale` if that is undefined or the segment not sealed. */
  private changeSealed(
    { topic: id, segment: number }: { readonly topic: TopicId; readonly segment: SegmentId },
    change: (segment: SegmentRecord) => SegmentRecord | undefined,
  ): Outcome {
    const topic = this.topicRecords.get(id);
    if (topic === undefined) return refused('UnknownTopic');
    const segment = this.segment(id, number);
    const changed = segment?.state === 'sealed' ? change(segment) : undefined;
    if (changed === undefined) return refused('Stale');
    const segments = topic.segments.map((each) => (each === segment ? changed : each));
    this.setTopic({ ...topic, segments });
    return APPLIED;
  }

  /** What a grant at `index` says; undefined if somebody in it never registered. */
  private grant(index: LogIndex, owner: NodeId, replicas: readonly NodeId[]): Grant | undefined {
    const holder = this.nodeRecords.get(owner);
    const records = replicas.map((node) => this.nodeRecords.get(node));
    const isMissing = (record: NodeRecord | undefined): boolean =>
      record === undefined || record.state === 'gone';
    if (holder === undefined || isMissing(holder) || records.some(isMissing)) return undefined;
    return {
      epoch: index as number as Epoch,
      owner,
      boot: holder.boot,
      replicas: sortedBy(
        records.map((record) => ({ node: record!.id, incarnation: record!.incarnation })),
        (each) => each.node,
      ),
    };
  }

  /** The topic is this from now on. */
  private setTopic(topic: TopicRecord): void {
    const { id, name } = topic;
    const before = this.topicRecords.get(id)?.segments.at(-1);
    const current = topic.segments.at(-1)!;
    this.topicRecords.set(id, topic);
    this.byName.set(name, topic);
    if (before === current) return;
    if (before !== undefined) this.release(id, before);
    const { owner: node, boot } = current;
    const holder = this.heldBy.get(boot) ?? { node, boot, topics: new Set() };
    this.heldBy.set(boot, holder);
    holder.topics.add(id);
    if (current.state === 'fenced') this.fencedTopics.add(id);
  }

  private removeTopic({ id, name, segments }: TopicRecord): void {
    this.release(id, segments.at(-1)!);
    this.topicRecords.delete(id);
    this.byName.delete(name);
  }

  private release(topic: TopicId, { boot }: SegmentRecord): void {
    const { topics } = this.heldBy.get(boot)!;
    topics.delete(topic);
    if (topics.size === 0) this.heldBy.delete(boot);
    this.fencedTopics.delete(topic);
  }
}

export function isSameDisk(a: ReplicaRecord | undefined, b: ReplicaRecord): boolean {
  return a?.node === b.node && a.incarnation === b.incarnation;
}

type Grant = Pick<SegmentRecord, 'epoch' | 'owner' | 'boot' | 'replicas'>;

function opened(id: SegmentId, grant: Grant, baseOffset: Offset): SegmentRecord {
  return {
    id,
    state: 'open',
    ...grant,
    move: undefined,
    baseOffset,
    count: 0,
    bytes: 0,
    sealedAtMs: 0,
  };
}

/** The last segment for which `test` is true, as it is for all before that one; undefined if for none. */
function lastOf(
  segments: readonly SegmentRecord[] = [],
  test: (segment: SegmentRecord) => boolean,
): SegmentRecord | undefined {
  let end = segments.length;
  let begin = 0;
  while (begin < end) {
    const middle = (begin + end) >> 1;
    if (test(segments[middle]!)) begin = middle + 1;
    else end = middle;
  }
  return segments[begin - 1];
}

function sortedBy<Item>(items: readonly Item[], key: (item: Item) => number): Item[] {
  return [...items].sort((a, b) => key(a) - key(b));
}

const NODE_STATES: readonly NodeState[] = ['active', 'draining', 'gone'];

function readNodeState(input: ByteReader): NodeState {
  const state = NODE_STATES[input.byte()];
  if (state === undefined) throw new MalformedError('no such state of a node');
  return state;
}

const STATES: readonly SegmentState[] = ['open', 'fenced', 'sealed'];

function writeTopic(
  out: ByteWriter,
  { id, name, segments, cursors, isDeleting, policy, policyIndex }: TopicRecord,
): void {
  out.whole(id).text(name).bool(isDeleting);
  out.list(segments, (segment) => writeSegment(out, segment));
  out.list([...cursors.keys()].sort(), (group) => {
    out.text(group).whole(cursors.get(group)!);
  });
  out.whole(policyIndex);
  writePolicy(out, policy);
}

function writeSegment(out: ByteWriter, segment: SegmentRecord): void {
  out.whole(segment.id).byte(STATES.indexOf(segment.state)).whole(segment.epoch);
  out.whole(segment.owner).whole(segment.boot).whole(segment.baseOffset).whole(segment.count);
  out.whole(segment.bytes).whole(segment.sealedAtMs);
  out.list(segment.replicas, (each) => {
    out.whole(each.node).whole(each.incarnation);
  });
  out.list(segment.move === undefined ? [] : [segment.move], ({ from, to, epoch }) => {
    out.whole(from).whole(to.node).whole(to.incarnation).whole(epoch);
  });
}

function readSegment(input: ByteReader): SegmentRecord {
  const id = input.whole() as SegmentId;
  const state = STATES[input.byte()];
  if (state === undefined) throw new MalformedError('no such segment state');
  const epoch = input.whole() as Epoch;
  const owner = input.whole() as NodeId;
  const boot = input.whole() as BootId;
  const baseOffset = input.whole() as Offset;
  return {
    id,
    state,
    epoch,
    owner,
    boot,
    baseOffset,
    count: input.whole(),
    bytes: input.whole(),
    sealedAtMs: input.whole(),
    replicas: input.list(() => readReplica(input)),
    move: input.list(() => {
      const from = input.whole() as NodeId;
      return { from, to: readReplica(input), epoch: input.whole() as Epoch };
    })[0],
  };
}

function readReplica(input: ByteReader): ReplicaRecord {
  return { node: input.whole() as NodeId, incarnation: input.whole() as Incarnation };
}

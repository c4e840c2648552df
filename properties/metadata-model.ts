/**
 * The metadata as the specification's `ApplyCommand` makes it: the committed commands, each applied once, at the
 * moment when the first node applies it. Written for the checks alone and from the specification alone, so that it
 * does not repeat a mistake of `ClusterState`.
 */
import type {
  BootId,
  Epoch,
  Incarnation,
  LogIndex,
  NodeId,
  Offset,
  TopicId,
} from '../impl/core/ids.ts';
import type { Command } from '../impl/core/metadata/commands.ts';
import type { SegmentReplicaView } from './views.ts';

/** To whom a segment was given under an epoch. */
export interface Grant {
  readonly node: NodeId;
  readonly boot: BootId;
  readonly role: 'owner' | 'recoverer';
}

export interface ModelSegment {
  state: 'open' | 'fenced' | 'sealed';
  epoch: Epoch;
  readonly baseOffset: Offset;
  count: number;
  replicas: SegmentReplicaView[];
  /** A copy that is being made, on a disk, in place of the one on `from`. */
  move:
    | { readonly from: NodeId; readonly to: SegmentReplicaView; readonly epoch: Epoch }
    | undefined;
  /** Every grant that was ever made of it. Epochs rise in this order. */
  readonly grants: Map<Epoch, Grant>;
}

export interface ModelNode {
  readonly boot: BootId;
  readonly incarnation: Incarnation;
  readonly state: 'active' | 'draining' | 'gone';
}

export interface ModelTopic {
  readonly id: TopicId;
  readonly name: string;
  readonly segments: ModelSegment[];
  readonly cursors: Map<string, Offset>;
  isDeleting: boolean;
  /** Offset of the first record that it has, or will have. */
  start: Offset;
  /** Index of the command that gave it its policy. */
  policyIndex: LogIndex;
}

/** Segments of a topic that nodes keep, with their numbers: of those that ended without a record, or were trimmed, they keep nothing. */
export function keptSegments(topic: ModelTopic): (ModelSegment & { id: number })[] {
  return topic.segments
    .map((segment, i) => ({ ...segment, id: i + 1 }))
    .filter((segment) => isKept(topic, segment));
}

function isKept({ start }: ModelTopic, { state, baseOffset, count }: ModelSegment): boolean {
  return state !== 'sealed' || (count > 0 && baseOffset + count > start);
}

export class MetadataModel {
  index: LogIndex = 0 as LogIndex;
  readonly nodes: Map<NodeId, ModelNode> = new Map();
  readonly topics: Map<TopicId, ModelTopic> = new Map();
  /** Topics that are no more, as they ended. */
  readonly ended: Map<TopicId, ModelTopic> = new Map();
  private readonly byName = new Map<string, ModelTopic>();

  /** The topic that is called so now. */
  topicNamed(name: string): ModelTopic | undefined {
    return this.byName.get(name);
  }

  /** All that were ever called so, the latest first. */
  topicsNamed(name: string): ModelTopic[] {
    const all = [...this.ended.values(), ...this.topics.values()];
    return all.filter((topic) => topic.name === name).sort((a, b) => b.id - a.id);
  }

  /** Applies the entry at `index` and says whether it changed anything. Null is an entry of Raft's own. */
  apply(index: LogIndex, command: Command | null): boolean {
    this.index = index;
    if (command === null) return true;
    if (command.kind === 'RegisterNode') {
      const { node, boot, incarnation } = command;
      const before = this.nodes.get(node);
      const state = before?.incarnation === incarnation ? before.state : 'active';
      if (state === 'gone') return false;
      this.nodes.set(node, { boot, incarnation, state });
      return true;
    }
    if (command.kind === 'DrainNode' || command.kind === 'RemoveNode') {
      const before = this.nodes.get(command.node);
      if (before === undefined || !this.isPresent(command)) return false;
      if (command.kind === 'RemoveNode') {
        if (!this.isSpare(command.node)) return false;
        this.nodes.set(command.node, { ...before, state: 'gone' });
        return true;
      }
      const others = [...this.nodes].filter(([id]) => id !== command.node);
      const state = command.isDraining ? 'draining' : 'active';
      if (before.state === state) return false;
      if (command.isDraining && others.every(([, { state }]) => state !== 'active')) return false;
      this.nodes.set(command.node, { ...before, state });
      return true;
    }
    if (command.kind === 'CreateTopic') {
      const { name, owner, replicas } = command;
      if (this.byName.has(name) || !this.known([owner, ...replicas])) return false;
      const id = index as number as TopicId;
      const segments = [this.opened(index, owner, replicas, 0 as Offset)];
      const cursors = new Map();
      const start = 0 as Offset;
      const created = { id, name, segments, cursors, isDeleting: false, start, policyIndex: index };
      this.topics.set(id, created);
      this.byName.set(name, created);
      return true;
    }
    const topic = this.topics.get(command.topic);
    if (topic === undefined) return false;
    const open = topic.segments.at(-1)!;
    switch (command.kind) {
      case 'SealSegment': {
        if (command.segment !== topic.segments.length || command.epoch !== open.epoch) return false;
        const isKnown = this.known([command.nextOwner, ...command.nextReplicas]);
        if (!topic.isDeleting && !isKnown) return false;
        open.state = 'sealed';
        open.count = command.count;
        if (topic.isDeleting) {
          this.topics.delete(topic.id);
          this.byName.delete(topic.name);
          this.ended.set(topic.id, topic);
          return true;
        }
        const base = (open.baseOffset + command.count) as Offset;
        topic.segments.push(this.opened(index, command.nextOwner, command.nextReplicas, base));
        return true;
      }
      case 'FenceSegment': {
        if (command.segment !== topic.segments.length) return false;
        if (command.expectedEpoch !== open.epoch || !this.known([command.recoverer])) return false;
        open.state = 'fenced';
        open.epoch = index as number as Epoch;
        open.grants.set(open.epoch, this.grant(command.recoverer, 'recoverer'));
        return true;
      }
      case 'AdvanceCursor': {
        if ((topic.cursors.get(command.group) ?? topic.start) !== command.expected) return false;
        topic.cursors.set(command.group, command.next);
        return true;
      }
      case 'RestoreReplica': {
        const segment = topic.segments[command.segment - 1];
        const place = segment?.replicas.findIndex(({ node }) => node === command.node) ?? -1;
        if (segment?.state !== 'sealed' || place === -1 || !isKept(topic, segment)) return false;
        const { node, incarnation } = command;
        if (!this.isPresent({ node, incarnation })) return false;
        segment.replicas = segment.replicas.with(place, { node, incarnation });
        return true;
      }
      case 'BeginMove': {
        const segment = topic.segments[command.segment - 1];
        const { from, to: node } = command;
        const incarnation = this.known([node]) ? this.nodes.get(node)!.incarnation : undefined;
        if (segment?.state !== 'sealed' || segment.count === 0 || segment.move) return false;
        if (segment.baseOffset < topic.start) return false;
        const holders = segment.replicas.map((each) => each.node);
        if (incarnation === undefined || !holders.includes(from) || holders.includes(node)) {
          return false;
        }
        segment.move = { from, to: { node, incarnation }, epoch: index as number as Epoch };
        return true;
      }
      case 'MoveReplica':
      case 'CancelMove': {
        const segment = topic.segments[command.segment - 1];
        const move = segment?.move;
        if (segment === undefined || move?.epoch !== command.epoch) return false;
        if (segment.baseOffset < topic.start) return false;
        if (command.kind === 'MoveReplica') {
          const { from, to } = move;
          if (!this.isPresent(to)) return false;
          const others = segment.replicas.filter(({ node }) => node !== from);
          segment.replicas = [...others, to].sort((a, b) => a.node - b.node);
        }
        segment.move = undefined;
        return true;
      }
      case 'DeleteTopic': {
        if (topic.isDeleting) return false;
        topic.isDeleting = true;
        return true;
      }
      case 'TrimTopic': {
        const { expectedStart, start } = command;
        if (topic.start !== expectedStart || start <= expectedStart) return false;
        if (!topic.segments.some(({ baseOffset }) => baseOffset === start)) return false;
        topic.start = start;
        for (const [group, at] of topic.cursors) if (at < start) topic.cursors.set(group, start);
        return true;
      }
      case 'SetTopicPolicy': {
        if (topic.policyIndex !== command.expected) return false;
        topic.policyIndex = index;
        return true;
      }
    }
  }

  private opened(
    index: LogIndex,
    owner: NodeId,
    replicas: readonly NodeId[],
    baseOffset: Offset,
  ): ModelSegment {
    const epoch = index as number as Epoch;
    return {
      state: 'open',
      epoch,
      baseOffset,
      count: 0,
      replicas: replicas
        .map((node) => ({ node, incarnation: this.nodes.get(node)!.incarnation }))
        .sort((a, b) => a.node - b.node),
      move: undefined,
      grants: new Map([[epoch, this.grant(owner, 'owner')]]),
    };
  }

  private grant(node: NodeId, role: Grant['role']): Grant {
    return { node, boot: this.nodes.get(node)!.boot, role };
  }

  private known(nodes: readonly NodeId[]): boolean {
    return nodes.every((node) => (this.nodes.get(node)?.state ?? 'gone') !== 'gone');
  }

  private isPresent({ node, incarnation }: SegmentReplicaView): boolean {
    return this.known([node]) && this.nodes.get(node)!.incarnation === incarnation;
  }

  /** Whether at least half of the copies of everything that has one on the node are on other disks that are there. */
  private isSpare(node: NodeId): boolean {
    const { incarnation } = this.nodes.get(node)!;
    const segments = [...this.topics.values()].flatMap((topic) => keptSegments(topic));
    return segments.every(({ replicas }) => {
      const isIts = (each: SegmentReplicaView): boolean =>
        each.node === node && each.incarnation === incarnation;
      const others = replicas.filter((each) => !isIts(each) && this.isPresent(each));
      return !replicas.some(isIts) || others.length * 2 >= replicas.length;
    });
  }
}

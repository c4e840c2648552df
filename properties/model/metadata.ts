/**
 * The committed log and every state it has led to: what `log`, `meta` and `view` are in `spec/DistributedLog.tla`. A
 * node that lags sees a segment as it was; so each segment keeps all its versions, by the index that made them.
 */
import type { BootId, Epoch, Incarnation, NodeId, TopicId } from '../../impl/core/ids.ts';
import type { Command, Proposal } from '../../impl/core/metadata/commands.ts';

export interface Grant {
  readonly index: number;
  readonly state: 'open' | 'fenced' | 'sealed';
  readonly epoch: Epoch;
  readonly owner: NodeId;
  readonly boot: BootId;
  readonly replicas: ReadonlyMap<NodeId, Incarnation>;
  readonly base: number;
  readonly count: number;
  readonly move: Move | undefined;
}

/** A copy that is being made. */
export interface Move {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly incarnation: Incarnation;
  readonly epoch: Epoch;
}

interface Registration {
  readonly index: number;
  readonly boot: BootId;
  readonly incarnation: Incarnation;
  readonly state: 'active' | 'draining' | 'gone';
}

export class Metadata {
  /** What was committed at each index; `null` is an entry of Raft's own, and so is the founding, at 1. */
  readonly log: (Proposal | null)[] = [null, null];
  /** Whether the command at each index found what it expected. */
  readonly fits: boolean[] = [true, true];
  private readonly segments = new Map<string, Grant[]>();
  private readonly lasts = new Map<TopicId, number>();
  private readonly named = new Map<string, TopicId>();
  private readonly names = new Map<TopicId, string>();
  private readonly deleting = new Set<TopicId>();
  /** By which command each topic ended that is no more. */
  private readonly ended = new Map<TopicId, number>();
  private readonly nodes = new Map<NodeId, Registration>();
  private readonly cursors = new Map<string, number>();
  /** By which command each topic has its policy. */
  private readonly policies = new Map<TopicId, number>();
  /** Where each topic began that forgot its front, and by which commands. */
  private readonly starts = new Map<
    TopicId,
    { readonly index: number; readonly start: number }[]
  >();

  get length(): number {
    return this.log.length - 1;
  }

  /** The segment as the first `index` commands leave it; undefined if they do not know it. */
  grant(key: string, index: number): Grant | undefined {
    const versions = this.segments.get(key);
    if (versions === undefined) return undefined;
    for (let i = versions.length - 1; i >= 0; i--) {
      const version = versions[i]!;
      if (version.index <= index) return version;
    }
    return undefined;
  }

  /** Number of the topic's last segment, all commands applied; 0 if there is no such topic. */
  last(topic: TopicId): number {
    return this.lasts.get(topic) ?? 0;
  }

  /** Whether there is such a topic after the first `index` commands. */
  exists(topic: TopicId, index: number): boolean {
    return this.names.has(topic) && topic <= index && (this.ended.get(topic) ?? Infinity) > index;
  }

  /** Offset of the first record that the topic has after the first `index` commands. */
  start(topic: TopicId, index: number): number {
    return this.starts.get(topic)?.findLast((each) => each.index <= index)?.start ?? 0;
  }

  /** Whether the first `index` commands leave the segment behind, so that nothing of it is kept. */
  isGone(topic: TopicId, key: string, index: number): boolean {
    if ((this.ended.get(topic) ?? Infinity) <= index) return true;
    const grant = this.grant(key, index);
    if (grant?.state !== 'sealed') return false;
    return grant.count === 0 || grant.base + grant.count <= this.start(topic, index);
  }

  /** Whether after the first `index` commands a copy on that node is neither one that is listed nor one that is being made. */
  isStray(key: string, node: NodeId, index: number): boolean {
    const grant = this.grant(key, index);
    if (grant?.state !== 'sealed') return false;
    return !grant.replicas.has(node) && grant.move?.to !== node;
  }

  keys(): Iterable<string> {
    return this.segments.keys();
  }

  commit(proposal: Proposal | null): void {
    const index = this.log.push(proposal) - 1;
    this.fits.push(proposal === null || this.apply(index, proposal.command));
  }

  private apply(index: number, command: Command): boolean {
    switch (command.kind) {
      case 'RegisterNode': {
        const { node, boot, incarnation } = command;
        const before = this.nodes.get(node);
        const state = before?.incarnation === incarnation ? before.state : 'active';
        if (state === 'gone') return false;
        this.nodes.set(node, { index, boot, incarnation, state });
        return true;
      }
      case 'DrainNode': {
        const { node, incarnation, isDraining } = command;
        const state = isDraining ? 'draining' : 'active';
        if (!this.isPresent(node, incarnation) || this.nodes.get(node)!.state === state)
          return false;
        const isActive = [...this.nodes].some(
          ([id, { state }]) => id !== node && state === 'active',
        );
        if (isDraining && !isActive) return false;
        this.nodes.set(node, { ...this.nodes.get(node)!, state });
        return true;
      }
      case 'RemoveNode': {
        const { node, incarnation } = command;
        if (!this.isPresent(node, incarnation) || !this.isSpare(node, index)) return false;
        this.nodes.set(node, { ...this.nodes.get(node)!, state: 'gone' });
        return true;
      }
      case 'CreateTopic': {
        const { name, owner, replicas } = command;
        if (this.named.has(name) || !this.know(replicas)) return false;
        const topic = index as TopicId;
        this.named.set(name, topic);
        this.names.set(topic, name);
        this.policies.set(topic, index);
        this.open(index, topic, 1, owner, replicas, 0);
        return true;
      }
      case 'SealSegment': {
        const { topic, segment, epoch, count, nextOwner, nextReplicas } = command;
        const grant = this.grant(segmentKey(topic, segment), index);
        if (grant === undefined || grant.state === 'sealed' || grant.epoch !== epoch) return false;
        const isLast = this.deleting.has(topic);
        if (!isLast && !this.know(nextReplicas)) return false;
        this.put(topic, segment, { ...grant, index, state: 'sealed', count });
        if (isLast) {
          this.ended.set(topic, index);
          this.named.delete(this.names.get(topic)!);
          return true;
        }
        this.open(index, topic, segment + 1, nextOwner, nextReplicas, grant.base + count);
        return true;
      }
      case 'FenceSegment': {
        const { topic, segment, expectedEpoch, recoverer } = command;
        const grant = this.grant(segmentKey(topic, segment), index);
        if (grant === undefined || grant.state === 'sealed') return false;
        const registration = this.nodes.get(recoverer);
        if (grant.epoch !== expectedEpoch || registration === undefined) return false;
        if (!this.know([recoverer])) return false;
        const { boot } = registration;
        const epoch = index as Epoch;
        this.put(topic, segment, {
          ...grant,
          index,
          state: 'fenced',
          epoch,
          owner: recoverer,
          boot,
        });
        return true;
      }
      case 'AdvanceCursor': {
        const { topic, group, expected, next } = command;
        const key = `${topic} ${group}`;
        if (!this.exists(topic, index) || this.cursor(topic, key, index) !== expected) return false;
        this.cursors.set(key, next);
        return true;
      }
      case 'RestoreReplica': {
        const { topic, segment, node, incarnation } = command;
        const grant = this.sealed(topic, segment, index);
        if (grant === undefined || !grant.replicas.has(node)) return false;
        if (!this.isPresent(node, incarnation)) return false;
        const replicas = new Map(grant.replicas).set(node, incarnation);
        this.put(topic, segment, { ...grant, index, replicas });
        return true;
      }
      case 'BeginMove': {
        const { topic, segment, from, to } = command;
        const grant = this.sealed(topic, segment, index);
        const incarnation = this.know([to]) ? this.nodes.get(to)!.incarnation : undefined;
        if (grant === undefined || grant.move !== undefined || incarnation === undefined)
          return false;
        if (!grant.replicas.has(from) || grant.replicas.has(to)) return false;
        const move = { from, to, incarnation, epoch: index as Epoch };
        this.put(topic, segment, { ...grant, index, move });
        return true;
      }
      case 'MoveReplica': {
        const { topic, segment, epoch } = command;
        const grant = this.sealed(topic, segment, index);
        const move = grant?.move;
        if (grant === undefined || move?.epoch !== epoch) return false;
        if (!this.isPresent(move.to, move.incarnation)) return false;
        const replicas = new Map(grant.replicas).set(move.to, move.incarnation);
        replicas.delete(move.from);
        this.put(topic, segment, { ...grant, index, replicas, move: undefined });
        return true;
      }
      case 'CancelMove': {
        const { topic, segment, epoch } = command;
        const grant = this.sealed(topic, segment, index);
        if (grant === undefined || grant.move?.epoch !== epoch) return false;
        this.put(topic, segment, { ...grant, index, move: undefined });
        return true;
      }
      case 'DeleteTopic': {
        const { topic } = command;
        if (!this.exists(topic, index) || this.deleting.has(topic)) return false;
        this.deleting.add(topic);
        return true;
      }
      case 'TrimTopic': {
        const { topic, expectedStart, start } = command;
        if (!this.exists(topic, index) || this.start(topic, index) !== expectedStart) return false;
        if (start <= expectedStart || !this.begins(topic, start, index)) return false;
        const place = { index, start };
        const places = this.starts.get(topic);
        if (places === undefined) this.starts.set(topic, [place]);
        else places.push(place);
        return true;
      }
      case 'SetTopicPolicy': {
        const { topic, expected } = command;
        if (!this.exists(topic, index) || this.policies.get(topic) !== expected) return false;
        this.policies.set(topic, index);
        return true;
      }
    }
  }

  /** Trims move cursors up. */
  private cursor(topic: TopicId, key: string, index: number): number {
    return Math.max(this.cursors.get(key) ?? 0, this.start(topic, index));
  }

  /** Whether a segment of the topic begins at the offset. */
  private begins(topic: TopicId, offset: number, index: number): boolean {
    for (let segment = this.last(topic); segment > 0; segment--) {
      if (this.grant(segmentKey(topic, segment), index)!.base === offset) return true;
    }
    return false;
  }

  /** A sealed segment that nodes keep. */
  private sealed(topic: TopicId, segment: number, index: number): Grant | undefined {
    const grant = this.grant(segmentKey(topic, segment), index);
    if (grant?.state !== 'sealed') return undefined;
    return this.isGone(topic, segmentKey(topic, segment), index) ? undefined : grant;
  }

  private know(nodes: readonly NodeId[]): boolean {
    return nodes.every((node) => (this.nodes.get(node)?.state ?? 'gone') !== 'gone');
  }

  private isPresent(node: NodeId, incarnation: Incarnation): boolean {
    return this.know([node]) && this.nodes.get(node)!.incarnation === incarnation;
  }

  private isSpare(node: NodeId, index: number): boolean {
    for (const [key, versions] of this.segments) {
      const { replicas } = versions.at(-1)!;
      if (this.isGone(topicOf(key), key, index)) continue;
      if (replicas.get(node) !== this.nodes.get(node)!.incarnation) continue;
      const others = [...replicas].filter(([id, disk]) => id !== node && this.isPresent(id, disk));
      if (others.length * 2 < replicas.size) return false;
    }
    return true;
  }

  private open(
    index: number,
    topic: TopicId,
    segment: number,
    owner: NodeId,
    replicas: readonly NodeId[],
    base: number,
  ): void {
    this.lasts.set(topic, segment);
    this.put(topic, segment, {
      index,
      state: 'open',
      epoch: index as Epoch,
      owner,
      boot: this.nodes.get(owner)!.boot,
      replicas: new Map(replicas.map((node) => [node, this.nodes.get(node)!.incarnation])),
      base,
      count: 0,
      move: undefined,
    });
  }

  private put(topic: TopicId, segment: number, grant: Grant): void {
    const key = segmentKey(topic, segment);
    const versions = this.segments.get(key);
    if (versions === undefined) this.segments.set(key, [grant]);
    else versions.push(grant);
  }
}

/** By topic and segment: always the same string, which is hashed once. */
const KEYS = new Map<TopicId, string[]>();

export function segmentKey(topic: TopicId, segment: number): string {
  let keys = KEYS.get(topic);
  if (keys === undefined) {
    keys = [];
    KEYS.set(topic, keys);
  }
  keys[segment] ??= `${topic}/${segment}`;
  return keys[segment];
}

/** The topic of a key that `segmentKey` made. */
export function topicOf(key: string): TopicId {
  return Number.parseInt(key, 10) as TopicId;
}

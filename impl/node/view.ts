/** The cluster as one node sees it, for people and their tools. It may be behind, and what other nodes know it does not know. */
import type { BootId, NodeId, Offset, Term } from '../core/ids.ts';
import type {
  ClusterState,
  NodeState,
  SegmentRecord,
  TopicRecord,
} from '../core/metadata/cluster-state.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { Role } from '../core/raft/trace.ts';
import type { DataPlane } from '../core/segment/data-plane.ts';

export interface NodeView {
  readonly boot: BootId;
  readonly role: Role;
  readonly term: Term;
  /** 0 if none is known. */
  readonly leader: NodeId | 0;
  readonly members: readonly MemberView[];
  /** Those that something is wrong with first, then by name. */
  readonly topics: readonly TopicView[];
  /** Of all topics: how many, and their segments of which a copy is missing. */
  readonly topicCount: number;
  readonly shortSegments: number;
  /** Sealed segments of which the copy here is not whole. */
  readonly incompleteSegments: number;
}

export interface MemberView {
  readonly node: NodeId;
  readonly voter: boolean;
  readonly live: boolean;
  readonly hasRoom: boolean;
  readonly raftAddress: string;
  /** Empty until it has registered. */
  readonly clientAddress: string;
  /** Topics whose open segment it owns. */
  readonly owns: number;
}

/** A disk that has registered, be it a member, still to be one, or one that was removed. */
export interface DiskView {
  readonly node: NodeId;
  readonly state: NodeState;
  /** Its vote counts; false of one that is no member. */
  readonly voter: boolean;
  readonly live: boolean;
  readonly clientAddress: string;
  /** Copies of segments that are listed on it, and that are being made there. */
  readonly copies: number;
  readonly coming: number;
  readonly owns: number;
}

export interface TopicView {
  readonly topic: string;
  readonly owner: NodeId;
  /** `recovering`: the owner is gone. `stuck`: so are so many copies that nobody can take its place. */
  readonly state: 'open' | 'recovering' | 'stuck';
  /** It is to be deleted, and takes no more records. */
  readonly deleting: boolean;
  readonly segments: number;
  /** Records that may be read; undefined if this node holds no copy of the open segment. */
  readonly records: number | undefined;
  /** Segments of which a copy is missing, or on a node that is silent. */
  readonly shortSegments: number;
  readonly groups: readonly { readonly group: string; readonly offset: Offset }[];
}

export interface ViewedMember {
  readonly boot: BootId;
  readonly raft: Raft;
  readonly cluster: ClusterState;
  readonly dataPlane: DataPlane;
  live(node: NodeId): boolean;
  hasRoom(node: NodeId): boolean;
}

/** At most `topicsMax` topics are looked at closely; all of them are counted. */
export function viewOf(member: ViewedMember, topicsMax: number): NodeView {
  const { boot, raft, cluster, dataPlane } = member;
  const topics = [...cluster.topics.values()].map((topic) => ({
    topic,
    health: healthOf(member, topic),
  }));
  topics.sort((a, b) => rank(b.health) - rank(a.health) || (a.topic.name < b.topic.name ? -1 : 1));
  const owned = new Map<NodeId, number>();
  for (const { node, topics } of cluster.holders()) {
    owned.set(node, (owned.get(node) ?? 0) + topics.size);
  }
  return {
    boot,
    role: raft.role,
    term: raft.term,
    leader: raft.leader,
    members: raft.membership.map(({ id: node, learner, address }) => ({
      node,
      voter: !learner,
      live: member.live(node),
      hasRoom: member.hasRoom(node),
      raftAddress: address,
      clientAddress: cluster.node(node)?.clientAddress ?? '',
      owns: owned.get(node) ?? 0,
    })),
    topics: topics
      .slice(0, topicsMax)
      .map(({ topic, health }) => topicView(dataPlane, topic, health)),
    topicCount: topics.length,
    shortSegments: topics.reduce((sum, { health }) => sum + health.shortSegments, 0),
    incompleteSegments: dataPlane.replicas.incompleteCount,
  };
}

/** All nodes, by number. What a node that drains, or was removed, still has is what is left to be done. */
export function disksOf(viewed: Omit<ViewedMember, 'boot'>): readonly DiskView[] {
  const { raft, cluster } = viewed;
  const copies = new Map<NodeId, number>();
  const coming = new Map<NodeId, number>();
  const owned = new Map<NodeId, number>();
  const count = (of: Map<NodeId, number>, node: NodeId, by = 1): void => {
    of.set(node, (of.get(node) ?? 0) + by);
  };
  for (const { segments } of cluster.topics.values()) {
    for (const { replicas, move } of segments) {
      for (const each of replicas) count(copies, each.node);
      if (move !== undefined) count(coming, move.to.node);
    }
  }
  for (const { node, topics } of cluster.holders()) count(owned, node, topics.size);
  const nodes = [...cluster.nodes.values()].sort((a, b) => a.id - b.id);
  return nodes.map(({ id: node, state, incarnation, clientAddress }) => {
    const member = raft.membership.find((each) => each.id === node);
    const isMember = member?.incarnation === incarnation;
    return {
      node,
      state,
      voter: isMember && !member.learner,
      live: isMember && viewed.live(node),
      clientAddress,
      copies: copies.get(node) ?? 0,
      coming: coming.get(node) ?? 0,
      owns: owned.get(node) ?? 0,
    };
  });
}

type Health = Pick<TopicView, 'state' | 'shortSegments'>;

function rank({ state, shortSegments }: Health): number {
  if (state === 'open') return shortSegments > 0 ? 1 : 0;
  return state === 'stuck' ? 3 : 2;
}

function healthOf(member: ViewedMember, { segments }: TopicRecord): Health {
  const current = segments.at(-1)!;
  const copies = liveCopies(member, current);
  const isOwned =
    current.state === 'open' &&
    member.live(current.owner) &&
    member.cluster.node(current.owner)?.boot === current.boot;
  const hasMajority = copies * 2 > current.replicas.length;
  return {
    state: !hasMajority ? 'stuck' : isOwned ? 'open' : 'recovering',
    shortSegments: segments.filter((each) => liveCopies(member, each) < each.replicas.length)
      .length,
  };
}

/** On the disks that they were promised by, of nodes that are heard. */
function liveCopies(member: ViewedMember, { replicas }: SegmentRecord): number {
  return replicas.filter((each) => member.live(each.node) && member.cluster.isPresent(each)).length;
}

function topicView(dataPlane: DataPlane, topic: TopicRecord, health: Health): TopicView {
  const { id, name, segments, cursors, isDeleting } = topic;
  const current = segments.at(-1)!;
  const isHere = dataPlane.replicas.find(id, current.id) !== undefined;
  return {
    topic: name,
    owner: current.owner,
    deleting: isDeleting,
    segments: segments.length,
    records: isHere ? current.baseOffset + dataPlane.readableEnd(id, current.id) : undefined,
    groups: [...cursors].map(([group, offset]) => ({ group, offset })),
    ...health,
  };
}

/** What an operator wants of a node, and what the cluster could lose by it. */
import { errorReply, type NodeWish, type Reply } from '../core/controller/operations.ts';
import type { NodeId } from '../core/ids.ts';
import {
  type ClusterState,
  isSameDisk,
  type ReplicaRecord,
  type SegmentRecord,
} from '../core/metadata/cluster-state.ts';
import type { Raft } from '../core/raft/raft.ts';
import { atStake, namedTopics } from './at-stake.ts';
import type { Placement } from './placement.ts';

export interface NodeWishesPorts {
  readonly cluster: ClusterState;
  readonly raft: Pick<Raft, 'membership'>;
  readonly placement: Placement;
  live(node: NodeId): boolean;
}

/** `granted`, or why not: asked of the Raft leader, which hears everybody. */
export function judge(ports: NodeWishesPorts, { node, wish }: NodeWish): Reply {
  const record = ports.cluster.node(node);
  if (record === undefined) return errorReply('UnknownNode', `no node ${node} is registered`);
  if (record.state === 'gone' && wish !== 'remove') {
    return errorReply('UnknownNode', `node ${node} was removed`);
  }
  const disk = { node, incarnation: record.incarnation };
  const objection = objectionTo(ports, wish, disk);
  return objection === undefined ? { kind: 'granted' } : errorReply('WouldLose', objection);
}

function objectionTo(
  ports: NodeWishesPorts,
  wish: NodeWish['wish'],
  disk: ReplicaRecord,
): string | undefined {
  switch (wish) {
    case 'stop':
      return againstStop(ports, disk.node);
    case 'drain':
      return againstDrain(ports, disk.node);
    case 'undrain':
      return undefined;
    case 'remove':
      return againstRemoval(ports, disk);
  }
}

/** Without it, for a while, the voters are a majority, everything can be written to, and everything can be read. */
function againstStop(ports: NodeWishesPorts, node: NodeId): string | undefined {
  const { cluster, raft } = ports;
  const voters = raft.membership.filter(({ learner }) => !learner);
  const others = voters.filter(({ id }) => id !== node && ports.live(id));
  if (others.length * 2 <= voters.length) return 'without it no majority of the voters is heard';
  const isEnough = ({ state, replicas }: SegmentRecord): boolean => {
    if (replicas.every((each) => each.node !== node)) return true;
    const left = replicas.filter(
      (each) => each.node !== node && ports.live(each.node) && cluster.isPresent(each),
    );
    return state === 'sealed' ? left.length > 0 : left.length * 2 > replicas.length;
  };
  const topics = namedTopics(cluster, (segment) => !isEnough(segment));
  return topics && `without it too few copies are left of segments: ${topics}`;
}

/** There is somebody else for each copy that it has. */
function againstDrain({ cluster, placement }: NodeWishesPorts, node: NodeId): string | undefined {
  const others = placement.holders().filter((each) => each !== node);
  if (others.length === 0) return 'there is no other node that could take what it has';
  const isStuck = ({ state, replicas }: SegmentRecord): boolean =>
    state === 'sealed' &&
    replicas.some((each) => each.node === node) &&
    others.every((other) => replicas.some((each) => each.node === other));
  const topics = namedTopics(cluster, isStuck);
  return topics && `every other node has a copy already; add one first. Segments: ${topics}`;
}

function againstRemoval(ports: NodeWishesPorts, disk: ReplicaRecord): string | undefined {
  const { cluster, raft } = ports;
  const { node, incarnation } = disk;
  const record = cluster.node(node)!;
  if (record.state === 'gone') return undefined;
  if (ports.live(node)) {
    if (record.state !== 'draining') {
      return `node ${node} lives; drain it first, or stop it if it is lost`;
    }
    const topics = namedTopics(cluster, ({ replicas }) =>
      replicas.some((each) => isSameDisk(each, disk)),
    );
    if (topics !== undefined)
      return `node ${node} is not drained yet; it holds segments: ${topics}`;
  }
  return atStake(node, incarnation, cluster, raft.membership, (each) => ports.live(each));
}

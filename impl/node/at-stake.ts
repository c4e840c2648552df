/** What a cluster could lose if it gave up a disk. */
import type { Incarnation, NodeId } from '../core/ids.ts';
import type { ClusterState, SegmentRecord } from '../core/metadata/cluster-state.ts';
import type { Membership } from '../core/raft/membership.ts';

/** Topics that are named; the others are counted. */
const NAMED_MAX = 3;

/**
 * Says what would be at stake; undefined if nothing is: without the node the voters that live are a majority, and of
 * every segment that counts on its disk at least half of the replicas are on other disks, which are the present ones of
 * nodes that live. Then one of these is in every majority, and has a part in all that was ever acknowledged.
 */
export function atStake(
  node: NodeId,
  incarnation: Incarnation,
  cluster: ClusterState,
  membership: Membership,
  live: (node: NodeId) => boolean,
): string | undefined {
  const voters = membership.filter(({ id, learner }) => id !== node && !learner);
  if (voters.filter(({ id }) => live(id)).length * 2 <= voters.length) {
    return 'of the other voters no majority is heard';
  }
  const isSafe = ({ replicas }: SegmentRecord): boolean => {
    const isListed = replicas.some(
      (each) => each.node === node && each.incarnation === incarnation,
    );
    const others = replicas.filter(
      (each) => each.node !== node && cluster.isPresent(each) && live(each.node),
    );
    return !isListed || others.length * 2 >= replicas.length;
  };
  const topics = namedTopics(cluster, (segment) => !isSafe(segment));
  return topics && `it may have the last copy of segments: ${topics}`;
}

/** How many segments of which topics are so, for people; undefined if none is. */
export function namedTopics(
  cluster: ClusterState,
  isSo: (segment: SegmentRecord) => boolean,
): string | undefined {
  const topics = [...cluster.topics.values()].flatMap(({ name, segments }) => {
    const count = segments.filter(isSo).length;
    return count === 0 ? [] : [`${count} of topic ${JSON.stringify(name)}`];
  });
  if (topics.length === 0) return undefined;
  const more = topics.length - NAMED_MAX;
  const named = topics.slice(0, NAMED_MAX).join(', ');
  return `${named}${more > 0 ? `, and ${more} more topics` : ''}`;
}

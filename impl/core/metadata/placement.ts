/** Where the next segment goes: round robin by node id, past nodes that do not answer. */
import { assert } from '../assert.ts';
import type { NodeId } from '../ids.ts';

/**
 * The owner is the first live node after `after`, in a ring; the replicas are the owner and those that follow it, live
 * ones first. If nobody seems to live, everybody is treated as if he did: the guess of one node is not to
 * stop the topic. `nodes` is sorted and not empty.
 */
export function place(
  nodes: readonly NodeId[],
  after: NodeId | 0,
  live: (node: NodeId) => boolean,
  replicationFactor: number,
): { readonly owner: NodeId; readonly replicas: readonly NodeId[] } {
  assert(nodes.length > 0, 'a cluster has a member');
  const first = nodes.findIndex((node) => node > after);
  const start = first === -1 ? 0 : first;
  const ring = [...nodes.slice(start), ...nodes.slice(0, start)];
  const ordered = [...ring.filter(live), ...ring.filter((node) => !live(node))];
  const replicas = ordered.slice(0, replicationFactor).sort((a, b) => a - b);
  return { owner: ordered[0]!, replicas };
}

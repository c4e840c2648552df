/** Where the next segment goes: round robin by node id, past nodes that do not answer or have no room. */
import { assert } from '../assert.ts';
import type { NodeId } from '../ids.ts';

/**
 * The owner is the first of the fittest nodes after `after`, in a ring; the replicas are the owner and those that follow it,
 * the fittest first. `rank` says how unfit a node seems, 0 for not at all. It is the guess of one node, and so not to stop
 * the topic: if nobody is fit, the least unfit are taken. `nodes` is sorted and not empty.
 */
export function place(
  nodes: readonly NodeId[],
  after: NodeId | 0,
  rank: (node: NodeId) => number,
  replicationFactor: number,
): { readonly owner: NodeId; readonly replicas: readonly NodeId[] } {
  assert(nodes.length > 0, 'a cluster has a member');
  const first = nodes.findIndex((node) => node > after);
  const start = first === -1 ? 0 : first;
  const ring = [...nodes.slice(start), ...nodes.slice(0, start)];
  ring.sort((a, b) => rank(a) - rank(b));
  const replicas = ring.slice(0, replicationFactor).sort((a, b) => a - b);
  return { owner: ring[0]!, replicas };
}

/** Where new segments go, as far as this node can tell: past nodes that seem dead or are about to stop, and those whose disk is full. */
import type { NodeId } from '../core/ids.ts';
import type { ClusterState } from '../core/metadata/cluster-state.ts';
import { place } from '../core/metadata/placement.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { NodeConfig } from './config.ts';

export interface Placed {
  readonly owner: NodeId;
  readonly replicas: readonly NodeId[];
}

export interface PlacementPorts {
  readonly config: Pick<NodeConfig, 'id' | 'replicationFactor'>;
  readonly raft: Pick<Raft, 'membership'>;
  readonly cluster: ClusterState;
  stays(node: NodeId): boolean;
  hasRoom(node: NodeId): boolean;
}

export class Placement {
  private readonly ports: PlacementPorts;

  constructor(ports: PlacementPorts) {
    this.ports = ports;
  }

  /** The nodes to which a segment can be granted: voters whose present disk is registered, and is to stay. Never empty. */
  holders(): readonly NodeId[] {
    const { config, raft, cluster } = this.ports;
    const nodes = raft.membership
      .filter(
        ({ id, learner, incarnation }) =>
          !learner &&
          cluster.node(id)?.incarnation === incarnation &&
          cluster.node(id)?.state === 'active',
      )
      .map(({ id }) => id);
    return nodes.length > 0 ? nodes : [config.id];
  }

  /** Of the segment that follows one of `owner`'s. */
  next(owner: NodeId): Placed {
    return this.place(this.holders(), owner);
  }

  /** Of the first segment of a topic: spreads topics over nodes by name. */
  first(topic: string): Placed {
    const nodes = this.holders();
    return this.place(nodes, nodes[hash(topic) % nodes.length]!);
  }

  private place(nodes: readonly NodeId[], after: NodeId): Placed {
    const rank = (node: NodeId): number => {
      if (!this.ports.stays(node)) return 2;
      return this.ports.hasRoom(node) ? 0 : 1;
    };
    return place(nodes, after, rank, this.ports.config.replicationFactor);
  }
}

function hash(name: string): number {
  let value = 2166136261;
  for (let i = 0; i < name.length; i++) value = Math.imul(value ^ name.charCodeAt(i), 16777619);
  return value >>> 0;
}

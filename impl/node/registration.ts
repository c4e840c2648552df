/** Makes this life of the process known to the cluster, so that segments can be granted to it. */
import type { BootId } from '../core/ids.ts';
import type { ClusterState } from '../core/metadata/cluster-state.ts';
import type { Proposals } from '../core/metadata/proposals.ts';
import type { Raft } from '../core/raft/raft.ts';
import type { NodeConfig } from './config.ts';
import type { Identity } from './identity.ts';

export interface RegistrationPorts {
  readonly config: NodeConfig;
  readonly identity: Identity;
  readonly boot: BootId;
  readonly raft: Raft;
  readonly proposals: Proposals;
  readonly cluster: ClusterState;
  nowMs(): number;
}

export class Registration {
  private readonly ports: RegistrationPorts;
  private isUnderWay = false;

  constructor(ports: RegistrationPorts) {
    this.ports = ports;
  }

  /** Proposes it, as long as the metadata as applied here does not show it. Called again and again. */
  register(): void {
    const { config, identity, boot, raft, proposals, cluster } = this.ports;
    if (this.isUnderWay || raft.leader === 0 || raft.self === undefined) return;
    const { node, incarnation } = identity;
    const known = cluster.node(node);
    if (known?.boot === boot && known.incarnation === incarnation) return;
    if (known?.incarnation === incarnation && known.state === 'gone') return;
    this.isUnderWay = true;
    const { raftAddress, clientAddress, operationTimeoutMs } = config;
    proposals.pursue(
      { kind: 'RegisterNode', node, boot, incarnation, raftAddress, clientAddress },
      this.ports.nowMs() + operationTimeoutMs,
      () => {
        this.isUnderWay = false;
      },
    );
  }
}

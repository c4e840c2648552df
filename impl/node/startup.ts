/**
 * From a closed store to what a member begins with: who it is, and where its Raft stood. On an empty disk both are
 * decided here, and they are durable before anybody hears of them.
 */
import { WalrusError } from '../core/errors.ts';
import { drawId, type Incarnation } from '../core/ids.ts';
import { ClusterState } from '../core/metadata/cluster-state.ts';
import { bootstrap, EMPTY, type Restored } from '../core/raft/entry.ts';
import type { Lsn } from '../core/storage/ids.ts';
import type { Store } from '../core/storage/store.ts';
import type { Random } from '../ports/random.ts';
import type { NodeConfig } from './config.ts';
import { type Identity, readIdentity, writeIdentity } from './identity.ts';
import { RaftStorage } from './raft-storage.ts';

export interface Recovered {
  readonly identity: Identity;
  readonly raftStorage: RaftStorage;
  readonly restored: Restored;
}

export type StartupConfig = Pick<NodeConfig, 'id' | 'bootstrap' | 'raftAddress'>;

export interface StartupPorts {
  readonly random: Random;
  readonly store: Store;
  /** Called once, unless `failed` is. */
  recovered(recovered: Recovered): void;
  /** `InvalidArgument` if the directory is another node's, `Corrupt` if it cannot be read, and whatever `open` says. */
  failed(error: WalrusError): void;
}

export class Startup {
  private readonly config: StartupConfig;
  private readonly ports: StartupPorts;
  /** Goes on once what was decided on an empty disk is durable. */
  private whenDurable: { readonly lsn: Lsn; readonly restore: () => void } | undefined;

  constructor(config: StartupConfig, ports: StartupPorts) {
    this.config = config;
    this.ports = ports;
  }

  /** Called once. */
  begin(): void {
    this.ports.store.open((error) => {
      if (error !== undefined) this.ports.failed(error);
      else this.identify();
    });
  }

  /** The disk has completed something. */
  completed(): void {
    const { whenDurable } = this;
    if (whenDurable === undefined || this.ports.store.durableLsn < whenDurable.lsn) return;
    this.whenDurable = undefined;
    whenDurable.restore();
  }

  private identify(): void {
    const { store } = this.ports;
    const { id } = this.config;
    const identity = readIdentity(store);
    if (identity === undefined) this.initialize();
    else if (identity.node === id) this.restore(identity, new RaftStorage(store));
    else {
      const message = `the directory is node ${identity.node}'s, not ${id}'s`;
      this.ports.failed(new WalrusError('InvalidArgument', message));
    }
  }

  private initialize(): void {
    const { store, random } = this.ports;
    const raftStorage = new RaftStorage(store);
    const identity = { node: this.config.id, incarnation: drawId(random) as Incarnation };
    writeIdentity(store, identity);
    raftStorage.begin(this.config.bootstrap ? this.newCluster(identity) : EMPTY);
    const restore = (): void => this.restore(identity, raftStorage);
    this.whenDurable = { lsn: store.commit(), restore };
  }

  private newCluster({ node, incarnation }: Identity): Restored {
    const self = { id: node, incarnation, address: this.config.raftAddress, learner: false };
    return bootstrap([self], ClusterState.bootstrap().snapshot());
  }

  private restore(identity: Identity, raftStorage: RaftStorage): void {
    raftStorage.restore((error, restored) => {
      if (error !== undefined) this.ports.failed(error);
      else this.ports.recovered({ identity, raftStorage, restored });
    });
  }
}

/**
 * From a closed store to what a member begins with: who it is, which lives its disk had, and where its Raft stood. What is
 * decided here is durable before anybody hears of it: all of it on an empty disk, else that another life has begun.
 *
 * A founder whose disk is empty may be a member that lost its disk; if it founded again there would be two clusters of one
 * name. So it listens first: nodes that live tell every member now and then where they are, a dead one too.
 */
import { WalrusError } from '../core/errors.ts';
import { type BootId, drawId, type Incarnation } from '../core/ids.ts';
import { ClusterState } from '../core/metadata/cluster-state.ts';
import { bootstrap, EMPTY, type Restored } from '../core/raft/entry.ts';
import type { Lsn } from '../core/storage/ids.ts';
import type { Store } from '../core/storage/store.ts';
import type { Random } from '../ports/random.ts';
import { type Amnesia, forgetAll, readAmnesia } from './amnesia.ts';
import type { NodeConfig } from './config.ts';
import { type Identity, readIdentity, writeIdentity } from './identity.ts';
import { beginLife, type Life } from './lives.ts';
import { RaftStorage } from './raft-storage.ts';

export interface Recovered {
  readonly identity: Identity;
  readonly lives: readonly Life[];
  readonly raftStorage: RaftStorage;
  readonly restored: Restored;
}

export type StartupConfig = Pick<NodeConfig, 'id' | 'bootstrap' | 'foundAfterMs' | 'raftAddress'>;

export interface StartupPorts {
  readonly random: Random;
  readonly store: Store;
  nowMs(): number;
  /** Called unless one of the others is. */
  recovered(recovered: Recovered): void;
  /** An earlier life has found out that the disk has less than it said, or this one has, if it names itself as who was told. */
  amnesiac(identity: Identity, amnesia: Amnesia): void;
  /**
   * `InvalidArgument` if the directory is another node's, `UnsupportedVersion` if it is of another format, `Corrupt` if
   * nobody can tell what it held, and whatever `open` says.
   */
  failed(error: WalrusError): void;
}

/** A disk that was full is asked again after so long, in milliseconds. */
const ASK_AGAIN_MS = 250;

export class Startup {
  private readonly config: StartupConfig;
  private readonly ports: StartupPorts;
  private boot = 0 as BootId;
  /** Goes on once what was decided is durable. */
  private whenDurable: { readonly lsn: Lsn; readonly restore: () => void } | undefined;
  /** The disk had no room for the beginnings of a store. */
  private isRefused = false;
  private askAtMs = 0;
  /** When a cluster is founded, unless somebody is heard before who knows this number. */
  private foundAtMs = Infinity;
  private isKnown = false;

  constructor(config: StartupConfig, ports: StartupPorts) {
    this.config = config;
    this.ports = ports;
  }

  /** Opens the store for life `boot`. Called once. */
  begin(boot: BootId): void {
    this.boot = boot;
    this.open();
  }

  /** Makes another, empty disk of the one that is open, for life `boot`. After a crash it is the one or the other. */
  beginAnew(boot: BootId): void {
    this.boot = boot;
    forgetAll(this.ports.store);
    this.initialize(this.drawIdentity(), EMPTY);
  }

  /** When `tick` wants to be called. */
  deadlineMs(): number {
    const isAsking = this.isRefused || this.whenDurable !== undefined;
    return Math.min(this.foundAtMs, isAsking ? this.askAtMs : Infinity);
  }

  /** A node that lives is a member of a cluster in which this number is one, too. */
  known(): void {
    this.isKnown = true;
    if (this.foundAtMs === Infinity) return;
    this.foundAtMs = Infinity;
    this.initialize(this.drawIdentity(), EMPTY);
  }

  /** Asks the disk again: nobody else does before the node runs. */
  tick(): void {
    const nowMs = this.ports.nowMs();
    if (nowMs < this.deadlineMs()) return;
    if (this.foundAtMs < Infinity) {
      const identity = this.drawIdentity();
      this.foundAtMs = Infinity;
      this.initialize(identity, this.newCluster(identity));
      return;
    }
    this.askAtMs = nowMs + ASK_AGAIN_MS;
    if (this.isRefused) this.open();
    else this.ports.store.retry();
  }

  /** The disk has completed something. */
  completed(): void {
    const { whenDurable } = this;
    if (whenDurable === undefined || this.ports.store.durableLsn < whenDurable.lsn) return;
    this.whenDurable = undefined;
    whenDurable.restore();
  }

  private open(): void {
    this.isRefused = false;
    this.ports.store.open((error) => {
      if (error?.code === 'NoSpace') {
        this.isRefused = true;
        this.askAtMs = this.ports.nowMs() + ASK_AGAIN_MS;
      } else if (error !== undefined) {
        this.ports.failed(error);
      } else {
        this.identify();
      }
    });
  }

  private identify(): void {
    const { store } = this.ports;
    const { id } = this.config;
    const identity = readIdentity(store);
    if (identity === undefined) {
      const { bootstrap, foundAfterMs } = this.config;
      if (bootstrap && !this.isKnown) this.foundAtMs = this.ports.nowMs() + foundAfterMs;
      else this.initialize(this.drawIdentity(), EMPTY);
    } else if (identity instanceof WalrusError) {
      this.ports.failed(identity);
    } else if (identity.node !== id) {
      const message = `the directory is node ${identity.node}'s, not ${id}'s`;
      this.ports.failed(new WalrusError('InvalidArgument', message));
    } else {
      const amnesia = readAmnesia(store);
      if (amnesia === undefined) this.restore(identity, new RaftStorage(store));
      else this.ports.amnesiac(identity, amnesia);
    }
  }

  private drawIdentity(): Identity {
    return { node: this.config.id, incarnation: drawId(this.ports.random) as Incarnation };
  }

  private initialize(identity: Identity, raft: Restored): void {
    const raftStorage = new RaftStorage(this.ports.store);
    writeIdentity(this.ports.store, identity);
    raftStorage.begin(raft);
    this.restore(identity, raftStorage);
  }

  private newCluster({ node, incarnation }: Identity): Restored {
    const self = { id: node, incarnation, address: this.config.raftAddress, learner: false };
    return bootstrap([self], ClusterState.bootstrap(incarnation).snapshot());
  }

  private restore(identity: Identity, raftStorage: RaftStorage): void {
    const { store } = this.ports;
    const lives = beginLife(store, { boot: this.boot, openedLsn: store.openedLsn });
    const restore = (): void =>
      raftStorage.restore((error, restored) => {
        if (error?.code === 'Corrupt') this.ports.amnesiac(identity, this.damaged(identity));
        else if (error !== undefined) this.ports.failed(error);
        else this.ports.recovered({ identity, lives, raftStorage, restored });
      });
    this.whenDurable = { lsn: store.commit(), restore };
  }

  /** What Raft's log says cannot be read, so the disk has less than it told everybody. The next life finds that out as well. */
  private damaged({ node }: Identity): Amnesia {
    return { boot: this.boot, lsn: this.ports.store.durableLsn, toldBy: node };
  }
}

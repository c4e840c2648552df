/**
 * What the other disks said of themselves: how far each had everything durably, and in which life. Whoever acknowledges,
 * promises or votes says so by what is on its disk, and every envelope tells how far that reaches; so a disk that comes
 * back with less is found out by whoever remembers more.
 *
 * It is kept in this node's own store, from one commit to the next. What was heard since the last one, at most a second's
 * worth, is forgotten when this node dies.
 */
import { ByteReader, ByteWriter } from '../core/codec.ts';
import type { BootId, Incarnation, NodeId } from '../core/ids.ts';
import type { Lsn } from '../core/storage/ids.ts';
import type { Store } from '../core/storage/store.ts';
import type { Reach } from './lives.ts';
import type { Envelope } from './messages.ts';

const PREFIX = 'disk/';
const ALONE_MS = 1000;

interface KnownDisk {
  readonly incarnation: Incarnation;
  readonly boot: BootId;
  /** Rises with what the disk says. */
  lsn: Lsn;
}

export class KnownDisks {
  private readonly store: Store;
  private readonly byNode = new Map<NodeId, KnownDisk>();
  private readonly unstaged = new Set<NodeId>();
  private stageAtMs = 0;

  constructor(store: Store) {
    this.store = store;
    for (const key of store.keys(PREFIX)) {
      const node = Number(key.slice(PREFIX.length)) as NodeId;
      this.byNode.set(node, decode(store.get(key)!));
    }
  }

  /** What the node's disk said last; undefined if none was heard. */
  reachOf(node: NodeId): Reach | undefined {
    return this.byNode.get(node);
  }

  /**
   * Takes note of how far the sender's disk reaches. Undefined if it is to be believed; else what it has to recall first,
   * because this is the first that is heard of its present life.
   */
  hear({ from, fromIncarnation, fromBoot, fromLsn }: Envelope): Reach | undefined {
    const known = this.known(from, fromIncarnation);
    if (known !== undefined && known.boot !== fromBoot) return known;
    if (known === undefined) {
      this.byNode.set(from, { incarnation: fromIncarnation, boot: fromBoot, lsn: fromLsn });
    } else if (known.lsn < fromLsn) known.lsn = fromLsn;
    else return undefined;
    this.unstaged.add(from);
    return undefined;
  }

  /** The sender's present life has what an earlier one had: from now on it is believed. */
  recalled({ from, fromIncarnation, fromBoot, fromLsn }: Envelope, { boot, lsn }: Reach): void {
    const known = this.known(from, fromIncarnation);
    if (known === undefined || known.boot !== boot || known.lsn > lsn) return;
    const reached = Math.max(known.lsn, fromLsn);
    this.byNode.set(from, { incarnation: fromIncarnation, boot: fromBoot, lsn: reached });
    this.unstaged.add(from);
  }

  /** Puts what is new into a commit that comes anyway, or else at most once in `ALONE_MS`. */
  stage(anyway: boolean, nowMs: number): void {
    if (this.unstaged.size === 0 || (!anyway && nowMs < this.stageAtMs)) return;
    this.stageAtMs = nowMs + ALONE_MS;
    for (const node of this.unstaged) {
      this.store.put(`${PREFIX}${node}`, encode(this.byNode.get(node)!));
    }
    this.unstaged.clear();
  }

  private known(node: NodeId, incarnation: Incarnation): KnownDisk | undefined {
    const known = this.byNode.get(node);
    return known?.incarnation === incarnation ? known : undefined;
  }
}

function encode({ incarnation, boot, lsn }: KnownDisk): Uint8Array {
  return new ByteWriter().whole(incarnation).whole(boot).whole(lsn).finish();
}

function decode(bytes: Uint8Array): KnownDisk {
  const input = new ByteReader(bytes);
  const incarnation = input.whole() as Incarnation;
  const boot = input.whole() as BootId;
  return { incarnation, boot, lsn: input.whole() };
}

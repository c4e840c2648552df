/**
 * Records that this node had durably and that do not verify, or cannot be read, any more. They are fetched from another
 * replica and written again in their place; until then whoever wants them has to go elsewhere.
 *
 * Any replica that has a record may give it, in whatever state the segment is and whoever may write to it: one owner assigned
 * all records of a segment, so copies never disagree. Hence a request names no epoch. Nobody's end, promise or high watermark moves by
 * it: to the specification, which knows no bytes, nothing has happened.
 */
import { WalrusError } from '../errors.ts';
import type { NodeId } from '../ids.ts';
import type { ReplicaRecord } from '../metadata/cluster-state.ts';
import { Queue } from '../queue.ts';
import { DamagedRecords } from '../storage/damaged-records.ts';
import type { Lsn } from '../storage/ids.ts';
import type { ReadDone, ReadLimit } from '../storage/reader.ts';
import type { Mend, MendRequest } from './messages.ts';
import { MESSAGE_LIMIT, RETRY_MS, type SegmentPorts } from './ports.ts';
import type { Replica } from './replica.ts';

/** Ranges that are asked for at a time. */
const ASKED_MAX = 16;

interface Damage {
  readonly replica: Replica;
  /** The records `[from, to)`; `from` rises as they are written again. */
  from: number;
  readonly to: number;
  readonly error: WalrusError;
  /** Other replicas that were asked last and have them no more than this one. */
  readonly lackedBy: Set<NodeId>;
  askAtMs: number;
}

/** Written again, and not yet durable. */
interface Rewritten {
  readonly replica: Replica;
  readonly from: number;
  readonly to: number;
  readonly source: NodeId;
}

/** Records: since the start, and `standing`, which are damaged now as far as this node knows. */
export interface DamageCounts {
  readonly found: number;
  readonly mended: number;
  readonly standing: number;
}

export class Mending {
  private found = 0;
  private mended = 0;
  private readonly ports: SegmentPorts;
  private readonly damages = new Set<Damage>();
  /** Since the last commit. */
  private readonly staged: Rewritten[] = [];
  /** Committed to the store, oldest first. */
  private readonly unsynced = new Queue<{ readonly lsn: Lsn; readonly rewritten: Rewritten }>();
  private lastPeer = 0;
  private wakeAtMs = Infinity;

  constructor(ports: SegmentPorts) {
    this.ports = ports;
  }

  get counts(): DamageCounts {
    let standing = 0;
    for (const { from, to } of this.damages) standing += to - from;
    const { found, mended } = this;
    return { found, mended, standing };
  }

  /** Where the damage ends that the record lies in; undefined if it is not known to be damaged. */
  damageEnd(replica: Replica, index: number): number | undefined {
    return this.damageAt(replica, index)?.to;
  }

  /**
   * As `Store.read`, but what is damaged is noted, to be mended, and told as `Unavailable` while another replica may still have it.
   * Of a copy that was forgotten meanwhile it gives nothing.
   */
  read(replica: Replica, from: number, limit: ReadLimit, done: ReadDone): void {
    const known = this.damageAt(replica, from);
    if (known !== undefined) {
      done(this.told(known), []);
      return;
    }
    if (replica.isForgotten) {
      done(undefined, []);
      return;
    }
    this.ports.store.read(replica.stream, from, limit, (error, records) => {
      if (replica.isForgotten) {
        done(undefined, []);
      } else if (error === undefined) {
        done(undefined, records);
      } else if (error.code === 'StorageFailed' && limit.records > 1) {
        // What is wrong may be behind the first record.
        this.read(replica, from, { ...limit, records: 1 }, done);
      } else {
        const damage = this.note(replica, from, error);
        done(damage === undefined ? error : this.told(damage), []);
      }
    });
  }

  /** Gives another replica what it lacks, or says that it is not here. */
  handleMendRequest(
    sender: ReplicaRecord,
    request: MendRequest,
    replica: Replica | undefined,
  ): void {
    const { topic, segment, from, to } = request;
    const send = (records: readonly Uint8Array[]): void =>
      this.ports.send(sender, { kind: 'Mend', topic, segment, from, records });
    if (replica === undefined || from >= replica.end) {
      send([]);
      return;
    }
    const records = Math.min(MESSAGE_LIMIT.records, to - from, replica.end - from);
    const limit = { records, bytes: MESSAGE_LIMIT.bytes };
    this.read(replica, from, limit, (_, found) => send(found));
  }

  /** Writes what another replica gave in the place of what is damaged. */
  handleMend({ node }: ReplicaRecord, { from, records }: Mend, replica: Replica | undefined): void {
    const damage = this.find((each) => each.replica === replica && each.from === from);
    if (damage === undefined) return;
    if (records.length === 0) {
      damage.lackedBy.add(node);
      return;
    }
    const { store } = this.ports;
    const wanted = records.slice(0, Math.min(damage.to, damage.replica.end) - from);
    const bytes = wanted.reduce((sum, { length }) => sum + length, 0);
    // A disk that has no room for them is asked again, with them.
    if (wanted.length > 0 && store.room(bytes) !== 'yes') return;
    store.repair(damage.replica.stream, from, wanted);
    const to = from + wanted.length;
    this.staged.push({ replica: damage.replica, from, to, source: node });
    damage.from = to;
    damage.lackedBy.clear();
    damage.askAtMs = this.ports.nowMs();
    this.wakeAtMs = damage.askAtMs;
  }

  /** These copies are no more. */
  forget(replicas: ReadonlySet<Replica>): void {
    for (const damage of this.damages)
      if (replicas.has(damage.replica)) this.damages.delete(damage);
  }

  /** Everything staged so far becomes durable when the store's durable end reaches `lsn`. */
  committed(lsn: Lsn): void {
    for (const rewritten of this.staged) this.unsynced.push({ lsn, rewritten });
    this.staged.length = 0;
  }

  /** The store is durable up to `lsn`: what was written again by then is mended. */
  syncCompleted(lsn: Lsn): void {
    while (this.unsynced.length > 0 && this.unsynced.first!.lsn <= lsn) {
      const { replica, from, to, source } = this.unsynced.shift()!.rewritten;
      this.mended += to - from;
      const { topic, segment } = replica;
      this.ports.notice({ kind: 'DamageMended', topic, segment, from, to, source });
    }
  }

  tick(nowMs: number): void {
    if (nowMs < this.wakeAtMs) return;
    let asked = 0;
    for (const damage of [...this.damages]) {
      if (damage.from >= Math.min(damage.to, damage.replica.end)) {
        this.damages.delete(damage);
      } else if (nowMs >= damage.askAtMs && asked++ < ASKED_MAX) {
        // Whoever cannot be helped now waits behind all others.
        this.damages.delete(damage);
        this.damages.add(damage);
        this.sendMendRequest(damage, nowMs);
      }
    }
    this.wakeAtMs = this.damages.size === 0 ? Infinity : nowMs + RETRY_MS;
  }

  deadlineMs(): number {
    return this.wakeAtMs;
  }

  private note(replica: Replica, index: number, error: WalrusError): Damage | undefined {
    let from = index;
    let to = index + 1;
    if (error instanceof DamagedRecords) ({ from, to } = error);
    else if (error.code !== 'StorageFailed') return undefined;
    const known = this.damageAt(replica, index);
    if (known !== undefined) return known;
    const askAtMs = this.ports.nowMs();
    const damage: Damage = { replica, from, to, error, lackedBy: new Set(), askAtMs };
    this.damages.add(damage);
    this.found += to - from;
    this.wakeAtMs = askAtMs;
    const { topic, segment } = replica;
    this.ports.notice({ kind: 'DamageFound', topic, segment, from, to, reason: error.message });
    return damage;
  }

  /** Damage is told as such only when nobody is left who may not be damaged. */
  private told({ replica, error, lackedBy }: Damage): WalrusError {
    if (this.others(replica).every(({ node }) => lackedBy.has(node))) return error;
    return new WalrusError('Unavailable', `to be mended: ${error.message}`);
  }

  private sendMendRequest(damage: Damage, nowMs: number): void {
    damage.askAtMs = nowMs + RETRY_MS;
    const { replica, from, to } = damage;
    const others = this.others(replica);
    if (others.length === 0) return;
    const { topic, segment } = replica;
    const peer = others[this.lastPeer++ % others.length]!;
    this.ports.send(peer, { kind: 'MendRequest', topic, segment, from, to });
  }

  private others({ topic, segment }: Replica): readonly ReplicaRecord[] {
    const replicas = this.ports.cluster().segment(topic, segment)?.replicas ?? [];
    return replicas.filter(({ node }) => node !== this.ports.self.node);
  }

  private damageAt(replica: Replica, index: number): Damage | undefined {
    if (this.damages.size === 0) return undefined;
    return this.find((each) => each.replica === replica && each.from <= index && index < each.to);
  }

  private find(suits: (damage: Damage) => boolean): Damage | undefined {
    for (const damage of this.damages) if (suits(damage)) return damage;
    return undefined;
  }
}

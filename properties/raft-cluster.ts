/**
 * A few bare Rafts in one hand, for telling stories: nothing happens unless the test says so. Messages wait until
 * they are delivered or dropped; each node has a clock of its own that only the test moves; a disk keeps what was
 * synced, and by default syncs at once. Every step is checked by `RaftChecker`.
 */

import { type Incarnation, type LogIndex, type NodeId, nodeId } from '../impl/core/ids.ts';
import {
  bootstrap,
  EMPTY,
  type Entry,
  type Restored,
  type Snapshot,
} from '../impl/core/raft/entry.ts';
import type { Member, Membership } from '../impl/core/raft/membership.ts';
import type { RaftMessage } from '../impl/core/raft/messages.ts';
import type { RaftOptions } from '../impl/core/raft/options.ts';
import { Raft } from '../impl/core/raft/raft.ts';
import type { Ready } from '../impl/core/raft/ready.ts';
import type { HostedRaftEvent, RaftEvent } from '../impl/core/raft/trace.ts';
import { utf8Decode, utf8Encode } from '../impl/core/utf8.ts';
import type { TraceSink } from '../impl/ports/trace-sink.ts';
import { RaftChecker } from './raft-invariants.ts';

export interface Packet {
  readonly from: number;
  readonly to: number;
  readonly message: RaftMessage;
}

type DiskJob = { readonly ready: Ready } | { readonly compactTo: Snapshot };

interface Host {
  readonly id: NodeId;
  /** Undefined while it is down. */
  raft: Raft | undefined;
  nowMs: number;
  /** What survives a crash. */
  disk: Restored;
  /** Handed to the disk, not yet durable. */
  unsynced: DiskJob[];
  slowDisk: boolean;
  /** The state machine: all commands applied. */
  applied: string[];
  appliedIndex: LogIndex;
  reads: Map<number, number>;
}

type Trace = TraceSink<HostedRaftEvent>;

export const ELECTION_MS = 100;
export const HEARTBEAT_MS = 10;

export function member(id: number, learner = false): Member {
  return { id: nodeId(id), incarnation: id as Incarnation, address: `node-${id}`, learner };
}

/** Every node has one disk, whose name is the node's number. */
function hosted(event: RaftEvent): HostedRaftEvent {
  const peer = 'from' in event ? event.from : 'to' in event ? event.to : 0;
  return { ...event, incarnation: event.node as number, peer } as HostedRaftEvent;
}

export class RaftCluster {
  readonly checker: RaftChecker = new RaftChecker();
  /** On their way, oldest first. */
  packets: Packet[] = [];
  private readonly hosts = new Map<number, Host>();
  private readonly options: Omit<RaftOptions, 'id' | 'incarnation'>;
  private readonly founders: Membership;
  private isCut: (from: number, to: number) => boolean = () => false;

  /** `options` override defaults under which every election timeout is the longest possible. */
  constructor(
    founders: readonly number[],
    {
      trace,
      ...options
    }: Partial<Omit<RaftOptions, 'trace' | 'incarnation'>> & { trace?: Trace } = {},
  ) {
    this.options = {
      random: { below: (bound) => bound - 1 },
      electionTimeoutMs: ELECTION_MS,
      heartbeatMs: HEARTBEAT_MS,
      maxEntryBytesPerMessage: 1024,
      maxInflightMessages: 4,
      snapshotChunkBytes: 8,
      ...options,
      trace: trace && { emit: (event) => trace.emit(hosted(event)) },
    };
    this.founders = founders.map((id) => member(id));
    for (const id of founders) this.addHost(id, bootstrap(this.founders, utf8Encode('')));
  }

  /** Starts a node that waits to be added. */
  join(id: number): void {
    this.addHost(id, EMPTY);
  }

  get ids(): number[] {
    return [...this.hosts.keys()];
  }

  raft(id: number): Raft {
    const { raft } = this.host(id);
    if (raft === undefined) throw new Error(`node ${id} is down`);
    return raft;
  }

  isUp(id: number): boolean {
    return this.host(id).raft !== undefined;
  }

  /** The commands that the node has applied. */
  applied(id: number): readonly string[] {
    return this.host(id).applied;
  }

  disk(id: number): Restored {
    return this.host(id).disk;
  }

  /** The index under which a read was confirmed. */
  readState(id: number, read: number): number | undefined {
    return this.host(id).reads.get(read);
  }

  nowMs(id: number): number {
    return this.host(id).nowMs;
  }

  /** Terms of the entries in the log, after the snapshot. */
  terms(id: number): number[] {
    const raft = this.raft(id);
    const terms: number[] = [];
    for (let at = raft.firstIndex; at <= raft.lastIndex; at++) terms.push(raft.entry(at)!.term);
    return terms;
  }

  // Time

  /** Lets time pass at one node. */
  advance(id: number, ms: number): void {
    const host = this.host(id);
    host.nowMs += ms;
    host.raft?.tick(host.nowMs);
    this.settle(host);
  }

  advanceAll(ms: number): void {
    for (const id of this.ids) this.advance(id, ms);
  }

  /** Makes `id` leader: the others have just lost patience with the old one, and `id` is the first to stand. */
  elect(id: number, others: readonly number[] = this.ids): void {
    for (const other of others) if (other !== id) this.advance(other, ELECTION_MS);
    this.advance(id, 2 * ELECTION_MS);
    this.deliver();
  }

  // Clients

  propose(id: number, command: string): boolean {
    const position = this.raft(id).propose(utf8Encode(command));
    this.settle(this.host(id));
    return position !== undefined;
  }

  /** Any other input of one node. */
  with<Result>(id: number, act: (raft: Raft) => Result): Result {
    const result = act(this.raft(id));
    this.settle(this.host(id));
    return result;
  }

  // The network

  /** Nodes of different groups cannot talk; a node in no group talks to nobody. What is on its way is lost. */
  partition(...groups: readonly (readonly number[])[]): void {
    const groupOf = (id: number): number => groups.findIndex((group) => group.includes(id));
    this.isCut = (from, to) => groupOf(from) === -1 || groupOf(from) !== groupOf(to);
    this.packets = this.packets.filter(({ from, to }) => !this.isCut(from, to));
  }

  heal(): void {
    this.isCut = () => false;
  }

  /** Delivers what is on its way, and what that brings forth, while `wanted`. */
  deliver(wanted: (packet: Packet) => boolean = () => true): void {
    for (let rounds = 0; rounds < 10_000; rounds++) {
      const at = this.packets.findIndex(wanted);
      if (at === -1) return;
      this.deliverAt(at);
    }
    throw new Error('the nodes never stop talking');
  }

  deliverAt(at: number): void {
    const [packet] = this.packets.splice(at, 1);
    this.hand(packet!);
  }

  /** The packet arrives, whether or not it was ever sent. */
  hand({ from, to, message }: Packet): void {
    const host = this.host(to);
    host.raft?.step(member(from), message, host.nowMs);
    this.settle(host);
  }

  drop(wanted: (packet: Packet) => boolean = () => true): Packet[] {
    const dropped = this.packets.filter(wanted);
    this.packets = this.packets.filter((packet) => !wanted(packet));
    return dropped;
  }

  // Disks and processes

  /** From now on nothing is durable until `sync`. */
  slowDisk(id: number): void {
    this.host(id).slowDisk = true;
  }

  /** Ends that. */
  fastDisk(id: number): void {
    const host = this.host(id);
    host.slowDisk = false;
    this.settle(host);
  }

  /** Makes durable what the disk was handed, oldest first; all of it unless told how much. */
  sync(id: number, jobs: number = Number.POSITIVE_INFINITY): void {
    const host = this.host(id);
    for (let done = 0; done < jobs && host.unsynced.length > 0; done++) this.syncOne(host);
    this.settle(host);
  }

  unsyncedJobs(id: number): number {
    return this.host(id).unsynced.length;
  }

  /** The process dies, and with it whatever was not durable. */
  crash(id: number): void {
    const host = this.host(id);
    host.raft = undefined;
    host.unsynced = [];
    host.slowDisk = false;
    this.checker.crashed(host.id);
  }

  restart(id: number): void {
    const host = this.host(id);
    const { snapshot } = host.disk;
    host.applied = snapshot === undefined ? [] : parse(snapshot.data);
    host.appliedIndex = snapshot === undefined ? (0 as LogIndex) : snapshot.index;
    host.reads = new Map();
    host.raft = new Raft(
      { ...this.options, id: host.id, incarnation: member(host.id).incarnation },
      host.disk,
      host.nowMs,
    );
    this.checker.restarted(host.id, host.raft);
    this.settle(host);
  }

  /** Makes a snapshot of what the node has applied, and compacts its log once that is durable. */
  compact(id: number): void {
    const host = this.host(id);
    const raft = this.raft(id);
    if (host.appliedIndex < raft.firstIndex) return;
    const compactTo = raft.snapshotAt(host.appliedIndex, print(host.applied));
    host.unsynced.push({ compactTo });
    this.settle(host);
  }

  private addHost(id: number, disk: Restored): void {
    const host: Host = {
      id: nodeId(id),
      raft: undefined,
      nowMs: 1_000 * id,
      disk,
      unsynced: [],
      slowDisk: false,
      applied: [],
      appliedIndex: 0 as LogIndex,
      reads: new Map(),
    };
    this.hosts.set(id, host);
    this.restart(id);
  }

  private host(id: number): Host {
    const host = this.hosts.get(id);
    if (host === undefined) throw new Error(`there is no node ${id}`);
    return host;
  }

  /** What a host does after every input. */
  private settle(host: Host): void {
    for (;;) {
      if (host.raft === undefined) return;
      this.checker.afterInput(host.id, host.raft);
      const ready = host.raft.ready();
      if (ready !== undefined) this.take(host, ready);
      else if (host.slowDisk || host.unsynced.length === 0) return;
      else this.syncOne(host);
    }
  }

  private take(host: Host, ready: Ready): void {
    host.unsynced.push({ ready });
    this.send(host.id, ready.messages);
    if (ready.snapshot !== undefined) {
      host.applied = parse(ready.snapshot.data);
      host.appliedIndex = ready.snapshot.index;
    }
    for (const entry of ready.committed) this.apply(host, entry);
    for (const { id, index } of ready.readStates) host.reads.set(id, index);
  }

  private apply(host: Host, entry: Entry): void {
    if (entry.index !== host.appliedIndex + 1) {
      throw new Error(`node ${host.id} is told to apply ${entry.index} after ${host.appliedIndex}`);
    }
    host.appliedIndex = entry.index;
    if (entry.kind === 'command') host.applied.push(utf8Decode(entry.data));
  }

  private syncOne(host: Host): void {
    const job = host.unsynced.shift()!;
    if ('compactTo' in job) {
      const { compactTo } = job;
      const { snapshot } = host.disk;
      if (snapshot !== undefined && snapshot.index >= compactTo.index) return;
      const entries = host.disk.entries.filter(({ index }) => index > compactTo.index);
      host.disk = { ...host.disk, snapshot: compactTo, entries };
      host.raft?.compact(compactTo);
      return;
    }
    const { ready } = job;
    host.disk = written(host.disk, ready);
    host.raft?.persisted(ready.number);
    this.send(host.id, ready.messagesAfterPersist);
  }

  private send(from: NodeId, messages: Ready['messages']): void {
    for (const { to, message } of messages) {
      this.checker.sent(from, to, message);
      if (!this.isCut(from, to) && this.hosts.has(to)) this.packets.push({ from, to, message });
    }
  }
}

/** The disk after the batch of one Ready. */
function written(disk: Restored, { hardState, snapshot, truncateFrom, entries }: Ready): Restored {
  let log = snapshot === undefined ? disk.entries : [];
  if (truncateFrom !== undefined) log = log.filter(({ index }) => index < truncateFrom);
  const end = log.at(-1)?.index ?? (snapshot ?? disk.snapshot)?.index ?? 0;
  if (entries.length > 0 && entries[0]!.index !== end + 1) throw new Error('a gap in the batch');
  return {
    term: hardState?.term ?? disk.term,
    vote: hardState === undefined ? disk.vote : hardState.vote,
    snapshot: snapshot ?? disk.snapshot,
    entries: [...log, ...entries],
  };
}

const print = (applied: readonly string[]): Uint8Array => utf8Encode(applied.join('\n'));

function parse(data: Uint8Array): string[] {
  return data.length === 0 ? [] : utf8Decode(data).split('\n');
}

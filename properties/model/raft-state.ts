/**
 * The variables of `spec/MetadataRaft.tla` that its actions ask for, in a form in which one step costs about a microsecond.
 *
 * Entries are made once, by a leader, and shared by all logs that hold them: two are the same if they are the same object. A
 * disk is its log; a batch on its way there says only what it changes. What a leader of a term sends is a piece of the log
 * that it has in that term, which only grows: a message says which piece.
 */
import type { Incarnation, NodeId } from '../../impl/core/ids.ts';
import { type Outgoing, RaftMessages } from './raft-messages.ts';

/** A disk with whoever it belongs to. A node whose disk was replaced is another one; both have the same id. */
export type MemberNumber = number;

export interface Members {
  readonly voters: ReadonlySet<MemberNumber>;
  readonly learners: ReadonlySet<MemberNumber>;
}

export interface Entry {
  readonly kind: 'noop' | 'command' | 'membership';
  readonly term: number;
  /** Of `membership`. */
  readonly members: Members | undefined;
}

export const NOBODY: Members = { voters: new Set(), learners: new Set() };

/** What will be on the disk: so much of what was there before, and these entries. */
export interface Batch {
  readonly number: number;
  readonly term: number;
  readonly vote: MemberNumber;
  readonly snapshot: number;
  readonly kept: number;
  readonly entries: readonly Entry[];
  readonly after: readonly Outgoing[];
  /** Up to here the log in memory is the same. */
  agrees: number;
}

export interface Read {
  readonly id: number;
  index: number;
  round: number;
}

/** From index 1 on, those in its snapshot too: `entries[i - 1]` is at index i. */
export class Log {
  entries: Entry[] = [];
  private memberships: number[] = [];

  get end(): number {
    return this.entries.length;
  }

  get lastTerm(): number {
    return this.entries.at(-1)?.term ?? 0;
  }

  /** 0 at index 0; undefined beyond the end. */
  termAt(index: number): number | undefined {
    return index === 0 ? 0 : this.entries[index - 1]?.term;
  }

  get membershipIndex(): number {
    return this.memberships.at(-1) ?? 0;
  }

  /** The membership in force as of that index. */
  membersAt(index: number): Members {
    const at = this.memberships.findLast((each) => each <= index);
    return at === undefined ? NOBODY : this.entries[at - 1]!.members!;
  }

  get members(): Members {
    return this.membersAt(this.end);
  }

  append(entry: Entry): void {
    this.entries.push(entry);
    if (entry.members !== undefined) this.memberships.push(this.end);
  }

  cut(end: number): void {
    this.entries.length = end;
    while (this.membershipIndex > end) this.memberships.pop();
  }

  copyOf(entries: readonly Entry[]): void {
    this.entries = [];
    this.memberships = [];
    for (const entry of entries) this.append(entry);
  }
}

export class RaftNode {
  readonly id: NodeId;
  readonly incarnation: Incarnation | 0;
  readonly number: MemberNumber;
  role: 'follower' | 'precandidate' | 'candidate' | 'leader' = 'follower';
  term = 0;
  vote: MemberNumber = 0;
  /** The id of whom it has voted for. */
  voteId: NodeId | 0 = 0;
  readonly log: Log = new Log();
  snapshot = 0;
  commit = 0;
  readonly votes: Set<MemberNumber> = new Set();
  /** Leader: up to where others are known to hold its log, durably. */
  readonly match: Map<MemberNumber, number> = new Map();
  transferee: MemberNumber = 0;
  reads: Read[] = [];
  round = 0;
  readonly answered: Map<MemberNumber, number> = new Map();
  outbox: Outgoing[] = [];
  readonly disk = { term: 0, vote: 0, snapshot: 0, entries: [] as Entry[], agrees: 0 };
  batches: Batch[] = [];
  /** Of what was handed to the disk last, the log in memory still has so much. */
  kept = 0;
  /** Its term has risen by a message, which it handles next. */
  risenBy: RaftNode | undefined;

  constructor(id: NodeId, incarnation: Incarnation | 0, number: MemberNumber) {
    this.id = id;
    this.incarnation = incarnation;
    this.number = number;
  }

  get members(): Members {
    return this.log.members;
  }

  hasQuorum(isIn: (voter: MemberNumber) => boolean): boolean {
    const { voters } = this.members;
    let count = 0;
    for (const voter of voters) if (isIn(voter)) count++;
    return 2 * count > voters.size;
  }

  /** Whose removal is not committed stands for election too: it may be the only one that can win. */
  mayStand(): boolean {
    if (this.members.voters.has(this.number)) return true;
    const { membershipIndex } = this.log;
    if (membershipIndex <= this.commit) return false;
    return this.log.membersAt(membershipIndex - 1).voters.has(this.number);
  }

  /** Up to here the log is on the disk, and no batch on its way there will change it. */
  durableIndex(): number {
    let least = this.disk.agrees;
    for (const { agrees } of this.batches) least = Math.min(least, agrees);
    return Math.max(least, this.disk.snapshot);
  }

  /** All that it has is on its disk, and stays there. */
  isDurable(): boolean {
    const { disk, log } = this;
    return (
      this.batches.length === 0 &&
      disk.term === this.term &&
      disk.vote === this.vote &&
      disk.snapshot === this.snapshot &&
      disk.entries.length === log.end &&
      disk.agrees === log.end
    );
  }

  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    const own = this.log.lastTerm;
    return lastTerm > own || (lastTerm === own && lastIndex >= this.log.end);
  }

  cut(end: number): void {
    this.log.cut(end);
    this.kept = Math.min(this.kept, end);
    this.disk.agrees = Math.min(this.disk.agrees, end);
    for (const batch of this.batches) batch.agrees = Math.min(batch.agrees, end);
  }

  votesFor(member: RaftNode | undefined): void {
    this.vote = member?.number ?? 0;
    this.voteId = member?.id ?? 0;
  }

  forgetLeading(): void {
    this.match.clear();
    this.transferee = 0;
    this.reads = [];
    this.round = 0;
    this.answered.clear();
  }

  persist(number: number): void {
    const { term, vote, snapshot, kept, log, outbox } = this;
    const entries = log.end === kept ? [] : log.entries.slice(kept);
    const agrees = log.end;
    this.batches.push({ number, term, vote, snapshot, kept, entries, after: outbox, agrees });
    this.outbox = [];
    this.kept = log.end;
  }

  /** The first batch is on the disk. None brings back what a snapshot has replaced. */
  write(): Batch {
    const { disk } = this;
    const batch = this.batches.shift()!;
    disk.term = batch.term;
    disk.vote = batch.vote;
    if (batch.snapshot < disk.snapshot && batch.agrees < disk.snapshot) {
      disk.entries.length = disk.snapshot;
      disk.agrees = disk.snapshot;
    } else {
      disk.entries.length = batch.kept;
      for (const entry of batch.entries) disk.entries.push(entry);
      disk.agrees = batch.agrees;
    }
    disk.snapshot = Math.max(disk.snapshot, batch.snapshot);
    return batch;
  }
}

export class RaftModel {
  readonly messages: RaftMessages = new RaftMessages();
  /** By number, from 1. */
  private readonly nodes: RaftNode[] = [];
  /** All that ever had the id, the latest first. */
  private readonly byId = new Map<NodeId, RaftNode[]>();
  private first: Entry | undefined;
  /** By term and leader, its log in that term. */
  private readonly led = new Map<number, Entry[]>();

  node(id: NodeId, incarnation: Incarnation | 0): RaftNode {
    const known = this.byId.get(id);
    if (known !== undefined) {
      for (const node of known) if (node.incarnation === incarnation) return node;
    }
    const node = new RaftNode(id, incarnation, this.nodes.length + 1);
    this.nodes.push(node);
    this.byId.set(id, [node, ...(known ?? [])]);
    return node;
  }

  numbered(number: MemberNumber): RaftNode {
    return this.nodes[number - 1]!;
  }

  /** The entry that the logs of all founders begin with. */
  founding(members: Members): Entry {
    this.first ??= { kind: 'membership', term: 1, members };
    return this.first;
  }

  becameLeader({ number, term, log }: RaftNode): void {
    this.led.set(ledBy(term, number), log.entries.slice());
  }

  proposed({ number, term }: RaftNode, entry: Entry): void {
    this.led.get(ledBy(term, number))!.push(entry);
  }

  /** The log that a node has, or had, as leader of that term. */
  logOf(number: MemberNumber, term: number): readonly Entry[] {
    return this.led.get(ledBy(term, number)) ?? [];
  }
}

const MEMBERS_MAX = 2 ** 20;

function ledBy(term: number, number: MemberNumber): number {
  return term * MEMBERS_MAX + number;
}

/**
 * Puts the Raft events of a trace into the words and small numbers of `MetadataRaft.tla`: members are numbered from 1,
 * founders first, and each disk is a member of its own; a message is named by its place among all that ever left their
 * senders. Adds nothing that the spec does not check again.
 */
import type {
  HostedRaftEvent,
  Role,
  TracedMember,
  TracedMembers,
  TracedMessage,
} from '../impl/core/raft/trace.ts';
import type { Line, Sizes, Tell, Value } from './trace-line.ts';

interface Batch {
  readonly number: number;
  readonly after: readonly string[];
}

type Received = HostedRaftEvent & { readonly from: number; readonly message: TracedMessage };

class Sender {
  outbox: string[] = [];
  batches: Batch[] = [];
}

export function tellRaft(events: readonly HostedRaftEvent[], tell: Tell): Sizes {
  return new Projection(numberDisks(events)).tell(events, tell);
}

interface Numbers {
  readonly of: ReadonlyMap<string, number>;
  readonly founders: number;
}

/** Founders are those whose first event says that they began with the founding snapshot. */
function numberDisks(events: readonly HostedRaftEvent[]): Numbers {
  const founders = new Map<string, number>();
  const others = new Map<string, number>();
  for (const event of events) {
    const disk = diskOf(event.node, event.incarnation);
    if (founders.has(disk) || others.has(disk)) continue;
    const founded = event.name === 'Recover' && event.state.snapshotIndex === 1;
    (founded ? founders : others).set(disk, event.node);
  }
  const inOrder = (disks: Map<string, number>): string[] =>
    [...disks].sort(([, a], [, b]) => a - b).map(([disk]) => disk);
  const all = [...inOrder(founders), ...inOrder(others)];
  return { of: new Map(all.map((disk, i) => [disk, i + 1])), founders: founders.size };
}

function diskOf(node: number, incarnation: number): string {
  return `${node} ${incarnation}`;
}

/** No member: what says so is refused. */
const NOBODY = -1;

class Projection {
  private readonly numbers: Numbers;
  private readonly senders = new Map<number, Sender>();
  /** Where in the sequence of messages one with this content stands. */
  private readonly places = new Map<string, number>();
  private count = 0;
  /** To which disk each gave its vote in a term. */
  private readonly voted = new Map<string, { readonly id: number; readonly disk: number }>();
  /** The last event of each member. */
  private readonly last = new Map<number, HostedRaftEvent>();

  constructor(numbers: Numbers) {
    this.numbers = numbers;
  }

  tell(events: readonly HostedRaftEvent[], tell: Tell): Sizes {
    for (const [i, event] of events.entries()) {
      const untold = event.name === 'Recover' ? this.untold(event) : undefined;
      if (untold !== undefined) tell(untold, -1);
      tell(
        this.line(event, () => next(events, i)),
        i,
      );
    }
    return { nodes: this.numbers.of.size, founders: this.numbers.founders };
  }

  /** A snapshot of what is decided may reach the disk just before a crash, and then nobody tells of Compact. */
  private untold(event: HostedRaftEvent): Line | undefined {
    const { node, incarnation, state } = event;
    const before = this.last.get(this.number(node, incarnation));
    if (before === undefined) return undefined;
    const { snapshotIndex } = state;
    const { snapshotIndex: told, commitIndex } = before.state;
    if (snapshotIndex <= told || snapshotIndex > commitIndex) return undefined;
    const compacted: HostedRaftEvent = {
      name: 'Compact',
      node,
      incarnation,
      state: { ...before.state, snapshotIndex, snapshotTerm: state.snapshotTerm },
    };
    return this.line(compacted, () => undefined);
  }

  private line(event: HostedRaftEvent, following: () => HostedRaftEvent | undefined): Line {
    const n = this.number(event.node, event.incarnation);
    this.last.set(n, event);
    const peer =
      'from' in event
        ? this.number(event.from, event.peer)
        : 'to' in event
          ? this.number(event.to, event.peer)
          : 0;
    this.votes(event, n, peer);
    const e = event.name;
    const s = this.state(event, n);
    const { durableIndex: durable } = event.state;
    switch (event.name) {
      case 'RequestPreVote':
      case 'AppendEntries':
      case 'InstallSnapshot':
      case 'TimeoutNow': {
        const x = messageOf(n, peer, event.message);
        this.leaves(keyOf(x));
        return { e, n, s, x };
      }
      case 'RequestVote': {
        const x = messageOf(n, peer, event.message);
        return { e, n, s, x, waits: this.promises(n, x, event.afterPersist) };
      }
      case 'HandlePreVoteRequest':
      case 'HandleRequestVoteRequest':
      case 'HandleAppendEntriesRequest':
      case 'HandleInstallSnapshotRequest': {
        const { m, x } = this.received(event, n);
        const y = messageOf(n, peer, event.reply);
        return { e, n, s, m, x, y, waits: this.promises(n, y, event.afterPersist) };
      }
      case 'HandleAppendEntriesResponse':
      case 'HandleInstallSnapshotResponse': {
        const { m, x } = this.received(event, n);
        return { e, n, s, m, x, match: event.matchIndex };
      }
      case 'HandleTimeoutNow': {
        // The code goes on to Timeout at once, and has no name for the moment in between.
        const between = this.state(event, n, 'precandidate');
        return { e, n, s: between, ...this.received(event, n) };
      }
      case 'HandlePreVoteResponse':
      case 'HandleRequestVoteResponse':
      case 'IgnoreMessage':
        return { e, n, s, ...this.received(event, n) };
      case 'UpdateTerm': {
        const handled = following();
        const place =
          handled !== undefined && 'from' in handled && 'message' in handled
            ? this.received(handled, n).m
            : 0;
        return { e, n, s, m: place };
      }
      case 'TransferLeadership':
        return { e, n, s, to: peer };
      case 'ProposeMembership':
        return { e, n, s, ...this.members(event.members) };
      case 'RequestReadIndex':
        return { e, n, s, id: event.id };
      case 'ConfirmReadIndex':
        return { e, n, s, id: event.id, index: event.index };
      case 'Persist': {
        const sender = this.sender(n);
        sender.batches.push({ number: event.number, after: sender.outbox });
        sender.outbox = [];
        return { e, n, s };
      }
      case 'PersistCompleted': {
        const { batches } = this.sender(n);
        let done = 0;
        while (done < batches.length && batches[done]!.number <= event.number) {
          for (const key of batches[done]!.after) this.leaves(key);
          done++;
        }
        batches.splice(0, done);
        return { e, n, s, batches: done, durable };
      }
      case 'Recover':
        this.senders.set(n, new Sender());
        return { e, n, s, ...this.members(event.members), durable };
      case 'Compact':
        return { e, n, s, durable };
      default:
        return { e, n, s };
    }
  }

  /** A vote is told as a number; which disk it went to is known from when it was given. */
  private votes(event: HostedRaftEvent, n: number, peer: number): void {
    const { term } = event.state;
    if (event.name === 'Timeout') this.voted.set(`${n} ${term}`, { id: event.node, disk: n });
    if (event.name !== 'HandleRequestVoteRequest') return;
    if ('granted' in event.reply && event.reply.granted) {
      this.voted.set(`${n} ${term}`, { id: event.from, disk: peer });
    }
  }

  private received(event: Received, n: number): { m: number; x: Line } {
    const from = this.number(event.from, event.peer);
    const x = messageOf(from, n, event.message);
    return { m: this.places.get(keyOf(x)) ?? 0, x };
  }

  private sender(n: number): Sender {
    let sender = this.senders.get(n);
    if (sender === undefined) {
      sender = new Sender();
      this.senders.set(n, sender);
    }
    return sender;
  }

  private promises(n: number, message: Line, waits: boolean): boolean {
    const key = keyOf(message);
    if (waits) this.sender(n).outbox.push(key);
    else this.leaves(key);
    return waits;
  }

  private leaves(key: string): void {
    this.count++;
    if (!this.places.has(key)) this.places.set(key, this.count);
  }

  private number(node: number, incarnation = 0): number {
    return this.numbers.of.get(diskOf(node, incarnation)) ?? 0;
  }

  private members({ voters, learners }: TracedMembers): { voters: Line; learners: Line } {
    const set = (members: readonly TracedMember[]): Line => ({
      set: members.map(({ id, incarnation }) => this.number(id, incarnation)),
    });
    return { voters: set(voters), learners: set(learners) };
  }

  private state({ state }: HostedRaftEvent, n: number, role: Role = state.role): Value {
    const { term, vote, snapshotIndex, lastIndex, lastTerm, commitIndex } = state;
    const voted = this.voted.get(`${n} ${term}`);
    const votedFor = voted?.id === vote ? voted.disk : NOBODY;
    return [
      term,
      vote === 0 ? 0 : votedFor,
      role === 'learner' ? 'follower' : role,
      snapshotIndex,
      lastIndex,
      lastTerm,
      commitIndex,
    ];
  }
}

/** Requests name no addressee: whoever gets one may answer it. */
function messageOf(from: number, to: number, message: TracedMessage): Line {
  const { term } = message;
  switch (message.kind) {
    case 'RequestVoteRequest': {
      const { lastIndex, lastTerm } = message;
      return {
        type: message.preVote ? 'PreVoteRequest' : 'VoteRequest',
        from,
        term,
        lastIndex,
        lastTerm,
      };
    }
    case 'RequestVoteResponse': {
      const { granted } = message;
      return {
        type: message.preVote ? 'PreVoteResponse' : 'VoteResponse',
        from,
        to,
        term,
        granted,
      };
    }
    case 'AppendEntriesRequest': {
      const { prevIndex, prevTerm, commitIndex: commit, round } = message;
      const entries = message.entries.map((entry) => entry.term);
      return { type: 'AppendRequest', from, term, prevIndex, prevTerm, entries, commit, round };
    }
    case 'AppendEntriesResponse': {
      const { success, matchIndex: match, round } = message;
      return { type: 'AppendResponse', from, to, term, success, match, round };
    }
    case 'InstallSnapshotRequest': {
      const {
        snapshotIndex: index,
        snapshotTerm: lastTerm,
        offsetBytes,
        sizeBytes,
        chunk,
        round,
      } = message;
      const last = offsetBytes + chunk === sizeBytes;
      return { type: 'SnapshotRequest', from, term, log: [index, lastTerm], last, round };
    }
    case 'InstallSnapshotResponse': {
      const { installed, snapshotIndex, round } = message;
      return {
        type: 'SnapshotResponse',
        from,
        to,
        term,
        match: installed ? snapshotIndex : 0,
        round,
      };
    }
    case 'TimeoutNow':
      return { type: 'TimeoutNow', from, to, term };
  }
}

/** Two messages with the same key are the same to the spec and to whoever gets them. */
function keyOf(message: Line): string {
  return JSON.stringify(message);
}

/** What the same node does next. */
function next(events: readonly HostedRaftEvent[], i: number): HostedRaftEvent | undefined {
  const { node } = events[i]!;
  for (let j = i + 1; j < events.length; j++) if (events[j]!.node === node) return events[j];
  return undefined;
}

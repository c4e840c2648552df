/**
 * Puts the Raft events of a trace into the words and small numbers of `MetadataRaft.tla`: nodes are numbered from 1,
 * founders first; a message is named by its place among all that ever left their senders. Adds nothing that the spec
 * does not check again.
 */
import type { RaftEvent, Role, TracedMessage, TracedState } from '../impl/core/raft/trace.ts';
import type { Line, Value } from './trace-line.ts';

export interface RaftTrace {
  readonly sizes: { readonly nodes: number; readonly founders: number };
  readonly lines: readonly Line[];
  /** Of each line, which of the events it tells of. */
  readonly origins: readonly number[];
}

interface Batch {
  readonly number: number;
  readonly after: readonly string[];
}

class Sender {
  outbox: string[] = [];
  batches: Batch[] = [];
}

/** @throws if there is no event of Raft in it. */
export function projectRaft(events: readonly RaftEvent[]): RaftTrace {
  const ids = numberNodes(events);
  return new Projection(ids).project(events);
}

interface Numbers {
  readonly of: ReadonlyMap<number, number>;
  readonly founders: number;
}

/** Founders are those whose first event says that they began with the founding snapshot. */
function numberNodes(events: readonly RaftEvent[]): Numbers {
  const founders = new Set<number>();
  const others = new Set<number>();
  for (const event of events) {
    if (founders.has(event.node) || others.has(event.node)) continue;
    const founded = event.name === 'Recover' && event.state.snapshotIndex === 1;
    (founded ? founders : others).add(event.node);
  }
  const inOrder = (set: Set<number>): number[] => [...set].sort((a, b) => a - b);
  const all = [...inOrder(founders), ...inOrder(others)];
  return { of: new Map(all.map((id, i) => [id, i + 1])), founders: founders.size };
}

class Projection {
  private readonly numbers: Numbers;
  private readonly senders = new Map<number, Sender>();
  /** Where in the sequence of messages one with this content stands. */
  private readonly places = new Map<string, number>();
  private count = 0;

  constructor(numbers: Numbers) {
    this.numbers = numbers;
  }

  project(events: readonly RaftEvent[]): RaftTrace {
    const lines = events.map((event, i) => this.line(event, () => next(events, i)));
    const sizes = { nodes: this.numbers.of.size, founders: this.numbers.founders };
    return { sizes, lines, origins: events.map((_, i) => i) };
  }

  private line(event: RaftEvent, following: () => RaftEvent | undefined): Line {
    const base = { e: event.name, n: this.number(event.node), s: this.state(event.state) };
    switch (event.name) {
      case 'RequestPreVote':
      case 'AppendEntries':
      case 'InstallSnapshot':
      case 'TimeoutNow': {
        this.leaves(this.key(event.node, event.to, event.message));
        return { ...base, x: this.message(event.node, event.to, event.message) };
      }
      case 'RequestVote': {
        this.sender(event.node).outbox.push(this.key(event.node, event.to, event.message));
        return { ...base, x: this.message(event.node, event.to, event.message) };
      }
      case 'HandlePreVoteRequest':
      case 'HandleRequestVoteRequest':
      case 'HandleAppendEntriesRequest':
      case 'HandleInstallSnapshotRequest': {
        const received = this.received(event);
        this.sender(event.node).outbox.push(this.key(event.node, event.from, event.reply));
        return { ...base, ...received, y: this.message(event.node, event.from, event.reply) };
      }
      case 'HandleAppendEntriesResponse':
      case 'HandleInstallSnapshotResponse':
        return { ...base, ...this.received(event), match: event.matchIndex };
      case 'HandleTimeoutNow': {
        // The code goes on to Timeout at once, and has no name for the moment in between.
        const s = this.state(event.state, 'precandidate');
        return { ...base, s, ...this.received(event) };
      }
      case 'HandlePreVoteResponse':
      case 'HandleRequestVoteResponse':
      case 'IgnoreMessage':
        return { ...base, ...this.received(event) };
      case 'UpdateTerm': {
        const handled = following();
        const place =
          handled !== undefined && 'from' in handled && 'message' in handled
            ? this.received(handled).m
            : 0;
        return { ...base, m: place };
      }
      case 'TransferLeadership':
        return { ...base, to: this.number(event.to) };
      case 'ProposeMembership':
        return { ...base, ...this.members(event.members) };
      case 'RequestReadIndex':
        return { ...base, id: event.id };
      case 'ConfirmReadIndex':
        return { ...base, id: event.id, index: event.index };
      case 'Persist': {
        const sender = this.sender(event.node);
        sender.batches.push({ number: event.number, after: sender.outbox });
        sender.outbox = [];
        return base;
      }
      case 'PersistCompleted': {
        const { batches } = this.sender(event.node);
        let done = 0;
        while (done < batches.length && batches[done]!.number <= event.number) {
          for (const key of batches[done]!.after) this.leaves(key);
          done++;
        }
        batches.splice(0, done);
        return { ...base, batches: done };
      }
      case 'Recover':
        this.senders.set(event.node, new Sender());
        return { ...base, ...this.members(event.members) };
      default:
        return base;
    }
  }

  private received(event: { node: number; from: number; message: TracedMessage }): {
    m: number;
    x: Line;
  } {
    const { node, from, message } = event;
    return {
      m: this.places.get(this.key(from, node, message)) ?? 0,
      x: this.message(from, node, message),
    };
  }

  private sender(node: number): Sender {
    let sender = this.senders.get(node);
    if (sender === undefined) {
      sender = new Sender();
      this.senders.set(node, sender);
    }
    return sender;
  }

  private leaves(key: string): void {
    this.count++;
    if (!this.places.has(key)) this.places.set(key, this.count);
  }

  /** Two messages with the same key are the same to the spec and to whoever gets them. */
  private key(from: number, to: number, message: TracedMessage): string {
    return `${from} ${to} ${JSON.stringify(message)}`;
  }

  private number(node: number): number {
    return this.numbers.of.get(node) ?? 0;
  }

  private members({
    voters,
    learners,
  }: {
    voters: readonly number[];
    learners: readonly number[];
  }): {
    voters: Line;
    learners: Line;
  } {
    const set = (ids: readonly number[]): Line => ({ set: ids.map((id) => this.number(id)) });
    return { voters: set(voters), learners: set(learners) };
  }

  private state(state: TracedState, role: Role = state.role): Value {
    const { term, vote, snapshotIndex, lastIndex, lastTerm, commitIndex, durableIndex } = state;
    return [
      term,
      this.number(vote),
      role === 'learner' ? 'follower' : role,
      snapshotIndex,
      lastIndex,
      lastTerm,
      commitIndex,
      durableIndex,
    ];
  }

  private message(fromId: number, toId: number, message: TracedMessage): Line {
    const from = this.number(fromId);
    const to = this.number(toId);
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
        const terms = message.entries.map((entry) => entry.term);
        return { type: 'AppendRequest', from, term, prevIndex, prevTerm, terms, commit, round };
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
        return { type: 'SnapshotRequest', from, term, index, lastTerm, last, round };
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
}

/** What the same node does next. */
function next(events: readonly RaftEvent[], i: number): RaftEvent | undefined {
  const { node } = events[i]!;
  for (let j = i + 1; j < events.length; j++) if (events[j]!.node === node) return events[j];
  return undefined;
}

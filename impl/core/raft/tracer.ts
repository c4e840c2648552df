/** Turns what Raft says of an action into its event in `trace.ts`: adds the acting node and its state, leaves out bytes. */
import type { TraceSink } from '../../ports/trace-sink.ts';
import type { NodeId } from '../ids.ts';
import type { Entry } from './entry.ts';
import { decodeMembership, type Membership } from './membership.ts';
import type { RaftMessage } from './messages.ts';
import type {
  RaftEvent,
  TracedEntry,
  TracedMember,
  TracedMembers,
  TracedMessage,
  TracedState,
} from './trace.ts';

/** An event as the place that it comes from tells it: with messages and memberships as they are. */
type Told<Event> = Event extends RaftEvent
  ? {
      readonly [Field in Exclude<keyof Event, 'node' | 'state'>]: Event[Field] extends TracedMessage
        ? RaftMessage
        : Event[Field] extends TracedMembers
          ? Membership
          : Event[Field];
    }
  : never;

type OfState = 'term' | 'vote' | 'role' | 'leader';

/** The node that acts, as far as its events tell of it. */
interface Acting extends Pick<TracedState, OfState> {
  readonly id: NodeId;
  readonly log: Omit<TracedState, OfState>;
}

/** A node that nobody traces has none, so that nothing is built in vain. */
export class RaftTracer {
  private readonly sink: TraceSink<RaftEvent>;
  private readonly state: Acting;

  constructor(sink: TraceSink<RaftEvent>, state: Acting) {
    this.sink = sink;
    this.state = state;
  }

  /** Called after the state has changed. */
  emit(told: Told<RaftEvent>): void {
    const { name } = told;
    const node = this.state.id;
    const event = Object.assign({ name, node, state: tracedState(this.state) }, told);
    if ('message' in told) Object.assign(event, { message: tracedMessage(told.message) });
    if ('reply' in told) Object.assign(event, { reply: tracedMessage(told.reply) });
    if ('members' in told) Object.assign(event, { members: tracedMembers(told.members) });
    this.sink.emit(event as RaftEvent);
  }
}

function tracedState({ term, vote, role, leader, log }: Acting): TracedState {
  const { snapshotIndex, snapshotTerm, lastIndex, lastTerm, commitIndex, durableIndex } = log;
  return {
    term,
    vote,
    role,
    leader,
    snapshotIndex,
    snapshotTerm,
    lastIndex,
    lastTerm,
    commitIndex,
    durableIndex,
  };
}

function tracedMessage(message: RaftMessage): TracedMessage {
  switch (message.kind) {
    case 'AppendEntriesRequest': {
      const { kind, term, prevIndex, prevTerm, commitIndex, round } = message;
      const entries = message.entries.map(tracedEntry);
      return { kind, term, prevIndex, prevTerm, entries, commitIndex, round };
    }
    case 'InstallSnapshotRequest': {
      const { membership, chunk } = message;
      return { ...message, membership: tracedMembers(membership), chunk: chunk.length };
    }
    default:
      return message;
  }
}

function tracedMembers(membership: Membership): TracedMembers {
  const those = (learner: boolean): TracedMember[] =>
    membership
      .filter((member) => member.learner === learner)
      .map(({ id, incarnation }) => ({ id, incarnation }));
  return { voters: those(false), learners: those(true) };
}

function tracedEntry({ index, term, kind, data }: Entry): TracedEntry {
  if (kind !== 'membership') return { index, term, kind };
  return { index, term, kind, members: tracedMembers(decodeMembership(data)) };
}

/**
 * What Raft promises about time (thesis 4.2.3, 6.2). No state shows it: it is judged by what each process heard and when, on its
 * own clock. A leader that nobody answers makes its clients wait, and so does one that is deposed although all hear it; neither
 * breaks an invariant, and both are over when a run is judged at its end.
 */
import type { NodeId } from '../impl/core/ids.ts';
import type { Membership } from '../impl/core/raft/membership.ts';
import type { RaftEvent } from '../impl/core/raft/trace.ts';
import { demand } from './violation.ts';

export interface LeadershipView {
  readonly role: 'follower' | 'precandidate' | 'candidate' | 'leader' | 'learner';
  readonly membership: Membership;
}

type Answered = Extract<
  RaftEvent,
  { readonly name: 'HandleAppendEntriesResponse' | 'HandleInstallSnapshotResponse' }
>;

/** In election timeouts: no check is so late, however busy its machine is. */
const PATIENCE = 5;
/** In heartbeats: more than there are terms in any log. */
const REJECTIONS_MAX = 50;
/** In election timeouts: a process whose inputs are further apart stood still between them. */
const STANDSTILL = 0.5;

/** What one life of one node has heard, on its clock. */
interface Heard {
  /** When it last took something from a leader, and of which term. */
  leaderMs: number;
  leaderTerm: number;
  /** While it leads: when it began to, and when each member last answered. */
  ledSinceMs: number;
  readonly answersMs: Map<NodeId, number>;
  /** Likewise, how often in a row each has said that its log is another one, and the heartbeat in which it was heard to. */
  readonly rejections: Map<NodeId, { readonly count: number; readonly round: number }>;
  /** The latest heartbeat. */
  round: number;
  /** By then a majority had answered; maybe later, too. */
  majorityMs: number;
  /** Since when it leads without a majority; Infinity while it has one. */
  aloneSinceMs: number;
  inputMs: number;
}

/** Nobody helps to depose a leader that it hears. */
export function LeaderIsKeptProp(node: NodeId, silentMs: number, electionTimeoutMs: number): void {
  demand(
    silentMs >= electionTimeoutMs,
    'LeaderIsKeptProp',
    () => `node ${node} would vote for another leader, ${silentMs} ms after it heard its own`,
  );
}

/** A leader that no majority answers does not stay one. */
export function LeaderIsHeardProp(node: NodeId, aloneMs: number, electionTimeoutMs: number): void {
  demand(
    aloneMs < PATIENCE * electionTimeoutMs,
    'LeaderIsHeardProp',
    () => `node ${node} has led for ${aloneMs} ms since a majority was silent for too long`,
  );
}

/** A leader finds where its log and a follower's agree, and does not ask for ever. */
export function LogsMeetProp(leader: NodeId, follower: NodeId, rejections: number): void {
  demand(
    rejections <= REJECTIONS_MAX,
    'LogsMeetProp',
    () => `node ${follower} has refused what node ${leader} sends ${rejections} times in a row`,
  );
}

export class LeadershipChecker {
  /** How often each property was evaluated. */
  readonly evaluations: Map<string, number> = new Map();
  private readonly electionTimeoutMs: number;
  private readonly nodes = new Map<NodeId, Heard>();

  constructor(electionTimeoutMs: number) {
    this.electionTimeoutMs = electionTimeoutMs;
  }

  /** Call with the events of a node; `nowMs` is what its clock shows. */
  traced(event: RaftEvent, nowMs: number): void {
    switch (event.name) {
      case 'Recover':
        this.nodes.delete(event.node);
        break;
      case 'HandleAppendEntriesRequest':
      case 'HandleInstallSnapshotRequest':
        if (event.message.term === event.state.term) {
          const heard = this.heardBy(event.node);
          heard.leaderMs = nowMs;
          heard.leaderTerm = event.state.term;
        }
        break;
      case 'HandlePreVoteRequest':
        if ('granted' in event.reply && event.reply.granted) this.preVoteGranted(event, nowMs);
        break;
      case 'BecomeLeader': {
        const heard = this.heardBy(event.node);
        heard.ledSinceMs = nowMs;
        heard.majorityMs = nowMs;
        heard.aloneSinceMs = Infinity;
        heard.answersMs.clear();
        heard.rejections.clear();
        break;
      }
      case 'AppendEntries':
        if ('round' in event.message) this.heardBy(event.node).round = event.message.round;
        break;
      case 'HandleAppendEntriesResponse':
      case 'HandleInstallSnapshotResponse':
        this.answered(event, nowMs);
        break;
    }
  }

  /** Call when a node has handled an input to its end. */
  afterInput(node: NodeId, { role, membership }: LeadershipView, nowMs: number): void {
    if (role !== 'leader') return;
    const heard = this.heardBy(node);
    const stoodStill = nowMs - heard.inputMs > STANDSTILL * this.electionTimeoutMs;
    heard.inputMs = nowMs;
    if (nowMs - heard.majorityMs < this.electionTimeoutMs) return;
    heard.majorityMs = majorityMs(node, membership, heard, nowMs);
    if (nowMs - heard.majorityMs < this.electionTimeoutMs) {
      heard.aloneSinceMs = Infinity;
      return;
    }
    if (stoodStill || heard.aloneSinceMs === Infinity) heard.aloneSinceMs = nowMs;
    this.count('LeaderIsHeardProp');
    LeaderIsHeardProp(node, nowMs - heard.aloneSinceMs, this.electionTimeoutMs);
  }

  private answered({ node, from, message, matchIndex }: Answered, nowMs: number): void {
    const { answersMs, rejections, round } = this.heardBy(node);
    answersMs.set(from, nowMs);
    // Who denies what it once confirmed has lost it: that is not for Raft to mend.
    if (!('success' in message) || message.success || message.hintIndex < matchIndex) {
      rejections.delete(from);
      return;
    }
    // A disk that hung lets go of many at once: what they refuse was sent before the leader heard of the first.
    const last = rejections.get(from) ?? { count: 0, round: -1 };
    if (message.round <= last.round) return;
    const count = last.count + 1;
    rejections.set(from, { count, round });
    this.count('LogsMeetProp');
    LogsMeetProp(node, from, count);
  }

  private preVoteGranted({ node, state: { role, term } }: RaftEvent, nowMs: number): void {
    const { leaderMs, leaderTerm } = this.heardBy(node);
    // Of a leader of an earlier term it has learnt that it is none any more.
    if (role !== 'leader' && leaderTerm !== term) return;
    this.count('LeaderIsKeptProp');
    LeaderIsKeptProp(node, role === 'leader' ? 0 : nowMs - leaderMs, this.electionTimeoutMs);
  }

  private heardBy(node: NodeId): Heard {
    let heard = this.nodes.get(node);
    if (heard === undefined) {
      heard = {
        leaderMs: -Infinity,
        leaderTerm: 0,
        ledSinceMs: -Infinity,
        majorityMs: -Infinity,
        answersMs: new Map(),
        rejections: new Map(),
        round: 0,
        aloneSinceMs: Infinity,
        inputMs: -Infinity,
      };
      this.nodes.set(node, heard);
    }
    return heard;
  }

  private count(property: string): void {
    this.evaluations.set(property, (this.evaluations.get(property) ?? 0) + 1);
  }
}

/** Since then a majority of the voters has answered; who has not answered yet was heard when the leader began. */
function majorityMs(
  self: NodeId,
  membership: Membership,
  { answersMs, ledSinceMs }: Heard,
  nowMs: number,
): number {
  const times: number[] = [];
  for (const { id, learner } of membership) {
    if (!learner) times.push(id === self ? nowMs : (answersMs.get(id) ?? ledSinceMs));
  }
  times.sort((a, b) => b - a);
  return times[times.length >> 1] ?? nowMs;
}

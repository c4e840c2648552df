/**
 * A run as a story for people: what went wrong, who led, who owned what and why that changed, who was refused, and what clients
 * saw meanwhile. By phase. What every run does all the time is left out; `trace-lines.ts` has it.
 */
import type { TopicId } from '../impl/core/ids.ts';
import type { Proposal } from '../impl/core/metadata/commands.ts';
import type { HostedRaftEvent } from '../impl/core/raft/trace.ts';
import type { DataEvent } from '../impl/core/trace.ts';
import type { Outcome } from './simulator.ts';
import type { Noted, SimEvent } from './trace.ts';
import { wrapped } from './wrapped.ts';

type Tone = 'fault' | 'election' | 'owner' | 'refusal' | 'plain';

/** In colours that a dark and a bright terminal show: red, magenta, cyan, yellow, none. */
const COLOURS: Readonly<Record<Tone, string>> = {
  fault: '\u001b[31m',
  election: '\u001b[35m',
  owner: '\u001b[36m',
  refusal: '\u001b[33m',
  plain: '',
};
const BOLD = '\u001b[1m';
const RESET = '\u001b[0m';
/** What clients saw is told before a line if so much time has passed since it was told last. */
const CLIENTS_EVERY_MS = 1000;
/** Of lines that differ only in the topic so many are told one by one. */
const ALIKE_MAX = 2;
/** Of lines without a time. */
const MARGIN = ' '.repeat(13);

interface Line {
  readonly atMs: number;
  /** 0 is the world. */
  readonly node: number;
  readonly tone: Tone;
  readonly text: string;
  /** The text without what may differ among lines that are told as one. */
  readonly kind: string;
}

export class Story {
  private readonly say: (line: string) => void;
  private readonly coloured: boolean;
  private leader = 0;
  private leaderLostMs = 0;
  private hasFaults = false;
  /** By index of the log: what each committed command is, until the first node has applied it. */
  private readonly committed = new Map<number, Proposal>();
  private appliedIndex = 0;
  /** Of topics that the run has made. */
  private readonly names = new Map<TopicId, string>();
  private readonly owners = new Map<string, number>();
  private readonly fencedMs = new Map<string, number>();
  private alike: Line[] = [];
  private clients = { acknowledged: 0, taken: 0, read: 0, sinceMs: 0 };

  /** `say` takes the story, line by line, none of them longer than 100 characters but for names. */
  constructor(say: (line: string) => void, coloured: boolean) {
    this.say = say;
    this.coloured = coloured;
    this.chapter(0, 'The cluster starts');
  }

  /** The next event of the run's trace. */
  event(event: Noted): void {
    const atMs = event.atUs / 1000;
    switch (event.name) {
      case 'Fault':
      case 'Phase':
      case 'Ended':
        return this.world(atMs, event);
      case 'AcknowledgeRecord':
        this.clients.acknowledged++;
        return;
      case 'DeliverRecord':
        this.clients.taken++;
        return;
      case 'ReadRecord':
        this.clients.read++;
        return;
      default:
        return this.node(atMs, event);
    }
  }

  /** The end of the run. */
  end(outcome: Outcome): void {
    this.flush();
    this.tellClients(outcome.virtualMs);
    this.chapter(outcome.virtualMs, 'What clients heard');
    for (const kind of ['register', 'put', 'get', 'fetch']) {
      const answers = Object.entries(outcome.calls)
        .filter(([key]) => key.startsWith(`${kind} `))
        .sort(([, a], [, b]) => b - a)
        .map(([key, count]) => `${count} ${key.slice(kind.length + 1)}`);
      if (answers.length > 0)
        this.print('plain', `${MARGIN}${kind.padEnd(10)}${answers.join(', ')}`);
    }
    const { failure } = outcome;
    if (failure === undefined) this.say(`${MARGIN}Every promise held.`);
    else this.print('fault', `${MARGIN}${failure.property}: ${failure.message}`);
  }

  private world(atMs: number, { name, node, detail }: SimEvent): void {
    if (name === 'Phase') {
      this.flush();
      this.tellClients(atMs);
      this.chapter(
        atMs,
        `Healed, ${detail.replace(/ healed$/, '')} of them: now they have to go on`,
      );
    } else if (name === 'Ended') {
      this.tell(atMs, node, 'fault', `ends by itself: ${detail}`);
    } else {
      if (!this.hasFaults) this.chapter(atMs, 'Faults');
      this.hasFaults = true;
      this.tell(atMs, 0, 'fault', faultInWords(detail));
    }
  }

  private node(atMs: number, event: DataEvent | HostedRaftEvent): void {
    const { node } = event;
    switch (event.name) {
      case 'Crash':
        if (node === this.leader) this.loseLeader(atMs);
        return this.tell(atMs, node, 'fault', 'its process is gone');
      case 'Restart':
        return this.tell(
          atMs,
          node,
          'plain',
          `starts, with copies of ${segments(event.ends.length)}`,
        );
      case 'ReplaceDisk':
        return this.tell(atMs, node, 'fault', 'its disk is another, empty one');
      case 'LoseTail':
        return this.tell(
          atMs,
          node,
          'fault',
          'its disk has lost the end of what was durable on it',
        );
      case 'BecomeLeader': {
        const waitedMs = atMs - this.leaderLostMs;
        const after = this.leader === 0 ? `, ${seconds(waitedMs)} without a leader` : '';
        this.leader = node;
        return this.tell(atMs, node, 'election', `leads in term ${event.state.term}${after}`);
      }
      case 'CheckQuorum':
        this.loseLeader(atMs);
        return this.tell(atMs, node, 'election', 'hears no majority, and leads no more');
      case 'UpdateTerm':
        if (node !== this.leader) return;
        this.loseLeader(atMs);
        return this.tell(
          atMs,
          node,
          'election',
          `leads no more: there is a term ${event.state.term}`,
        );
      case 'TransferLeadership':
        return this.tell(atMs, node, 'election', `hands leadership to node ${event.to}`);
      case 'Timeout':
        return this.tell(atMs, node, 'election', `stands for election in term ${event.state.term}`);
      case 'ExpireLease':
        return this.tell(atMs, node, 'refusal', 'its lease is over: it refuses writes');
      case 'ProposeMembership': {
        const { kind, id } = event.change;
        const what = { addLearner: 'is let in', promote: 'gets a vote', remove: 'is removed' }[
          kind
        ];
        return this.tell(atMs, node, 'plain', `as the leader: node ${id} ${what}`);
      }
      case 'RestoreMetadata':
        return this.tell(
          atMs,
          node,
          'plain',
          `takes a snapshot of the metadata, up to entry ${event.index}`,
        );
      case 'CommitCommand':
        if (event.proposal !== null && event.index > this.appliedIndex) {
          this.committed.set(event.index, event.proposal);
        }
        return;
      case 'ApplyCommand':
        return this.applied(atMs, event.index, event.applied);
      default:
    }
  }

  private nameOf(topic: TopicId): string {
    return this.names.get(topic) ?? `topic ${topic}`;
  }

  /** Told once, when the first node applies it. */
  private applied(atMs: number, index: number, applied: boolean): void {
    const proposal = this.committed.get(index);
    if (proposal === undefined) return;
    this.committed.delete(index);
    this.appliedIndex = index;
    const { command, origin } = proposal;
    switch (command.kind) {
      case 'CreateTopic': {
        if (!applied) return;
        const { name: topic, owner, replicas } = command;
        this.names.set(index as number as TopicId, topic);
        this.owners.set(topic, owner);
        const copies = `copies on ${nodes(replicas)}`;
        return this.tell(atMs, owner, 'owner', `owns the new ${topic}, ${copies}`, topic);
      }
      case 'FenceSegment': {
        const topic = this.nameOf(command.topic);
        const { segment, recoverer } = command;
        if (!applied) return this.stale(atMs, origin.node, `to take ${topic} segment ${segment}`);
        this.fencedMs.set(topic, atMs);
        const from = this.owners.get(topic);
        const text = `is to end ${topic} segment ${segment}, which node ${from} owned`;
        return this.tell(atMs, recoverer, 'owner', text, topic);
      }
      case 'SealSegment': {
        const topic = this.nameOf(command.topic);
        const { segment, count, nextOwner } = command;
        if (!applied) return this.stale(atMs, origin.node, `to seal ${topic} segment ${segment}`);
        const fencedMs = this.fencedMs.get(topic);
        const how =
          fencedMs === undefined
            ? ''
            : `; recovered by node ${origin.node} in ${seconds(atMs - fencedMs)}`;
        this.fencedMs.delete(topic);
        this.owners.set(topic, nextOwner);
        const sealed = count === 0 ? `is empty and goes` : `sealed at ${count}`;
        const text = `owns ${topic} segment ${segment + 1}; segment ${segment} ${sealed}${how}`;
        return this.tell(atMs, nextOwner, 'owner', text, topic);
      }
      case 'RestoreReplica': {
        if (!applied) return;
        const topic = this.nameOf(command.topic);
        const { segment, node } = command;
        const text = `has its copy of ${topic} segment ${segment} again`;
        return this.tell(atMs, node, 'plain', text, `${topic} segment ${segment}`);
      }
      default:
    }
  }

  private stale(atMs: number, node: number, what: string): void {
    this.tell(atMs, node, 'refusal', `was refused: it came too late ${what}`);
  }

  private loseLeader(atMs: number): void {
    if (this.leader !== 0) this.leaderLostMs = atMs;
    this.leader = 0;
  }

  private tell(atMs: number, node: number, tone: Tone, text: string, differing = ''): void {
    const kind = differing === '' ? text : text.replace(differing, '').replaceAll(/\d+/g, '');
    const line: Line = { atMs, node, tone, text, kind };
    const last = this.alike.at(-1);
    if (last !== undefined && (last.kind !== kind || last.node !== node)) this.flush();
    if (atMs - this.clients.sinceMs >= CLIENTS_EVERY_MS) this.tellClients(atMs);
    this.alike.push(line);
    if (this.alike.length <= ALIKE_MAX) this.write(line);
  }

  /** The lines that were held back because they are all the same. */
  private flush(): void {
    const { alike } = this;
    this.alike = [];
    const more = alike.slice(ALIKE_MAX);
    if (more.length === 1) this.write(more[0]!);
    else if (more.length > 1)
      this.write({ ...more.at(-1)!, text: `… and ${more.length} more like that` });
  }

  private tellClients(atMs: number): void {
    const { acknowledged, taken, read, sinceMs } = this.clients;
    this.clients = { acknowledged: 0, taken: 0, read: 0, sinceMs: atMs };
    const parts = [
      acknowledged > 0 ? `${acknowledged} put` : '',
      taken > 0 ? `${taken} taken` : '',
      read > 0 ? `${read} read` : '',
    ].filter((part) => part !== '');
    if (parts.length === 0) return;
    this.flush();
    this.say(`${MARGIN}clients: ${parts.join(', ')} in ${seconds(atMs - sinceMs)}`);
  }

  private write({ atMs, node, tone, text }: Line): void {
    const who = node === 0 ? 'fault ' : `node ${node}`;
    this.print(tone, `${(atMs / 1000).toFixed(3).padStart(9)} s  ${who}  ${text}`);
  }

  private print(tone: Tone, text: string): void {
    const isPainted = this.coloured && COLOURS[tone] !== '';
    for (const line of wrapped(text, `${MARGIN}        `)) {
      this.say(isPainted ? `${COLOURS[tone]}${line}${RESET}` : line);
    }
  }

  private chapter(atMs: number, title: string): void {
    const text = `── ${title} ${'─'.repeat(Math.max(0, 96 - title.length))}`;
    this.say('');
    this.say(this.coloured ? `${BOLD}${text}${RESET}` : text);
    this.clients.sinceMs = atMs;
  }
}

/** `PowerLoss [1,2] for 800 ms, 0.5`: "power loss: nodes 1, 2; 0.8 s". */
export function faultInWords(detail: string): string {
  const [, kind, target, forMs] = /^(\w+) (\S+) for (\d+) ms/.exec(detail) ?? [];
  if (kind === undefined) return detail;
  const words = kind
    .replaceAll(/(?<=.)[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .toLowerCase();
  const whom = target!.startsWith('[')
    ? nodes(JSON.parse(target!) as number[])
    : `the ${JSON.parse(target!)}`;
  return `${words}: ${whom}, ${seconds(Number(forMs))}`;
}

function nodes(ids: readonly number[]): string {
  return `${ids.length === 1 ? 'node' : 'nodes'} ${ids.join(', ')}`;
}

function segments(count: number): string {
  return count === 1 ? '1 segment' : `${count} segments`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

/** What a space-time diagram (`diagram.ts`) shows of a run: a row for each event that explains something, in the words of the specification. */
import type { TracedMessage } from '../impl/core/raft/trace.ts';
import { faultInWords } from './story.ts';
import type { Noted } from './trace.ts';

export type Tone = 'fault' | 'election' | 'owner' | 'plain';

export interface Row {
  readonly atUs: number;
  /** 0 is the world: the row goes over all nodes. */
  readonly node: number;
  readonly tone: Tone;
  readonly text: string;
  readonly isDetail: boolean;
  readonly sends?: Message;
  readonly takes?: Message;
  /** Of commands that are applied: the index of the first that the row stands for. */
  readonly applied?: number;
}

/** The same key at both ends; of equal messages the first that was sent is the first that arrives. */
export interface Message {
  readonly peer: number;
  readonly key: string;
}

/** Undefined for what goes on all the time and explains nothing. */
export function rowOf(event: Noted): Row | undefined {
  const { atUs, node, name } = event;
  const row = (tone: Tone, text: string, isDetail: boolean, messages: Partial<Row> = {}): Row => ({
    atUs,
    node,
    tone,
    text,
    isDetail,
    ...messages,
  });
  switch (name) {
    case 'Fault':
      return row('fault', faultInWords(event.detail), false);
    case 'Phase':
      return row('plain', `Healed: ${event.detail}`, false);
    case 'Ended':
      return row('fault', `ends by itself: ${event.detail}`, false);
    case 'Crash':
    case 'LoseTail':
    case 'ReplaceDisk':
      return row('fault', name, false);
    case 'Restart':
      return row('fault', `${name} boot ${event.boot}`, false);
    case 'BecomeLeader':
    case 'CheckQuorum':
    case 'Timeout':
    case 'UpdateTerm':
      return row('election', `${name} term ${event.state.term}`, name === 'UpdateTerm');
    case 'TransferLeadership':
      return row('election', `${name} to node ${event.to}`, false);
    case 'ProposeMembership':
      return row('election', `${name} ${event.change.kind} node ${event.change.id}`, false);
    case 'ExpireLease':
      return row('owner', name, false);
    case 'ApplyCommand':
      return row('plain', `${name} ${event.index}`, true, { applied: event.index });
    case 'ProposeCommand':
      return row('owner', `${name} ${event.proposal.command.kind}`, false);
    case 'RestoreMetadata':
      return row('owner', `${name} up to ${event.index}`, false);
    case 'AppendRecord':
    case 'AcknowledgeRecord':
      return row('owner', `${name} ${place(event)} [${event.index}]`, true);
    case 'StopAppending':
      return row('owner', `${name} ${place(event)} at ${event.end}`, false);
    case 'SendReplicate':
    case 'SendReplicateAck':
    case 'SendPromise':
    case 'SendPromiseRequest':
    case 'SendCopyRequest':
      return row('plain', `${name} ${contents(event)}`, true, {
        sends: { peer: event.to, key: keyOf(node, event.to, event) },
      });
    case 'SendCopy':
      return row('plain', `${name} ${contents(event)}`, true, {
        takes: {
          peer: event.to,
          key: keyOf(event.to, node, { ...event, name: 'SendCopyRequest' }),
        },
        sends: { peer: event.to, key: keyOf(node, event.to, event) },
      });
    case 'HandleReplicate':
    case 'HandleReplicateAck':
    case 'HandlePromise':
    case 'HandlePromiseRequest':
    case 'HandleCopy':
      return row('plain', `${name} ${contents(event)}`, true, {
        takes: { peer: event.sender, key: keyOf(event.sender, node, event) },
      });
    default:
      return 'message' in event ? raftRow(event, row) : undefined;
  }
}

type RaftMessageEvent = Extract<Noted, { readonly message: TracedMessage }>;
type RowMaker = (tone: Tone, text: string, isDetail: boolean, messages?: Partial<Row>) => Row;

function raftRow(event: RaftMessageEvent, row: RowMaker): Row | undefined {
  const { node, name, message } = event;
  const reply = 'reply' in event && isTold(event.reply) ? event.reply : undefined;
  if (name === 'IgnoreMessage' || (!isTold(message) && reply === undefined)) return undefined;
  const keyOf = (from: number, to: number, of: TracedMessage): string =>
    `${from}>${to} ${JSON.stringify(of)}`;
  if ('to' in event) {
    const sends = { peer: event.to, key: keyOf(node, event.to, message) };
    return row('plain', `${name} ${inWords(message)}`, true, { sends });
  }
  const takes = { peer: event.from, key: keyOf(event.from, node, message) };
  if (reply === undefined) return row('plain', `${name} ${inWords(message)}`, true, { takes });
  const sends = { peer: event.from, key: keyOf(node, event.from, reply) };
  return row('plain', `${name} ${inWords(reply)}`, true, { takes, sends });
}

/** Heartbeats and their answers are not. */
function isTold(message: TracedMessage): boolean {
  if (message.kind === 'AppendEntriesRequest') return message.entries.length > 0;
  return message.kind !== 'AppendEntriesResponse' || !message.success;
}

function inWords(message: TracedMessage): string {
  const term = `term ${message.term}`;
  switch (message.kind) {
    case 'AppendEntriesRequest':
      return `${term} (${message.entries[0]!.index} to ${message.entries.at(-1)!.index})`;
    case 'AppendEntriesResponse':
      return `${term} refused, try ${message.hintIndex}`;
    case 'RequestVoteResponse':
      return `${term} ${message.granted ? 'granted' : 'refused'}`;
    case 'InstallSnapshotRequest':
    case 'InstallSnapshotResponse':
      return `${term} up to ${message.snapshotIndex}`;
    default:
      return term;
  }
}

interface OfSegment {
  readonly name: string;
  readonly topic: number;
  readonly segment: number;
  readonly epoch: number;
  readonly from?: number;
  readonly count?: number;
  readonly durableEnd?: number;
}

function place({ topic, segment, epoch }: OfSegment): string {
  return `${topic}/${segment} epoch ${epoch}`;
}

function contents(event: OfSegment): string {
  const { from, count, durableEnd } = event;
  if (count !== undefined) return `${place(event)} [${from}, ${from! + count})`;
  return durableEnd === undefined ? place(event) : `${place(event)} end ${durableEnd}`;
}

/** A message of the data plane as both of its ends know it. A request to copy is known by who asks whom. */
function keyOf(from: number, to: number, event: OfSegment): string {
  const kind = event.name.replace(/^(Send|Handle)/, '');
  const what = kind === 'CopyRequest' ? place(event) : contents(event);
  return `${from}>${to} ${kind} ${what}`;
}

/**
 * Puts the traces of the nodes of one cluster into one order in which it all may have happened: events of one node stay in
 * their order, nothing is received before it was sent, the metadata log grows by one entry at a time, and no entry is
 * in it before it was proposed. No clock is asked. Where that leaves a choice the nodes take turns, so that
 * the same traces give the same order; whether it is a behaviour of the specification is TLC's to say.
 */
import type { Proposal } from '../impl/core/metadata/commands.ts';
import type { HostedRaftEvent, TracedMessage } from '../impl/core/raft/trace.ts';
import type { DataEvent, TraceEvent } from '../impl/core/trace.ts';

/** There is no such order; `message` says for what each node waits. */
export class UnmergeableError extends Error {}

/**
 * The events in the trace file of one node, of all its lives. A process that is killed may leave its last line
 * unfinished; that its disk was replaced shows in the next life. Throws `SyntaxError` for any other line that is no event.
 */
export function parseNodeTrace(text: string): TraceEvent[] {
  const lines = text.split('\n').filter((line) => line !== '');
  const events: TraceEvent[] = [];
  let incarnation: number | undefined;
  for (const [i, line] of lines.entries()) {
    const event = parsed(line);
    if (event !== undefined) {
      if (event.name === 'Recover') withoutHalfStep(events);
      if (event.name === 'Restart') {
        if (incarnation !== undefined && incarnation !== event.incarnation) diskReplaced(events);
        incarnation = event.incarnation;
      }
      events.push(event);
    } else if (i + 1 < lines.length && parsed(lines[i + 1]!)?.name !== 'Recover') {
      throw new SyntaxError(`line ${i + 1} is no event: ${line.slice(0, 80)}`);
    }
  }
  withoutHalfStep(events);
  return events;
}

function parsed(line: string): TraceEvent | undefined {
  try {
    return JSON.parse(line) as TraceEvent;
  } catch {
    return undefined;
  }
}

/** The message with the higher term is named by the next event; if that was cut off, nobody knows of this one. */
function withoutHalfStep(events: TraceEvent[]): void {
  if (events.at(-1)?.name === 'UpdateTerm') events.pop();
}

/** A process does not know that its disk is another one than its predecessor's: it began before this life did. */
function diskReplaced(events: TraceEvent[]): void {
  const began = events.findLastIndex(({ name }) => name === 'Recover');
  events.splice(began, 0, { name: 'ReplaceDisk', node: events[began]!.node });
}

/** Merges what the nodes of one cluster wrote, one trace a node. Throws `UnmergeableError`. */
export function mergeTraces(traces: readonly (readonly TraceEvent[])[]): TraceEvent[] {
  const so = new SoFar();
  const lanes = traces.map((events) => ({ events, next: 0 }));
  const merged: TraceEvent[] = [];
  for (;;) {
    const before = merged.length;
    for (const lane of lanes) {
      const event = lane.events[lane.next];
      if (event === undefined || so.misses(lane.events, lane.next) !== undefined) continue;
      so.happens(event);
      merged.push(event);
      lane.next++;
    }
    if (merged.length > before) continue;
    const stuck = lanes.filter(({ events, next }) => next < events.length);
    if (stuck.length === 0) return merged;
    const complaints = stuck.map(({ events, next }) => {
      const { name, node } = events[next]!;
      const what = so.misses(events, next)!;
      return `  node ${node}, event ${next + 1} (${name}) waits for ${what}`;
    });
    throw new UnmergeableError(
      `The traces do not fit together: after ${merged.length} events none can be next.\n${complaints.join('\n')}`,
    );
  }
}

/** What of all that concerns more than one node has happened. */
class SoFar {
  private readonly sent = new Set<string>();
  private readonly proposed = new Set<string>();
  /** Entries of the metadata log; the first is the founding of the cluster. */
  private committed = 1;
  private readonly outboxes = new Map<number, Outbox>();

  /** For what the event has to wait; undefined if for nothing. */
  misses(events: readonly TraceEvent[], at: number): string | undefined {
    const event = events[at]!;
    const message =
      received(event) ?? (event.name === 'UpdateTerm' ? receivedNext(events, at) : undefined);
    if (message !== undefined && !this.sent.has(message)) return `the message ${message}`;
    switch (event.name) {
      case 'CommitCommand': {
        const { index, proposal } = event;
        if (index > this.committed + 1) return `entry ${index - 1} of the metadata log`;
        const isNew = index > this.committed && proposal !== null;
        return isNew && !this.proposed.has(origin(proposal))
          ? `the proposal of ${JSON.stringify(proposal)}`
          : undefined;
      }
      case 'RestoreMetadata':
        return this.lacks(event.index);
      case 'Restart':
        return this.lacks(event.applied);
      default:
        return undefined;
    }
  }

  happens(event: TraceEvent): void {
    if ('state' in event) this.raftHappens(event);
    else this.dataHappens(event);
  }

  private lacks(index: number): string | undefined {
    return index > this.committed ? `entry ${index} of the metadata log` : undefined;
  }

  private dataHappens(event: DataEvent): void {
    const message = sent(event);
    if (message !== undefined) this.sent.add(message);
    else if (event.name === 'ProposeCommand') this.proposed.add(origin(event.proposal));
    else if (event.name === 'CommitCommand') this.committed = Math.max(this.committed, event.index);
  }

  /** What promises something leaves when the batch after it is durable. */
  private raftHappens(event: HostedRaftEvent): void {
    const { node } = event;
    const outbox = this.outboxes.get(node) ?? new Outbox();
    this.outboxes.set(node, outbox);
    if (event.name === 'Recover') this.outboxes.delete(node);
    else if (event.name === 'Persist') outbox.handOver(event.number);
    else if (event.name === 'PersistCompleted') {
      for (const message of outbox.durable(event.number)) this.sent.add(message);
    } else if ('afterPersist' in event) {
      const message =
        'reply' in event
          ? raftMessage(node, event.from, event.reply)
          : raftMessage(node, event.to, event.message);
      if (event.afterPersist) outbox.waiting.push(message);
      else this.sent.add(message);
    }
  }
}

class Outbox {
  waiting: string[] = [];
  private batches: { readonly number: number; readonly messages: readonly string[] }[] = [];

  handOver(number: number): void {
    this.batches.push({ number, messages: this.waiting });
    this.waiting = [];
  }

  durable(number: number): string[] {
    const done = this.batches.filter((batch) => batch.number <= number);
    this.batches = this.batches.filter((batch) => batch.number > number);
    return done.flatMap(({ messages }) => messages);
  }
}

function origin({ origin: { node, boot, sequence } }: Proposal): string {
  return `${node} ${boot} ${sequence}`;
}

function raftMessage(from: number, to: number, message: TracedMessage): string {
  return `${from} to ${to}: ${JSON.stringify(message)}`;
}

/** The message of the data plane that leaves with this event. */
function sent(event: DataEvent): string | undefined {
  switch (event.name) {
    case 'SendReplicate':
      return replicate(event.node, event.to, event);
    case 'SendReplicateAck':
      return dataMessage('ReplicateAck', event.node, event.to, event, event.durableEnd);
    case 'SendPromiseRequest':
      return dataMessage('PromiseRequest', event.node, event.to, event);
    case 'SendPromise':
      return dataMessage('Promise', event.node, event.to, event, event.durableEnd);
    case 'SendCopyRequest':
      return dataMessage('CopyRequest', event.node, event.to, event, event.from);
    case 'SendCopy':
      return dataMessage('Copy', event.node, event.to, event, event.from, event.count);
    default:
      return undefined;
  }
}

/** The message that this event takes. What a recoverer asks of itself is not sent. */
function received(event: TraceEvent): string | undefined {
  if ('message' in event && 'from' in event)
    return raftMessage(event.from, event.node, event.message);
  if ('sender' in event && event.sender === event.node) return undefined;
  switch (event.name) {
    case 'HandleReplicate':
      return replicate(event.sender, event.node, event);
    case 'HandleReplicateAck':
      return dataMessage('ReplicateAck', event.sender, event.node, event, event.durableEnd);
    case 'HandlePromiseRequest':
      return dataMessage('PromiseRequest', event.sender, event.node, event);
    case 'HandlePromise':
      return dataMessage('Promise', event.sender, event.node, event, event.durableEnd);
    case 'SendCopy':
      return dataMessage('CopyRequest', event.to, event.node, event, event.from);
    case 'HandleCopy':
      return dataMessage('Copy', event.sender, event.node, event, event.from, event.count);
    default:
      return undefined;
  }
}

/** The message that shows a higher term is the one that the node handles next. */
function receivedNext(events: readonly TraceEvent[], at: number): string | undefined {
  const next = events.slice(at + 1, at + 2)[0];
  return next === undefined ? undefined : received(next);
}

interface OfSegment {
  readonly topic: number;
  readonly segment: number;
  readonly epoch: number;
}

function replicate(
  from: number,
  to: number,
  event: OfSegment & {
    readonly from: number;
    readonly count: number;
    readonly highWatermark: number;
  },
): string {
  const { from: first, count, highWatermark } = event;
  return dataMessage('Replicate', from, to, event, first, count, highWatermark);
}

function dataMessage(
  kind: string,
  from: number,
  to: number,
  { topic, segment, epoch }: OfSegment,
  ...content: readonly number[]
): string {
  return `${from} to ${to}: ${kind} ${JSON.stringify({ topic, segment, epoch, content })}`;
}

/**
 * Damages a trace a little, as negative controls need it: an event taken out, two swapped, a value altered. Chosen at
 * random among the damages that mean something, which are those after which it is a trace of no behaviour:
 *
 * - Taken out is what a later event needs: an append, a command applied, a step of Raft, or the only sending of a
 *   message that is received later. Not a read, a lease renewed, an answer that a later one repeats: without
 *   those a trace is as good as before.
 * - Swapped are two neighbours of which the second comes of the first: steps of one node with the same thing, or a
 *   message that is received when it was sent just before, for the first time. Other neighbours happened at the same time for all that
 *   anybody could tell, and in the other order it is a behaviour too.
 * - Altered are values of which the specification knows what they are. Not those that it lets the node choose.
 */
import type { DataEvent, TraceEvent } from '../impl/core/trace.ts';

export interface Tampered {
  readonly events: readonly TraceEvent[];
  readonly what: string;
}

/** Events whose absence the rest of the trace must show. */
const NEEDED = new Set<TraceEvent['name']>([
  'BecomeLeader',
  'ClientRequest',
  'AdvanceCommitIndex',
  'Timeout',
  'Persist',
  'ApplyCommand',
  'AppendRecord',
]);

/** Fields, one for each kind of event, whose value the specification knows. */
const KNOWN: Partial<Record<TraceEvent['name'], string>> = {
  AppendRecord: 'index',
  AdvanceHighWatermark: 'highWatermark',
  SendReplicate: 'highWatermark',
  HandleReplicate: 'end',
  SendReplicateAck: 'durableEnd',
  ApplyCommand: 'index',
  DeliverRecord: 'offset',
  HandleAppendEntriesResponse: 'matchIndex',
};
const STATE_FIELDS = ['term', 'lastIndex', 'lastTerm', 'commitIndex', 'snapshotIndex'] as const;

/** `kind` 0, 1, 2: drop, swap, alter. Undefined if there is nothing to do it to. */
export function tamper(
  events: readonly TraceEvent[],
  kind: number,
  seed: number,
): Tampered | undefined {
  const all = events.map((_, i) => i);
  switch (kind % 3) {
    case 0: {
      const sendings = onlySendings(events);
      const at = pick(
        all.filter((i) => isNeeded(events, i) || sendings.has(i)),
        seed,
      );
      if (at === undefined) return undefined;
      return {
        events: events.filter((_, i) => i !== at),
        what: `event ${at + 1} (${events[at]!.name}) was taken out`,
      };
    }
    case 1: {
      const sendings = onlySendings(events);
      const isOneNodes = (i: number): boolean => events[i]!.node === events[i + 1]!.node;
      const at = pick(
        all.filter((i) => depends(events[i], events[i + 1]) && (isOneNodes(i) || sendings.has(i))),
        seed,
      );
      if (at === undefined) return undefined;
      const swapped = [...events];
      [swapped[at], swapped[at + 1]] = [swapped[at + 1]!, swapped[at]!];
      return {
        events: swapped,
        what: `events ${at + 1} and ${at + 2} (${events[at]!.name}, ${events[at + 1]!.name}) were swapped`,
      };
    }
    default: {
      const at = pick(
        all.filter((i) => alterable(events[i]!)),
        seed,
      );
      if (at === undefined) return undefined;
      const { event, field } = alter(events[at]!, seed);
      return {
        events: events.map((old, i) => (i === at ? event : old)),
        what: `${field} of event ${at + 1} (${event.name}) was altered`,
      };
    }
  }
}

function pick(from: readonly number[], seed: number): number | undefined {
  return from[(Math.imul(seed, 2654435761) >>> 0) % Math.max(1, from.length)];
}

/** Whether the same node has something to say later that shows the gap. */
function isNeeded(events: readonly TraceEvent[], at: number): boolean {
  const event = events[at]!;
  if (!NEEDED.has(event.name)) return false;
  for (let i = at + 1; i < events.length; i++) {
    const later = events[i]!;
    if (later.node !== event.node) continue;
    if (later.name === 'Crash' || later.name === 'Recover' || later.name === 'Restart')
      return false;
    if (event.name === 'Persist') {
      if (later.name !== 'PersistCompleted' || later.number < event.number) continue;
      // Two batches of which only the second is ever known to be durable might as well have been one.
      return later.number === event.number;
    }
    if (later.name === event.name || ('state' in later && 'state' in event)) return true;
  }
  return false;
}

/** What a message says, of its sending and of its reception; undefined of other events. */
function messageOf(event: DataEvent): { sent: boolean; key: string } | undefined {
  const key = (kind: string, from: number, to: number, ...content: number[]): string => {
    const { topic, segment, epoch } = event as Extract<
      DataEvent,
      { readonly topic: string; readonly epoch: number }
    >;
    return [kind, from, to, topic, segment, epoch, ...content].join(' ');
  };
  switch (event.name) {
    case 'SendReplicate':
    case 'HandleReplicate': {
      const { node, from, count, highWatermark } = event;
      const sent = event.name === 'SendReplicate';
      const [sender, to] = sent ? [node, event.to] : [event.sender, node];
      return { sent, key: key('Replicate', sender, to, from, count, highWatermark) };
    }
    case 'SendReplicateAck':
      return { sent: true, key: key('Ack', event.node, event.to, event.durableEnd) };
    case 'HandleReplicateAck':
      return { sent: false, key: key('Ack', event.sender, event.node, event.durableEnd) };
    case 'SendPromise':
      return { sent: true, key: key('Promise', event.node, event.to, event.durableEnd) };
    case 'HandlePromise':
      return { sent: false, key: key('Promise', event.sender, event.node, event.durableEnd) };
    default:
      return undefined;
  }
}

/** Events that send what is received later, when nothing else has sent the same. */
function onlySendings(events: readonly TraceEvent[]): ReadonlySet<number> {
  const found = new Set<number>();
  const sendings = new Map<string, number[]>();
  for (const [i, event] of events.entries()) {
    const message = 'state' in event ? undefined : messageOf(event);
    if (message === undefined) continue;
    const { sent, key } = message;
    const sendingsOf = sendings.get(key) ?? [];
    if (sent) sendings.set(key, [...sendingsOf, i]);
    else if (sendingsOf.length === 1) found.add(sendingsOf[0]!);
  }
  return found;
}

/** Whether the second can only come after the first. */
function depends(first: TraceEvent | undefined, second: TraceEvent | undefined): boolean {
  if (first === undefined || second === undefined) return false;
  if (first.node !== second.node) {
    if ('state' in first || 'state' in second) return false;
    const [sending, reception] = [messageOf(first), messageOf(second)];
    return sending?.sent === true && reception?.sent === false && sending.key === reception.key;
  }
  if ('state' in first && 'state' in second) {
    return STATE_FIELDS.some((field) => first.state[field] !== second.state[field]);
  }
  if (first.name === 'ApplyCommand' && second.name === 'ApplyCommand') return true;
  if (first.name === 'AdvanceHighWatermark') return second.name === 'AcknowledgeRecord';
  if (first.name !== 'AppendRecord') return false;
  if (second.name === 'AppendRecord') return first.index < second.index;
  const { topic, segment, index } = first;
  if (second.name !== 'SyncCompleted') return false;
  return second.durable.some(
    (change) => change.topic === topic && change.segment === segment && change.end > index,
  );
}

function alterable(event: TraceEvent): boolean {
  return 'state' in event ? event.name !== 'PersistCompleted' : KNOWN[event.name] !== undefined;
}

function alter(event: TraceEvent, seed: number): { event: TraceEvent; field: string } {
  if ('state' in event) {
    const field = STATE_FIELDS[seed % STATE_FIELDS.length]!;
    const state = { ...event.state, [field]: event.state[field] + 1 };
    return { event: { ...event, state } as TraceEvent, field };
  }
  const field = KNOWN[event.name]!;
  const value = (event as unknown as Record<string, number>)[field]!;
  return { event: { ...event, [field]: value + 1 } as unknown as TraceEvent, field };
}

/**
 * Damages a trace a little, as negative controls need it: an event taken out, two swapped, a value altered. Only such
 * events and values are chosen that the specification cannot do without; reads and renewed leases, for example, change
 * nothing, and a trace without them is as good as before.
 */
import type { TraceEvent } from '../impl/core/trace.ts';

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
      const at = pick(
        all.filter((i) => isNeeded(events, i)),
        seed,
      );
      if (at === undefined) return undefined;
      return {
        events: events.filter((_, i) => i !== at),
        what: `event ${at + 1} (${events[at]!.name}) was taken out`,
      };
    }
    case 1: {
      const at = pick(
        all.filter((i) => depends(events[i], events[i + 1])),
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
  const { name, node } = events[at]!;
  if (!NEEDED.has(name)) return false;
  for (let i = at + 1; i < events.length; i++) {
    const later = events[i]!;
    if (later.node !== node) continue;
    if (later.name === 'Crash' || later.name === 'Recover' || later.name === 'Restart')
      return false;
    if (name === 'Persist' ? later.name === 'PersistCompleted' : later.name === name) return true;
    if (name !== 'Persist' && 'state' in later && 'state' in events[at]!) return true;
  }
  return false;
}

/** Whether the second can only come after the first. */
function depends(first: TraceEvent | undefined, second: TraceEvent | undefined): boolean {
  if (first === undefined || second === undefined || first.node !== second.node) return false;
  if ('state' in first && 'state' in second) {
    return STATE_FIELDS.some((field) => first.state[field] !== second.state[field]);
  }
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

/** One trace in the words of one specification, as it is or tampered with. */
import type { HostedRaftEvent } from '../impl/core/raft/trace.ts';
import type { DataEvent, TraceEvent } from '../impl/core/trace.ts';
import { projectLog } from './log-trace.ts';
import { projectRaft } from './raft-trace.ts';
import { tamper } from './tampering.ts';
import type { Projected } from './trace-line.ts';
import type { Source, Trace } from './trace-source.ts';

export type SpecName = 'DistributedLog' | 'MetadataRaft';

/** Small: what it stands for is made from its source, as often as it is needed. */
export interface Case {
  readonly spec: SpecName;
  readonly source: Source;
  /** Which of the ways to tamper with it; undefined if it is as it was. */
  readonly control: number | undefined;
}

export interface Prepared extends Projected {
  /** What was done to it; undefined if nothing. */
  readonly tampered: string | undefined;
  /** Where in its file the line of the projection stands. */
  placeOf(line: number): string;
}

/** Undefined if the trace tells nothing of what the specification is about, or there is nothing to tamper with. */
export function prepare({ spec, source, control }: Case, trace: Trace): Prepared | undefined {
  const chosen = trace.events.filter(spec === 'MetadataRaft' ? isRaft : isOfLog);
  if (chosen.length === 0) return undefined;
  const changed =
    control === undefined
      ? { events: chosen, what: undefined }
      : tamper(chosen, control, hash(source.name) + control);
  if (changed === undefined) return undefined;
  const { events, what } = changed;
  const projected =
    spec === 'MetadataRaft'
      ? projectRaft(events as readonly HostedRaftEvent[])
      : projectLog(events as readonly DataEvent[]);
  const placeOf = (line: number): string => {
    const told = events[projected.origins[line - 1] ?? -1];
    const at = told === undefined ? undefined : trace.lineOf.get(told);
    return at === undefined ? '' : `, line ${at}`;
  };
  return { ...projected, tampered: what, placeOf };
}

function isRaft(event: TraceEvent): event is HostedRaftEvent {
  return 'state' in event;
}

function isOfLog(event: TraceEvent): event is DataEvent {
  return !isRaft(event);
}

function hash(text: string): number {
  let value = 7;
  for (let i = 0; i < text.length; i++) value = (Math.imul(value, 31) + text.charCodeAt(i)) | 0;
  return Math.abs(value);
}

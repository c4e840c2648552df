/** One trace in the words of one specification, as it is or tampered with. */
import { join } from 'node:path';
import type { HostedRaftEvent } from '../impl/core/raft/trace.ts';
import type { DataEvent, TraceEvent } from '../impl/core/trace.ts';
import { tellLog } from './log-trace.ts';
import { tellRaft } from './raft-trace.ts';
import { tamper } from './tampering.ts';
import { collect, type Projected, type Teller, type Written, write } from './trace-line.ts';
import { read, type Source, type Trace } from './trace-source.ts';

export type SpecName = 'DistributedLog' | 'MetadataRaft';

/** Small: what it stands for is made from its source, as often as it is needed. */
export interface Case {
  readonly spec: SpecName;
  readonly source: Source;
  /** Which of the ways to tamper with it; undefined if it is as it was. */
  readonly control: number | undefined;
}

/** What is asked of one source: its trace for each specification, and so many copies of that, tampered with. */
export interface Gathering {
  readonly source: Source;
  readonly specs: readonly SpecName[];
  readonly controls: readonly number[];
  /** Where the files of what is gathered are put. */
  readonly directory: string;
}

export interface Gathered {
  readonly of: Case;
  readonly written: Written;
}

/** Throws `MissingTool` if there is no such trace. */
export function gather({ source, specs, controls, directory }: Gathering): Gathered[] {
  const trace = read(source);
  const gathered: Gathered[] = [];
  for (const spec of specs) {
    for (const control of [undefined, ...controls]) {
      const of: Case = { spec, source, control };
      const told = tellerOf(of, trace);
      if (told === undefined) continue;
      const file = join(directory, `${spec} ${control ?? ''}`);
      gathered.push({ of, written: write(told.teller, file) });
    }
  }
  return gathered;
}

export interface Prepared extends Projected {
  /** What was done to it; undefined if nothing. */
  readonly tampered: string | undefined;
  /** Where in its file the line of the projection stands. */
  placeOf(line: number): string;
}

/** Undefined if the trace tells nothing of what the specification is about, or there is nothing to tamper with. */
export function prepare(of: Case, trace: Trace): Prepared | undefined {
  const told = tellerOf(of, trace);
  if (told === undefined) return undefined;
  const { events, tampered, teller } = told;
  const projected = collect(teller);
  const placeOf = (line: number): string => {
    const event = events[projected.origins[line - 1] ?? -1];
    const at = event && trace.lines[trace.events.indexOf(event)];
    return at === undefined ? '' : `, line ${at}`;
  };
  return { ...projected, tampered, placeOf };
}

interface Told {
  readonly events: readonly TraceEvent[];
  readonly tampered: string | undefined;
  readonly teller: Teller;
}

function tellerOf({ spec, source, control }: Case, trace: Trace): Told | undefined {
  const chosen = spec === 'MetadataRaft' ? raftEvents(trace.events) : trace.events.filter(isOfLog);
  if (chosen.length === 0) return undefined;
  const changed =
    control === undefined
      ? { events: chosen, what: undefined }
      : tamper(chosen, control, hash(source.name) + control);
  if (changed === undefined) return undefined;
  const { events, what: tampered } = changed;
  const teller: Teller =
    spec === 'MetadataRaft'
      ? (tell) => tellRaft(events as readonly HostedRaftEvent[], tell)
      : (tell) => tellLog(events as readonly DataEvent[], tell);
  return { events, tampered, teller };
}

/** To Raft a disk that lost a part of what it had said is silent: nobody takes what it says, until it begins as another. */
function raftEvents(events: readonly TraceEvent[]): HostedRaftEvent[] {
  const lapsed = new Set<number>();
  const told: HostedRaftEvent[] = [];
  for (const event of events) {
    if (isRaft(event)) {
      if (!lapsed.has(event.node)) told.push(event);
    } else if (event.name === 'LoseTail') lapsed.add(event.node);
    else if (event.name === 'ReplaceDisk') lapsed.delete(event.node);
  }
  return told;
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

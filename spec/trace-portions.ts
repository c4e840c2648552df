/**
 * Gathers traces until there are enough for one run of TLC: the start of one takes as long as some ten thousand events.
 * Those of like size go together, because the values of all states have a place for every node, topic and segment that any
 * trace of the run has. What is gathered is in a file already: memory holds one trace at a time, however many there are.
 */
import type { Case, Gathered, SpecName } from './trace-case.ts';
import type { Sizes } from './trace-line.ts';
import { TraceFiles } from './trace-tlc.ts';

/** Events that one run gets, if they are of several traces: more of them run faster, but all at the same time on one core. */
const EVENTS_MAX = 2_500_000;

/** To keep so many places takes TLC about as long as an event without them. */
const PLACES_PER_EVENT = 1500;

export interface Portion {
  readonly spec: SpecName;
  readonly files: TraceFiles;
  /** In the order of the files, with the number of events of each and the actions that are in it. */
  readonly cases: {
    readonly of: Case;
    readonly events: number;
    readonly actions: ReadonlySet<string>;
  }[];
}

export class Portions {
  private readonly open = new Map<string, Portion>();

  /** Gives the portion that is full now, and no longer kept here; undefined if none is. */
  add({ of, written }: Gathered): Portion | undefined {
    const key = `${of.spec} ${likeness(written.sizes)}`;
    let portion = this.open.get(key);
    if (portion === undefined) {
      portion = { spec: of.spec, files: new TraceFiles(), cases: [] };
      this.open.set(key, portion);
    }
    portion.files.take(written);
    portion.cases.push({ of, events: written.events, actions: written.actions });
    if (portion.files.events < EVENTS_MAX) return undefined;
    this.open.delete(key);
    return portion;
  }

  /** The one that will take longest, when nothing more is to come. */
  take(): Portion | undefined {
    const cost = ({ files }: Portion): number => files.events * (PLACES_PER_EVENT + files.places);
    const [first] = [...this.open].sort(([, a], [, b]) => cost(b) - cost(a));
    if (first !== undefined) this.open.delete(first[0]);
    return first?.[1];
  }
}

/** What is the same for traces that go together. Founders are those of all of them. */
function likeness({ nodes, founders, topics = 1, segments = 1 }: Sizes): string {
  // Within so many doublings: fewer runs, but places in all of them that few traces have.
  const fewTopics = Math.ceil(Math.log2(topics) / 3);
  const fewSegments = Math.ceil(Math.log2(segments) / 2);
  return `${nodes! > 4 ? 'many' : 'few'} ${founders} ${fewTopics} ${fewSegments}`;
}

/** Branded names of things, so that a term is never handed over where an epoch is meant. */

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** A cluster member, 1 or more, chosen by the operator; stays with the data directory. */
export type NodeId = Branded<number, 'NodeId'>;
/** Raft's term. */
export type Term = Branded<number, 'Term'>;
/** Place in the Raft log; the first entry has 1, 0 is "before all". */
export type LogIndex = Branded<number, 'LogIndex'>;
/** One grant of one segment to one life of one process: the Raft index of that grant. 0 is "none". */
export type Epoch = Branded<number, 'Epoch'>;
/** One life of a topic: the Raft index of the command that created it, so it is never given again. Names may be. */
export type TopicId = Branded<number, 'TopicId'>;
/** Number of a segment within its topic; the first is 1. */
export type SegmentId = Branded<number, 'SegmentId'>;
/** Place of a record in its topic, through all segments; the first record has 0. */
export type Offset = Branded<number, 'Offset'>;
/** One life of a process, drawn at its start; 53 random bits. */
export type BootId = Branded<number, 'BootId'>;
/** One life of a data directory, drawn when it is founded; 53 random bits. */
export type Incarnation = Branded<number, 'Incarnation'>;

export const nodeId = (value: number): NodeId => whole(value, 1) as NodeId;
export const term = (value: number): Term => whole(value, 0) as Term;
export const logIndex = (value: number): LogIndex => whole(value, 0) as LogIndex;
export const epoch = (value: number): Epoch => whole(value, 0) as Epoch;
export const topicId = (value: number): TopicId => whole(value, 1) as TopicId;
export const segmentId = (value: number): SegmentId => whole(value, 1) as SegmentId;
export const offset = (value: number): Offset => whole(value, 0) as Offset;

/** Draws 53 bits; used for `BootId` and `Incarnation`. Never 0. */
export function drawId(random: { below(bound: number): number }): number {
  return random.below(2 ** 26) * 2 ** 27 + random.below(2 ** 27) || 1;
}

function whole(value: number, least: number): number {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`expected a whole number of ${least} or more, got ${value}`);
  }
  return value;
}

/** What the controllers of two nodes say to each other. Values are immutable; the network may lose, repeat and reorder them. */
import type { BootId, Epoch, TopicId } from '../ids.ts';
import type { Question, Reply, Work } from './operations.ts';

/**
 * Hands an effect on to the owner of its topic. It is for one life of the owner's process, and has its place in one lane, which
 * is what one process hands to another of one topic under one grant: however often and in whatever order forwards arrive, each is
 * taken once, in the order of the lane.
 */
export interface Forward {
  readonly kind: 'Forward';
  readonly toBoot: BootId;
  /** The sender's number of the lane: a higher one of the same topic and kind of work has taken its place. */
  readonly lane: number;
  readonly topic: TopicId;
  /** The grant that made the receiver the right one. */
  readonly epoch: Epoch;
  /** Counts from 1 in the lane. */
  readonly order: number;
  /** The first place in the lane whose answer the sender lacks. */
  readonly unanswered: number;
  /** The sender's number of what its client asked: the same if that is handed on again, having had no effect. */
  readonly call: number;
  /** On the receiver's clock: from then on it is not done any more. Comes no later than the time at which the client hears so. */
  readonly deadlineMs: number;
  readonly work: Work;
}

/** The answer to one forward. Meant for the life of the asking process: a later one numbers its lanes anew. */
export interface ForwardReply {
  readonly kind: 'ForwardReply';
  readonly toBoot: BootId;
  readonly lane: number;
  /** The first place in the lane that was not taken yet. */
  readonly next: number;
  readonly order: number;
  readonly reply: Reply;
}

/** Answers a forward that came again, or too early: the receiver lives, and has what lies before `next`. */
export interface ForwardsTaken {
  readonly kind: 'ForwardsTaken';
  readonly toBoot: BootId;
  readonly lane: number;
  readonly next: number;
}

export interface Ask {
  readonly kind: 'Ask';
  readonly request: number;
  readonly question: Question;
}

/** Meant for the life of the asking process. */
export interface Answer {
  readonly kind: 'Answer';
  readonly toBoot: BootId;
  readonly request: number;
  readonly reply: Reply;
}

export type ControllerMessage = Forward | ForwardReply | ForwardsTaken | Ask | Answer;

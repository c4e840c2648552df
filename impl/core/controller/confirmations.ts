/**
 * Whether a node that takes itself for the owner of an open segment was it when it was asked: it may have slept, and its metadata may be
 * old. A majority of the copies has to say that it has promised nobody more. Another owner acknowledges nothing before a
 * majority has promised, so what was acknowledged before the question is all here. No clock is asked.
 *
 * The copies answer at most one round of questions at a time: who comes meanwhile shares the next one.
 */
import type { ReplicaRecord } from '../metadata/cluster-state.ts';
import type { Writer } from '../segment/writer.ts';
import type { Question, Reply } from './operations.ts';

export interface ConfirmationPorts {
  /** `answer` is called once, at the latest with an error when the other has not answered for a while. */
  ask(replica: ReplicaRecord, question: Question, answer: (reply: Reply) => void): void;
}

type Done = (confirmed: boolean) => void;

export class Confirmations {
  private readonly ports: ConfirmationPorts;
  /** Those for whom the round that is under way began too early. */
  private readonly waiting = new Map<Writer, Done[]>();

  constructor(ports: ConfirmationPorts) {
    this.ports = ports;
  }

  /** Calls `done` once: with false if a copy has promised more, or too few of them answer. */
  confirm(writer: Writer, done: Done): void {
    const waiting = this.waiting.get(writer);
    if (waiting === undefined) this.begin(writer, [done]);
    else waiting.push(done);
  }

  private begin(writer: Writer, asking: readonly Done[]): void {
    const { replica, epoch, followers } = writer;
    const { topic, segment } = replica;
    this.waiting.set(writer, []);
    // With this node's own copy they are a majority.
    let missing = (followers.length + 1) >> 1;
    let silent = followers.length;
    let isOver = false;
    const finish = (confirmed: boolean): void => {
      isOver = true;
      const next = this.waiting.get(writer)!;
      this.waiting.delete(writer);
      if (next.length > 0) this.begin(writer, next);
      for (const done of asking) done(confirmed);
    };
    if (missing === 0) {
      finish(true);
      return;
    }
    for (const { record } of followers) {
      this.ports.ask(record, { kind: 'promised', topic, segment, epoch }, (reply) => {
        silent--;
        if (reply.kind === 'empty') missing--;
        if (isOver) return;
        if (missing === 0) finish(true);
        else if (silent < missing) finish(false);
      });
    }
  }
}

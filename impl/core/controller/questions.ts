/** What this node asks of others and may ask again: a question that got no answer in time counts as refused. */
import { DelayQueue } from './delay-queue.ts';
import type { Ask } from './messages.ts';
import { errorReply, type Question, type Reply } from './operations.ts';

/** How long an answer may take before another node is asked. */
const PATIENCE_MS = 1000;

type Done = (reply: Reply) => void;

export class Questions {
  private readonly waiting = new Map<number, Done>();
  private readonly silent = new DelayQueue<number>(PATIENCE_MS);
  private nextRequest = 1;

  /** `done` is called once, with the answer or with `Unavailable`; `send` takes what is to be sent. */
  ask(question: Question, nowMs: number, send: (message: Ask) => void, done: Done): void {
    const request = this.nextRequest++;
    this.waiting.set(request, done);
    this.silent.push(request, nowMs);
    send({ kind: 'Ask', request, question });
  }

  handleAnswer(request: number, reply: Reply): void {
    const done = this.waiting.get(request);
    this.waiting.delete(request);
    this.silent.delete(request);
    done?.(reply);
  }

  tick(nowMs: number): void {
    for (const request of this.silent.take(nowMs)) {
      this.handleAnswer(request, errorReply('Unavailable', 'no answer'));
    }
  }

  deadlineMs(): number {
    return this.silent.deadlineMs();
  }
}

import { expect, test } from 'vitest';
import type { Ask } from './messages.ts';
import type { Question, Reply } from './operations.ts';
import { Questions } from './questions.ts';

const PATIENCE_MS = 1000;
const QUESTION: Question = { kind: 'lookup', topic: 't' };
const KNOWN: Reply = { kind: 'registered' };

/** Asks, and collects what is sent and heard. */
class Bench {
  readonly questions = new Questions();
  readonly sent: Ask[] = [];
  readonly heard: string[] = [];

  ask(name: string, nowMs: number): number {
    this.questions.ask(
      QUESTION,
      nowMs,
      (message) => this.sent.push(message),
      (reply) => this.heard.push(`${name} ${reply.kind === 'error' ? reply.code : reply.kind}`),
    );
    return this.sent.at(-1)!.request;
  }
}

test('an answer finds the question that it belongs to, whichever comes first', () => {
  const bench = new Bench();
  const a = bench.ask('a', 0);
  const b = bench.ask('b', 0);
  bench.questions.handleAnswer(b, KNOWN);
  bench.questions.handleAnswer(a, { kind: 'empty' });
  expect(bench.heard).toEqual(['b registered', 'a empty']);
});

test('an answer counts once; one to nobody counts for nothing', () => {
  const bench = new Bench();
  const a = bench.ask('a', 0);
  for (const request of [a, a, 99]) bench.questions.handleAnswer(request, KNOWN);
  bench.questions.tick(2 * PATIENCE_MS);
  expect(bench.heard).toEqual(['a registered']);
});

test('who gives no answer within a second counts as having refused, and is heard no more', () => {
  const bench = new Bench();
  const a = bench.ask('a', 0);
  bench.ask('b', 400);
  expect(bench.questions.deadlineMs()).toBe(PATIENCE_MS);
  bench.questions.tick(PATIENCE_MS - 1);
  expect(bench.heard).toEqual([]);
  bench.questions.tick(PATIENCE_MS);
  bench.questions.handleAnswer(a, KNOWN);
  expect(bench.heard).toEqual(['a Unavailable']);
  expect(bench.questions.deadlineMs()).toBe(PATIENCE_MS + 400);
});

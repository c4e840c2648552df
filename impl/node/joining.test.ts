/** How a node asks for its place: whom, how often, and until when. */
import { expect, test } from 'vitest';
import { type Incarnation, nodeId } from '../core/ids.ts';
import type { Place } from './addresses.ts';
import { Joining } from './joining.ts';
import type { JoinMessage } from './messages.ts';

type JoinReply = Extract<JoinMessage, { kind: 'JoinReply' }>;

class Bench {
  nowMs = 10_000;
  /** What its Raft knows: whether it is a member, and when it heard a leader. */
  isMember = false;
  leaderContactMs = -Infinity;
  readonly asked: string[] = [];
  readonly heard: string[] = [];
  readonly joining: Joining;

  constructor(join: readonly string[] = ['a', 'b'], seeds: readonly string[] = []) {
    const bench = this;
    this.joining = new Joining({
      config: { id: 1, join, replace: false, raftAddress: 'own' },
      passedOn: ({ id, address }: Place) => this.heard.push(`${id} at ${address}`),
      addressOf: ({ address }: Place) => address,
      cluster: { founder: 0 },
      raft: {
        get self() {
          return bench.isMember ? {} : undefined;
        },
        get leaderContactMs() {
          return bench.leaderContactMs;
        },
        membership: [
          { id: 1, address: 'own' },
          { id: 2, address: 'two' },
        ],
      },
      sender: { sendToAddress: (address: string) => this.asked.push(address) },
      seeds,
      nowMs: () => this.nowMs,
    } as never);
  }

  reply(outcome: JoinReply['outcome'], leaderAddress = '', detail = ''): void {
    const members = [{ id: nodeId(2), incarnation: 200 as Incarnation, address: 'two' }];
    this.joining.handleReply({ kind: 'JoinReply', outcome, leaderAddress, detail, members });
  }

  /** Lets time pass, and asks whenever it is due; gives how long that took from one question to the next. */
  pauses(questions: number): number[] {
    const times: number[] = [];
    while (times.length < questions) {
      if (this.joining.due()) {
        this.joining.ask();
        times.push(this.nowMs);
      }
      this.nowMs += 100;
    }
    return times.slice(1).map((time, i) => time - times[i]!);
  }
}

test('it asks each address in turn, and again', () => {
  const bench = new Bench(['a', 'b'], ['c']);
  expect(bench.pauses(5)).toEqual([500, 500, 500, 500]);
  expect(bench.asked).toEqual(['a', 'b', 'c', 'two', 'a']);
});

test('it asks the leader when one is named, once', () => {
  const bench = new Bench();
  bench.pauses(1);
  bench.reply('pending', 'leader');
  bench.pauses(2);
  expect(bench.asked).toEqual(['a', 'leader', 'b']);
  expect(bench.heard).toEqual(['2 at two']);
});

test('who was refused says why, and asks seldom', () => {
  const bench = new Bench();
  bench.pauses(1);
  bench.reply('refused', '', 'another disk has that number');
  expect(bench.joining.refusal).toBe('another disk has that number');
  expect(bench.pauses(2)).toEqual([5000]);
  bench.reply('pending');
  expect(bench.joining.refusal).toBe('another disk has that number');
  bench.reply('admitted');
  expect(bench.joining.refusal).toBeUndefined();
});

test('a member that hears a leader asks nobody, and nothing keeps it out', () => {
  const bench = new Bench();
  bench.reply('refused', '', 'no');
  bench.isMember = true;
  bench.leaderContactMs = bench.nowMs - 3000;
  expect(bench.joining.due()).toBe(false);
  expect(bench.joining.refusal).toBeUndefined();
  bench.nowMs++;
  expect(bench.joining.due()).toBe(true);
});

test('a founder knows nobody but the members that it had', () => {
  const bench = new Bench([]);
  bench.pauses(2);
  expect(bench.asked).toEqual(['two', 'two']);
});

import { expect, test } from 'vitest';
import { Amnesiac } from './amnesiac.ts';
import type { JoinMessage } from './messages.ts';

type JoinReply = Extract<JoinMessage, { kind: 'JoinReply' }>;

class Bench {
  nowMs = 1000;
  releases = 0;
  readonly asked: string[] = [];
  readonly amnesiac: Amnesiac;

  constructor(join: readonly string[], seeds: readonly string[]) {
    this.amnesiac = new Amnesiac({
      config: { join, raftAddress: 'own', replace: false },
      identity: { node: 1, incarnation: 101 },
      boot: 11,
      clock: { monotonicMs: () => this.nowMs },
      network: {
        sendToAddress: (address: string, { body }: { body: JoinMessage }) => {
          expect(body).toMatchObject({ kind: 'Join', amnesiac: true, replace: false });
          this.asked.push(address);
        },
      },
      amnesia: { boot: 7, lsn: 99, toldBy: 3 },
      seeds,
      released: () => this.releases++,
    } as never);
  }

  passes(ms: number): void {
    this.nowMs += ms;
    this.amnesiac.tick();
  }

  reply(outcome: JoinReply['outcome'], leaderAddress = '', detail = '', toIncarnation = 101): void {
    const body = { kind: 'JoinReply', outcome, leaderAddress, detail, members: [] };
    this.amnesiac.receive({ toIncarnation, body } as never);
  }
}

test('it asks once a second, everybody that it knows in turn but itself, and each once', () => {
  const bench = new Bench(['a', 'own'], ['b', 'a', 'own']);
  for (const ms of [0, 999, 1, 1000]) bench.passes(ms);
  expect(bench.asked).toEqual(['a', 'b', 'a']);
  expect(bench.amnesiac.deadlineMs()).toBe(bench.nowMs + 1000);
});

test('it asks the leader once it knows where that is', () => {
  const bench = new Bench(['a', 'b'], []);
  bench.passes(0);
  bench.reply('pending', 'leader');
  bench.passes(1000);
  bench.passes(1000);
  expect(bench.asked).toEqual(['a', 'leader', 'b']);
});

test('it says who was told of what it lacks, and why it has to wait', () => {
  const bench = new Bench(['a'], []);
  expect(bench.amnesiac.reason).toContain('told node 3');
  bench.reply('refused', '', 'segment 4 would be lost');
  expect(bench.amnesiac.reason).toContain('segment 4 would be lost');
});

test('what is said to another disk does not release this one', () => {
  const bench = new Bench(['a'], []);
  bench.reply('released', '', '', 100);
  bench.reply('admitted');
  expect(bench.releases).toBe(0);
  bench.reply('released');
  expect(bench.releases).toBe(1);
});

test('who knows nobody asks nobody', () => {
  const bench = new Bench([], ['own']);
  bench.passes(5000);
  expect(bench.asked).toEqual([]);
});

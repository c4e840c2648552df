import { expect, test } from 'vitest';
import { type Incarnation, nodeId } from '../core/ids.ts';
import type { Envelope } from './messages.ts';
import { Sender } from './sender.ts';

const PING = { kind: 'Ping', full: false, leaving: false, address: '' } as const;
const [TWO, THREE] = [nodeId(2), nodeId(3)];

class Bench {
  readonly sent: (Envelope | string)[] = [];
  readonly sentTo: number[] = [];
  readonly sender = new Sender({
    identity: { node: 1, incarnation: 101 },
    boot: 11,
    network: {
      send: (_: number, envelope: Envelope) => this.sent.push(envelope),
      sendToAddress: (address: string, envelope: Envelope) => this.sent.push(address, envelope),
    },
    peers: {
      sent: (to: number) => this.sentTo.push(to),
      incarnation: (node: number) => 900 + node,
    },
    nowMs: () => 1234.9,
    durableLsn: () => 77,
  } as never);
}

test('an envelope says who sends, in which life, how far its disk reached, and when', () => {
  const bench = new Bench();
  bench.sender.send(TWO, 102 as never, PING);
  expect(bench.sent).toEqual([
    {
      from: 1,
      fromIncarnation: 101,
      fromBoot: 11,
      fromLsn: 77,
      sentAtMs: 1234,
      to: 2,
      toIncarnation: 102,
      body: PING,
    },
  ]);
  expect(bench.sentTo).toEqual([2]);
});

test('where only an address is known the number is none', () => {
  const bench = new Bench();
  bench.sender.sendToAddress('host:1', 0, 0, PING);
  expect(bench.sent).toMatchObject(['host:1', { to: 0, toIncarnation: 0 }]);
});

test('a question of Raft goes to the disk that is a member, an answer to the one that asked', () => {
  const bench = new Bench();
  const membership = [{ id: TWO, incarnation: 102, address: '', learner: false }] as never;
  const answer = { kind: 'RequestVoteResponse' } as never;
  const question = { kind: 'TimeoutNow' } as never;
  const asker = 901 as Incarnation;
  bench.sender.sendRaft({ to: TWO, asker: undefined, message: question }, membership);
  bench.sender.sendRaft({ to: TWO, asker, message: answer }, membership);
  bench.sender.sendRaft({ to: THREE, asker: undefined, message: question }, membership);
  expect(bench.sent.map((each) => (each as Envelope).toIncarnation)).toEqual([102, 901, 0]);
});

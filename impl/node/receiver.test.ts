/** Which messages have an effect: only what the present disk of a number says, in the life that has recalled what it said. */
import { expect, test } from 'vitest';
import type { Envelope, Message } from './messages.ts';
import { Receiver } from './receiver.ts';

const REACH = { boot: 20, lsn: 99 };
const REQUEST = { kind: 'RequestVoteRequest' };
const ANSWER = { kind: 'RequestVoteResponse' };

/** Node 1, disk 101, in a cluster with node 2, disk 102. */
class Bench {
  /** What node 2's disk said, and has not recalled. */
  forgotten: typeof REACH | undefined;
  /** What another life of it is. */
  other: 'successor' | 'copy' | 'unknown' = 'successor';
  readonly said: string[] = [];
  readonly receiver: Receiver;

  constructor() {
    const says =
      (what: string) =>
      (...rest: unknown[]): void => {
        const shown = rest.filter((each) => !['object', 'function'].includes(typeof each));
        this.said.push([what, ...shown].join(' '));
      };
    this.receiver = new Receiver({
      identity: { node: 1, incarnation: 101 },
      network: { locate: says('locate') },
      peers: {
        heard: says('heard'),
        asked: says('asked'),
        reportedFull: says('full'),
        reportedLeaving: says('leaving'),
      },
      peerClocks: { heard: () => {} },
      sender: {
        send: (to: number, disk: number, { kind }: Message) =>
          this.said.push(`send ${kind} to ${to}/${disk}`),
        sendToAddress: (address: string, to: number, _: number, { kind }: Message) =>
          this.said.push(`send ${kind} to ${to} at ${address}`),
      },
      raft: {
        role: 'leader',
        membership: [
          { id: 1, incarnation: 101 },
          { id: 2, incarnation: 102 },
        ],
        step: says('raft'),
        propose: says('proposed'),
      },
      dataPlane: { handle: says('data plane') },
      controller: { handle: says('controller') },
      joining: {
        handleReply: says('joining'),
        introduce: says('introduced'),
        heardOf: says('heard of'),
      },
      otherCluster: { heard: says('other cluster') },
      told: () => {},
      admission: { admit: says('admission'), refusal: () => ({ kind: 'JoinReply' }) },
      lives: [{ boot: 11, openedLsn: 50 }],
      copies: { judge: () => this.other },
      knownDisks: { hear: () => this.forgotten, recalled: says('recalled') },
      nowMs: () => 1000,
      lapsed: ({ toldBy }: { toldBy: number }) => this.said.push(`lapsed, says ${toldBy}`),
    } as never);
  }

  /** What is done about a message; from disk 102 of node 2 to this one, unless something else is said. */
  hear(body: object, fields: Partial<Record<keyof Envelope, number>> = {}): string[] {
    this.said.length = 0;
    const envelope = {
      from: 2,
      fromIncarnation: 102,
      fromBoot: 20,
      fromLsn: 0,
      sentAtMs: 0,
      to: 1,
      toIncarnation: 101,
      ...fields,
      body,
    };
    const hadEffect = this.receiver.receive(envelope as never);
    if (hadEffect) expect(this.said).not.toEqual([]);
    return [...this.said];
  }
}

test('what a member says is a sign of life, and goes to the part that it is for', () => {
  const bench = new Bench();
  const signs = ['heard 2 1000', 'asked 2 102'];
  expect(bench.hear(REQUEST)).toEqual([...signs, 'raft 1000']);
  expect(bench.hear({ kind: 'Replicate' })).toEqual([...signs, 'data plane']);
  expect(bench.hear({ kind: 'Forward' })).toEqual([...signs, 'controller']);
  expect(bench.hear({ kind: 'Ping', full: true, leaving: true })).toEqual([
    ...signs,
    'full 2 true 1000',
    'leaving 2 20',
  ]);
});

test('what is meant for another node, or for another disk of this one, is not heard', () => {
  const bench = new Bench();
  expect(bench.hear(REQUEST, { to: 3 })).toEqual([]);
  expect(bench.hear(REQUEST, { toIncarnation: 100 })).toEqual([]);
  expect(bench.hear(REQUEST, { from: 1, fromIncarnation: 999 })).toEqual([]);
  expect(bench.hear(REQUEST, { to: 0, toIncarnation: 0 })).not.toEqual([]);
});

test('of another disk than the member only a request of Raft is heard, and it is no sign of life', () => {
  const bench = new Bench();
  const stranger = { fromIncarnation: 999 };
  expect(bench.hear(REQUEST, stranger)).toEqual(['asked 2 999', 'raft 1000']);
  for (const body of [ANSWER, { kind: 'Replicate' }, { kind: 'Forward' }]) {
    expect(bench.hear(body, stranger)).toEqual([]);
  }
});

test('a stranger who says where it is is told of this disk, and counts for nothing', () => {
  const bench = new Bench();
  const ping = { kind: 'Ping', address: 'there', full: false, leaving: false };
  expect(bench.hear(ping, { fromIncarnation: 999 })).toEqual(['introduced there']);
});

test('who pings another disk of this number tells where to ask, or of another cluster', () => {
  const bench = new Bench();
  const ping = { kind: 'Ping', address: 'there', full: false, leaving: false };
  expect(bench.hear(ping, { toIncarnation: 100 })).toEqual([
    'heard of there',
    'other cluster 2 100',
  ]);
});

test('a member that has not recalled what it said is reminded; only a question for a place is answered, too', () => {
  const bench = new Bench();
  bench.forgotten = REACH;
  expect(bench.hear({ kind: 'Replicate' })).toEqual(['send Remind to 2/102']);
  expect(bench.hear({ kind: 'Join', address: 'a', amnesiac: false })).toEqual([
    'send Remind to 2 at a',
    'admission 2 102',
  ]);
  bench.forgotten = undefined;
  expect(bench.hear({ kind: 'Recall', ...REACH })).toEqual(['recalled']);
});

test('a copy of the disk of a member that lives is told so, and before that is clear another life is told nothing', () => {
  const bench = new Bench();
  const join = { kind: 'Join', address: 'a', amnesiac: false };
  bench.forgotten = REACH;
  bench.other = 'unknown';
  for (const body of [REQUEST, join, { kind: 'Recall', ...REACH }])
    expect(bench.hear(body)).toEqual([]);
  bench.other = 'copy';
  expect(bench.hear(join)).toEqual(['send JoinReply to 2 at a']);
  for (const body of [REQUEST, { kind: 'Recall', ...REACH }]) expect(bench.hear(body)).toEqual([]);
});

test('who is reminded recalls what its disk has, and is done if it has not', () => {
  const bench = new Bench();
  expect(bench.hear({ kind: 'Remind', boot: 11, lsn: 50 })).toEqual(['send Recall to 2/102']);
  expect(bench.hear({ kind: 'Remind', boot: 12, lsn: 51 })).toEqual(['lapsed, says 2']);
});

test('anybody may ask for a place', () => {
  const bench = new Bench();
  const join = { kind: 'Join', address: 'a', amnesiac: false };
  const nobody = { from: 7, fromIncarnation: 777, to: 0, toIncarnation: 0 };
  expect(bench.hear(join, nobody)).toEqual(['admission 7 777']);
  expect(bench.hear({ kind: 'JoinReply' }, nobody)).toEqual(['joining']);
});

test('bytes that are no command are not proposed', () => {
  const bench = new Bench();
  expect(bench.hear({ kind: 'Propose', proposal: Uint8Array.of(255) })).not.toContain('proposed');
});

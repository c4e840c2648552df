import { expect, test } from 'vitest';
import { Registration } from './registration.ts';

/** Life 11 of node 1; what it proposes comes to its end when the test says so. */
class Bench {
  leader = 2;
  isMember = true;
  /** Of node 1, in the metadata. */
  known: { readonly boot: number; readonly incarnation: number } | undefined;
  readonly proposed: object[] = [];
  readonly ends: (() => void)[] = [];
  readonly registration: Registration;

  constructor() {
    const bench = this;
    this.registration = new Registration({
      config: { raftAddress: 'r', clientAddress: 'c', operationTimeoutMs: 5000 },
      identity: { node: 1, incarnation: 101 },
      boot: 11,
      raft: {
        get leader() {
          return bench.leader;
        },
        get self() {
          return bench.isMember ? {} : undefined;
        },
      },
      cluster: { node: () => this.known },
      proposals: {
        pursue: (command: object, deadlineMs: number, done: () => void) => {
          this.proposed.push({ ...command, deadlineMs });
          this.ends.push(done);
        },
      },
      nowMs: () => 1000,
    } as never);
  }
}

test('a life makes itself known, and does so again if that came to nothing', () => {
  const bench = new Bench();
  bench.registration.register();
  bench.registration.register();
  expect(bench.proposed).toEqual([
    {
      kind: 'RegisterNode',
      node: 1,
      boot: 11,
      incarnation: 101,
      raftAddress: 'r',
      clientAddress: 'c',
      deadlineMs: 6000,
    },
  ]);
  bench.ends[0]!();
  bench.registration.register();
  expect(bench.proposed).toHaveLength(2);
});

test('it is known when this life of this disk is', () => {
  const bench = new Bench();
  const proposes = (boot: number, incarnation: number): boolean => {
    bench.known = { boot, incarnation };
    const { length } = bench.proposed;
    bench.registration.register();
    bench.ends.pop()?.();
    return bench.proposed.length > length;
  };
  expect(proposes(10, 101)).toBe(true);
  expect(proposes(11, 100)).toBe(true);
  expect(proposes(11, 101)).toBe(false);
});

test('nothing is proposed where nobody would take it', () => {
  const bench = new Bench();
  bench.leader = 0;
  bench.registration.register();
  bench.leader = 2;
  bench.isMember = false;
  bench.registration.register();
  expect(bench.proposed).toEqual([]);
});

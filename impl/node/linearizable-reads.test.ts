import { expect, test } from 'vitest';
import type { LogIndex } from '../core/ids.ts';
import type { Raft } from '../core/raft/raft.ts';
import { LinearizableReads } from './linearizable-reads.ts';

/** A Raft that leads, or does not, and the reads that it was asked for. */
class FakeRaft {
  role = 'leader';
  term = 3;
  readonly asked: number[] = [];

  readIndex(id: number): boolean {
    if (this.role === 'leader') this.asked.push(id);
    return this.role === 'leader';
  }
}

class Bench {
  readonly fake = new FakeRaft();
  readonly raft = this.fake as unknown as Raft;
  readonly reads = new LinearizableReads();
  readonly heard: string[] = [];

  ask(name: string): void {
    this.reads.ask(this.raft, (confirmed) => this.heard.push(`${name} ${confirmed}`));
  }

  serve(...ids: number[]): void {
    this.reads.confirmed(ids.map((id) => ({ id, index: 9 as LogIndex })));
    this.reads.serve(9 as LogIndex);
  }
}

test('a read is confirmed when a majority has confirmed it, and once', () => {
  const bench = new Bench();
  bench.ask('a');
  bench.ask('b');
  const [a, b] = bench.fake.asked as [number, number];
  expect(bench.heard).toEqual([]);
  bench.serve(b);
  bench.serve(a, b);
  expect(bench.heard).toEqual(['b true', 'a true']);
});

test('a read that is confirmed waits until what was committed when it was asked is applied', () => {
  const bench = new Bench();
  bench.ask('a');
  bench.reads.confirmed([{ id: bench.fake.asked[0]!, index: 9 as LogIndex }]);
  bench.reads.serve(8 as LogIndex);
  expect(bench.heard).toEqual([]);
  bench.reads.serve(9 as LogIndex);
  expect(bench.heard).toEqual(['a true']);
});

test('who does not lead cannot confirm', () => {
  const bench = new Bench();
  bench.fake.role = 'follower';
  bench.ask('a');
  expect(bench.heard).toEqual(['a false']);
});

test('what was asked of a leadership that is over is denied, also when the node leads again', () => {
  const bench = new Bench();
  bench.ask('a');
  bench.reads.follow(bench.raft);
  expect(bench.heard).toEqual([]);
  bench.fake.term = 5;
  bench.reads.follow(bench.raft);
  expect(bench.heard).toEqual(['a false']);
  bench.serve(bench.fake.asked[0]!);
  expect(bench.heard).toHaveLength(1);
  bench.ask('b');
  bench.fake.role = 'follower';
  bench.reads.follow(bench.raft);
  expect(bench.heard).toEqual(['a false', 'b false']);
});

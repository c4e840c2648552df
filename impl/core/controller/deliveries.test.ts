/** A shared cursor, over records that are read, and commands that are committed, when the test says so. */
import { expect, test } from 'vitest';
import { WalrusError } from '../errors.ts';
import type { Offset, TopicId } from '../ids.ts';
import type { Outcome } from '../metadata/cluster-state.ts';
import type { Command } from '../metadata/commands.ts';
import { Deliveries } from './deliveries.ts';
import type { Reply } from './operations.ts';

type Advance = Extract<Command, { kind: 'AdvanceCursor' }>;
const [TOPIC, OTHER] = [4 as TopicId, 5 as TopicId];
interface Pursued {
  readonly command: Advance;
  done(outcome: Outcome | 'unknown'): void;
}

class Bench {
  cursor = 0;
  /** What stands in the topic from offset 0. */
  records: readonly number[] = [10, 11, 12, 13, 14];
  readError: WalrusError | undefined;
  /** Happens while a read is under way. */
  meanwhile: (() => void) | undefined;
  /** Why this node may not say where the topic ends. */
  refusal: Reply | undefined;
  readonly heard: string[] = [];
  readonly pursued: Pursued[] = [];
  readonly deliveries = new Deliveries({
    trace: undefined,
    cluster: () => ({ cursor: () => this.cursor as Offset }) as never,
    read: (_, offset, records, done) => {
      this.meanwhile?.();
      done(
        this.readError,
        this.records.slice(offset, offset + records).map((each) => Uint8Array.of(each)),
      );
    },
    confirmEnd: (_, done) => done(this.refusal),
    pursue: (command, done) => this.pursued.push({ command: command as Advance, done }),
  });

  /** Named readers ask, one after another. */
  get(...readers: string[]): void {
    for (const reader of readers) {
      this.deliveries.get(TOPIC, 'g', (reply) => this.heard.push(`${reader} ${said(reply)}`));
    }
  }

  /** The oldest command under way is applied, if the cursor stands where it expects it. */
  commit(): void {
    const { command, done } = this.pursued.shift()!;
    const applied = command.expected === this.cursor;
    if (applied) this.cursor = command.next;
    done((applied ? { applied } : { applied, reason: 'CursorMoved' }) as Outcome);
  }
}

function said(reply: Reply): string | number {
  if (reply.kind === 'record') return `${reply.offset}:${reply.record[0]}`;
  return reply.kind === 'error' ? reply.code : reply.kind;
}

test('a record is handed out when its place is committed as consumed, and not before', () => {
  const bench = new Bench();
  bench.get('a');
  expect(bench.heard).toEqual([]);
  expect(bench.pursued[0]!.command).toMatchObject({ expected: 0, next: 1 });
  bench.commit();
  expect(bench.heard).toEqual(['a 0:10']);
});

test('those who wait are served together, each with a record of its own, in the order of their arrival', () => {
  const bench = new Bench();
  bench.get('a', 'b', 'c', 'd');
  bench.commit();
  expect(bench.pursued[0]!.command).toMatchObject({ expected: 1, next: 4 });
  bench.commit();
  expect(bench.heard).toEqual(['a 0:10', 'b 1:11', 'c 2:12', 'd 3:13']);
  expect(bench.pursued).toEqual([]);
});

test('who is left when the records are given out hears that there is nothing', () => {
  const bench = new Bench();
  bench.records = [10, 11];
  bench.get('a', 'b', 'c');
  bench.commit();
  bench.commit();
  expect(bench.heard).toEqual(['a 0:10', 'b 1:11', 'c empty']);
});

test('when it is unknown whether the cursor moved, those whose records it may have passed are told so, and the rest goes on', () => {
  const bench = new Bench();
  bench.records = [10, 11, 12];
  bench.get('a', 'b', 'c', 'd');
  bench.commit();
  // It did move, but nobody here will ever know.
  bench.cursor = 3;
  bench.pursued.shift()!.done('unknown');
  expect(bench.heard).toEqual(['a 0:10', 'b OutcomeUnknown', 'c OutcomeUnknown', 'd empty']);
});

test('when somebody else moved the cursor the same readers are served from where it is now', () => {
  const bench = new Bench();
  bench.get('a');
  bench.cursor = 2;
  bench.commit();
  expect(bench.heard).toEqual([]);
  bench.commit();
  expect(bench.heard).toEqual(['a 2:12']);
});

test('what cannot be read is told to all who wait, and the cursor stays', () => {
  const bench = new Bench();
  bench.get('a', 'b', 'c');
  bench.readError = new WalrusError('Corrupt', 'here');
  bench.commit();
  expect(bench.heard).toEqual(['a 0:10', 'b Corrupt', 'c Corrupt']);
  expect(bench.pursued).toEqual([]);
});

test('that there is nothing is said by who may say it', () => {
  const bench = new Bench();
  bench.records = [];
  bench.refusal = { kind: 'error', code: 'NotOwner', message: '' };
  bench.get('a');
  expect(bench.heard).toEqual(['a NotOwner']);
});

test('each group has a cursor and a queue of its own', () => {
  const bench = new Bench();
  bench.get('a');
  bench.deliveries.get(TOPIC, 'other', () => {});
  bench.deliveries.get(OTHER, 'g', () => {});
  expect(bench.pursued.map(({ command }) => `${command.topic} ${command.group}`)).toEqual([
    '4 g',
    '4 other',
    '5 g',
  ]);
});

test('a queue is bounded', () => {
  const bench = new Bench();
  for (let i = 0; i < 4096; i++) bench.get('a');
  bench.get('one too many');
  expect(bench.heard).toEqual(['one too many Overloaded']);
});

test('what was to be given out is trimmed while it is read: the reader gets what is left', () => {
  const bench = new Bench();
  bench.meanwhile = () => {
    bench.meanwhile = undefined;
    bench.records = [];
    bench.cursor = 3;
    bench.meanwhile = () => {
      bench.records = [10, 11, 12, 13, 14];
    };
  };
  bench.get('a');
  bench.commit();
  expect(bench.heard).toEqual(['a 3:13']);
});

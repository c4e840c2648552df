import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { TraceEvent } from '../impl/core/trace.ts';
import { mergeTraces, parseNodeTrace, UnmergeableError } from './trace-merge.ts';

const GOLDEN = new URL('../traces/golden/seed-1.ndjson', import.meta.url);

/** A simulated trace, as its nodes would have written it. */
function perNode(): TraceEvent[][] {
  const nodes = new Map<number, TraceEvent[]>();
  for (const event of parseNodeTrace(readFileSync(GOLDEN, 'utf8'))) {
    // Of the world's own events a live node knows nothing.
    if (!['Fault', 'Phase', 'Ended', 'Crash'].includes(event.name)) {
      nodes.set(event.node, [...(nodes.get(event.node) ?? []), event]);
    }
  }
  return [...nodes.entries()].sort(([a], [b]) => a - b).map(([, events]) => events);
}

const at = { topic: 't', segment: 1, epoch: 7 };
const event = (fields: object): TraceEvent => fields as TraceEvent;
const sendAck = event({ name: 'SendReplicateAck', node: 2, to: 1, ...at, durableEnd: 3 });
const handleAck = event({ name: 'HandleReplicateAck', node: 1, sender: 2, ...at, durableEnd: 3 });
const request = event({ name: 'SendPromiseRequest', node: 1, to: 2, ...at });
const handleRequest = event({ name: 'HandlePromiseRequest', node: 2, sender: 1, ...at });
const proposal = { origin: { node: 2, boot: 9, sequence: 1 }, command: { kind: 'CreateTopic' } };
const propose = event({ name: 'ProposeCommand', node: 2, proposal });
const commit = (node: number, index: number, what: object | null): TraceEvent =>
  event({ name: 'CommitCommand', node, index, proposal: what });

test('a whole run: every event once, each node in its own order, always the same', () => {
  const traces = perNode();
  expect(traces.length).toBeGreaterThanOrEqual(3);
  const merged = mergeTraces(traces);
  for (const [i, events] of traces.entries()) {
    expect(
      merged.filter(({ node }) => node === events[0]!.node),
      `node ${i}`,
    ).toEqual(events);
  }
  expect(mergeTraces(traces)).toEqual(merged);
});

test('nothing is received before it was sent, in whatever order the files come', () => {
  const order = [sendAck, handleAck];
  expect(mergeTraces([[handleAck], [sendAck]])).toEqual(order);
  expect(mergeTraces([[sendAck], [handleAck]])).toEqual(order);
});

test('an entry is committed after its proposal, and after the entries before it', () => {
  const [noop, second, third] = [
    commit(3, 2, null),
    commit(3, 3, proposal),
    commit(1, 3, proposal),
  ];
  const restored = event({ name: 'RestoreMetadata', node: 1, index: 3 });
  const before = [propose, noop];
  expect(mergeTraces([[third], [propose], [noop, second]])).toEqual([...before, third, second]);
  expect(mergeTraces([[restored], [propose], [noop, second]])).toEqual([
    ...before,
    second,
    restored,
  ]);
});

test("Raft's answers leave at once, or when their batch is durable", () => {
  const state = {};
  const message = { kind: 'AppendEntriesRequest', term: 1 };
  const reply = { kind: 'AppendEntriesResponse', term: 1 };
  const append = { name: 'AppendEntries', node: 1, state, to: 2, message, afterPersist: false };
  const answer = { name: 'HandleAppendEntriesRequest', node: 2, state, from: 1, message, reply };
  const handle = { ...answer, afterPersist: true };
  const answered = { name: 'HandleAppendEntriesResponse', node: 1, state, from: 2, message: reply };
  const persist = { name: 'Persist', node: 2, state, number: 4 };
  const persisted = { name: 'PersistCompleted', node: 2, state, number: 4 };
  const order = [append, handle, persist, persisted, answered].map(event);
  const follower = [handle, persist, persisted].map(event);
  expect(mergeTraces([[append, answered].map(event), follower])).toEqual(order);
  expect(() => mergeTraces([[append, answered].map(event), follower.slice(0, 2)])).toThrow(
    UnmergeableError,
  );
  const atOnce = event({ ...answer, afterPersist: false });
  expect(mergeTraces([[append, answered].map(event), [atOnce]])).toEqual([
    event(append),
    atOnce,
    event(answered),
  ]);
});

test('what was never sent is told, and so are nodes that wait for each other', () => {
  expect(() => mergeTraces([[request, handleAck], [handleRequest]])).toThrow(
    /after 2 events none can be next\.\n {2}node 1, event 2 \(HandleReplicateAck\) waits for the message 2 to 1: ReplicateAck/,
  );
  expect(() =>
    mergeTraces([
      [handleAck, request],
      [handleRequest, sendAck],
    ]),
  ).toThrow(/node 1, event 1 .*ReplicateAck.*\n {2}node 2, event 1 .*PromiseRequest/);
});

test('a killed process leaves its last line, or its last step, unfinished', () => {
  const recover = '{"name":"Recover","node":1}';
  const updateTerm = '{"name":"UpdateTerm","node":1}';
  const lines = [
    '{"name":"Restart","node":1}',
    updateTerm,
    '{"na',
    recover,
    updateTerm,
    '{"name":',
  ];
  expect(parseNodeTrace(lines.join('\n')).map(({ name }) => name)).toEqual(['Restart', 'Recover']);
  expect(() => parseNodeTrace(`{"na\n${updateTerm}\n`)).toThrow(SyntaxError);
});

test('a life with another disk begins with the loss of the old one', () => {
  const lives = [1, 1, 2].flatMap((incarnation) => [
    { name: 'Recover', node: 3 },
    { name: 'Restart', node: 3, incarnation },
  ]);
  const events = parseNodeTrace(lines(lives));
  const names = events.map(({ name }) => name);
  const life = ['Recover', 'Restart'];
  expect(names).toEqual([...life, ...life, 'ReplaceDisk', ...life]);
  expect(events[4]).toEqual({ name: 'ReplaceDisk', node: 3 });
});

function lines(events: readonly object[]): string {
  return events.map((each) => `${JSON.stringify(each)}\n`).join('');
}

/** The life of a call: what it becomes, when, and what its client hears. */
import { expect, test } from 'vitest';
import type { Offset } from '../ids.ts';
import { type Letter, TestCluster, TIMEOUT_MS, TOPIC } from './controller.test-support.ts';
import { ONE_RECORD } from './operations.ts';

const isForward = ({ message }: Letter): boolean => message.kind === 'Forward';

test('at the owner: done at once, answered when it is safe', () => {
  const cluster = new TestCluster(1);
  const owner = cluster.node(1);
  const heard = owner.put('a');
  expect(owner.texts).toEqual(['a']);
  expect(heard).toEqual([]);
  owner.settle('committed');
  expect(heard).toMatchObject([{ kind: 'appended', offset: 0 }]);
  expect(cluster.letters).toEqual([]);
});

test('at another node: handed on, done there, answered here', () => {
  const cluster = new TestCluster(1);
  const heard = cluster.node(2).put('a');
  cluster.run();
  cluster.node(1).settle('committed');
  cluster.run();
  expect(heard).toMatchObject([{ kind: 'appended', offset: 0 }]);
});

test('nothing is handed to a process that is about to stop, and may have', () => {
  const cluster = new TestCluster(1);
  const [owner, asked] = [cluster.node(1), cluster.node(2)];
  asked.leaving.add(`1/${owner.boot}`);
  const heard = asked.put('a');
  cluster.run();
  expect([owner.texts, heard]).toEqual([[], []]);
  cluster.rollOver(1, 3);
  asked.learn();
  cluster.node(3).learn();
  cluster.run();
  expect(cluster.node(3).texts).toEqual(['a']);
});

test('a forward that is lost is sent again; one that is repeated is not done twice', () => {
  const cluster = new TestCluster(1);
  const [owner, asked] = [cluster.node(1), cluster.node(2)];
  const heard = asked.put('a');
  cluster.take();
  asked.passes(250);
  const [again] = cluster.take(isForward);
  cluster.deliver([again!, again!]);
  expect(owner.texts).toEqual(['a']);
  owner.settle('committed');
  cluster.run();
  expect(heard).toMatchObject([{ kind: 'appended' }]);
});

test('an answer that is lost is given again', () => {
  const cluster = new TestCluster(1);
  const [owner, asked] = [cluster.node(1), cluster.node(2)];
  const heard = [asked.put('a'), asked.put('b')];
  cluster.run();
  owner.settle('committed');
  cluster.take();
  asked.passes(250);
  cluster.run();
  expect(heard).toMatchObject([[{ offset: 0 }], [{ offset: 1 }]]);
  expect(owner.texts).toEqual([]);
});

test('forwards are taken in the order of asking, whatever order they come in', () => {
  const cluster = new TestCluster(1);
  for (const text of ['a', 'b', 'c']) cluster.node(2).put(text);
  cluster.deliver(cluster.take(isForward).reverse());
  expect(cluster.node(1).texts).toEqual(['a', 'b', 'c']);
});

test('many are on their way at a time, and no more than the owner can remember', () => {
  const cluster = new TestCluster(1);
  const heard = Array.from({ length: 1100 }, (_, i) => cluster.node(2).put(`${i}`));
  expect(cluster.letters.length).toBe(1024);
  while (cluster.letters.length > 0) {
    cluster.run();
    cluster.node(1).settle('committed');
  }
  expect(heard.map(([reply]) => (reply as { offset: Offset }).offset)).toEqual(
    Array.from(heard.keys()),
  );
});

test('when one is refused, those behind it are too, and all are handed out again in order', () => {
  const cluster = new TestCluster(1);
  const [owner, asked] = [cluster.node(1), cluster.node(2)];
  for (const text of ['a', 'b', 'c']) asked.put(text);
  const [first, ...rest] = cluster.take(isForward);
  owner.refusal = 'LeaseExpired';
  cluster.deliver([first!]);
  owner.refusal = undefined;
  cluster.deliver(rest);
  expect(owner.texts).toEqual([]);
  asked.put('d');
  cluster.run();
  asked.passes(50);
  cluster.run();
  expect(owner.texts).toEqual(['a', 'b', 'c', 'd']);
});

test('under a new grant nothing is handed out while something under the old one is unsettled', () => {
  const cluster = new TestCluster(1);
  const [owner, asked, next] = [cluster.node(1), cluster.node(2), cluster.node(3)];
  const a = asked.put('a');
  cluster.run();
  cluster.rollOver(1, 3);
  asked.learn();
  next.learn();
  asked.put('b');
  cluster.run();
  // However long that takes: the owner lives, and will say what became of it.
  for (let i = 0; i < 10; i++) asked.passes(500);
  cluster.run();
  expect([a, next.texts]).toEqual([[], []]);
  owner.settle('lost');
  cluster.run();
  expect(next.texts).toEqual(['a', 'b']);
  next.settle('committed');
  cluster.run();
  expect(a).toMatchObject([{ kind: 'appended', segment: 2 }]);
});

test('an owner that does not know of its grant yet takes the forwards when it does', () => {
  const cluster = new TestCluster(1);
  cluster.rollOver(1, 3);
  cluster.node(2).learn();
  cluster.node(2).put('a');
  cluster.run();
  expect(cluster.node(3).texts).toEqual([]);
  cluster.node(3).learn();
  expect(cluster.node(3).texts).toEqual(['a']);
});

test('what was handed to a life that is over is unknown at once, and not done again', () => {
  const cluster = new TestCluster(1);
  const [owner, asked] = [cluster.node(1), cluster.node(2)];
  const heard = asked.put('a');
  cluster.run();
  owner.restart();
  cluster.register(1);
  cluster.fence(1, 3);
  cluster.rollOver(1, 3);
  cluster.learn();
  asked.passes(250);
  cluster.run();
  expect(heard).toMatchObject([{ code: 'OutcomeUnknown' }]);
  expect(cluster.nodes.map(({ texts }) => texts)).toEqual([[], [], []]);
});

test('an owner that is silent when its grant is over is looked at twice, then it is unknown', () => {
  const cluster = new TestCluster(1);
  const asked = cluster.node(2);
  const heard = asked.put('a');
  cluster.run();
  asked.dead.add(1);
  asked.passes(250);
  asked.passes(250);
  expect(heard).toEqual([]);
  cluster.fence(1, 3);
  asked.learn();
  asked.passes(250);
  expect(heard).toEqual([]);
  asked.passes(250);
  expect(heard).toMatchObject([{ code: 'OutcomeUnknown' }]);
});

test('a call that is not handed out in its time had no effect; one that was may have had', () => {
  const cluster = new TestCluster(1);
  const asked = cluster.node(2);
  const handed = asked.put('a');
  cluster.fence(1, 3);
  asked.learn();
  const waiting = asked.put('b');
  asked.passes(TIMEOUT_MS);
  expect(handed).toMatchObject([{ code: 'Timeout' }]);
  expect(waiting).toMatchObject([{ code: 'Expired' }]);
});

test('a forward that comes when its time is up is not done', () => {
  const cluster = new TestCluster(1);
  const [owner, asked] = [cluster.node(1), cluster.node(2)];
  const heard = asked.put('a');
  const late = cluster.take(isForward);
  owner.passes(TIMEOUT_MS);
  cluster.deliver(late);
  expect(owner.texts).toEqual([]);
  cluster.run();
  expect(heard).toMatchObject([{ code: 'Expired' }]);
});

test('one that comes too late holds up nobody behind it', () => {
  const cluster = new TestCluster(1);
  const [owner, asked] = [cluster.node(1), cluster.node(2)];
  const first = asked.put('a');
  asked.nowMs += 100;
  const second = asked.put('b');
  owner.nowMs += TIMEOUT_MS;
  cluster.run();
  owner.settle('committed');
  cluster.run();
  expect([first, second]).toMatchObject([[{ code: 'Expired' }], [{ kind: 'appended' }]]);
});

test('an owner that has too much to do is given less at a time', () => {
  const cluster = new TestCluster(1);
  const [owner, asked] = [cluster.node(1), cluster.node(2)];
  for (let i = 0; i < 100; i++) asked.put(`${i}`);
  owner.refusal = 'Overloaded';
  cluster.run();
  owner.refusal = undefined;
  asked.passes(50);
  cluster.run();
  expect(owner.texts).toHaveLength(50);
});

test('a refusal that comes when the time is up does not say that nothing was done', () => {
  const cluster = new TestCluster(1);
  const [owner, asked] = [cluster.node(1), cluster.node(2)];
  const heard = asked.put('a');
  owner.refusal = 'LeaseExpired';
  cluster.deliver(cluster.take());
  asked.nowMs += TIMEOUT_MS;
  cluster.run();
  expect(heard).toMatchObject([{ code: 'Timeout' }]);
});

test('whether there is a topic is asked of the Raft leader, who does nothing of what waits for the answer', () => {
  const cluster = new TestCluster();
  const [asked, leader] = [cluster.node(2), cluster.node(3)];
  cluster.create(3);
  leader.learn();
  const heard = asked.put('a');
  cluster.run();
  expect(leader.texts).toEqual([]);
  asked.learn();
  cluster.run();
  expect(leader.texts).toEqual(['a']);
  leader.settle('committed');
  cluster.run();
  expect(heard).toMatchObject([{ kind: 'appended' }]);
});

test('a topic that nobody made is unknown to all who asked before that was known, and to nobody else', () => {
  const cluster = new TestCluster();
  const asked = cluster.node(2);
  const early = [asked.put('a'), asked.put('b')];
  const answer = ((): Letter[] => {
    cluster.deliver(cluster.take());
    return cluster.take();
  })();
  const later = asked.put('c');
  cluster.deliver(answer);
  expect(early).toMatchObject([[{ code: 'UnknownTopic' }], []]);
  cluster.run();
  expect([early[1], later]).toMatchObject([[{ code: 'UnknownTopic' }], [{ code: 'UnknownTopic' }]]);
});

test('a read that nobody answers is asked of another node', () => {
  const cluster = new TestCluster(1);
  const asked = cluster.node(2);
  const heard = asked.ask({ ...ONE_RECORD, kind: 'fetch', topic: TOPIC, offset: 0 as Offset });
  cluster.take();
  asked.passes(1000);
  asked.passes(50);
  cluster.run();
  expect(heard).toMatchObject([{ kind: 'records', records: [] }]);
});

const reads = [
  { kind: 'get', topic: TOPIC, group: 'g' },
  { ...ONE_RECORD, kind: 'fetch', topic: TOPIC, offset: 0 as Offset },
] as const;

test.each(reads)('$kind: there is no more once another copy confirms the owner', (operation) => {
  const cluster = new TestCluster(1);
  const heard = cluster.node(1).ask(operation);
  const [first, second] = cluster.take();
  expect([heard, first!.to, second!.to]).toEqual([[], 2, 3]);
  cluster.deliver([second!]);
  cluster.run();
  expect(heard).toMatchObject([operation.kind === 'get' ? { kind: 'empty' } : { records: [] }]);
});

test.each(reads)(
  '$kind: an owner that slept hears from the copies that it is none',
  (operation) => {
    const cluster = new TestCluster(1);
    for (const id of [2, 3]) cluster.node(id).promised = 1_000;
    const heard = cluster.node(1).ask(operation);
    cluster.run();
    expect(heard).toEqual([]);
    cluster.node(1).passes(TIMEOUT_MS);
    expect(heard).toMatchObject([{ kind: 'error', code: 'Unavailable' }]);
  },
);

test.each(reads)(
  '$kind: an owner that has proposed its end says nothing of what follows',
  (operation) => {
    const cluster = new TestCluster(1);
    cluster.node(1).isEndProposed = true;
    const heard = cluster.node(1).ask(operation);
    cluster.run();
    expect(heard).toEqual([]);
    cluster.node(1).isEndProposed = false;
    cluster.node(1).passes(1000);
    cluster.run();
    expect(heard).toMatchObject([operation.kind === 'get' ? { kind: 'empty' } : { records: [] }]);
  },
);

test.each(reads)('$kind: so it does if they know the metadata and forgot the copy', (operation) => {
  const cluster = new TestCluster(1);
  cluster.rollOver(1, 2);
  for (const id of [2, 3]) cluster.node(id).learn();
  const heard = cluster.node(1).ask(operation);
  cluster.run();
  expect(heard).toEqual([]);
});

test('who asks while the copies are asked is not served by their answer', () => {
  const cluster = new TestCluster(1);
  const [get] = reads;
  const first = cluster.node(1).ask(get);
  const asked = cluster.take();
  const second = cluster.node(1).ask(get);
  const third = cluster.node(1).ask({ ...get, group: 'h' });
  cluster.deliver(asked);
  cluster.deliver(cluster.take(({ to }) => to === 1));
  expect([first, second, third]).toEqual([[{ kind: 'empty' }], [], []]);
  cluster.run();
  expect([second, third]).toEqual([[{ kind: 'empty' }], [{ kind: 'empty' }]]);
});

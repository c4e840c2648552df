/** The log: replication, commitment, repair. Sections are the thesis's (Ongaro, 2014). */
import { expect, test } from 'vitest';
import {
  ELECTION_MS,
  HEARTBEAT_MS,
  type Packet,
  RaftCluster,
} from '../../../properties/raft-cluster.ts';
import type { LogIndex, Term } from '../ids.ts';

const answersOf = (cluster: RaftCluster, from: number): Packet['message'][] =>
  cluster.packets.filter((packet) => packet.from === from).map(({ message }) => message);

test('3.5: an entry is committed once a majority has it durably, and then applied everywhere', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  const before = cluster.raft(1).commitIndex;
  cluster.propose(1, 'a');
  cluster.deliver(({ to }) => to === 2 || to === 3);
  expect(cluster.raft(1).commitIndex).toBe(before);
  cluster.deliver(({ from }) => from === 2);
  expect(cluster.raft(1).commitIndex).toBe(before + 1);
  cluster.deliver();
  expect(cluster.ids.map((id) => cluster.applied(id))).toEqual([['a'], ['a'], ['a']]);
});

test('10.2.1: the leader replicates before its own disk has the entry, but counts itself only after', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.slowDisk(1);
  cluster.propose(1, 'a');
  cluster.deliver(({ to, from }) => to + from === 3);
  // 2 has it durably, 1 has it only in memory: that is one of three.
  expect(cluster.disk(2).entries.at(-1)?.index).toBe(cluster.raft(1).lastIndex);
  expect(cluster.raft(1).commitIndex).toBe(cluster.raft(1).lastIndex - 1);
  cluster.sync(1);
  expect(cluster.raft(1).commitIndex).toBe(cluster.raft(1).lastIndex);
});

test('10.2.1: two followers commit an entry that the leader never wrote to its disk', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.slowDisk(1);
  cluster.propose(1, 'a');
  cluster.deliver();
  expect(cluster.applied(1)).toEqual(['a']);
  cluster.crash(1);
  cluster.restart(1);
  expect(cluster.raft(1).lastIndex).toBe(cluster.raft(2).lastIndex - 1);
  cluster.elect(2);
  expect(cluster.applied(1)).toEqual(['a']);
});

test('3.8: a follower answers only when the entries are durable', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1, 2]);
  cluster.slowDisk(2);
  cluster.propose(1, 'a');
  cluster.deliver();
  expect(cluster.raft(2).lastIndex).toBe(cluster.raft(1).lastIndex);
  expect(answersOf(cluster, 2)).toEqual([]);
  cluster.crash(2);
  cluster.restart(2);
  expect(cluster.raft(2).lastIndex).toBe(cluster.raft(1).lastIndex - 1);
  expect(cluster.raft(1).commitIndex).toBe(cluster.raft(1).lastIndex - 1);
});

test('3.8: an answer waits for what the disk does not have yet, and for nothing else', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1, 2]);
  cluster.slowDisk(2);
  const hearLeader = (): void => {
    cluster.advance(1, HEARTBEAT_MS);
    cluster.deliver(({ to }) => to === 2);
  };
  hearLeader();
  expect(answersOf(cluster, 2)).toHaveLength(1);
  cluster.propose(1, 'a');
  cluster.deliver(({ to }) => to === 2);
  hearLeader();
  expect(answersOf(cluster, 2)).toHaveLength(1);
  cluster.sync(2);
  expect(answersOf(cluster, 2)).toHaveLength(3);
  hearLeader();
  expect(answersOf(cluster, 2)).toHaveLength(4);
});

test('3.6.2, figure 3.7 (8 of the paper): an entry of an earlier term is never committed by counting', () => {
  const cluster = new RaftCluster([1, 2, 3, 4, 5]);
  // (a) 1 leads term 2 and gets its entry to 2 only.
  cluster.elect(1);
  cluster.partition([1, 2]);
  cluster.propose(1, 'blue');
  cluster.deliver(({ to }) => to === 2);
  cluster.drop();
  // (b) 1 dies; 5 leads term 3 with the votes of 3 and 4, and writes at the same index, for itself.
  cluster.crash(1);
  cluster.partition([3, 4, 5]);
  cluster.advance(3, ELECTION_MS);
  cluster.advance(4, ELECTION_MS);
  cluster.advance(5, 2 * ELECTION_MS);
  cluster.deliver(({ message }) => message.kind !== 'AppendEntriesRequest');
  expect(cluster.raft(5).role).toBe('leader');
  cluster.drop();
  const index = cluster.raft(5).lastIndex;
  // (c) 5 dies; 1 leads again and gets its old entry to a majority: 1, 2, 3, but nothing of its new term yet.
  cluster.crash(5);
  cluster.restart(1);
  cluster.partition([1, 2, 3, 4]);
  for (let tries = 0; tries < 3 && cluster.raft(1).role !== 'leader'; tries++) {
    for (const id of [2, 3, 4]) cluster.advance(id, ELECTION_MS / 4);
    cluster.advance(1, 2 * ELECTION_MS);
    cluster.deliver(({ message }) => message.kind !== 'AppendEntriesRequest');
  }
  expect(cluster.raft(1).role).toBe('leader');
  expect(cluster.raft(1).entry(index)?.term).toBe(2);
  const newTerm = cluster.raft(1).term;
  cluster.drop();

  // The interesting part: 2 and 3 confirm the old entry, and know nothing of the new term's. 1, 2 and 3 hold "blue".
  const before = (index - 1) as LogIndex;
  for (const to of [2, 3]) {
    cluster.hand({
      from: 1,
      to,
      message: {
        kind: 'AppendEntriesRequest',
        term: newTerm,
        prevIndex: before,
        prevTerm: cluster.raft(1).entry(before)!.term,
        entries: [cluster.raft(1).entry(index)!],
        commitIndex: cluster.raft(1).commitIndex,
        round: 0,
      },
    });
  }
  const answers = cluster.drop(({ to, message }) => to === 1 && 'matchIndex' in message);
  expect(answers.map(({ message }) => 'matchIndex' in message && message.matchIndex)).toEqual([
    index,
    index,
  ]);
  for (const answer of answers) cluster.hand(answer);
  expect([1, 2, 3].map((id) => cluster.disk(id).entries.at(-1)?.term)).toEqual([newTerm, 2, 2]);
  expect(cluster.raft(1).commitIndex).toBeLessThan(index);
  cluster.drop();

  // (d) 1 dies; 5 comes back and may win, for 3's last term is 2: "blue" is overwritten, and nobody had applied it.
  cluster.crash(1);
  cluster.restart(5);
  cluster.partition([3, 4, 5]);
  for (let tries = 0; tries < 4 && cluster.raft(5).role !== 'leader'; tries++) {
    for (const id of [3, 4]) cluster.advance(id, ELECTION_MS / 4);
    cluster.advance(5, 2 * ELECTION_MS);
    cluster.deliver();
  }
  expect(cluster.raft(5).role).toBe('leader');
  expect(cluster.raft(3).entry(index)?.term).toBe(3);
  expect(cluster.ids.map((id) => cluster.applied(id))).toEqual([[], [], [], [], []]);
});

test('3.6.2: an entry of an earlier term is committed along with the first of the new one', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1, 2]);
  cluster.propose(1, 'a');
  cluster.deliver(({ to }) => to === 2);
  cluster.crash(1);
  cluster.heal();
  cluster.elect(2);
  expect(cluster.applied(2)).toEqual(['a']);
  expect(cluster.applied(3)).toEqual(['a']);
});

test('3.5: a log that diverged is cut back to where it agrees and repaired, in few round trips', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.propose(1, 'agreed');
  cluster.deliver();
  // 1 writes thirty entries that nobody else has; the others go on without it.
  cluster.partition([1], [2, 3]);
  for (let i = 0; i < 30; i++) cluster.propose(1, `lost ${i}`);
  cluster.elect(2);
  for (let i = 0; i < 40; i++) cluster.propose(2, `kept ${i}`);
  cluster.deliver();

  cluster.heal();
  cluster.advance(2, HEARTBEAT_MS);
  let refused = 0;
  while (cluster.packets.length > 0) {
    const { message } = cluster.packets[0]!;
    if (message.kind === 'AppendEntriesResponse' && !message.success) refused++;
    cluster.deliverAt(0);
  }
  expect(refused).toBeLessThanOrEqual(2);
  expect(cluster.terms(1)).toEqual(cluster.terms(2));
  expect(cluster.applied(1)).toEqual(cluster.applied(2));
  expect(cluster.disk(1).entries).toEqual(cluster.disk(2).entries);
});

test('3.5: logs that two leaders parted, each by an entry that nobody else had, meet again', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1], [2, 3]);
  cluster.propose(1, 'lost');
  // 3 leads the next term, and its first entry reaches nobody.
  cluster.advance(2, ELECTION_MS);
  cluster.advance(3, 2 * ELECTION_MS);
  cluster.deliver(({ message }) => message.kind !== 'AppendEntriesRequest');
  expect(cluster.raft(3).role).toBe('leader');
  cluster.partition([3], [1, 2]);
  // 1 has yet to hear that its term is over, and of which one is.
  for (let tries = 0; tries < 3; tries++) {
    cluster.advance(2, ELECTION_MS / 2);
    cluster.advance(1, 2 * ELECTION_MS);
    cluster.deliver();
  }
  expect(cluster.raft(1).role).toBe('leader');
  expect(cluster.raft(1).term).toBeGreaterThan(cluster.raft(3).term);

  // The interesting part: at the place where they part, 3 has an entry of a later term than the leader.
  const index = cluster.raft(3).lastIndex;
  expect(cluster.raft(3).entry(index)!.term).toBeGreaterThan(cluster.raft(1).entry(index)!.term);
  cluster.heal();
  cluster.advance(1, HEARTBEAT_MS);
  cluster.deliver();
  cluster.advance(1, HEARTBEAT_MS);
  cluster.deliver();
  expect(cluster.terms(3)).toEqual(cluster.terms(1));
  expect(cluster.applied(3)).toEqual(['lost']);
});

test('3.5: a follower refuses what does not follow its log, and nothing of it is committed', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.propose(1, 'a');
  cluster.deliver();
  const { commitIndex, lastIndex, term } = cluster.raft(2);
  cluster.hand({
    from: 1,
    to: 2,
    message: {
      kind: 'AppendEntriesRequest',
      term,
      prevIndex: (lastIndex + 5) as LogIndex,
      prevTerm: term,
      entries: [],
      commitIndex: (lastIndex + 5) as LogIndex,
      round: 0,
    },
  });
  expect(cluster.raft(2).lastIndex).toBe(lastIndex);
  expect(cluster.raft(2).commitIndex).toBe(commitIndex);
  expect(answersOf(cluster, 2)).toMatchObject([{ success: false, hintIndex: lastIndex }]);
});

test('3.5: a follower commits no further than the leader has shown its log to agree', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  // 3 has an entry that 1 wrote but nobody else has; then 2 leads without it.
  cluster.partition([1, 3]);
  cluster.slowDisk(3);
  cluster.propose(1, 'lost');
  cluster.deliver();
  cluster.fastDisk(3);
  cluster.drop();
  const { term, lastIndex } = cluster.raft(3);
  // A heartbeat that vouches only for what lies before, but tells of a higher commit index.
  cluster.hand({
    from: 1,
    to: 3,
    message: {
      kind: 'AppendEntriesRequest',
      term,
      prevIndex: (lastIndex - 1) as LogIndex,
      prevTerm: term,
      entries: [],
      commitIndex: lastIndex,
      round: 0,
    },
  });
  expect(cluster.raft(3).commitIndex).toBe(lastIndex - 1);
});

test('3.5: requests may come twice, late and in any order', () => {
  const cluster = new RaftCluster([1, 2, 3], { maxEntryBytesPerMessage: 1 });
  cluster.elect(1);
  cluster.partition([1, 2]);
  for (const command of ['a', 'b', 'c']) cluster.propose(1, command);
  const requests = cluster.packets.filter(({ to }) => to === 2);
  expect(requests.length).toBe(3);
  cluster.drop();
  for (const at of [2, 0, 0, 2, 1, 0, 2, 1]) cluster.hand(requests[at]!);
  expect(cluster.raft(2).lastIndex).toBe(cluster.raft(1).lastIndex);
  cluster.deliver();
  expect(cluster.applied(2)).toEqual(['a', 'b', 'c']);
  // An old and shorter request takes nothing away.
  cluster.hand(requests[0]!);
  expect(cluster.raft(2).lastIndex).toBe(cluster.raft(1).lastIndex);
});

test('10.2.2: requests are pipelined up to the limit, and go on as answers come', () => {
  const cluster = new RaftCluster([1, 2, 3], {
    maxEntryBytesPerMessage: 1,
    maxInflightMessages: 4,
  });
  cluster.elect(1);
  cluster.partition([1, 2]);
  for (let i = 0; i < 10; i++) cluster.propose(1, `${i}`);
  const underWay = (): number => cluster.packets.filter(({ to }) => to === 2).length;
  expect(underWay()).toBe(4);
  cluster.deliver(({ to }) => to === 2);
  cluster.deliverAt(0);
  expect(underWay()).toBe(1);
  cluster.deliver();
  expect(cluster.applied(2)).toHaveLength(10);
});

test('lost requests are found missing by the next heartbeat and sent again', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.propose(1, 'a');
  cluster.drop();
  cluster.advance(1, HEARTBEAT_MS);
  cluster.deliver();
  expect(cluster.ids.map((id) => cluster.applied(id))).toEqual([['a'], ['a'], ['a']]);
});

test('lost answers are made good by the next heartbeat', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.propose(1, 'a');
  cluster.deliver(({ to }) => to !== 1);
  cluster.drop();
  expect(cluster.applied(1)).toEqual([]);
  cluster.advance(1, HEARTBEAT_MS);
  cluster.deliver();
  expect(cluster.ids.map((id) => cluster.applied(id))).toEqual([['a'], ['a'], ['a']]);
});

test('answers of an earlier term are not counted by a later leadership of the same node', () => {
  const cluster = new RaftCluster([1, 2, 3, 4, 5]);
  cluster.elect(1);
  // 2 confirms two entries of term 2, and the answers are held up.
  cluster.partition([1, 2]);
  cluster.propose(1, 'lost 1');
  cluster.propose(1, 'lost 2');
  cluster.deliver(({ to }) => to === 2);
  const stale = cluster.drop();
  const { lastIndex } = cluster.raft(2);
  expect(stale.at(-1)?.message).toMatchObject({ success: true, matchIndex: lastIndex });
  // 3 leads term 3 without them, and they are overwritten everywhere.
  cluster.partition([3, 4, 5]);
  cluster.elect(3, [4, 5]);
  cluster.heal();
  cluster.advance(3, HEARTBEAT_MS);
  cluster.deliver();
  expect(cluster.raft(1).lastIndex).toBe(lastIndex - 1);
  // 1 leads term 4. Its first entry stands where "lost 2" stood, on 1 and 3 only.
  for (const id of [2, 3, 4, 5]) cluster.advance(id, ELECTION_MS);
  cluster.advance(1, 2 * ELECTION_MS);
  cluster.deliver(({ message }) => message.kind !== 'AppendEntriesRequest');
  expect(cluster.raft(1)).toMatchObject({ role: 'leader', lastIndex });
  cluster.deliver(({ from, to }) => from + to === 4 && from * to === 3);
  expect(cluster.raft(3).lastIndex).toBe(lastIndex);

  // The interesting part: the answers of term 2 arrive. Two of five are no majority.
  for (const packet of stale) cluster.hand(packet);
  expect(cluster.raft(1).commitIndex).toBe(lastIndex - 1);
  cluster.deliver();
  expect(cluster.raft(1).commitIndex).toBe(lastIndex);
});

test('3.8: all restart at once, any number of times, and go on where they were', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  const expected: string[] = [];
  for (let life = 0; life < 5; life++) {
    cluster.elect((life % 3) + 1);
    const command = `in life ${life}`;
    expected.push(command);
    cluster.propose((life % 3) + 1, command);
    cluster.deliver();
    expect(cluster.ids.map((id) => cluster.applied(id))).toEqual([expected, expected, expected]);
    for (const id of cluster.ids) cluster.crash(id);
    for (const id of cluster.ids) cluster.restart(id);
    expect(cluster.raft(1).term).toBe(life + 2);
    expect(cluster.applied(1)).toEqual([]);
  }
});

test('a disk that fell behind a truncation never makes the old entries count', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  // 1, cut off, hands nine entries to a disk that does not answer.
  cluster.partition([1], [2, 3]);
  cluster.slowDisk(1);
  for (let i = 0; i < 9; i++) cluster.propose(1, `lost ${i}`);
  const written = cluster.unsyncedJobs(1);
  // The others go on, and 1 learns of it: its log is cut and shorter.
  cluster.elect(2);
  cluster.heal();
  cluster.advance(2, HEARTBEAT_MS);
  cluster.deliver();
  expect(cluster.raft(1).lastIndex).toBe(cluster.raft(2).lastIndex);
  // The disk catches up: first with the old entries, then with the cut and the new ones.
  cluster.sync(1, written);
  cluster.fastDisk(1);
  expect(cluster.disk(1).entries).toEqual(cluster.disk(2).entries);
  cluster.elect(1);
  // The interesting part: a new entry stands where an old one was durable once. Only 2 has it durably.
  cluster.partition([1, 2]);
  cluster.slowDisk(1);
  cluster.propose(1, 'new');
  cluster.deliver();
  expect(cluster.raft(2).lastIndex).toBe(cluster.raft(1).lastIndex);
  expect(cluster.raft(1).commitIndex).toBe(cluster.raft(1).lastIndex - 1);
});

test('two leaders of one term stop the node that sees both', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  const { term, lastIndex } = cluster.raft(1);
  const message = {
    kind: 'AppendEntriesRequest',
    term: term as Term,
    prevIndex: lastIndex,
    prevTerm: term,
    entries: [],
    commitIndex: lastIndex,
    round: 1,
  } as const;
  expect(() => cluster.hand({ from: 3, to: 2, message })).toThrow('a term has one leader');
  expect(() => cluster.hand({ from: 3, to: 1, message })).toThrow('a term has one leader');
});

test('6.4: a read waits for a heartbeat round that a majority answers', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.propose(1, 'a');
  cluster.deliver();
  cluster.with(1, (raft) => raft.readIndex(7));
  expect(cluster.readState(1, 7)).toBeUndefined();
  cluster.deliver();
  expect(cluster.readState(1, 7)).toBe(cluster.raft(1).commitIndex);
});

test('6.4: a deposed leader that does not know it yet serves no read', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  // Answers to earlier rounds are still on their way when 1 is cut off.
  cluster.advance(1, HEARTBEAT_MS);
  cluster.deliver(({ to }) => to !== 1);
  const late = cluster.drop();
  cluster.partition([1], [2, 3]);
  cluster.elect(2, [3]);
  cluster.propose(2, 'new');
  cluster.deliver();
  expect(cluster.raft(1).role).toBe('leader');
  cluster.with(1, (raft) => raft.readIndex(7));
  for (const packet of late) cluster.hand(packet);
  expect(cluster.readState(1, 7)).toBeUndefined();
});

test('6.4: what is answered to an earlier leadership of the same node confirms no read of this one', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  for (let round = 0; round < 20; round++) {
    cluster.advance(1, HEARTBEAT_MS);
    cluster.deliver();
  }
  cluster.advance(1, HEARTBEAT_MS);
  const old = cluster.drop();
  cluster.elect(2, [1, 3]);
  cluster.elect(1, [2, 3]);
  // Its answers are of the present term.
  for (const packet of old) cluster.hand(packet);
  cluster.deliver();
  cluster.partition([1], [2, 3]);
  cluster.elect(2, [3]);
  cluster.propose(2, 'new');
  cluster.deliver();
  expect(cluster.raft(1).role).toBe('leader');
  cluster.with(1, (raft) => raft.readIndex(7));
  expect(cluster.readState(1, 7)).toBeUndefined();
});

test('6.4: a new leader serves no read before it has committed an entry of its own term', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.propose(1, 'a');
  // "a" is committed, but only 1 knows.
  cluster.deliver(({ message }) => message.kind !== 'AppendEntriesResponse');
  cluster.deliver(({ from, to }) => from === 2 && to === 1);
  expect(cluster.applied(1)).toEqual(['a']);
  cluster.crash(1);
  cluster.drop();
  cluster.advance(3, ELECTION_MS);
  cluster.advance(2, 2 * ELECTION_MS);
  cluster.deliver(({ message }) => message.kind !== 'AppendEntriesRequest');
  expect(cluster.raft(2).role).toBe('leader');
  cluster.with(2, (raft) => raft.readIndex(7));
  expect(cluster.readState(2, 7)).toBeUndefined();
  cluster.deliver();
  expect(cluster.readState(2, 7)).toBe(cluster.raft(2).commitIndex);
  expect(cluster.applied(2)).toEqual(['a']);
});

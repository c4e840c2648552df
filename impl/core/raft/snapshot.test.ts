/** Compaction and snapshots in pieces. Sections are the thesis's (Ongaro, 2014). */
import { expect, test } from 'vitest';
import {
  ELECTION_MS,
  HEARTBEAT_MS,
  type Packet,
  RaftCluster,
} from '../../../properties/raft-cluster.ts';
import type { LogIndex, Term } from '../ids.ts';

const isPiece = ({ message }: Packet): boolean => message.kind === 'InstallSnapshotRequest';
const isPieceAnswer = ({ message }: Packet): boolean => message.kind === 'InstallSnapshotResponse';

/** Three nodes; 3 has missed everything and what it missed is compacted away. */
function lagging(): RaftCluster {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1, 2]);
  for (const command of ['alpha', 'beta', 'gamma', 'delta']) cluster.propose(1, command);
  cluster.deliver();
  cluster.compact(1);
  expect(cluster.raft(1).firstIndex).toBeGreaterThan(cluster.raft(3).lastIndex + 1);
  cluster.heal();
  return cluster;
}

test('5: a follower that needs compacted entries is sent the snapshot piece by piece, then the log', () => {
  const cluster = lagging();
  cluster.propose(1, 'epsilon');
  cluster.advance(1, HEARTBEAT_MS);
  let pieces = 0;
  while (cluster.packets.length > 0) {
    if (isPiece(cluster.packets[0]!)) pieces++;
    cluster.deliverAt(0);
  }
  expect(pieces).toBeGreaterThan(2);
  expect(cluster.applied(3)).toEqual(['alpha', 'beta', 'gamma', 'delta', 'epsilon']);
  expect(cluster.raft(3).firstIndex).toBe(cluster.raft(1).firstIndex);
  // And it is on its disk: a restart finds it.
  cluster.crash(3);
  cluster.restart(3);
  expect(cluster.applied(3)).toEqual(['alpha', 'beta', 'gamma', 'delta']);
});

test('pieces may be lost and come twice, and the transfer goes on where it was', () => {
  const cluster = lagging();
  let lose = 0;
  const offsets: number[] = [];
  for (let ms = 0; cluster.applied(3).length < 4; ms += HEARTBEAT_MS) {
    expect(ms).toBeLessThan(40 * HEARTBEAT_MS);
    cluster.advance(1, HEARTBEAT_MS);
    while (cluster.packets.length > 0) {
      const packet = cluster.packets[0]!;
      if (isPiece(packet) || isPieceAnswer(packet)) {
        if (packet.message.kind === 'InstallSnapshotRequest')
          offsets.push(packet.message.offsetBytes);
        // Every second is lost, and every other comes twice.
        if (lose++ % 2 === 0) {
          cluster.packets.shift();
          continue;
        }
        cluster.hand(packet);
      }
      cluster.deliverAt(0);
    }
  }
  expect(cluster.applied(3)).toEqual(cluster.applied(1));
  // It never began again from the first byte once a later piece was asked for.
  expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
});

test('a snapshot on its way holds up nobody else, and the follower is still heard', () => {
  const cluster = lagging();
  cluster.advance(1, HEARTBEAT_MS);
  cluster.drop(isPiece);
  for (let ms = 0; ms < 3 * ELECTION_MS; ms += HEARTBEAT_MS) {
    cluster.propose(1, `at ${ms}`);
    cluster.advance(1, HEARTBEAT_MS);
    cluster.deliver((packet) => !isPiece(packet));
  }
  expect(cluster.applied(2)).toEqual(cluster.applied(1));
  expect(cluster.raft(1).role).toBe('leader');
  cluster.deliver();
  expect(cluster.applied(3)).toEqual(cluster.applied(1));
});

test('a follower that dies in the middle begins again', () => {
  const cluster = lagging();
  cluster.advance(1, HEARTBEAT_MS);
  while (
    !cluster.packets.some(
      (packet) =>
        packet.message.kind === 'InstallSnapshotRequest' && packet.message.offsetBytes > 0,
    )
  ) {
    cluster.deliverAt(0);
  }
  cluster.crash(3);
  cluster.restart(3);
  cluster.drop();
  for (let beats = 0; beats < 10; beats++) {
    cluster.advance(1, HEARTBEAT_MS);
    cluster.deliver();
  }
  expect(cluster.applied(3)).toEqual(cluster.applied(1));
});

test('pieces of two leaders never mix, for two nodes may write one state in different bytes', () => {
  const cluster = lagging();
  const piece = (term: number, offsetBytes: number, text: string): Packet => ({
    from: term - 1,
    to: 3,
    message: {
      kind: 'InstallSnapshotRequest',
      term: term as Term,
      snapshotIndex: 5 as LogIndex,
      snapshotTerm: 2 as Term,
      membership: cluster.raft(1).membership,
      sizeBytes: 4,
      offsetBytes,
      chunk: Uint8Array.from(text, (letter) => letter.charCodeAt(0)),
      round: 1,
    },
  });
  cluster.hand(piece(2, 0, 'AB'));
  cluster.hand(piece(3, 2, 'cd'));
  expect(cluster.applied(3)).toEqual([]);
  cluster.hand(piece(3, 0, 'ab'));
  cluster.hand(piece(3, 2, 'cd'));
  expect(cluster.applied(3)).toEqual(['abcd']);
});

test('a snapshot older than what is committed changes nothing', () => {
  const cluster = lagging();
  const old = cluster.disk(1).snapshot!;
  for (let beats = 0; beats < 3; beats++) {
    cluster.advance(1, HEARTBEAT_MS);
    cluster.deliver();
  }
  cluster.propose(1, 'epsilon');
  cluster.deliver();
  const { commitIndex, lastIndex, firstIndex } = cluster.raft(3);
  expect(commitIndex).toBeGreaterThan(old.index);
  cluster.hand({
    from: 1,
    to: 3,
    message: {
      kind: 'InstallSnapshotRequest',
      term: cluster.raft(1).term,
      snapshotIndex: (old.index - 1) as LogIndex,
      snapshotTerm: old.term,
      membership: old.membership,
      sizeBytes: 0,
      offsetBytes: 0,
      chunk: new Uint8Array(0),
      round: 0,
    },
  });
  expect(cluster.raft(3)).toMatchObject({ commitIndex, lastIndex, firstIndex });
  expect(cluster.packets.map(({ message }) => message)).toMatchObject([{ installed: true }]);
});

test('7 of the paper: a snapshot that describes a prefix of the log keeps what follows it', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.partition([1, 3]);
  // 3 holds four entries of which it does not know yet that they are committed.
  for (const command of ['alpha', 'beta', 'gamma', 'delta']) cluster.propose(1, command);
  cluster.deliver(({ to }) => to === 3);
  const { lastIndex, commitIndex, term } = cluster.raft(3);
  expect(commitIndex).toBeLessThan(lastIndex - 3);
  cluster.deliver(({ from }) => from === 3);
  cluster.drop();
  cluster.hand({
    from: 1,
    to: 3,
    message: {
      kind: 'InstallSnapshotRequest',
      term,
      snapshotIndex: (lastIndex - 1) as LogIndex,
      snapshotTerm: term,
      membership: cluster.raft(1).membership,
      sizeBytes: 1000,
      offsetBytes: 0,
      chunk: new Uint8Array(8),
      round: 0,
    },
  });
  expect(cluster.raft(3).lastIndex).toBe(lastIndex);
  expect(cluster.raft(3).commitIndex).toBe(lastIndex - 1);
  expect(cluster.applied(3)).toEqual(['alpha', 'beta', 'gamma']);
});

test('a snapshot replaces a log that disagrees with it', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(3);
  cluster.partition([3], [1, 2]);
  for (let i = 0; i < 9; i++) cluster.propose(3, `lost ${i}`);
  cluster.elect(1);
  cluster.propose(1, 'kept');
  cluster.deliver();
  cluster.compact(1);
  cluster.heal();
  for (let beats = 0; beats < 5; beats++) {
    cluster.advance(1, HEARTBEAT_MS);
    cluster.deliver();
  }
  expect(cluster.applied(3)).toEqual(['kept']);
  expect(cluster.raft(3).lastIndex).toBe(cluster.raft(1).lastIndex);
  expect(cluster.disk(3).entries).toEqual([]);
});

test('a node that restarts from its snapshot leads and replicates', () => {
  const cluster = lagging();
  for (const id of cluster.ids) cluster.crash(id);
  for (const id of cluster.ids) cluster.restart(id);
  cluster.elect(1);
  for (let beats = 0; beats < 5; beats++) {
    cluster.advance(1, HEARTBEAT_MS);
    cluster.deliver();
  }
  cluster.propose(1, 'epsilon');
  cluster.deliver();
  const all = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];
  expect(cluster.ids.map((id) => cluster.applied(id))).toEqual([all, all, all]);
});

test('only what was applied can be compacted', () => {
  const cluster = new RaftCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.propose(1, 'a');
  const raft = cluster.raft(1);
  expect(() => raft.snapshotAt(raft.lastIndex, new Uint8Array(0))).toThrow('only what was applied');
});

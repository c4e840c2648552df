/** An owner: what it takes, what it tells, and how it ends its segment. */
import { expect, test } from 'vitest';
import type { Epoch, Offset, SegmentId } from '../ids.ts';
import {
  Bench,
  BOOT,
  EPOCH,
  MAX_ENTRIES,
  OTHER,
  records,
  SELF,
  THIRD,
  TOPIC,
} from './data-plane.test-support.ts';
import { RETRY_MS } from './ports.ts';

/** An owner whose other replicas have nothing yet. */
function owner(): Bench {
  const bench = new Bench({ quickReads: true });
  bench.own();
  return bench;
}

test('a record is safe when a majority has it durably, and its client hears so then', () => {
  const bench = owner();
  const { taken, heard } = bench.append(0);
  expect(taken).toBe(0);
  bench.flush();
  expect(bench.sent('Replicate')).toMatchObject([
    { to: 2, from: 0, records: records(0, 1), highWatermark: 0 },
    { to: 3, from: 0, records: records(0, 1), highWatermark: 0 },
  ]);
  bench.ack(OTHER, 1);
  // Of three replicas one has it durably; the owner itself has it in memory only.
  expect(heard).toEqual([]);
  bench.sync();
  expect(heard).toEqual(['committed']);
  expect(bench.readable).toBe(1);
});

test('two others are a majority as well, and the owner may be the last', () => {
  const bench = owner();
  const { heard } = bench.append(0);
  bench.ack(OTHER, 1);
  bench.ack(THIRD, 1);
  expect(heard).toEqual(['committed']);
});

test('an answer about records that are not there counts no further than to the end', () => {
  const bench = owner();
  bench.append(0);
  bench.ack(OTHER, 9);
  bench.ack(THIRD, 9);
  expect(bench.dataPlane.owner.writer(TOPIC)).toMatchObject({ highWatermark: 1 });
});

test('why a record is not taken', () => {
  const bench = new Bench();
  expect(bench.append(0).taken).toBe('NotOwner');
  bench.own();
  bench.leaseValid = false;
  expect(bench.append(0).taken).toBe('LeaseExpired');
  bench.leaseValid = true;
  bench.room = 'busy';
  expect(bench.append(0).taken).toBe('Overloaded');
  bench.room = 'yes';
  bench.hear(THIRD, 'PromiseRequest', { epoch: (EPOCH + 1) as Epoch });
  expect(bench.append(0).taken).toBe('Fenced');
});

test('a full segment takes no more, and is ended at what all of it comes to, once that is safe', () => {
  const bench = owner();
  for (let i = 0; i < MAX_ENTRIES; i++) bench.append(i);
  expect(bench.append(0).taken).toBe('SegmentSealing');
  bench.flush();
  bench.sync();
  expect(bench.proposed).toEqual([]);
  bench.ack(OTHER, MAX_ENTRIES - 1);
  expect(bench.proposed).toEqual([]);
  bench.ack(OTHER, MAX_ENTRIES);
  expect(bench.proposed).toMatchObject([
    {
      kind: 'SealSegment',
      topic: TOPIC,
      segment: 1,
      epoch: EPOCH,
      count: MAX_ENTRIES,
      nextOwner: 2,
    },
  ]);
});

test('an end that the log does not bring back is proposed again, but not at every occasion', () => {
  const bench = owner();
  bench.dataPlane.owner.rollOver(true);
  expect(bench.proposed).toHaveLength(1);
  bench.passes(RETRY_MS);
  expect(bench.proposed).toHaveLength(1);
  for (let i = 0; i < 4; i++) bench.passes(RETRY_MS);
  expect(bench.proposed).toHaveLength(2);
});

test('when the segment ends those below its end are safe, the others are lost', () => {
  const bench = owner();
  const [first, second] = [bench.append(0), bench.append(1)];
  bench.flush();
  bench.learn({ state: 'sealed', count: 1 }, { epoch: 7 as Epoch });
  expect([first.heard, second.heard]).toEqual([['committed'], ['lost']]);
  expect(bench.append(2).taken).toBe('NotOwner');
});

test.each([
  ['ended without a record', 0, 'lost'],
  ['may have been trimmed with it', 1, 'unknown'],
])('a segment that a snapshot has nothing of %s', (_, start, told) => {
  const bench = owner();
  const { heard } = bench.append(0);
  bench.flush();
  const now = { id: 2 as SegmentId, epoch: 7 as Epoch, baseOffset: start as Offset };
  bench.learn(now);
  expect(heard).toEqual([told]);
});

test('an owner that was fenced counts nothing more, and says nothing before the segment is ended', () => {
  const bench = owner();
  const { heard } = bench.append(0);
  bench.flush();
  bench.sync();
  bench.learn({ state: 'fenced', epoch: 6 as Epoch, owner: OTHER.node });
  bench.ack(OTHER, 1);
  expect(heard).toEqual([]);
  expect(bench.append(1).taken).toBe('SegmentSealing');
  bench.learn({ state: 'sealed', count: 0 }, { epoch: 7 as Epoch });
  expect(heard).toEqual(['lost']);
});

test('a replica that refuses an owner stops it at once', () => {
  const bench = owner();
  bench.hear(OTHER, 'Refuse', { epoch: 4 as Epoch, promised: 9 as Epoch });
  expect(bench.append(0).taken).toBe(0);
  bench.hear(OTHER, 'Refuse', { epoch: EPOCH, promised: 9 as Epoch });
  expect(bench.append(1).taken).toBe('SegmentSealing');
});

test('where most of the others are full nothing can become safe, and the segment goes elsewhere if it can', () => {
  const bench = owner();
  bench.full.add(2);
  expect(bench.append(0).taken).toBe(0);
  bench.full.add(3);
  expect(bench.append(1).taken).toBe('NoSpace');
});

test('an owner whose own disk is full ends the segment, if the next one finds room', () => {
  const bench = owner();
  bench.room = 'full';
  expect(bench.append(0).taken).toBe('SegmentSealing');
  expect(bench.proposed).toMatchObject([{ kind: 'SealSegment', count: 0 }]);
  const stuck = owner();
  stuck.room = 'full';
  stuck.full.add(2);
  expect(stuck.append(0).taken).toBe('NoSpace');
  expect(stuck.proposed).toEqual([]);
});

test('a batch that names another offset than the next one is refused, and nothing of it is taken', () => {
  const bench = owner();
  expect(bench.appendBatch(2)).toBe(0);
  const put = (expected: number): number | string =>
    bench.dataPlane.owner.appendBatch(
      TOPIC,
      [Uint8Array.of(0)],
      { node: SELF.node, boot: BOOT, sequence: 9 },
      () => {},
      expected as Offset,
    );
  expect(put(1)).toBe('OffsetMismatch');
  expect(put(3)).toBe('OffsetMismatch');
  expect(put(2)).toBe(2);
});

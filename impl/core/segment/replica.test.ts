import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Epoch, SegmentId, TopicId } from '../ids.ts';
import { encodeEpoch, parseStreamName, promiseKey, Replica, streamName } from './replica.ts';

test('the name of a stream says whose it is', () => {
  const id = fc.integer({ min: 1, max: 2 ** 31 });
  fc.assert(
    fc.property(id, id, (of, at) => {
      const [topic, segment] = [of as TopicId, at as SegmentId];
      expect(parseStreamName(streamName(topic, segment))).toEqual({ topic, segment });
    }),
  );
});

test('other streams are no segments', () => {
  for (const name of [
    'raft',
    'segment/',
    'segment/x/1',
    'segments/1/2',
    ' segment/1/2',
    'segment/1/2/3',
  ]) {
    expect(parseStreamName(name)).toBeUndefined();
  }
});

test('a copy begins with what the store kept: its end, which is durable, and its promise', () => {
  const epoch = (2 ** 40 + 1) as Epoch;
  const kept = new Map([[promiseKey(4 as TopicId, 3 as SegmentId), encodeEpoch(epoch)]]);
  const store = {
    stream: () => 7,
    end: () => 4,
    get: (key: string) => kept.get(key),
  } as never;
  expect(new Replica(store, 4 as TopicId, 3 as SegmentId)).toMatchObject({
    end: 4,
    durableEnd: 4,
    promised: epoch,
    durablePromise: epoch,
    highWatermark: 0,
  });
  expect(new Replica(store, 4 as TopicId, 4 as SegmentId).promised).toBe(0);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Epoch, SegmentId } from '../ids.ts';
import { encodeEpoch, parseStreamName, promiseKey, Replica, streamName } from './replica.ts';

test('the name of a stream says whose it is, whatever the topic is called', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.integer({ min: 1, max: 2 ** 31 }),
      (topic, id) => {
        const segment = id as SegmentId;
        expect(parseStreamName(streamName(topic, segment))).toEqual({ topic, segment });
      },
    ),
    { examples: [['a\nb', 1]] },
  );
});

test('other streams are no segments', () => {
  for (const name of ['raft', 'segment/', 'segment/x/t', 'segments/1/t', ' segment/1/t']) {
    expect(parseStreamName(name)).toBeUndefined();
  }
});

test('a copy begins with what the store kept: its end, which is durable, and its promise', () => {
  const epoch = (2 ** 40 + 1) as Epoch;
  const kept = new Map([[promiseKey('t', 3 as SegmentId), encodeEpoch(epoch)]]);
  const store = {
    stream: () => 7,
    end: () => 4,
    get: (key: string) => kept.get(key),
  } as never;
  expect(new Replica(store, 't', 3 as SegmentId)).toMatchObject({
    end: 4,
    durableEnd: 4,
    promised: epoch,
    durablePromise: epoch,
    highWatermark: 0,
  });
  expect(new Replica(store, 't', 4 as SegmentId).promised).toBe(0);
});

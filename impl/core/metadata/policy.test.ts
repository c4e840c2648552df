import { expect, test } from 'vitest';
import { NO_POLICY, segmentLimits, type TopicPolicy } from './policy.ts';

test('segments are an eighth of what is kept, unless the policy or the node says otherwise', () => {
  const limits = (policy: Partial<TopicPolicy>): ReturnType<typeof segmentLimits> =>
    segmentLimits({ ...NO_POLICY, ...policy }, 1000);
  expect(limits({})).toEqual({ entries: 1000, bytes: Infinity, ageMs: Infinity });
  expect(limits({ retentionBytes: 801, retentionMs: 80 })).toEqual({
    entries: 1000,
    bytes: 101,
    ageMs: 10,
  });
  const own = { segmentEntries: 5, segmentBytes: 6, segmentMs: 7 };
  expect(limits({ retentionBytes: 8, ...own })).toEqual({ entries: 5, bytes: 6, ageMs: 7 });
  expect(limits({ segmentEntries: 5000 }).entries).toBe(1000);
});

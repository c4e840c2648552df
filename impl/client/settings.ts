/** The policy of a topic as people write it: `retention.bytes=100000000 segment.ms=60000`. What it means: impl/core/metadata/policy.ts. */
import { WalrusError } from '../core/errors.ts';

/** What a topic keeps, and when it begins a new segment. A limit of 0 is none. */
export interface TopicPolicy {
  readonly retentionBytes: number;
  readonly retentionMs: number;
  readonly retentionConsumed: boolean;
  readonly segmentEntries: number;
  readonly segmentBytes: number;
  readonly segmentMs: number;
}

const NAMES: Readonly<Record<keyof TopicPolicy, string>> = {
  retentionBytes: 'retention.bytes',
  retentionMs: 'retention.ms',
  retentionConsumed: 'retention.consumed',
  segmentEntries: 'segment.entries',
  segmentBytes: 'segment.bytes',
  segmentMs: 'segment.ms',
};
const KEYS = new Map(Object.entries(NAMES).map(([key, name]) => [name, key as keyof TopicPolicy]));

/** Throws `InvalidArgument` for a word that is no setting. */
export function parseSettings(words: readonly string[]): Partial<TopicPolicy> {
  const policy: Partial<Record<keyof TopicPolicy, number | boolean>> = {};
  for (const word of words) {
    const [, name, value] = /^([a-z.]+)=(.*)$/.exec(word) ?? [];
    const key = KEYS.get(name ?? '');
    if (key === undefined)
      throw invalid(word, `NAME=VALUE with one of ${[...KEYS.keys()].join(', ')}`);
    if (key === 'retentionConsumed') {
      if (value !== 'true' && value !== 'false') throw invalid(word, 'true or false');
      policy[key] = value === 'true';
    } else {
      if (!/^\d{1,15}$/.test(value!)) throw invalid(word, 'a whole number, 0 for no limit');
      policy[key] = Number(value);
    }
  }
  return policy as Partial<TopicPolicy>;
}

export function formatSettings(policy: Partial<TopicPolicy>): string {
  return Object.entries(policy)
    .map(([key, value]) => `${NAMES[key as keyof TopicPolicy]}=${value}`)
    .join(' ');
}

/** For `STATE`: the same names, with the values as they are. */
export function namedSettings(policy: TopicPolicy): Readonly<Record<string, number | boolean>> {
  const named = Object.entries(policy).map(([key, value]) => [
    NAMES[key as keyof TopicPolicy],
    value,
  ]);
  return Object.fromEntries(named);
}

function invalid(word: string, expected: string): WalrusError {
  return new WalrusError('InvalidArgument', `not a setting: ${word}; expected ${expected}`);
}

import { expect, test } from 'vitest';
import { WalrusError } from '../core/errors.ts';
import { shown, told } from './grammar.ts';
import { printable } from './printable.ts';

test('what moves the cursor or turns the line is shown by its number; all else as it is', () => {
  expect(printable('a\u001b[2J\n\u009b1m\u202eb\u007f')).toBe(
    'a\\u001b[2J\\u000a\\u009b1m\\u202eb\\u007f',
  );
  expect(printable('naïve 日本 🦭 "x"')).toBe('naïve 日本 🦭 "x"');
});

test('names of topics are shown so, in answers, lists and errors', () => {
  const topic = 'x\u001b]0;y';
  const seen = [
    shown({ kind: 'register', topic }, 'OK'),
    shown({ kind: 'put', topic, payload: Buffer.from('z') }, 'OK'),
    shown({ kind: 'delete', topic }, 'OK'),
    shown(
      { kind: 'topics' },
      JSON.stringify({
        count: 1,
        topics: [{ topic, owner: 1, segments: 1, records: 1, deleting: false }],
      }),
    ),
    told(new WalrusError('UnknownTopic', `unknown topic ${topic}`), { kind: 'get', topic }),
  ];
  for (const text of seen) expect(text).toContain('x\\u001b]0;y');
});

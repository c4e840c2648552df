import { expect, test } from 'vitest';
import { ERRORS, type ErrorCode } from '../errors.ts';
import { errorReply, isRefusal } from './operations.ts';

const refusals = (Object.keys(ERRORS) as ErrorCode[]).filter((code) =>
  isRefusal(errorReply(code, '')),
);

test('a refusal says that nothing was done and that it may be asked again', () => {
  for (const code of refusals)
    expect(ERRORS[code]).toMatchObject({ retriable: true, committed: 'no' });
  expect(refusals).toEqual(expect.arrayContaining(['NotOwner', 'LeaseExpired', 'Overloaded']));
  expect(isRefusal({ kind: 'empty' })).toBe(false);
});

test('a time that is up, and a full disk of all, do not pass while one waits', () => {
  expect(refusals).not.toContain('Expired');
  expect(refusals).not.toContain('NoSpace');
});

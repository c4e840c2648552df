import { expect, test } from 'vitest';
import type { BootId } from '../core/ids.ts';
import { hasKept, type Life } from './lives.ts';

const [first, second, third, strange] = [11, 12, 13, 99] as BootId[];

function lives(...openings: readonly (readonly [BootId, number])[]): Life[] {
  return openings.map(([boot, openedLsn]) => ({ boot, openedLsn }));
}

test('what the present life has, it has', () => {
  expect(hasKept(lives([first!, 0]), { boot: first!, lsn: 500 })).toBe(true);
});

test('a crash keeps what was durable, and may keep more', () => {
  const disk = lives([first!, 0], [second!, 520]);
  expect(hasKept(disk, { boot: first!, lsn: 500 })).toBe(true);
  expect(hasKept(disk, { boot: first!, lsn: 520 })).toBe(true);
});

test('a tail that was lost shows where the next life opened', () => {
  const disk = lives([first!, 0], [second!, 480]);
  expect(hasKept(disk, { boot: first!, lsn: 500 })).toBe(false);
  expect(hasKept(disk, { boot: first!, lsn: 480 })).toBe(true);
});

test('what was lost is not had again because later lives wrote more', () => {
  const disk = lives([first!, 0], [second!, 480], [third!, 900]);
  expect(hasKept(disk, { boot: first!, lsn: 500 })).toBe(false);
  expect(hasKept(disk, { boot: second!, lsn: 900 })).toBe(true);
});

test('an older copy of the disk does not know of the life that wrote last', () => {
  const disk = lives([first!, 0], [third!, 480]);
  expect(hasKept(disk, { boot: second!, lsn: 700 })).toBe(false);
  expect(hasKept(disk, { boot: first!, lsn: 470 })).toBe(true);
});

test('of a life that is not on the list any more, the oldest one that is tells', () => {
  const disk = lives([second!, 1000], [third!, 1200]);
  expect(hasKept(disk, { boot: strange!, lsn: 900 })).toBe(true);
  expect(hasKept(disk, { boot: strange!, lsn: 1100 })).toBe(false);
});

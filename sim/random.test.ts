import { expect, test } from 'vitest';
import { Randomness } from './random.ts';

const draws = (randomness: Randomness, name: string): number[] =>
  Array.from({ length: 20 }, () => randomness.stream(name).unit());

test('a stream is told by seed and name, whatever other streams do', () => {
  const one = new Randomness('1');
  const other = new Randomness('1');
  draws(other, 'network');
  expect(draws(one, 'disk')).toEqual(draws(other, 'disk'));
  expect(draws(new Randomness('2'), 'disk')).not.toEqual(draws(new Randomness('1'), 'disk'));
});

test('a recorded draw can be played with another value, and the rest stays', () => {
  const recorded = new Randomness('1', {}, true);
  const first = draws(recorded, 'disk');
  expect(recorded.drawn().get('disk')).toEqual(first);
  const second = draws(new Randomness('1', { disk: { 3: 0.5 } }), 'disk');
  expect(second).toEqual(first.with(3, 0.5));
});

test('an exponential draw has the mean that was asked for', () => {
  const random = new Randomness('1').stream('latency');
  let sum = 0;
  for (let i = 0; i < 100_000; i++) sum += random.exponential(10);
  expect(Math.abs(sum / 100_000 - 10)).toBeLessThan(0.2);
});

test('a shuffle loses nothing', () => {
  const items = [1, 2, 3, 4, 5, 6, 7, 8];
  const shuffled = new Randomness('1').stream('swarm').shuffle(items);
  expect(shuffled).not.toEqual(items);
  expect([...shuffled].sort()).toEqual(items);
});

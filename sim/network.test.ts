import { expect, test } from 'vitest';
import { VirtualTime } from './clock.ts';
import { type NetworkOptions, SimNetwork } from './network.ts';
import { Randomness } from './random.ts';

const CALM: NetworkOptions = {
  latencyMinMs: 1,
  latencyMeanMs: 5,
  spikeProbability: 0,
  lossProbability: 0,
  duplicateProbability: 0,
  inOrder: false,
  linkCapacity: 10_000,
};

interface World {
  readonly time: VirtualTime;
  readonly network: SimNetwork<number>;
  readonly heard: { readonly to: number; readonly message: number; readonly atMs: number }[];
  run(): void;
}

function world(options: Partial<NetworkOptions>): World {
  const time = new VirtualTime();
  const heard: World['heard'] = [];
  const network = new SimNetwork<number>(
    { ...CALM, ...options },
    time,
    new Randomness('network'),
    (_, to, message) => heard.push({ to, message, atMs: time.nowMs }),
  );
  const run = (): void => {
    while (time.pending > 0) time.step();
  };
  return { time, network, heard, run };
}

function sendMany({ network, run }: World, count: number): void {
  for (let i = 0; i < count; i++) network.send(1, 2, i);
  run();
}

const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

test('without faults everything arrives once, and not before the least latency', () => {
  const it = world({});
  sendMany(it, 1000);
  const messages = it.heard.map(({ message }) => message);
  expect(ascending(messages)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  expect(Math.min(...it.heard.map(({ atMs }) => atMs))).toBeGreaterThanOrEqual(1);
});

test('messages overtake each other, unless the link keeps their order', () => {
  const free = world({});
  sendMany(free, 100);
  const messages = free.heard.map(({ message }) => message);
  expect(messages).not.toEqual(ascending(messages));
  const ordered = world({ inOrder: true });
  sendMany(ordered, 100);
  expect(ordered.heard.map(({ message }) => message)).toEqual(ascending(messages));
});

test('losses and repetitions are counted, and about as many as asked for', () => {
  const it = world({ lossProbability: 0.2, duplicateProbability: 0.1 });
  sendMany(it, 10_000);
  const { lost, duplicated } = it.network.counts;
  expect(it.heard.length).toBe(10_000 - lost + duplicated);
  expect(Math.abs(lost - 2000)).toBeLessThan(300);
  expect(Math.abs(duplicated - 800)).toBeLessThan(200);
});

test('a cut link loses what is sent and what is under way, in its direction only', () => {
  const it = world({});
  it.network.send(1, 2, 1);
  it.network.cut(1, 2);
  it.network.send(1, 2, 2);
  it.network.send(2, 1, 3);
  it.run();
  it.network.mend(1, 2);
  it.network.send(1, 2, 4);
  it.run();
  expect(it.heard.map(({ message }) => message)).toEqual([3, 4]);
  expect(it.network.counts.cut).toBe(2);
});

test('a clogged link holds back and loses nothing', () => {
  const it = world({});
  it.network.send(1, 2, 1);
  it.network.clog(1, 2, 100.0004);
  it.network.send(1, 2, 2);
  it.run();
  expect(it.heard.length).toBe(2);
  for (const { atMs } of it.heard) expect(atMs).toBeGreaterThanOrEqual(100);
});

test('a link carries no more than its capacity', () => {
  const it = world({ linkCapacity: 3 });
  sendMany(it, 10);
  expect(it.heard.length).toBe(3);
  expect(it.network.counts.overflowed).toBe(7);
});

test('healing ends losses, cuts and clogs', () => {
  const it = world({ lossProbability: 1 });
  it.network.cut(1, 2);
  it.network.clog(1, 2, 1e6);
  it.network.heal();
  sendMany(it, 10);
  expect(it.heard.length).toBe(10);
  expect(it.time.nowMs).toBeLessThan(1000);
});

test('a network that is healed is no slower than it may be, and one that is swift stays as it was', () => {
  const meanMs = (network: Partial<NetworkOptions>, latencyMeanMaxMs: number): number => {
    const it = world(network);
    it.network.heal(latencyMeanMaxMs);
    sendMany(it, 10_000);
    return it.heard.reduce((sum, { atMs }) => sum + atMs, 0) / it.heard.length - 1;
  };
  expect(meanMs({ latencyMeanMs: 50 }, 15)).toBeCloseTo(15, 0);
  expect(meanMs({ latencyMeanMs: 10 }, 15)).toBeCloseTo(10, 0);
});

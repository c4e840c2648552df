import { expect, test } from 'vitest';
import { VirtualTime } from '../../sim/clock.ts';
import { SimDisk } from '../../sim/disk.ts';
import { Randomness, type RandomStream } from '../../sim/random.ts';
import { ByteWriter } from '../core/codec.ts';
import type { WalrusError } from '../core/errors.ts';
import { type BootId, drawId, type LogIndex, nodeId, type Term } from '../core/ids.ts';
import { crc32c } from '../core/storage/crc32c.ts';
import { Store } from '../core/storage/store.ts';
import type { Amnesia } from './amnesia.ts';
import type { Identity } from './identity.ts';
import { type Recovered, Startup, type StartupConfig } from './startup.ts';

const CONFIG: StartupConfig = {
  id: nodeId(1),
  bootstrap: true,
  foundAfterMs: 3000,
  raftAddress: 'one:6001',
};

type Outcome = Recovered | Amnesia | WalrusError;

/** A machine with one disk, on which one node after the other starts. */
class Machine {
  private readonly time = new VirtualTime();
  private readonly random = new Randomness('startup');
  readonly disk = new SimDisk({
    random: this.random.stream('disk'),
    schedule: (delayMs, task) => this.time.after(delayMs, task),
  });
  private starts = 0;

  after(delayMs: number, task: () => void): void {
    this.time.after(delayMs, task);
  }

  /** What comes of a start; undefined if the power fails after `steps` events. After `knownAtMs` the number is known to somebody. */
  start(config = CONFIG, steps = Infinity, knownAtMs?: number): Outcome | undefined {
    let outcome: Outcome | undefined;
    const told = (what: Outcome): void => {
      expect(outcome, 'told once').toBeUndefined();
      outcome = what;
    };
    const random = this.random.stream(`start/${this.starts++}`);
    const store = this.newStore(random, () => startup.completed(), told);
    const amnesiac = (_: Identity, amnesia: Amnesia): void => told(amnesia);
    const startup = new Startup(config, {
      ...{ random, store, recovered: told, amnesiac, failed: told },
      nowMs: () => this.time.nowMs,
    });
    startup.begin(drawId(random) as BootId);
    if (knownAtMs !== undefined) this.time.after(knownAtMs, () => startup.known());
    let isOver = false;
    const wake = (): void => {
      if (isOver) return;
      if (startup.deadlineMs() < Infinity) startup.tick();
      this.time.after(50, wake);
    };
    wake();
    for (let step = 0; outcome === undefined && step < steps; step++) this.time.step();
    isOver = true;
    this.disk.powerLoss();
    return outcome;
  }

  /** An earlier version leaves this behind on an empty disk. */
  leave(key: string, value: Uint8Array): void {
    let isOpen = false;
    const store = this.newStore(
      this.random.stream('earlier'),
      () => {},
      (error) => expect.fail(error.message),
    );
    store.open(() => {
      isOpen = true;
    });
    while (!isOpen) this.time.step();
    store.put(key, value);
    const lsn = store.commit();
    while (store.durableLsn < lsn) this.time.step();
    this.disk.powerLoss();
  }

  private newStore(
    random: RandomStream,
    completed: () => void,
    failed: (error: WalrusError) => void,
  ): Store {
    const disk = this.disk.start((completions) => {
      store.complete(completions);
      completed();
    });
    const store = new Store(disk, {
      checksum: crc32c,
      random,
      fileBytes: 65_536,
      batchBytes: 16_384,
      checkpointBytes: 65_536,
      syncOnCommit: true,
      onProgress: () => {},
      onFailed: failed,
    });
    return store;
  }
}

const identityOf = (outcome: ReturnType<Machine['start']>) => (outcome as Recovered).identity;

test('on an empty disk a node founds a cluster of itself, or waits to be added to one', () => {
  const { identity, restored } = new Machine().start() as Recovered;
  expect(identity.node).toBe(1);
  expect(restored).toMatchObject({ term: 1, vote: 0, entries: [] });
  const self = { id: 1, incarnation: identity.incarnation, address: 'one:6001', learner: false };
  expect(restored.snapshot!.membership).toEqual([self]);
  const waiting = new Machine().start({ ...CONFIG, bootstrap: false }) as Recovered;
  expect(waiting.restored).toMatchObject({ term: 0, vote: 0, snapshot: undefined, entries: [] });
});

test('a founder founds nothing if it hears that its number is known', () => {
  const isTold = new Machine().start(CONFIG, Infinity, 2999) as Recovered;
  expect(isTold.restored).toMatchObject({ term: 0, snapshot: undefined });
  const isToldTooLate = new Machine().start(CONFIG, Infinity, 3200) as Recovered;
  expect(isToldTooLate.restored.snapshot!.membership).toHaveLength(1);
});

test('nobody hears who a node is before that is durable, whenever the power fails', () => {
  for (let steps = 1; ; steps++) {
    const machine = new Machine();
    const first = machine.start(CONFIG, steps);
    const second = identityOf(machine.start());
    if (first === undefined) continue;
    expect(identityOf(first)).toEqual(second);
    break;
  }
});

test('a node is the same at each start, and what Raft has made durable comes back', () => {
  const machine = new Machine();
  const first = machine.start() as Recovered;
  const second = machine.start({ ...CONFIG, bootstrap: false }) as Recovered;
  expect(second.identity).toEqual(first.identity);
  expect(second.restored).toEqual(first.restored);
  expect(second.restored.snapshot).toMatchObject({ index: 1 as LogIndex, term: 1 as Term });
});

test('a node that starts on a full disk waits for room, and is the one that it then says it is', () => {
  for (const capacityBytes of [0, 20_000, 100_000, 150_000, 200_000, 300_000]) {
    const machine = new Machine();
    machine.disk.faults.capacityBytes = capacityBytes;
    machine.after(5_000, () => {
      machine.disk.faults.capacityBytes = Infinity;
    });
    const first = identityOf(machine.start());
    expect(identityOf(machine.start())).toEqual(first);
  }
});

test('the directory of another node is refused', () => {
  const machine = new Machine();
  machine.start();
  const refused = machine.start({ ...CONFIG, id: nodeId(2) });
  expect(refused).toMatchObject({ code: 'InvalidArgument' });
  expect((refused as WalrusError).message).toContain("node 1's, not 2's");
});

test('a directory of an earlier format is refused, with what can be done', () => {
  const machine = new Machine();
  machine.leave('node/identity', new ByteWriter().whole(1).whole(77).finish());
  const refused = machine.start() as WalrusError;
  expect(refused.code).toBe('UnsupportedVersion');
  expect(refused.message).toContain('see "Upgrading" in the README');
});

test('a directory of a later format is refused', () => {
  const machine = new Machine();
  machine.leave('node/identity', new ByteWriter().whole(1).whole(77).whole(9).finish());
  const refused = machine.start() as WalrusError;
  expect(refused.code).toBe('UnsupportedVersion');
  expect(refused.message).toContain('of format 9, written by a newer version');
});

test('each start is a life of the disk, and none of them is heard of before it is on the list', () => {
  const machine = new Machine();
  const livesOf = (outcome: ReturnType<Machine['start']>) => (outcome as Recovered).lives;
  const first = livesOf(machine.start());
  expect(first).toMatchObject([{ openedLsn: 0 }]);
  machine.start(CONFIG, 8);
  const later = livesOf(machine.start());
  expect(later[0]).toEqual(first[0]);
  expect(later.length).toBeGreaterThan(1);
  const opened = later.map(({ openedLsn }) => openedLsn);
  expect(opened).toEqual([...opened].sort((a, b) => a - b));
  expect(new Set(later.map(({ boot }) => boot)).size).toBe(later.length);
});

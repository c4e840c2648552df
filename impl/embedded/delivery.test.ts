/**
 * What a consumer gets over a crash, on a simulated disk: the process dies at every moment there is, before and after each
 * request to the disk and in every turn of the event loop, with what it has just asked the disk for done, or not, or in part.
 * What was given out before and what the next process begins with must fit, whatever the moment.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { bytes, range } from '../../properties/conformance/log-world.ts';
import { VirtualTime } from '../../sim/clock.ts';
import { SimDisk } from '../../sim/disk.ts';
import { Randomness } from '../../sim/random.ts';
import { crc32c } from '../core/storage/crc32c.ts';
import type { Disk, DiskCompletions } from '../ports/disk.ts';
import type { OpenedDisk } from '../runtime/open-disk.ts';
import { type Entry, FsyncSchedule, ReadConsistency, Walrus } from './walrus.ts';

let world: Machine;
vi.mock('../runtime/open-disk.ts', () => ({
  openDisk: (_directory: string, _choice: string, deliver: DiskCompletions) => world.open(deliver),
}));

const ARENA = new Uint8Array(2 ** 20);

/** How a process ends: all that it asked the disk for is done, or any part of it. */
type Death = 'everything done' | 'anything done';

class Machine {
  readonly time = new VirtualTime();
  /** Moments at which the process could have died so far. */
  moments = 0;
  isDead = false;
  #dyingAt = Number.POSITIVE_INFINITY;
  #death: Death = 'everything done';
  #disk: Disk | undefined;
  readonly #hardware: SimDisk;

  constructor(seed: string) {
    this.#hardware = new SimDisk({
      random: new Randomness(seed).stream('disk'),
      schedule: (delayMs, task) => this.time.after(delayMs, task),
    });
  }

  open(deliver: DiskCompletions): OpenedDisk {
    const disk = this.#hardware.start(deliver);
    this.#disk = disk;
    return {
      disk: {
        alignmentBytes: disk.alignmentBytes,
        submit: (request) => {
          this.moment();
          if (this.isDead) return;
          disk.submit(request);
          this.moment();
        },
      },
      way: 'portable',
      reason: 'simulated',
      checksum: crc32c,
      arena: () => ARENA,
      close: async () => this.#hardware.stop(disk),
    };
  }

  moment(): void {
    if (this.isDead || ++this.moments < this.#dyingAt) return;
    this.isDead = true;
    if (this.#death === 'everything done') this.#hardware.stop(this.#disk!);
    else this.#hardware.processCrash();
  }

  dieAfter(moments: number, death: Death): void {
    this.#dyingAt = this.moments + moments;
    this.#death = death;
  }

  revive(): void {
    this.isDead = false;
    this.#dyingAt = Number.POSITIVE_INFINITY;
  }

  /** Goes on until the work is done or the process is dead. */
  async run(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    const done = work.finally(() => {
      isDone = true;
    });
    while (!isDone && !this.isDead) {
      await turn();
      this.moment();
      if (!this.isDead && this.time.pending > 0) this.time.step();
    }
    if (isDone) await done;
  }
}

const RECORDS = 30;
const OPTIONS = { disk: 'portable', fsync: FsyncSchedule.NoFsync, fileBytes: 2 ** 16 } as const;

type Take = (entry: Entry | undefined) => void;
type Consume = (log: Walrus, take: Take) => Promise<void>;

/** Ways to read all there is, each entry told as soon as it is given out. */
const WAYS: Record<string, Consume> = {
  'one after the other': async (log, take) => {
    for (let entry = await log.readNext('t'); entry; entry = await log.readNext('t')) take(entry);
  },
  'many at once': async (log, take) => {
    for (const _ of range(4)) await Promise.all(range(8).map(() => log.readNext('t').then(take)));
  },
  batches: async (log, take) => {
    for (const _ of range(RECORDS)) (await log.readBatch('t', { maxEntries: 7 })).forEach(take);
  },
  'all ways at once': async (log, take) => {
    for (const _ of range(6)) {
      await Promise.all([
        log.readNext('t').then(take),
        log.readNext('t', { checkpoint: false }),
        log.readBatch('t', { maxEntries: 3 }).then((entries) => entries.forEach(take)),
        log.append('other', bytes('x')),
        log.readNext('t').then(take),
      ]);
    }
  },
};

/** Lives once until it dies at the moment, and says what was given out, and with what the next life begins. */
async function liveAndDie(
  seed: string,
  consistency: ReadConsistency,
  consume: (log: Walrus, take: Take) => Promise<void>,
  group: string | undefined,
  moments: number,
  death: Death,
): Promise<{ given: number[]; next: number; isOver: boolean }> {
  world = new Machine(seed);
  let log!: Walrus;
  const open = async (): Promise<void> => {
    log = await Walrus.open({ ...OPTIONS, dir: '/simulated', consistency });
  };
  await world.run(open());
  await world.run(
    log.appendBatch(
      't',
      range(RECORDS).map((i) => bytes(String(i))),
    ),
  );
  const given: number[] = [];
  world.dieAfter(moments, death);
  await world.run(
    consume(log, (entry) => {
      if (entry !== undefined && !world.isDead) given.push(entry.offset);
    }),
  );
  const isOver = !world.isDead;
  world.dieAfter(1, death);
  world.moment();
  world.revive();
  await world.run(open());
  const next =
    group === undefined ? RECORDS - log.entryCount('t') : log.cursor('t', group).committed;
  return { given, next, isOver };
}

for (const death of ['everything done', 'anything done'] satisfies Death[]) {
  describe(`a process that dies at any moment, ${death}`, () => {
    for (const [name, consume] of Object.entries(WAYS)) {
      test.each([0, 1, 2, 3, 8])(`AtLeastOnce(%i), ${name}`, async (n) => {
        const consistency = ReadConsistency.AtLeastOnce(n);
        let mostRepeated = 0;
        for (let moments = 1, isOver = false; !isOver; moments++) {
          const life = await liveAndDie(`${n}`, consistency, consume, undefined, moments, death);
          const { given, next } = life;
          expect(given).toEqual(range(given.length));
          expect(next, `given before moment ${moments}: ${given.length}`).toBeLessThanOrEqual(
            given.length,
          );
          mostRepeated = Math.max(mostRepeated, given.length - next);
          isOver = life.isOver;
        }
        expect(mostRepeated).toBeGreaterThan(0);
        expect(mostRepeated).toBeLessThanOrEqual(Math.max(1, n - 1));
      });

      test(`StrictlyAtOnce, ${name}`, async () => {
        const consistency = ReadConsistency.StrictlyAtOnce;
        for (let moments = 1, isOver = false; !isOver; moments++) {
          const life = await liveAndDie('strict', consistency, consume, undefined, moments, death);
          expect(life.given).toEqual(range(life.given.length));
          expect(life.next).toBeGreaterThanOrEqual(life.given.length);
          isOver = life.isOver;
        }
      });
    }

    test.each(['commit as far as was given out', 'commit each'])(
      'a group, %s: what it has not seen is never behind it, what it has committed is',
      async (how) => {
        let committed = 0;
        const consume: Consume = async (log, take) => {
          const cursor = log.cursor('t', 'g');
          const entries = cursor.tail()[Symbol.asyncIterator]();
          // Somebody else, at any time.
          const committer = (async () => {
            while (how !== 'commit each' && committed < RECORDS) {
              const { position } = cursor;
              await cursor.commit();
              if (!world.isDead) committed = position;
              await turn();
            }
          })();
          for (const _ of range(RECORDS / 3)) {
            await Promise.all(range(3).map(() => entries.next().then(({ value }) => take(value))));
            if (how !== 'commit each') continue;
            await cursor.commit(cursor.position);
            if (!world.isDead) committed = cursor.position;
          }
          await committer;
        };
        const consistency = ReadConsistency.AtLeastOnce(5);
        for (let moments = 1, isOver = false; !isOver; moments++) {
          committed = 0;
          const life = await liveAndDie('group', consistency, consume, 'g', moments, death);
          expect(life.given).toEqual(range(life.given.length));
          expect(life.next).toBeLessThanOrEqual(life.given.length);
          expect(life.next).toBeGreaterThanOrEqual(committed);
          isOver = life.isOver;
        }
      },
    );
  });
}

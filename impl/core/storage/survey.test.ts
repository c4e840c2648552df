/** Damage of each kind: a survey gives true records under their true indexes, and tells of all that it does not give. */
import { expect, test } from 'vitest';
import { readSurvey, stateOf, surveyOf } from '../../../sim/store-survey.ts';
import { type StoreState, StoreWorld } from '../../../sim/store-world.ts';
import { WalrusError } from '../errors.ts';
import { utf8Encode } from '../utf8.ts';
import { claimedFrameBytes, FILE_HEAD_BYTES, FRAME_MAGIC, fileName } from './format.ts';
import type { LostRecords, Survey } from './survey.ts';

type Files = ReadonlyMap<string, Uint8Array>;

const OPTIONS = {
  seed: 'survey',
  fileBytes: 8192,
  batchBytes: 1024,
  checkpointBytes: 1500,
  syncOnCommit: true,
  alignmentBytes: 1,
};

/** A log of several files and two checkpoints, with commits behind the last, as a crash leaves it. */
function log(options: Partial<typeof OPTIONS> = {}): { files: Files; state: StoreState } {
  const world = new StoreWorld({ ...OPTIONS, ...options });
  expect(world.open()).toBeUndefined();
  for (let i = 0; i < 30; i++) {
    world.append('topic a', 1, utf8Encode(`record ${i} ${'.'.repeat(i * 20)}`));
    if (i % 2 === 0) world.append('topic b', 1, new Uint8Array(i * 20).fill(i));
    if (i === 9) world.trim('topic a', 2);
    if (i === 12) world.append('topic late', 1, utf8Encode('late'));
    world.put('key', utf8Encode(`value ${i}`));
    world.commit();
    world.sync();
    world.settle();
  }
  world.machine.processCrash();
  return { files: world.machine.files(), state: world.state };
}

const { files, state } = log();
/** Those that hold frames. */
const LOGS = [...files.keys()].filter(
  (name) => name.endsWith('.wal') && framesOf(files.get(name)!).length > 0,
);
const CHECKPOINTS = [...files.keys()].filter((name) => name.endsWith('.checkpoint'));

function changed(name: string, change: (bytes: Uint8Array) => Uint8Array | undefined): Files {
  const copy = new Map(files);
  const bytes = change(files.get(name)!.slice());
  if (bytes === undefined) copy.delete(name);
  else copy.set(name, bytes);
  return copy;
}

/** Whether the directory opens and everything in it can be read. */
function opens(damaged: Files): boolean {
  const world = new StoreWorld({ ...OPTIONS, files: damaged });
  if (world.open() !== undefined) return false;
  try {
    world.readAll();
    return true;
  } catch (error) {
    if (error instanceof WalrusError) return false;
    throw error;
  }
}

/** Looks at it with suspicion; returns what it tells, and how many records it has. */
function check(damaged: Files): { survey: Survey; lost: readonly LostRecords[]; found: number } {
  const survey = surveyOf(damaged);
  const { records, lost } = readSurvey(survey);
  let found = 0;
  for (const [name, byIndex] of records) {
    const stream = state.streams.get(name);
    for (const [index, record] of byIndex) {
      // A stream that lost its name has the records of some stream.
      const known = stream ? [stream] : [...state.streams.values()];
      expect(
        known.some(({ start, records }) => equal(records[index - start], record)) ||
          isTrimmed(name, index),
      ).toBe(true);
      found++;
    }
  }
  return { survey, lost, found };
}

function equal(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

/** The trim was lost with its frame. */
function isTrimmed(name: string, index: number): boolean {
  return index < (state.streams.get(name)?.start ?? Infinity);
}

function framesOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const starts: number[] = [];
  for (let at = FILE_HEAD_BYTES; at < bytes.length && view.getUint32(at, true) === FRAME_MAGIC; ) {
    starts.push(at);
    at += claimedFrameBytes(view, at);
  }
  return starts;
}

const ALL = [...state.streams.values()].reduce((sum, { records }) => sum + records.length, 0);

test('a whole log is told as opening shows it', () => {
  expect(LOGS.length).toBeGreaterThan(2);
  expect(CHECKPOINTS).toHaveLength(2);
  expect(stateOf(surveyOf(files))).toEqual(state);
});

test('a bit turned over anywhere costs the records of one frame, and is told if it is refused', () => {
  let told = 0;
  for (const [name, bytes] of files) {
    if (!LOGS.includes(name) && !CHECKPOINTS.includes(name)) continue;
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
    for (let at = 0; at < end; at += at < 64 ? 1 : 13) {
      if (at > 80 && at < FILE_HEAD_BYTES && LOGS.includes(name)) continue;
      const damaged = changed(name, (copy) => {
        copy[at]! ^= 1 << (at % 8);
        return copy;
      });
      const { survey, lost, found } = check(damaged);
      const isTold = survey.damage.length > 0 || lost.length > 0;
      if (isTold) told++;
      else expect(opens(damaged), `${name} at ${at}`).toBe(true);
      expect(found, `${name} at ${at}`).toBeGreaterThanOrEqual(ALL - 3);
    }
  }
  expect(told).toBeGreaterThan(500);
});

test.each(['cut', 'zeroed', 'missing', 'header', 'checkpoints too'])(
  '%s: what is left is found',
  (kind) => {
    for (const name of LOGS.slice(0, -1)) {
      let damaged = changed(name, (copy) => {
        if (kind === 'missing') return undefined;
        const starts = framesOf(copy);
        const middle = starts[starts.length >> 1]!;
        if (kind === 'cut') return copy.slice(0, middle);
        if (kind === 'header') copy.fill(0, 0, 64);
        else copy.fill(0, middle, middle + 512);
        return copy;
      });
      if (kind === 'checkpoints too') {
        const bare = new Map(damaged);
        for (const checkpoint of CHECKPOINTS) bare.delete(checkpoint);
        damaged = bare;
      }
      const { survey, lost, found } = check(damaged);
      expect(
        survey.damage.some(({ file }) => file === name),
        name,
      ).toBe(true);
      expect(found).toBeGreaterThan(0);
      if (kind === 'header') expect(lost).toEqual([]);
      else if (kind !== 'checkpoints too') expect(lost.length).toBeGreaterThan(0);
      if (kind !== 'checkpoints too') {
        const missed = lost.reduce((sum, { from, to }) => sum + to - from, 0);
        expect(found + missed).toBe(ALL);
      }
    }
  },
);

test('without the newest checkpoint the log is the same, and without both what the files tell', () => {
  const newest = CHECKPOINTS.at(-1)!;
  const damaged = changed(newest, (copy) => {
    copy[70]! ^= 1;
    return copy;
  });
  const { survey, found } = check(damaged);
  expect(survey.damage).toEqual([
    {
      file: newest,
      offsetBytes: 0,
      lengthBytes: files.get(newest)!.length,
      what: 'the checkpoint does not verify',
    },
  ]);
  expect(found).toBe(ALL);
});

test('what is torn and nothing vouches for ends the log; whole frames behind it are there for who asks', () => {
  const world = new StoreWorld({ ...OPTIONS, syncOnCommit: false, checkpointBytes: 1e9 });
  expect(world.open()).toBeUndefined();
  for (let i = 0; i < 6; i++) {
    world.append('topic a', 1, utf8Encode(`record ${i}`));
    world.commit();
    world.settle();
  }
  world.machine.processCrash();
  const name = LOGS[0]!;
  const torn = new Map(world.machine.files());
  const starts = framesOf(torn.get(name)!);
  expect(starts).toHaveLength(6);
  torn.get(name)!.fill(0xff, starts[2]! + 8, starts[2]! + 24);
  expect(opens(torn)).toBe(true);

  const strict = surveyOf(torn);
  expect(strict.damage).toEqual([]);
  expect(readSurvey(strict).records.get('topic a')?.size).toBe(2);
  expect(strict.cut).toEqual({
    file: name,
    offsetBytes: starts[2],
    frameBytes: expect.toSatisfy((bytes: number) => bytes > 0),
  });

  const generous = readSurvey(surveyOf(torn, true));
  expect([...generous.records.get('topic a')!.keys()]).toEqual([0, 1, 3, 4, 5]);
  expect(generous.lost).toMatchObject([{ from: 2, to: 3, file: name, offsetBytes: starts[2] }]);
});

test('a file of another directory, and one under another name, are told', () => {
  const other = log({ seed: 'other' });
  const foreign = new Map(files).set(LOGS.at(-1)!, other.files.get(LOGS.at(-1)!)!);
  expect(check(foreign).survey.damage.length).toBeGreaterThan(0);
  const renamed = new Map(files).set(fileName('log', 900), files.get(LOGS[0]!)!);
  renamed.delete(LOGS[0]!);
  expect(check(renamed).survey.damage.map(({ file }) => file)).toContain(LOGS[0]);
});

test('a frame that was torn, and cut, is no damage when the file that followed it is gone', () => {
  let torn = 0;
  for (let seed = 0; seed < 30; seed++) {
    const world = new StoreWorld({
      seed: `torn ${seed}`,
      fileBytes: 65_536,
      batchBytes: 512,
      checkpointBytes: 100_000,
      syncOnCommit: true,
      alignmentBytes: 4096,
    });
    expect(world.open()).toBeUndefined();
    world.append('kept', 1, new Uint8Array(10));
    world.sync();
    for (let i = 0; i < 3; i++) world.append('lost', 1, new Uint8Array(20_000).fill(1));
    world.machine.powerLoss();
    expect(world.open()).toBeUndefined();
    world.adopt();
    if (world.store.stats.cutAt !== undefined) torn++;
    // What is written into the file that follows is forgotten, and it goes.
    for (let i = 0; i < 12; i++) world.append('forgotten', 1, new Uint8Array(30_000));
    world.sync();
    world.trim('forgotten', 12);
    for (let i = 0; i < 2; i++) {
      world.append('kept', 1, new Uint8Array(10));
      world.sync();
      expect(world.close()).toBeUndefined();
      world.machine.processCrash();
      expect(world.open()).toBeUndefined();
      world.adopt();
    }
    expect(world.store.stats.files).toBeLessThan(4);
    expect(stateOf(surveyOf(world.machine.files()))).toEqual(world.readAll());
  }
  expect(torn).toBeGreaterThan(3);
});

/** Carries out one job on a log: writes, or reads, and compares all that was written with what is there afterwards. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Job, quantiles, type Sample } from './job.ts';
import { Payloads } from './payloads.ts';
import type { Log, Subject } from './subject.ts';
import type { AppendWorkload, ReadWorkload, Schedule } from './workloads.ts';

/** One call in so many is timed where calls are short: reading the clock would be a part of what is measured. */
const TIMED_EVERY = 16;
/** Records to a promise where they are staged, and such groups in flight. */
const STAGED = { perGroup: 1000, groups: 4 };
/** Records that the bare store commits together: what fills a write. */
const GROUP_RECORDS = 340;
/** Runs that do not count come first, until the compiler and the disk have seen it all: in times, and in bytes, of the one that counts. */
export const WARM_UP = { times: 3, bytes: 0.5 };
/** So many records are given back at a time, where any are. */
const TRIMMED_RECORDS = 20_000;
const STRICT_BYTES = 100 * 2 ** 20;
/** Several sealed files. */
const READ_BYTES = 160 * 2 ** 20;
/** A tail that has fallen behind by more makes its writer wait, so that what is measured is keeping pace. */
const LAG_MAX = 20_000;

export interface Writer {
  /** Records written so far. */
  count: number;
  bytes: number;
  /** The first of them that is kept. */
  start: number;
}

export async function drive(subject: Subject, isBareStore: boolean, job: Job): Promise<Sample> {
  const payloads = new Payloads(job.seed);
  const { workload } = job;
  switch (workload.kind) {
    case 'append':
      return driveAppends(subject, isBareStore, workload, payloads, job);
    case 'read':
      return driveReads(subject, workload, payloads, job);
    case 'open':
      return job.phase === 'fill'
        ? fill(subject, payloads, job, workload.after)
        : timeOpening(subject, payloads, job, workload.after);
  }
}

async function driveAppends(
  subject: Subject,
  isBareStore: boolean,
  workload: AppendWorkload,
  payloads: Payloads,
  job: Job,
): Promise<Sample> {
  const log = await subject.open(job.directory, workload.schedule);
  const writer: Writer = { count: 0, bytes: 0, start: 0 };
  const run =
    workload.through === 'stage' || isBareStore
      ? (limits: Limits) => appendStaged(log, workload, payloads, writer, limits)
      : workload.batch > 1
        ? (limits: Limits) => appendBatches(log, workload.batch, payloads, writer, limits)
        : (limits: Limits) => appendOnes(log, workload, payloads, writer, limits);
  if (workload.bytes === undefined) {
    await run(limitsOf(job.seconds * WARM_UP.times, job.maxBytes * WARM_UP.bytes));
  }
  const { count: warmCount, bytes: warmBytes } = writer;
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const latencies = await run(limitsOf(job.seconds, warmBytes + job.maxBytes));
  const seconds = (performance.now() - begun) / 1e3;
  const { user, system } = process.cpuUsage(cpu);
  const note = log.note?.();
  const writtenBytes = log.writtenBytes?.();
  await log.close();
  const spaceRatio = (writtenBytes ?? occupiedBytes(job.directory)) / writer.bytes;
  await compare(subject, workload.schedule, job.directory, payloads, writer);
  return {
    entries: writer.count - warmCount,
    payloadBytes: writer.bytes - warmBytes,
    seconds,
    cpuSeconds: (user + system) / 1e6,
    latency: quantiles(latencies),
    spaceRatio,
    verified: writer.count - writer.start,
    note,
  };
}

interface Limits {
  /** As `performance.now()` tells it. */
  readonly deadline: number;
  readonly bytes: number;
}

function limitsOf(seconds: number, bytes: number): Limits {
  return { deadline: performance.now() + seconds * 1e3, bytes };
}

async function appendOnes(
  log: Log,
  workload: AppendWorkload,
  payloads: Payloads,
  writer: Writer,
  limits: Limits,
): Promise<number[]> {
  const latencies: number[] = [];
  const every = workload.schedule === 'each' && workload.appenders <= 100 ? 1 : TIMED_EVERY;
  let isOver = false;
  const appendUntilOver = async (): Promise<void> => {
    while (!isOver) {
      const index = writer.count++;
      const data = payloads.at(index);
      writer.bytes += data.length;
      if (index % every === 0) {
        const from = performance.now();
        await log.append(data);
        const now = performance.now();
        latencies.push(now - from);
        await trimBehind(log, workload, writer);
        isOver ||= now > limits.deadline || writer.bytes > limits.bytes;
      } else {
        await log.append(data);
      }
    }
  };
  await Promise.all(Array.from({ length: workload.appenders }, appendUntilOver));
  return latencies;
}

async function appendBatches(
  log: Log,
  batch: number,
  payloads: Payloads,
  writer: Writer,
  limits: Limits,
): Promise<number[]> {
  const latencies: number[] = [];
  for (let now = 0; now < limits.deadline && writer.bytes < limits.bytes; ) {
    const records: Uint8Array[] = [];
    for (let i = 0; i < batch; i++) {
      const data = payloads.at(writer.count++);
      writer.bytes += data.length;
      records.push(data);
    }
    const from = performance.now();
    await log.appendBatch(records);
    now = performance.now();
    latencies.push(now - from);
  }
  return latencies;
}

async function appendStaged(
  log: Log,
  workload: AppendWorkload,
  payloads: Payloads,
  writer: Writer,
  limits: Limits,
): Promise<number[]> {
  const { acknowledged } = log;
  if (log.stage === undefined || acknowledged === undefined) throw new Error('it cannot stage');
  const { appenders } = workload;
  const perGroup =
    workload.through === 'stage' ? STAGED.perGroup : Math.min(appenders, GROUP_RECORDS);
  const groups = workload.through === 'stage' ? STAGED.groups : Math.ceil(appenders / perGroup);
  const latencies: number[] = [];
  const stageUntilOver = async (): Promise<void> => {
    for (let now = 0; now < limits.deadline && writer.bytes < limits.bytes; ) {
      const from = performance.now();
      for (let i = 0; i < perGroup; i++) {
        let data = payloads.at(writer.count);
        while (!isStaged(log, data)) {
          await acknowledged.call(log);
          // Others may have gone on meanwhile.
          data = payloads.at(writer.count);
        }
        writer.count++;
        writer.bytes += data.length;
      }
      await acknowledged.call(log);
      now = performance.now();
      latencies.push(now - from);
      await trimBehind(log, workload, writer);
    }
  };
  await Promise.all(Array.from({ length: groups }, stageUntilOver));
  return latencies;
}

/** Now and then, gives back what is older than the workload keeps. */
async function trimBehind(log: Log, { keptBytes }: AppendWorkload, writer: Writer): Promise<void> {
  if (keptBytes === undefined) return;
  const kept = Math.ceil((keptBytes * writer.count) / writer.bytes);
  if (writer.count - writer.start < kept + TRIMMED_RECORDS) return;
  writer.start = writer.count - kept;
  await log.trim!(writer.start);
}

/** False if memory is full, where the log says so. */
function isStaged(log: Log, data: Uint8Array): boolean {
  try {
    log.stage!(data);
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'Overloaded') return false;
    throw error;
  }
}

/** Opens the log anew and reads everything that is kept. */
async function compare(
  subject: Subject,
  schedule: Schedule,
  directory: string,
  payloads: Payloads,
  { start, count }: Writer,
): Promise<void> {
  const log = await subject.open(directory, schedule);
  let index = start;
  try {
    await log.readAll((data) => payloads.check(index++, data));
  } finally {
    await log.close();
  }
  if (index === count) return;
  throw new Error(`${count} records were acknowledged and ${index} are there`);
}

async function write(log: Log, payloads: Payloads, maxBytes: number): Promise<Writer> {
  const writer: Writer = { count: 0, bytes: 0, start: 0 };
  const limits = { deadline: Number.POSITIVE_INFINITY, bytes: maxBytes };
  await appendBatches(log, 1000, payloads, writer, limits);
  return writer;
}

async function driveReads(
  subject: Subject,
  workload: ReadWorkload,
  payloads: Payloads,
  job: Job,
): Promise<Sample> {
  if (workload.how === 'tail') return driveTail(subject, workload, payloads, job);
  const isStrict = workload.how === 'strict';
  const filling = await subject.open(job.directory, 'none');
  const maxBytes = Math.min(job.maxBytes, isStrict ? STRICT_BYTES : READ_BYTES);
  const written = await write(filling, payloads, maxBytes);
  await filling.close();
  const log = await subject.open(job.directory, workload.schedule);
  const sample = isStrict
    ? await readStrictly(log, workload.readers, payloads, written, job)
    : await readRepeatedly(log, workload.how === 'entries', payloads, written, job);
  await log.close();
  return sample;
}

/** The first pass compares; those that are timed look at one byte of each record. */
async function readRepeatedly(
  log: Log,
  isByEntry: boolean,
  payloads: Payloads,
  written: Writer,
  job: Job,
): Promise<Sample> {
  const read = (isByEntry ? log.readEntries : log.readAll)?.bind(log);
  if (read === undefined) throw new Error('it does not read one by one');
  let index = 0;
  await read((data) => payloads.check(index++, data));
  if (index !== written.count) throw new Error(`${index} of ${written.count} records are there`);
  let sum = 0;
  let seen = 0;
  const look = (data: Uint8Array): void => {
    sum += data[8]!;
    seen++;
  };
  const warm = performance.now() + job.seconds * WARM_UP.times * 1e3;
  while (performance.now() < warm) await read(look);
  seen = 0;
  let passes = 0;
  const cpu = process.cpuUsage();
  const begun = performance.now();
  do {
    await read(look);
    passes++;
  } while (performance.now() - begun < job.seconds * 1e3);
  const seconds = (performance.now() - begun) / 1e3;
  const { user, system } = process.cpuUsage(cpu);
  if (seen !== passes * written.count || sum === 0) throw new Error('a pass missed records');
  return {
    entries: seen,
    payloadBytes: passes * written.bytes,
    seconds,
    cpuSeconds: (user + system) / 1e6,
    verified: written.count,
    note: log.note?.(),
  };
}

async function readStrictly(
  log: Log,
  readers: number,
  payloads: Payloads,
  written: Writer,
  job: Job,
): Promise<Sample> {
  if (log.readNext === undefined) throw new Error('it has no cursors');
  const readNext = log.readNext.bind(log);
  const latencies: number[] = [];
  let index = 0;
  let bytes = 0;
  let deadline = 0;
  const readUntilOver = async (): Promise<void> => {
    for (;;) {
      const from = performance.now();
      if (from > deadline) return;
      const data = await readNext();
      if (data === undefined) return;
      latencies.push(performance.now() - from);
      payloads.check(index++, data);
      bytes += data.length;
    }
  };
  const run = async (seconds: number): Promise<void> => {
    deadline = performance.now() + seconds * 1e3;
    await Promise.all(Array.from({ length: readers }, readUntilOver));
  };
  await run(job.seconds * WARM_UP.times);
  const [warmIndex, warmBytes] = [index, bytes];
  latencies.length = 0;
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await run(job.seconds);
  const seconds = (performance.now() - begun) / 1e3;
  const { user, system } = process.cpuUsage(cpu);
  return {
    entries: index - warmIndex,
    payloadBytes: bytes - warmBytes,
    seconds,
    cpuSeconds: (user + system) / 1e6,
    latency: quantiles(latencies),
    verified: index,
    note: index === written.count ? 'read to the end' : log.note?.(),
  };
}

/** A reader beside the writer: every record once, in order, bit by bit, and the time from the call to append it until it is read. */
async function driveTail(
  subject: Subject,
  workload: ReadWorkload,
  payloads: Payloads,
  job: Job,
): Promise<Sample> {
  // The pool is stamped anew by the writer, so the reader compares with one of its own.
  const expected = new Payloads(job.seed);
  const log = await subject.open(job.directory, workload.schedule);
  if (log.tail === undefined) throw new Error('it has no tail');
  const aborter = new AbortController();
  const latencies: number[] = [];
  const asked = new Float64Array(LAG_MAX * 2);
  let read = 0;
  let bytes = 0;
  let written = Number.POSITIVE_INFINITY;
  const tail = log.tail(aborter.signal);
  const reading = (async () => {
    for await (const { data } of tail) {
      expected.check(read, data);
      latencies.push(performance.now() - asked[read % asked.length]!);
      bytes += data.length;
      read++;
      if (read >= written) return;
    }
  })();
  let count = 0;
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const { deadline, bytes: maxBytes } = limitsOf(job.seconds, job.maxBytes);
  const appendUntilOver = async (): Promise<void> => {
    let now = performance.now();
    while (now < deadline && bytes < maxBytes) {
      if (count - read > LAG_MAX) await new Promise((resolve) => setImmediate(resolve));
      else {
        asked[count % asked.length] = now;
        await log.append(payloads.at(count++));
      }
      now = performance.now();
    }
  };
  await Promise.all(Array.from({ length: 100 }, appendUntilOver));
  written = count;
  if (read < written) await reading;
  const seconds = (performance.now() - begun) / 1e3;
  const { user, system } = process.cpuUsage(cpu);
  if (read !== written) throw new Error(`${read} of ${written} records were read`);
  const note = log.note?.();
  await log.close();
  await reading.catch(() => {});
  return {
    entries: read,
    payloadBytes: bytes,
    seconds,
    cpuSeconds: (user + system) / 1e6,
    latency: quantiles(latencies),
    verified: read,
    note,
  };
}

async function fill(
  subject: Subject,
  payloads: Payloads,
  job: Job,
  after: 'close' | 'kill',
): Promise<Sample> {
  const log = await subject.open(job.directory, 'none');
  const begun = performance.now();
  const written = await write(log, payloads, job.maxBytes);
  if (after === 'kill') process.kill(process.pid, 'SIGKILL');
  await log.close();
  return {
    entries: written.count,
    payloadBytes: written.bytes,
    seconds: (performance.now() - begun) / 1e3,
    cpuSeconds: 0,
    verified: 0,
  };
}

async function timeOpening(
  subject: Subject,
  payloads: Payloads,
  job: Job,
  after: 'close' | 'kill',
): Promise<Sample> {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const log = await subject.open(job.directory, 'none');
  const latency = performance.now() - begun;
  const { user, system } = process.cpuUsage(cpu);
  const sample: Sample = {
    entries: 1,
    payloadBytes: 0,
    seconds: latency / 1e3,
    cpuSeconds: (user + system) / 1e6,
    latency: { p50: latency, p99: latency, p999: latency },
    verified: await readFirst(log, payloads),
  };
  if (after === 'close') await log.close();
  return sample;
}

/** That an opened log is one: its first records are right. */
async function readFirst(log: Log, payloads: Payloads): Promise<number> {
  let index = 0;
  const enough = new Error('enough');
  try {
    await log.readAll((data) => {
      payloads.check(index++, data);
      if (index === 1000) throw enough;
    });
  } catch (error) {
    if (error !== enough) throw error;
  }
  if (index === 0) throw new Error('nothing is there');
  return index;
}

export function occupiedBytes(directory: string): number {
  let sum = 0;
  for (const name of readdirSync(directory, { recursive: true }) as string[]) {
    sum += statSync(join(directory, name)).blocks * 512;
  }
  return sum;
}

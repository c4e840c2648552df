/**
 * A process that writes and reads as hard as it can until it is killed, and says on its standard output, one line each,
 * what was acknowledged to it: `append <topic> <offset> <id>`, `batch <topic> <offset> <id> <count>`, `got <offset>`.
 * Before it trims it says `trim <offset>`, and after it `renewed <count of files that were made of older ones>`.
 * Arguments: directory, disk, fsync schedule, number of this life, and whether all is `kept` or `passes`.
 */
import { writeSync } from 'node:fs';
import { type DiskChoice, FsyncSchedule, Walrus } from '../../impl/embedded/walrus.ts';
import { pattern } from './log-world.ts';

const [dir, disk, schedule, life, fate] = process.argv.slice(2) as [
  string,
  DiskChoice,
  string,
  string,
  'kept' | 'passes',
];
/** Of a topic that passes by, how many records are not trimmed yet. */
const KEPT_RECORDS = 30;
const SCHEDULES: Record<string, FsyncSchedule> = {
  each: FsyncSchedule.SyncEach,
  interval: FsyncSchedule.Milliseconds(3),
  none: FsyncSchedule.NoFsync,
};

/** The id in ASCII, padded to 24 bytes, and bytes that follow from it. */
function record(id: string): Uint8Array {
  const seed = [...id].reduce((sum, character) => sum * 31 + character.charCodeAt(0), 7) >>> 0;
  const bytes = pattern(24 + (seed % 3000), seed);
  Buffer.from(bytes.buffer, bytes.byteOffset).write(id.padEnd(24), 0, 24, 'ascii');
  return bytes;
}

function say(line: string): void {
  // At once and whole: what the parent does not read was never acknowledged for all that it knows.
  let rest = Buffer.from(`${line}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      // The parent has not read for a while, and the pipe is full.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }
}

async function appendSingles(log: Walrus, topic: string): Promise<never> {
  for (let n = 0; ; n += 10) {
    if (fate === 'passes' && n % 20 === 0) await trimBehind(log, topic);
    // Issued together, so that one write carries several.
    const group = Array.from({ length: 10 }, async (_, i) => {
      const id = `${life} ${n + i}`;
      const offset = await log.append(topic, record(id));
      say(`append ${topic} ${offset} ${id}`);
    });
    await Promise.all(group);
  }
}

async function trimBehind(log: Walrus, topic: string): Promise<void> {
  const before = log.offsets(topic).next - KEPT_RECORDS;
  if (before <= 0) return;
  say(`trim ${before}`);
  await log.trim(topic, before);
  say(`renewed ${log.stats().store.renewedFiles}`);
}

async function appendBatches(log: Walrus, topic: string): Promise<never> {
  for (let n = 0; ; n++) {
    const count = 1 + ((n * 7) % 40);
    const id = `${life} ${n}`;
    const records = Array.from({ length: count }, (_, i) => record(`${id} ${i} ${count}`));
    const offset = await log.appendBatch(topic, records);
    say(`batch ${topic} ${offset} ${id} ${count}`);
  }
}

async function consume(log: Walrus, topic: string): Promise<never> {
  for (;;) {
    const entry = await log.readNext(topic);
    if (entry) say(`got ${entry.offset}`);
  }
}

const log = await Walrus.open({
  dir,
  disk,
  fsync: SCHEDULES[schedule]!,
  fileBytes: fate === 'kept' ? 2 ** 20 : 2 ** 16,
});
if (fate === 'passes') await appendSingles(log, 'passing');
await Promise.all([
  appendSingles(log, 'singles'),
  appendBatches(log, 'batches'),
  appendSingles(log, 'queue'),
  consume(log, 'queue'),
]);

/**
 * A process that reads a topic until it is killed, and says `got <offset>` as soon as an entry is given out to it, and
 * `committed <offset>` when a group's place is. Arguments: directory, disk, `persistEvery`, and how it reads.
 */
import { writeSync } from 'node:fs';
import {
  type DiskChoice,
  FsyncSchedule,
  ReadConsistency,
  Walrus,
} from '../../impl/embedded/walrus.ts';
import { bytes, range } from './log-world.ts';

const [dir, disk, persistEvery, way] = process.argv.slice(2) as [
  string,
  DiskChoice,
  string,
  string,
];

function say(line: string): void {
  try {
    writeSync(1, `${line}\n`);
  } catch (error) {
    // The parent has not read for a while, and the pipe is full.
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    say(line);
  }
}

const log = await Walrus.open({
  dir,
  disk,
  fsync: FsyncSchedule.NoFsync,
  consistency: ReadConsistency.AtLeastOnce(Number(persistEvery)),
});
if (log.offsets('t').next === 0) await log.append('t', bytes('0'));
const write = async (): Promise<never> => {
  for (;;)
    await log.appendBatch(
      't',
      range(50).map((i) => bytes(String(i))),
    );
};
const read = async (): Promise<void> => {
  for (;;) {
    if (way === 'batches') {
      for (const { offset } of await log.readBatch('t')) say(`got ${offset}`);
    } else {
      const calls = range(way === 'together' ? 20 : 1).map(() => log.readNext('t'));
      await Promise.all(calls.map((call) => call.then((it) => it && say(`got ${it.offset}`))));
    }
  }
};
const readAsGroup = async (): Promise<void> => {
  const cursor = log.cursor('t', 'g');
  for await (const { offset } of cursor.tail()) {
    say(`got ${offset}`);
    if (offset % 10 !== 0) continue;
    await cursor.commit();
    say(`committed ${offset + 1}`);
  }
};
await Promise.all([write(), way === 'group' ? readAsGroup() : read()]);

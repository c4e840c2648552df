/** The engine without the promises of the library: what the public API costs is the difference. Also each way to the disk, forced. */
import { NativeDisk } from '../../../native/index.ts';
import { Store } from '../../core/storage/store.ts';
import { systemRandom } from '../../runtime/system-random.ts';
import type { Log, Subject } from '../subject.ts';
import type { Schedule } from '../workloads.ts';

/** Those of the library. */
const FILE_BYTES = 64 * 2 ** 20;
const BATCH_BYTES = 256 * 1024;
const ARENA_BYTES = 8 * 2 ** 20;
const CHECKPOINT_BYTES = 16 * 2 ** 20;

export function store(engine: 'io_uring' | 'pwrite', direct: boolean): Subject {
  return {
    async open(directory: string, schedule: Schedule): Promise<Log> {
      const disk = new NativeDisk({ directory, engine, direct, inline: true }, (completions) =>
        it.complete(completions),
      );
      let waiting: { lsn: number; resolve: () => void }[] = [];
      const reached = () => (schedule === 'each' ? it.durableLsn : it.writtenLsn);
      const it = new Store(disk, {
        checksum: disk.checksum,
        random: systemRandom,
        fileBytes: FILE_BYTES,
        batchBytes: BATCH_BYTES,
        checkpointBytes: CHECKPOINT_BYTES,
        syncOnCommit: schedule === 'each',
        arena: disk.alignedArena(ARENA_BYTES),
        onProgress() {
          const lsn = reached();
          const done = waiting.filter((one) => one.lsn <= lsn);
          waiting = waiting.filter((one) => one.lsn > lsn);
          for (const one of done) one.resolve();
        },
        onFailed(error) {
          throw error;
        },
      });
      await new Promise<void>((resolve, reject) =>
        it.open((error) => (error ? reject(error) : resolve())),
      );
      const stream = it.stream('bench');
      const acknowledged = (): Promise<void> => {
        const lsn = it.commit();
        return new Promise((resolve) => {
          if (lsn <= reached()) resolve();
          else waiting.push({ lsn, resolve });
        });
      };
      return {
        append(data) {
          it.append(stream, 0, data);
          return acknowledged();
        },
        appendBatch(records) {
          for (const record of records) it.append(stream, 0, record);
          return acknowledged();
        },
        stage: (data) => it.append(stream, 0, data),
        acknowledged,
        async readAll(visit) {
          for (let from = 0, end = it.end(stream); from < end; ) {
            await new Promise<void>((resolve, reject) =>
              it.read(stream, from, { records: 2000, bytes: 2 ** 20 }, (error, records) => {
                for (const record of records) visit(record);
                from += records.length;
                if (error) reject(error);
                else resolve();
              }),
            );
          }
        },
        writtenBytes: () => it.stats.writtenBytes + disk.stats().zeroFilledBytes,
        async close() {
          await new Promise<void>((resolve, reject) =>
            it.close((error) => (error ? reject(error) : resolve())),
          );
          await disk.close();
        },
      };
    },
  };
}

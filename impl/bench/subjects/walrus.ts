/** The library, through its public API and nothing else. */
import { FsyncSchedule, Walrus } from '../../embedded/walrus.ts';
import type { Log, Subject } from '../subject.ts';
import type { Schedule } from '../workloads.ts';

const TOPIC = 'bench';

export function walrus(disk: 'io_uring' | 'pwrite' | 'portable'): Subject {
  return {
    async open(directory: string, schedule: Schedule): Promise<Log> {
      const log = await Walrus.open({
        dir: directory,
        disk,
        fsync: fsync(schedule),
      });
      return {
        append: (data) => log.append(TOPIC, data),
        appendBatch: (records) => log.appendBatch(TOPIC, records),
        stage: (data) => log.stage(TOPIC, data),
        acknowledged: () => log.acknowledged(),
        trim: (before) => log.trim(TOPIC, before),
        async readAll(visit) {
          for (let from = log.offsets(TOPIC).earliest; ; ) {
            const entries = await log.readBatch(TOPIC, { from });
            if (entries.length === 0) return;
            for (const { data } of entries) visit(data);
            from += entries.length;
          }
        },
        async readEntries(visit) {
          for await (const { data } of log.read(TOPIC)) visit(data);
        },
        async readNext() {
          return (await log.readNext(TOPIC))?.data;
        },
        tail: (signal) => log.tail(TOPIC, { from: 'earliest', signal }),
        note() {
          const { native } = log.stats();
          return native ? `${native.direct ? 'direct' : 'buffered'}` : '';
        },
        writtenBytes() {
          const { store, native } = log.stats();
          return store.writtenBytes + (native?.zeroFilledBytes ?? 0);
        },
        close: () => log.close(),
      };
    },
  };
}

function fsync(schedule: Schedule): FsyncSchedule {
  switch (schedule) {
    case 'none':
      return FsyncSchedule.NoFsync;
    case '200ms':
      return FsyncSchedule.Milliseconds(200);
    case 'each':
      return FsyncSchedule.SyncEach;
  }
}

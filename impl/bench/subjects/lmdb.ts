/** lmdb-js: appends are asynchronous puts, which it commits together by itself. */
import { join } from 'node:path';
import { peerPackage } from '../peer-packages.ts';
import type { Log, Subject } from '../subject.ts';
import type { Schedule } from '../workloads.ts';

interface Database {
  put(key: number, value: Uint8Array): Promise<boolean>;
  transaction<Result>(action: () => Result): Promise<Result>;
  getRange(options: { start: number }): Iterable<{ value: Uint8Array }>;
  getKeys(options: { reverse: boolean; limit: number }): Iterable<number>;
  close(): Promise<void>;
}
interface Lmdb {
  open(options: object): Database;
}

export const lmdb: Subject = {
  async open(directory: string, schedule: Schedule): Promise<Log> {
    const database = peerPackage<Lmdb>('lmdb').open({
      path: join(directory, 'lmdb'),
      encoding: 'binary',
      keyEncoding: 'uint32',
      mapSize: 8 * 2 ** 30,
      noSync: schedule !== 'each',
      // Else a put resolves when it is committed, before it is on the disk.
      overlappingSync: false,
    });
    let next = 0;
    for (const key of database.getKeys({ reverse: true, limit: 1 })) next = key + 1;
    return {
      append: (data) => database.put(next++, data),
      appendBatch: (records) =>
        database.transaction(() => {
          for (const data of records) void database.put(next++, data);
        }),
      async readAll(visit) {
        for (const { value } of database.getRange({ start: 0 })) visit(value);
      },
      close: () => database.close(),
    };
  },
};

/** SQLite with its write-ahead log. The package is synchronous: what is appended in one turn goes into one transaction. */
import { join } from 'node:path';
import { peerPackage } from '../peer-packages.ts';
import type { Log, Subject } from '../subject.ts';
import type { Schedule } from '../workloads.ts';

interface Database {
  pragma(text: string): unknown;
  exec(text: string): void;
  prepare(text: string): {
    run(...values: unknown[]): unknown;
    iterate(): Iterable<{ data: Uint8Array }>;
  };
  close(): void;
}
type Sqlite = new (path: string) => Database;

export const betterSqlite3: Subject = {
  async open(directory: string, schedule: Schedule): Promise<Log> {
    const Sqlite = peerPackage<Sqlite>('better-sqlite3');
    const database = new Sqlite(join(directory, 'log.sqlite'));
    database.pragma('journal_mode = WAL');
    database.pragma(`synchronous = ${schedule === 'each' ? 'FULL' : 'OFF'}`);
    database.exec('CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, data BLOB NOT NULL)');
    const insert = database.prepare('INSERT INTO log (data) VALUES (?)');
    const [begin, commit] = [database.prepare('BEGIN'), database.prepare('COMMIT')];
    const select = database.prepare('SELECT data FROM log ORDER BY id');
    let group: Promise<void> | undefined;
    return {
      append(data) {
        if (group === undefined) {
          begin.run();
          group = Promise.resolve().then(() => {
            group = undefined;
            commit.run();
          });
        }
        insert.run(data);
        return group;
      },
      async appendBatch(records) {
        begin.run();
        for (const data of records) insert.run(data);
        commit.run();
      },
      async readAll(visit) {
        for (const { data } of select.iterate()) visit(data);
      },
      async close() {
        database.close();
      },
    };
  },
};

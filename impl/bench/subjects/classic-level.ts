/** LevelDB. Keys are the index as eight bytes, big end first. */
import { join } from 'node:path';
import { peerPackage } from '../peer-packages.ts';
import type { Log, Subject } from '../subject.ts';
import type { Schedule } from '../workloads.ts';

interface Put {
  readonly type: 'put';
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
interface Iterator {
  nextv(count: number): Promise<[Uint8Array, Uint8Array][]>;
  close(): Promise<void>;
}
interface Level {
  open(): Promise<void>;
  put(key: Uint8Array, value: Uint8Array, options: { sync: boolean }): Promise<void>;
  batch(puts: readonly Put[], options: { sync: boolean }): Promise<void>;
  values(): { all(): Promise<Uint8Array[]> };
  iterator(): Iterator;
  close(): Promise<void>;
}
interface Exports {
  readonly ClassicLevel: new (path: string, options: object) => Level;
}

export const classicLevel: Subject = {
  async open(directory: string, schedule: Schedule): Promise<Log> {
    const { ClassicLevel } = peerPackage<Exports>('classic-level');
    const level = new ClassicLevel(join(directory, 'level'), {
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
      compression: false,
      writeBufferSize: 64 * 2 ** 20,
    });
    await level.open();
    const sync = schedule === 'each';
    let next = 0;
    const key = (): Buffer => {
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeBigUInt64BE(BigInt(next++));
      return bytes;
    };
    return {
      append: (data) => level.put(key(), data, { sync }),
      appendBatch: (records) =>
        level.batch(
          records.map((value) => ({ type: 'put', key: key(), value })),
          { sync },
        ),
      async readAll(visit) {
        const iterator = level.iterator();
        for (;;) {
          const entries = await iterator.nextv(1000);
          if (entries.length === 0) break;
          for (const [, value] of entries) visit(value);
        }
        await iterator.close();
      },
      close: () => level.close(),
    };
  },
};

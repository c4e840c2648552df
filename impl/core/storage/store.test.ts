import { expect, test } from 'vitest';
import { VirtualTime } from '../../../sim/clock.ts';
import { SimDisk } from '../../../sim/disk.ts';
import { Randomness } from '../../../sim/random.ts';
import { utf8Decode, utf8Encode } from '../utf8.ts';
import { crc32c } from './crc32c.ts';
import { Store } from './store.ts';

test('what was durable is there after power loss', () => {
  const time = new VirtualTime();
  const random = new Randomness('smoke').stream('disk');
  const machine = new SimDisk({ random, schedule: (delayMs, task) => time.after(delayMs, task) });
  const start = () => {
    const disk = machine.start((completions) => store.complete(completions));
    const store: Store = new Store(disk, {
      checksum: crc32c,
      random,
      fileBytes: 65536,
      batchBytes: 16384,
      checkpointBytes: 65536,
      syncOnCommit: true,
      onProgress() {},
      onFailed(error) {
        throw error;
      },
    });
    let opened = false;
    store.open((error) => {
      expect(error).toBeUndefined();
      opened = true;
    });
    while (!opened) time.step();
    return store;
  };
  const store = start();
  const stream = store.stream('a');
  for (let i = 0; i < 100; i++) expect(store.append(stream, 1, utf8Encode(`r${i}`))).toBe(i);
  store.put('k', utf8Encode('v'));
  const lsn = store.commit();
  while (store.durableLsn < lsn) time.step();
  machine.powerLoss();
  const again = start();
  expect(again.streams()).toEqual(['a']);
  expect(utf8Decode(again.get('k')!)).toBe('v');
  let read: string[] = [];
  again.read(again.stream('a'), 10, { records: 3, bytes: 1e9 }, (error, records) => {
    expect(error).toBeUndefined();
    read = records.map(utf8Decode);
  });
  while (read.length === 0) time.step();
  expect(read).toEqual(['r10', 'r11', 'r12']);
});

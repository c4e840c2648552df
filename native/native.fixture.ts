/** A process of its own for native.test.ts: `native.fixture.ts SCENARIO OPTIONS`, and what came of it as lines of JSON. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { Client } from './client.test-support.ts';
import type { NativeOptions } from './index.ts';

const scenarios: Record<string, (options: NativeOptions) => Promise<unknown>> = {
  /** What was chosen, after a write and a sync that show that it works. */
  async choice(options) {
    const client = new Client(options);
    await client.must({ op: 'lock' });
    const file = await client.create('a');
    await client.must({ op: 'write', file, offsetBytes: 0, bytes: new Uint8Array(10) });
    await client.must({ op: 'sync', file });
    const stats = client.disk.stats();
    await client.disk.close();
    return stats;
  },

  /** Under calls that fail. */
  async failures(options) {
    const client = new Client(options);
    await client.must({ op: 'lock' });
    const file = await client.create('a');
    const bytes = new Uint8Array(4096);
    const write = await client.run({ op: 'write', file, offsetBytes: 0, bytes });
    const sync = await client.run({ op: 'sync', file });
    const again = await client.run({ op: 'sync', file });
    await client.disk.close();
    return { write, sync, again };
  },

  /** Keeps the directory until it is killed. */
  async hold(options) {
    const client = new Client(options);
    const completion = await client.run({ op: 'lock' });
    if (completion.error === undefined) setInterval(() => {}, 60_000);
    return completion;
  },

  /** Leaves an idle disk open, which must not keep the process. */
  async idle(options) {
    const client = new Client(options);
    await client.must({ op: 'lock' });
    return 'idle';
  },

  /** Waits for nothing but the closing, again and again. */
  async close(options) {
    for (let round = 0; round < 50; round++) {
      const client = new Client(options);
      const answers = [client.must({ op: 'lock' }), client.must({ op: 'list' })];
      await client.disk.close();
      await Promise.all(answers);
    }
    return 'closed';
  },

  /** Ends amid writes, with no word to the disk. */
  async exit(options) {
    const client = new Client(options);
    await client.must({ op: 'lock' });
    const file = await client.create('a');
    const bytes = client.disk.alignedArena(1 << 20);
    for (let i = 0; i < 50; i++) {
      void client.run({ op: 'write', file, offsetBytes: i << 20, bytes });
      void client.run({ op: 'sync', file });
    }
    await client.run({ op: 'list' });
    if (isMainThread) setImmediate(() => process.exit(7));
    else parentPort!.postMessage('writing');
    return 'writing';
  },
};

const [scenario, options] = isMainThread
  ? [process.argv[2]!, JSON.parse(process.argv[3]!) as NativeOptions]
  : (workerData as [string, NativeOptions]);
scenarios[scenario]!(options).then(
  (result) => console.log(JSON.stringify(result)),
  (error: Error) => console.log(JSON.stringify({ refused: error.message })),
);

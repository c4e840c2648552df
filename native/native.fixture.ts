/** A process of its own for native.test.ts: `native.fixture.ts SCENARIO OPTIONS`, and what came of it as lines of JSON. */
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { DiskCompletion, DiskRequest } from '../impl/ports/disk.ts';
import { PortableDisk } from '../impl/runtime/portable-disk.ts';
import { Client } from './client.test-support.ts';
import type { NativeOptions } from './index.ts';

const ADDON = fileURLToPath(new URL('./build/Release/walrus.node', import.meta.url));

/**
 * A worker that loads the addon by itself, which takes no time, opens a disk and is at work on it or idle, opens and closes disks, or
 * loads the addon alone; says when it begins.
 */
const WORKER = `
const { parentPort, workerData: { addon, directory, engine, kind } } = require('node:worker_threads');
const memory = new Uint8Array(1 << 16);
const [LOCK, OPEN, WRITE, READ, SYNC] = [0, 2, 4, 5, 6];
parentPort.postMessage('begins');
const native = require(addon);
function disk(onDone, onClosed = () => {}) {
  const options = { directory, engine: engine === 'io_uring' ? 1 : 2, direct: 0, inline: true, syncsEach: false, ringForbidden: '' };
  const records = new Float64Array(4 * 256);
  return new native.Disk(options, records, [memory], (count) => onDone(records, count), onClosed);
}
function work() {
  const it = disk((records) => {
    if (records[0] === 0) it.submit(OPEN, 1, 0, 1, 'file-' + Math.random(), undefined);
    else if (kind === 'work') for (const op of [WRITE, SYNC, READ, WRITE]) it.submit(op, 2, records[2] || 1, 0, memory, undefined);
  });
  it.submit(LOCK, 0, 0, 0, undefined, undefined);
}
function reopen() { disk(() => {}, reopen).close(); }
if (kind === 'reopen') reopen(); else if (kind !== 'load') work();
setInterval(() => {}, 1000);
`;

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

  /** Terminates workers while they load, open, work, rest and close, each a little later than the one before. */
  async terminate({ directory, engine }) {
    let terminated = 0;
    for (let round = 0; round < 15; round++) {
      for (const kind of ['load', 'work', 'idle', 'reopen']) {
        const own = join(directory, `${kind}-${round}`);
        const worker = new Worker(WORKER, {
          eval: true,
          workerData: { addon: ADDON, directory: own, engine, kind },
        });
        await new Promise((resolve) => worker.once('message', resolve));
        if (round > 0) await delay(round);
        await worker.terminate();
        terminated++;
      }
    }
    return { terminated };
  },

  /** What each errno of a write means to the native and to the portable disk, under calls that fail. */
  async errnos(options) {
    const client = new Client(options);
    await client.must({ op: 'lock' });
    const native = await client.create('a');
    const portable = new PortableDisk(join(options.directory, 'portable'), (completions) => {
      answer = completions[0];
    });
    let answer: DiskCompletion | undefined;
    const run = async (request: DiskRequest): Promise<DiskCompletion> => {
      answer = undefined;
      portable.submit(request);
      while (answer === undefined) await turn();
      return answer;
    };
    await run({ op: 'lock', id: 1 });
    const { file } = await run({ op: 'open', id: 2, name: 'a', create: true });
    const bytes = new Uint8Array(1000);
    const meanings: Record<string, unknown> = {};
    for (const [name, errno] of Object.entries(constants.errno)) {
      // An interrupted call is made again.
      if (name === 'EINTR') continue;
      process.env.FAIL_WRITE = String(errno);
      const write = { op: 'write', offsetBytes: 0, bytes } as const;
      const { error } = await client.run({ ...write, file: native });
      meanings[name] = [error, (await run({ ...write, id: 3, file: file! })).error];
    }
    delete process.env.FAIL_WRITE;
    await client.disk.close();
    await portable.close();
    return meanings;
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

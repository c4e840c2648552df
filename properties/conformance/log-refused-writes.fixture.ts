/**
 * A process whose writes are refused at will (FAIL_WRITE of native/test/failing-calls.cc): `log-refused-writes.fixture.ts DISK DIRECTORY`.
 * Says as one line of JSON what became of each call.
 */
import { constants } from 'node:os';
import { FsyncSchedule, Walrus, type WalrusError } from '../../impl/embedded/walrus.ts';

const [disk, dir] = process.argv.slice(2) as ['pwrite', string];
const options = { dir, disk, fileBytes: 1 << 20, fsync: FsyncSchedule.SyncEach };
const record = new Uint8Array(4000);
const outcome = (call: Promise<unknown>): Promise<unknown> =>
  call.catch((error: WalrusError) => error.code);
const refuse = (errno: number): void => {
  process.env.FAIL_WRITE = String(errno);
};
const permit = (): void => {
  delete process.env.FAIL_WRITE;
};

const log = await Walrus.open(options);
const first = await outcome(log.append('t', record));

// It passes: who waits goes on.
refuse(constants.errno.EDQUOT);
const waiting = outcome(log.append('t', record));
const settled = await Promise.race([waiting.then(() => true), read()]);
permit();
const second = await waiting;

// It stays: nobody waits for ever, and the rest goes on.
refuse(constants.errno.ENOSPC);
const stuck = await Promise.all([
  outcome(log.append('t', record)),
  outcome(log.appendBatch('t', [record])),
]);
const later = await outcome(log.append('t', record));
const flushed = await outcome(log.flush());
const entries = await read();
const closed = await outcome(log.close());
permit();

const again = await Walrus.open(options);
const kept = again.entryCount('t');
const next = await outcome(again.append('t', record));
await again.close();
console.log(
  JSON.stringify({ first, settled, second, stuck, later, flushed, entries, closed, kept, next }),
);

async function read(): Promise<number> {
  return (await log.readBatch('t', { from: 0 })).length;
}

/**
 * Reading whole batches, for whoever sends records to another replica: the end of a replica is always the end of a batch, so what is
 * sent ends with one.
 */
import { wholeBatches } from '../record.ts';
import type { ReadDone, ReadLimit } from '../storage/reader.ts';
import type { Mending } from './mending.ts';
import type { Replica } from './replica.ts';

/**
 * As `Mending.read`, and ends with the end of a batch: one at least, even if it has more bytes than the limit. `from` is where a
 * batch begins, and `limit.records` reaches to the end of one, or is what a batch may have at most.
 */
export function readBatches(
  mending: Mending,
  replica: Replica,
  from: number,
  limit: ReadLimit,
  done: ReadDone,
): void {
  const found: Uint8Array[] = [];
  const readOn = (): void => {
    const at = from + found.length;
    // The end was cut while it was read.
    if (at >= replica.end) {
      done(undefined, []);
      return;
    }
    const records = limit.records - found.length;
    mending.read(replica, at, { records, bytes: limit.bytes }, (error, more) => {
      if (error !== undefined || more.length === 0) {
        done(error, []);
        return;
      }
      found.push(...more);
      const whole = wholeBatches(found);
      if (whole > 0) done(undefined, found.slice(0, whole));
      else readOn();
    });
  };
  readOn();
}

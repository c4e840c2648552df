/**
 * What the embedded log has to pass on any disk: upstream's acceptance list, under upstream's names. What crosses
 * files there crosses files here, which are smaller; `WALRUS_TEST_SCALE=full` runs upstream's sizes.
 */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe } from 'vitest';
import type { DiskChoice } from '../../impl/embedded/walrus.ts';
import { batchReadCases } from './log-batch-reads.ts';
import { batchCases } from './log-batches.ts';
import { callCases } from './log-calls.ts';
import { countCases } from './log-counts.ts';
import { cursorCases } from './log-cursors.ts';
import { damageCases } from './log-damage.ts';
import { entryCases } from './log-entries.ts';
import { loadCases } from './log-load.ts';
import { readOnlyCases } from './log-read-only.ts';
import { LogWorld } from './log-world.ts';

export function logConformance(disk: DiskChoice): void {
  describe(`log on ${disk} disk`, () => {
    let world: LogWorld;
    beforeEach(async () => {
      world = new LogWorld(await mkdtemp(join(tmpdir(), 'walrus-log-')), disk);
    });
    afterEach(() => world.dispose());
    for (const cases of [
      entryCases,
      batchCases,
      batchReadCases,
      cursorCases,
      countCases,
      callCases,
      readOnlyCases,
      damageCases,
      loadCases,
    ]) {
      cases(() => world);
    }
  });
}

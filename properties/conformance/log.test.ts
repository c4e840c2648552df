import { describe, test } from 'vitest';
import type { DiskChoice } from '../../impl/embedded/walrus.ts';
import { loadNative } from '../../native/index.ts';
import { logConformance } from './log.ts';

const native = loadNative();
const disks: DiskChoice[] = ['portable', 'auto', 'io_uring'];
for (const disk of disks) {
  if (disk !== 'portable' && 'unavailable' in native) {
    describe(`log on ${disk} disk`, () =>
      test(native.unavailable, (it) => it.skip(native.unavailable)));
  } else {
    logConformance(disk);
  }
}

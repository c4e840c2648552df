import { describe, test } from 'vitest';
import { loadNative } from '../../native/index.ts';
import { logConformance } from './log.ts';

const native = loadNative();
if (!('unavailable' in native)) logConformance('auto');
else {
  const reason = native.unavailable;
  describe('log on auto disk', () => test(reason, (context) => context.skip(reason)));
}

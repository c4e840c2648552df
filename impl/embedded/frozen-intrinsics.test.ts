/** The library, as it is built, in a process where nobody may change what belongs to JavaScript itself. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const LIBRARY = join(import.meta.dirname, '..', '..', 'dist', 'impl', 'embedded', 'walrus.js');

const SCRIPT = `
import { ReadConsistency, Walrus } from ${JSON.stringify(LIBRARY)};
const log = await Walrus.open({ dir: process.argv[1], disk: process.argv[2], consistency: ReadConsistency.AtLeastOnce(3) });
const appended = Array.from({ length: 30 }, () => log.append('t', new Uint8Array(1 << 20)));
await Promise.all(appended);
for (let i = 0; i < 10; i++) await log.readNext('t');
const cursor = log.cursor('t', 'g');
for await (const entry of cursor) await cursor.commit(entry.offset + 1);
const stop = new AbortController();
const next = log.tail('t', { signal: stop.signal }).next();
stop.abort();
const codes = [await next.catch((error) => error.code), await log.append('t', 7).catch((error) => error.code)];
await log.deleteTopic('t');
await log.close();
console.log(Object.isFrozen(Array.prototype), codes.join());
`;

test.each(['portable', 'auto'])('all calls work with frozen intrinsics on %s disk', (disk) => {
  const dir = mkdtempSync(join(tmpdir(), 'walrus-frozen-'));
  const flags = ['--frozen-intrinsics', '--no-warnings', '--input-type=module', '--eval', SCRIPT];
  const said = execFileSync(process.execPath, [...flags, dir, disk], { encoding: 'utf8' });
  expect(said.trim()).toBe('true Aborted,InvalidArgument');
  rmSync(dir, { recursive: true });
});

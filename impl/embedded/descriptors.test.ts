/** A process that may open few files: what a log of many needs, and what it says when there are none left. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const LIBRARY = pathToFileURL(join(import.meta.dirname, '../../dist/impl/embedded/walrus.js')).href;
const scratch = mkdtempSync(join(tmpdir(), 'walrus-descriptors-'));
const WAYS = ['auto', 'io_uring', 'pwrite', 'portable'] as const;

beforeAll(() => expect(existsSync('/bin/sh')).toBe(true));
afterAll(() => rmSync(scratch, { recursive: true }));

/** What a program says that may open 64 files. */
function run(program: string, ...words: readonly string[]): Promise<unknown> {
  const begin = `import { Walrus } from ${JSON.stringify(LIBRARY)};
    import { openSync, closeSync } from 'node:fs';
    const words = process.argv.slice(1);
    const codeOf = ({ code, retriable }) => ({ code, retriable });\n`;
  const node = [process.execPath, '--input-type=module', '-e', begin + program, ...words];
  return new Promise((resolve, reject) => {
    execFile('/bin/sh', ['-c', 'ulimit -n 64; exec "$@"', 'sh', ...node], (error, out) =>
      error === null ? resolve(JSON.parse(out)) : reject(error),
    );
  });
}

test.each(WAYS)('a hundred files are read in any order, %s', async (disk) => {
  const program = `
    const [dir, disk] = words;
    const log = await Walrus.open({ dir, disk, fileBytes: 65536 });
    for (let i = 0; i < 100; i++) await log.append('t', new Uint8Array(50_000).fill(i));
    await log.flush();
    const { files } = log.stats().store;
    let right = 0;
    for (let i = 0; i < 100; i++) {
      const [{ data }] = await log.readBatch('t', { from: (i * 37) % 100, maxEntries: 1 });
      right += data.every((byte) => byte === (i * 37) % 100) ? 1 : 0;
    }
    // What others take meanwhile, the log gives back of what it kept for reading.
    const taken = [];
    try { for (;;) taken.push(openSync('/dev/null')); } catch {}
    closeSync(taken.pop());
    const [last] = await log.readBatch('t', { from: 50, maxEntries: 1 }).catch((error) => [codeOf(error)]);
    for (const descriptor of taken) closeSync(descriptor);
    await log.close();
    console.log(JSON.stringify({ files, right, last: last.data?.[0] ?? last }));`;
  const said = await run(program, join(scratch, `many-${disk}`), disk);
  expect(said).toMatchObject({ right: 100, last: 50 });
  expect((said as { files: number }).files).toBeGreaterThan(90);
});

test.each(WAYS)(
  'without any left an opening is Exhausted, and later succeeds, %s',
  async (disk) => {
    const program = `
    const [dir, disk] = words;
    const taken = [];
    try { for (;;) taken.push(openSync('/dev/null')); } catch {}
    const refused = [];
    // One more is left each time; the first openings do not even load the addon.
    for (let left = 0; left < 4; left++) {
      const log = await Walrus.open({ dir, disk }).catch((error) => error);
      if (log instanceof Walrus) await log.close();
      else refused.push(codeOf(log));
      closeSync(taken.pop());
    }
    for (const descriptor of taken) closeSync(descriptor);
    const log = await Walrus.open({ dir, disk });
    const offset = await log.append('t', new Uint8Array(1));
    const { way } = log.stats().disk;
    await log.close();
    console.log(JSON.stringify({ refused, offset, way }));`;
    const said = await run(program, join(scratch, `none-${disk}`), disk);
    const { refused, offset, way } = said as { refused: unknown[]; offset: number; way: string };
    expect(refused.length).toBeGreaterThan(0);
    for (const error of refused) expect(error).toEqual({ code: 'Exhausted', retriable: true });
    expect(offset).toBe(0);
    expect(way === 'portable').toBe(disk === 'portable');
  },
);

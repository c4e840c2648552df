/** What a log that is opened to read only makes of links, and of a system that is short of descriptors. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Walrus } from '../embedded/walrus.ts';

const LIBRARY = join(import.meta.dirname, '../../dist/impl/embedded/walrus.js');
let scratch: string;
let dir: string;

beforeEach(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'walrus-read-only-'));
  dir = join(scratch, 'log');
  const log = await Walrus.open({ dir, fileBytes: 1 << 16 });
  for (let i = 0; i < 200; i++) await log.append('t', Buffer.alloc(5000, i));
  await log.close();
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

/** Puts the files elsewhere and links in their place. */
function link(lead: (name: string, to: string) => void): void {
  for (const name of readdirSync(dir).filter((one) => one.endsWith('.wal'))) {
    const to = join(scratch, name);
    renameSync(join(dir, name), to);
    lead(name, to);
  }
}

test('files that are reached by links are read', async () => {
  link((name, to) => symlinkSync(to, join(dir, name)));
  const log = await Walrus.open({ dir, readOnly: true });
  try {
    const read: number[] = [];
    for await (const { data } of log.read('t')) read.push(data[0]!);
    expect(read).toEqual(Array.from({ length: 200 }, (_, i) => i));
  } finally {
    await log.close();
  }
});

test('a link that leads nowhere is a file that is missing', async () => {
  link((name, to) => symlinkSync(`${to}-gone`, join(dir, name)));
  const opened = Walrus.open({ dir, readOnly: true });
  await expect(opened).rejects.toMatchObject({ code: 'Corrupt', message: /missing/ });
});

/** Reads with so few descriptors that no file can be opened for a while. */
const SHORT = `
import { closeSync, openSync } from 'node:fs';
import { Walrus } from ${JSON.stringify(pathToFileURL(LIBRARY).href)};
const log = await Walrus.open({ dir: process.argv[1], readOnly: true });
const held = [];
try { for (;;) held.push(openSync('/dev/null')); } catch {}
const refused = await log.readBatch('t', { from: 0 }).catch((error) => error);
const opening = await Walrus.open({ dir: process.argv[1], readOnly: true }).catch((error) => error);
for (const descriptor of held) closeSync(descriptor);
const read = await log.readBatch('t', { from: 0 });
await log.close();
console.log(JSON.stringify([refused.code, refused.retriable, opening.code, read.length > 0]));
`;

test('without free descriptors a read is refused, and goes on when there are some', async () => {
  const command = `ulimit -n 64 && exec "$0" --input-type=module -e "$1" "$2"`;
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile('sh', ['-c', command, process.execPath, SHORT, dir], (error, said, told) => {
      if (error === null) resolve(said);
      else reject(new Error(told));
    });
  });
  expect(JSON.parse(stdout)).toEqual(['Exhausted', true, 'Exhausted', true]);
});

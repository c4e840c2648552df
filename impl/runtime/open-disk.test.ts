/** The permission model of Node.js, of which later versions disable fsync. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';

const LIBRARY = join(import.meta.dirname, '../../dist/impl/embedded/walrus.js');

/** Tells whether a file can be synced, and how a portable log ended. */
const PERMITTED = `
import { fdatasyncSync, openSync } from 'node:fs';
import { Walrus } from ${JSON.stringify(pathToFileURL(LIBRARY).href)};
const [dir] = process.argv.slice(1);
let canSync = true;
try { fdatasyncSync(openSync(dir + '/file', 'w')); } catch { canSync = false; }
let ending;
try {
  const log = await Walrus.open({ dir: dir + '/log', disk: 'portable' });
  await log.append('t', new Uint8Array(1));
  await log.close();
  ending = 'fine';
} catch (error) {
  ending = error.code + ': ' + error.message;
}
console.log(JSON.stringify({ canSync, ending }));
`;

test('where the permission model disables fsync, opening says so, and what helps', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'walrus-permission-'));
  const flag = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  const flags = [flag, '--allow-fs-read=*', '--allow-fs-write=*', '--input-type=module', '-e'];
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(process.execPath, [...flags, PERMITTED, scratch], (error, said, told) => {
      if (error === null) resolve(said);
      else reject(new Error(told));
    });
  });
  rmSync(scratch, { recursive: true });
  const { canSync, ending } = JSON.parse(stdout) as { canSync: boolean; ending: string };
  expect(ending).toMatch(canSync ? /^fine$/ : /^InvalidArgument: .*--allow-addons/);
});

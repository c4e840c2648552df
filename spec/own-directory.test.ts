import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';

const MODULE = new URL('./own-directory.ts', import.meta.url).href;
/** Says where its directory is, and waits for a child that keeps its output open. */
const RUN = `
  const { spawn } = await import('node:child_process');
  const { ownDirectory, stopAtExit } = await import(${JSON.stringify(MODULE)});
  stopAtExit(spawn('sleep', ['infinity'], { stdio: 'inherit' }));
  console.log(ownDirectory('test'));
`;

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s: nothing of the run stays',
  async (signal) => {
    const run = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', RUN]);
    const [line] = await once(run.stdout, 'data');
    const directory = String(line).trim();
    expect(existsSync(directory)).toBe(true);
    run.kill(signal);
    const [code] = await once(run, 'close');
    expect(code).toBeGreaterThan(128);
    expect(existsSync(directory)).toBe(false);
  },
);

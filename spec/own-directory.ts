/** What a run keeps on the disk meanwhile, which for long ones are gigabytes. It goes with the run, also when that is interrupted. */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { WORK } from './jar.ts';

const children = new Set<ChildProcess>();
let own: string | undefined;

/** A new directory in the one of this process. */
export function ownDirectory(name: string): string {
  own ??= made();
  return mkdtempSync(join(own, `${name}-`));
}

/** It would go on writing there. */
export function stopAtExit<Child extends ChildProcess>(child: Child): Child {
  children.add(child);
  child.once('close', () => children.delete(child));
  return child;
}

function made(): string {
  mkdirSync(WORK, { recursive: true });
  const directory = mkdtempSync(join(WORK, 'run-'));
  process.once('exit', () => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(128 + constants.signals[signal]));
  }
  return directory;
}

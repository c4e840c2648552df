import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes the directory and those above it, each durable as an entry of the one that holds it. */
export async function createDirectory(path: string): Promise<void> {
  const topmost = await mkdir(path, { recursive: true });
  if (topmost === undefined) return;
  for (let at = path; at !== dirname(topmost); at = dirname(at)) {
    await syncDirectory(dirname(at));
  }
}

/** Makes creations, renames and removals in the directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What the figures were measured on, for those who compare them with theirs. */
import { readFileSync, statfsSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import process from 'node:process';
import { Walrus } from '../embedded/walrus.ts';

export async function describeMachine(scratch: string): Promise<Record<string, string>> {
  const [first] = cpus();
  const log = await Walrus.open({ dir: `${scratch}/probe` });
  const { disk, native } = log.stats();
  await log.close();
  return {
    processor: `${cpus().length} x ${first?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `Linux ${release()}, ${fileSystem(scratch)}, ${freeGiB(scratch)} GiB free`,
    'Node.js': process.version,
    'disk: auto': `${disk.way}: ${disk.reason}`,
    writes:
      native === undefined
        ? 'buffered'
        : `${native.direct ? 'direct' : 'buffered'}: ${native.directReason}`,
    checksum: native?.checksum ?? 'table, in JavaScript',
  };
}

function fileSystem(path: string): string {
  try {
    const mounts = readFileSync('/proc/mounts', 'utf8').trim().split('\n');
    const fields = mounts.map((line) => line.split(' '));
    const under = fields.filter(
      ([, mount]) => path === mount || path.startsWith(`${mount}/`.replace('//', '/')),
    );
    const [, , type, options] = under.sort((a, b) => b[1]!.length - a[1]!.length)[0]!;
    return `${type} (${options})`;
  } catch {
    return 'unknown file system';
  }
}

function freeGiB(path: string): number {
  const { bavail, bsize } = statfsSync(path);
  return Math.round((bavail * bsize) / 2 ** 30);
}

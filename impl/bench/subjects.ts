/** What a name in a workload's list stands for. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { PEERS_DIRECTORY, peerModulePath } from './peer-packages.ts';
import type { RawLimit } from './raw-limits.ts';
import type { Subject } from './subject.ts';
import { betterSqlite3 } from './subjects/better-sqlite3.ts';
import { classicLevel } from './subjects/classic-level.ts';
import { jsLog } from './subjects/js-log.ts';
import { lmdb } from './subjects/lmdb.ts';
import { store } from './subjects/store.ts';
import { walrus } from './subjects/walrus.ts';

export type Found =
  | { readonly how: 'log'; readonly subject: Subject }
  | { readonly how: 'raw'; readonly limit: RawLimit }
  /** A program that does the whole job; `threads` are all that it uses, fewer if the workload has fewer appenders. */
  | { readonly how: 'program'; readonly path: string; readonly threads: number };

const UPSTREAM = join(PEERS_DIRECTORY, 'rust/target/release/walrus-bench-upstream');
const ROCKSDB = join(PEERS_DIRECTORY, 'build/rocksdb');

const SUBJECTS: Readonly<Record<string, Found>> = {
  'walrus io_uring': { how: 'log', subject: walrus('io_uring') },
  'walrus pwrite': { how: 'log', subject: walrus('pwrite') },
  'walrus portable': { how: 'log', subject: walrus('portable') },
  'store io_uring direct': { how: 'log', subject: store('io_uring', true) },
  'store io_uring buffered': { how: 'log', subject: store('io_uring', false) },
  'store pwrite direct': { how: 'log', subject: store('pwrite', true) },
  'store pwrite buffered': { how: 'log', subject: store('pwrite', false) },
  'js log': { how: 'log', subject: jsLog },
  lmdb: { how: 'log', subject: lmdb },
  'classic-level': { how: 'log', subject: classicLevel },
  'better-sqlite3': { how: 'log', subject: betterSqlite3 },
  rocksdb: { how: 'program', path: ROCKSDB, threads: 1000 },
  'walrus-rust': { how: 'program', path: UPSTREAM, threads: 1 },
  'walrus-rust 2 threads': { how: 'program', path: UPSTREAM, threads: 2 },
  'walrus-rust 10 threads': { how: 'program', path: UPSTREAM, threads: 10 },
};

export function find(name: string): Found {
  if (name.startsWith('raw ')) return { how: 'raw', limit: name.slice(4) as RawLimit };
  const found = SUBJECTS[name];
  if (found === undefined) throw new Error(`nothing is called ${name}`);
  return found;
}

/** Why this subject cannot run here; `undefined` if it can. */
export function absence(name: string): string | undefined {
  const found = find(name);
  if (found.how === 'program') return existsSync(found.path) ? undefined : 'it was not built';
  if (!['lmdb', 'classic-level', 'better-sqlite3'].includes(name)) return undefined;
  try {
    peerModulePath(name);
    return undefined;
  } catch {
    return 'its package is not installed';
  }
}

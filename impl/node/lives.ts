/**
 * The lives of a disk: which processes opened it, and how far its log reached each time. The list is kept on the disk
 * itself, under one key, and is durable before a process takes part in anything.
 *
 * The log only grows, and what was durable is there at the next opening. So if a life said that everything before an lsn
 * was durable, all lives after it opened at that lsn or behind it. If one did not, or if the disk does not even know of
 * that life, then the disk has lost an end of what it had, or is an older copy of itself.
 */
import { ByteReader, ByteWriter } from '../core/codec.ts';
import type { BootId } from '../core/ids.ts';
import type { Lsn } from '../core/storage/ids.ts';
import type { Store } from '../core/storage/store.ts';

const LIVES = 'node/lives';
/** Older ones are forgotten; who remembers one of them compares with the oldest that is left. */
const LIVES_MAX = 64;

export interface Life {
  readonly boot: BootId;
  readonly openedLsn: Lsn;
}

/** What a disk said of itself: in this life, everything before `lsn` was durable. */
export interface Reach {
  readonly boot: BootId;
  readonly lsn: Lsn;
}

/** Oldest first; empty on an empty disk. */
export function readLives(store: Store): readonly Life[] {
  const bytes = store.get(LIVES);
  if (bytes === undefined) return [];
  const input = new ByteReader(bytes);
  return input.list(() => ({ boot: input.whole() as BootId, openedLsn: input.whole() }));
}

/** Adds the present life, for the store's next commit, and returns all. */
export function beginLife(store: Store, life: Life): readonly Life[] {
  const lives = [...readLives(store), life].slice(-LIVES_MAX);
  const out = new ByteWriter();
  out.list(lives, ({ boot, openedLsn }) => out.whole(boot).whole(openedLsn));
  store.put(LIVES, out.finish());
  return lives;
}

/** Whether a disk with these lives still has what it once had. */
export function hasKept(lives: readonly Life[], { boot, lsn }: Reach): boolean {
  const since = lives.slice(1 + lives.findIndex((life) => life.boot === boot));
  return since.every(({ openedLsn }) => openedLsn >= lsn);
}

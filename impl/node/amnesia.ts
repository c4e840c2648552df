/**
 * What a disk keeps of its having forgotten, so that no later life of it takes part as if nothing had happened; and how
 * it is emptied once the others can do without it.
 */
import { ByteReader, ByteWriter } from '../core/codec.ts';
import type { BootId, NodeId } from '../core/ids.ts';
import type { Store } from '../core/storage/store.ts';
import type { Reach } from './lives.ts';

const AMNESIA = 'node/amnesia';
const SEEDS = 'node/seeds';

/** A disk that has less than it once said. */
export interface Amnesia extends Reach {
  /** Who was told of it. */
  readonly toldBy: NodeId;
}

export function readAmnesia(store: Store): Amnesia | undefined {
  const bytes = store.get(AMNESIA);
  if (bytes === undefined) return undefined;
  const input = new ByteReader(bytes);
  const boot = input.whole() as BootId;
  return { boot, lsn: input.whole(), toldBy: input.whole() as NodeId };
}

/** Stages it, and whom to ask for help: the membership is not read again. */
export function writeAmnesia(store: Store, amnesia: Amnesia, seeds: readonly string[]): void {
  const { boot, lsn, toldBy } = amnesia;
  store.put(AMNESIA, new ByteWriter().whole(boot).whole(lsn).whole(toldBy).finish());
  writeSeeds(store, seeds);
}

/** Raft addresses of nodes that may know the cluster, besides those in the configuration. */
export function readSeeds(store: Store): readonly string[] {
  const bytes = store.get(SEEDS);
  if (bytes === undefined) return [];
  const input = new ByteReader(bytes);
  return input.list(() => input.text());
}

/** Stages the end of everything on the disk but the seeds. */
export function forgetAll(store: Store): void {
  const seeds = readSeeds(store);
  for (const name of store.streams()) store.drop(store.stream(name));
  for (const key of store.keys('')) store.put(key, undefined);
  writeSeeds(store, seeds);
}

function writeSeeds(store: Store, seeds: readonly string[]): void {
  const out = new ByteWriter();
  out.list(seeds, (seed) => out.text(seed));
  store.put(SEEDS, out.finish());
}

/** What a disk keeps of who it is, and of having forgotten something. */
import { expect, test } from 'vitest';
import type { BootId, Incarnation, NodeId } from '../core/ids.ts';
import type { Store } from '../core/storage/store.ts';
import { forgetAll, readAmnesia, readSeeds, writeAmnesia } from './amnesia.ts';
import { readIdentity, writeIdentity } from './identity.ts';

const AMNESIA = { boot: (2 ** 52 + 1) as BootId, lsn: 300, toldBy: 3 as NodeId };

/** Pairs and streams, in memory. */
class MemoryStore {
  readonly pairs: Map<string, Uint8Array> = new Map();
  readonly names: Set<string> = new Set();

  get(key: string): Uint8Array | undefined {
    return this.pairs.get(key);
  }
  put(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) this.pairs.delete(key);
    else this.pairs.set(key, value);
  }
  keys(): string[] {
    return [...this.pairs.keys()];
  }
  streams(): string[] {
    return [...this.names];
  }
  stream(name: string): string {
    return name;
  }
  drop(name: string): void {
    this.names.delete(name);
  }
}

test('an empty disk is nobody, and remembers nothing', () => {
  const store = new MemoryStore() as unknown as Store;
  expect(readIdentity(store)).toBeUndefined();
  expect(readAmnesia(store)).toBeUndefined();
  expect(readSeeds(store)).toEqual([]);
});

test('what was written is read', () => {
  const store = new MemoryStore() as unknown as Store;
  const identity = { node: 200 as NodeId, incarnation: (2 ** 52 + 7) as Incarnation };
  writeIdentity(store, identity);
  writeAmnesia(store, AMNESIA, ['host:1', 'host:2']);
  expect(readIdentity(store)).toEqual(identity);
  expect(readAmnesia(store)).toEqual(AMNESIA);
  expect(readSeeds(store)).toEqual(['host:1', 'host:2']);
});

test('a disk that forgets all still knows whom to ask', () => {
  const memory = new MemoryStore();
  const store = memory as unknown as Store;
  memory.names.add('segment/1/t').add('raft/log');
  writeIdentity(store, { node: 1 as NodeId, incarnation: 101 as Incarnation });
  writeAmnesia(store, AMNESIA, ['host:1']);
  forgetAll(store);
  expect(memory.streams()).toEqual([]);
  expect(readIdentity(store)).toBeUndefined();
  expect(readAmnesia(store)).toBeUndefined();
  expect(memory.keys()).toHaveLength(1);
  expect(readSeeds(store)).toEqual(['host:1']);
});

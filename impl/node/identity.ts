/** Who a node is: its number, and the incarnation of its disk. It is kept in the store, under one key. */
import { ByteReader, ByteWriter } from '../core/codec.ts';
import type { Incarnation, NodeId } from '../core/ids.ts';
import type { Store } from '../core/storage/store.ts';

const IDENTITY = 'node/identity';

export interface Identity {
  readonly node: NodeId;
  readonly incarnation: Incarnation;
}

/** Undefined on an empty disk. */
export function readIdentity(store: Store): Identity | undefined {
  const bytes = store.get(IDENTITY);
  if (bytes === undefined) return undefined;
  const input = new ByteReader(bytes);
  return { node: input.whole() as NodeId, incarnation: input.whole() as Incarnation };
}

/** Stages it for the store's next commit. */
export function writeIdentity(store: Store, identity: Identity): void {
  store.put(IDENTITY, new ByteWriter().whole(identity.node).whole(identity.incarnation).finish());
}

/**
 * Who a node is: its number, and the incarnation of its disk. It is kept in the store, under one key, with the version of what
 * else this node keeps there: metadata log and snapshots, promises, names of streams.
 *
 *     1  (not written) topics go by their names
 *     2  (not written) topics go by the index of their creation
 *     3  records are as `core/record.ts` has them, before they were what a client had put
 */
import { ByteReader, ByteWriter } from '../core/codec.ts';
import { WalrusError } from '../core/errors.ts';
import type { Incarnation, NodeId } from '../core/ids.ts';
import type { Store } from '../core/storage/store.ts';

const IDENTITY = 'node/identity';
const FORMAT = 3;

export interface Identity {
  readonly node: NodeId;
  readonly incarnation: Incarnation;
}

/** Undefined on an empty disk; `UnsupportedVersion` if what is on it is of another format. */
export function readIdentity(store: Store): Identity | WalrusError | undefined {
  const bytes = store.get(IDENTITY);
  if (bytes === undefined) return undefined;
  const input = new ByteReader(bytes);
  const node = input.whole() as NodeId;
  const incarnation = input.whole() as Incarnation;
  const format = input.left > 0 ? input.whole() : 1;
  if (format === FORMAT) return { node, incarnation };
  const said =
    format < FORMAT
      ? `the directory is of format ${format}, in which ${format === 1 ? 'topics go by their names' : 'records are without flags'}: read it with the version that wrote it, see "Upgrading" in the README`
      : `the directory is of format ${format}, written by a newer version; this one knows ${FORMAT}`;
  return new WalrusError('UnsupportedVersion', said);
}

/** Stages it for the store's next commit. */
export function writeIdentity(store: Store, { node, incarnation }: Identity): void {
  store.put(IDENTITY, new ByteWriter().whole(node).whole(incarnation).whole(FORMAT).finish());
}

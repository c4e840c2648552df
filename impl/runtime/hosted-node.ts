/** What the runtime asks of a cluster member; `impl/node/node.ts` is one. */
import type { ClientRequest, NodeWish, Reply, TopicState } from '../core/controller/operations.ts';
import type { WalrusError } from '../core/errors.ts';
import type { DamageCounts } from '../core/segment/mending.ts';
import type { StoreStats } from '../core/storage/store.ts';
import type { DiskView, NodeView } from '../node/view.ts';
import type { DiskCompletion } from '../ports/disk.ts';

export interface HostedNode<Message> {
  readonly status: 'starting' | 'running' | 'amnesiac' | 'stopped';
  /** Why it stopped by itself. */
  readonly failure: WalrusError | undefined;
  /** Why the cluster takes nothing of it although it lives. */
  readonly exclusion: string | undefined;
  /** The disk has no place for more; what it has can be read. */
  readonly diskIsFull: boolean;
  /** What its store did and how; undefined unless it runs. */
  readonly storage: StoreStats | undefined;
  /** Records that did not verify, and what became of them; undefined unless it runs. */
  readonly damage: DamageCounts | undefined;
  start(): void;
  receive(message: Message): void;
  complete(completions: readonly DiskCompletion[]): void;
  tick(): void;
  /** When to call `tick`, on the node's own clock; Infinity if never. */
  deadlineMs(): number;
  request(requests: readonly ClientRequest[]): void;
  changeNode(wish: NodeWish, dryRun: boolean, reply: (reply: Reply) => void): void;
  /** All nodes that it knows of; undefined unless it runs. */
  disks(): readonly DiskView[] | undefined;
  topicState(topic: string): TopicState | undefined;
  /** Who owns the topic's open segment, as far as is known. */
  ownerOf(topic: string): number | undefined;
  /** The cluster as it sees it; undefined unless it runs. */
  view(topicsMax: number): NodeView | undefined;
  metrics(): object;
  stop(): void;
}

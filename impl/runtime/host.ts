import type {
  ClientRequest,
  NodeWish,
  Operation,
  Reply,
  TopicState,
} from '../core/controller/operations.ts';
import type { DamageCounts } from '../core/segment/mending.ts';
import type { StoreStats } from '../core/storage/store.ts';
import type { DiskView, NodeView } from '../node/view.ts';
import type { Clock } from '../ports/clock.ts';
import type { DiskCompletion } from '../ports/disk.ts';
import type { HostedNode } from './hosted-node.ts';

/** No timer of Node.js waits longer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Drives one node: hands it every input, and wakes it at its deadline. The deadline is looked at once per turn of the
 * event loop, after all inputs of that turn. A node that throws is dead, for its state is not to be trusted:
 * nothing is handed to it any more, and `onEnd` is told once.
 */
export class Host<Message> {
  private readonly clock: Clock;
  private readonly onEnd: (reason: Error | undefined) => void;
  private readonly onDiskFull: (full: boolean) => void;
  private readonly onExclusion: (reason: string | undefined) => void;
  private node: HostedNode<Message> | undefined;
  private dead = false;
  private diskWasFull = false;
  private wasExcludedFor: string | undefined;
  private asked: ClientRequest[] = [];
  private arming = false;
  private timer: NodeJS.Timeout | undefined;
  private wakeMs = Infinity;

  /** `onEnd` gets why the node died or failed; undefined if it was stopped. The others are told of each change. */
  constructor(
    clock: Clock,
    onEnd: (reason: Error | undefined) => void,
    onDiskFull: (full: boolean) => void,
    onExclusion: (reason: string | undefined) => void,
  ) {
    this.clock = clock;
    this.onEnd = onEnd;
    this.onDiskFull = onDiskFull;
    this.onExclusion = onExclusion;
  }

  run(node: HostedNode<Message>): void {
    this.node = node;
    this.input((each) => each.start());
  }

  receive(message: Message): void {
    this.input((node) => node.receive(message));
  }

  complete(completions: readonly DiskCompletion[]): void {
    this.input((node) => node.complete(completions));
  }

  /**
   * Calls `reply` once; with `Unavailable` if there is no living node. What is asked in one turn of the event loop, by whomever, is
   * one input.
   */
  request(operation: Operation, reply: (reply: Reply) => void): void {
    if (this.asked.push({ operation, reply }) === 1) setImmediate(() => this.handOver());
  }

  private handOver(): void {
    const { asked } = this;
    this.asked = [];
    if (this.input((node) => node.request(asked))) return;
    for (const { reply } of asked) {
      reply({ kind: 'error', code: 'Unavailable', message: 'the node has stopped' });
    }
  }

  changeNode(wish: NodeWish, dryRun: boolean, reply: (reply: Reply) => void): void {
    const isTaken = this.input((node) => node.changeNode(wish, dryRun, reply));
    if (!isTaken) reply({ kind: 'error', code: 'Unavailable', message: 'the node is not running' });
  }

  disks(): readonly DiskView[] | undefined {
    return this.dead ? undefined : this.node?.disks();
  }

  topicState(topic: string): TopicState | undefined {
    return this.node?.topicState(topic);
  }

  ownerOf(topic: string): number | undefined {
    return this.node?.ownerOf(topic);
  }

  view(topicsMax: number): NodeView | undefined {
    return this.dead ? undefined : this.node?.view(topicsMax);
  }

  metrics(): object {
    return this.node?.metrics() ?? {};
  }

  get diskIsFull(): boolean {
    return this.node?.diskIsFull ?? false;
  }

  get exclusion(): string | undefined {
    return this.node?.exclusion;
  }

  get storage(): StoreStats | undefined {
    return this.node?.storage;
  }

  get damage(): DamageCounts | undefined {
    return this.node?.damage;
  }

  get status(): 'starting' | 'running' | 'amnesiac' | 'stopped' {
    if (this.dead) return 'stopped';
    return this.node?.status ?? 'starting';
  }

  /** Asks the node to leave; `onEnd` tells when it has. */
  stop(): void {
    this.input((node) => node.stop());
  }

  /** Whether a living node took it. */
  private input(work: (node: HostedNode<Message>) => void): boolean {
    if (this.dead || this.node === undefined) return false;
    try {
      work(this.node);
    } catch (error) {
      this.end(error as Error);
      return true;
    }
    if (!this.arming) {
      this.arming = true;
      setImmediate(() => this.endTurn(this.node!));
    }
    return true;
  }

  private endTurn(node: HostedNode<Message>): void {
    this.arming = false;
    if (this.dead) return;
    const { diskIsFull, exclusion } = node;
    if (diskIsFull !== this.diskWasFull) this.onDiskFull(diskIsFull);
    this.diskWasFull = diskIsFull;
    if (exclusion !== this.wasExcludedFor) this.onExclusion(exclusion);
    this.wasExcludedFor = exclusion;
    if (node.status === 'stopped') this.end(node.failure);
    else this.arm(node.deadlineMs());
  }

  /** A timer that is early is left alone: it finds the later deadline when it fires. */
  private arm(deadlineMs: number): void {
    if (deadlineMs >= this.wakeMs) return;
    clearTimeout(this.timer);
    this.wakeMs = deadlineMs;
    const waitMs = Math.ceil(deadlineMs - this.clock.monotonicMs());
    this.timer = setTimeout(() => this.wake(), Math.min(Math.max(waitMs, 0), LONGEST_TIMER_MS));
  }

  /** What has arrived by now is read first: it may be what the node waits for, and was only not looked at in a long turn. */
  private wake(): void {
    setImmediate(() => this.look());
  }

  private look(): void {
    if (this.dead) return;
    this.wakeMs = Infinity;
    const deadlineMs = this.node?.deadlineMs() ?? Infinity;
    if (deadlineMs <= this.clock.monotonicMs()) this.input((node) => node.tick());
    else this.arm(deadlineMs);
  }

  private end(reason: Error | undefined): void {
    this.dead = true;
    clearTimeout(this.timer);
    this.onEnd(reason);
  }
}

/** A cluster member that is none: topics in memory, every operation answered at once, or when a test says. */
import type {
  ClientRequest,
  NodeWish,
  Operation,
  Reply,
  TopicState,
} from '../core/controller/operations.ts';
import type { WalrusError } from '../core/errors.ts';
import { type BootId, epoch, nodeId, offset, segmentId, term } from '../core/ids.ts';
import { NO_POLICY } from '../core/metadata/policy.ts';
import type { NodeView } from '../node/view.ts';
import type { HostedNode } from './hosted-node.ts';
import type { Service } from './server.ts';

export class FakeNode implements HostedNode<string> {
  status: 'starting' | 'running' | 'stopped' = 'starting';
  failure: WalrusError | undefined;
  exclusion: string | undefined;
  diskIsFull = false;
  readonly storage: undefined;
  readonly damage: undefined;
  deadline = Infinity;
  readonly received: string[] = [];
  ticks = 0;
  /** Answers held back; call them in any order. */
  readonly held: (() => void)[] = [];
  hold = false;
  /** Thrown by the next input. */
  poison: Error | undefined;
  private readonly topics = new Map<string, { records: Uint8Array[]; cursor: number }>();

  start(): void {
    this.status = 'running';
  }

  receive(message: string): void {
    if (this.poison !== undefined) throw this.poison;
    this.received.push(message);
  }

  complete(): void {}

  tick(): void {
    this.ticks++;
    this.deadline = Infinity;
  }

  deadlineMs(): number {
    return this.deadline;
  }

  request(requests: readonly ClientRequest[]): void {
    if (this.poison !== undefined) throw this.poison;
    for (const { operation, reply } of requests) {
      const answer = this.perform(operation);
      if (this.hold) this.held.push(() => reply(answer));
      else reply(answer);
    }
  }

  /** It, as a server sees it. */
  get service(): Service {
    return {
      request: (operation, reply) => this.request([{ operation, reply }]),
      topicState: (topic) => this.topicState(topic),
      changeNode: (wish, dryRun, reply) => this.changeNode(wish, dryRun, reply),
      disks: () => [],
      ownerOf: () => this.ownerOf(),
      view: (topicsMax) => this.view(topicsMax),
      metrics: () => this.metrics(),
    };
  }

  changeNode(_: NodeWish, __: boolean, reply: (reply: Reply) => void): void {
    reply({ kind: 'granted' });
  }

  disks(): [] {
    return [];
  }

  ownerOf(): undefined {}

  view(topicsMax: number): NodeView {
    return {
      boot: 1 as BootId,
      role: 'leader',
      term: term(1),
      leader: nodeId(1),
      members: [],
      topics: [...this.topics].slice(0, topicsMax).map(([topic, { records }]) => ({
        topic,
        owner: nodeId(1),
        state: 'open',
        deleting: false,
        segments: 2,
        records: records.length,
        shortSegments: 0,
        groups: [],
      })),
      topicCount: this.topics.size,
      shortSegments: 0,
      incompleteSegments: 0,
    };
  }

  topicState(topic: string): TopicState | undefined {
    if (!this.topics.has(topic)) return undefined;
    return {
      firstOffset: 0,
      policy: NO_POLICY,
      currentSegment: 2,
      owner: nodeId(1),
      lastSealedOffset: 10,
      sealedSegments: new Map([[1, 10]]),
      segmentOwners: new Map([
        [1, nodeId(3)],
        [2, nodeId(1)],
      ]),
    };
  }

  metrics(): object {
    return { id: 1, state: 'Leader' };
  }

  stop(): void {
    this.status = 'stopped';
  }

  private perform(operation: Operation): Reply {
    if (operation.kind === 'register') {
      if (!this.topics.has(operation.topic)) {
        this.topics.set(operation.topic, { records: [], cursor: 0 });
      }
      return { kind: 'registered' };
    }
    if (operation.topic === 'not-mine') {
      return { kind: 'error', code: 'NotOwner', message: 'NotLeaderForPartition: t_not-mine_s_1' };
    }
    const topic = this.topics.get(operation.topic);
    if (topic === undefined) {
      const message = `unknown topic ${operation.topic}`;
      return { kind: 'error', code: 'UnknownTopic', message };
    }
    if (operation.kind === 'put') {
      topic.records.push(...operation.records.map((record) => record.slice()));
      return {
        kind: 'appended',
        segment: segmentId(1),
        epoch: epoch(1),
        offset: offset(topic.records.length - operation.records.length),
      };
    }
    if (operation.kind === 'delete') {
      this.topics.delete(operation.topic);
      return { kind: 'deleted' };
    }
    if (operation.kind === 'set') return { kind: 'set' };
    if (operation.kind === 'trim') return { kind: 'trimmed', start: offset(operation.before) };
    if (operation.kind === 'fetch') {
      const from = operation.offset;
      return {
        kind: 'records',
        offset: from,
        records: topic.records.slice(from, from + operation.records),
        highWatermark: offset(topic.records.length),
      };
    }
    const at = topic.cursor;
    const record = topic.records[at];
    if (record === undefined) return { kind: 'empty' };
    topic.cursor++;
    return { kind: 'record', offset: offset(at), record };
  }
}

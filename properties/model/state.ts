/** The variables of `spec/DistributedLog.tla`, in a form in which one step costs about a microsecond. */
import type { BootId, Epoch, Incarnation, NodeId, TopicId } from '../../impl/core/ids.ts';
import { Messages } from './messages.ts';
import { type Grant, Metadata, segmentKey, topicOf } from './metadata.ts';

/** One node's copy of one segment: on its disk, and what its process knows under the present grant. */
export class Copy {
  end = 0;
  durable = 0;
  promised = 0 as Epoch;
  durablePromise = 0 as Epoch;
  watermark = 0;
  stopped = false;
  /** As writer: how many records each other node has durably. */
  readonly reported: Map<NodeId, number> = new Map();
  /** As recoverer: the durable end that came with each promise. */
  readonly promises: Map<NodeId, number> = new Map();

  forgetGrant(): void {
    this.stopped = false;
    this.reported.clear();
    this.promises.clear();
  }
}

export class NodeState {
  readonly id: NodeId;
  up = false;
  boot = 0 as BootId;
  incarnation = 0 as Incarnation;
  /** Its disk may have less than it said it had. */
  lapsed = false;
  lease = false;
  applied = 0;
  /** No restart of its disk takes it back to before that. */
  kept = 0;
  readonly copies: Map<string, Copy> = new Map();
  /** Answers to GET that it may give, because it moved the cursor. */
  readonly pending: Set<string> = new Set();

  constructor(id: NodeId) {
    this.id = id;
  }

  copy(key: string): Copy {
    let copy = this.copies.get(key);
    if (copy === undefined) {
      copy = new Copy();
      this.copies.set(key, copy);
    }
    return copy;
  }
}

export class LogModel {
  readonly metadata: Metadata = new Metadata();
  /** What was said by disks that are believed; of others, nobody takes anything. */
  readonly messages: Messages = new Messages();
  readonly proposals: Set<string> = new Set();
  /** Where the record of each request was put. */
  readonly appended: Map<string, { readonly key: string; readonly index: number }> = new Map();
  /** The records of each segment, in their one order. */
  private readonly assigned = new Map<string, number[]>();
  private readonly nodes = new Map<NodeId, NodeState>();

  node(id: NodeId): NodeState {
    let node = this.nodes.get(id);
    if (node === undefined) {
      node = new NodeState(id);
      this.nodes.set(id, node);
    }
    return node;
  }

  send(...message: Parameters<Messages['put']>): void {
    const [, from] = message;
    if (!this.node(from).lapsed) this.messages.put(...message);
  }

  assignedTo(key: string): number[] {
    let assigned = this.assigned.get(key);
    if (assigned === undefined) {
      assigned = [];
      this.assigned.set(key, assigned);
    }
    return assigned;
  }

  /** Whether its record was appended, and not beyond the end at which its segment was sealed: such a one may come again. */
  isTaken(request: string): boolean {
    const place = this.appended.get(request);
    if (place === undefined) return false;
    const now = this.metadata.grant(place.key, this.metadata.length);
    return now?.state !== 'sealed' || place.index < now.count;
  }

  grant(node: NodeState, key: string): Grant | undefined {
    return this.metadata.grant(key, node.applied);
  }

  /** Whether the node knows that the segment is over and nothing of it is kept. */
  isGone(node: NodeState, topic: TopicId, key: string): boolean {
    return this.metadata.isGone(topic, key, node.applied);
  }

  /** Whether the node takes and promises anything of the segment: what it promised of what is over, or moved away, it may have forgotten. */
  serves(node: NodeState, topic: TopicId, key: string): boolean {
    return !this.isGone(node, topic, key) && !this.metadata.isStray(key, node.id, node.applied);
  }

  owns(node: NodeState, key: string): boolean {
    return this.writesAs('open', node, key);
  }

  recovers(node: NodeState, key: string): boolean {
    return this.writesAs('fenced', node, key);
  }

  /** How many records of the segment the node has, within the segment. */
  end(node: NodeState, key: string): number {
    return this.within(node, key, node.copy(key).end);
  }

  durableEnd(node: NodeState, key: string): number {
    return this.within(node, key, node.copy(key).durable);
  }

  /** How many records of the segment its writer knows `other` to hold durably; -1 if it knows nothing. */
  endOf(writer: NodeState, key: string, other: NodeId): number {
    const copy = writer.copy(key);
    if (other !== writer.id) return copy.reported.get(other) ?? -1;
    const counts = this.owns(writer, key) || copy.promises.has(other);
    return counts ? this.durableEnd(writer, key) : -1;
  }

  heldByMajority(writer: NodeState, key: string, count: number): boolean {
    const replicas = this.grant(writer, key)!.replicas;
    let holders = 0;
    for (const replica of replicas.keys()) {
      if (this.endOf(writer, key, replica) >= count) holders++;
    }
    return holders * 2 > replicas.size;
  }

  private writesAs(state: Grant['state'], node: NodeState, key: string): boolean {
    const grant = this.grant(node, key);
    return node.up && grant?.state === state && grant.owner === node.id && grant.boot === node.boot;
  }

  private within(node: NodeState, key: string, end: number): number {
    const grant = this.grant(node, key);
    // Of a topic that is no more nothing is cut: all of it will go.
    const isCut = grant?.state === 'sealed' && this.metadata.exists(topicOf(key), node.applied);
    return isCut ? Math.min(end, grant.count) : end;
  }
}

export function keyOf({ topic, segment }: { topic: TopicId; segment: number }): string {
  return segmentKey(topic, segment);
}

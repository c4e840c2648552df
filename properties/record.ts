/**
 * What has happened, remembered outside of the nodes: the specification's history variables. It knows each segment's
 * one sequence of records, what of it was acknowledged, and what each disk is known to hold, whether its node lives or not.
 */
import type { Epoch, Incarnation, NodeId, Offset, SegmentId, TopicId } from '../impl/core/ids.ts';
import {
  keptSegments,
  MetadataModel,
  type ModelSegment,
  type ModelTopic,
} from './metadata-model.ts';

/** What one disk holds of one segment. */
export interface Copy {
  end: number;
  durableEnd: number;
  promised: Epoch;
  durablePromise: Epoch;
}

export interface SegmentRecord {
  readonly topic: TopicId;
  readonly segment: SegmentId;
  /** Checksums of the records, in the order in which the owner appended them. */
  readonly records: number[];
  /** Indexes of records that are not the last of their batch. */
  readonly continued: Set<number>;
  /** A client was told of every record below that it is safe, or of one after it. */
  ackedEnd: number;
  /** The highest high watermark that any writer reached. */
  highWatermark: number;
  readonly copies: Map<NodeId, Copy>;
}

export class Record {
  readonly metadata: MetadataModel = new MetadataModel();
  /** The disk that each node has now. */
  readonly incarnations: Map<NodeId, Incarnation | 0> = new Map();
  /** Nodes whose disk lost a part of what it had durably. */
  readonly lapsed: Set<NodeId> = new Set();
  private readonly topics = new Map<TopicId, SegmentRecord[]>();

  segment(topic: TopicId, segment: SegmentId): SegmentRecord {
    let segments = this.topics.get(topic);
    if (segments === undefined) {
      segments = [];
      this.topics.set(topic, segments);
    }
    for (let id = segments.length + 1; id <= segment; id++) {
      segments.push({
        topic,
        segment: id as SegmentId,
        records: [],
        continued: new Set(),
        ackedEnd: 0,
        highWatermark: 0,
        copies: new Map(),
      });
    }
    return segments[segment - 1]!;
  }

  /** Those of topics that were not deleted, and that were not trimmed. */
  *standing(): Iterable<SegmentRecord> {
    for (const segment of this.segments()) if (!this.isEnded(segment)) yield segment;
  }

  /** Those of which nodes keep something: not what ended without a record, or was trimmed. */
  *kept(): Iterable<SegmentRecord> {
    for (const topic of this.metadata.topics.values()) {
      for (const { id } of keptSegments(topic)) yield this.segment(topic.id, id as SegmentId);
    }
  }

  /** Checksums of all records of a topic that are decided, in their order. */
  decided({ id, segments }: ModelTopic): number[] {
    return segments.flatMap(({ state, count }, i) => {
      const segment = this.segment(id, (i + 1) as SegmentId);
      return segment.records.slice(0, state === 'sealed' ? count : segment.highWatermark);
    });
  }

  *segments(): Iterable<SegmentRecord> {
    for (const segments of this.topics.values()) yield* segments;
  }

  /** With the names of their topics, and where those begin. */
  *cursors(): Iterable<{ topic: string; group: string; offset: Offset; start: Offset }> {
    for (const { name, cursors, start } of this.metadata.topics.values()) {
      for (const [group, offset] of cursors) yield { topic: name, group, offset, start };
    }
  }

  /** Where each name's topics begin, or began when they ended: the latest of those beginnings. */
  starts(): Map<string, number> {
    const starts = new Map<string, number>();
    const { topics, ended } = this.metadata;
    for (const { name, start } of [...ended.values(), ...topics.values()]) {
      starts.set(name, Math.max(start, starts.get(name) ?? 0));
    }
    return starts;
  }

  model(of: SegmentRecord): ModelSegment | undefined {
    const { topics, ended } = this.metadata;
    return (topics.get(of.topic) ?? ended.get(of.topic))?.segments[of.segment - 1];
  }

  /** Whether its topic was deleted, or has forgotten it: nobody has to hold anything of it any more. */
  isEnded(of: SegmentRecord): boolean {
    if (this.metadata.ended.has(of.topic)) return true;
    const model = this.model(of);
    if (model?.state !== 'sealed' || model.count === 0) return false;
    return model.baseOffset + model.count <= this.metadata.topics.get(of.topic)!.start;
  }

  /** The copy on the node's present disk. */
  copy(of: SegmentRecord, node: NodeId): Copy {
    let copy = of.copies.get(node);
    if (copy === undefined) {
      copy = { end: 0, durableEnd: 0, promised: 0 as Epoch, durablePromise: 0 as Epoch };
      of.copies.set(node, copy);
    }
    return copy;
  }

  /** Whether the copy on that node is one of those that count. */
  isListed(of: SegmentRecord, node: NodeId): boolean {
    return this.model(of)?.replicas.some((replica) => replica.node === node) ?? false;
  }

  /** How many of its replicas are on their right disks, and those have all that they said they had. */
  replicasLeft(of: SegmentRecord): number {
    const replicas = this.model(of)?.replicas ?? [];
    return replicas.filter((replica) => this.isRight(replica)).length;
  }

  /** What is on a disk that was removed counts no more, whether it can be read or not. */
  private isRight({ node, incarnation }: ModelSegment['replicas'][number]): boolean {
    const known = this.metadata.nodes.get(node);
    if (known?.incarnation === incarnation && known.state === 'gone') return false;
    return this.incarnations.get(node) === incarnation && !this.lapsed.has(node);
  }

  /**
   * How the replicas on their right disks stand to the records before `end`. Disks that were replaced, or lost a part,
   * count as neither: they can promise nothing.
   */
  replicasWith(of: SegmentRecord, end: number): { holding: number; lacking: number } {
    let holding = 0;
    let lacking = 0;
    for (const replica of this.model(of)?.replicas ?? []) {
      if (!this.isRight(replica)) continue;
      if ((of.copies.get(replica.node)?.durableEnd ?? 0) >= end) holding++;
      else lacking++;
    }
    return { holding, lacking };
  }
}

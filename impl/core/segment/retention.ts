/** Has the topics that this node owns forget what their policies do not keep. What comes of a proposal is seen at the next look. */
import type { Offset, TopicId } from '../ids.ts';
import type { TopicRecord } from '../metadata/cluster-state.ts';
import type { Owner } from './owner.ts';
import type { SegmentPorts } from './ports.ts';
import type { Writer } from './writer.ts';

export class Retention {
  private readonly ports: SegmentPorts;
  private readonly owner: Owner;

  constructor(ports: SegmentPorts, owner: Owner) {
    this.ports = ports;
    this.owner = owner;
  }

  /** Looks at all topics. */
  look(): void {
    for (const writer of this.owner.all()) this.lookAt(writer);
  }

  /** Looks at one whose segment this node may just have come to own. */
  lookAtTopic(topic: TopicId): void {
    const writer = this.owner.writer(topic);
    if (writer !== undefined) this.lookAt(writer);
  }

  private lookAt({ replica: { topic }, bytes, ended }: Writer): void {
    const record = this.ports.cluster().topic(topic);
    if (ended || record === undefined || record.segments.length === 1) return;
    const expectedStart = record.segments[0]!.baseOffset;
    const start = retainedStart(record, bytes, this.ports.wallMs());
    if (start > expectedStart)
      this.ports.propose({ kind: 'TrimTopic', topic, expectedStart, start });
  }
}

/** Where the topic is to begin by its policy, if its open segment holds so many bytes; `nowMs` by the wall clock. */
export function retainedStart(topic: TopicRecord, openBytes: number, nowMs: number): Offset {
  const { policy, segments, cursors } = topic;
  let leftBytes = segments.reduce((sum, { bytes }) => sum + bytes, openBytes);
  const consumed = policy.retentionConsumed && cursors.size > 0 ? Math.min(...cursors.values()) : 0;
  for (const { state, bytes, sealedAtMs, baseOffset, count } of segments) {
    leftBytes -= bytes;
    const isSpare = policy.retentionBytes > 0 && leftBytes >= policy.retentionBytes;
    const isOld = policy.retentionMs > 0 && nowMs - sealedAtMs >= policy.retentionMs;
    const isConsumed = baseOffset + count <= consumed;
    if (state !== 'sealed' || !(isSpare || isOld || isConsumed)) return baseOffset;
  }
  return segments.at(-1)!.baseOffset;
}

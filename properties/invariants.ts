/**
 * What holds in every state: the data plane's invariants, one function each, named as in `spec/`. Raft's are in
 * `raft-invariants.ts`; `checker.ts` calls each when something that it speaks of may have changed.
 */
import type { BootId, Epoch, NodeId, Offset, TopicId } from '../impl/core/ids.ts';
import type { ModelTopic } from './metadata-model.ts';
import type { Record, SegmentRecord } from './record.ts';
import type { ClusterStateView, TopicView } from './views.ts';
import { demand } from './violation.ts';

/**
 * Every acknowledged record can be recovered. Of the segment's replicas whose disks are the right ones, at least one holds
 * it durably, and those that lack it are too few to promise a new epoch among themselves.
 */
export function AckedIsDurableInv(record: Record, segment: SegmentRecord): void {
  const end = segment.ackedEnd;
  const model = record.model(segment);
  if (end === 0 || model === undefined || record.isEnded(segment)) return;
  const { holding, lacking } = record.replicasWith(segment, end);
  const quorum = (model.replicas.length >> 1) + 1;
  demand(
    holding > 0 && lacking < quorum,
    'AckedIsDurableInv',
    () =>
      `record ${end - 1} of ${named(segment)} is acknowledged, ` +
      `durable on ${holding} and missing on ${lacking} of ${model.replicas.length} replicas`,
  );
}

/**
 * A segment has one end, for ever. Its sealed count is the number of its records: the owner appended as many, every
 * acknowledged record is among them, and a majority holds them all.
 */
export function SealedExactInv(record: Record, segment: SegmentRecord): void {
  const model = record.model(segment);
  if (model?.state !== 'sealed') return;
  const { count } = model;
  demand(
    segment.ackedEnd <= count,
    'SealedExactInv',
    () => `${named(segment)} is sealed at ${count}, but ${segment.ackedEnd} are acknowledged`,
  );
  demand(
    segment.highWatermark <= count,
    'SealedExactInv',
    () =>
      `${named(segment)} is sealed at ${count}, below its high watermark ${segment.highWatermark}`,
  );
  demand(
    count <= segment.records.length,
    'SealedExactInv',
    () =>
      `${named(segment)} is sealed at ${count}, but only ${segment.records.length} were appended`,
  );
  if (record.isEnded(segment)) return;
  const { holding, lacking } = record.replicasWith(segment, count);
  demand(
    count === 0 || (holding > 0 && lacking < (model.replicas.length >> 1) + 1),
    'SealedExactInv',
    () =>
      `${named(segment)} is sealed at ${count}: ${holding} replicas hold that, ${lacking} do not`,
  );
}

/**
 * One writer per segment and epoch: who appends, acknowledges, or moves the high watermark under an epoch is the very
 * life of the process that it was granted to, and it was granted to an owner.
 */
export function SingleWriterInv(
  record: Record,
  segment: SegmentRecord,
  epoch: Epoch,
  node: NodeId,
  boot: BootId,
): void {
  const grant = record.model(segment)?.grants.get(epoch);
  demand(
    grant !== undefined && grant.node === node && grant.boot === boot,
    'SingleWriterInv',
    () =>
      `node ${node} (boot ${boot}) writes ${named(segment)} under epoch ${epoch}, ` +
      (grant === undefined
        ? 'which nobody was granted'
        : `which was granted to node ${grant.node} (boot ${grant.boot})`),
  );
  demand(
    grant.role === 'owner',
    'SingleWriterInv',
    () => `node ${node} writes ${named(segment)} under epoch ${epoch}, granted for recovery`,
  );
}

/**
 * What a topic has is not older than itself, whatever else had its name: what is promised or written of it is so under a grant
 * that was made when it was created, or later.
 */
export function DeletedStaysDeletedInv(segment: SegmentRecord, epoch: Epoch): void {
  demand(
    epoch === 0 || epoch >= segment.topic,
    'DeletedStaysDeletedInv',
    () =>
      `${named(segment)} has something under epoch ${epoch}, from before there was such a topic`,
  );
}

/**
 * What a topic has forgotten is a beginning of whole sealed segments, as far as somebody asked for that of this very topic, and no
 * cursor points into it.
 */
export function TrimmedPrefixInv(model: ModelTopic, topic: TopicView): void {
  const holds = (condition: boolean, message: () => string): void =>
    demand(condition, 'TrimmedPrefixInv', () => `${topic.name}: ${message()}`);
  const start = topic.segments[0]!.baseOffset;
  holds(start === model.start, () => `begins at ${start}, and was trimmed up to ${model.start}`);
  for (const { state, baseOffset, count } of model.segments) {
    if (baseOffset >= start) break;
    holds(
      state === 'sealed' && baseOffset + count <= start,
      () => `begins at ${start}, in the midst of a segment that begins at ${baseOffset}`,
    );
  }
  for (const [group, at] of topic.cursors) {
    holds(
      at >= start,
      () => `the cursor of ${group} is at ${at}, before the beginning at ${start}`,
    );
  }
}

/** Segments after the open one are empty. */
export function NoWritesPastOpenInv(record: Record, segment: SegmentRecord): void {
  demand(
    record.model(segment) !== undefined,
    'NoWritesPastOpenInv',
    () => `a record is in ${named(segment)}, which does not exist`,
  );
}

/** What somebody has of a segment ends where a batch does: nothing cuts one, whether it is in memory, durable, promised or sealed. */
export function BatchIsWholeInv(segment: SegmentRecord, end: number, who: () => string): void {
  demand(
    !segment.continued.has(end - 1),
    'BatchIsWholeInv',
    () => `${who()} ends at ${end} of ${named(segment)}, in the middle of a batch`,
  );
}

/**
 * Every copy of a segment is a prefix of one sequence, the one in which its owner appended. `checksums` are
 * the records that somebody has from index `from` on.
 */
export function SequentialOrderInv(
  segment: SegmentRecord,
  from: number,
  checksums: readonly number[],
  who: () => string,
): void {
  for (let i = 0; i < checksums.length; i++) {
    const index = from + i;
    demand(
      index < segment.records.length,
      'SequentialOrderInv',
      () => `${who()} has record ${index} of ${named(segment)}, which was never appended`,
    );
    demand(
      segment.records[index] === checksums[i],
      'SequentialOrderInv',
      () => `${who()} has another record ${index} of ${named(segment)} than its owner appended`,
    );
  }
}

/** A group's cursor never passes the end of what is safe in its topic. */
export function CursorBoundsInv(
  record: Record,
  topic: TopicId,
  model: ModelTopic,
  cursor: Offset,
): void {
  const open = model.segments.at(-1)!;
  const { highWatermark } = record.segment(
    topic,
    model.segments.length as SegmentRecord['segment'],
  );
  demand(
    cursor <= open.baseOffset + highWatermark,
    'CursorBoundsInv',
    () => `a cursor of ${topic} is at ${cursor}; its end is ${open.baseOffset + highWatermark}`,
  );
}

/**
 * Topics, segments and cursors refer to each other: numbers of segments rise and each begins where the one before it ended,
 * all but the last are sealed, none of those is empty, and owners and replicas are registered nodes.
 */
export function DomainConsistencyInv(state: ClusterStateView, topic: TopicView): void {
  const holds = (condition: boolean, message: () => string): void =>
    demand(condition, 'DomainConsistencyInv', () => `${topic.name}: ${message()}`);
  holds(topic.segments.length > 0, () => 'has no segment');
  // What is sealed was checked when it was; only the last two segments can have changed.
  const first = Math.max(0, topic.segments.length - 2);
  for (let i = first; i < topic.segments.length; i++) {
    const segment = topic.segments[i]!;
    const last = i === topic.segments.length - 1;
    holds(
      (segment.state !== 'sealed') === last,
      () => `segment ${segment.id} of ${topic.segments.length} is ${segment.state}`,
    );
    holds(last || segment.count > 0, () => `segment ${segment.id} is sealed and empty`);
    holds(state.nodes.has(segment.owner), () => `owner ${segment.owner} is not registered`);
    for (const { node } of segment.replicas) {
      holds(state.nodes.has(node), () => `replica ${node} is not registered`);
    }
    const before = topic.segments[i - 1];
    if (before !== undefined) {
      holds(segment.id > before.id, () => `segment ${segment.id} comes after ${before.id}`);
      holds(
        segment.baseOffset === before.baseOffset + before.count,
        () => `segment ${segment.id} begins at ${segment.baseOffset}`,
      );
      holds(segment.epoch > before.epoch, () => `the epoch of segment ${segment.id} fell`);
    }
  }
}

export function named({ topic, segment }: { topic: TopicId; segment: number }): string {
  return `${topic}/${segment}`;
}

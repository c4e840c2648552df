/** What holds of every step: how the old and the new values of one thing may stand to each other. */
import type { Epoch, NodeId, Offset, TopicId } from '../impl/core/ids.ts';
import { named } from './invariants.ts';
import type { Copy, SegmentRecord } from './record.ts';
import { demand } from './violation.ts';

/** A group's cursor moves forward only. */
export function MonotonicCursorProp(topic: TopicId, from: Offset, to: Offset): void {
  demand(
    to > from,
    'MonotonicCursorProp',
    () => `a cursor of ${topic} moves from ${from} to ${to}`,
  );
}

/** A node takes back no promise of an epoch. */
export function MonotonicPromiseProp(
  segment: SegmentRecord,
  node: NodeId,
  copy: Copy,
  promised: Epoch,
): void {
  demand(
    promised >= copy.promised,
    'MonotonicPromiseProp',
    () => `node ${node} goes back from epoch ${copy.promised} to ${promised} of ${named(segment)}`,
  );
}

/** What a node says of its disk is true of its disk: it speaks of records and promises only once they are durable. */
export function PersistThenSpeakProp(
  segment: SegmentRecord,
  node: NodeId,
  copy: Copy,
  saidEnd: number,
  saidEpoch: Epoch,
): void {
  demand(
    saidEnd <= copy.durableEnd,
    'PersistThenSpeakProp',
    () =>
      `node ${node} says that ${saidEnd} records of ${named(segment)} are durable, ${copy.durableEnd} are`,
  );
  demand(
    saidEpoch <= copy.durablePromise,
    'PersistThenSpeakProp',
    () =>
      `node ${node} speaks under epoch ${saidEpoch} of ${named(segment)}, having promised ${copy.durablePromise}`,
  );
}

/** A replica takes records only under an epoch at least as high as every epoch that it promised. */
export function FencedEpochProp(
  segment: SegmentRecord,
  node: NodeId,
  copy: Copy,
  epoch: Epoch,
): void {
  demand(
    epoch >= copy.promised,
    'FencedEpochProp',
    () =>
      `node ${node} takes records of ${named(segment)} under epoch ${epoch}, having promised ${copy.promised}`,
  );
}

/** What was durable is there after a restart: of each segment the records up to its sealed count, and the promise. */
export function DurableSurvivesProp(
  segment: SegmentRecord,
  node: NodeId,
  copy: Copy,
  end: number,
  promised: Epoch,
): void {
  demand(
    end >= copy.durableEnd,
    'DurableSurvivesProp',
    () =>
      `node ${node} restarts with ${end} records of ${named(segment)}; ${copy.durableEnd} were durable`,
  );
  demand(
    promised >= copy.durablePromise,
    'DurableSurvivesProp',
    () =>
      `node ${node} restarts with epoch ${promised} of ${named(segment)}; it promised ${copy.durablePromise}`,
  );
}

/**
 * A disk is given up, though there is something on it, only if one of the others is in every majority of the replicas of
 * each segment: so that all that was acknowledged is there too.
 */
export function LastCopyProp(segment: SegmentRecord, node: NodeId, left: number, of: number): void {
  demand(
    left * 2 >= of,
    'LastCopyProp',
    () =>
      `node ${node} gives up its disk; ${left} of ${of} replicas of ${named(segment)} are on others`,
  );
}

/** A copy becomes shorter only when its segment is sealed, and then by what lies beyond the sealed count. */
export function SealedCutProp(
  segment: SegmentRecord,
  node: NodeId,
  copy: Copy,
  end: number,
  sealedCount: number | undefined,
): void {
  demand(
    end >= copy.end || (sealedCount !== undefined && end >= Math.min(sealedCount, copy.end)),
    'SealedCutProp',
    () => `node ${node} cuts ${named(segment)} from ${copy.end} to ${end} records`,
  );
}

/** The high watermark of a writer never falls, and stands only on what a majority holds. */
export function MonotonicHighWatermarkProp(
  segment: SegmentRecord,
  before: number,
  after: number,
): void {
  demand(
    after >= before,
    'MonotonicHighWatermarkProp',
    () =>
      `the high watermark of ${named(segment)} falls from ${before} to ${after} within an epoch`,
  );
}

/** Every node makes of the same command the same thing, and that is what the specification makes of it. */
export function ApplyCommandProp(
  index: number,
  node: NodeId,
  applied: boolean,
  expected: boolean,
): void {
  demand(
    applied === expected,
    'ApplyCommandProp',
    () =>
      `node ${node} ${applied ? 'applies' : 'refuses'} command ${index}, which is to be ${expected ? 'applied' : 'refused'}`,
  );
}

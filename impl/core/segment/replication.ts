/**
 * The active side of replication, the same for an owner and for a recoverer: keeps each follower supplied, several
 * messages ahead of its answers, and starts over from what it surely has when it falls silent.
 */
import { readBatches } from './batches.ts';
import type { Mending } from './mending.ts';
import type { Replicate, ReplicateAck } from './messages.ts';
import { MESSAGE_LIMIT, RETRY_MS, type SegmentPorts } from './ports.ts';
import type { Follower, Writer } from './writer.ts';

/** Messages on their way to one follower at a time. */
const INFLIGHT_MAX = 8;
/** First pause before the end of a segment is proposed again: thousands may be on their way through the log, in milliseconds. */
const PROPOSE_AGAIN_MS = 500;
/** Longest pause before anything is sent again, in milliseconds. */
const PAUSE_MAX_MS = 2_000;

/** Sends what each follower lacks of the records below `end`. */
export function replicateTo(
  ports: SegmentPorts,
  mending: Mending,
  writer: Writer,
  end: number,
): void {
  for (const follower of writer.followers) supply(ports, mending, writer, follower, end);
}

/** Repeats, to followers that have not answered in time, from what they are known to have. */
export function repeat(
  ports: SegmentPorts,
  mending: Mending,
  writer: Writer,
  end: number,
  nowMs: number,
): void {
  for (const follower of writer.followers) {
    if (follower.reading || nowMs < follower.resendAtMs) continue;
    if (!isBehind(follower, writer, end)) continue;
    const waited = follower.inflight > 0;
    if (waited) follower.repeats++;
    follower.inflight = 0;
    follower.next = follower.match;
    follower.probing = waited;
    if (follower.next < end) supply(ports, mending, writer, follower, end);
    else sendReplicate(ports, writer, follower, follower.next, []);
  }
}

/** True while some follower has something to hear. */
export function outstanding(writer: Writer, end: number): boolean {
  return writer.followers.some((follower) => isBehind(follower, writer, end));
}

/**
 * A follower says what it has durably.
 * @spec DistributedLog!HandleReplicateAck
 */
export function handleReplicateAck(
  ports: SegmentPorts,
  writer: Writer,
  follower: Follower,
  message: ReplicateAck,
): void {
  follower.match = Math.max(follower.match, Math.min(message.durableEnd, writer.replica.end));
  follower.next = Math.max(follower.next, follower.match);
  follower.inflight = Math.max(0, follower.inflight - 1);
  follower.probing = false;
  follower.repeats = 0;
  follower.resendAtMs = ports.nowMs() + RETRY_MS;
  if (message.gap && message.end < follower.next) {
    follower.next = Math.max(message.end, follower.match);
    follower.inflight = 0;
  }
  ports.trace?.handleReplicateAck(follower.record, message);
}

/** Proposes that the writer's segment ends at `count`, and who is to have the next one, unless it just did. */
export function proposeSeal(ports: SegmentPorts, writer: Writer, count: number): void {
  const nowMs = ports.nowMs();
  if (nowMs < writer.proposeAgainAtMs) return;
  writer.proposeAgainAtMs = nowMs + pauseMs(PROPOSE_AGAIN_MS, writer.proposals++);
  const { topic, segment } = writer.replica;
  const { epoch } = writer;
  const { owner: nextOwner, replicas: nextReplicas } = ports.place(ports.self.node);
  const bytes = ports.store.bytes(writer.replica.stream);
  const size = { count, bytes, atMs: ports.wallMs() };
  ports.propose({ kind: 'SealSegment', topic, segment, epoch, ...size, nextOwner, nextReplicas });
}

/** Until the metadata, or a higher epoch that this node promised, takes the right to replicate away. */
export function mayWrite({ ended, replica, epoch }: Writer): boolean {
  return !ended && replica.promised === epoch;
}

function isBehind(follower: Follower, writer: Writer, end: number): boolean {
  return follower.match < end || follower.toldHighWatermark < writer.highWatermark;
}

function supply(
  ports: SegmentPorts,
  mending: Mending,
  writer: Writer,
  follower: Follower,
  end: number,
): void {
  // It would take nothing. It says when that is over, or falls silent.
  if (!ports.hasRoom(follower.record.node)) return;
  const window = follower.probing ? 1 : INFLIGHT_MAX;
  let stuck = false;
  while (!stuck && !follower.reading && follower.next < end && follower.inflight < window) {
    const from = follower.next;
    const limit = { ...MESSAGE_LIMIT, records: Math.min(MESSAGE_LIMIT.records, end - from) };
    follower.reading = true;
    let returned = false;
    readBatches(mending, writer.replica, from, limit, (error, records) => {
      follower.reading = false;
      if (error !== undefined) {
        stuck = true;
        // What may be read later, or is being mended, is asked for again by `repeat`.
        if (!error.retriable) ports.failed(error);
        return;
      }
      // While they were read this node may have promised a higher epoch, or the end may have come.
      if (!mayWrite(writer)) return;
      if (follower.next === from) sendReplicate(ports, writer, follower, from, records);
      if (returned) supply(ports, mending, writer, follower, end);
    });
    returned = true;
  }
}

/** @spec DistributedLog!SendReplicate */
function sendReplicate(
  ports: SegmentPorts,
  writer: Writer,
  follower: Follower,
  from: number,
  records: readonly Uint8Array[],
): void {
  const { topic, segment } = writer.replica;
  const { epoch, highWatermark } = writer;
  const message: Replicate = {
    kind: 'Replicate',
    topic,
    segment,
    epoch,
    from,
    records,
    highWatermark,
  };
  ports.send(follower.record, message);
  follower.next = from + records.length;
  follower.inflight++;
  follower.resendAtMs = ports.nowMs() + pauseMs(RETRY_MS, follower.repeats);
  follower.toldHighWatermark = highWatermark;
  ports.trace?.sendReplicate(follower.record, message);
}

/**
 * Doubles until there is an answer: whoever is asked may be behind with thousands of other segments, and what is repeated to a
 * node that is late makes it later.
 */
function pauseMs(firstMs: number, repeats: number): number {
  return Math.min(firstMs * 2 ** repeats, PAUSE_MAX_MS);
}

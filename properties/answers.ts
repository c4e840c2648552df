/**
 * What an answer says is true, also where it gives no record: judged at the end, by nothing but what clients asked and
 * heard, when, and what then stood in the topics.
 */
import { ERRORS } from '../impl/core/errors.ts';
import { type Call, type Contents, identity, placesOf } from './history.ts';
import { demand } from './violation.ts';

/** Whether a call had its effect, as far as its client was told. */
export function committed({ reply }: Call): 'yes' | 'no' | 'unknown' {
  if (reply === undefined) return 'unknown';
  if (reply.kind === 'mismatched') return 'no';
  return reply.kind === 'error' ? ERRORS[reply.code].committed : 'yes';
}

/** A put that was refused, by an error that says so, is nowhere. */
export function RefusedIsAbsentProp(history: readonly Call[], contents: Contents): void {
  const places = placesOf(contents);
  for (const call of history) {
    const { operation, reply } = call;
    if (operation.kind !== 'put' || committed(call) !== 'no') continue;
    const said = reply?.kind === 'error' ? reply.code : reply?.kind;
    const offset = operation.records
      .map((record) => places.get(identity(operation.topic, record)))
      .find((each) => each !== undefined);
    demand(
      offset === undefined,
      'RefusedIsAbsentProp',
      () =>
        `call ${call.id} was answered ${said}; its record is at offset ${offset} of ${operation.topic}`,
    );
  }
}

/** By topic, where it began in the end, if it has forgotten its front. */
export type Starts = ReadonlyMap<string, number>;

/**
 * Who is told that there is nothing to read is told the truth: every record that was acknowledged before the question lies before
 * the offset, was trimmed, or may have gone to another reader of the group.
 */
export function EmptyIsTrueProp(history: readonly Call[], starts: Starts): void {
  for (const call of history) {
    const { operation, reply, invokedMs, repliedMs } = call;
    const isEmpty =
      reply?.kind === 'empty' || (reply?.kind === 'records' && reply.records.length === 0);
    if (!isEmpty || operation.kind === 'put') continue;
    const end = acknowledgedEnd(history, operation.topic, invokedMs);
    const start = starts.get(operation.topic) ?? 0;
    const taken =
      operation.kind === 'fetch'
        ? operation.offset
        : start +
          takers(history, operation.topic, (operation as { group: string }).group).filter(
            (other) =>
              other.invokedMs < repliedMs &&
              (other.reply?.kind !== 'record' ||
                (start <= other.reply.offset && other.reply.offset < end)),
          ).length;
    demand(
      taken >= end,
      'EmptyIsTrueProp',
      () =>
        `call ${call.id} was told that ${operation.topic} holds no more, when ${end} records were acknowledged and ${taken} may have been read`,
    );
  }
}

/**
 * Who is told that a record was trimmed is told the truth, and where the topic begins; so is who asked for that. It may be as of a
 * time before.
 */
export function TrimmedIsTrueProp(history: readonly Call[], starts: Starts): void {
  for (const { id, operation, reply } of history) {
    const isTrimmed = reply?.kind === 'error' && reply.code === 'Trimmed';
    if (!isTrimmed && reply?.kind !== 'trimmed') continue;
    const start = starts.get(operation.topic) ?? 0;
    const told = reply.start ?? Infinity;
    demand(
      told <= start && (operation.kind !== 'fetch' || operation.offset < told),
      'TrimmedIsTrueProp',
      () =>
        `call ${id}, a ${operation.kind} of ${operation.topic}, was told that it begins at ${told}; it began at ${start} in the end`,
    );
  }
}

/**
 * A put that named an offset got that one, or was told the end of its topic: no less than what was acknowledged before it was asked, no
 * more than what then stood there.
 */
export function ConditionHeldProp(history: readonly Call[], contents: Contents): void {
  const deleted = new Set<string>();
  for (const { operation } of history)
    if (operation.kind === 'delete') deleted.add(operation.topic);
  for (const { id, operation, reply, invokedMs } of history) {
    if (operation.kind !== 'put' || operation.expected === undefined) continue;
    const { topic, expected } = operation;
    if (reply?.kind === 'appended') {
      demand(
        reply.offset === expected,
        'ConditionHeldProp',
        () =>
          `call ${id} was to stand at offset ${expected} of ${topic}, and is at ${reply.offset}`,
      );
    }
    if (reply?.kind !== 'mismatched' || deleted.has(topic)) continue;
    const least = acknowledgedEnd(history, topic, invokedMs);
    const most = contents.get(topic)?.length ?? Infinity;
    demand(
      reply.end !== expected && reply.end >= least && reply.end <= most,
      'ConditionHeldProp',
      () =>
        `call ${id}, for offset ${expected} of ${topic}, was told that it ends at ${reply.end}; it had ${least}, and has ${most}`,
    );
  }
}

/**
 * The high watermark that a reader is told is not behind what is safe, and what there is at the end; who got nothing is told of all that was
 * acknowledged before the question.
 */
export function HighWatermarkIsTrueProp(history: readonly Call[], contents: Contents): void {
  const deleted = new Set<string>();
  for (const { operation } of history)
    if (operation.kind === 'delete') deleted.add(operation.topic);
  for (const { id, operation, reply, invokedMs } of history) {
    const { topic } = operation;
    if (reply?.kind !== 'records' || deleted.has(topic)) continue;
    const { offset, records, highWatermark } = reply;
    const got = offset + records.length;
    const least = records.length > 0 ? got : acknowledgedEnd(history, topic, invokedMs);
    const most = contents.get(topic)?.length ?? Infinity;
    demand(
      highWatermark >= least && highWatermark <= most,
      'HighWatermarkIsTrueProp',
      () =>
        `call ${id} was told that ${topic} may be read up to ${highWatermark}; it had ${least}, and has ${most}`,
    );
  }
}

/** A group's cursor has passed no more records than were given out, or may have been, or were trimmed: nothing is skipped. */
export function NothingSkippedProp(
  history: readonly Call[],
  cursors: Iterable<{
    readonly topic: string;
    readonly group: string;
    readonly offset: number;
    readonly start: number;
  }>,
): void {
  for (const { topic, group, offset, start } of cursors) {
    const taken = takers(history, topic, group).length;
    demand(
      offset <= start + taken,
      'NothingSkippedProp',
      () =>
        `the cursor of ${group} in ${topic} is at ${offset}, but at most ${taken} were given out`,
    );
  }
}

/** Nobody hears of damage: of whatever is damaged another copy is whole, and the simulator sees to that. */
export function DamageIsHiddenProp(history: readonly Call[]): void {
  for (const { id, operation, reply } of history) {
    const isCorrupt = reply?.kind === 'error' && reply.code === 'Corrupt';
    demand(
      !isCorrupt,
      'DamageIsHiddenProp',
      () => `call ${id}, a ${operation.kind}, was answered Corrupt, but another copy is whole`,
    );
  }
}

/** What one client asked one after another, without waiting, and was told is done, stands in the order of asking. */
export function ConnectionOrderProp(history: readonly Call[]): void {
  const last = new Map<string, { readonly id: number; readonly offset: number }>();
  for (const { id, client, operation, reply } of history) {
    if (operation.kind !== 'put' || reply?.kind !== 'appended') continue;
    const key = `${client}/${operation.topic}`;
    const before = last.get(key);
    demand(
      before === undefined || before.offset < reply.offset,
      'ConnectionOrderProp',
      () =>
        `client ${client} asked call ${before!.id} before call ${id}, whose record stands before that one's in ${operation.topic}`,
    );
    last.set(key, { id, offset: reply.offset });
  }
}

/** When the time of a put is up it is over: its record does not come behind one that its client put afterwards. */
export function TimeoutIsFinalProp(history: readonly Call[], contents: Contents): void {
  const places = placesOf(contents);
  const late = new Map<string, { readonly call: Call; readonly offset: number }[]>();
  for (const call of history) {
    const { client, operation, reply } = call;
    if (operation.kind !== 'put') continue;
    const key = `${client}/${operation.topic}`;
    if (reply?.kind === 'error' && reply.code === 'Timeout') {
      const offset = places.get(identity(operation.topic, operation.records[0]!));
      if (offset === undefined) continue;
      const list = late.get(key) ?? [];
      late.set(key, list);
      list.push({ call, offset });
    } else if (reply?.kind === 'appended') {
      for (const { call: earlier, offset } of late.get(key) ?? []) {
        demand(
          offset < reply.offset || earlier.repliedMs > call.invokedMs,
          'TimeoutIsFinalProp',
          () =>
            `the time of call ${earlier.id} was up when call ${call.id} was asked, but its record stands behind that one's in ${operation.topic}`,
        );
      }
    }
  }
}

/** The gets of a group that took a record, or may have. */
function takers(history: readonly Call[], topic: string, group: string): Call[] {
  return history.filter(
    (call) =>
      call.operation.kind === 'get' &&
      call.operation.topic === topic &&
      call.operation.group === group &&
      (call.reply?.kind === 'record' || committed(call) === 'unknown'),
  );
}

/** How many records of a topic were known to clients to be there at a time. */
function acknowledgedEnd(history: readonly Call[], topic: string, atMs: number): number {
  let end = 0;
  for (const { operation, reply, repliedMs } of history) {
    if (operation.topic !== topic || operation.kind !== 'put') continue;
    if (reply?.kind !== 'appended' || repliedMs >= atMs) continue;
    end = Math.max(end, reply.offset + operation.records.length);
  }
  return end;
}

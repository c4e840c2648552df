/** The bytes of an envelope between nodes. Everything that one node sends to another goes through here. */
import { ByteReader, ByteWriter, MalformedError } from '../core/codec.ts';
import type { Question, Reply, Wish, Work } from '../core/controller/operations.ts';
import { ERRORS, type ErrorCode } from '../core/errors.ts';
import type {
  BootId,
  Epoch,
  Incarnation,
  NodeId,
  Offset,
  SegmentId,
  TopicId,
} from '../core/ids.ts';
import { decodeRaftMessage, encodeRaftMessage } from '../core/raft/message-codec.ts';
import { MESSAGE_LIMIT } from '../core/segment/ports.ts';
import type { Envelope, Message } from './messages.ts';

const KINDS = [
  'Raft',
  'Replicate',
  'ReplicateAck',
  'Refuse',
  'PromiseRequest',
  'Promise',
  'CopyRequest',
  'Copy',
  'Forward',
  'ForwardReply',
  'ForwardsTaken',
  'Ask',
  'Answer',
  'Propose',
  'Join',
  'JoinReply',
  'Ping',
  'Remind',
  'Recall',
  'MendRequest',
  'Mend',
] as const;
const WORKS = ['put', 'get'] as const satisfies Work['kind'][];
const WISHES: readonly Wish[] = ['stop', 'drain', 'undrain', 'remove'];
const QUESTIONS = ['fetch', 'lookup', 'promised', 'wish'] as const satisfies Question['kind'][];
const REPLIES = [
  'registered',
  'appended',
  'record',
  'empty',
  'error',
  'deleted',
  'trimmed',
  'set',
  'records',
  'mismatched',
  'granted',
] as const satisfies Reply['kind'][];
const OUTCOMES = ['admitted', 'pending', 'refused', 'released'] as const;
const ERROR_CODES = Object.keys(ERRORS).sort() as ErrorCode[];

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const out = new ByteWriter();
  out.whole(envelope.from).whole(envelope.fromIncarnation).whole(envelope.fromBoot);
  out.whole(envelope.fromLsn).whole(envelope.sentAtMs);
  out.whole(envelope.to).whole(envelope.toIncarnation);
  encodeMessage(out, envelope.body);
  return out.finish();
}

/** Throws `MalformedError` for bytes that `encodeEnvelope` does not write. The result may share the bytes. */
export function decodeEnvelope(bytes: Uint8Array): Envelope {
  const input = new ByteReader(bytes);
  const from = input.whole() as NodeId;
  const fromIncarnation = input.whole() as Incarnation;
  const fromBoot = input.whole() as BootId;
  const fromLsn = input.whole();
  const sentAtMs = input.whole();
  const to = input.whole() as NodeId | 0;
  const toIncarnation = input.whole() as Incarnation | 0;
  const body = decodeMessage(input);
  input.end();
  return { from, fromIncarnation, fromBoot, fromLsn, sentAtMs, to, toIncarnation, body };
}

function encodeMessage(out: ByteWriter, message: Message): void {
  const kind = KINDS.indexOf(message.kind as (typeof KINDS)[number]);
  out.byte(Math.max(0, kind));
  switch (message.kind) {
    case 'Replicate':
      encodeSegment(out, message).whole(message.from).whole(message.highWatermark);
      encodeRecords(out, message.records);
      break;
    case 'ReplicateAck':
      encodeSegment(out, message).whole(message.end).whole(message.durableEnd).bool(message.gap);
      break;
    case 'Refuse':
      encodeSegment(out, message).whole(message.promised);
      break;
    case 'PromiseRequest':
      encodeSegment(out, message);
      break;
    case 'Promise':
      encodeSegment(out, message).whole(message.durableEnd);
      break;
    case 'CopyRequest':
      encodeSegment(out, message).whole(message.from);
      break;
    case 'Copy':
      encodeSegment(out, message).whole(message.from);
      encodeRecords(out, message.records);
      break;
    case 'Forward':
      out.whole(message.toBoot).whole(message.lane).whole(message.topic).whole(message.epoch);
      out.whole(message.order).whole(message.unanswered).whole(message.call);
      out.whole(message.deadlineMs);
      encodeWork(out, message.work);
      break;
    case 'ForwardReply':
      out.whole(message.toBoot).whole(message.lane).whole(message.next).whole(message.order);
      encodeReply(out, message.reply);
      break;
    case 'ForwardsTaken':
      out.whole(message.toBoot).whole(message.lane).whole(message.next);
      break;
    case 'Ask':
      out.whole(message.request);
      encodeQuestion(out, message.question);
      break;
    case 'Answer':
      out.whole(message.toBoot).whole(message.request);
      encodeReply(out, message.reply);
      break;
    case 'Propose':
      out.bytes(message.proposal);
      break;
    case 'Join':
      out.text(message.address).bool(message.replace).bool(message.amnesiac);
      out.whole(message.founder);
      break;
    case 'JoinReply':
      out.byte(OUTCOMES.indexOf(message.outcome)).text(message.leaderAddress).text(message.detail);
      out.list(message.members, ({ id, incarnation, address }) =>
        out.whole(id).whole(incarnation).text(address),
      );
      break;
    case 'Ping':
      out.text(message.address).bool(message.full).bool(message.leaving);
      break;
    case 'Remind':
    case 'Recall':
      out.whole(message.boot).whole(message.lsn);
      break;
    case 'MendRequest':
      out.whole(message.topic).whole(message.segment).whole(message.from).whole(message.to);
      break;
    case 'Mend':
      out.whole(message.topic).whole(message.segment).whole(message.from);
      encodeRecords(out, message.records);
      break;
    default:
      encodeRaftMessage(out, message);
  }
}

function decodeMessage(input: ByteReader): Message {
  const kind = KINDS[input.byte()];
  switch (kind) {
    case 'Raft':
      return decodeRaftMessage(input);
    case 'Replicate': {
      const of = decodeSegment(input);
      const from = input.whole();
      const highWatermark = input.whole();
      return { kind, ...of, from, highWatermark, records: decodeRecords(input) };
    }
    case 'ReplicateAck': {
      const of = decodeSegment(input);
      const end = input.whole();
      return { kind, ...of, end, durableEnd: input.whole(), gap: input.bool() };
    }
    case 'Refuse':
      return { kind, ...decodeSegment(input), promised: input.whole() as Epoch };
    case 'PromiseRequest':
      return { kind, ...decodeSegment(input) };
    case 'Promise':
      return { kind, ...decodeSegment(input), durableEnd: input.whole() };
    case 'CopyRequest':
      return { kind, ...decodeSegment(input), from: input.whole() };
    case 'Copy':
      return { kind, ...decodeSegment(input), from: input.whole(), records: decodeRecords(input) };
    case 'Forward':
      return {
        kind,
        toBoot: input.whole() as BootId,
        lane: input.whole(),
        topic: input.whole() as TopicId,
        epoch: input.whole() as Epoch,
        order: input.whole(),
        unanswered: input.whole(),
        call: input.whole(),
        deadlineMs: input.whole(),
        work: decodeWork(input),
      };
    case 'ForwardReply':
      return {
        kind,
        toBoot: input.whole() as BootId,
        lane: input.whole(),
        next: input.whole(),
        order: input.whole(),
        reply: decodeReply(input),
      };
    case 'ForwardsTaken':
      return {
        kind,
        toBoot: input.whole() as BootId,
        lane: input.whole(),
        next: input.whole(),
      };
    case 'Ask':
      return { kind, request: input.whole(), question: decodeQuestion(input) };
    case 'Answer':
      return {
        kind,
        toBoot: input.whole() as BootId,
        request: input.whole(),
        reply: decodeReply(input),
      };
    case 'Propose':
      return { kind, proposal: input.bytes() };
    case 'Join':
      return {
        kind,
        address: input.text(),
        replace: input.bool(),
        amnesiac: input.bool(),
        founder: input.whole() as Incarnation | 0,
      };
    case 'JoinReply': {
      const outcome = known(OUTCOMES[input.byte()]);
      const leaderAddress = input.text();
      const detail = input.text();
      const members = input.list(() => ({
        id: input.whole() as NodeId,
        incarnation: input.whole() as Incarnation,
        address: input.text(),
      }));
      return { kind, outcome, leaderAddress, detail, members };
    }
    case 'Ping':
      return { kind, address: input.text(), full: input.bool(), leaving: input.bool() };
    case 'Remind':
    case 'Recall':
      return { kind, boot: input.whole() as BootId, lsn: input.whole() };
    case 'MendRequest': {
      const topic = input.whole() as TopicId;
      const segment = input.whole() as SegmentId;
      return { kind, topic, segment, from: input.whole(), to: input.whole() };
    }
    case 'Mend': {
      const topic = input.whole() as TopicId;
      const segment = input.whole() as SegmentId;
      return { kind, topic, segment, from: input.whole(), records: decodeRecords(input) };
    }
    default:
      throw new MalformedError('no such message');
  }
}

interface OfSegment {
  readonly topic: TopicId;
  readonly segment: SegmentId;
  readonly epoch: Epoch;
}

function encodeSegment(out: ByteWriter, { topic, segment, epoch }: OfSegment): ByteWriter {
  return out.whole(topic).whole(segment).whole(epoch);
}

function decodeSegment(input: ByteReader): OfSegment {
  const topic = input.whole() as TopicId;
  const segment = input.whole() as SegmentId;
  return { topic, segment, epoch: input.whole() as Epoch };
}

function encodeRecords(out: ByteWriter, records: readonly Uint8Array[]): void {
  out.list(records, (record) => out.bytes(record));
}

/** A record takes few bytes, so that a message could hold very many: no sender puts so many into one. */
function decodeRecords(input: ByteReader): Uint8Array[] {
  return input.list(() => input.bytes(), MESSAGE_LIMIT.records);
}

function encodeWork(out: ByteWriter, work: Work): void {
  out.byte(WORKS.indexOf(work.kind));
  if (work.kind === 'put') {
    out.whole(work.expected === undefined ? 0 : work.expected + 1);
    encodeRecords(out, work.records);
  } else out.text(work.group);
}

function decodeWork(input: ByteReader): Work {
  const kind = known(WORKS[input.byte()]);
  if (kind === 'put') {
    const expected = input.whole();
    const records = decodeRecords(input);
    if (expected === 0) return { kind, records };
    return { kind, records, expected: (expected - 1) as Offset };
  }
  return { kind, group: input.text() };
}

function encodeQuestion(out: ByteWriter, question: Question): void {
  out.byte(QUESTIONS.indexOf(question.kind));
  if (question.kind === 'lookup') out.text(question.topic);
  else if (question.kind === 'wish') out.whole(question.node).byte(WISHES.indexOf(question.wish));
  else if (question.kind === 'fetch') {
    out.whole(question.topic).whole(question.offset).whole(question.records);
    out.whole(question.bytes).whole(question.waitMs);
  } else out.whole(question.topic).whole(question.segment).whole(question.epoch);
}

function decodeQuestion(input: ByteReader): Question {
  const kind = known(QUESTIONS[input.byte()]);
  if (kind === 'lookup') return { kind, topic: input.text() };
  if (kind === 'wish') {
    return { kind, node: input.whole() as NodeId, wish: known(WISHES[input.byte()]) };
  }
  const topic = input.whole() as TopicId;
  if (kind === 'fetch') {
    const offset = input.whole() as Offset;
    const records = input.whole();
    const bytes = input.whole();
    return { kind, topic, offset, records, bytes, waitMs: input.whole() };
  }
  const segment = input.whole() as SegmentId;
  return { kind, topic, segment, epoch: input.whole() as Epoch };
}

function encodeReply(out: ByteWriter, reply: Reply): void {
  out.byte(REPLIES.indexOf(reply.kind));
  if (reply.kind === 'appended') out.whole(reply.segment).whole(reply.epoch).whole(reply.offset);
  if (reply.kind === 'record') out.whole(reply.offset).bytes(reply.record);
  if (reply.kind === 'mismatched') out.whole(reply.end);
  if (reply.kind === 'records') {
    out.whole(reply.offset).whole(reply.highWatermark);
    encodeRecords(out, reply.records);
  }
  if (reply.kind === 'trimmed') out.whole(reply.start);
  if (reply.kind === 'error') {
    out.byte(ERROR_CODES.indexOf(reply.code)).text(reply.message);
    if (reply.code === 'Trimmed') out.whole(reply.start!);
  }
}

function decodeReply(input: ByteReader): Reply {
  const kind = known(REPLIES[input.byte()]);
  switch (kind) {
    case 'registered':
    case 'deleted':
    case 'set':
    case 'granted':
    case 'empty':
      return { kind };
    case 'appended': {
      const segment = input.whole() as SegmentId;
      const epoch = input.whole() as Epoch;
      return { kind, segment, epoch, offset: input.whole() as Offset };
    }
    case 'record':
      return { kind, offset: input.whole() as Offset, record: input.bytes() };
    case 'mismatched':
      return { kind, end: input.whole() as Offset };
    case 'records': {
      const offset = input.whole() as Offset;
      const highWatermark = input.whole() as Offset;
      return { kind, offset, highWatermark, records: decodeRecords(input) };
    }
    case 'trimmed':
      return { kind, start: input.whole() as Offset };
    case 'error': {
      const code = known(ERROR_CODES[input.byte()]);
      const message = input.text();
      return code === 'Trimmed'
        ? { kind, code, message, start: input.whole() as Offset }
        : { kind, code, message };
    }
  }
}

function known<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new MalformedError('a number that stands for nothing');
  return value;
}

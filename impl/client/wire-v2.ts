/**
 * Walrus wire protocol, version 2: what stands in the frames between a client and a node once both have said HELLO. WIRE-V2.md
 * specifies it; this is the codec of both ends. Frames are those of `frames.ts`, numbers are varints, a text or a record has its
 * length before it. Nothing is copied by reading: records are views of the frame.
 */
import { ByteReader, MalformedError } from '../core/codec.ts';
import { ERRORS, type ErrorCode } from '../core/errors.ts';
import { BATCH_LIMIT } from '../core/record.ts';
import type { FrameLimits, FrameWriter } from './frames.ts';

/** What a client says first, in a frame of version 1. */
export const HELLO = 'HELLO walrus 2';

/** Beside the records of a batch: their lengths, the topic, numbers. */
const ENVELOPE_BYTES_MAX = 64 * 1024;
const BATCH_FRAME_BYTES_MAX: number = BATCH_LIMIT.bytes + ENVELOPE_BYTES_MAX;
export const REQUEST_LIMITS_V2: FrameLimits = {
  maxFrameBytes: BATCH_FRAME_BYTES_MAX,
  maxSkipBytes: 0,
};
/** A list of all topics may be long; this only ends nonsense. */
export const ANSWER_LIMITS_V2: FrameLimits = {
  maxFrameBytes: 256 * 1024 * 1024,
  maxSkipBytes: 0,
};

/** What a node says of itself in its answer to HELLO. */
export interface Greeting {
  readonly version: number;
  readonly node: number;
  readonly limits: {
    /** Bytes of a request's frame. */
    readonly frameBytes: number;
    readonly batchRecords: number;
    readonly batchBytes: number;
    /** Requests of a connection that may be unanswered; more wait unread. */
    readonly unanswered: number;
  };
}

export type RequestV2 =
  /** A request of version 1, as it stands in a frame there. */
  | { readonly kind: 'line'; readonly id: number; readonly line: Uint8Array }
  | {
      readonly kind: 'append';
      readonly id: number;
      readonly topic: string;
      /** The offset that the first record is to get; undefined for the next, whichever that is. */
      readonly expected: number | undefined;
      /** As `core/record.ts` has them. */
      readonly records: readonly Uint8Array[];
    }
  | {
      readonly kind: 'fetch';
      readonly id: number;
      readonly topic: string;
      readonly offset: number;
      readonly records: number;
      readonly bytes: number;
      readonly waitMs: number;
    };

export type AnswerV2 =
  | { readonly kind: 'greeting'; readonly id: number; readonly greeting: Greeting }
  /** An answer of version 1, as it stands in a frame there. */
  | { readonly kind: 'line'; readonly id: number; readonly line: Uint8Array }
  | {
      readonly kind: 'appended';
      readonly id: number;
      readonly segment: number;
      readonly epoch: number;
      readonly offset: number;
    }
  | {
      readonly kind: 'records';
      readonly id: number;
      readonly offset: number;
      readonly highWatermark: number;
      readonly records: readonly Uint8Array[];
    }
  | { readonly kind: 'mismatched'; readonly id: number; readonly end: number }
  | {
      readonly kind: 'error';
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
      /** Of `Trimmed`: offset of the first record that is kept. */
      readonly start?: number | undefined;
    };

const REQUESTS = { line: 1, append: 2, fetch: 3 } as const;
const ANSWERS = {
  greeting: 0x80,
  line: 0x81,
  appended: 0x82,
  records: 0x83,
  mismatched: 0x84,
  error: 0x8f,
} as const;

/** Adds one frame. */
export function writeRequestV2(out: FrameWriter, request: RequestV2): void {
  out.begin().byte(REQUESTS[request.kind]).whole(request.id);
  switch (request.kind) {
    case 'line':
      out.raw(request.line);
      break;
    case 'append':
      out.text(request.topic);
      out.whole(request.expected === undefined ? 0 : request.expected + 1);
      writeRecords(out, request.records);
      break;
    case 'fetch':
      out.text(request.topic).whole(request.offset).whole(request.records);
      out.whole(request.bytes).whole(request.waitMs);
      break;
  }
  out.end();
}

/** Throws `MalformedError` for bytes that are no request. */
export function readRequestV2(frame: Uint8Array): RequestV2 {
  const input = new ByteReader(frame);
  const code = input.byte();
  const id = input.whole();
  switch (code) {
    case REQUESTS.line:
      return { kind: 'line', id, line: input.rest() };
    case REQUESTS.append: {
      const topic = input.text();
      const expected = input.whole();
      const records = readRecords(input);
      input.end();
      const at = expected === 0 ? undefined : expected - 1;
      return { kind: 'append', id, topic, expected: at, records };
    }
    case REQUESTS.fetch: {
      const topic = input.text();
      const offset = input.whole();
      const records = input.whole();
      const bytes = input.whole();
      const waitMs = input.whole();
      input.end();
      return { kind: 'fetch', id, topic, offset, records, bytes, waitMs };
    }
    default:
      throw new MalformedError('no such request');
  }
}

/** Adds one frame. */
export function writeAnswerV2(out: FrameWriter, answer: AnswerV2): void {
  out.begin().byte(ANSWERS[answer.kind]).whole(answer.id);
  switch (answer.kind) {
    case 'greeting':
      out.text(JSON.stringify(answer.greeting));
      break;
    case 'line':
      out.raw(answer.line);
      break;
    case 'appended':
      out.whole(answer.segment).whole(answer.epoch).whole(answer.offset);
      break;
    case 'records':
      out.whole(answer.offset).whole(answer.highWatermark);
      writeRecords(out, answer.records);
      break;
    case 'mismatched':
      out.whole(answer.end);
      break;
    case 'error':
      out.text(answer.code).text(answer.message);
      out.whole(answer.start === undefined ? 0 : answer.start + 1);
      break;
  }
  out.end();
}

/** Throws `MalformedError` for bytes that are no answer. A code of an error that is not known here is `OutcomeUnknown`. */
export function readAnswerV2(frame: Uint8Array): AnswerV2 {
  const input = new ByteReader(frame);
  const code = input.byte();
  const id = input.whole();
  switch (code) {
    case ANSWERS.greeting:
      return { kind: 'greeting', id, greeting: parseGreeting(input.text()) };
    case ANSWERS.line:
      return { kind: 'line', id, line: input.rest() };
    case ANSWERS.appended: {
      const segment = input.whole();
      const epoch = input.whole();
      const offset = input.whole();
      input.end();
      return { kind: 'appended', id, segment, epoch, offset };
    }
    case ANSWERS.records: {
      const offset = input.whole();
      const highWatermark = input.whole();
      const records = readRecords(input);
      input.end();
      return { kind: 'records', id, offset, highWatermark, records };
    }
    case ANSWERS.mismatched: {
      const end = input.whole();
      input.end();
      return { kind: 'mismatched', id, end };
    }
    case ANSWERS.error: {
      const said = input.text();
      const message = input.text();
      const place = input.whole();
      input.end();
      const start = place === 0 ? undefined : place - 1;
      if (Object.hasOwn(ERRORS, said)) {
        return { kind: 'error', id, code: said as ErrorCode, message, start };
      }
      return { kind: 'error', id, code: 'OutcomeUnknown', message: `${said}: ${message}` };
    }
    default:
      throw new MalformedError('no such answer');
  }
}

function writeRecords(out: FrameWriter, records: readonly Uint8Array[]): void {
  out.whole(records.length);
  for (const record of records) out.whole(record.length).raw(record);
}

function readRecords(input: ByteReader): readonly Uint8Array[] {
  return input.list(() => input.bytes(), BATCH_LIMIT.records);
}

function parseGreeting(text: string): Greeting {
  try {
    return JSON.parse(text) as Greeting;
  } catch {
    throw new MalformedError('a greeting that is no JSON');
  }
}

/**
 * Walrus wire protocol, version 1: what stands in the frames between a client and a node. README.md has it in
 * prose. A request is one line of UTF-8 text; so is an answer. Answers come in the order of the requests.
 */
import { isUtf8 } from 'node:buffer';
import type { Wish } from '../core/controller/operations.ts';
import { ERRORS, type ErrorCode, WalrusError } from '../core/errors.ts';
import type { FrameLimits, FrameWriter } from './frames.ts';
import { formatSettings, parseSettings, type TopicPolicy } from './settings.ts';

/** What a node takes from a client. A longer request is skipped up to 16 MiB, then the connection ends. */
export const REQUEST_LIMITS: FrameLimits = {
  maxFrameBytes: 64 * 1024,
  maxSkipBytes: 16 * 1024 * 1024,
};

/** What a client takes from a node: answers have no limit of their own, this one only ends nonsense. */
export const RESPONSE_LIMITS: FrameLimits = { maxFrameBytes: 256 * 1024 * 1024, maxSkipBytes: 0 };

export const INVALID_FRAME_LENGTH = 'invalid frame length';

export type Request =
  | { readonly kind: 'register'; readonly topic: string }
  | { readonly kind: 'put'; readonly topic: string; readonly payload: Uint8Array }
  | { readonly kind: 'get'; readonly topic: string }
  /** `offset` counts through the whole topic; `segment` is a hint and decides nothing. */
  | {
      readonly kind: 'fetch';
      readonly topic: string;
      readonly segment: number;
      readonly offset: number;
    }
  | { readonly kind: 'state'; readonly topic: string }
  /** Not upstream's: forgets the topic. Answered once no node can acknowledge a record of it. */
  | { readonly kind: 'delete'; readonly topic: string }
  /** Not upstream's: as `register`, with a policy. */
  | { readonly kind: 'create'; readonly topic: string; readonly policy: Partial<TopicPolicy> }
  /** Not upstream's: changes what is named of the topic's policy. */
  | { readonly kind: 'set'; readonly topic: string; readonly policy: Partial<TopicPolicy> }
  /** Not upstream's: forgets the records before an offset, as far as they fill whole sealed segments. */
  | { readonly kind: 'trim'; readonly topic: string; readonly before: number }
  /** Not upstream's: the topics that there are. */
  | { readonly kind: 'topics' }
  /** Not upstream's: the nodes that there are, and what each has. */
  | { readonly kind: 'nodes' }
  /** Not upstream's: what an operator wants of a node; with `dryRun` whether it could be done, and nothing more. */
  | { readonly kind: 'node'; readonly wish: Wish; readonly node: number; readonly dryRun: boolean }
  | { readonly kind: 'metrics' }
  /** Not a request; `message` is the answer's text. */
  | { readonly kind: 'malformed'; readonly message: string };

export type Response =
  | { readonly kind: 'ok' }
  | { readonly kind: 'payload'; readonly payload: Uint8Array }
  | { readonly kind: 'fetched'; readonly next: number; readonly payload: Uint8Array }
  | { readonly kind: 'empty' }
  | { readonly kind: 'trimmed'; readonly start: number }
  | { readonly kind: 'json'; readonly text: string }
  | { readonly kind: 'error'; readonly message: string };

const SPACE = 0x20;

/**
 * Reads one request. Trailing white space goes first (Unicode's White_Space, as Rust's `trim_end` has it),
 * then single ASCII spaces part operation, topic and rest; the rest keeps its spaces.
 */
export function parseRequest(frame: Uint8Array): Request {
  if (!isUtf8(frame)) return malformed('invalid utf-8');
  const text = Buffer.from(frame.buffer, frame.byteOffset, trimmedLength(frame));
  const operationEnd = indexOrEnd(text, 0);
  const operation = text.toString('latin1', 0, operationEnd);
  if (operation === 'METRICS') return { kind: 'metrics' };
  if (operation === 'TOPICS') return { kind: 'topics' };
  if (operation === 'NODES') return { kind: 'nodes' };
  if (operation === 'NODE') return parseNode(text.toString('latin1', operationEnd));
  if (!NEEDS_TOPIC.has(operation)) return malformed('unknown command');
  if (operationEnd === text.length) return malformed(`${operation} requires a topic`);

  const topicEnd = indexOrEnd(text, operationEnd + 1);
  const topic = text.toString('utf8', operationEnd + 1, topicEnd);
  const rest = topicEnd === text.length ? undefined : text.subarray(topicEnd + 1);
  switch (operation) {
    case 'REGISTER':
      return { kind: 'register', topic };
    case 'PUT':
      return rest === undefined
        ? malformed('PUT requires a payload')
        : { kind: 'put', topic, payload: rest };
    case 'GET':
      return { kind: 'get', topic };
    case 'STATE':
      return { kind: 'state', topic };
    case 'DELETE':
      return { kind: 'delete', topic };
    case 'TRIM':
      return parseTrim(topic, rest);
    case 'CREATE':
      return withSettings('create', topic, rest);
    case 'SET':
      return withSettings('set', topic, rest);
    default:
      return parseFetch(topic, rest);
  }
}

const NEEDS_TOPIC: ReadonlySet<string> = new Set([
  'REGISTER',
  'PUT',
  'GET',
  'FETCH',
  'STATE',
  'DELETE',
  'TRIM',
  'CREATE',
  'SET',
]);

function withSettings(kind: 'create' | 'set', topic: string, rest: Buffer | undefined): Request {
  const words = (rest?.toString('utf8') ?? '').split(' ').filter((word) => word !== '');
  try {
    return { kind, topic, policy: parseSettings(words) };
  } catch (error) {
    if (!(error instanceof WalrusError)) throw error;
    return malformed(errorText(error.code, error.message));
  }
}

/** As it stands on the wire and in commands. */
const WISHES: ReadonlyMap<string, Wish> = new Map([
  ['can-stop', 'stop'],
  ['drain', 'drain'],
  ['cancel-drain', 'undrain'],
  ['remove', 'remove'],
]);

function parseNode(rest: string): Request {
  const [, word = '', number, dryRun] = /^ (\S+) ([1-9]\d{0,9})( dry-run)?$/.exec(rest) ?? [];
  const wish = WISHES.get(word);
  if (wish === undefined) {
    return malformed(`NODE requires ${[...WISHES.keys()].join(', ')} and a number`);
  }
  return { kind: 'node', wish, node: Number(number), dryRun: dryRun !== undefined };
}

function parseTrim(topic: string, rest: Buffer | undefined): Request {
  const before = rest?.toString('latin1') ?? '';
  if (!/^\d{1,15}$/.test(before)) return malformed('TRIM requires an offset');
  return { kind: 'trim', topic, before: Number(before) };
}

function parseFetch(topic: string, rest: Buffer | undefined): Request {
  const numbers = /^(\d{1,15}) (\d{1,15})$/.exec(rest?.toString('latin1') ?? '');
  if (numbers === null) return malformed('FETCH requires a segment and an offset');
  return { kind: 'fetch', topic, segment: Number(numbers[1]), offset: Number(numbers[2]) };
}

function malformed(message: string): Request {
  return { kind: 'malformed', message };
}

function indexOrEnd(text: Buffer, from: number): number {
  const index = text.indexOf(SPACE, from);
  return index < 0 ? text.length : index;
}

/**
 * How much is left of well-formed UTF-8 without its trailing White_Space. JavaScript's `trimEnd` is another
 * set: it takes U+FEFF too, and leaves U+0085.
 */
function trimmedLength(text: Uint8Array): number {
  let end = text.length;
  while (end > 0) {
    const last = text[end - 1]!;
    if (last === SPACE || (last >= 0x09 && last <= 0x0d)) end -= 1;
    else if (last < 0x80) break;
    else if (end >= 2 && isTwoByteSpace(text[end - 2]!, last)) end -= 2;
    else if (end >= 3 && isThreeByteSpace(text[end - 3]!, text[end - 2]!, last)) end -= 3;
    else break;
  }
  return end;
}

/** U+0085, U+00A0. */
function isTwoByteSpace(first: number, second: number): boolean {
  return first === 0xc2 && (second === 0x85 || second === 0xa0);
}

/** U+1680, U+2000 to U+200A, U+2028, U+2029, U+202F, U+205F, U+3000. */
function isThreeByteSpace(first: number, second: number, third: number): boolean {
  if (first === 0xe1) return second === 0x9a && third === 0x80;
  if (first === 0xe3) return second === 0x80 && third === 0x80;
  if (first !== 0xe2) return false;
  if (second === 0x81) return third === 0x9f;
  const listed = third <= 0x8a || third === 0xa8 || third === 0xa9 || third === 0xaf;
  return second === 0x80 && listed;
}

/** Adds a request as a frame. Throws `InvalidTopic` or `RecordTooLarge` for what the protocol cannot carry. */
export function writeRequest(
  writer: FrameWriter,
  request: Exclude<Request, { kind: 'malformed' }>,
): void {
  if (request.kind === 'metrics' || request.kind === 'topics' || request.kind === 'nodes') {
    writer.frame(request.kind.toUpperCase());
    return;
  }
  if (request.kind === 'node') {
    const [word] = [...WISHES].find(([, wish]) => wish === request.wish)!;
    writer.frame(`NODE ${word} ${request.node}${request.dryRun ? ' dry-run' : ''}`);
    return;
  }
  const { topic } = request;
  if (topic === '' || /\p{White_Space}/u.test(topic)) {
    throw new WalrusError('InvalidTopic', 'a topic is not empty and has no white space');
  }
  const head = `${request.kind.toUpperCase()} ${topic}`;
  if (request.kind === 'fetch') {
    writer.frame(`${head} ${request.segment} ${request.offset}`);
  } else if (request.kind === 'create' || request.kind === 'set') {
    writer.frame(`${head} ${formatSettings(request.policy)}`);
  } else if (request.kind === 'trim') {
    writer.frame(`${head} ${request.before}`);
  } else if (request.kind === 'put') {
    const lengthBytes = Buffer.byteLength(head) + 1 + request.payload.length;
    if (lengthBytes > REQUEST_LIMITS.maxFrameBytes) {
      const limit = REQUEST_LIMITS.maxFrameBytes;
      throw new WalrusError(
        'RecordTooLarge',
        `a request of ${lengthBytes} bytes, ${limit} at most`,
      );
    }
    writer.frame(`${head} `, request.payload);
  } else {
    writer.frame(head);
  }
}

/** Adds an answer as a frame. A payload that is not UTF-8 is shown with U+FFFD where it is not. */
export function writeResponse(writer: FrameWriter, response: Response): void {
  switch (response.kind) {
    case 'ok':
      writer.frame('OK');
      break;
    case 'payload':
      writer.frame('OK ', asUtf8(response.payload));
      break;
    case 'fetched':
      writer.frame(`OK ${response.next} `, asUtf8(response.payload));
      break;
    case 'empty':
      writer.frame('EMPTY');
      break;
    case 'trimmed':
      writer.frame(`OK ${response.start}`);
      break;
    case 'json':
      writer.frame(response.text);
      break;
    case 'error':
      writer.frame(`ERR ${response.message}`);
      break;
  }
}

function asUtf8(payload: Uint8Array): Uint8Array {
  if (isUtf8(payload)) return payload;
  return Buffer.from(new TextDecoder().decode(payload));
}

/** Beginnings of upstream's error texts, on which scripts rely, and the code that each amounts to. */
const UPSTREAM_TEXTS: readonly (readonly [string, ErrorCode])[] = [
  ['unknown topic ', 'UnknownTopic'],
  ['NotLeaderForPartition: ', 'NotOwner'],
  ['RPC error: Request timeout', 'Timeout'],
  ['no raft leader known for metadata proposal after retries', 'Timeout'],
];

/**
 * The text of an error on the wire: the message alone if it is one of upstream's and tells a caller as much as
 * the code does, else code, colon, message.
 */
export function errorText(code: ErrorCode, message: string): string {
  const upstream = upstreamCode(message);
  const enough =
    upstream !== undefined &&
    ERRORS[upstream].retriable === ERRORS[code].retriable &&
    ERRORS[upstream].committed === ERRORS[code].committed;
  return enough ? message : `${code}: ${message}`;
}

/** The error that an `ERR` text stands for; it has the same `retriable` and `committed` as the one told. */
export function errorFromText(text: string): WalrusError {
  const upstream = upstreamCode(text);
  if (upstream !== undefined) return new WalrusError(upstream, text);
  const colon = text.indexOf(': ');
  const code = text.slice(0, Math.max(colon, 0));
  if (!Object.hasOwn(ERRORS, code)) return new WalrusError('InvalidArgument', text);
  const message = text.slice(colon + 2);
  const start = code === 'Trimmed' ? / begins at (\d+)$/.exec(message)?.[1] : undefined;
  return new WalrusError(code as ErrorCode, message, start === undefined ? start : Number(start));
}

function upstreamCode(text: string): ErrorCode | undefined {
  return UPSTREAM_TEXTS.find(([beginning]) => text.startsWith(beginning))?.[1];
}

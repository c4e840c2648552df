/**
 * A client of wire protocol v2. It knows several nodes and speaks to one of them at a time; whichever that is
 * hands requests on to the right one. What it repeats on its own is only what cannot happen twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WalrusError } from '../core/errors.ts';
import { Queue } from '../core/queue.ts';
import { BATCH_LIMIT, batchFault, decodeRecord, joinBatch } from '../core/record.ts';
import { type Address, parseAddress } from './address.ts';
import { Appender, type Entry, type Receipt } from './appender.ts';
import {
  checkNumber,
  checkOptions,
  checkPayload,
  checkSignal,
  checkTopic,
  checkWhole,
  type Data,
  recordOf,
} from './arguments.ts';
import { FrameWriter } from './frames.ts';
import { errorFromText, type Request, writeRequest } from './protocol.ts';
import { type Question, Session } from './session.ts';
import type { TopicPolicy } from './settings.ts';
import type { AnswerV2 } from './wire-v2.ts';

export { ERRORS, type ErrorCode, WalrusError } from '../core/errors.ts';
export type { Receipt } from './appender.ts';
export type { Data, RecordData } from './arguments.ts';
export type { TopicPolicy } from './settings.ts';

/** Which nodes, and how long to wait for them. */
export interface ClientOptions {
  /** `host:port` of one node or more, tried in turn. */
  readonly addresses: readonly string[];
  /** Default 2,000. */
  readonly connectTimeoutMs?: number;
  /** Default 15,000. */
  readonly requestTimeoutMs?: number;
  /** For how long a call is tried anew after errors that pass by themselves. Default 10,000; 0 is once. */
  readonly retryForMs?: number;
  /** `append`: bytes of a batch that several calls share. Default 262,144; 1,048,576 at most. */
  readonly batchBytes?: number;
  /** `append`: how long a batch waits for more. Default 0: until the end of the turn. */
  readonly lingerMs?: number;
  /** `append`: records that are not settled may have so many bytes; with more, calls wait. Default 33,554,432. */
  readonly bufferBytes?: number;
}

/** How `append` is to go. */
export interface AppendOptions {
  /** The first record gets that offset, or nothing is appended. */
  readonly expectedOffset?: number;
  /** Gives up waiting: `Aborted`, and the records may be there unless they had not been sent. */
  readonly signal?: AbortSignal;
  /** For how long it is tried, in milliseconds. Default 30,000. */
  readonly deadlineMs?: number;
}

/** Where `read` and `tail` begin, and how they go on. */
export interface ReadOptions {
  /** Default 0. */
  readonly from?: number;
  /** Bytes that are asked for at a time. Default 1,048,576, which is the most. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

/** A record that was read. */
export interface Entered {
  readonly offset: number;
  readonly value: Uint8Array;
  readonly key?: Uint8Array | undefined;
  readonly headers?: readonly (readonly [name: string, value: Uint8Array])[] | undefined;
  readonly timestampMs?: number | undefined;
}

/** The topic ends elsewhere than `append` was told to expect; nothing was appended. */
export class OffsetMismatch extends WalrusError {
  /** The offset that the next record gets. */
  readonly end: number;

  constructor(end: number) {
    super('OffsetMismatch', `the next record gets offset ${end}`);
    this.end = end;
  }
}

/** What `put` may do. */
export interface PutOptions {
  /** Send again when nobody knows whether it was written: it may then stand in the topic twice. */
  readonly repeatUnknown?: boolean;
}

/** A record that `fetch` has read. */
export interface Fetched {
  /** The offset to ask for next. */
  readonly next: number;
  readonly payload: string;
}

/** Of `drainNode` and `removeNode`. */
export interface NodeOptions {
  /** Only says whether it could be done. */
  readonly dryRun?: boolean;
}

/** `STATE`: one node's view of a topic. Segments are keys. */
export interface State {
  /** Of the first record that there is, or will be. */
  readonly first_offset: number;
  /** By the names of its settings: `retention.bytes`, …; a limit of 0 is none. */
  readonly policy: Readonly<Record<string, number | boolean>>;
  readonly current_segment: number;
  readonly leader_node: number;
  readonly last_sealed_entry_offset: number;
  readonly sealed_segments: Readonly<Record<string, number>>;
  readonly segment_leaders: Readonly<Record<string, number>>;
}

/** `TOPICS`: one node's view. */
export interface Topics {
  /** Of all topics. */
  readonly count: number;
  /** A thousand at most: those that something is wrong with first, then by name. */
  readonly topics: readonly TopicSummary[];
}

/** What `TOPICS` says of one topic. */
export interface TopicSummary {
  readonly topic: string;
  /** Of the open segment. */
  readonly owner: number;
  /** Those that have records, and the open one. */
  readonly segments: number;
  /** Records that may be read; null if the node asked holds no copy of the open segment. */
  readonly records: number | null;
  /** It is to be deleted, and takes no more records. */
  readonly deleting: boolean;
}

/** `NODES`: one node's view. */
export interface Nodes {
  readonly nodes: readonly NodeSummary[];
}

/** What `NODES` says of one node. */
export interface NodeSummary {
  readonly node: number;
  /** `draining`: what it has moves to others. `gone`: it was removed. */
  readonly state: 'active' | 'draining' | 'gone';
  readonly voter: boolean;
  /** The node asked hears it. */
  readonly live: boolean;
  readonly clientAddress: string;
  /** Copies of segments that count on it: of one that drains, or is gone, what is still to be moved. */
  readonly copies: number;
  /** Copies that are being made there. */
  readonly coming: number;
  /** Topics whose open segment it owns. */
  readonly owns: number;
}

/** `METRICS`: what of it this client's users rely on; the rest is in the README. */
export interface Metrics {
  readonly id: number;
  readonly state: string;
  readonly current_term: number;
  readonly current_leader: number | null;
  readonly last_log_index: number | null;
  readonly [field: string]: unknown;
}

type Sendable = Exclude<Request, { kind: 'malformed' }>;

const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 500;
/** Asked of a node at a time by a tail that has read everything. */
const TAIL_WAIT_MS = 2_000;
/** An offset that no topic reaches. */
const BEHIND_ALL: number = 2 ** 52;
/** Said by a node that takes part in nothing for now. */
const AWAY: ReadonlySet<string> = new Set(['Unavailable', 'NoLeader']);
const BATCH_RULE: string = `a batch has 1 to ${BATCH_LIMIT.records} records, ${BATCH_LIMIT.bytes} bytes at most`;

/**
 * One connection to one node of several at a time, opened by the first call and again after it broke. Calls may overlap; those
 * of one turn leave in one write. Every failure is a `WalrusError`.
 */
export class WalrusClient {
  private readonly addresses: readonly Address[];
  private readonly connectTimeoutMs: number;
  private readonly requestTimeoutMs: number;
  private readonly retryForMs: number;
  private readonly batchBytes: number;
  private readonly lingerMs: number;
  private readonly bufferBytes: number;
  private readonly appenders = new Map<string, Appender>();
  private bufferedBytes = 0;
  /** Calls of `append` that wait for room, and of `close` that wait for all. */
  private readonly wantRoom = new Queue<{ readonly bytes: number; go(): void }>();
  private session: Promise<Session> | undefined;
  private inUse: Session | undefined;
  private current = 0;
  private closed = false;

  /** Connects with the first call. Throws `InvalidArgument` for an address that is none, and for options that make no sense. */
  constructor(options: ClientOptions) {
    checkOptions(options);
    if (!Array.isArray(options.addresses)) throw new WalrusError('InvalidArgument', 'no addresses');
    this.addresses = options.addresses.map((text) => {
      const address = parseAddress(String(text));
      if (address === undefined) throw new WalrusError('InvalidArgument', `no address: ${text}`);
      return address;
    });
    if (this.addresses.length === 0) throw new WalrusError('InvalidArgument', 'no addresses');
    this.connectTimeoutMs = options.connectTimeoutMs ?? 2_000;
    this.requestTimeoutMs = options.requestTimeoutMs ?? 15_000;
    this.retryForMs = options.retryForMs ?? 10_000;
    this.batchBytes = Math.min(options.batchBytes ?? 256 * 1024, BATCH_LIMIT.bytes);
    this.lingerMs = options.lingerMs ?? 0;
    this.bufferBytes = options.bufferBytes ?? 32 * 1024 * 1024;
    checkNumber('connectTimeoutMs', this.connectTimeoutMs, 1);
    checkNumber('requestTimeoutMs', this.requestTimeoutMs, 1);
    checkNumber('retryForMs', this.retryForMs, 0);
    checkNumber('batchBytes', this.batchBytes, 1);
    checkNumber('lingerMs', this.lingerMs, 0);
    checkNumber('bufferBytes', this.bufferBytes, 1);
  }

  /**
   * Appends one record, or several that are taken whole or not at all and stand in a row, and returns when a quorum has them
   * durably. What one client appends to a topic stands there in the order of the calls. Calls that are made without waiting share
   * batches; with many unsettled ones it waits for room first. Fails with `OffsetMismatch`, `UnknownTopic`, `RecordTooLarge`,
   * `BatchTooLarge`, `InvalidArgument`, `Aborted`, `Closed`; with `Timeout` or `OutcomeUnknown` if nobody knows whether they were
   * appended; with what was last refused once its time is up.
   */
  async append(
    topic: string,
    data: Data | readonly Data[],
    options: AppendOptions = {},
  ): Promise<Receipt> {
    if (this.closed) throw new WalrusError('Closed', 'the client is closed');
    checkTopic(topic);
    checkOptions(options);
    const { expectedOffset: expected, signal, deadlineMs: withinMs = 30_000 } = options;
    if (expected !== undefined) checkWhole('expectedOffset', expected, 0);
    checkNumber('deadlineMs', withinMs, 1);
    checkSignal(signal);
    const records = (Array.isArray(data) ? data : [data]).map((each: Data) => recordOf(each));
    joinBatch(records);
    const fault = batchFault(records);
    if (fault !== undefined) throw new WalrusError(fault, BATCH_RULE);
    let bytes = 0;
    for (const { length } of records) bytes += length;
    const deadlineMs = performance.now() + withinMs;
    await this.room(bytes);
    let aborted = (): void => {};
    try {
      if (signal?.aborted) throw new WalrusError('Aborted', 'aborted by the caller');
      const appender = this.appenderOf(topic);
      return await new Promise<Receipt>((resolve, reject) => {
        const entry: Entry = { records, bytes, expected, deadlineMs, resolve, reject };
        appender.add(entry);
        aborted = (): void => {
          appender.remove(entry);
          reject(new WalrusError('Aborted', 'aborted by the caller'));
        };
        signal?.addEventListener('abort', aborted);
      });
    } finally {
      signal?.removeEventListener('abort', aborted);
      this.bufferedBytes -= bytes;
      this.giveRoom();
      if (this.appenders.get(topic)?.isIdle) this.appenders.delete(topic);
    }
  }

  /** The records of a topic from an offset to where it ended when the first were read. Reading takes nothing. */
  read(topic: string, options: ReadOptions = {}): AsyncGenerator<Entered, void, undefined> {
    return this.records(topic, options, 0);
  }

  /** The records of a topic from an offset on, and those that come, until the loop is left or `signal` aborts. */
  tail(topic: string, options: ReadOptions = {}): AsyncGenerator<Entered, void, undefined> {
    return this.records(topic, options, TAIL_WAIT_MS);
  }

  /** Creates the topic if it does not exist. */
  async register(topic: string): Promise<void> {
    expectOk(await this.call({ kind: 'register', topic }, true));
  }

  /** Creates the topic with that policy if it does not exist; if it does, nothing changes. */
  async create(topic: string, policy: Partial<TopicPolicy>): Promise<void> {
    expectOk(await this.call({ kind: 'create', topic, policy }, true));
  }

  /**
   * Changes what is named of the topic's policy. Fails with `UnknownTopic` if there is no such topic. It is not repeated after a
   * failure whose `committed` is `unknown`, since by then another topic may have the name.
   */
  async setPolicy(topic: string, policy: Partial<TopicPolicy>): Promise<void> {
    expectOk(await this.call({ kind: 'set', topic, policy }, false));
  }

  /**
   * Appends one record and returns when a quorum has it durably. An error whose `committed` is `unknown` may
   * have written it. Trailing white space of the payload is lost: the protocol trims it.
   */
  async put(topic: string, payload: string | Uint8Array, options: PutOptions = {}): Promise<void> {
    checkPayload(payload);
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const request: Sendable = { kind: 'put', topic, payload: bytes };
    expectOk(await this.call(request, options.repeatUnknown ?? false));
  }

  /**
   * Takes the next record of the topic, for all clients of it; undefined if there is none. If the answer is
   * lost, so is the record for this cursor: `get` is at most once and never repeated after an unknown outcome.
   */
  async get(topic: string): Promise<string | undefined> {
    const answer = await this.call({ kind: 'get', topic }, false);
    return answer === 'EMPTY' ? undefined : payloadOf(answer);
  }

  /**
   * Reads the record at `offset`, counted through the whole topic; undefined if there is none yet. Fails with `Trimmed` if it
   * was forgotten; the error's `start` is the offset of the first one that is kept.
   */
  async fetch(topic: string, offset: number): Promise<Fetched | undefined> {
    const answer = await this.call({ kind: 'fetch', topic, segment: 1, offset }, true);
    if (answer === 'EMPTY') return undefined;
    const text = payloadOf(answer);
    const space = text.indexOf(' ');
    return { next: Number(text.slice(0, space)), payload: text.slice(space + 1) };
  }

  /**
   * Forgets the topic with its records and cursors. Returns when its name is free and no node can acknowledge a record of it any
   * more. Fails with `UnknownTopic` if there is none. A failure whose `committed` is `unknown` may have begun it, and then it goes on;
   * it is not repeated, since by then another topic may have the name.
   */
  async delete(topic: string): Promise<void> {
    expectOk(await this.call({ kind: 'delete', topic }, false));
  }

  /**
   * Forgets the records before the offset, as far as they fill whole segments that are sealed, and moves cursors up that stand before what is
   * left. Returns the offset of the first record that the topic still has, or will have. Fails with `UnknownTopic` if there is
   * no such topic. It is not repeated after a failure whose `committed` is `unknown`, since by then another topic may have the name.
   */
  async trim(topic: string, before: number): Promise<number> {
    return Number(payloadOf(await this.call({ kind: 'trim', topic, before }, false)));
  }

  /** The nodes as the node asked sees them, which may be behind. */
  async nodes(): Promise<Nodes> {
    return JSON.parse(await this.call({ kind: 'nodes' }, true)) as Nodes;
  }

  /** Fails with `WouldLose`, and why, if the cluster could not do without the node now; it may be started again later. */
  async canStopNode(node: number): Promise<void> {
    expectOk(await this.call({ kind: 'node', wish: 'stop', node, dryRun: true }, true));
  }

  /**
   * Has everything that the node holds moved to others; `nodes` tells how much is left. Fails with `WouldLose`, and why, if there is nobody to
   * take it.
   */
  async drainNode(node: number, options: NodeOptions = {}): Promise<void> {
    const { dryRun = false } = options;
    expectOk(await this.call({ kind: 'node', wish: 'drain', node, dryRun }, true));
  }

  /** The node that was to be drained is to stay, with what it still has. */
  async cancelDrain(node: number): Promise<void> {
    expectOk(await this.call({ kind: 'node', wish: 'undrain', node, dryRun: false }, true));
  }

  /**
   * Takes the node out of the cluster for ever, with its disk: one that is lost, whose copies are made again on others, or one that has
   * been drained. Fails with `WouldLose`, and what, if it may have the last copy of something, or the others are no majority.
   */
  async removeNode(node: number, options: NodeOptions = {}): Promise<void> {
    const { dryRun = false } = options;
    expectOk(await this.call({ kind: 'node', wish: 'remove', node, dryRun }, true));
  }

  /** The topics as the node asked sees them, which may be behind. */
  async topics(): Promise<Topics> {
    return JSON.parse(await this.call({ kind: 'topics' }, true)) as Topics;
  }

  /** The topic as the node asked sees it, which may be behind. */
  async state(topic: string): Promise<State> {
    return JSON.parse(await this.call({ kind: 'state', topic }, true)) as State;
  }

  /** Raft's state at the node asked. */
  async metrics(): Promise<Metrics> {
    return JSON.parse(await this.call({ kind: 'metrics' }, true)) as Metrics;
  }

  /**
   * Waits for what is being appended, then ends the connection; other calls under way fail with `Aborted`, later ones with
   * `Closed`.
   */
  async close(): Promise<void> {
    this.closed = true;
    if (this.bufferedBytes > 0) {
      await new Promise<void>((go) => this.wantRoom.push({ bytes: this.bufferBytes, go }));
    }
    const session = await this.session?.catch(() => undefined);
    session?.close();
  }

  /** The same as `close`: for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Returns, in the order of asking, when so many bytes more may be unsettled; the first may have more than all. */
  private room(bytes: number): Promise<void> | undefined {
    if (this.wantRoom.length === 0 && this.fits(bytes)) {
      this.bufferedBytes += bytes;
      return undefined;
    }
    return new Promise((resolve) => {
      const go = (): void => {
        this.bufferedBytes += bytes;
        resolve();
      };
      this.wantRoom.push({ bytes, go });
    });
  }

  private fits(bytes: number): boolean {
    return this.bufferedBytes === 0 || this.bufferedBytes + bytes <= this.bufferBytes;
  }

  private giveRoom(): void {
    while (this.wantRoom.length > 0 && this.fits(this.wantRoom.first!.bytes)) {
      this.wantRoom.shift()!.go();
    }
  }

  private appenderOf(topic: string): Appender {
    let appender = this.appenders.get(topic);
    if (appender === undefined) {
      const { batchBytes, lingerMs } = this;
      appender = new Appender({
        batchBytes,
        lingerMs,
        send: (records, expected, deadlineMs) =>
          this.appendBatch(topic, records, expected, deadlineMs - performance.now()),
      });
      this.appenders.set(topic, appender);
    }
    return appender;
  }

  private async appendBatch(
    topic: string,
    records: readonly Uint8Array[],
    expected: number | undefined,
    timeoutMs: number,
  ): Promise<Extract<AnswerV2, { kind: 'appended' }>> {
    const answer = await this.ask({ kind: 'append', topic, records, expected }, timeoutMs);
    if (answer.kind === 'mismatched') throw new OffsetMismatch(answer.end);
    if (answer.kind !== 'appended') throw unexpected(answer.kind);
    return answer;
  }

  private async *records(
    topic: string,
    options: ReadOptions,
    waitMs: number,
  ): AsyncGenerator<Entered, void, undefined> {
    checkTopic(topic);
    checkOptions(options);
    const { from = 0, maxBytes = BATCH_LIMIT.bytes, signal } = options;
    checkWhole('from', from, 0);
    checkWhole('maxBytes', maxBytes, 1);
    checkSignal(signal);
    const ask = (offset: number): Promise<Extract<AnswerV2, { kind: 'records' }>> => {
      const range = { offset, records: BATCH_LIMIT.records, bytes: maxBytes, waitMs };
      const page = this.repeated(true, async () => {
        const answer = await this.ask({ kind: 'fetch', topic, ...range }, undefined, signal);
        if (answer.kind !== 'records') throw unexpected(answer.kind);
        return answer;
      });
      // Whoever leaves the loop does not hear of what was asked for in advance.
      page.catch(() => {});
      return page;
    };
    // Behind the end nobody but the owner can answer, and it knows where that is.
    const end = waitMs > 0 ? Infinity : (await ask(BEHIND_ALL)).highWatermark;
    if (from >= end) return;
    for (let page = ask(from); ; ) {
      const { offset, records } = await page;
      const next = offset + records.length;
      if (next < end) page = ask(next);
      for (let i = 0; i < records.length && offset + i < end; i++) {
        yield { offset: offset + i, ...decodeRecord(records[i]!) };
      }
      if (next >= end) return;
    }
  }

  private call(request: Sendable, repeatUnknown: boolean): Promise<string> {
    return this.repeated(repeatUnknown, () => this.attempt(request));
  }

  private async repeated<Answer>(
    repeatUnknown: boolean,
    attempt: () => Promise<Answer>,
  ): Promise<Answer> {
    const giveUpMs = performance.now() + this.retryForMs;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await attempt();
      } catch (error) {
        const repeatable =
          error instanceof WalrusError &&
          error.retriable &&
          error.code !== 'Aborted' &&
          (error.committed === 'no' || repeatUnknown);
        if (!repeatable || this.closed || performance.now() + pauseMs > giveUpMs) throw error;
        await sleep(pauseMs * (0.5 + Math.random()));
      }
    }
  }

  private async attempt(request: Sendable): Promise<string> {
    if ('topic' in request) checkTopic(request.topic);
    if ('offset' in request) checkWhole('offset', request.offset, 0);
    if ('node' in request) checkWhole('node', request.node, 1);
    const writer = new FrameWriter();
    writeRequest(writer, request);
    // Without its length.
    const reply = await this.ask({ kind: 'line', line: writer.take().subarray(4) });
    if (reply.kind !== 'line') throw unexpected(reply.kind);
    const { line } = reply;
    const answer = Buffer.from(line.buffer, line.byteOffset, line.length).toString();
    if (answer.startsWith('ERR ')) throw errorFromText(answer.slice(4));
    return answer;
  }

  private async ask(
    question: Question,
    timeoutMs: number = this.requestTimeoutMs,
    signal?: AbortSignal,
  ): Promise<AnswerV2> {
    const session = await this.connected();
    const withinMs = Math.max(1, Math.min(timeoutMs, this.requestTimeoutMs));
    try {
      return await session.ask(question, withinMs, signal);
    } catch (error) {
      const isAway = error instanceof WalrusError && AWAY.has(error.code);
      if (isAway && this.inUse === session) this.leave(session);
      throw error;
    }
  }

  /** The connection in use; after it broke, one to the next node. */
  private async connected(): Promise<Session> {
    if (this.closed && this.bufferedBytes === 0) {
      throw new WalrusError('Closed', 'the client is closed');
    }
    const used = this.session;
    const open = await used?.catch(() => undefined);
    if (open !== undefined && !open.closed) return open;
    if (this.session === used) {
      if (used !== undefined) this.current++;
      const address = this.addresses[this.current % this.addresses.length]!;
      this.session = Session.open(address, this.connectTimeoutMs);
      this.session.then(
        (session) => {
          this.inUse = session;
        },
        () => {},
      );
    }
    return this.session as Promise<Session>;
  }

  /** The node can do nothing for now: another one is asked from here on. */
  private leave(session: Session): void {
    this.inUse = undefined;
    this.session = undefined;
    this.current++;
    session.retire();
  }
}

function expectOk(answer: string): void {
  if (answer !== 'OK') throw unexpected(answer);
}

function payloadOf(answer: string): string {
  if (!answer.startsWith('OK ')) throw unexpected(answer);
  return answer.slice(3);
}

function unexpected(answer: string): WalrusError {
  return new WalrusError('OutcomeUnknown', `unexpected answer: ${answer.slice(0, 80)}`);
}

/**
 * A client of wire protocol v1. It knows several nodes and speaks to one of them at a time; whichever that is
 * hands requests on to the right one. What it repeats on its own is only what cannot happen twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { WalrusError } from '../core/errors.ts';
import { type Address, parseAddress } from './address.ts';
import { Connection } from './connection.ts';
import { errorFromText, type Request, writeRequest } from './protocol.ts';
import type { TopicPolicy } from './settings.ts';

export { ERRORS, type ErrorCode, WalrusError } from '../core/errors.ts';
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

/**
 * One connection to one node of several at a time, opened by the first call and again after it broke. Calls may overlap; those
 * of one turn leave in one write. Every failure is a `WalrusError`.
 */
export class WalrusClient {
  private readonly addresses: readonly Address[];
  private readonly connectTimeoutMs: number;
  private readonly requestTimeoutMs: number;
  private readonly retryForMs: number;
  private connection: Promise<Connection> | undefined;
  private current = 0;
  private closed = false;

  /** Connects with the first call. Throws `InvalidArgument` for an address that is none. */
  constructor(options: ClientOptions) {
    this.addresses = options.addresses.map((text) => {
      const address = parseAddress(text);
      if (address === undefined) throw new WalrusError('InvalidArgument', `no address: ${text}`);
      return address;
    });
    if (this.addresses.length === 0) throw new WalrusError('InvalidArgument', 'no addresses');
    this.connectTimeoutMs = options.connectTimeoutMs ?? 2_000;
    this.requestTimeoutMs = options.requestTimeoutMs ?? 15_000;
    this.retryForMs = options.retryForMs ?? 10_000;
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

  /** Ends the connection; calls under way fail with `Aborted`, later ones with `Closed`. */
  async close(): Promise<void> {
    this.closed = true;
    const connection = await this.connection?.catch(() => undefined);
    connection?.close();
  }

  private async call(request: Sendable, repeatUnknown: boolean): Promise<string> {
    const giveUpMs = performance.now() + this.retryForMs;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        return await this.attempt(request);
      } catch (error) {
        const repeatable =
          error instanceof WalrusError &&
          error.retriable &&
          (error.committed === 'no' || repeatUnknown);
        if (!repeatable || this.closed || performance.now() + pauseMs > giveUpMs) throw error;
        await sleep(pauseMs * (0.5 + Math.random()));
      }
    }
  }

  private async attempt(request: Sendable): Promise<string> {
    const connection = await this.connected();
    const frame = await connection.request((writer) => writeRequest(writer, request));
    const answer = Buffer.from(frame.buffer, frame.byteOffset, frame.length).toString();
    if (answer.startsWith('ERR ')) throw errorFromText(answer.slice(4));
    return answer;
  }

  /** The connection in use; after it broke, one to the next node. */
  private async connected(): Promise<Connection> {
    if (this.closed) throw new WalrusError('Closed', 'the client is closed');
    const used = this.connection;
    const open = await used?.catch(() => undefined);
    if (open !== undefined && !open.closed) return open;
    if (this.connection === used) {
      if (used !== undefined) this.current++;
      this.connection = Connection.open(this.addresses[this.current % this.addresses.length]!, {
        connectTimeoutMs: this.connectTimeoutMs,
        requestTimeoutMs: this.requestTimeoutMs,
      });
    }
    return this.connection as Promise<Connection>;
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

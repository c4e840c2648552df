/**
 * The port for clients: wire protocol v1 over TCP, and v2 for whoever says HELLO. Requests of one connection may overlap; those of v1 are answered in
 * order; all answers of one turn of the event loop leave in one write. A connection that does not read its
 * answers is not read from either, so what it can hold is bounded.
 */
import { createServer, type Server, type Socket } from 'node:net';
import type { Address } from '../client/address.ts';
import { FrameWriter } from '../client/frames.ts';
import {
  errorText,
  parseRequest,
  type Request,
  type Response,
  writeResponse,
} from '../client/protocol.ts';
import { namedSettings } from '../client/settings.ts';
import type { AnswerV2, RequestV2 } from '../client/wire-v2.ts';
import {
  type NodeWish,
  ONE_RECORD,
  type Operation,
  type Reply,
  type TopicState,
} from '../core/controller/operations.ts';
import { nodeId, offset } from '../core/ids.ts';
import { decodeRecord, encodeRecord } from '../core/record.ts';
import type { DiskView, NodeView } from '../node/view.ts';
import { ClientConnection } from './client-connection.ts';
import { ConnectionV2 } from './connection-v2.ts';
import type { Answered } from './metrics.ts';

/** What the server asks of the node behind it. */
export interface Service {
  request(operation: Operation, reply: (reply: Reply) => void): void;
  changeNode(wish: NodeWish, dryRun: boolean, reply: (reply: Reply) => void): void;
  disks(): readonly DiskView[] | undefined;
  topicState(topic: string): TopicState | undefined;
  ownerOf(topic: string): number | undefined;
  view(topicsMax: number): Pick<NodeView, 'topics' | 'topicCount'> | undefined;
  metrics(): object;
}

export interface ServerOptions {
  readonly node: number;
  readonly maxConnections: number;
  /** An accept that failed, a connection turned away: for the log. */
  onTrouble(reason: string): void;
  onAnswered(answered: Answered): void;
}

/** v1 knows no groups: all its readers share this cursor. */
const DEFAULT_GROUP = 'default';
const NOT_TAKING_PART: Response = {
  kind: 'error',
  message: errorText('Unavailable', 'this node takes part in nothing'),
};
/** Topics that one answer lists. */
const TOPICS_MAX = 1_000;

export class ClientServer {
  /** Requests that are not answered yet. */
  underWay = 0;
  private readonly service: Service;
  private readonly options: ServerOptions;
  private readonly server: Server;
  private readonly connections = new Set<ClientConnection>();
  private dirty = new Set<ClientConnection>();

  constructor(service: Service, options: ServerOptions) {
    this.service = service;
    this.options = options;
    this.server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) =>
      this.accept(socket),
    );
  }

  /** Rejects if the address cannot be bound. Port 0 picks a free one. */
  listen(address: { host: string; port: number }): Promise<Address> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(address.port, address.host, () => {
        this.server.off('error', reject);
        // An accept that fails (no descriptors left, say) costs that client, not the listener.
        this.server.on('error', (error) => this.options.onTrouble(error.message));
        const bound = this.server.address();
        const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
        resolve({ host: address.host, port });
      });
    });
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** Takes no more connections or requests, and ends when all that is under way is answered and sent. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      for (const connection of this.connections) connection.finish();
    });
  }

  /** Ends every connection at once. */
  destroy(): void {
    for (const connection of this.connections) connection.destroy();
    this.server.close();
  }

  private accept(socket: Socket): void {
    if (this.connections.size >= this.options.maxConnections) {
      this.options.onTrouble(`more than ${this.options.maxConnections} connections`);
      const writer = new FrameWriter();
      writeResponse(writer, { kind: 'error', message: 'Overloaded: too many connections' });
      socket.on('error', () => socket.destroy());
      socket.end(writer.take(), () => socket.destroy());
      return;
    }
    const connection = new ClientConnection(
      socket,
      (request, answer) => this.answer(request, answer),
      () => this.markDirty(connection),
      () =>
        new ConnectionV2(
          socket,
          this.options.node,
          (request, answer) => this.answerV2(request, answer),
          () => this.markDirty(connection),
        ),
    );
    this.connections.add(connection);
    socket.on('close', () => this.connections.delete(connection));
  }

  private markDirty(connection: ClientConnection): void {
    if (this.dirty.size === 0) setImmediate(() => this.flush());
    this.dirty.add(connection);
  }

  private flush(): void {
    // What becomes dirty meanwhile has its turn in the next one.
    const connections = this.dirty;
    this.dirty = new Set();
    for (const connection of connections) connection.flush();
  }

  private answerV2(request: RequestV2, answer: (answer: AnswerV2) => void): void {
    const { id } = request;
    if (request.kind === 'line') {
      this.answer(parseRequest(request.line), (response) => {
        const writer = new FrameWriter();
        writeResponse(writer, response);
        // Without its length.
        answer({ kind: 'line', id, line: writer.take().subarray(4) });
      });
      return;
    }
    const { kind, topic } = request;
    const done = this.begin(kind, topic, kind === 'append' ? bytesOf(request.records) : 0);
    this.service.request(operationOfV2(request), (reply) => {
      const refusal = reply.kind === 'error' ? reply.code : undefined;
      done(refusal, reply.kind === 'records' ? bytesOf(reply.records) : 0);
      answer(answerOf(id, reply));
    });
  }

  private answer(request: Request, answer: (response: Response) => void): void {
    const topic = 'topic' in request ? request.topic : undefined;
    const bytesIn = request.kind === 'put' ? request.payload.length : 0;
    const end = this.begin(request.kind, topic, bytesIn);
    const done = (response: Response, refusal: string | undefined): void => {
      end(refusal, 'payload' in response ? response.payload.length : 0);
      answer(response);
    };
    switch (request.kind) {
      case 'malformed':
        done({ kind: 'error', message: request.message }, 'malformed');
        break;
      case 'metrics':
        done({ kind: 'json', text: JSON.stringify(this.service.metrics(), null, 2) }, undefined);
        break;
      case 'topics': {
        const response = this.topics();
        done(response, response.kind === 'error' ? 'Unavailable' : undefined);
        break;
      }
      case 'nodes': {
        const nodes = this.service.disks();
        if (nodes === undefined) done(NOT_TAKING_PART, 'Unavailable');
        else done({ kind: 'json', text: JSON.stringify({ nodes }) }, undefined);
        break;
      }
      case 'node': {
        const { wish, dryRun } = request;
        this.service.changeNode({ node: nodeId(request.node), wish }, dryRun, (reply) => {
          const refusal = reply.kind === 'error' ? reply.code : undefined;
          done(
            reply.kind === 'error'
              ? { kind: 'error', message: errorText(reply.code, reply.message) }
              : { kind: 'ok' },
            refusal,
          );
        });
        break;
      }
      case 'state': {
        const response = this.stateOf(request.topic);
        done(response, response.kind === 'error' ? 'UnknownTopic' : undefined);
        break;
      }
      default:
        this.service.request(operationOf(request), (reply) => {
          const refusal = reply.kind === 'error' ? reply.code : undefined;
          done(this.responseTo(reply), refusal);
        });
    }
  }

  /** Counts a request; what it gives is to be called when there is the answer. */
  private begin(
    request: string,
    topic: string | undefined,
    bytesIn: number,
  ): (refusal: string | undefined, bytesOut: number) => void {
    const sinceMs = performance.now();
    const owner = topic === undefined ? undefined : this.service.ownerOf(topic);
    const isForwarded = owner !== undefined && owner !== this.options.node;
    this.underWay++;
    return (refusal, bytesOut) => {
      this.underWay--;
      const seconds = (performance.now() - sinceMs) / 1000;
      this.options.onAnswered({ request, topic, isForwarded, seconds, bytesIn, bytesOut, refusal });
    };
  }

  private topics(): Response {
    const view = this.service.view(TOPICS_MAX);
    if (view === undefined) return NOT_TAKING_PART;
    const topics = view.topics.map(({ topic, owner, segments, records, deleting }) => ({
      topic,
      owner,
      segments,
      records: records ?? null,
      deleting,
    }));
    return { kind: 'json', text: JSON.stringify({ count: view.topicCount, topics }) };
  }

  private stateOf(topic: string): Response {
    const state = this.service.topicState(topic);
    if (state === undefined) {
      return { kind: 'error', message: errorText('UnknownTopic', `unknown topic ${topic}`) };
    }
    const text = JSON.stringify({
      current_segment: state.currentSegment,
      leader_node: state.owner,
      last_sealed_entry_offset: state.lastSealedOffset,
      sealed_segments: Object.fromEntries(state.sealedSegments),
      segment_leaders: Object.fromEntries(state.segmentOwners),
      first_offset: state.firstOffset,
      policy: namedSettings(state.policy),
    });
    return { kind: 'json', text };
  }

  private responseTo(reply: Reply): Response {
    switch (reply.kind) {
      case 'registered':
      case 'set':
      case 'granted':
      case 'deleted':
      case 'appended':
        return { kind: 'ok' };
      case 'record':
        return { kind: 'payload', payload: decodeRecord(reply.record).value };
      case 'records': {
        const [record] = reply.records;
        if (record === undefined) return { kind: 'empty' };
        return { kind: 'fetched', next: reply.offset + 1, payload: decodeRecord(record).value };
      }
      case 'mismatched':
        throw new Error('v1 puts without a condition');
      case 'empty':
        return { kind: 'empty' };
      case 'trimmed':
        return { kind: 'trimmed', start: reply.start };
      case 'error':
        return { kind: 'error', message: errorText(reply.code, reply.message) };
    }
  }
}

type TopicRequest = Exclude<
  Request,
  { kind: 'malformed' | 'metrics' | 'topics' | 'nodes' | 'node' | 'state' }
>;

function operationOf(request: TopicRequest): Operation {
  const { topic } = request;
  switch (request.kind) {
    case 'register':
      return { kind: 'register', topic };
    case 'create':
      return { kind: 'register', topic, policy: request.policy };
    case 'set':
      return { kind: 'set', topic, policy: request.policy };
    case 'delete':
      return { kind: 'delete', topic };
    case 'trim':
      return { kind: 'trim', topic, before: offset(request.before) };
    case 'put':
      return { kind: 'put', topic, records: [encodeRecord({ value: request.payload })] };
    case 'get':
      return { kind: 'get', topic, group: DEFAULT_GROUP };
    case 'fetch':
      return { ...ONE_RECORD, kind: 'fetch', topic, offset: offset(request.offset) };
  }
}

function operationOfV2(request: Exclude<RequestV2, { kind: 'line' }>): Operation {
  const { kind, topic } = request;
  if (kind === 'append') {
    const expected = request.expected === undefined ? undefined : offset(request.expected);
    return { kind: 'put', topic, records: request.records, expected };
  }
  const { bytes, waitMs } = request;
  return { kind, topic, offset: offset(request.offset), records: request.records, bytes, waitMs };
}

function answerOf(id: number, reply: Reply): AnswerV2 {
  switch (reply.kind) {
    case 'appended':
    case 'records':
    case 'mismatched':
      return { ...reply, id };
    case 'error':
      return { kind: 'error', id, code: reply.code, message: reply.message, start: reply.start };
    default:
      throw new Error(`no answer to an append or a fetch: ${reply.kind}`);
  }
}

function bytesOf(records: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const { length } of records) bytes += length;
  return bytes;
}

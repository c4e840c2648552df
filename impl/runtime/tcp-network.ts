/**
 * Messages between nodes over TCP. A node dials the nodes it has something to say to and only talks on links
 * that it dialled itself; it only listens on links that others dialled. So a pair of nodes has two links, and
 * either may break without the other.
 *
 * A link begins with a hello, `magic version cluster from to`, and the answer to it; then come frames with one
 * message each. The listening end answers whatever it hears with a sign of life soon after, so that a link over a
 * broken network is given up in seconds, not when TCP notices. Nothing is sent twice: what was queued on a link
 * that broke is lost, as `Network` allows.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Address, formatAddress, parseAddress } from '../client/address.ts';
import { FrameDecoder, type FrameLimits, FrameWriter } from '../client/frames.ts';
import { ByteReader, ByteWriter, MalformedError } from '../core/codec.ts';
import type { Network } from '../ports/network.ts';

export interface MessageCodec<Message> {
  encode(message: Message): Uint8Array;
  /** Throws `MalformedError`. */
  decode(bytes: Uint8Array): Message;
}

export interface TcpNetworkOptions<Message> {
  readonly node: number;
  /** Nodes of another cluster are turned away. */
  readonly cluster: string;
  readonly codec: MessageCodec<Message>;
  onMessage(from: number, message: Message): void;
  /** What an operator should know: links that came up, broke, or were refused. */
  onEvent(event: LinkEvent): void;
}

export interface LinkEvent {
  readonly what: 'up' | 'down' | 'unreachable' | 'refused';
  readonly peer: string;
  readonly reason?: string;
}

const MAGIC = 'walrus-node';
const VERSION = 4;
const FRAME_LIMITS: FrameLimits = { maxFrameBytes: 64 * 1024 * 1024, maxSkipBytes: 0 };
/** What a link holds that its peer does not take; more is dropped. */
const QUEUE_BYTES_MAX = 64 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 2_000;
const SIGN_OF_LIFE_MS = 500;
/** Longer than several signs of life, shorter than what a user waits for. */
const SILENCE_MAX_MS = 3_000;
/** So many refusals are remembered. */
const REFUSED_MAX = 1_000;
/** One that has not come for so long is told again when it comes. */
const REFUSED_AGAIN_MS = 600_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

export class TcpNetwork<Message> implements Network<Message> {
  private readonly options: TcpNetworkOptions<Message>;
  private readonly server: Server;
  private readonly inbound = new Set<Socket>();
  private readonly located = new Map<number, string>();
  private readonly links = new Map<string, OutboundLink>();
  private readonly dirty = new Set<OutboundLink>();
  /** By host and reason: when a link was last refused so. Nodes that are refused dial again and again, and are told of once. */
  private readonly refusedAtMs = new Map<string, number>();
  private closed = false;

  constructor(options: TcpNetworkOptions<Message>) {
    this.options = options;
    this.server = createServer({ noDelay: true }, (socket) => this.accept(socket));
  }

  /** Begins to take messages. Rejects if the address cannot be bound. Port 0 picks a free one. */
  listen(address: { host: string; port: number }): Promise<Address> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(address.port, address.host, () => {
        this.server.off('error', reject);
        this.server.on('error', (error) => this.event('refused', 'listener', error.message));
        const bound = this.server.address();
        const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
        resolve({ host: address.host, port });
      });
    });
  }

  locate(node: number, address: string): void {
    this.located.set(node, address);
  }

  send(to: number, message: Message): void {
    const address = this.located.get(to);
    if (address !== undefined) this.enqueue(address, to, message);
  }

  sendToAddress(address: string, message: Message): void {
    this.enqueue(address, 0, message);
  }

  /** Ends all links; what is queued is lost. */
  close(): Promise<void> {
    this.closed = true;
    for (const link of this.links.values()) link.destroy('closed');
    for (const socket of this.inbound) socket.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private enqueue(address: string, to: number, message: Message): void {
    if (this.closed) return;
    const key = `${to} ${address}`;
    let link = this.links.get(key);
    if (link === undefined) {
      const target = parseAddress(address);
      if (target === undefined) return;
      const { node, cluster } = this.options;
      link = new OutboundLink(target, { cluster, from: node, to }, (what, reason) =>
        this.event(what, address, reason),
      );
      this.links.set(key, link);
    }
    link.push(this.options.codec.encode(message));
    if (this.dirty.size === 0) setImmediate(() => this.flush());
    this.dirty.add(link);
  }

  private flush(): void {
    for (const link of this.dirty) link.flush();
    this.dirty.clear();
  }

  private accept(socket: Socket): void {
    const peer = formatAddress({ host: socket.remoteAddress ?? '?', port: socket.remotePort ?? 0 });
    let from: number | undefined;
    let signing: NodeJS.Timeout | undefined;
    const host = socket.remoteAddress ?? '?';
    const refuse = (reason: string): void => {
      const key = `${host} ${reason}`;
      const nowMs = performance.now();
      if (nowMs - (this.refusedAtMs.get(key) ?? -Infinity) > REFUSED_AGAIN_MS) {
        this.event('refused', peer, reason);
      }
      if (this.refusedAtMs.size >= REFUSED_MAX) this.refusedAtMs.clear();
      this.refusedAtMs.set(key, nowMs);
      socket.destroy();
    };
    const decoder = new FrameDecoder(FRAME_LIMITS, {
      onFrame: (bytes) => {
        if (socket.destroyed) return;
        try {
          if (from === undefined) {
            const hello = decodeHello(bytes);
            const refusal = this.refusal(hello);
            socket.write(encodeWelcome(refusal));
            if (refusal !== '') refuse(refusal);
            else from = hello.from;
          } else {
            this.options.onMessage(from, this.options.codec.decode(bytes));
          }
        } catch (error) {
          if (!(error instanceof MalformedError)) throw error;
          refuse(`malformed: ${error.message}`);
        }
      },
      onInvalidLength: (lengthBytes) => refuse(`a frame of ${lengthBytes} bytes`),
    });
    this.inbound.add(socket);
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => {
      if (from === undefined) refuse('no hello in time');
    });
    socket.on('data', (chunk) => {
      decoder.push(chunk);
      signing ??= setTimeout(() => {
        signing = undefined;
        socket.write(SIGN_OF_LIFE);
      }, SIGN_OF_LIFE_MS);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(signing);
      this.inbound.delete(socket);
    });
  }

  /** Why a hello is turned away; '' if it is not. */
  private refusal(hello: Hello): string {
    const { node, cluster } = this.options;
    if (hello.version !== VERSION) return `version ${hello.version}, this is ${VERSION}`;
    if (hello.cluster !== cluster) return `cluster ${hello.cluster}, this is ${cluster}`;
    if (hello.to !== 0 && hello.to !== node) return `meant for node ${hello.to}, this is ${node}`;
    if (hello.from === node) return `node ${node} has dialled itself, or has a double`;
    return '';
  }

  private event(what: LinkEvent['what'], peer: string, reason?: string): void {
    if (this.closed) return;
    this.options.onEvent(reason === undefined ? { what, peer } : { what, peer, reason });
  }
}

interface Hello {
  readonly version: number;
  readonly cluster: string;
  readonly from: number;
  /** 0 where only an address is known. */
  readonly to: number;
}

function encodeHello(hello: Omit<Hello, 'version'>): Buffer {
  const body = new ByteWriter().text(MAGIC).whole(VERSION).text(hello.cluster);
  return framed(body.whole(hello.from).whole(hello.to).finish());
}

function decodeHello(bytes: Uint8Array): Hello {
  const reader = new ByteReader(bytes);
  if (reader.text() !== MAGIC) throw new MalformedError('not a Walrus node');
  const version = reader.whole();
  if (version !== VERSION) return { version, cluster: '', from: 0, to: 0 };
  const hello: Hello = {
    version,
    cluster: reader.text(),
    from: reader.whole(),
    to: reader.whole(),
  };
  reader.end();
  return hello;
}

/** The answer to a hello: why it is refused, or ''. */
function encodeWelcome(refusal: string): Buffer {
  return framed(new ByteWriter().text(refusal).finish());
}

function decodeWelcome(bytes: Uint8Array): string {
  return new ByteReader(bytes).text();
}

function framed(bytes: Uint8Array): Buffer {
  const writer = new FrameWriter();
  writer.frame('', bytes);
  return writer.take();
}

const SIGN_OF_LIFE = framed(Uint8Array.of(0));

/** One direction to one address: dialled when there is something to say, and not too often. */
class OutboundLink {
  private readonly target: Address;
  private readonly hello: Omit<Hello, 'version'>;
  private readonly onEvent: (what: LinkEvent['what'], reason?: string) => void;
  private writer = new FrameWriter();
  private socket: Socket | undefined;
  private welcomed = false;
  /** Why the last attempt failed. Told once: it stays the same until somebody changes something. */
  private failedWith = '';
  private pauseMs = 0;
  private dialAfterMs = 0;
  /** When the first bytes left that nothing was heard after. */
  private unansweredMs = Infinity;

  constructor(
    target: Address,
    hello: Omit<Hello, 'version'>,
    onEvent: (what: LinkEvent['what'], reason?: string) => void,
  ) {
    this.target = target;
    this.hello = hello;
    this.onEvent = onEvent;
  }

  /** Queues one message, or drops it if the peer takes nothing. */
  push(bytes: Uint8Array): void {
    const queuedBytes = this.writer.lengthBytes + (this.socket?.writableLength ?? 0);
    if (queuedBytes + bytes.length <= QUEUE_BYTES_MAX) this.writer.frame('', bytes);
  }

  flush(): void {
    const nowMs = performance.now();
    if (this.socket === undefined) {
      if (nowMs >= this.dialAfterMs) this.dial();
      else this.writer.take();
    } else if (nowMs - this.unansweredMs > SILENCE_MAX_MS) {
      this.destroy('no sign of life');
    } else if (this.welcomed) {
      this.write(this.socket, nowMs);
    }
  }

  destroy(reason: string): void {
    const socket = this.socket;
    if (socket === undefined) return;
    if (this.welcomed) this.onEvent('down', reason);
    this.socket = undefined;
    this.welcomed = false;
    this.unansweredMs = Infinity;
    this.writer = new FrameWriter();
    this.pauseMs = Math.min(Math.max(this.pauseMs * 2, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
    this.dialAfterMs = performance.now() + this.pauseMs * (0.5 + Math.random() / 2);
    socket.destroy();
  }

  private dial(): void {
    const socket = connect({ host: this.target.host, port: this.target.port, noDelay: true });
    this.socket = socket;
    const decoder = new FrameDecoder(FRAME_LIMITS, {
      onFrame: (bytes) => {
        if (!this.welcomed && this.socket === socket) this.welcome(bytes);
      },
      onInvalidLength: () => this.lose(socket, 'not a Walrus node'),
    });
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => {
      if (!this.welcomed) this.lose(socket, 'no answer in time');
    });
    socket.on('connect', () => socket.write(encodeHello(this.hello)));
    socket.on('data', (chunk) => {
      this.unansweredMs = Infinity;
      decoder.push(chunk);
    });
    socket.on('error', (error) => this.lose(socket, error.message));
    socket.on('close', () => this.lose(socket, 'closed by the peer'));
  }

  private welcome(bytes: Uint8Array): void {
    let refusal: string;
    try {
      refusal = decodeWelcome(bytes);
    } catch {
      refusal = 'not a Walrus node';
    }
    if (refusal !== '') {
      this.fail('refused', refusal);
      return;
    }
    this.welcomed = true;
    this.failedWith = '';
    this.pauseMs = 0;
    this.onEvent('up');
    if (this.socket !== undefined) this.write(this.socket, performance.now());
  }

  private write(socket: Socket, nowMs: number): void {
    this.unansweredMs = Math.min(this.unansweredMs, nowMs);
    socket.write(this.writer.take());
  }

  private fail(what: 'refused' | 'unreachable', reason: string): void {
    if (reason !== this.failedWith) this.onEvent(what, reason);
    this.failedWith = reason;
    this.destroy(reason);
  }

  /** Ends `socket` unless it was given up before. */
  private lose(socket: Socket, reason: string): void {
    if (this.socket !== socket) return;
    if (this.welcomed) this.destroy(reason);
    else this.fail('unreachable', reason);
  }
}

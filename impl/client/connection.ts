import { connect, type Socket } from 'node:net';
import { WalrusError } from '../core/errors.ts';
import { Queue } from '../core/queue.ts';
import { type Address, formatAddress } from './address.ts';
import { FrameDecoder, FrameWriter } from './frames.ts';
import { RESPONSE_LIMITS } from './protocol.ts';

export interface ConnectionOptions {
  readonly connectTimeoutMs: number;
  /** From the call to the answer. Answers have no ids, so one that is late ends the whole connection. */
  readonly requestTimeoutMs: number;
}

interface Waiting {
  readonly deadlineMs: number;
  resolve(answer: Uint8Array): void;
  reject(error: WalrusError): void;
}

/**
 * One TCP connection to a node. Requests may overlap: those of one turn leave in one write, and answers are
 * matched by order.
 */
export class Connection {
  readonly address: Address;
  private readonly socket: Socket;
  private readonly requestTimeoutMs: number;
  private readonly writer = new FrameWriter();
  private readonly waiting = new Queue<Waiting>();
  private timer: NodeJS.Timeout | undefined;
  private flushing = false;
  private ended = false;

  /** Fails with `Unavailable` if the node cannot be reached in time. */
  static open(address: Address, options: ConnectionOptions): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: address.host, port: address.port, noDelay: true });
      const fail = (reason: string): void => {
        socket.destroy();
        reject(new WalrusError('Unavailable', `connect to ${formatAddress(address)}: ${reason}`));
      };
      const timer = setTimeout(() => fail('no answer in time'), options.connectTimeoutMs);
      socket.once('error', (error) => {
        clearTimeout(timer);
        fail(error.message);
      });
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.removeAllListeners('error');
        resolve(new Connection(address, socket, options.requestTimeoutMs));
      });
    });
  }

  private constructor(address: Address, socket: Socket, requestTimeoutMs: number) {
    this.address = address;
    this.socket = socket;
    this.requestTimeoutMs = requestTimeoutMs;
    const decoder = new FrameDecoder(RESPONSE_LIMITS, {
      onFrame: (answer) => this.onAnswer(answer),
      onInvalidLength: () => this.end('OutcomeUnknown', 'the node answered nonsense'),
    });
    socket.on('data', (chunk) => decoder.push(chunk));
    socket.on('error', (error) => this.end('OutcomeUnknown', error.message));
    socket.on('close', () => this.end('OutcomeUnknown', 'the node closed the connection'));
  }

  /** Whether no request can be sent any more. */
  get closed(): boolean {
    return this.ended;
  }

  /**
   * Sends what `write` puts into the writer, which is exactly one frame, and waits for its answer. Fails with
   * `Unavailable` if nothing was sent, `Timeout` or `OutcomeUnknown` if it was and no answer came.
   */
  request(write: (writer: FrameWriter) => void): Promise<Uint8Array> {
    if (this.ended) {
      const message = `the connection to ${formatAddress(this.address)} is closed`;
      return Promise.reject(new WalrusError('Unavailable', message));
    }
    return new Promise((resolve, reject) => {
      write(this.writer);
      this.waiting.push({
        deadlineMs: performance.now() + this.requestTimeoutMs,
        resolve,
        reject,
      });
      this.timer ??= setTimeout(() => this.onTimer(), this.requestTimeoutMs);
      if (this.flushing) return;
      this.flushing = true;
      setImmediate(() => this.flush());
    });
  }

  close(): void {
    this.end('Aborted', 'closed by the caller');
  }

  private flush(): void {
    this.flushing = false;
    if (!this.ended && this.writer.lengthBytes > 0) this.socket.write(this.writer.take());
  }

  private onAnswer(answer: Uint8Array): void {
    const first = this.waiting.shift();
    if (first === undefined) this.end('OutcomeUnknown', 'the node answered what was not asked');
    else first.resolve(answer);
  }

  private onTimer(): void {
    this.timer = undefined;
    const first = this.waiting.first;
    if (first === undefined) return;
    const leftMs = first.deadlineMs - performance.now();
    if (leftMs > 0) this.timer = setTimeout(() => this.onTimer(), leftMs);
    else this.end('Timeout', `no answer from ${formatAddress(this.address)} in time`);
  }

  private end(code: 'Timeout' | 'OutcomeUnknown' | 'Aborted', reason: string): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    this.socket.destroy();
    for (const each of this.waiting.takeAll()) each.reject(new WalrusError(code, reason));
  }
}

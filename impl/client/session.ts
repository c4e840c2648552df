import { connect, type Socket } from 'node:net';
import { MalformedError } from '../core/codec.ts';
import { WalrusError } from '../core/errors.ts';
import { type Address, formatAddress } from './address.ts';
import { FrameDecoder, FrameWriter } from './frames.ts';
import {
  ANSWER_LIMITS_V2,
  type AnswerV2,
  HELLO,
  type RequestV2,
  readAnswerV2,
  writeRequestV2,
} from './wire-v2.ts';

type WithoutId<Request> = Request extends unknown ? Omit<Request, 'id'> : never;
/** What may be asked. The session numbers it. */
export type Question = WithoutId<RequestV2>;

interface Waiting {
  readonly sentMs: number;
  readonly deadlineMs: number;
  resolve(answer: AnswerV2): void;
  reject(error: WalrusError): void;
}

/**
 * One TCP connection to a node that speaks version 2. Requests may overlap and are answered in any order; those of one turn leave
 * in one write. One that is late fails alone, unless nothing at all was heard since it was sent: then the node is taken for gone.
 */
export class Session {
  readonly address: Address;
  private readonly socket: Socket;
  private readonly writer = new FrameWriter();
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private heardMs = 0;
  private timer: NodeJS.Timeout | undefined;
  private flushing = false;
  private isRetiring = false;
  private failure: WalrusError | undefined;

  /** Fails with `Unavailable` if the node cannot be reached in time, `UnsupportedVersion` if it does not speak version 2. */
  static open(address: Address, connectTimeoutMs: number): Promise<Session> {
    return new Promise((resolve, reject) => {
      const where = formatAddress(address);
      const socket = connect({ host: address.host, port: address.port, noDelay: true });
      const fail = (reason: string): void => {
        clearTimeout(timer);
        socket.destroy();
        reject(new WalrusError('Unavailable', `connect to ${where}: ${reason}`));
      };
      const timer = setTimeout(() => fail('no answer in time'), connectTimeoutMs);
      let session: Session | undefined;
      const decoder = new FrameDecoder(ANSWER_LIMITS_V2, {
        onFrame: (frame) => {
          if (session !== undefined) {
            session.onFrame(frame);
            return;
          }
          clearTimeout(timer);
          const refusal = refusalOf(frame);
          if (refusal !== undefined) {
            socket.destroy();
            reject(new WalrusError('UnsupportedVersion', `${where}: ${refusal}`));
            return;
          }
          session = new Session(address, socket);
          resolve(session);
        },
        onInvalidLength: () => {
          if (session === undefined) fail('it answered nonsense');
          else session.end('OutcomeUnknown', 'the node answered nonsense');
        },
      });
      const broken = (reason: string): void => {
        if (session === undefined) fail(reason);
        else session.end('OutcomeUnknown', reason);
      };
      socket.on('connect', () => {
        const writer = new FrameWriter();
        writer.frame(HELLO);
        socket.write(writer.take());
      });
      socket.on('data', (chunk) => decoder.push(chunk));
      socket.on('error', (error) => broken(error.message));
      socket.on('close', () => broken('the node closed the connection'));
    });
  }

  private constructor(address: Address, socket: Socket) {
    this.address = address;
    this.socket = socket;
  }

  /** Whether nothing can be asked any more. */
  get closed(): boolean {
    return this.failure !== undefined;
  }

  /**
   * Asks, and waits for the answer. Fails with `Unavailable` if nothing was sent, with `Timeout`, `Aborted` or `OutcomeUnknown` if it
   * was and no answer came, and with the error that was answered.
   */
  ask(question: Question, timeoutMs: number, signal?: AbortSignal): Promise<AnswerV2> {
    if (this.failure !== undefined) {
      const message = `the connection to ${formatAddress(this.address)} is closed`;
      return Promise.reject(new WalrusError('Unavailable', message));
    }
    const id = this.nextId++;
    writeRequestV2(this.writer, { ...question, id } as RequestV2);
    this.flushSoon();
    return new Promise((resolve, reject) => {
      const aborted = (): void => {
        this.waiting.delete(id);
        reject(new WalrusError('Aborted', 'aborted by the caller'));
      };
      const sentMs = performance.now();
      this.waiting.set(id, {
        sentMs,
        deadlineMs: sentMs + timeoutMs,
        resolve: (answer) => {
          signal?.removeEventListener('abort', aborted);
          if (answer.kind === 'error') {
            reject(new WalrusError(answer.code, answer.message, answer.start));
          } else resolve(answer);
        },
        reject: (error) => {
          signal?.removeEventListener('abort', aborted);
          reject(error);
        },
      });
      if (signal?.aborted) aborted();
      else signal?.addEventListener('abort', aborted, { once: true });
      this.timer ??= setTimeout(() => this.onTimer(), timeoutMs);
    });
  }

  /** Closes it once everything that was asked is answered. */
  retire(): void {
    this.isRetiring = true;
    if (this.waiting.size === 0) this.close();
  }

  close(): void {
    this.end('Aborted', 'closed by the caller');
  }

  private flushSoon(): void {
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => {
      this.flushing = false;
      if (!this.closed && this.writer.lengthBytes > 0) this.socket.write(this.writer.take());
    });
  }

  private onFrame(frame: Uint8Array): void {
    let answer: AnswerV2;
    try {
      answer = readAnswerV2(frame);
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.end('OutcomeUnknown', `the node answered nonsense: ${error.message}`);
      return;
    }
    this.heardMs = performance.now();
    // Nobody waits for what came late, or was given up.
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    waiting?.resolve(answer);
    if (this.isRetiring && this.waiting.size === 0) this.close();
  }

  private onTimer(): void {
    this.timer = undefined;
    const nowMs = performance.now();
    let nextMs = Infinity;
    for (const [id, { sentMs, deadlineMs, reject }] of this.waiting) {
      if (deadlineMs > nowMs) {
        nextMs = Math.min(nextMs, deadlineMs);
        continue;
      }
      const reason = `no answer from ${formatAddress(this.address)} in time`;
      if (this.heardMs < sentMs) {
        this.end('Timeout', reason);
        return;
      }
      this.waiting.delete(id);
      reject(new WalrusError('Timeout', reason));
    }
    if (nextMs < Infinity) this.timer = setTimeout(() => this.onTimer(), nextMs - nowMs);
  }

  private end(code: 'Timeout' | 'OutcomeUnknown' | 'Aborted', reason: string): void {
    if (this.failure !== undefined) return;
    this.failure = new WalrusError(code, reason);
    clearTimeout(this.timer);
    this.socket.destroy();
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const each of waiting) each.reject(this.failure);
  }
}

/** Why it is no greeting of version 2. */
function refusalOf(frame: Uint8Array): string | undefined {
  try {
    const answer = readAnswerV2(frame);
    return answer.kind === 'greeting' ? undefined : `it answered HELLO with ${answer.kind}`;
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    return `it speaks no version 2: ${Buffer.from(frame).toString().slice(0, 80)}`;
  }
}

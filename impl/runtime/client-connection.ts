import type { Socket } from 'node:net';
import { FrameDecoder, FrameWriter } from '../client/frames.ts';
import {
  INVALID_FRAME_LENGTH,
  parseRequest,
  REQUEST_LIMITS,
  type Request,
  type Response,
  writeResponse,
} from '../client/protocol.ts';
import { HELLO, REQUEST_LIMITS_V2 } from '../client/wire-v2.ts';
import type { ConnectionV2 } from './connection-v2.ts';

/** Requests under way; with more the connection is not read from. */
const UNANSWERED_MAX = 256;
/** Answers that the client has not taken; with more the connection is not read from. */
const UNREAD_BYTES_MAX = 1024 * 1024;

/** The place of one answer in the order of the requests. */
interface Slot {
  response: Response | undefined;
}

/**
 * One client's connection, in version 1 until it says HELLO: cuts requests out of it and puts the answers back in order. Requests wait in
 * `backlog` while the limits are reached, and nothing is read while any of them waits.
 */
export class ClientConnection {
  private readonly socket: Socket;
  private readonly serve: (request: Request, answer: (response: Response) => void) => void;
  private readonly wantFlush: () => void;
  private readonly writer = new FrameWriter();
  private backlog: Request[] = [];
  private slots: Slot[] = [];
  private answeredBytes = 0;
  /** Nothing more is taken from the client. */
  ended = false;
  /** Nothing has been asked yet. */
  private isFresh = true;
  /** What the connection has become by HELLO. */
  private later: ConnectionV2 | undefined;

  /**
   * `serve` answers once, whenever it likes; `wantFlush` asks for a call of `flush` at the end of the turn; `upgrade` is called by a
   * HELLO.
   */
  constructor(
    socket: Socket,
    serve: (request: Request, answer: (response: Response) => void) => void,
    wantFlush: () => void,
    upgrade: () => ConnectionV2,
  ) {
    this.socket = socket;
    this.serve = serve;
    this.wantFlush = wantFlush;
    const decoder = new FrameDecoder(REQUEST_LIMITS, {
      onFrame: (bytes) => {
        if (this.later !== undefined) this.later.onFrame(bytes);
        else if (this.isFresh && isHello(bytes)) {
          this.later = upgrade();
          decoder.limits = REQUEST_LIMITS_V2;
        } else this.backlog.push(parseRequest(bytes));
        this.isFresh = false;
      },
      onInvalidLength: (_, skipped) => {
        if (this.later !== undefined) {
          this.later.malformed(INVALID_FRAME_LENGTH);
          return;
        }
        this.backlog.push({ kind: 'malformed', message: INVALID_FRAME_LENGTH });
        if (!skipped) this.ended = true;
      },
    });
    socket.on('data', (chunk) => {
      if (this.ended) return;
      decoder.push(chunk);
      (this.later ?? this).takeRequests();
      wantFlush();
    });
    socket.on('drain', wantFlush);
    socket.on('end', () => {
      (this.later ?? this).ended = true;
      wantFlush();
    });
    socket.on('error', () => socket.destroy());
  }

  /** Writes the answers that are complete up to the first that is not, then takes what has waited for that. */
  flush(): void {
    const { socket, later } = this;
    if (later !== undefined) later.flush();
    if (socket.destroyed || later !== undefined) return;
    this.writeAnswers();
    this.takeRequests();
    if (this.backlog.length > 0) socket.pause();
    else if (!this.ended) socket.resume();
    else if (this.slots.length === 0) socket.end(() => socket.destroy());
  }

  /** Takes no more requests; ends the connection when what is under way is answered and sent. */
  finish(): void {
    if (this.later !== undefined) {
      this.later.finish();
      return;
    }
    this.ended = true;
    this.backlog = [];
    this.wantFlush();
  }

  destroy(): void {
    this.socket.destroy();
  }

  private writeAnswers(): void {
    const { slots, writer } = this;
    let done = 0;
    for (; done < slots.length; done++) {
      const response = slots[done]!.response;
      if (response === undefined) break;
      writeResponse(writer, response);
    }
    if (done === 0) return;
    this.slots = slots.slice(done);
    // Those behind the gap are counted anew as they are written; the number of slots bounds them.
    this.answeredBytes = 0;
    this.socket.write(writer.take());
  }

  takeRequests(): void {
    let taken = 0;
    while (taken < this.backlog.length && !this.isFull()) this.take(this.backlog[taken++]!);
    if (taken > 0) this.backlog = this.backlog.slice(taken);
  }

  private take(request: Request): void {
    const slot: Slot = { response: undefined };
    this.slots.push(slot);
    this.serve(request, (response) => {
      slot.response = response;
      this.answeredBytes += sizeOf(response);
      this.wantFlush();
    });
  }

  private isFull(): boolean {
    const unreadBytes = this.answeredBytes + this.socket.writableLength;
    return this.slots.length >= UNANSWERED_MAX || unreadBytes >= UNREAD_BYTES_MAX;
  }
}

function isHello(frame: Uint8Array): boolean {
  return frame.length === HELLO.length && Buffer.from(frame).toString('latin1') === HELLO;
}

/** About how much the answer takes. */
function sizeOf(response: Response): number {
  if (response.kind === 'payload' || response.kind === 'fetched') return response.payload.length;
  return response.kind === 'json' ? response.text.length : 0;
}

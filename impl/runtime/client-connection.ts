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

/** Requests under way; with more the connection is not read from. */
const UNANSWERED_MAX = 1024;
/** Answers that the client has not taken; with more the connection is not read from. */
const UNREAD_BYTES_MAX = 1024 * 1024;

/** The place of one answer in the order of the requests. */
interface Slot {
  response: Response | undefined;
}

/** One client's connection: cuts requests out of it and puts the answers back in order. */
export class ClientConnection {
  private readonly socket: Socket;
  private readonly serve: (request: Request, answer: (response: Response) => void) => void;
  private readonly wantFlush: () => void;
  private readonly writer = new FrameWriter();
  private slots: Slot[] = [];
  private finishing = false;

  /** `serve` answers once, whenever it likes; `wantFlush` asks for a call of `flush` at the end of the turn. */
  constructor(
    socket: Socket,
    serve: (request: Request, answer: (response: Response) => void) => void,
    wantFlush: () => void,
  ) {
    this.socket = socket;
    this.serve = serve;
    this.wantFlush = wantFlush;
    const decoder = new FrameDecoder(REQUEST_LIMITS, {
      onFrame: (bytes) => this.take(parseRequest(bytes)),
      onInvalidLength: (_, skipped) => {
        this.take({ kind: 'malformed', message: INVALID_FRAME_LENGTH });
        if (!skipped) this.finish();
      },
    });
    socket.on('data', (chunk) => {
      decoder.push(chunk);
      if (this.isFull()) socket.pause();
    });
    socket.on('drain', wantFlush);
    socket.on('end', () => this.finish());
    socket.on('error', () => socket.destroy());
  }

  /** Writes the answers that are complete up to the first that is not. */
  flush(): void {
    const { socket, slots, writer } = this;
    if (socket.destroyed) return;
    let done = 0;
    for (; done < slots.length; done++) {
      const response = slots[done]!.response;
      if (response === undefined) break;
      writeResponse(writer, response);
    }
    if (done > 0) {
      this.slots = slots.slice(done);
      socket.write(writer.take());
    }
    if (this.finishing) {
      if (this.slots.length === 0) socket.end(() => socket.destroy());
    } else if (socket.isPaused() && !this.isFull()) {
      socket.resume();
    }
  }

  /** Reads no more; ends the connection when what is under way is answered and sent. */
  finish(): void {
    this.finishing = true;
    this.socket.pause();
    this.wantFlush();
  }

  destroy(): void {
    this.socket.destroy();
  }

  private take(request: Request): void {
    if (this.finishing) return;
    const slot: Slot = { response: undefined };
    this.slots.push(slot);
    this.serve(request, (response) => {
      slot.response = response;
      this.wantFlush();
    });
  }

  private isFull(): boolean {
    const { slots, socket } = this;
    return slots.length >= UNANSWERED_MAX || socket.writableLength >= UNREAD_BYTES_MAX;
  }
}

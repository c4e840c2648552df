import type { Socket } from 'node:net';
import { FrameWriter } from '../client/frames.ts';
import {
  type AnswerV2,
  type Greeting,
  REQUEST_LIMITS_V2,
  type RequestV2,
  readRequestV2,
  writeAnswerV2,
} from '../client/wire-v2.ts';
import { MalformedError } from '../core/codec.ts';
import { BATCH_LIMIT } from '../core/record.ts';

/** Requests under way; with more the connection is not read from. */
const UNANSWERED_MAX = 1024;
/** What they may hold together: records to put, and those that may be answered. */
const HELD_BYTES_MAX: number = 8 * BATCH_LIMIT.bytes;
/** Answers that the client has not taken; with more nothing of it is begun. */
const UNREAD_BYTES_MAX = 1024 * 1024;

/**
 * A client's connection once it has said HELLO: answers carry the number of their request and leave in any order. Requests wait in
 * `backlog` while the limits are reached, and nothing is read while any of them waits: so what one client can make a node hold is
 * bounded, and others do not notice.
 */
export class ConnectionV2 {
  /** Nothing more is taken from the client. */
  ended = false;
  private readonly socket: Socket;
  private readonly serve: (request: RequestV2, answer: (answer: AnswerV2) => void) => void;
  private readonly wantFlush: () => void;
  private readonly writer = new FrameWriter();
  private backlog: RequestV2[] = [];
  private unanswered = 0;
  private heldBytes = 0;

  /** `serve` answers once, whenever it likes; `wantFlush` asks for a call of `flush` at the end of the turn. */
  constructor(
    socket: Socket,
    node: number,
    serve: (request: RequestV2, answer: (answer: AnswerV2) => void) => void,
    wantFlush: () => void,
  ) {
    this.socket = socket;
    this.serve = serve;
    this.wantFlush = wantFlush;
    this.write({ kind: 'greeting', id: 0, greeting: greetingOf(node) });
  }

  onFrame(frame: Uint8Array): void {
    if (this.ended) return;
    try {
      this.backlog.push(readRequestV2(frame));
    } catch (error) {
      if (!(error instanceof MalformedError)) throw error;
      this.malformed(error.message);
    }
  }

  /** Who does not speak the protocol is told, and answered what was asked before. */
  malformed(why: string): void {
    this.write({ kind: 'error', id: 0, code: 'InvalidArgument', message: why });
    this.ended = true;
  }

  /** Writes the answers that there are, then takes what has waited for that. */
  flush(): void {
    const { socket, writer } = this;
    if (socket.destroyed) return;
    if (writer.lengthBytes > 0) socket.write(writer.take());
    this.takeRequests();
    if (this.backlog.length > 0) socket.pause();
    else if (!this.ended) socket.resume();
    else if (this.unanswered === 0 && writer.lengthBytes === 0) socket.end(() => socket.destroy());
  }

  /** Takes no more requests; those that wait are refused, and what is under way is answered. */
  finish(): void {
    this.ended = true;
    for (const { id } of this.backlog) {
      this.write({ kind: 'error', id, code: 'Unavailable', message: 'the node is about to stop' });
    }
    this.backlog = [];
    this.wantFlush();
  }

  takeRequests(): void {
    let taken = 0;
    while (taken < this.backlog.length && this.hasRoomFor(this.backlog[taken]!)) {
      this.take(this.backlog[taken++]!);
    }
    if (taken > 0) this.backlog = this.backlog.slice(taken);
  }

  private take(request: RequestV2): void {
    const bytes = heldBy(request);
    this.unanswered++;
    this.heldBytes += bytes;
    this.serve(request, (answer) => {
      this.unanswered--;
      this.heldBytes -= bytes;
      this.write(answer);
      this.wantFlush();
    });
  }

  private hasRoomFor(request: RequestV2): boolean {
    const unreadBytes = this.writer.lengthBytes + this.socket.writableLength;
    if (this.unanswered >= UNANSWERED_MAX || unreadBytes >= UNREAD_BYTES_MAX) return false;
    return this.heldBytes === 0 || this.heldBytes + heldBy(request) <= HELD_BYTES_MAX;
  }

  private write(answer: AnswerV2): void {
    if (!this.socket.destroyed) writeAnswerV2(this.writer, answer);
  }
}

/** Bytes that it holds until it is answered, or may. */
function heldBy(request: RequestV2): number {
  switch (request.kind) {
    case 'line':
      return request.line.length;
    case 'append': {
      let bytes = 0;
      for (const { length } of request.records) bytes += length;
      return bytes;
    }
    case 'fetch':
      return Math.min(request.bytes, BATCH_LIMIT.bytes);
  }
}

function greetingOf(node: number): Greeting {
  return {
    version: 2,
    node,
    limits: {
      frameBytes: REQUEST_LIMITS_V2.maxFrameBytes,
      batchRecords: BATCH_LIMIT.records,
      batchBytes: BATCH_LIMIT.bytes,
      unanswered: UNANSWERED_MAX,
    },
  };
}

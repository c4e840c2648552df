/**
 * Frames as they stand on every TCP connection of Walrus: a length (u32, little endian), then that many
 * bytes. Nothing here knows what the bytes mean.
 */
import { putVarint, VARINT_BYTES_MAX } from '../core/storage/varint.ts';

/** Limits of what a decoder takes. A frame of 0 bytes is never valid. */
export interface FrameLimits {
  /** The largest valid frame, without its length. */
  readonly maxFrameBytes: number;
  /** The body of an invalid frame up to this length is skipped; beyond it the stream is given up. */
  readonly maxSkipBytes: number;
}

const NOTHING = Buffer.alloc(0);

export interface FrameSink {
  /** One whole frame. The bytes stay valid and unchanged for as long as the receiver keeps them. */
  onFrame(bytes: Uint8Array): void;
  /**
   * A length outside the limits was announced. With `skipped` its body is passed over and the stream goes on;
   * otherwise the decoder ignores all further input, and the connection can only be closed.
   */
  onInvalidLength(lengthBytes: number, skipped: boolean): void;
}

/**
 * Cuts a byte stream into frames, in place: only a frame that spans chunks is ever copied, as its pieces come, so that it takes
 * no more than twice what came of it, however small they are and whatever length was announced.
 */
export class FrameDecoder {
  /** May change between two frames. */
  limits: FrameLimits;
  private readonly sink: FrameSink;
  private headerBytes = 0;
  private lengthBytes = 0;
  /** Of a frame that spans chunks: what came of it, at the front. */
  private gathered: Buffer = NOTHING;
  private gatheredBytes = 0;
  private missingBytes = 0;
  private skipBytes = 0;
  private broken = false;

  constructor(limits: FrameLimits, sink: FrameSink) {
    this.limits = limits;
    this.sink = sink;
  }

  /** Takes the next bytes of the stream. `chunk` belongs to the decoder and its frames from now on. */
  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length && !this.broken) {
      const leftBytes = chunk.length - at;
      if (this.skipBytes > 0) {
        const skipped = Math.min(this.skipBytes, leftBytes);
        this.skipBytes -= skipped;
        at += skipped;
      } else if (this.headerBytes < 4) {
        this.lengthBytes += chunk[at++]! * 2 ** (8 * this.headerBytes++);
        if (this.headerBytes === 4) this.beginBody();
      } else {
        const taken = Math.min(this.missingBytes, leftBytes);
        const part = chunk.subarray(at, at + taken);
        at += taken;
        this.missingBytes -= taken;
        if (this.missingBytes === 0) this.endBody(part);
        else this.gather(part);
      }
    }
  }

  private beginBody(): void {
    const lengthBytes = this.lengthBytes;
    if (lengthBytes > 0 && lengthBytes <= this.limits.maxFrameBytes) {
      this.missingBytes = lengthBytes;
      return;
    }
    this.reset();
    const skipped = lengthBytes <= this.limits.maxSkipBytes;
    if (skipped) this.skipBytes = lengthBytes;
    else this.broken = true;
    this.sink.onInvalidLength(lengthBytes, skipped);
  }

  private gather(part: Uint8Array): void {
    const endBytes = this.gatheredBytes + part.length;
    if (endBytes > this.gathered.length) {
      const capacityBytes = Math.max(2 * this.gathered.length, endBytes);
      // Not of the pool: a part of it would keep all of it.
      const larger = Buffer.allocUnsafeSlow(Math.min(this.lengthBytes, capacityBytes));
      this.gathered.copy(larger, 0, 0, this.gatheredBytes);
      this.gathered = larger;
    }
    this.gathered.set(part, this.gatheredBytes);
    this.gatheredBytes = endBytes;
  }

  private endBody(last: Uint8Array): void {
    if (this.gatheredBytes > 0) this.gather(last);
    const frame = this.gatheredBytes > 0 ? this.gathered : last;
    this.reset();
    this.sink.onFrame(frame);
  }

  private reset(): void {
    this.headerBytes = 0;
    this.lengthBytes = 0;
    this.gathered = NOTHING;
    this.gatheredBytes = 0;
  }
}

const SMALLEST_BUFFER_BYTES = 1024;

/** Gathers frames, so that all of one turn leave in one write. */
export class FrameWriter {
  private buffer: Buffer = Buffer.allocUnsafe(SMALLEST_BUFFER_BYTES);
  private endBytes = 0;
  /** Where the frame begins that was begun last. */
  private beginBytes = 0;

  /** Bytes gathered since the last `take`. */
  get lengthBytes(): number {
    return this.endBytes;
  }

  /** Adds a frame of `head` in UTF-8 followed by `body`; both may be empty, not both at once. */
  frame(head: string, body?: Uint8Array): void {
    const headBytes = Buffer.byteLength(head);
    const bodyBytes = body === undefined ? 0 : body.length;
    this.reserve(4 + headBytes + bodyBytes);
    this.buffer.writeUInt32LE(headBytes + bodyBytes, this.endBytes);
    this.buffer.write(head, this.endBytes + 4, 'utf8');
    if (body !== undefined) this.buffer.set(body, this.endBytes + 4 + headBytes);
    this.endBytes += 4 + headBytes + bodyBytes;
  }

  /** Begins a frame whose parts follow; `end` ends it. */
  begin(): this {
    this.reserve(4);
    this.beginBytes = this.endBytes;
    this.endBytes += 4;
    return this;
  }

  byte(value: number): this {
    this.reserve(1);
    this.buffer[this.endBytes++] = value;
    return this;
  }

  /** A whole number below 2^53, as a varint. */
  whole(value: number): this {
    this.reserve(VARINT_BYTES_MAX);
    this.endBytes = putVarint(this.buffer, this.endBytes, value);
    return this;
  }

  /** With its length before it. */
  text(value: string): this {
    const bytes = Buffer.byteLength(value);
    this.whole(bytes).reserve(bytes);
    this.endBytes += this.buffer.write(value, this.endBytes, 'utf8');
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.endBytes);
    this.endBytes += bytes.length;
    return this;
  }

  end(): void {
    this.buffer.writeUInt32LE(this.endBytes - this.beginBytes - 4, this.beginBytes);
  }

  /** Everything gathered, as bytes that the writer touches no more. */
  take(): Buffer {
    const taken = this.buffer.subarray(0, this.endBytes);
    this.buffer = this.buffer.subarray(this.endBytes);
    this.endBytes = 0;
    return taken;
  }

  private reserve(countBytes: number): void {
    const neededBytes = this.endBytes + countBytes;
    if (neededBytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(neededBytes * 2, SMALLEST_BUFFER_BYTES));
    this.buffer.copy(larger, 0, 0, this.endBytes);
    this.buffer = larger;
  }
}

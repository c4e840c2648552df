/**
 * LEB128 varints written in place, for the body of frames: no object per number. A reader over bytes that verified
 * still stops at its end: `MalformedError`.
 */
import { MalformedError } from '../codec.ts';

/** Room that any whole number below 2^53 fits in. */
export const VARINT_BYTES_MAX = 8;

/** Writes a whole number below 2^53 at `at`; returns where it ends. */
export function putVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let end = at;
  while (rest >= 0x8000_0000) {
    bytes[end++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  while (rest >= 0x80) {
    bytes[end++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[end++] = rest;
  return end;
}

/** Reads forward over `bytes[at, end)`. */
export class Cursor {
  bytes: Uint8Array;
  at: number;
  end: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  varint(): number {
    let byte = this.byte();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 0x80;
    for (let count = 1; count < VARINT_BYTES_MAX; count++) {
      byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new MalformedError('varint too long');
  }

  /** Passes over so many bytes; returns where they begin. */
  skip(length: number): number {
    if (length > this.end - this.at) throw new MalformedError('length beyond the end of the frame');
    this.at += length;
    return this.at - length;
  }

  /** A view of bytes that follow their length. */
  view(): Uint8Array {
    const length = this.varint();
    const from = this.skip(length);
    return this.bytes.subarray(from, from + length);
  }

  private byte(): number {
    if (this.at >= this.end) throw new MalformedError('frame ends inside a record');
    return this.bytes[this.at++]!;
  }
}

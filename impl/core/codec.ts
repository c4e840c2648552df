/**
 * Bytes in and out. Whole numbers are LEB128 varints up to 2^53 - 1, so that small ones take one byte; lengths
 * go before what they measure. A reader never reads past its end and never allocates more than it was given:
 * malformed input ends in `MalformedError`.
 */
import { utf8Decode, utf8Encode } from './utf8.ts';

/** A whole number goes in two halves, since what is below it may be shifted as an integer of the machine. */
const LOW_HALF = 2 ** 28;

export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

export class ByteWriter {
  private buffer = new Uint8Array(64);
  private end = 0;

  byte(value: number): this {
    this.reserve(1);
    this.buffer[this.end++] = value;
    return this;
  }

  /** A whole number in `[0, 2^53)`. */
  whole(value: number): this {
    this.reserve(8); // 53 bits in groups of 7
    let rest = value;
    if (value >= LOW_HALF) {
      const low = value % LOW_HALF;
      this.buffer[this.end++] = (low & 0x7f) | 0x80;
      this.buffer[this.end++] = ((low >>> 7) & 0x7f) | 0x80;
      this.buffer[this.end++] = ((low >>> 14) & 0x7f) | 0x80;
      this.buffer[this.end++] = (low >>> 21) | 0x80;
      rest = (value - low) / LOW_HALF;
    }
    while (rest >= 0x80) {
      this.buffer[this.end++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.end++] = rest;
    return this;
  }

  bool(value: boolean): this {
    return this.byte(value ? 1 : 0);
  }

  bytes(value: Uint8Array): this {
    return this.whole(value.length).raw(value);
  }

  /** Without its length: whoever reads it knows that. */
  raw(value: Uint8Array): this {
    this.reserve(value.length);
    this.buffer.set(value, this.end);
    this.end += value.length;
    return this;
  }

  text(value: string): this {
    return this.bytes(utf8Encode(value));
  }

  list<Item>(items: readonly Item[], write: (item: Item) => void): this {
    this.whole(items.length);
    for (const item of items) write(item);
    return this;
  }

  /** What was written, as bytes of their own. */
  finish(): Uint8Array {
    return this.buffer.slice(0, this.end);
  }

  private reserve(count: number): void {
    if (this.end + count <= this.buffer.length) return;
    const larger = new Uint8Array(Math.max(this.buffer.length * 2, this.end + count));
    larger.set(this.buffer.subarray(0, this.end));
    this.buffer = larger;
  }
}

export class ByteReader {
  private readonly buffer: Uint8Array;
  private at = 0;

  constructor(buffer: Uint8Array) {
    this.buffer = buffer;
  }

  byte(): number {
    if (this.at >= this.buffer.length) throw new MalformedError('ends too early');
    return this.buffer[this.at++]!;
  }

  whole(): number {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return low;
    }
    let high = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.byte();
      high |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      const value = high * LOW_HALF + low;
      if (!Number.isSafeInteger(value)) throw new MalformedError('whole number too large');
      return value;
    }
    throw new MalformedError('whole number too long');
  }

  bool(): boolean {
    const value = this.byte();
    if (value > 1) throw new MalformedError('expected 0 or 1');
    return value === 1;
  }

  /** A view into the input, not a copy. */
  bytes(): Uint8Array {
    const length = this.whole();
    if (length > this.buffer.length - this.at) throw new MalformedError('length beyond the end');
    this.at += length;
    return this.buffer.subarray(this.at - length, this.at);
  }

  /** All that is left, as a view. */
  rest(): Uint8Array {
    const from = this.at;
    this.at = this.buffer.length;
    return this.buffer.subarray(from);
  }

  text(): string {
    return utf8Decode(this.bytes());
  }

  /** Each item takes a byte or more; `most` of them are taken. */
  list<Item>(read: () => Item, most: number = Infinity): Item[] {
    const length = this.whole();
    if (length > most) throw new MalformedError('too many');
    if (length > this.buffer.length - this.at) throw new MalformedError('count beyond the end');
    return Array.from({ length }, read);
  }

  /** Bytes that have not been read. */
  get left(): number {
    return this.buffer.length - this.at;
  }

  /** Asserts that nothing is left over. */
  end(): void {
    if (this.at !== this.buffer.length) throw new MalformedError('bytes left over');
  }
}

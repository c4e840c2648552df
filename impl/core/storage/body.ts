/** Reads the records of a frame's body, for recovery (all of them) and for readers (one stream's). */
import { MalformedError } from '../codec.ts';
import { DEFINE, DROP, PUT, REMOVE, RESET, SELECT, TRIM, TRUNCATE } from './format.ts';
import { Cursor } from './varint.ts';

export interface BodyVisitor {
  define(stream: number, name: Uint8Array): void;
  append(stream: number, index: number): void;
  truncate(stream: number, end: number): void;
  trim(stream: number, start: number): void;
  reset(stream: number, start: number): void;
  drop(stream: number): void;
  put(key: Uint8Array, value: Uint8Array): void;
  remove(key: Uint8Array): void;
}

/** Where appends go: the stream selected last in a frame (0: none yet), and the index of its next record. */
export interface Selection {
  readonly selected: number;
  readonly index: number;
}

export const NOTHING_SELECTED: Selection = { selected: 0, index: 0 };

/**
 * Hands each record of `bytes[at, end)` to the visitor; views point into `bytes`. A body may be visited in two parts:
 * the second begins with what the first returned.
 */
export function visitBody(
  bytes: Uint8Array,
  at: number,
  end: number,
  from: Selection,
  visitor: BodyVisitor,
): Selection {
  const cursor = new Cursor(bytes, at, end);
  let { selected, index } = from;
  while (cursor.at < end) {
    const head = cursor.varint();
    if (head % 2 === 0) {
      if (selected === 0) throw new MalformedError('record of no stream');
      cursor.skip(head / 2);
      visitor.append(selected, index++);
    } else if (head === SELECT) {
      selected = cursor.varint();
      cursor.varint();
      index = cursor.varint();
    } else if (head === PUT) {
      visitor.put(cursor.view(), cursor.view());
    } else if (head === REMOVE) {
      visitor.remove(cursor.view());
    } else {
      visitStreamChange(head, cursor, visitor);
    }
  }
  return { selected, index };
}

function visitStreamChange(head: number, cursor: Cursor, visitor: BodyVisitor): void {
  const stream = cursor.varint();
  if (head === DEFINE) visitor.define(stream, cursor.view());
  else if (head === TRUNCATE) visitor.truncate(stream, cursor.varint());
  else if (head === TRIM) visitor.trim(stream, cursor.varint());
  else if (head === RESET) visitor.reset(stream, cursor.varint());
  else if (head === DROP) visitor.drop(stream);
  else throw new MalformedError(`record of unknown kind ${head}`);
}

/**
 * Where the records of one stream are in one frame. Can be walked on as the frame grows, so that following the tail
 * costs no more than the records themselves.
 */
export class RecordTable {
  readonly stream: number;
  first = 0;
  count = 0;
  private readonly cursor: Cursor;
  private offsets = new Uint32Array(64);
  private lengths = new Uint32Array(64);
  private selected = 0;

  constructor(stream: number, bytes: Uint8Array, at: number) {
    this.stream = stream;
    this.cursor = new Cursor(bytes, at, at);
  }

  get end(): number {
    return this.first + this.count;
  }

  lengthOf(index: number): number {
    return this.lengths[index - this.first]!;
  }

  /** A view into the frame. */
  view(index: number): Uint8Array {
    const from = this.offsets[index - this.first]!;
    return this.cursor.bytes.subarray(from, from + this.lengths[index - this.first]!);
  }

  /** Bytes of their own. */
  copy(index: number): Uint8Array {
    const from = this.offsets[index - this.first]!;
    return this.cursor.bytes.slice(from, from + this.lengths[index - this.first]!);
  }

  walkTo(end: number): void {
    const { cursor } = this;
    cursor.end = end;
    while (cursor.at < end) {
      const head = cursor.varint();
      if (head % 2 === 0) {
        const length = head / 2;
        const from = cursor.skip(length);
        if (this.selected === this.stream) this.push(from, length);
      } else {
        this.change(head);
      }
    }
  }

  private change(head: number): void {
    const { cursor } = this;
    if (head === PUT || head === REMOVE) {
      cursor.skip(cursor.varint());
      if (head === PUT) cursor.skip(cursor.varint());
      return;
    }
    const stream = cursor.varint();
    const isOurs = stream === this.stream;
    if (head === SELECT) {
      cursor.varint();
      const index = cursor.varint();
      this.selected = stream;
      if (isOurs && index !== this.end) this.restart(index);
    } else if (head === DEFINE) {
      cursor.skip(cursor.varint());
      if (isOurs) this.restart(0);
    } else if (head === TRUNCATE) {
      const end = cursor.varint();
      if (isOurs) this.count = Math.max(0, Math.min(this.count, end - this.first));
    } else if (head === TRIM) {
      cursor.varint();
    } else if (head === RESET) {
      const start = cursor.varint();
      if (isOurs) this.restart(start);
    } else if (head === DROP) {
      if (isOurs) this.restart(0);
    } else {
      throw new MalformedError(`record of unknown kind ${head}`);
    }
  }

  private restart(index: number): void {
    this.first = index;
    this.count = 0;
  }

  private push(offset: number, length: number): void {
    if (this.count === this.offsets.length) {
      this.offsets = doubled(this.offsets);
      this.lengths = doubled(this.lengths);
    }
    this.offsets[this.count] = offset;
    this.lengths[this.count] = length;
    this.count++;
  }
}

function doubled(values: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(values.length * 2);
  more.set(values);
  return more;
}

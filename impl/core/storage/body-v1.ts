/**
 * The body of a frame of version 1: a row of records of all streams. All numbers are LEB128 varints; the first number `h` tells
 * what follows:
 *
 *     h even        append h / 2 bytes that follow, to the stream selected last in this frame
 *     h =  1        select: stream, epoch, index of the next record
 *
 * All others are the same as in the contents of a frame of version 2 (`format.ts`).
 */
import { MalformedError } from '../codec.ts';
import { type ChangeVisitor, visitChange } from './contents.ts';
import type { Piece } from './section.ts';
import { Cursor, putVarint, VARINT_BYTES_MAX } from './varint.ts';

const SELECT = 1;

export interface BodyVisitor extends ChangeVisitor {
  /** The record lies at `[from, to)` of the bytes. */
  append(stream: number, index: number, from: number, to: number): void;
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
      const at = cursor.skip(head / 2);
      visitor.append(selected, index++, at, cursor.at);
    } else if (head === SELECT) {
      selected = cursor.varint();
      cursor.varint();
      index = cursor.varint();
    } else {
      visitChange(head, cursor, visitor);
    }
  }
  return { selected, index };
}

/** The records of one stream that the body `bytes[at, end)` leaves, as version 2 would have them in one piece. */
export function pieceOf(stream: number, bytes: Uint8Array, at: number, end: number): Piece {
  const records = new RecordsOf(stream);
  visitBody(bytes, at, end, NOTHING_SELECTED, records);
  const length = records.places.reduce((sum, [from, to]) => sum + VARINT_BYTES_MAX + to - from, 0);
  const into = new Uint8Array(length);
  let filled = 0;
  for (const [from, to] of records.places) {
    filled = putVarint(into, filled, to - from);
    into.set(bytes.subarray(from, to), filled);
    filled += to - from;
  }
  return { bytes: into.subarray(0, filled), first: records.first, records: records.places.length };
}

class RecordsOf implements BodyVisitor {
  first = 0;
  /** Where each begins and ends. */
  places: (readonly [from: number, to: number])[] = [];
  private readonly stream: number;

  constructor(stream: number) {
    this.stream = stream;
  }

  append(stream: number, index: number, from: number, to: number): void {
    if (stream !== this.stream) return;
    if (index !== this.first + this.places.length) this.begin(stream, index);
    this.places.push([from, to]);
  }

  truncate(stream: number, end: number): void {
    if (stream === this.stream)
      this.places.length = Math.max(0, Math.min(this.places.length, end - this.first));
  }

  reset(stream: number, start: number): void {
    this.begin(stream, start);
  }

  define(stream: number): void {
    this.begin(stream, 0);
  }

  drop(stream: number): void {
    this.begin(stream, 0);
  }

  trim(): void {}

  put(): void {}

  remove(): void {}

  private begin(stream: number, first: number): void {
    if (stream !== this.stream) return;
    this.first = first;
    this.places = [];
  }
}

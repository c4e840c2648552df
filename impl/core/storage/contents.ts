/** The list of what a frame says: written when the frame is closed, read by recovery. Its layout is in `format.ts`. */
import type { Checksum } from '../../ports/disk.ts';
import { MalformedError } from '../codec.ts';
import {
  DEFINE,
  DROP,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  PUT,
  REMOVE,
  REPAIR,
  RESET,
  SECTION,
  TRIM,
  TRUNCATE,
} from './format.ts';
import type { Lsn } from './ids.ts';
import { placeChecksum, Section, verifySection } from './section.ts';
import { Cursor, putVarint, VARINT_BYTES_MAX } from './varint.ts';

/** A change other than a record, as it waits in an open frame. */
export type Change =
  | { readonly kind: typeof DEFINE; readonly stream: number; readonly name: Uint8Array }
  | {
      readonly kind: typeof TRUNCATE | typeof TRIM | typeof RESET;
      readonly stream: number;
      readonly place: number;
    }
  | { readonly kind: typeof DROP; readonly stream: number }
  | { readonly kind: typeof PUT; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: typeof REMOVE; readonly key: Uint8Array };

export type Content = Section | Change;

/** A section takes at most so much of the list. */
export const SECTION_CONTENT_BYTES_MAX: number = 1 + 4 * VARINT_BYTES_MAX + 2 * 5;

/** How much of the list the change takes at most. */
export function contentBytesMax(change: Change): number {
  const name = 'name' in change ? change.name.length : 0;
  const pair =
    'key' in change ? change.key.length + ('value' in change ? change.value.length : 0) : 0;
  return 1 + 2 * VARINT_BYTES_MAX + name + pair;
}

/** Writes the list at `at`; returns where it ends. */
export function encodeContents(
  bytes: Uint8Array,
  at: number,
  contents: readonly Content[],
  isCut: boolean,
): number {
  let end = at;
  for (const content of contents) {
    if (content instanceof Section) {
      end = putVarint(bytes, end, content.repairs ? REPAIR : SECTION);
      end = putVarint(bytes, end, content.stream.id);
      end = putVarint(bytes, end, content.epoch);
      end = putVarint(bytes, end, content.first);
      end = putVarint(bytes, end, content.records);
      end = putVarint(bytes, end, content.bytes);
      if (isCut) end = putVarint(bytes, end, content.committed);
      continue;
    }
    end = putVarint(bytes, end, content.kind);
    if ('stream' in content) end = putVarint(bytes, end, content.stream);
    if ('place' in content) end = putVarint(bytes, end, content.place);
    if ('name' in content) end = putBytes(bytes, end, content.name);
    if ('key' in content) end = putBytes(bytes, end, content.key);
    if ('value' in content) end = putBytes(bytes, end, content.value);
  }
  return end;
}

function putBytes(into: Uint8Array, at: number, bytes: Uint8Array): number {
  const from = putVarint(into, at, bytes.length);
  into.set(bytes, from);
  return from + bytes.length;
}

export interface ChangeVisitor {
  define(stream: number, name: Uint8Array): void;
  truncate(stream: number, end: number): void;
  trim(stream: number, start: number): void;
  reset(stream: number, start: number): void;
  drop(stream: number): void;
  put(key: Uint8Array, value: Uint8Array): void;
  remove(key: Uint8Array): void;
}

export interface ContentsVisitor extends ChangeVisitor {
  /** Records from `from` on of the stream are in the section at `lsn`, of so many bytes. */
  section(stream: number, from: number, records: number, lsn: Lsn, bytes: number): void;
  /** The same, of records that take the place of others. */
  repair(stream: number, from: number, records: number, lsn: Lsn, bytes: number): void;
}

/**
 * Hands to the visitor what the frame says whose contents are at `bytes[at]`, in order: what belongs to transactions that end in it, or
 * the rest, which waits. Views point into `bytes`. Throws `MalformedError`.
 */
export function visitContents(
  bytes: Uint8Array,
  at: number,
  frame: FrameHeader,
  part: 'committed' | 'rest',
  visitor: ContentsVisitor,
): void {
  const isRest = part === 'rest';
  let count = 0;
  walk(
    bytes,
    at,
    frame,
    (kind, cursor) => {
      const isCommitted = !frame.isCut || count < frame.committed;
      count++;
      visitChange(kind, cursor, isCommitted === isRest ? NOBODY : visitor);
    },
    (stream, first, records, committed, lsn, length, repairs) => {
      count++;
      const from = isRest ? first + committed : first;
      const those = isRest ? records - committed : committed;
      if (those === 0) return;
      if (repairs) visitor.repair(stream, from, those, lsn, length);
      else visitor.section(stream, from, those, lsn, length);
    },
  );
}

/** Whether the sections of the frame at `bytes[at]`, of which header and contents were verified, are whole. */
export function verifySections(
  bytes: Uint8Array,
  at: number,
  frame: FrameHeader,
  checksum: Checksum,
): boolean {
  let isWhole = true;
  const contents = at + FRAME_HEADER_BYTES + frame.sectionBytes;
  walk(
    bytes,
    contents,
    frame,
    (kind, cursor) => visitChange(kind, cursor, NOBODY),
    (stream, _first, records, _committed, lsn, length) => {
      const seed = placeChecksum(frame.identity, lsn, stream);
      isWhole &&= verifySection(bytes, at + lsn - frame.lsn, length, records, seed, checksum);
    },
  );
  return isWhole;
}

function walk(
  bytes: Uint8Array,
  at: number,
  frame: FrameHeader,
  onChange: (kind: number, cursor: Cursor) => void,
  onSection: (
    stream: number,
    first: number,
    records: number,
    committed: number,
    lsn: Lsn,
    bytes: number,
    repairs: boolean,
  ) => void,
): void {
  const cursor = new Cursor(bytes, at, at + frame.contentBytes);
  const end = frame.lsn + FRAME_HEADER_BYTES + frame.sectionBytes;
  let lsn = frame.lsn + FRAME_HEADER_BYTES;
  while (cursor.at < cursor.end) {
    const kind = cursor.varint();
    if (kind !== SECTION && kind !== REPAIR) {
      onChange(kind, cursor);
      continue;
    }
    const stream = cursor.varint();
    cursor.varint();
    const first = cursor.varint();
    const records = cursor.varint();
    const length = cursor.varint();
    const committed = frame.isCut ? cursor.varint() : records;
    if (length > end - lsn || committed > records)
      throw new MalformedError('section beyond the end');
    onSection(stream, first, records, committed, lsn, length, kind === REPAIR);
    lsn += length;
  }
}

const nothing = (): void => {};
const NOBODY: ChangeVisitor = {
  define: nothing,
  truncate: nothing,
  trim: nothing,
  reset: nothing,
  drop: nothing,
  put: nothing,
  remove: nothing,
};

/** Hands one change, whose kind was read, to the visitor. */
export function visitChange(kind: number, cursor: Cursor, visitor: ChangeVisitor): void {
  if (kind === PUT) visitor.put(cursor.view(), cursor.view());
  else if (kind === REMOVE) visitor.remove(cursor.view());
  else if (kind === DEFINE) visitor.define(cursor.varint(), cursor.view());
  else if (kind === TRUNCATE) visitor.truncate(cursor.varint(), cursor.varint());
  else if (kind === TRIM) visitor.trim(cursor.varint(), cursor.varint());
  else if (kind === RESET) visitor.reset(cursor.varint(), cursor.varint());
  else if (kind === DROP) visitor.drop(cursor.varint());
  else throw new MalformedError(`record of unknown kind ${kind}`);
}

/**
 * Hands on what frames say, in their order, and of each transaction all or nothing: what lies behind the last commit in a frame waits for the
 * frame in which its transaction ends.
 */
import { type BodyVisitor, NOTHING_SELECTED, visitBody } from './body-v1.ts';
import { type ContentsVisitor, visitContents } from './contents.ts';
import { FRAME_HEADER_BYTES, type FrameHeader } from './format.ts';
import type { Lsn } from './ids.ts';

/** What waits of a frame for the end of a transaction. */
interface PendingPart {
  readonly lsn: Lsn;
  /** In version 1: how many bytes of the frame come before it. */
  readonly counts: number | undefined;
  readonly apply: () => void;
}

export class Transactions {
  /** The frame whose records of version 1 are being handed on. */
  frameLsn: Lsn = 0;
  /** Frames of version 1 that end in a transaction that was never finished, and how many of their bytes count. */
  readonly unfinished: Map<Lsn, number> = new Map();
  private readonly visitor: BodyVisitor & ContentsVisitor;
  /** Frames of a transaction whose end has not been met. */
  private pending: PendingPart[] = [];

  constructor(visitor: BodyVisitor & ContentsVisitor) {
    this.visitor = visitor;
  }

  /** The frame at `bytes[at]`, which follows the one taken last. Throws `MalformedError`. */
  take(frame: FrameHeader, bytes: Uint8Array, at: number): void {
    if (!frame.continues) this.drop();
    if (frame.version === 1) this.takeBody(frame, bytes, at);
    else this.takeContents(frame, bytes, at);
  }

  /** The transaction was never finished; readers of its first frame have to know how much of that counts. */
  drop(): void {
    const first = this.pending[0];
    if (first?.counts !== undefined) this.unfinished.set(first.lsn, first.counts);
    this.pending = [];
  }

  /** What waits counts. */
  apply(): void {
    for (const part of this.pending) part.apply();
    this.pending = [];
  }

  private takeContents(frame: FrameHeader, bytes: Uint8Array, at: number): void {
    const contents = at + FRAME_HEADER_BYTES + frame.sectionBytes;
    if (!frame.isCut || frame.committed > 0) {
      this.apply();
      visitContents(bytes, contents, frame, 'committed', this.visitor);
    }
    if (!frame.isCut) return;
    const copy = bytes.slice(contents, contents + frame.contentBytes);
    this.pending.push({
      lsn: frame.lsn,
      counts: undefined,
      apply: () => visitContents(copy, 0, frame, 'rest', this.visitor),
    });
  }

  private takeBody(frame: FrameHeader, bytes: Uint8Array, at: number): void {
    const body = at + FRAME_HEADER_BYTES;
    const committed = body + frame.committed;
    let selection = NOTHING_SELECTED;
    if (committed > body) {
      this.apply();
      this.frameLsn = frame.lsn;
      selection = visitBody(bytes, body, committed, selection, this.visitor);
    }
    if (!frame.isCut) return;
    const part = bytes.slice(committed, body + frame.sectionBytes);
    const apply = (): void => {
      this.frameLsn = frame.lsn;
      visitBody(part, 0, part.length, selection, this.visitor);
    };
    this.pending.push({ lsn: frame.lsn, counts: committed - at, apply });
  }
}

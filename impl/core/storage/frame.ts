/** A frame in memory: being filled, waiting for its write, being written, or kept for readers of the tail. */
import type { Checksum } from '../../ports/disk.ts';
import {
  type Change,
  type Content,
  contentBytesMax,
  encodeContents,
  SECTION_CONTENT_BYTES_MAX,
} from './contents.ts';
import { encodeFrameHeader, FRAME_HEADER_BYTES, roundUp } from './format.ts';
import type { Lsn } from './ids.ts';
import type { LogFile } from './log-file.ts';
import { SECTION_EXTRA_BYTES, Section } from './section.ts';
import type { StreamIndex } from './stream-index.ts';
import { putVarint } from './varint.ts';

export type FrameState = 'open' | 'queued' | 'writing' | 'written';

export class Frame {
  readonly lsn: Lsn;
  /** The frame is at `bytes[from, from + length)`; what is around it belongs to others. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly from: number;
  readonly inArena: boolean;
  readonly continues: boolean;
  /** How far the frame may reach. */
  readonly limit: number;
  /** Where the next record goes; when the frame is closed, where its contents end. */
  at: number;
  /** Extents of streams that point here. Moves on to the file when the frame is closed. */
  extents = 0;
  length = 0;
  state: FrameState = 'open';
  file: LogFile | undefined = undefined;
  private contents: Content[] = [];
  /** To which the next record of each stream goes, and of these the one that took the last record, if its next one only joins on. */
  private readonly sections = new Map<StreamIndex, Section>();
  private last: Section | undefined = undefined;
  /** How many of the contents belong to transactions that have ended. */
  private committed = 0;
  /** Sections with records that do not. */
  private readonly uncommitted: Section[] = [];
  /** How much the frame will need, at most, beyond what was put into it. */
  private extraBytes = 0;
  private sectionBytes = 0;
  private contentBytes = 0;
  private isCut = false;

  constructor(
    lsn: Lsn,
    bytes: Uint8Array,
    view: DataView,
    from: number,
    limit: number,
    inArena: boolean,
    continues: boolean,
  ) {
    this.lsn = lsn;
    this.bytes = bytes;
    this.view = view;
    this.from = from;
    this.limit = limit;
    this.inArena = inArena;
    this.continues = continues;
    this.at = from + FRAME_HEADER_BYTES;
  }

  /** A place behind all that was put into it so far. */
  get endLsn(): Lsn {
    return this.state === 'open' ? this.lsn + this.at - this.from : this.lsn + this.length;
  }

  /** How long it is, or, while it is open, would be at most. */
  get usedBytes(): number {
    return this.at - this.from + this.extraBytes;
  }

  hasRoomFor(bytes: number): boolean {
    return this.at + this.extraBytes + bytes <= this.limit;
  }

  get isEmpty(): boolean {
    return this.contents.length === 0;
  }

  /** Puts the record behind the last one of its stream. */
  append(stream: StreamIndex, epoch: number, record: Uint8Array, length: number): void {
    const { last } = this;
    const goesOn = last?.stream === stream && last.epoch === epoch;
    this.put(goesOn ? last : this.sectionOf(stream, epoch), record, length);
  }

  /** Makes the section the one that takes the next record, which begins a run, or is the first one since a commit. */
  private sectionOf(stream: StreamIndex, epoch: number): Section {
    let section = this.sections.get(stream);
    if (section === undefined || section.epoch !== epoch) {
      section = this.begin(new Section(stream, epoch, stream.end, false));
      this.sections.set(stream, section);
      stream.push(stream.end, this.lsn, 0);
      this.extents++;
    }
    this.last = section;
    this.beginRun(section);
    return section;
  }

  /** Puts a record that takes the place of another one. Whether it begins a section. */
  replace(stream: StreamIndex, index: number, record: Uint8Array): boolean {
    const last = this.contents.at(-1);
    const goesOn = last instanceof Section && last.repairs && last.stream === stream;
    const joinsOn = goesOn && last.first + last.records === index;
    const section = joinsOn ? last : this.begin(new Section(stream, 0, index, true));
    this.last = undefined;
    this.beginRun(section);
    this.put(section, record, record.length);
    return !joinsOn;
  }

  private beginRun(section: Section): void {
    if (section.records === section.committed) this.uncommitted.push(section);
    section.beginRun(this.at);
  }

  private put(section: Section, record: Uint8Array, length: number): void {
    const from = this.at;
    const at = putVarint(this.bytes, from, length);
    this.bytes.set(record, at);
    this.at = at + length;
    this.extraBytes += section.add(this.at - from);
  }

  /** What is appended to a stream after its change goes to another section. */
  change(change: Change, stream: StreamIndex | undefined): void {
    if (stream !== undefined) this.sections.delete(stream);
    this.last = undefined;
    this.contents.push(change);
    this.extraBytes += contentBytesMax(change);
  }

  commit(): void {
    for (const section of this.uncommitted) section.committed = section.records;
    this.uncommitted.length = 0;
    this.last = undefined;
    this.committed = this.contents.length;
  }

  /** The section that begins with the stream's record `first`, while the frame is open. */
  openSection(stream: StreamIndex, first: number): Section | undefined {
    return this.contents.findLast(
      (content) =>
        content instanceof Section && content.stream === stream && content.first === first,
    ) as Section | undefined;
  }

  private begin(section: Section): Section {
    this.contents.push(section);
    this.extraBytes += SECTION_EXTRA_BYTES + SECTION_CONTENT_BYTES_MAX;
    return section;
  }

  /**
   * Brings the records of each stream together, and writes the contents behind them. What the streams know of this frame is
   * final then. `scratch` gives memory for the time of this call.
   */
  layOut(identity: number, checksum: Checksum, scratch: (bytes: number) => Uint8Array): void {
    const base = this.from + FRAME_HEADER_BYTES;
    const sections = this.contents.filter((content) => content instanceof Section);
    if (sections.length > 1) {
      const source = scratch(this.at - base);
      source.set(this.bytes.subarray(base, this.at));
      let to = base;
      for (const section of sections) {
        section.gather(source, base, this.bytes, to);
        to += section.bytes;
      }
    }
    let at = base;
    const lsns: Lsn[] = [];
    for (const section of sections) {
      const { bytes } = section;
      const lsn = this.lsn + at - this.from;
      section.seal(this.bytes, this.view, at, identity, lsn, checksum);
      lsns.push(lsn);
      at += bytes;
    }
    for (const [i, section] of [...sections.entries()].reverse()) {
      const end = i + 1 < lsns.length ? lsns[i + 1]! : this.lsn + at - this.from;
      section.stream.settle(section.first, this.lsn, lsns[i]!, end - lsns[i]!);
    }
    this.isCut = this.uncommitted.length > 0 || this.committed < this.contents.length;
    this.sectionBytes = at - base;
    this.at = encodeContents(this.bytes, at, this.contents, this.isCut);
    this.contentBytes = this.at - at;
    this.extraBytes = 0;
    this.contents = [];
    this.sections.clear();
    this.last = undefined;
  }

  /** Pads, so that it ends at a multiple of the alignment in its file; the length is final. */
  pad(file: LogFile, alignmentBytes: number): void {
    const begin = file.offsetOf(this.lsn);
    this.file = file;
    this.length = roundUp(begin + this.at - this.from, alignmentBytes) - begin;
    this.bytes.fill(0, this.at, this.from + this.length);
    this.state = 'queued';
  }

  /** Writes header and checksum: the bytes are final. */
  seal(identity: number, file: LogFile, durable: Lsn, checksum: Checksum): void {
    const header = {
      identity,
      lsn: this.lsn,
      durable,
      file: file.number,
      sectionBytes: this.sectionBytes,
      contentBytes: this.contentBytes,
      committed: this.isCut ? this.committed : 0,
      frameBytes: this.length,
      continues: this.continues,
      isCut: this.isCut,
    };
    encodeFrameHeader(this.bytes, this.view, this.from, header, checksum);
  }
}

/**
 * The bytes on disk, version 2. All numbers are little-endian; `u64` holds whole numbers below 2^53.
 *
 * A directory is one sequence of bytes, the log, cut into files. A place in it is an *lsn*. It rises for ever: bytes
 * lost or cut are never numbered again within what counts, and nothing is ever written over.
 *
 * **`<number, 12 digits>.wal`**, numbers rising. First a *file header* of 64 bytes, in a block of 4096:
 *
 *      0  magic "WALRUSLG"     8  u32 version      12 u32 zero     16 u64 identity of the directory
 *     24  u64 file number     32  zeros            60 u32 CRC-32C of bytes [0, 60)
 *
 * It is durable before anything else is written to the file. Then frames follow without a gap; the first says by its
 * lsn where the file begins, so the byte at offset `o` has the lsn `begin + o - 4096`. What a file holds
 * beyond the begin of a later file does not count: it is a tail that an earlier recovery cut. Behind the last frame a
 * file is zeros (it was allocated in full), torn frames, or, if it was made of an older file, what that one held.
 *
 * A *frame* is written by one write, at a multiple of 8, and if it is large or to be synced at once, of the alignment
 * that its disk wished for, but for the first one behind small ones:
 *
 *      0  u32 magic "WFR2"     4  u32 CRC-32C of bytes [8, 56), then of the list of contents
 *      8  u64 identity        16  u64 lsn of this frame
 *     24  u64 durable: everything before this lsn was known to be durable when the frame was closed
 *     32  u32 file number     36  u32 length of the sections
 *     40  u32 length of the list of contents
 *     44  u32 how many of the contents belong to transactions that end in this frame, if flag 2 is set
 *     48  u32 length of the frame with header, sections, contents and padding
 *     52  u32 flags: 1, it begins inside a transaction that an earlier frame began; 2, it ends inside one
 *     56  sections, contents, then anything up to the length of the frame (not covered by a checksum)
 *
 * Identity, file number and lsn are all in the checksum and all checked against where the frame was found, so
 * neither stale nor misdirected bytes nor a file from elsewhere parse.
 *
 * A *section* holds what the frame has of one stream, so that it can be read without the rest of the frame: records, each a
 * varint with its length and its bytes, in chunks of at most 4096 bytes or one record. Behind them, for each chunk:
 *
 *      0  u32 where it ends, from the begin of the section      4  u32 records up to there
 *      8  u32 CRC-32C of the chunk
 *
 * and at the end of the section:
 *
 *      0  u32 index of the first record, modulo 2^32
 *      4  u32 CRC-32C of identity, lsn of the section and stream, each as u64, then of all from the first chunk's entry up to here
 *
 * The *contents* tell what the frame says, in order. All numbers are LEB128 varints; the first tells what follows:
 *
 *      1  section: stream, epoch, index of the first record, records, length with the chunks' entries; if flag 2 is set also how
 *         many of the records belong to transactions that end in this frame. Sections lie one behind the other
 *      3  define: stream, length, name (the stream is new and empty, begins at 0)
 *      5  truncate: stream, end
 *      7  trim: stream, start
 *      9  reset: stream, start
 *     11  drop: stream
 *     13  put: length, key, length, value
 *     15  remove: length, key
 *     17  repair: as 1, but the records take the place of those that the stream has under these indexes: of damaged ones, or of the same in a
 *         file that is to be emptied. Their epoch is not told again, and is 0
 *
 * Of one stream they keep the order in which it happened; different streams do not depend on each other.
 *
 * A *transaction* is what was staged between two commits. It counts if the frames that hold it all do, and none of
 * it if one is missing: what lies behind the last commit in a frame waits for the next frame, and is void if that one does not
 * begin inside a transaction.
 *
 * **Recovery.** Frames are read on from the checkpoint. The first place where the frame expected is not found is a
 * *hole*. If a valid frame behind it says that more was durable than the hole's lsn, durable bytes are damaged: `Corrupt`.
 * If none does, the hole is where unsynced writes were torn or lost: the log ends there, and what lies
 * behind it is cut by beginning the next file at the hole's lsn.
 * What counts and was not claimed to be durable is written once more and synced before the directory is open: the sync
 * that should have covered it may have failed, and the kernel forgets what it failed to write.
 *
 * **`<number, 12 digits>.checkpoint`**: what the log says before an lsn, so that nothing before needs to be read. A
 * header like that of a file (magic "WALRUSCP"; 32 u32 length of the body, 36 u32 CRC-32C of the body), then the
 * body, laid out in `checkpoint.ts`. Written under `<name>.tmp`, synced, renamed; the newest two are kept.
 *
 * **`<number, 12 digits>.wal.old`**: a file that nobody needs any more, kept to be made into another one, which takes
 * its blocks: the new header is written and synced under this name, then the file gets the new one.
 *
 * **`<number, 12 digits>.reserve`**, **`reserve.checkpoint.tmp`**: room set aside, of which log files and checkpoints are made in the same way
 * when the disk has no other. What is in them counts for nothing.
 *
 * **Version 1** is read as well, and never written; a process that knows only version 1 refuses version 2. Its frames have the magic
 * "WFRL", at 36 the length of a body, at 40 how much of that belongs to transactions that end in the frame, at 44 the number of
 * records, and one checksum over bytes [8, 56 + body). `body-v1.ts` lays out the body, in which the records of all streams are mixed.
 */
import type { Checksum } from '../../ports/disk.ts';

export const VERSION = 2;
const VERSIONS_READ: readonly number[] = [1, 2];
/** What file systems and disks read and write in one piece. */
export const BLOCK_BYTES = 4096;
/** What a log file has before its first frame: a block, so that frames can be aligned to blocks. */
export const FILE_HEAD_BYTES: number = BLOCK_BYTES;
export const HEADER_BYTES = 64;
export const FRAME_HEADER_BYTES = 56;
/** Frames begin and end at multiples of it. */
export const FRAME_UNIT_BYTES = 8;
export const FRAME_MAGIC = 0x3252_4657; // "WFR2" as bytes
/** Of version 1; both begin with the same byte. */
export const FRAME_MAGIC_V1 = 0x4c52_4657; // "WFRL"
const CONTINUES = 1;
const IS_CUT = 2;

export const SECTION = 1;
export const DEFINE = 3;
export const TRUNCATE = 5;
export const TRIM = 7;
export const RESET = 9;
export const DROP = 11;
export const PUT = 13;
export const REMOVE = 15;
export const REPAIR = 17;

const LOG_MAGIC = 'WALRUSLG';
const CHECKPOINT_MAGIC = 'WALRUSCP';

/** The longest record that a frame can hold. */
export const RECORD_BYTES_MAX: number = 2 ** 31 - 4096;

export type FileKind = 'log' | 'checkpoint';

export interface FileName {
  readonly kind: FileKind;
  readonly number: number;
}

export function fileName(kind: FileKind, number: number): string {
  return `${String(number).padStart(12, '0')}.${kind === 'log' ? 'wal' : 'checkpoint'}`;
}

/** Of a log file that is kept to make another of. */
export function keptName(number: number): string {
  return `${fileName('log', number)}.old`;
}

/** Room set aside for a checkpoint. */
export const CHECKPOINT_RESERVE = 'reserve.checkpoint.tmp';

/** Of a piece of room set aside for log files. */
export function reserveName(number: number): string {
  return `${String(number).padStart(12, '0')}.reserve`;
}

/** Its number; undefined if that is not what the name means. */
export function parseReserveName(name: string): number | undefined {
  const match = /^(\d{12})\.reserve$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** Whether it was being made, or kept, by a process that did not come to close the directory: it holds nothing. */
export function isLeftover(name: string): boolean {
  return /^\d{12}\.(checkpoint\.tmp|wal\.old)$/.test(name);
}

/** What the name means; undefined for a file that is none of ours. */
export function parseFileName(name: string): FileName | undefined {
  const match = /^(\d{12})\.(wal|checkpoint)$/.exec(name);
  if (match === null) return undefined;
  return { kind: match[2] === 'wal' ? 'log' : 'checkpoint', number: Number(match[1]) };
}

export interface FileHeader {
  readonly kind: FileKind;
  readonly identity: number;
  readonly number: number;
  readonly version: number;
  /** Of a checkpoint; 0 in a log file. */
  readonly bodyBytes: number;
  readonly bodyChecksum: number;
}

/** Fills `into[0, 64)`. */
export function encodeFileHeader(
  into: Uint8Array,
  header: Omit<FileHeader, 'version'>,
  checksum: Checksum,
): void {
  const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
  into.fill(0, 0, HEADER_BYTES);
  const magic = header.kind === 'log' ? LOG_MAGIC : CHECKPOINT_MAGIC;
  for (let i = 0; i < 8; i++) into[i] = magic.charCodeAt(i);
  view.setUint32(8, VERSION, true);
  setU64(view, 16, header.identity);
  setU64(view, 24, header.number);
  view.setUint32(32, header.bodyBytes, true);
  view.setUint32(36, header.bodyChecksum, true);
  view.setUint32(60, checksum(into, 0, 60, 0), true);
}

/** The header, or why there is none. Magic, version and checksum stay where they are in every version. */
export function decodeFileHeader(
  bytes: Uint8Array,
  kind: FileKind,
  checksum: Checksum,
): FileHeader | 'invalid' | 'newer' {
  if (bytes.length < HEADER_BYTES) return 'invalid';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = kind === 'log' ? LOG_MAGIC : CHECKPOINT_MAGIC;
  for (let i = 0; i < 8; i++) if (bytes[i] !== magic.charCodeAt(i)) return 'invalid';
  if (view.getUint32(60, true) !== checksum(bytes, 0, 60, 0)) return 'invalid';
  const version = view.getUint32(8, true);
  if (!VERSIONS_READ.includes(version)) return 'newer';
  return {
    kind,
    version,
    identity: getU64(view, 16),
    number: getU64(view, 24),
    bodyBytes: view.getUint32(32, true),
    bodyChecksum: view.getUint32(36, true),
  };
}

export interface FrameHeader {
  readonly version: 1 | 2;
  readonly identity: number;
  readonly lsn: number;
  readonly durable: number;
  readonly file: number;
  /** Of the sections; in version 1 of the body. */
  readonly sectionBytes: number;
  /** 0 in version 1. */
  readonly contentBytes: number;
  /** How many of the contents, in version 1 how many bytes of the body, belong to transactions that end here. */
  readonly committed: number;
  readonly frameBytes: number;
  readonly continues: boolean;
  /** The frame ends inside a transaction. */
  readonly isCut: boolean;
}

/** Fills the header at `at`, which sections and contents follow already, and seals it and the contents with the checksum. */
export function encodeFrameHeader(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  header: Omit<FrameHeader, 'version'>,
  checksum: Checksum,
): void {
  view.setUint32(at, FRAME_MAGIC, true);
  setU64(view, at + 8, header.identity);
  setU64(view, at + 16, header.lsn);
  setU64(view, at + 24, header.durable);
  view.setUint32(at + 32, header.file, true);
  view.setUint32(at + 36, header.sectionBytes, true);
  view.setUint32(at + 40, header.contentBytes, true);
  view.setUint32(at + 44, header.committed, true);
  view.setUint32(at + 48, header.frameBytes, true);
  view.setUint32(at + 52, (header.continues ? CONTINUES : 0) | (header.isCut ? IS_CUT : 0), true);
  view.setUint32(at + 4, frameChecksum(bytes, view, at, checksum), true);
}

/**
 * The frame at `at`, if all of it is there and header and contents (in version 1 all of it) verify; its sections are for the
 * caller to verify. `more` if it claims to reach beyond the end of `bytes`, which says nothing on whether it is one.
 */
export function decodeFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  checksum: Checksum,
): FrameHeader | 'invalid' | 'more' {
  if (at + FRAME_HEADER_BYTES > bytes.length) return 'more';
  const magic = view.getUint32(at, true);
  if (magic !== FRAME_MAGIC && magic !== FRAME_MAGIC_V1) return 'invalid';
  const version = magic === FRAME_MAGIC ? 2 : 1;
  const sectionBytes = view.getUint32(at + 36, true);
  const contentBytes = version === 2 ? view.getUint32(at + 40, true) : 0;
  const committed = view.getUint32(at + (version === 2 ? 44 : 40), true);
  const frameBytes = view.getUint32(at + 48, true);
  if (frameBytes < FRAME_HEADER_BYTES + sectionBytes + contentBytes) return 'invalid';
  if (frameBytes % FRAME_UNIT_BYTES !== 0) return 'invalid';
  if (version === 1 && committed > sectionBytes) return 'invalid';
  if (at + frameBytes > bytes.length) return 'more';
  if (view.getUint32(at + 4, true) !== frameChecksum(bytes, view, at, checksum)) return 'invalid';
  const flags = view.getUint32(at + 52, true);
  return {
    version,
    identity: getU64(view, at + 8),
    lsn: getU64(view, at + 16),
    durable: getU64(view, at + 24),
    file: view.getUint32(at + 32, true),
    sectionBytes,
    contentBytes,
    committed,
    frameBytes,
    continues: (flags & CONTINUES) !== 0,
    isCut: version === 2 ? (flags & IS_CUT) !== 0 : committed < sectionBytes,
  };
}

function frameChecksum(bytes: Uint8Array, view: DataView, at: number, checksum: Checksum): number {
  const body = at + FRAME_HEADER_BYTES;
  const sectionsEnd = body + view.getUint32(at + 36, true);
  if (view.getUint32(at, true) === FRAME_MAGIC_V1) return checksum(bytes, at + 8, sectionsEnd, 0);
  const header = checksum(bytes, at + 8, body, 0);
  return checksum(bytes, sectionsEnd, sectionsEnd + view.getUint32(at + 40, true), header);
}

/** How long the frame at `at` says it is; nothing of it is verified. */
export function claimedFrameBytes(view: DataView, at: number): number {
  return view.getUint32(at + 48, true);
}

export function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

function getU64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

/**
 * The bytes on disk, version 1. All numbers are little-endian; `u64` holds whole numbers below 2^53.
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
 *      0  u32 magic            4  u32 CRC-32C of bytes [8, 56 + body)
 *      8  u64 identity        16  u64 lsn of this frame
 *     24  u64 durable: everything before this lsn was known to be durable when the frame was closed
 *     32  u32 file number     36  u32 length of the body
 *     40  u32 committed: how much of the body belongs to transactions that end in this frame
 *     44  u32 records         48  u32 length of the frame with header, body and padding
 *     52  u32 flags: 1, it begins inside a transaction that an earlier frame began
 *     56  body, then anything up to the length of the frame (not covered by the checksum)
 *
 * Identity, file number and lsn are all in the checksum and all checked against where the frame was found, so
 * neither stale nor misdirected bytes nor a file from elsewhere parse.
 *
 * A *body* is a row of records; all numbers are LEB128 varints. The first number `h` tells what it is:
 *
 *     h even        append h / 2 bytes that follow, to the stream selected last in this frame
 *     h =  1        select: stream, epoch, index of the next record
 *     h =  3        define: stream, length, name (the stream is new and empty, begins at 0)
 *     h =  5        truncate: stream, end
 *     h =  7        trim: stream, start
 *     h =  9        reset: stream, start
 *     h = 11        drop: stream
 *     h = 13        put: length, key, length, value
 *     h = 15        remove: length, key
 *
 * A *transaction* is what was staged between two commits. It counts if the frames that hold it all do, and none of
 * it if one is missing: the part of a body beyond `committed` waits for the next frame, and is void if that one does not
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
 */
import type { Checksum } from '../../ports/disk.ts';

export const VERSION = 1;
/** What file systems and disks read and write in one piece. */
export const BLOCK_BYTES = 4096;
/** What a log file has before its first frame: a block, so that frames can be aligned to blocks. */
export const FILE_HEAD_BYTES: number = BLOCK_BYTES;
export const HEADER_BYTES = 64;
export const FRAME_HEADER_BYTES = 56;
/** Frames begin and end at multiples of it. */
export const FRAME_UNIT_BYTES = 8;
export const FRAME_MAGIC = 0x4c52_4657; // "WFRL" as bytes
export const CONTINUES = 1;

export const SELECT = 1;
export const DEFINE = 3;
export const TRUNCATE = 5;
export const TRIM = 7;
export const RESET = 9;
export const DROP = 11;
export const PUT = 13;
export const REMOVE = 15;

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

/** Whether it was being made, or kept, by a process that did not come to close the directory: it holds nothing. */
export function isLeftover(name: string): boolean {
  return name.endsWith('.checkpoint.tmp') || name.endsWith('.wal.old');
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
  /** Of a checkpoint; 0 in a log file. */
  readonly bodyBytes: number;
  readonly bodyChecksum: number;
}

/** Fills `into[0, 64)`. */
export function encodeFileHeader(into: Uint8Array, header: FileHeader, checksum: Checksum): void {
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
  if (view.getUint32(8, true) !== VERSION) return 'newer';
  return {
    kind,
    identity: getU64(view, 16),
    number: getU64(view, 24),
    bodyBytes: view.getUint32(32, true),
    bodyChecksum: view.getUint32(36, true),
  };
}

export interface FrameHeader {
  readonly identity: number;
  readonly lsn: number;
  readonly durable: number;
  readonly file: number;
  readonly bodyBytes: number;
  readonly committedBytes: number;
  readonly records: number;
  readonly frameBytes: number;
  readonly continues: boolean;
}

/** Fills the header at `at`, whose body follows already, and seals both with the checksum. */
export function encodeFrameHeader(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  header: FrameHeader,
  checksum: Checksum,
): void {
  view.setUint32(at, FRAME_MAGIC, true);
  setU64(view, at + 8, header.identity);
  setU64(view, at + 16, header.lsn);
  setU64(view, at + 24, header.durable);
  view.setUint32(at + 32, header.file, true);
  view.setUint32(at + 36, header.bodyBytes, true);
  view.setUint32(at + 40, header.committedBytes, true);
  view.setUint32(at + 44, header.records, true);
  view.setUint32(at + 48, header.frameBytes, true);
  view.setUint32(at + 52, header.continues ? CONTINUES : 0, true);
  const end = at + FRAME_HEADER_BYTES + header.bodyBytes;
  view.setUint32(at + 4, checksum(bytes, at + 8, end, 0), true);
}

/**
 * The frame at `at`, if all of it is there and verifies. `more` if it claims to reach beyond the end of `bytes`, which
 * says nothing on whether it is one.
 */
export function decodeFrame(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  checksum: Checksum,
): FrameHeader | 'invalid' | 'more' {
  if (at + FRAME_HEADER_BYTES > bytes.length) return 'more';
  if (view.getUint32(at, true) !== FRAME_MAGIC) return 'invalid';
  const bodyBytes = view.getUint32(at + 36, true);
  const committedBytes = view.getUint32(at + 40, true);
  const frameBytes = view.getUint32(at + 48, true);
  if (committedBytes > bodyBytes || frameBytes < FRAME_HEADER_BYTES + bodyBytes) return 'invalid';
  if (frameBytes % FRAME_UNIT_BYTES !== 0) return 'invalid';
  if (at + frameBytes > bytes.length) return 'more';
  const sum = checksum(bytes, at + 8, at + FRAME_HEADER_BYTES + bodyBytes, 0);
  if (view.getUint32(at + 4, true) !== sum) return 'invalid';
  return {
    identity: getU64(view, at + 8),
    lsn: getU64(view, at + 16),
    durable: getU64(view, at + 24),
    file: view.getUint32(at + 32, true),
    bodyBytes,
    committedBytes,
    records: view.getUint32(at + 44, true),
    frameBytes,
    continues: (view.getUint32(at + 52, true) & CONTINUES) !== 0,
  };
}

/** How long the frame at `at` says it is; nothing of it is verified. */
export function claimedFrameBytes(view: DataView, at: number): number {
  return view.getUint32(at + 48, true);
}

export function roundUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}

function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

function getU64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}

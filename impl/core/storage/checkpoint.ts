/**
 * A checkpoint: what the log says before an lsn. Its body, all numbers varints, lists and byte strings after their
 * length:
 *
 *     lsn, lsn of the checkpoint before (0: none), 1 if the store was closed here (nothing follows in that file),
 *     next stream id
 *     files that hold frames before the lsn: number, begin
 *     frames of version 1 that end in a transaction that was never finished: lsn, how many of the frame's bytes count
 *     streams by id: id, name, start, end, extents: first index and lsn, each as the difference from the one before (that of
 *         the lsn doubled, or if it is negative, doubled and less one, without its sign), and bytes; in version 1 no bytes, and no
 *         negative differences, so none doubled
 *     keys in order: key, value
 */
import type { Checksum } from '../../ports/disk.ts';
import { ByteReader, ByteWriter, MalformedError } from '../codec.ts';
import {
  decodeFileHeader,
  encodeFileHeader,
  type FileHeader,
  HEADER_BYTES,
  roundUp,
} from './format.ts';
import type { Lsn } from './ids.ts';
import { StreamIndex } from './stream-index.ts';

export interface CheckpointFile {
  readonly number: number;
  readonly begin: Lsn;
}

export interface Checkpoint {
  readonly identity: number;
  readonly number: number;
  readonly lsn: Lsn;
  readonly previousLsn: Lsn;
  readonly isClosed: boolean;
  readonly nextStream: number;
  readonly files: readonly CheckpointFile[];
  readonly unfinished: ReadonlyMap<Lsn, number>;
  readonly streams: readonly StreamIndex[];
  readonly pairs: ReadonlyMap<string, Uint8Array>;
}

/** The whole file, padded with zeros to the alignment. */
export function encodeCheckpoint(
  checkpoint: Checkpoint,
  alignmentBytes: number,
  checksum: Checksum,
): Uint8Array {
  const writer = new ByteWriter();
  writer.whole(checkpoint.lsn).whole(checkpoint.previousLsn).bool(checkpoint.isClosed);
  writer.whole(checkpoint.nextStream);
  writer.list(checkpoint.files, (file) => writer.whole(file.number).whole(file.begin));
  writer.list([...checkpoint.unfinished], ([lsn, bytes]) => writer.whole(lsn).whole(bytes));
  writer.list(checkpoint.streams, (stream) => encodeStream(writer, stream));
  writer.list([...checkpoint.pairs.keys()].sort(), (key) => {
    writer.text(key).bytes(checkpoint.pairs.get(key)!);
  });
  const body = writer.finish();
  const bytes = new Uint8Array(roundUp(HEADER_BYTES + body.length, alignmentBytes));
  bytes.set(body, HEADER_BYTES);
  const header = {
    kind: 'checkpoint',
    identity: checkpoint.identity,
    number: checkpoint.number,
    bodyBytes: body.length,
    bodyChecksum: checksum(body, 0, body.length, 0),
  } as const;
  encodeFileHeader(bytes, header, checksum);
  return bytes;
}

/** The checkpoint in the file of that number, or why there is none. */
export function decodeCheckpoint(
  bytes: Uint8Array,
  number: number,
  checksum: Checksum,
): Checkpoint | 'invalid' | 'newer' {
  const header = decodeFileHeader(bytes, 'checkpoint', checksum);
  if (typeof header === 'string') return header;
  const end = HEADER_BYTES + header.bodyBytes;
  if (header.number !== number || end > bytes.length) return 'invalid';
  if (checksum(bytes, HEADER_BYTES, end, 0) !== header.bodyChecksum) return 'invalid';
  try {
    return decodeBody(bytes.subarray(HEADER_BYTES, end), header);
  } catch (error) {
    if (error instanceof MalformedError) return 'invalid';
    throw error;
  }
}

function decodeBody(body: Uint8Array, { identity, number, version }: FileHeader): Checkpoint {
  const reader = new ByteReader(body);
  const checkpoint: Checkpoint = {
    identity,
    number,
    lsn: reader.whole(),
    previousLsn: reader.whole(),
    isClosed: reader.bool(),
    nextStream: reader.whole(),
    files: reader.list(() => ({ number: reader.whole(), begin: reader.whole() })),
    unfinished: new Map(reader.list(() => [reader.whole(), reader.whole()] as const)),
    streams: reader.list(() => decodeStream(reader, version)),
    pairs: new Map(reader.list(() => [reader.text(), reader.bytes().slice()] as const)),
  };
  reader.end();
  return checkpoint;
}

function encodeStream(writer: ByteWriter, stream: StreamIndex): void {
  writer.whole(stream.id).text(stream.name).whole(stream.start).whole(stream.end);
  writer.whole(stream.extents);
  let first = 0;
  let lsn = 0;
  for (let i = 0; i < stream.extents; i++) {
    const distance = stream.lsnOf(i) - lsn;
    // Where records were repaired the next ones may lie before them.
    writer.whole(stream.firstOf(i) - first).whole(distance < 0 ? -2 * distance - 1 : 2 * distance);
    writer.whole(stream.bytesOf(i));
    first = stream.firstOf(i);
    lsn = stream.lsnOf(i);
  }
}

function decodeStream(reader: ByteReader, version: number): StreamIndex {
  const stream = new StreamIndex(reader.whole(), reader.text());
  stream.defined = true;
  stream.start = reader.whole();
  stream.end = reader.whole();
  let first = 0;
  let lsn = 0;
  const extents = reader.whole();
  // Each takes two bytes at least: what claims more is not one.
  if (extents * 2 > reader.left) throw new MalformedError('more extents than bytes');
  stream.makeRoom(extents);
  for (let left = extents; left > 0; left--) {
    first += reader.whole();
    const distance = reader.whole();
    if (version === 1) lsn += distance;
    else lsn += distance % 2 === 1 ? -(distance + 1) / 2 : distance / 2;
    stream.push(first, lsn, version === 1 ? 0 : reader.whole());
  }
  return stream;
}
